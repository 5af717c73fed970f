"""How far one sound, or its spectrogram, is from another. Arrays or tensors in, floats out."""

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.evaluation.metrics._over_time import click_excess_db, crests_db, onset_time
from timbre.evaluation.metrics._texture import texture_db
from timbre.evaluation.metrics.arrays import Array, decibels, pair, vectors
from timbre.spectral import STFT, Spectrogram

__all__ = [
    "click_excess_db",
    "crests_db",
    "log_mel_l1",
    "multi_resolution_stft",
    "onset_time",
    "pitch_error_cents",
    "spectral_convergence_db",
    "texture_db",
]


def spectral_convergence_db(reference: Array, estimate: Array) -> float:
    """Spectral convergence in dB: 20 log10(||reference - estimate|| / ||reference||), Frobenius norms.

    Args:
        reference: linear magnitudes of any shape.
        estimate: magnitudes of the same shape.

    Returns:
        dB, lower is better: 0 for an estimate of silence, -inf for equal spectrograms.

    Raises:
        AudioError: the shapes differ, or the reference is silent.
    """
    reference, estimate = pair(reference, estimate)
    norm = np.linalg.norm(reference)
    if norm == 0.0:
        raise AudioError("The reference spectrogram must not be silent: there is no level to compare with.")
    return decibels(np.linalg.norm(reference - estimate) / norm)


def log_mel_l1(reference: Array, estimate: Array, sample_rate: int, n_mels: int = 128) -> float:
    """Mean absolute difference of log10 mel magnitudes (n_fft 1024, hop 256, floor -80 dB); 0.05 is 1 dB.

    Args:
        reference: waveform (samples,) or waveforms (batch, samples), full scale 1.
        estimate: of the same shape.
        sample_rate: Hz.
        n_mels: bands.

    Raises:
        AudioError: the shapes differ.
    """
    spectrogram = Spectrogram(SpectrogramConfig(sample_rate=sample_rate, n_mels=n_mels, floor_db=-80.0))
    waveforms = [torch.from_numpy(np.atleast_2d(one).astype(np.float32)) for one in pair(reference, estimate)]
    with torch.no_grad():
        first, second = (spectrogram(waveform) for waveform in waveforms)
    return float((first - second).abs().mean()) / 20.0


def multi_resolution_stft(
    reference: Array, estimate: Array, sizes: tuple[int, ...] = (512, 1024, 2048), floor_db: float = -80.0
) -> float:
    """Multi-resolution STFT distance (Yamamoto, Song and Kim 2020): a sum of two terms, averaged over window sizes.

    The terms are the spectral convergence as a ratio of norms, || |X| - |Y| || / || |X| ||, and the mean over all bins
    of | ln |X| - ln |Y| |. Windows are Hann, hops a quarter of them, and a full-scale sine has magnitude 1.

    Args:
        reference: waveform (samples,), full scale 1.
        estimate: of the same length.
        sizes: window and FFT sizes, samples.
        floor_db: lower magnitudes are raised to this level in the second term, where 0.115 is 1 dB.

    Returns:
        0 for equal sounds; 1 or more for sounds that have nothing in common.

    Raises:
        AudioError: the lengths differ, or the reference is silent.
    """
    both = torch.from_numpy(vectors(reference, estimate, least=1))
    floor, parts = 10.0 ** (floor_db / 20.0), []
    for size in sizes:
        first, second = STFT(size, size // 4).double()(both).abs()
        convergence = torch.linalg.norm(first - second) / torch.linalg.norm(first)
        parts.append(convergence + (first.clamp(min=floor).log() - second.clamp(min=floor).log()).abs().mean())
    return float(torch.stack(parts).mean())


def pitch_error_cents(reference: Audio, estimate: Audio, near: float) -> float | None:
    """Pitch of `estimate` minus that of `reference`, cents; None if either has no clear pitch.

    Args:
        reference: a note.
        estimate: another note, or the same after processing.
        near: expected pitch, MIDI; both are searched within 60 cents of it.
    """
    first, second = measure_pitch(reference, near), measure_pitch(estimate, near)
    return None if first is None or second is None else 100.0 * (second - first)
