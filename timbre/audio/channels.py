"""Which channels of a sound become one: all, those that count, or one of them if the mean would be another sound."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

_SECONDS = 30.0  # from the beginning of a sound, that decide
_LOWEST = 25.0  # Hz: a constant and rumble do not count
_THIRD = 2.0 ** (1 / 3)  # ratio of the edges of a band
_NOTHING = 1e-14  # power of a sine: what rounding leaves of a constant
_SOFTER, _SILENT = 1e-3, 1e-6  # of the loudest channel's power: softer channels do not count (-30 dB), or are silent
_CANCELS = 0.5  # of the power of the sum of unrelated channels: less in all (a correlation of -0.5 in stereo) ...
_BAND_CANCELS, _SHARE = 0.25, 0.5  # ... or less in bands that have this share of the power: the channels cancel
_LATEST = 0.03  # s by which a channel may be later than another
_ALIKE, _LESS = 0.9, 0.95  # correlation at another lag than 0 of the same sound; share of it at 0, at most
_FLAT = -3.3  # dB: the flatness of noise in bands is -2.5
_BLOCK, _EVEN = 0.05, 1.0  # s; dB, standard deviation of the level of noise that never changes


class Mixdown(NamedTuple):
    """Indices of the channels whose mean represents a sound, and a sentence if they are not all."""

    channels: tuple[int, ...]
    reason: str


def mixdown(samples: np.ndarray, rate: int) -> Mixdown:
    """The channels of samples (channels, n) that become one.

    Channels do not count that are 30 dB softer than the loudest, or steady noise from beginning to end next to others
    that are not. The mean of unrelated channels has 1 / channels of their mean power, that of equal channels all of it.
    If the mean has less than half of what unrelated channels give, or less than a quarter in third-octave bands with
    half of the power, or if a channel is another one up to 30 ms later, the loudest channel is taken.
    """
    everything = tuple(range(len(samples)))
    if samples.shape[1] < 2:
        return Mixdown(everything, "")
    samples = samples[:, : max(1, round(_SECONDS * rate))]
    spectrum = np.fft.rfft(samples)
    edges = _edges(spectrum.shape[1], rate / samples.shape[1])
    power = np.square(np.abs(spectrum))
    total = power[:, edges[0] :].sum(axis=1)
    if total.max() < _NOTHING * samples.shape[1] ** 2:
        return Mixdown(everything, "")
    counting, reason = _counting(samples, power, total, rate, edges)
    loudest = int(counting[np.argmax(np.round(10.0 * np.log10(total[counting]), 1))])
    if _cancels(spectrum[counting], power[counting], edges):
        return Mixdown((loudest,), f"they cancel each other, number {loudest + 1} is used")
    others = counting[counting != loudest]
    if _is_late(spectrum[loudest], spectrum[others], edges[0], round(_LATEST * rate)):
        return Mixdown((loudest,), f"they are the same sound at different times, number {loudest + 1} is used")
    return Mixdown(tuple(counting.tolist()), reason)


def _counting(
    samples: np.ndarray, power: np.ndarray, total: np.ndarray, rate: int, edges: np.ndarray
) -> tuple[np.ndarray, str]:
    """Indices of the channels that count, and a sentence about the others."""
    soft = total < _SOFTER * total.max()
    noise = np.array([_is_noise(*channel, rate, edges) for channel in zip(samples, power, strict=True)])
    noise &= not noise[~soft].all()
    for what, out in (("silent", total < _SILENT * total.max()), ("noise", noise), ("soft", soft)):
        if out.any():
            numbers = ", ".join(str(index + 1) for index in np.flatnonzero(out)[:8])
            verb = f"number {numbers} is" if out.sum() == 1 else f"numbers {numbers} are"
            return np.flatnonzero(~(soft | noise)), f"{verb} {what}"
    return np.arange(len(samples)), ""


def _is_noise(samples: np.ndarray, power: np.ndarray, rate: int, edges: np.ndarray) -> bool:
    """Whether a channel is noise of the same level from beginning to end."""
    size = max(1, round(_BLOCK * rate))
    blocks = np.square(samples[: samples.size // size * size].reshape(-1, size), dtype=np.float64).mean(axis=1)
    level = 10.0 * np.log10(np.maximum(blocks, 1e-20))
    return level.size > 1 and float(np.std(level)) < _EVEN and _flatness(power, edges) > _FLAT


def _cancels(spectrum: np.ndarray, power: np.ndarray, edges: np.ndarray) -> bool:
    """Whether much less is left of channels (channels, bins) in their sum than of unrelated ones."""
    if len(spectrum) == 1:
        return False
    summed = np.add.reduceat(np.square(np.abs(spectrum.sum(axis=0))), edges[:-1])
    unrelated = np.add.reduceat(power.sum(axis=0), edges[:-1])
    lost = unrelated[summed < _BAND_CANCELS * unrelated].sum()
    return bool(summed.sum() < _CANCELS * unrelated.sum() or lost > _SHARE * unrelated.sum())


def _is_late(first: np.ndarray, others: np.ndarray, lowest: int, latest: int) -> bool:
    """Whether one of the spectra `others` (channels, bins) is the first one at another time: their sum is a comb."""
    for other in others:
        product = first * np.conj(other)
        product[:lowest] = 0.0
        lags = np.fft.irfft(product)
        scale = np.linalg.norm(first[lowest:]) * np.linalg.norm(other[lowest:])
        correlation = lags[np.r_[0 : latest + 1, -latest:0] % lags.size] * lags.size / (2.0 * scale)
        highest = float(np.abs(correlation).max())
        if highest > _ALIKE and correlation[0] < _LESS * highest:
            return True
    return False


def _edges(bins: int, resolution: float) -> np.ndarray:
    """Edges of third-octave bands, from the lowest to the last bin; `resolution` is that of the bins, Hz."""
    lowest = max(1, min(bins - 1, int(np.ceil(_LOWEST / resolution)))) if bins > 1 else 0
    count = int(np.ceil(np.log(bins / max(1, lowest)) / np.log(_THIRD)))
    edges = np.minimum(bins, max(1, lowest) * _THIRD ** np.arange(count + 1)).astype(int)
    return np.unique(np.r_[lowest, edges, bins])


def _flatness(power: np.ndarray, edges: np.ndarray) -> float:
    """Mean over bands of the ratio (dB) of the geometric to the arithmetic mean of the power; -inf if all are short."""
    bands = (power[low:high] for low, high in pairwise(edges) if high - low >= 8)
    ratios = [np.log10(np.maximum(b, 1e-30)).mean() - np.log10(b.mean()) for b in bands if b.mean() > 0.0]
    return float(10.0 * np.mean(ratios)) if ratios else -np.inf
