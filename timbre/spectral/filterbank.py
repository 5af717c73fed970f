"""Frequency scales, filterbanks on them without empty bands, and matrices from bands back to bins."""

import numpy as np

_LINEAR = 200.0 / 3.0  # Hz per mel below the break
_BREAK = 1000.0  # Hz
_LOG = np.log(6.4) / 27.0  # log Hz per mel above it


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """Mels of `hz`, 0 or more, on Slaney's scale (Auditory Toolbox, 1998): linear to 1 kHz, logarithmic above."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < _BREAK, hz / _LINEAR, _BREAK / _LINEAR + np.log(np.maximum(hz, _BREAK) / _BREAK) / _LOG)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Hz of mels; the inverse of :func:`hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    knee = _BREAK / _LINEAR
    return np.where(mel < knee, mel * _LINEAR, _BREAK * np.exp(_LOG * np.maximum(mel - knee, 0.0)))


def hz_to_erb(hz: np.ndarray) -> np.ndarray:
    """ERB numbers of `hz`, 0 or more (Glasberg and Moore 1990): equivalent rectangular bandwidths below a frequency."""
    return 21.4 * np.log10(1.0 + 0.00437 * np.asarray(hz, dtype=np.float64))


def erb_to_hz(erb: np.ndarray) -> np.ndarray:
    """Hz of ERB numbers; the inverse of :func:`hz_to_erb`."""
    return (10.0 ** (np.asarray(erb, dtype=np.float64) / 21.4) - 1.0) / 0.00437


SCALES = {"mel": (hz_to_mel, mel_to_hz), "erb": (hz_to_erb, erb_to_hz)}
"""Frequency scales by name: from Hz, and back."""


def band_edges(sample_rate: int, n_bands: int, scale: str = "mel") -> np.ndarray:
    """Frequencies (n_bands + 2,), Hz, evenly spaced on a scale from 0 to half of `sample_rate`: edges and centres."""
    from_hz, to_hz = SCALES[scale]
    return to_hz(np.linspace(0.0, float(from_hz(np.array(sample_rate / 2.0))), n_bands + 2))


def cq_edges(sample_rate: int, fmin: float, bins_per_octave: int, n_bands: int) -> np.ndarray:
    """Frequencies (n_bands + 2,), Hz: 0, `n_bands` of them a fixed ratio apart from `fmin`, half of `sample_rate`."""
    return np.r_[0.0, fmin * 2.0 ** (np.arange(n_bands) / bins_per_octave), sample_rate / 2.0]


def filterbank(sample_rate: int, n_fft: int, n_bands: int, scale: str = "mel") -> np.ndarray:
    """Triangular filters with peak 1, each at least one bin wide on either side.

    With many bands the low triangles are narrower than the spacing of the bins, and the usual construction leaves
    those between two bins empty. Here such a band interpolates between its neighbouring bins, which estimates its
    magnitude. Wider triangles on the mel scale equal those of librosa and torchaudio with ``norm=None``.

    Bands are evenly spaced on a scale of :data:`SCALES` from 0 to `sample_rate` / 2 (Hz). The weights (n_bands,
    n_fft // 2 + 1), float32, are in 0..1; no row is empty.
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

    Among all magnitudes that give the same bands, the Moore-Penrose inverse chooses those of least energy, which smears
    a partial over its band. Magnitudes of an STFT are sums of main lobes, whose covariance over bins is the transform
    of the squared window (1, 2/3 and 1/6 for Hann). The most likely magnitudes under that covariance take one product
    as well and are 1.8 dB nearer to those of real notes. If the bands determine every bin, the two inverses agree.

    The variance `noise`, relative to 1, is added for sounds that are not lobes. With weights (bands, bins) the inverse
    is (bins, bands), float32, and ``bank @ inverse @ bank == bank`` unless bands are nearly equal.
    """
    weights = bank.astype(np.float64)
    lobe, around = (1.0 / 6.0, 2.0 / 3.0, 1.0 + noise, 2.0 / 3.0, 1.0 / 6.0), np.pad(weights, ((0, 0), (2, 2)))
    shifted = [value * around[:, k : k + bank.shape[1]] for k, value in enumerate(lobe)]
    likely = np.sum(shifted, 0)  # weights @ covariance
    return np.asarray(likely.T @ np.linalg.pinv(weights @ likely.T, rcond=1e-6, hermitian=True), np.float32)


def response_inverse(responses: np.ndarray, lobes: np.ndarray, noise: float = 0.01) -> np.ndarray:
    """Matrix (bins, bands), float32, from readings of bands that are not filters on the STFT to its magnitudes.

    A least-squares regression on the readings of both for sines at n evenly spaced frequencies: responses (n, bands)
    and lobes (n, bins). It generalises :func:`bank_inverse`: the covariance of the lobes is the same, but no weights
    from bins to bands are needed, which do not exist for bands narrower than a bin. The ridge `noise` is relative to
    the mean power of the bands. Readings from a model have errors of decibels: a larger ridge suppresses them, a
    smaller one keeps more of exact readings.
    """
    power = responses.T @ responses
    ridge = noise * np.trace(power) / len(power) * np.eye(len(power))
    return np.linalg.solve(power + ridge, responses.T @ lobes).T.astype(np.float32)
