"""Distances between the modulations of two sounds. Exported by :mod:`timbre.evaluation.metrics.sounds`."""

from itertools import pairwise

import numpy as np
import torch

from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.evaluation.metrics._arrays import Array, vectors
from timbre.spectral import Spectrogram

_SEGMENT = 0.5  # seconds over which modulations are analysed
_FRAME_RATE = 200  # Hz, of the envelopes
_MEL_BANDS = 32
_MODULATIONS = 4.0 * 10.0 ** (np.arange(5) / 4.0)  # Hz, edges: roughness and flutter; slower ones are the note's shape
_AUDIBLE = 0.3  # dB of level: modulation of 5 %, about the threshold of hearing (Viemeister 1979)
_LEVEL_RANGE = 60.0  # dB: envelopes are cut this far below the loudest value

_WINDOW = 0.093  # seconds: a Hann window whose main lobe (43 Hz wide) leaves room between the partials above C3
_STEP = 0.0058  # seconds: envelopes up to 86 Hz
_ERB_BANDS = 24
_LOWEST = 100.0  # Hz
_EDGES = (4.0, 8.0, 16.0, 32.0)  # Hz of modulation: octaves; slower ones are the note's shape, faster the window hides
_BAND_RANGE = 70.0  # dB below the mean of the loudest band, from which a band does not count
_LOBE = 2.5  # bins on each side of a partial that its main lobe takes


def texture_db(reference: Array, estimate: Array, sample_rate: int) -> float:
    """Distance between the modulations of two sounds in dB: differences of grain, breath and beating.

    The level (dB) of each of 32 mel bands is followed over time; its modulation spectrum between 4 and 40 Hz, in four
    bands, is computed over segments of 0.5 s and averaged in dB, so that one attack counts as one segment. The distance
    is the mean absolute difference of these statistics (modulation power of envelopes, after McDermott and Simoncelli
    2011). It ignores phase and exact timing: another draw of the same noise is about 1 dB away, a texture that was
    smoothed out much more. Modulations too weak to be audible (0.3 dB) count as none; gain makes no difference.

    Args:
        reference: waveform (samples,).
        estimate: of the same length.
        sample_rate: Hz, 8000 or more.

    Raises:
        AudioError: the lengths differ, fewer than 2 samples, the rate is below 8000 Hz, or the reference is silent.
    """
    if sample_rate < 8000:
        raise AudioError(f"The sample rate must be 8000 Hz or more, got {sample_rate}.")
    first, second = (_modulations(one, sample_rate) for one in vectors(reference, estimate, least=2))
    return float(np.abs(first - second).mean())


def _modulations(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Modulation level in dB, (bands, modulation bands)."""
    size, count = 2 * round(sample_rate / 86), round(_SEGMENT * _FRAME_RATE)
    hop = sample_rate // _FRAME_RATE
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=size, hop_length=hop, n_mels=_MEL_BANDS, floor_db=-200.0)
    spectrogram = Spectrogram(config)
    padded = np.pad(samples, (0, max(0, round(_SEGMENT * sample_rate) - samples.size)))
    with torch.no_grad():
        level = spectrogram(torch.from_numpy(padded.astype(np.float32))[None])[0].double().numpy()
    level = np.maximum(level, level.max() - _LEVEL_RANGE)
    segments = np.lib.stride_tricks.sliding_window_view(level, count, axis=-1)[:, :: count // 2]
    clock = np.linspace(-1.0, 1.0, count)
    slope = segments @ clock / (clock @ clock)
    flat = segments - segments.mean(-1, keepdims=True) - slope[..., None] * clock
    power = _modulation_spectrum(flat)
    edges = np.round(_MODULATIONS * _SEGMENT).astype(int)  # in cycles per segment
    banded = np.add.reduceat(power[..., : edges[-1]], edges[:-1], axis=-1)
    return np.asarray((10.0 * np.log10(banded + _AUDIBLE**2)).mean(1))


def noise_modulation_db(
    reference: Array, estimate: Array, sample_rate: int, frequency: float | None = None
) -> float | None:
    """Distance between the temporal modulation spectra of the noise in two sounds, dB.

    The STFT's power is summed in 24 bands, equally wide on the ERB-rate scale (Glasberg and Moore 1990); with a
    `frequency`, bins within 2.5 of one of its harmonics are left out, so that the noise between the partials remains.
    Each band's power p(t) is divided by its mean, and its modulation power |FFT(p / mean p - 1)|^2 (Hann window) is
    summed from 4 to 8, 8 to 16 and 16 to 32 Hz. The distance is the mean absolute difference of those sums in dB: the
    modulation power of envelopes distinguishes sound textures of one spectrum (McDermott and Simoncelli 2011), and
    smoothing synthesis loses it (Takamichi et al. 2014). Power is used in place of level because the power of Gaussian
    noise has a known modulation, while its level in dB is dominated by the dips.

    Args:
        reference: waveform (samples,), without the silence before its onset.
        estimate: of the same length.
        sample_rate: Hz.
        frequency: fundamental in Hz; None for a sound without pitch.

    Returns:
        dB, 0 for equal sounds, whatever their gain; about 2 for two draws of one noise of 2 s, 1 for 8 s. None
        where the partials leave nothing between them (fundamentals below 55 Hz).

    Raises:
        AudioError: the lengths differ, less than 0.6 s, or one of the sounds is silent.
    """
    both = vectors(reference, estimate, least=2)
    if both.shape[1] < 0.6 * sample_rate or not both[1].any():
        raise AudioError(f"Both sounds must last 0.6 s or more and not be silent, got {both.shape[1]} samples.")
    size = 2 * round(_WINDOW * sample_rate / 2)
    bands = _noise_bands(size, sample_rate, frequency)
    if not bands.any():
        return None
    powers = [_envelopes(one, size, round(_STEP * sample_rate), bands) for one in both]
    means = powers[0].mean(-1)
    counts = (means > means.max() * 10.0 ** (-_BAND_RANGE / 10.0)) & (powers[1].mean(-1) > 0.0)
    rate = sample_rate / round(_STEP * sample_rate)
    first, second = (_modulation_levels(power[counts], rate) for power in powers)
    return float(np.abs(first - second).mean())


def _noise_bands(size: int, sample_rate: int, frequency: float | None) -> np.ndarray:
    """The bins of each band that has some, bool (bands, bins)."""
    hertz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    low, high = 21.4 * np.log10(1.0 + 0.00437 * np.array([_LOWEST, 0.95 * sample_rate / 2]))
    edges = (10.0 ** (np.linspace(low, high, _ERB_BANDS + 1) / 21.4) - 1.0) / 0.00437
    bands = (hertz >= edges[:-1, None]) & (hertz < edges[1:, None])
    if frequency is not None:
        away = np.abs(hertz - frequency * np.maximum(1.0, np.round(hertz / frequency)))
        bands &= away > _LOBE * sample_rate / size
    return np.asarray(bands[bands.any(1)])


def _envelopes(samples: np.ndarray, size: int, step: int, bands: np.ndarray) -> np.ndarray:
    """Power over time (bands, frames)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::step] * np.hanning(size)
    return np.asarray(bands.astype(float) @ np.square(np.abs(np.fft.rfft(frames))).T)


def _modulation_levels(power: np.ndarray, rate: float) -> np.ndarray:
    """Modulation power in dB (bands, modulation bands), at least -60."""
    spectrum = _modulation_spectrum(power / power.mean(-1, keepdims=True) - 1.0)
    hertz = np.fft.rfftfreq(power.shape[1], 1.0 / rate)
    sums = [spectrum[:, (hertz >= low) & (hertz < high)].sum(-1) for low, high in pairwise(_EDGES)]
    return np.asarray(10.0 * np.log10(np.stack(sums, -1) + 1e-6))


def _modulation_spectrum(envelopes: np.ndarray) -> np.ndarray:
    """Power spectrum over the last axis with a Hann window, (..., frequencies)."""
    count = envelopes.shape[-1]
    window = np.hanning(count)
    return np.square(np.abs(np.fft.rfft(envelopes * window))) * 2.0 / (count * np.square(window).sum())
