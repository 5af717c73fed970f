"""Scales of frequency, filterbanks on them that leave no band empty, and the way back from bands to bins."""

import numpy as np
from scipy.linalg import toeplitz

_LINEAR = 200.0 / 3.0  # Hz per mel below the break
_BREAK = 1000.0  # Hz
_LOG = np.log(6.4) / 27.0  # log Hz per mel above it


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear to 1 kHz, logarithmic above. `hz` is 0 or more."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < _BREAK, hz / _LINEAR, _BREAK / _LINEAR + np.log(np.maximum(hz, _BREAK) / _BREAK) / _LOG)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Inverse of :func:`hz_to_mel`: hertz of mels."""
    mel = np.asarray(mel, dtype=np.float64)
    knee = _BREAK / _LINEAR
    return np.where(mel < knee, mel * _LINEAR, _BREAK * np.exp(_LOG * np.maximum(mel - knee, 0.0)))


def hz_to_erb(hz: np.ndarray) -> np.ndarray:
    """ERB numbers (Glasberg and Moore 1990): equivalent rectangular bandwidths of the ear below `hz`, 0 or more."""
    return 21.4 * np.log10(1.0 + 0.00437 * np.asarray(hz, dtype=np.float64))


def erb_to_hz(erb: np.ndarray) -> np.ndarray:
    """Inverse of :func:`hz_to_erb`: hertz of ERB numbers."""
    return (10.0 ** (np.asarray(erb, dtype=np.float64) / 21.4) - 1.0) / 0.00437


SCALES = {"mel": (hz_to_mel, mel_to_hz), "erb": (hz_to_erb, erb_to_hz)}
"""Scales of frequency by name: from hertz, and back."""


def band_edges(sample_rate: int, n_bands: int, scale: str = "mel") -> np.ndarray:
    """Frequencies (n_bands + 2,), Hz, evenly spaced on a scale from 0 to half of `sample_rate`: edges and centres."""
    there, back = SCALES[scale]
    return back(np.linspace(0.0, float(there(np.array(sample_rate / 2.0))), n_bands + 2))


def cq_edges(sample_rate: int, fmin: float, bins_per_octave: int, n_bands: int) -> np.ndarray:
    """Frequencies (n_bands + 2,), Hz: 0, `n_bands` of them a fixed ratio apart from `fmin`, half of `sample_rate`."""
    return np.r_[0.0, fmin * 2.0 ** (np.arange(n_bands) / bins_per_octave), sample_rate / 2.0]


def mel_centers(sample_rate: int, n_mels: int) -> np.ndarray:
    """Centre frequencies (Hz) of `n_mels` bands between 0 and half of `sample_rate`: (n_mels,)."""
    return band_edges(sample_rate, n_mels)[1:-1]


def mel_filterbank(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """:func:`filterbank` on the mel scale."""
    return filterbank(sample_rate, n_fft, n_mels)


def filterbank(sample_rate: int, n_fft: int, n_bands: int, scale: str = "mel") -> np.ndarray:
    """Triangular filters with peak 1, each at least one bin wide on either side.

    With many bands the low triangles are narrower than the spacing of the bins, and the usual construction leaves
    those that fall between two bins empty. Here such a band interpolates between its neighbouring bins, which is
    what its magnitude would be; wider triangles on the mel scale are those of librosa and torchaudio with
    ``norm=None``.

    Args:
        sample_rate: Hz.
        n_fft: STFT size, samples.
        n_bands: bands, evenly spaced on the scale from 0 to `sample_rate` / 2.
        scale: a name in :data:`SCALES`.

    Returns:
        Weights (n_bands, n_fft // 2 + 1), float32, in 0..1; no row is empty.
    """
    edges = band_edges(sample_rate, n_bands, scale)
    bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    width = np.maximum(np.diff(edges), sample_rate / n_fft)
    offset = bins - edges[1:-1, None]
    rising = 1.0 + offset / width[:-1, None]
    falling = 1.0 - offset / width[1:, None]
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def bank_inverse(bank: np.ndarray, noise: float = 0.01) -> np.ndarray:
    """Generalised inverse of a filterbank that prefers magnitudes shaped like the lobes of a Hann window.

    Among all magnitudes that give the same bands, the Moore-Penrose inverse takes those of least energy, which smears a
    partial over its band. Magnitudes of an STFT are sums of main lobes, whose covariance over bins is the transform of
    the squared window (1, 2/3 and 1/6 for Hann): taking the most likely magnitudes under it costs the same one product
    and is 1.8 dB nearer to those of real notes. Where the bands fix every bin, the two inverses agree.

    Args:
        bank: weights (bands, bins).
        noise: variance added for what is not a lobe, relative to 1.

    Returns:
        (bins, bands), float32, with ``bank @ inverse @ bank == bank`` unless bands are all but the same.
    """
    weights = bank.astype(np.float64)
    covariance = toeplitz(np.r_[1.0 + noise, 2.0 / 3.0, 1.0 / 6.0, np.zeros(max(0, bank.shape[1] - 3))])
    root = np.linalg.cholesky(covariance)
    return (root @ np.linalg.pinv(weights @ root, rcond=1e-3)).astype(np.float32)


def response_inverse(responses: np.ndarray, lobes: np.ndarray, noise: float = 0.01) -> np.ndarray:
    """Matrix that takes readings of bands to magnitudes of an STFT, where the bands are no filters on it.

    The least-squares regression on what both make of steady sines. It is :func:`bank_inverse` over again, for the
    covariance of the lobes is the one assumed there, but needs no weights that make bands of bins: there are none for
    bands narrower than a bin.

    Args:
        responses: what the bands read for sines at n frequencies, evenly spaced: (n, bands).
        lobes: magnitudes of the STFT for the same sines: (n, bins).
        noise: ridge, relative to the bands' mean power. Readings that a model made err by decibels: more of it costs
            quality of faithful ones, less of it lets those errors through.

    Returns:
        (bins, bands), float32.
    """
    power = responses.T @ responses
    ridge = noise * np.trace(power) / len(power) * np.eye(len(power))
    return np.linalg.solve(power + ridge, responses.T @ lobes).T.astype(np.float32)
