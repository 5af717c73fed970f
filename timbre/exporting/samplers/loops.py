"""Loops without a seam: partials that are periodic in the loop, and a crossfade that keeps the power of every band.

A note is taken apart into bands around its harmonics, which sum to it. In the loop, each band whose partial is clear is
turned so that the partial's phase stays; then the end of the loop fades into what comes before its start. The gains of
the fade follow the correlation of the two: where they are alike their amplitudes sum to one (partials), where they are
not their powers do (noise).
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

_NARROW = 8.0  # Hz to each side of a partial in which its phase is followed
_CLEAR = 0.5  # share of a band's power near its partial from which the partial is clear
_SLOWEST = 1.0  # Hz between a partial and its harmonic up to which it is turned; beyond, it is inharmonic
_BAND = 50.0  # Hz, of sounds without pitch
_SECONDS = 1.2  # of a loop
_SPLICE = 0.002  # s before the end in which the file becomes the very samples before the start
_ROOM = 0.1  # s of silence after the sound, as the end of an FFT meets its beginning
_SEAM = 0.01  # s before the end and the start that are compared


@dataclass(frozen=True)
class Grid:
    """The periods of a loop.

    Attributes:
        length: of the loop in samples.
        periods: in the loop; of sounds without pitch, of 50 Hz.
        sample_rate: Hz.
        pitched: whether the periods are those of the sound.
    """

    length: int
    periods: int
    sample_rate: int
    pitched: bool

    @property
    def frequency(self) -> float:
        """Hz, such that the periods are exactly the loop."""
        return self.periods * self.sample_rate / self.length

    @property
    def pitch(self) -> float:
        """MIDI, of the frequency: within 0.1 cents of the pitch that was asked for."""
        return 69.0 + 12.0 * float(np.log2(self.frequency / 440.0))


def make_grid(pitch: float | None, sample_rate: int) -> Grid:
    """The loop of about 1.2 s for a pitch, MIDI, or without pitch: a whole number of samples and periods."""
    frequency = _BAND if pitch is None else 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    periods = max(1, round(_SECONDS * frequency))
    return Grid(round(periods * sample_rate / frequency), periods, sample_rate, pitch is not None)


class Bands:
    """A note in bands around its harmonics, each a complex envelope of four samples a period.

    Args:
        samples: float (n,).
        grid: of the note's pitch.
    """

    def __init__(self, samples: np.ndarray, grid: Grid) -> None:
        self.grid, self.length = grid, len(samples)
        loops = -(-len(samples) // grid.length) + (-len(samples) % grid.length < _ROOM * grid.sample_rate)
        self._total, self._width = loops * grid.length, loops * grid.periods  # samples; bins of the FFT a band
        self._count = max(0, self._total // 2 // self._width - 1)
        self._spectrum = fft.rfft(samples.astype(np.float32), self._total)
        self.envelopes = self._taken(self._width)
        self.times = np.arange(4 * self._width) * (self._total / (4 * self._width))  # in samples
        seconds = self._total / grid.sample_rate
        self._near = self._taken(min(self._width // 2, max(2, round(_NARROW * seconds))))

    def _taken(self, half: int) -> np.ndarray:
        """Envelopes (bands, times) under Hann windows of `half` bins to each side; those of whole bands sum to all."""
        offsets = np.arange(-half, half)
        window = (0.5 + 0.5 * np.cos(np.pi * offsets / half)).astype(np.float32)
        bins = np.zeros((self._count, 4 * self._width), np.complex64)
        centres = self._width * np.arange(1, self._count + 1)
        bins[:, offsets % bins.shape[1]] = self._spectrum[centres[:, None] + offsets] * window
        return fft.ifft(bins, axis=1)

    def phases(self, start: float, end: float) -> np.ndarray:
        """The mean of each partial between two samples (bands,), complex; 0 where it is not clear or inharmonic."""
        part = self._part(start, end)
        near, whole = self._near[:, part], self.envelopes[:, part]
        power = (np.abs(near) ** 2).sum(1)
        clear = power > _CLEAR * (np.abs(whole) ** 2).sum(1)
        step = (near[:, 1:] * near[:, :-1].conj()).sum(1)
        clear &= np.abs(np.angle(step)) < np.pi / 2 * _SLOWEST / self.grid.frequency
        return np.where(clear, np.abs(near).mean(1) * np.exp(1j * np.angle(near.sum(1))), 0)

    def at(self, time: float) -> np.ndarray:
        """Each partial at a sample (bands,), complex."""
        return self._near[:, np.searchsorted(self.times, time)]

    def turn(self, phases: np.ndarray, start: float) -> None:
        """Turn every partial from a sample on so that it keeps the phase of `phases` (bands,), where that is not 0."""
        known, after = np.abs(phases) > 0, self.times >= start
        if not known.any() or not after.any():
            return
        floor = 0.02 * np.abs(self._near[known]).max(1, keepdims=True)
        now = self._near[known][:, after] * np.exp(-1j * np.angle(phases[known]))[:, None] + floor
        self.envelopes[np.ix_(known, after)] *= np.exp(-1j * np.angle(now))

    def close(self, end: int, fade: int) -> None:
        """Let every band fade into what it was a loop before, over `fade` samples before `end`."""
        back = 4 * self.grid.periods
        part = np.flatnonzero((self.times >= end - fade) & (self.times < self.length))
        old, new = self.envelopes[:, part], self.envelopes[:, part - back]
        gains = _gains((self.times[part] - (end - fade)) / fade, _correlation(old, new)[:, None])
        self.envelopes[:, part] = gains[0] * old + gains[1] * new

    def sound(self, closed: tuple[int, int] | None = None) -> np.ndarray:
        """The samples (n,), float32: the bands, and what lies below the first and above the last of them.

        `closed` are the arguments of :meth:`close` for what lies outside the bands.
        """
        rest = self._spectrum.copy()
        half, centres = self._width, self._width * np.arange(1, self._count + 1)
        offsets = np.arange(-half, half)
        window = 0.5 + 0.5 * np.cos(np.pi * offsets / half)
        for centre in centres:
            rest[centre + offsets] -= self._spectrum[centre + offsets] * window
        outside = fft.irfft(rest, self._total)
        if closed is not None:
            outside = _closed(outside, self.grid.length, *closed)
        joined = np.zeros(len(rest) + 4 * half, np.complex64)
        bins, wide = fft.fft(self.envelopes, axis=1), np.arange(-2 * half, 2 * half)
        for row, centre in zip(bins, centres, strict=True):
            joined[centre + wide + 2 * half] += row[wide % row.size]
        inside = fft.irfft(joined[2 * half : 2 * half + len(rest)], self._total)
        return (inside + outside)[: self.length].astype(np.float32)

    def _part(self, start: float, end: float) -> slice:
        return slice(*np.searchsorted(self.times, [start, end]))


def _closed(samples: np.ndarray, length: int, end: int, fade: int) -> np.ndarray:
    samples = samples.copy()
    part = np.arange(end - fade, end)
    old, new = samples[part], samples[part - length]
    out, into = _gains((part - end + fade) / fade, _correlation(old[None], new[None]))
    samples[part] = out * old + into * new
    return samples


def _correlation(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Of rows of samples (rows, n), 0 to 1, (rows,)."""
    product = (old * new.conj()).real.sum(1)
    power = np.sqrt((np.abs(old) ** 2).sum(1) * (np.abs(new) ** 2).sum(1))
    return (product / np.maximum(power, 1e-20)).clip(0.0, 1.0)


def _gains(progress: np.ndarray, correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gains of what fades out and in, at shares 0 to 1 of a crossfade, that keep the power at a correlation."""
    share = np.clip(progress, 0.0, 1.0)
    angle = 0.5 * np.pi * share * share * (3.0 - 2.0 * share)
    out, into = np.cos(angle), np.sin(angle)
    norm = 1.0 / np.sqrt(1.0 + 2.0 * correlation * out * into)
    return out * norm, into * norm


def spliced(samples: np.ndarray, start: int, end: int, sample_rate: int, after: int) -> np.ndarray:
    """Samples up to `end`, and `after` more, that repeat exactly from `start` on; the last 2 ms blend into it."""
    short = min(round(_SPLICE * sample_rate), start)
    done = np.concatenate([samples[:end], samples[start : start + after]])
    share = np.linspace(0.0, 1.0, short, dtype=np.float32) if short else np.zeros(0, np.float32)
    done[end - short : end] += share * (samples[start - short : start] - done[end - short : end])
    return done


def seam_db(samples: np.ndarray, start: int, end: int, sample_rate: int) -> float:
    """The level, dB, of the difference between the 10 ms before the end of a loop and those before its start, which
    play one after the other; relative to the sound, -120 or more."""
    width = min(round(_SEAM * sample_rate), start)
    before, again = samples[end - width : end], samples[start - width : start]
    error, power = np.mean((before - again) ** 2), np.mean(again**2)
    return float(max(-120.0, 10.0 * np.log10((error + 1e-20) / (power + 1e-20))))
