"""Where a sound begins within its first window."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from timbre.config import SpectrogramConfig, VocoderConfig
from timbre.spectral import STFT
from timbre.vocoder.attack import FLOOR, Attack
from timbre.vocoder.network import make_vocoder
from timbre.vocoder.streaming import VocoderStream

RATE, SIZE, HOP = 22050, 1024, 256
TRANSFORM = STFT(SIZE, HOP)
ATTACK = Attack(TRANSFORM.window.numpy(), HOP, RATE)


def powers(sound: np.ndarray) -> tuple[float, float]:
    spectrum = TRANSFORM(torch.from_numpy(sound[None]).float())[0]
    first, second = spectrum.abs().square().sum(0)[:2].tolist()
    return first, second


@pytest.mark.parametrize("kind", ["noise", "tone"])
@pytest.mark.parametrize("begins", [60, 120, 240, 360, 480])
def test_a_sound_that_begins_at_once_is_found(kind: str, begins: int):
    noise = np.random.default_rng(begins).standard_normal(4096)
    sound = noise if kind == "noise" else np.sin(2.0 * np.pi * 440.0 / RATE * np.arange(4096))
    sound[:begins] = 0.0
    assert ATTACK.start(*powers(sound)) == pytest.approx(begins, abs=0.001 * RATE)


@pytest.mark.parametrize("pair", [(1.0, 1.0), (1.0, 0.5), (0.0, 0.0), (1.0, 0.0)])
def test_what_sounds_from_before_is_left_as_it_is(pair: tuple[float, float]):
    assert (ATTACK.gains(*pair) == 1.0).all()


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_gains_rise_from_the_floor_to_one(first: float, second: float):
    gains = ATTACK.gains(first, second)
    assert gains.shape == (SIZE // 2,)
    assert (np.diff(gains) >= 0.0).all()
    assert FLOOR - 1e-6 <= gains[0] <= gains[-1] == 1.0
    assert np.allclose(gains, ATTACK.gains(3.0 * first, 3.0 * second), atol=0.02)


def test_a_vocoder_waits_for_the_beginning():
    """A tone that begins 12 ms after the first frame's centre: little sounds before, and all of it after."""
    begins, time = 264, np.arange(RATE // 2)
    sound = np.sin(2.0 * np.pi * 440.0 / RATE * time) * (time >= begins)
    magnitude = TRANSFORM(torch.from_numpy(sound[None]).float())[0].abs().numpy()
    torch.manual_seed(0)
    net = make_vocoder(SpectrogramConfig(), VocoderConfig(channels=16, blocks=2, kernel=3)).eval()
    stream = VocoderStream(net, TRANSFORM, RATE)
    found = np.concatenate([stream.push(magnitude, pitch=69.0), stream.flush()])[stream.latency :]
    before, after = (np.sqrt(np.mean(np.square(part))) for part in (found[: begins - 180], found[begins:4000]))
    assert before < 0.05 * after
    assert 0.3 < after < 1.5
