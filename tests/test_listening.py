"""Listening features, the map made of them, whitening, and the evidence of residuals."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor

import timbre
from timbre.config import Config, DataConfig, ModelConfig, SpectrogramConfig
from timbre.data.features.example import example
from timbre.models.conditions import Conditions
from timbre.models.listening_map import ListeningMap
from timbre.models.vae import VAE
from timbre.models.whitening import Whitening
from timbre.spectral import Spectrogram
from timbre.spectral.auditory import AuditoryFeatures
from timbre.spectral.listening import FLOOR_DB, MEANS, ListeningFeatures, softened
from timbre.training.batches import Batch
from timbre.training.measure import evidence

SECONDS = 1.0
CONFIG = Config(data=DataConfig(duration=SECONDS))
SPECTROGRAM = Spectrogram(CONFIG.spectrogram)


@pytest.fixture(scope="module")
def features() -> ListeningFeatures:
    return ListeningFeatures(SPECTROGRAM, SECONDS)


@pytest.fixture(scope="module")
def seen(orchestra: timbre.Library) -> tuple[Tensor, Tensor]:
    """Shipped notes of many instruments as the encoder sees them, and their pitches."""
    return prepared([note.audio() for note in orchestra[::4]], [note.pitch for note in orchestra[::4]])


def prepared(sounds: list[timbre.Audio], pitches: list[float | None]) -> tuple[Tensor, Tensor]:
    found = [example(sound, SPECTROGRAM, CONFIG, pitch) for sound, pitch in zip(sounds, pitches, strict=True)]
    return torch.from_numpy(np.stack([one.spectrogram for one in found])), torch.tensor([one.pitch for one in found])


@given(st.lists(st.floats(-80.0, 0.0), min_size=1, max_size=20))
def test_a_soft_floor_keeps_the_order_and_what_is_loud(levels: list[float]) -> None:
    x = torch.tensor(sorted(levels), dtype=torch.float64)
    soft = softened(x)
    assert (soft > FLOOR_DB - 1e-9).all()
    assert (soft.diff() > -1e-12).all()  # but for rounding
    assert ((soft - x)[x > FLOOR_DB + 20.0] < 0.05).all()


def test_features_are_auditory_ones_a_picture_and_descriptors(
    features: ListeningFeatures, seen: tuple[Tensor, Tensor]
) -> None:
    vectors, soft = features(*seen), softened(seen[0])
    assert vectors.shape == (len(seen[0]), features.size)
    assert torch.isfinite(vectors).all()
    size = features.auditory.size
    torch.testing.assert_close(vectors[:, :size] * MEANS[0], AuditoryFeatures(SPECTROGRAM, SECONDS)(soft))
    picture = vectors[:, size : size + 64 * 43]
    coarse = torch.nn.functional.adaptive_avg_pool2d(soft[:, None] + 100.0, (64, 43)).flatten(1)
    away = 0.5 * torch.cdist(picture.double(), picture.double()).square() * (MEANS[1] / 0.5) ** 2
    np.testing.assert_allclose(away.numpy(), 1.0 - cosine_similarity(coarse.double().numpy()), atol=1e-5)


@pytest.mark.parametrize("kind", ["mel", "linear", "erb", "dct", "nsgt_cq"])
def test_every_front_end_has_features(kind: str) -> None:
    spectrogram = Spectrogram(SpectrogramConfig(kind=kind, n_fft=512, hop_length=256))  # type: ignore[arg-type]
    x = spectrogram(torch.randn(2, 22050))
    assert torch.isfinite(ListeningFeatures(spectrogram, SECONDS)(x, torch.tensor([60.0, math.nan]))).all()


def test_faint_noise_and_coarse_steps_hardly_move_notes(
    features: ListeningFeatures, orchestra: timbre.Library, seen: tuple[Tensor, Tensor]
) -> None:
    """Notes that peak at -6 dB move by less than a tenth of the median distance of two sounds."""
    fixed = ListeningMap(features, 24)
    fixed.fit(features(*seen))
    chosen = orchestra[5::16]
    sounds = [note.audio().mono() for note in chosen]
    pitches = [note.pitch for note in chosen]
    scaled = [sound.samples * (0.5 / np.abs(sound.samples).max()) for sound in sounds]
    rng = np.random.default_rng(0)

    def changed(change) -> Tensor:
        copies = [
            timbre.Audio(change(x).astype(np.float32), s.sample_rate) for x, s in zip(scaled, sounds, strict=True)
        ]
        return fixed(*prepared(copies, pitches)) * fixed.deviation

    clean = changed(lambda x: x)
    usual = float(torch.pdist(clean).median())
    noisy = changed(lambda x: x + 1e-3 * rng.standard_normal(x.shape))
    stepped = changed(lambda x: np.round(x * 128.0) / 128.0)
    for copies in (noisy, stepped):
        assert float((copies - clean).norm(dim=1).median()) < 0.1 * usual


class TestMap:
    def test_it_is_scikit_learns_principal_components(
        self, features: ListeningFeatures, seen: tuple[Tensor, Tensor]
    ) -> None:
        found, vectors = ListeningMap(features, 6), features(*seen)
        found.fit(vectors)
        reference = PCA(6).fit(vectors.double().numpy())
        alike = found.components.double().numpy() @ reference.components_.T
        np.testing.assert_allclose(np.abs(alike), np.eye(6), atol=0.01)
        np.testing.assert_allclose(found.deviation.numpy() ** 2, reference.explained_variance_, rtol=0.05)
        points = found(*seen)
        torch.testing.assert_close(points.mean(0), torch.zeros(6), atol=1e-4, rtol=0)
        torch.testing.assert_close(points.std(0), torch.ones(6), atol=0.05, rtol=0)

    def test_it_is_the_same_each_time(self, features: ListeningFeatures, seen: tuple[Tensor, Tensor]) -> None:
        maps = [ListeningMap(features, 4) for _ in range(2)]
        for one in maps:
            torch.rand(3)
            one.fit(features(*seen))
        assert torch.equal(maps[0].components, maps[1].components)

    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_few_notes_leave_components_empty(
        self, features: ListeningFeatures, seen: tuple[Tensor, Tensor], count: int
    ) -> None:
        found = ListeningMap(features, 8)
        found.fit(features(seen[0][:count], seen[1][:count]))
        points = found(*seen)
        assert torch.isfinite(points).all()
        assert (points[:, count - 1 :] == 0).all()


class TestWhitening:
    def test_training_points_become_standard(self) -> None:
        torch.manual_seed(0)
        points = torch.randn(500, 5) @ torch.randn(5, 5) + 3.0
        white = Whitening(5)
        torch.testing.assert_close(white(points), points)
        white.fit(points)
        found = white(points)
        torch.testing.assert_close(found.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
        torch.testing.assert_close(found.T @ found / 500, torch.eye(5), atol=1e-3, rtol=0)
        torch.testing.assert_close(white.inverse(found), points, atol=1e-4, rtol=1e-4)

    def test_directions_without_spread_are_not_blown_up(self) -> None:
        points = torch.cat([torch.randn(50, 2), torch.zeros(50, 2)], 1)
        white = Whitening(4)
        white.fit(points)
        assert float(white.unroot.abs().max()) < 20.0
        white.fit(points[:1])  # too few: as it was
        torch.testing.assert_close(white.inverse(white(points)), points, atol=1e-4, rtol=1e-4)


class Given(VAE):
    """A model whose residuals are given noise."""

    def __init__(self, noise: Tensor) -> None:
        super().__init__(
            Config(
                SpectrogramConfig(n_fft=256, hop_length=128, n_mels=32),
                DataConfig(duration=0.4),
                ModelConfig(dim=2, flows=0, encoder_channels=8, decoder_channels=8, decoder_blocks=1, harmonics=0),
            )
        )
        self.noise = noise
        self.eval()

    def decode(self, z: Tensor, conditions: object, frames: Tensor | None = None) -> Tensor:
        return self.noise[: len(z)] - 20.0


class Notes:
    """One batch of level notes."""

    def __init__(self, count: int, frames: int) -> None:
        self.x, unknown = torch.full((count, 32, frames), -20.0), torch.full((count,), math.nan)
        self.conditions = Conditions(unknown, unknown, torch.full((count,), math.inf))

    def in_order(self) -> Iterator[Batch]:
        yield Batch(self.x, self.conditions, np.arange(len(self.x)), self.x)


@pytest.mark.parametrize(("wide", "long"), [(1, 1), (4, 1), (1, 8), (4, 8)])
def test_evidence_counts_independent_residuals(wide: int, long: int) -> None:
    """Residuals that are equal within blocks count as the blocks do, times up to 2 for each direction, as the edges of
    blocks have high frequencies.
    """
    torch.manual_seed(0)
    frames = Given(torch.zeros(1, 32, 1)).frames
    blocks = torch.randn(100, 32 // wide, -(-frames // long))
    net = Given(blocks.repeat_interleave(wide, 1).repeat_interleave(long, 2)[:, :, :frames])
    ways = (wide > 1) + (long > 1)
    assert 0.95 * blocks[0].numel() < evidence(net, Notes(100, frames)) < (1.05 * 2.0**ways) * blocks[0].numel()
