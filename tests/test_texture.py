"""The modulation spectrum distance of noise."""

import sys
from pathlib import Path

import numpy as np
import pytest

from timbre.errors import AudioError

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _measures import noise_modulation_db

RATE = 22050


def noise(seed: int, seconds: float = 2.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=round(seconds * RATE)) * 0.1


def static(seed: int, period: int = 220) -> np.ndarray:
    """White on average and noise-like, but of one short stretch that comes again: its envelopes stand still."""
    stretch = np.random.default_rng(seed).normal(size=period) * 0.1
    return np.resize(stretch, 2 * RATE)


def test_equal_sounds_are_0_apart_whatever_their_gain() -> None:
    assert noise_modulation_db(noise(1), noise(1), RATE) == 0.0
    assert noise_modulation_db(noise(1), 0.3 * noise(1), RATE) == pytest.approx(0.0, abs=1e-3)


def test_other_draws_are_near_and_static_noise_is_far() -> None:
    other, still = noise_modulation_db(noise(1), noise(2), RATE), noise_modulation_db(noise(1), static(3), RATE)
    assert other is not None
    assert still is not None
    assert other < 3.0
    assert still > 10.0


def test_between_partials_the_noise_counts_and_the_tone_does_not() -> None:
    clock = np.arange(2 * RATE) / RATE
    tone = sum(np.sin(2 * np.pi * 440.0 * k * clock) / k for k in range(1, 20))
    same = noise_modulation_db(tone + 0.1 * noise(1), tone + 0.1 * noise(2), RATE, 440.0)
    still = noise_modulation_db(tone + 0.1 * noise(1), tone + 0.1 * static(3), RATE, 440.0)
    assert same is not None
    assert still is not None
    assert same < 3.0
    assert still > 2.0 * same


def test_low_partials_leave_no_room() -> None:
    assert noise_modulation_db(noise(1), noise(2), RATE, 30.0) is None


def test_refuses_short_and_silent_sounds() -> None:
    with pytest.raises(AudioError, match=r"0\.6 s"):
        noise_modulation_db(noise(1, 0.3), noise(2, 0.3), RATE)
    with pytest.raises(AudioError, match="silent"):
        noise_modulation_db(noise(1), 0.0 * noise(1), RATE)
