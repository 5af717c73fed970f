"""Compiled loops of a vocoder's stream."""

import math

import numpy as np

from timbre.spectral.compiled import compiled

_ONE, _FOUR, _MOST = np.float32(1.0), np.float32(4.0), np.float32(20.0)  # exp(4 * 20) is still a float32
_LOBE, _MOST_GAIN = 4, 100.0  # bins beside a partial; power
_LEAST, _TINY, _SILENT = np.float32(1e-9), np.float32(1e-6), np.float32(1e-20)


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
def _windowed(spectrum: np.ndarray, k: int) -> float:
    """Power of a bin after the Hann window of the synthesis; the spectrum has a bin more at both ends."""
    x = 2.0 * spectrum[k + 1].real - spectrum[k].real - spectrum[k + 2].real
    y = 2.0 * spectrum[k + 1].imag - spectrum[k].imag - spectrum[k + 2].imag
    return x * x + y * y


@compiled
def _add_pulses(pulses: np.ndarray, plain: np.ndarray, out: np.ndarray) -> None:
    """Add the pulses to a frame, loud partials at the power that is decoded.

    The network learns its gains at whole semitones. In between they may be 10 dB too low for partials that are far
    apart, so that a bend would fade. `pulses` are with the network's gains and residual phases, `plain` without them,
    and both (bins + 2,) have a bin more at both ends. Weak partials (-30 dB) keep the network's gains.
    """
    bins, loudest = len(out), 1e-30
    made, due = np.zeros(bins + 1), np.zeros(bins + 1)  # their powers below each bin
    for k in range(bins):
        made[k + 1], due[k + 1] = made[k] + _windowed(pulses, k), due[k] + _windowed(plain, k)
    for k in range(bins):
        loudest = max(loudest, due[min(k + _LOBE + 1, bins)] - due[max(k - _LOBE, 0)])
    for k in range(bins):
        low, high = max(k - _LOBE, 0), min(k + _LOBE + 1, bins)
        power = max(due[high] - due[low], 1e-30)
        share = min(max(math.log10(power / loudest) + 3.0, 0.0), 1.0)
        gain = min(power / max(made[high] - made[low], 1e-30), _MOST_GAIN) ** (0.5 * share)
        out[k] += complex(gain * pulses[k + 1].real, gain * pulses[k + 1].imag)


@compiled
def mix_rows(
    magnitude: np.ndarray, outputs: np.ndarray, comb: np.ndarray, scales: tuple[float, float, float],
    pulses: np.ndarray, tones: np.ndarray, noise: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Compute :func:`timbre.vocoder.network.mixed` of :func:`timbre.vocoder.network.mix_of` for rows of frames.

    Pulses are added at the power that is decoded, see :func:`_add_pulses`.

    Args:
        magnitude, comb: float32 (frames, bins).
        outputs: of the network, float32 (frames, 4, bins).
        scales: `CLEAR`, `NOISE` and `LOUDER` of the network.
        pulses, tones, noise: complex64 (frames, bins); of the first two only the phases matter.
        out: the spectra, complex64 (frames, bins).
    """
    clear, rare, louder = np.float32(1.0 / scales[0]), np.float32(math.exp(scales[1])), np.float32(scales[2])
    bins = out.shape[1]
    tuned, plain = np.zeros(bins + 2, np.complex64), np.zeros(bins + 2, np.complex64)
    for row in range(len(out)):
        for k in range(bins):
            lobe = comb[row, k] * clear + _TINY
            first = lobe * lobe * math.exp(_FOUR * np.minimum(outputs[row, 0, k], _MOST))
            third = rare * math.exp(_FOUR * np.minimum(outputs[row, 2, k], _MOST))
            share = _ONE / (first + _ONE + third)
            gain = magnitude[row, k] * math.exp(louder * math.tanh(outputs[row, 3, k]))
            a, b = pulses[row, k].real, pulses[row, k].imag
            scale = math.sqrt(np.maximum(first * share, _LEAST)) / np.maximum(math.sqrt(a * a + b * b), _TINY)
            a, b = scale * a, scale * b
            c, s = math.cos(outputs[row, 1, k]), math.sin(outputs[row, 1, k])
            x, y = tones[row, k].real, tones[row, k].imag
            scale = math.sqrt(np.maximum(share, _LEAST)) / np.maximum(math.sqrt(x * x + y * y), _SILENT)
            x, y = scale * x, scale * y
            noisy = gain * math.sqrt(np.maximum(third * share, _LEAST))
            tuned[k + 1] = complex(gain * (a * c - b * s), gain * (a * s + b * c))
            plain[k + 1] = complex(magnitude[row, k] * a, magnitude[row, k] * b)
            out[row, k] = complex(gain * x + noisy * noise[row, k].real, gain * y + noisy * noise[row, k].imag)
        _add_pulses(tuned, plain, out[row])
