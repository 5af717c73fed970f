"""Loudness, harmonic energy, inharmonicity and roughness: sounds whose values are known."""

import numpy as np
import pytest
import torch
from test_descriptors import SAW, SPECTROGRAMS, TIME, noise, tone, value

from timbre.spectral.descriptors.intervals import pair_roughness


def sine(level, hz=1000.0):
    """A tone of a level in dB SPL, where full scale is 90."""
    return 10.0 ** ((level - 90.0) / 20.0) * np.sin(2 * np.pi * hz * TIME)


@pytest.mark.parametrize("kind", SPECTROGRAMS)
def test_loudness_is_in_sones(kind):
    # By definition 1 sone is a tone of 1 kHz at 40 dB SPL, and 10 dB more are twice as loud.
    found = [value(sine(level), "loudness", 60.0, kind) for level in (40.0, 50.0, 60.0, 70.0)]
    np.testing.assert_allclose(np.log2(found), [0.0, 1.0, 2.0, 3.0], atol=0.55)
    np.testing.assert_allclose(np.diff(np.log2(found)), 1.0, atol=0.25)


def test_loudness_of_other_frequencies_and_bandwidths():
    # At 60 dB SPL, 100 Hz is 38 phon and 3 kHz 63 (ISO 226); wide noise is louder than a tone of the same power.
    low, middle, high = (value(sine(60.0, hz), "loudness") for hz in (100.0, 1000.0, 3000.0))
    assert low < 0.5 * middle < 0.5 * high
    hiss = noise() / noise().std() * 10.0 ** (-30.0 / 20.0) / np.sqrt(2.0)
    assert value(hiss, "loudness") > 2.0 * middle


@pytest.mark.parametrize("kind", SPECTROGRAMS)
def test_harmonic_energy_of_partials_in_noise(kind):
    for gain in (0.1, 1.0):
        samples = gain * tone(60, SAW[:8])
        wanted = 10.0 * np.log10(2.0 * np.mean(samples**2))
        assert value(samples, "harmonic_energy", 60.0, kind) == pytest.approx(wanted, abs=0.3)
    assert value(samples + 0.2 * noise(), "harmonic_energy", 60.0, kind) == pytest.approx(wanted, abs=0.3)


def stretched(pitch, coefficient, count=20):
    """Partials of a stiff string (Fletcher 1964), and the Timbre Toolbox's inharmonicity of the first 16."""
    number, base = np.arange(1, count + 1), 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    hz, amplitude = number * base * np.sqrt(1.0 + coefficient * number**2), 0.85**number
    samples = sum(
        a * np.sin(2 * np.pi * f * TIME + 3.0 * k**2) for k, (f, a) in enumerate(zip(hz, amplitude, strict=True))
    )
    power = amplitude[:16] ** 2
    return 0.1 * samples, 2.0 / base * np.sum((hz[:16] - number[:16] * base) * power) / power.sum()


@pytest.mark.parametrize("kind", SPECTROGRAMS)
@pytest.mark.parametrize("pitch", [45.0, 57.0, 64.0])
def test_inharmonicity_of_stiff_strings(pitch, kind):
    for coefficient in (4e-4, 1e-3, 2e-3):
        samples, wanted = stretched(pitch, coefficient)
        assert value(samples, "inharmonicity", pitch, kind) == pytest.approx(wanted, rel=0.2)
        assert value(samples, "inharmonicity", pitch + 0.2, kind) == pytest.approx(wanted, rel=0.25)  # 20 cents off
    assert value(stretched(pitch, 0.0)[0], "inharmonicity", pitch, kind) < 0.01


def test_roughness_of_two_beating_tones():
    # Most at 20 to 40 Hz apart near 500 Hz, little in unison and beyond a critical band (Vassilakis 2001).
    apart = torch.linspace(0.0, 300.0, 301, dtype=torch.float64)
    low, one = torch.tensor(500.0, dtype=torch.float64), torch.ones((), dtype=torch.float64)
    found = pair_roughness(low, low + apart, one, one)
    assert found[0] == 0.0
    assert 20 <= int(found.argmax()) <= 40
    assert found[300] < 0.05 * found.max()
    # Of equal amplitudes most: the depth of the beats to the power of 3.11.
    shares = pair_roughness(low, low + 30.0, one, torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64))
    np.testing.assert_allclose(shares[1] / shares[0], 0.5**0.1 * (2.0 / 3.0) ** 3.11)
    assert shares[2] < 0.01 * shares[0]


@pytest.mark.parametrize("kind", SPECTROGRAMS)
def test_roughness_of_partials(kind):
    # Partials 10 and 11 alone, at 1,100 and 1,210 Hz or twice that: two tones, whose beats are as the formula says.
    for pitch in (45.0, 57.0):
        parts = [0.0] * 9 + [1.0, 1.0]
        base = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
        one = torch.tensor(1.0)
        wanted = float(pair_roughness(torch.tensor(10 * base), torch.tensor(11 * base), one, one))
        assert value(tone(pitch, parts), "roughness", pitch, kind) == pytest.approx(wanted, rel=0.15)
    assert value(tone(36, SAW), "roughness", 36.0, kind) > 3.0 * value(tone(72, SAW[:12]), "roughness", 72.0, kind)
