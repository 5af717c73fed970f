"""The modulations of the noise in a sound. :mod:`timbre.evaluation.metrics.sounds` offers them."""

from itertools import pairwise

import numpy as np

from timbre.errors import AudioError
from timbre.evaluation.metrics._arrays import Array, vectors

_WINDOW = 0.093  # seconds: a Hann window whose main lobe (43 Hz wide) leaves room between the partials above C3
_STEP = 0.0058  # seconds: envelopes up to 86 Hz
_BANDS = 24
_LOWEST = 100.0  # Hz
_EDGES = (4.0, 8.0, 16.0, 32.0)  # Hz of modulation: octaves; slower ones are the note's shape, faster the window hides
_RANGE = 70.0  # dB below the loudest band's mean, from where on a band does not count
_LOBE = 2.5  # bins on each side of a partial that its main lobe takes


def noise_modulation_db(
    reference: Array, estimate: Array, sample_rate: int, frequency: float | None = None
) -> float | None:
    """Distance in dB of the temporal modulation spectra of the noise in two sounds.

    The STFT's power is summed in 24 bands, equally wide on the ERB-rate scale (Glasberg and Moore 1990); with a
    `frequency`, bins within 2.5 of a harmonic of it are left out, so that what lies between the partials remains. Each
    band's power p(t) is divided by its mean, and its modulation power |FFT(p / mean p - 1)|^2 (Hann window) is summed
    from 4 to 8, 8 to 16 and 16 to 32 Hz. The mean absolute difference of those sums in dB is the distance: envelopes'
    modulation power is what tells sound textures of one spectrum apart (McDermott and Simoncelli 2011), and its loss is
    what smoothing synthesis does (Takamichi et al. 2014). Power, not level, because the power of Gaussian noise has a
    known modulation, while its level in dB dwells on the dips.

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
        raise AudioError("Two sounds of 0.6 s or more that are not silent are wanted, to compare their modulations.")
    size = 2 * round(_WINDOW * sample_rate / 2)
    bands = _noise_bands(size, sample_rate, frequency)
    if not bands.any():
        return None
    powers = [_envelopes(one, size, round(_STEP * sample_rate), bands) for one in both]
    means = powers[0].mean(-1)
    counts = (means > means.max() * 10.0 ** (-_RANGE / 10.0)) & (powers[1].mean(-1) > 0.0)
    rate = sample_rate / round(_STEP * sample_rate)
    first, second = (_modulation_levels(power[counts], rate) for power in powers)
    return float(np.abs(first - second).mean())


def _noise_bands(size: int, sample_rate: int, frequency: float | None) -> np.ndarray:
    """Which bins (bands, bins) make up each band."""
    hertz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    low, high = 21.4 * np.log10(1.0 + 0.00437 * np.array([_LOWEST, 0.95 * sample_rate / 2]))
    edges = (10.0 ** (np.linspace(low, high, _BANDS + 1) / 21.4) - 1.0) / 0.00437
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
    count = power.shape[1]
    window = np.hanning(count)
    flat = (power / power.mean(-1, keepdims=True) - 1.0) * window
    spectrum = np.square(np.abs(np.fft.rfft(flat))) * 2.0 / (count * np.square(window).sum())
    hertz = np.fft.rfftfreq(count, 1.0 / rate)
    sums = [spectrum[:, (hertz >= low) & (hertz < high)].sum(-1) for low, high in pairwise(_EDGES)]
    return np.asarray(10.0 * np.log10(np.stack(sums, -1) + 1e-6))
