"""The network that corrects phase slopes: laws of its patches, its two ways of running, what it is worth."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.evaluation.metrics.sounds import spectral_convergence_db
from timbre.spectral import STFT, invert
from timbre.spectral.inversion import _learned, slopes
from timbre.spectral.inversion.pghi import pghi
from timbre.spectral.inversion.rtpghi import RTPGHI

ROOT = Path(__file__).parents[1]
TRANSFORM = STFT(1024, 256)


def picture(seed: int, frames: int = 6, bins: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 2.0, (frames, bins)).astype(np.float32)


@given(st.integers(0, 1000), st.floats(-20, 20), st.sampled_from([0, 1, 2]))
@settings(max_examples=20)
def test_patches_do_not_depend_on_the_level(seed: int, gain: float, look_ahead: int) -> None:
    places = np.arange(5 * 40 + 2, 5 * 40 + 30)
    flat = np.pad(picture(seed, 12), 0).reshape(-1)
    one = slopes.features(flat, 40, places, look_ahead)
    other = slopes.features(flat + np.float32(gain), 40, places, look_ahead)
    assert one.shape == (28, slopes.FRAMES * slopes.BINS)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)
    assert one.min() >= -3.0
    assert one.max() <= 1.5


@pytest.mark.parametrize("look_ahead", [0, 1])
def test_frame_by_frame_it_says_what_it_says_of_a_picture(look_ahead: int) -> None:
    rows = picture(3)
    border = slopes.Border.of(look_ahead)
    padded = np.pad(rows, ((0, 0), (border.below, border.above)), mode="edge")
    width, now = padded.shape[1], border.before
    bins = np.arange(1, rows.shape[1] - 1)
    expected = slopes.estimate(padded.reshape(-1), width, now * width + bins + border.below, look_ahead)
    learned = RTPGHI(1024, 256, look_ahead)._network
    assert learned is not None
    steps, doubt = np.zeros((2, rows.shape[1]), np.float32), np.zeros((2, rows.shape[1]), np.int32)
    steps[1] = np.pi
    _learned.correct(
        padded, tuple(border), np.float32(-100), learned._layers, learned._work, learned._bins,
        (1.0, (1e-6, 1e-6)), steps, doubt,
    )  # fmt: skip
    turns = np.exp(1j * (steps[:, bins] - np.array([[0.0], [np.pi]])))
    np.testing.assert_allclose(turns, np.exp(1j * np.stack([expected.to_frame, expected.to_bin])), atol=1e-3)
    sure = np.minimum(np.maximum(expected.certainty.T, 0.01), 1.0)
    np.testing.assert_array_equal(doubt[:, bins], (-np.log(sure)).astype(np.int32))


def test_small_differences_are_settled_for_the_formula_and_large_ones_for_the_network() -> None:
    difference = np.array([0.0, 0.01, -0.01, 1.0, -3.0, 2 * np.pi + 1.0])
    followed = slopes.settle(difference)
    assert np.abs(followed[:3]).max() < 1e-4
    np.testing.assert_allclose(followed[3:], [1.0, -3.0, 1.0], atol=1e-6)


@pytest.mark.parametrize(("inverter", "gain"), [("pghi", 4.0), ("pghi+8", 3.0)])
@pytest.mark.parametrize("stft", [TRANSFORM, STFT(2560, 640)], ids=["22 kHz", "44.1 kHz"])
def test_it_pays_on_noise(stft: STFT, inverter: str, gain: float) -> None:
    waveform = 0.1 * torch.randn(1, 22050, generator=torch.Generator().manual_seed(0))
    magnitude = stft(waveform).abs()
    learned = stft(invert(magnitude, stft, 22050, inverter)).abs()
    plain = stft(pghi(magnitude, stft, 22050, 0, 8 if "+" in inverter else 0, learned=False)).abs()
    one, other = (spectral_convergence_db(magnitude, found) for found in (learned, plain))
    assert one < other - gain


def test_other_hops_are_left_to_the_formula() -> None:
    transform = STFT(1024, 128)
    magnitude = transform(0.1 * torch.randn(1, 8192, generator=torch.Generator().manual_seed(0))).abs()
    one, other = (pghi(magnitude, transform, 8192, 0, learned=learned) for learned in (True, False))
    assert torch.equal(one, other)
    assert RTPGHI(1024, 128, 0)._network is None


def test_the_training_script_makes_weights_that_load(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "train_slopes.py", ROOT / "datasets" / "orchestra", "--notes", "30"]
    options = ["--epochs", "1", "--hidden", "8", "--look-ahead", "1", "--out", tmp_path]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "held out" in done.stdout
    from safetensors.torch import load_file

    weights = load_file(tmp_path / "look-ahead-1.safetensors")
    assert {tuple(value.shape) for value in weights.values()} == {(8, 36), (8,), (4, 8), (4,)}
