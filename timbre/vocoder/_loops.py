"""Compiled loops of a vocoder's stream."""

import math

import numpy as np

from timbre.spectral.compiled import compiled


@compiled
def pulse_rows(
    widths: np.ndarray, phases: np.ndarray, near: int, fade: float, spectra: np.ndarray, lobes: np.ndarray
) -> None:
    """Compute :func:`timbre.vocoder.pulses.pulse_spectrum` for rows of frames.

    The transform of a Hann window at a distance of d bins is sinc(d) / (1 - d^2). Signs alternate from bin to bin,
    since the FFT's time begins half a window before the centre of a frame.

    Args:
        widths, phases: bins between partials (NaN: no pitch), and radians, (frames,).
        near: number of partials that contribute to a bin.
        fade: share of the bins over which the highest partials fade in and out.
        spectra, lobes: outputs, complex64 and float32 (frames, bins).
    """
    bins = spectra.shape[1]
    top = bins - 1.0
    for frame in range(len(widths)):
        width, phase = widths[frame], phases[frame]
        if math.isnan(width):
            spectra[frame] = 0.0
            lobes[frame] = 0.0
            continue
        count = int(top / width) + 2
        real, imaginary, sine = np.empty(count), np.empty(count), np.empty(count)
        for number in range(count):
            center = number * width
            edge = min(max((top - center) / (fade * top), 0.0), 1.0)
            real[number], imaginary[number] = math.cos(number * phase) * edge, math.sin(number * phase) * edge
            sine[number] = math.sin(math.pi * center)
        for k in range(bins):
            first = int(k / width) - (near // 2 - 1)
            sign = 1.0 - 2.0 * (k & 1)
            x = y = power = 0.0
            for number in range(max(first, 1), min(first + near, count)):
                d = k - number * width
                rest = 1.0 - d * d
                if abs(d) < 1e-4:
                    value = sign
                elif abs(rest) < 1e-4:
                    value = 0.5 * sign
                else:
                    value = -sine[number] / (math.pi * d * rest)
                x += value * real[number]
                y += value * imaginary[number]
                power += value * value * (real[number] ** 2 + imaginary[number] ** 2)
            spectra[frame, k] = complex(x, y)
            lobes[frame, k] = math.sqrt(power)


@compiled
def mix_rows(
    magnitude: np.ndarray, shares: np.ndarray, residual: np.ndarray, pulses: np.ndarray, tones: np.ndarray,
    noise: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Compute :func:`timbre.vocoder.network.mixed` for one frame.

    Args:
        magnitude, residual: float32 (bins,).
        shares: amplitudes of pulses, tones and noise, float32 (3, bins).
        pulses, tones, noise: complex64 (bins,); of the first two only the phases matter.
        out: the spectrum, complex64 (bins,).
    """
    for k in range(out.size):
        a, b = pulses[k].real, pulses[k].imag
        scale = shares[0, k] / max(math.sqrt(a * a + b * b), 1e-6)
        c, s = math.cos(residual[k]), math.sin(residual[k])
        x, y = scale * (a * c - b * s), scale * (a * s + b * c)
        a, b = tones[k].real, tones[k].imag
        scale = shares[1, k] / max(math.sqrt(a * a + b * b), 1e-20)
        x += scale * a + shares[2, k] * noise[k].real
        y += scale * b + shares[2, k] * noise[k].imag
        out[k] = complex(magnitude[k] * x, magnitude[k] * y)
