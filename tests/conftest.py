"""What many tests share: the shipped notes, and a small space that was really trained on some of them."""

import copy
import os
from dataclasses import replace
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

import timbre
from timbre.config import Config, DataConfig, ModelConfig, TrainingConfig
from timbre.data import Library
from timbre.models.conditions import Conditions
from timbre.space import Space

# Machines differ, so tests do not assert times; and a run that passes once passes again. New examples are looked for
# with HYPOTHESIS_PROFILE=search scripts/test.
hypothesis.settings.register_profile("timbre", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "timbre"))

ROOT = Path(__file__).parents[1]
ORCHESTRA = ROOT / "datasets" / "orchestra"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the tests make goes to a folder of their own, and they play by torch; subprocesses inherit both."""
    os.environ["TIMBRE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["TIMBRE_RUNTIME"] = "torch"  # to prepare a space for onnxruntime takes longer than most tests


@pytest.fixture(scope="session")
def orchestra() -> Library:
    """The shipped library."""
    return timbre.scan(ORCHESTRA)


@pytest.fixture(scope="session")
def some_notes(orchestra: Library) -> Library:
    """Forty notes of four instruments."""
    chosen = orchestra.filter(instrument=["flute", "clarinet", "trumpet", "violin"])
    return chosen[:40]


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    """Settings that train in seconds."""
    return Config(
        data=DataConfig(duration=0.5, valid=0.1, test=0.1),
        model=ModelConfig(dim=3, flows=2, encoder_channels=16, decoder_channels=16, decoder_blocks=1, harmonics=8),
        training=TrainingConfig(epochs=3, batch_size=8, threads=1, device="cpu"),
    )


@pytest.fixture(scope="session")
def tiny_folder(some_notes: Library, tiny_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished small run."""
    folder = tmp_path_factory.mktemp("run") / "space"
    timbre.train(some_notes, tiny_config, folder, progress=False)
    return folder


@pytest.fixture(scope="session")
def tiny_space(tiny_folder: Path) -> Space:
    """The space in that folder."""
    return timbre.load(tiny_folder)


@pytest.fixture(scope="session")
def harmonic_space(tiny_space: Space) -> Space:
    """The small space without noise, at about -40 dB: its notes have a pitch whatever it has learned."""
    model = copy.deepcopy(tiny_space.model)
    bins, head = model.decoder.bins, model.decoder.head
    with torch.no_grad():
        head.weight[: 2 * bins] = 0.0
        head.bias[:bins] = 0.0
        head.bias[bins : 2 * bins] = -3.0
    return Space(tiny_space.config, model, tiny_space.atlas, tiny_space.report)


@pytest.fixture(scope="session")
def known_space(tiny_space: Space) -> Space:
    """The small space with random points and a known decoder: a tilt, ripples and a level, smooth in point and time."""
    model = copy.deepcopy(tiny_space.model)
    bins = torch.linspace(-1.0, 1.0, model.decoder.bins)
    shapes = torch.stack([12.0 * bins, 8.0 * torch.cos(17.0 * bins), 3.0 * torch.ones_like(bins)])

    def decode(z: torch.Tensor, conditions: Conditions, time: torch.Tensor) -> torch.Tensor:
        z = z if z.dim() == 3 else z.unsqueeze(1).expand(-1, len(time), -1)
        released = (time - conditions.release.unsqueeze(-1)).clamp_min(0.0)
        attack = 1.0 + 0.5 * torch.exp(-8.0 * time).unsqueeze(-1)
        return (attack * torch.sinh(z) @ shapes - 35.0 - 100.0 * released.unsqueeze(-1)).transpose(1, 2)

    model.decoder.forward = decode  # type: ignore[method-assign]
    points = 0.5 * np.random.default_rng(0).standard_normal(tiny_space.atlas.points.shape).astype(np.float32)
    return Space(tiny_space.config, model, replace(tiny_space.atlas, points=points), tiny_space.report)


@pytest.fixture(scope="session")
def soundfonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny SoundFont in both forms."""
    from trees_soundfont import COMPRESSED, TINY, write

    folder = tmp_path_factory.mktemp("soundfonts")
    write(folder, TINY, "tiny.sf2")
    write(folder, COMPRESSED, "tiny.sf3")
    return folder


@pytest.fixture(params=["tiny.sf2", "tiny.sf3"])
def tiny_soundfont(request: pytest.FixtureRequest, soundfonts: Path) -> Path:
    return soundfonts / request.param
