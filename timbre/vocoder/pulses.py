"""The STFT of a band-limited pulse train, in closed form: where a note's partials lie, and their phases."""

import math

import numpy as np

from timbre.vocoder._loops import pulse_rows

NEAR = 4  # partials that contribute to a bin; a Hann window's lobe is four bins wide
FADE = 0.02  # share of half the sample rate over which the highest partials fade when the pitch moves


def pulse_spectrum(
    frequency: np.ndarray, phase: np.ndarray, n_fft: int, sample_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """The STFT (Hann window, centred frames) of sum_h cos(h phase(t)), all partials below half the sample rate.

    The frequency is taken as steady within a frame, so that frames are independent. Only the four nearest partials
    count, since lobes of others are 40 dB lower.

    Args:
        frequency, phase: of the first partial at the frame's centre, Hz (NaN: no pitch) and radians, (...).
        n_fft, sample_rate: window and FFT size, samples; Hz.

    Returns:
        Two arrays (..., n_fft // 2 + 1), 0 where there is no pitch: the spectrum, complex64, in which a partial of
        amplitude 1 has magnitude 1; and its magnitude if partials did not interfere, float32.
    """
    shape = (*frequency.shape, n_fft // 2 + 1)
    spectra, lobes = (np.empty((frequency.size, shape[-1]), kind) for kind in (np.complex64, np.float32))
    widths = frequency.ravel().astype(np.float64) * (n_fft / sample_rate)
    pulse_rows(widths, phase.ravel().astype(np.float64), NEAR, FADE, spectra, lobes)
    return spectra.reshape(shape), lobes.reshape(shape)


def advance(phase: float, before: float, now: float, hop_length: int, sample_rate: float) -> float:
    """The phase of the first partial one hop later, radians, 0..2 pi.

    `before` and `now` are frequencies at the start and the end of the hop, Hz, with a straight line between them; NaN:
    no pitch, during which the phase stands still.
    """
    known = [value for value in (before, now) if not math.isnan(value)]
    mean = sum(known) / len(known) if known else 0.0
    return (phase + 2.0 * math.pi * hop_length / sample_rate * mean) % (2.0 * math.pi)
