"""How two waveforms differ over time: clicks, attacks, texture. :mod:`timbre.evaluation.metrics.sounds` offers them."""

import numpy as np
import torch

from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.evaluation.metrics._arrays import Array, decibels, vector, vectors
from timbre.spectral import Spectrogram

_ENVELOPE = 0.005  # seconds: short beside any attack, long beside the periods of all but the lowest notes
_ATTACK = 0.1  # seconds of a note that are looked at, from where it first comes within 40 dB of its peak
_LEVELS = np.arange(-40.0, -5.0, 0.5)  # dB below the peak at which two attacks are compared
_FINE = 0.004  # seconds: a Hann window that tells 2 ms apart
_SEGMENT = 0.5  # seconds over which modulations are analysed
_FRAME_RATE = 200  # Hz, of the envelopes
_BANDS = 32
_MODULATIONS = 4.0 * 10.0 ** (np.arange(5) / 4.0)  # Hz, edges: roughness and flutter; slower ones are the note's shape
_AUDIBLE = 0.3  # dB of level: modulation of 5 %, about where it begins to be heard (Viemeister 1979)
_RANGE = 60.0  # dB below the loudest that envelopes reach
_CLICK = 0.05  # seconds: windows in which clicks are looked for
_LOCAL = 0.01  # seconds of such a window that say how loud it is
_FAINT = 50.0  # dB below the loudest window, from where on none is looked for


def click_db(samples: Array) -> float:
    """Crest of the second difference in dB: its largest value over its root mean square.

    A steady sound reads 3 to 12 dB whatever its brightness, noise up to about 14; a jump or a kink in the waveform
    stands far above that. An attack does too, so compare with the original.

    Args:
        samples: waveform (samples,).

    Raises:
        AudioError: fewer than 3 samples.
    """
    samples = vector(samples, least=3)
    bend = np.abs(np.diff(samples, 2))
    level = np.sqrt(np.mean(np.square(bend)))
    return decibels(bend.max() / level) if level > 0.0 else 0.0


def click_excess_db(reference: Array, estimate: Array, sample_rate: int) -> float:
    """How much more a note clicks than another, in dB: the difference of their highest :func:`crests_db`.

    Other phases alone move it by some 5 dB either way. A note that ends within 0.1 s has no clicks.

    Args:
        reference: waveform (samples,).
        estimate: another, of any length.
        sample_rate: Hz.

    Raises:
        AudioError: fewer than 3 samples.
    """
    highest = [max(crests_db(one, sample_rate), default=0.0) for one in (reference, estimate)]
    return float(highest[1] - highest[0])


def crests_db(samples: Array, sample_rate: int) -> np.ndarray:
    """The crest of the second difference in every 50 ms of a note, 25 ms apart, from 0.1 s after its onset on.

    The onset is where the level first comes within 40 dB of its maximum. A crest is the largest value over the root
    mean square of the loudest 10 ms that end in the window: that of the whole window would take a note's end for a
    click. Windows that bend 50 dB less than the strongest are left out.

    Args:
        samples: waveform (samples,).
        sample_rate: Hz.

    Returns:
        dB, (windows,).

    Raises:
        AudioError: fewer than 3 samples.
    """
    samples = vector(samples, least=3)
    after = samples[round((onset_time(samples, sample_rate, _LEVELS[0]) + _ATTACK) * sample_rate) :]
    width = round(_CLICK * sample_rate)
    if after.size < width:
        return np.zeros(0)
    bend, step = np.square(np.diff(after, 2)), width // 2
    power = np.lib.stride_tricks.sliding_window_view(bend, width - 2)[::step]
    strength = power.mean(1)
    heard = strength > strength.max() * 10.0 ** (-_FAINT / 10.0)
    short = round(_LOCAL * sample_rate)
    local = np.convolve(bend, np.ones(short) / short)[: bend.size]  # of the 10 ms that end there
    loudest = np.lib.stride_tricks.sliding_window_view(local, width - 2)[::step].max(1)
    return np.asarray(10.0 * np.log10(power.max(1)[heard] / loudest[heard]))


def onset_time(samples: Array, sample_rate: int, threshold_db: float = -20.0) -> float:
    """Seconds until the level over 5 ms first comes within `threshold_db` of its maximum; 0 for silence.

    Args:
        samples: waveform (samples,).
        sample_rate: Hz.
        threshold_db: below 0.

    Raises:
        AudioError: no samples.
    """
    samples = vector(samples, least=1)
    width = max(1, round(_ENVELOPE * sample_rate))
    power = np.convolve(np.square(samples), np.ones(width), mode="full")[: samples.size]
    return float(np.argmax(power >= power.max() * 10.0 ** (threshold_db / 10.0)) / sample_rate)


def onset_smear_ms(reference: Array, estimate: Array, sample_rate: int) -> float:
    """How far apart the attacks of two notes lie, in ms: 0 for equal ones, the delay for a delayed one.

    The attack is where the reference first comes within 40 dB of its peak, 100 ms after it, and all before. In it, each
    sound climbs to its own highest level there; the times at which the two first reach each level from 40 to 6 dB below
    that are compared, and their distances averaged. So energy that comes early counts by how early and how loud it is
    (20 ms of pre-echo 30 dB down makes 6 ms), a blunted attack by how much later it climbs. Gain makes no difference.

    Args:
        reference: waveform (samples,), best with some silence before the note: before sample 0 nothing is seen.
        estimate: of the same length.
        sample_rate: Hz.

    Returns:
        ms, at most the length of what is looked at; an estimate that is silent there is as late as that.

    Raises:
        AudioError: the lengths differ, fewer than 2 samples, or the reference is silent.
    """
    both = vectors(reference, estimate, least=2)
    window = np.hanning(max(1, round(_FINE * sample_rate)) + 2)
    level = [np.convolve(np.square(one), window, mode="same")[: both.shape[1]] for one in both]
    start = int(np.argmax(level[0] >= level[0].max() * 1e-4))
    first, second = (_climb(one[: start + round(_ATTACK * sample_rate)]) for one in level)
    return float(np.abs(first - second).mean() * 1000.0 / sample_rate)


def _climb(power: np.ndarray) -> np.ndarray:
    """Samples until `power` first reaches each of the levels below its maximum; all of them if it is silent."""
    if power.max() <= 0.0:
        return np.full(_LEVELS.size, power.size)
    return np.searchsorted(np.maximum.accumulate(power), power.max() * 10.0 ** (_LEVELS / 10.0))


def texture_db(reference: Array, estimate: Array, sample_rate: int) -> float:
    """Distance between the modulations of two sounds in dB: what grain, breath and beating one has and the other not.

    The level (dB) of each of 32 mel bands is followed over time; its modulation spectrum between 4 and 40 Hz, in four
    bands, is found over segments of 0.5 s and averaged in dB, so that one attack counts as one segment. The mean
    absolute difference of these statistics is the distance (modulation power of envelopes, after McDermott and
    Simoncelli 2011). Phase and exact course do not matter: other noise of the same kind is about 1 dB away, a texture
    that was smoothed out many. Modulations too weak to be heard (0.3 dB) count as none; gain makes no difference.

    Args:
        reference: waveform (samples,).
        estimate: of the same length.
        sample_rate: Hz, 8000 or more.

    Raises:
        AudioError: the lengths differ, fewer than 2 samples, the rate is below 8000 Hz, or the reference is silent.
    """
    if sample_rate < 8000:
        raise AudioError(f"The sample rate is {sample_rate} Hz; 8000 or more is wanted.")
    first, second = (_modulations(one, sample_rate) for one in vectors(reference, estimate, least=2))
    return float(np.abs(first - second).mean())


def _modulations(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Modulation level in dB, (bands, modulation bands)."""
    size, count = 2 * round(sample_rate / 86), round(_SEGMENT * _FRAME_RATE)
    spectrogram = Spectrogram(
        SpectrogramConfig(
            sample_rate=sample_rate, n_fft=size, hop_length=sample_rate // _FRAME_RATE, n_mels=_BANDS, floor_db=-200.0
        )
    )
    padded = np.pad(samples, (0, max(0, round(_SEGMENT * sample_rate) - samples.size)))
    with torch.no_grad():
        level = spectrogram(torch.from_numpy(padded.astype(np.float32))[None])[0].double().numpy()
    level = np.maximum(level, level.max() - _RANGE)
    segments = np.lib.stride_tricks.sliding_window_view(level, count, axis=-1)[:, :: count // 2]
    clock = np.linspace(-1.0, 1.0, count)
    slope = segments @ clock / (clock @ clock)
    flat = segments - segments.mean(-1, keepdims=True) - slope[..., None] * clock
    window = np.hanning(count)
    power = np.square(np.abs(np.fft.rfft(flat * window))) * 2.0 / (count * np.square(window).sum())
    edges = np.round(_MODULATIONS * _SEGMENT).astype(int)  # of cycles per segment
    banded = np.add.reduceat(power[..., : edges[-1]], edges[:-1], axis=-1)
    return np.asarray((10.0 * np.log10(banded + _AUDIBLE**2)).mean(1))


def level_difference_db(reference: Array, estimate: Array) -> float:
    """How much louder `estimate` is than `reference` (dB of RMS); -inf for silence.

    Raises:
        AudioError: the lengths differ, there are no samples, or the reference is silent.
    """
    energy = np.square(vectors(reference, estimate, least=1)).sum(-1)
    return decibels(np.sqrt(energy[1] / energy[0]))
