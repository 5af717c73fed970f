"""How far one sound, or its spectrogram, lies from another. Arrays or tensors in, floats out."""

from typing import TypeAlias

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.spectral import Spectrogram

Array: TypeAlias = np.ndarray | torch.Tensor

_ENVELOPE = 0.005  # seconds: short beside any attack, long beside the periods of all but the lowest notes


def spectral_convergence_db(reference: Array, estimate: Array) -> float:
    """Spectral convergence in dB: 20 log10(||reference - estimate|| / ||reference||), Frobenius norms.

    Args:
        reference: linear magnitudes of any shape.
        estimate: magnitudes of the same shape.

    Returns:
        dB, 0 for an estimate of silence, lower is better; -inf for equal spectrograms.

    Raises:
        AudioError: the shapes differ, or the reference is silent.
    """
    reference, estimate = _pair(reference, estimate)
    norm = np.linalg.norm(reference)
    if norm == 0.0:
        raise AudioError("The reference spectrogram is silent: there is no level to measure an error against.")
    return _db(np.linalg.norm(reference - estimate) / norm)


def log_spectral_distance(reference: Array, estimate: Array, floor_db: float = -80.0) -> float:
    """Log-spectral distance in dB: the root mean square over bins of the level difference, averaged over frames.

    Args:
        reference: linear magnitudes (..., bins, frames), full scale 1.
        estimate: magnitudes of the same shape.
        floor_db: softer magnitudes count as this soft.

    Raises:
        AudioError: the shapes differ.
    """
    pair = np.maximum(_pair(reference, estimate), 10.0 ** (floor_db / 20.0))
    difference = 20.0 * np.log10(pair[0] / pair[1])
    return float(np.sqrt(np.square(difference).mean(axis=-2)).mean())


def log_mel_l1(reference: Array, estimate: Array, sample_rate: int, n_mels: int = 128) -> float:
    """Mean absolute difference of log10 mel magnitudes (n_fft 1024, hop 256, floor -80 dB); 0.05 is a decibel.

    Args:
        reference: waveform (samples,) or waveforms (batch, samples), full scale 1.
        estimate: of the same shape.
        sample_rate: Hz.
        n_mels: bands.

    Raises:
        AudioError: the shapes differ.
    """
    front = Spectrogram(SpectrogramConfig(sample_rate=sample_rate, n_mels=n_mels, floor_db=-80.0))
    waveforms = [torch.from_numpy(np.atleast_2d(one).astype(np.float32)) for one in _pair(reference, estimate)]
    with torch.no_grad():
        first, second = (front(waveform) for waveform in waveforms)
    return float((first - second).abs().mean()) / 20.0


def pitch_error_cents(reference: Audio, estimate: Audio, near: float) -> float | None:
    """How far the pitch of `estimate` lies above that of `reference`, in cents; None where either has no clear pitch.

    Args:
        reference: a note.
        estimate: another, or the same after some treatment.
        near: expected pitch, MIDI; both are looked for within 60 cents of it.
    """
    first, second = measure_pitch(reference, near), measure_pitch(estimate, near)
    return None if first is None or second is None else 100.0 * (second - first)


def click_db(samples: Array) -> float:
    """Crest of the second difference in dB: its largest value over its root mean square.

    A steady sound reads 3 to 12 dB whatever its brightness, noise up to about 14; a jump or a kink in the waveform
    stands far above that. An attack does too, so compare with the original.

    Args:
        samples: waveform (samples,).

    Raises:
        AudioError: fewer than 3 samples.
    """
    samples = _vector(samples, least=3)
    bend = np.abs(np.diff(samples, 2))
    level = np.sqrt(np.mean(np.square(bend)))
    return _db(bend.max() / level) if level > 0.0 else 0.0


def onset_time(samples: Array, sample_rate: int, threshold_db: float = -20.0) -> float:
    """Seconds until the level over 5 ms first comes within `threshold_db` of its maximum; 0 for silence.

    Args:
        samples: waveform (samples,).
        sample_rate: Hz.
        threshold_db: below 0.

    Raises:
        AudioError: no samples.
    """
    samples = _vector(samples, least=1)
    width = max(1, round(_ENVELOPE * sample_rate))
    power = np.convolve(np.square(samples), np.ones(width), mode="full")[: samples.size]
    return float(np.argmax(power >= power.max() * 10.0 ** (threshold_db / 10.0)) / sample_rate)


def _array(values: Array) -> np.ndarray:
    return values.detach().cpu().double().numpy() if isinstance(values, torch.Tensor) else np.asarray(values, float)


def _pair(reference: Array, estimate: Array) -> np.ndarray:
    """Both in one array (2, ...)."""
    first, second = _array(reference), _array(estimate)
    if first.shape != second.shape:
        raise AudioError(f"Shapes {first.shape} and {second.shape} were given; one and the same is wanted.")
    return np.stack([first, second])


def _vector(samples: Array, least: int) -> np.ndarray:
    array = _array(samples)
    if array.ndim != 1 or array.size < least:
        raise AudioError(f"Samples of shape {array.shape} were given; (n,) with n of {least} or more is wanted.")
    return array


def _db(ratio: float | np.floating) -> float:
    return float(20.0 * np.log10(ratio)) if ratio > 0.0 else -np.inf
