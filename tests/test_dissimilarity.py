"""The one dissimilarity of a space: its scale, its pitches, and lists of neighbours that are different sounds."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from timbre.config import Config, ModelConfig, RegularizationConfig
from timbre.errors import CheckpointError, ConfigError
from timbre.models.pitch_flow import PitchFlow
from timbre.models.vae import VAE
from timbre.space import Atlas, Space
from timbre.space.dissimilarity import SAME, Hearing

DIM = 3


def atlas_of(points, instruments, pitches, stds=None):
    count = len(points)
    names, words = tuple(f"n{number}" for number in range(count)), ("x",) * count
    columns = (np.asarray(values, np.float32) for values in (points, pitches, np.full(count, 0.5)))
    return Atlas(*columns, names, tuple(instruments), words, words, ("train",) * count, stds)


def random_atlas(seed=0, count=60, kinds=6):
    rng = np.random.default_rng(seed)
    instruments = [f"i{kind}" for kind in rng.integers(0, kinds, count)]
    return atlas_of(rng.normal(size=(count, DIM)), instruments, rng.choice([48, 60, 72, np.nan], count))


@pytest.fixture(scope="module")
def plain():
    """A space of 60 notes whose points are what is heard: without a listening map and a pitch flow."""
    return made(DIM, map="learned")


def made(dim, **settings):
    model = ModelConfig(dim=dim, encoder_channels=16, decoder_channels=16, decoder_blocks=1, **settings)
    regularization = RegularizationConfig(pitch="none", axes=())
    config = Config(model=model, regularization=regularization)
    return Space(config, VAE(config).eval(), random_atlas(), {})


def space_of(plain, atlas):
    return Space(plain.config, plain.model, atlas, {})


@pytest.fixture
def moving(plain):
    """A space of 60 notes whose points move with the pitch."""
    flow = PitchFlow(DIM)
    generator = torch.Generator().manual_seed(0)
    for net in flow.nets:
        net[-1].weight.data = 0.3 * torch.randn(net[-1].weight.shape, generator=generator)
    model = deepcopy(plain.model)
    model.pitch_flow = flow
    return Space(plain.config, model, random_atlas(), {})


class TestScale:
    def test_the_same_sound_is_0_and_two_instruments_are_1(self, plain):
        space = space_of(plain, random_atlas(count=40))
        atlas = space.atlas
        np.testing.assert_array_equal(space.dissimilarity(atlas.points, atlas.points), 0)
        values = space.hearing.dissimilarities(atlas.points, atlas.pitches)
        kinds, own = np.unique(atlas.instruments, return_inverse=True)
        means = [values[np.ix_(own == a, own == b)].mean() for a in range(len(kinds)) for b in range(a)]
        weights = [1.0] * len(means)
        assert np.average(means, weights=weights) == pytest.approx(1, abs=0.1)  # of 8 notes of each, not of all

    def test_every_instrument_weighs_the_same(self, plain):
        """Eight notes of each are compared; the two instruments of many notes do not decide."""
        line = np.concatenate([np.zeros(100), np.full(100, 1.0), [11.0]])
        points = np.stack([line, 0 * line, 0 * line], 1)
        atlas = atlas_of(points, [*["a"] * 100, *["b"] * 100, "c"], np.full(201, 60))
        unit = (1 + 11 + 10) / 3
        space = space_of(plain, atlas)
        assert space.dissimilarity(points[0], points[-1]) == pytest.approx(11 / unit)

    def test_it_rises_with_the_distance_in_a_line_from_0(self, plain):
        space = space_of(plain, random_atlas())
        a, b = np.random.default_rng(1).normal(size=(2, DIM))
        steps = np.linspace(0, 5, 11)
        values = space.dissimilarity(a, a + steps[:, None] * b)
        np.testing.assert_allclose(values, steps * values[-1] / 5, atol=1e-6)

    @given(seed=st.integers(0, 1000))
    def test_it_is_a_metric(self, plain, seed):
        points = np.random.default_rng(seed).normal(size=(6, DIM)) * 3
        values = plain.hearing.dissimilarities(points, 57.0)
        np.testing.assert_allclose(values, values.T)
        assert (values[:, None] <= values[:, :, None] + values[None] + 1e-9).all()
        assert values[0, 1] == pytest.approx(plain.dissimilarity(points[0], points[1], 57.0))
        np.testing.assert_allclose(values[0], plain.dissimilarity(points[0], points, 57.0))

    def test_dimensions_count_by_how_exactly_they_are_known(self, plain):
        atlas = random_atlas()
        stds = np.tile(np.array([[0.1, 0.2, 0.4]], np.float32), (len(atlas), 1))
        space = space_of(plain, replace(atlas, stds=stds))
        x, y, z = (space.dissimilarity(np.zeros(DIM), axis) for axis in np.eye(DIM))
        assert x == pytest.approx(2 * y, rel=1e-5)
        assert y == pytest.approx(2 * z, rel=1e-5)

    def test_only_the_perceptual_dimensions_count_where_there_are_some(self, plain):
        settings = replace(plain.config.regularization, perceptual_dims=1)
        space = Space(plain.config, VAE(replace(plain.config, regularization=settings)).eval(), random_atlas(), {})
        x, y, z = (space.dissimilarity(np.zeros(DIM), axis) for axis in np.eye(DIM))
        assert x > 0 == y == z

    def test_a_listening_map_has_its_own_scale(self):
        space = made(DIM, map="listening")
        stds = np.tile(np.array([[0.1, 0.2, 0.4]], np.float32), (60, 1))
        known = space_of(space, replace(random_atlas(), stds=stds))
        expected = space.dissimilarity(np.zeros(DIM), np.eye(DIM))
        np.testing.assert_allclose(known.dissimilarity(np.zeros(DIM), np.eye(DIM)), expected)

    def test_a_listening_map_is_heard_before_the_flow_in_its_scale(self):
        space = made(DIM, map="listening", flows=4)
        generator = torch.Generator().manual_seed(0)
        for weight in space.model.flow.parameters():
            weight.data = 0.5 * torch.randn(weight.shape, generator=generator)
        space.model.map.deviation.copy_(torch.tensor([2.0, 0.5, 0.1]))
        base = torch.randn(5, DIM, generator=generator)
        points = space.model.from_latent(space.model.flow(base)[0], torch.tensor(60.0)).detach()
        heard = space.model.heard(points, torch.full((5,), 60.0)).detach()
        np.testing.assert_allclose(heard, base * torch.tensor([2.0, 0.5, 0.1]), atol=1e-4)

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_few_notes_or_all_at_one_point(self, plain, count):
        space = space_of(plain, atlas_of(np.zeros((count, DIM)), ["a"] * count, [60] * count))
        assert space.dissimilarity(np.zeros(DIM), np.array([0, 3.0, 4])) == pytest.approx(5)
        assert space.nearest(np.zeros(DIM)).distances.tolist() == [0.0] * min(count, 1)

    def test_chunks_change_nothing(self, plain, monkeypatch):
        points = random_atlas().points
        expected = plain.hearing.heard(points, 64.0)
        monkeypatch.setattr("timbre.space.dissimilarity._CHUNK", 7)
        np.testing.assert_allclose(plain.hearing.heard(points, 64.0), expected, rtol=1e-5)


class TestPitch:
    def test_sounds_are_heard_at_their_pitch(self, moving):
        a, b = moving.atlas.points[:2]
        assert moving.dissimilarity(a, b, 84) != pytest.approx(moving.dissimilarity(a, b), rel=0.05)
        assert moving.dissimilarity(a, b, None) == pytest.approx(moving.dissimilarity(a, b))
        pitches = np.array([48.0, 84.0])
        both = moving.dissimilarity(np.stack([a, a]), np.stack([b, b]), pitches)
        np.testing.assert_allclose(both, [moving.dissimilarity(a, b, pitch) for pitch in pitches], rtol=1e-5)
        np.testing.assert_allclose(moving.dissimilarity(a, np.stack([b, b]), pitches), both)

    def test_a_sound_with_a_pitch_is_compared_with_notes_at_theirs(self, moving):
        atlas, point = moving.atlas, moving.atlas.points[5] + 0.1
        heard = moving.hearing.heard(atlas.points, atlas.pitches)
        own = cdist(moving.hearing.heard(point[None], 65.0), heard)[0]
        middle = moving.dissimilarity(point, atlas.points)
        assert moving.nearest(point, 1, 65.0).distances[0] == pytest.approx(own.min())
        assert moving.nearest(point, 1).distances[0] == pytest.approx(middle.min())
        assert moving.hearing.neighbours(point[None]).distances[0, 0] == pytest.approx(middle.min())


class TestNeighbours:
    @given(seed=st.integers(0, 200), k=st.integers(1, 70), kinds=st.integers(1, 40))
    def test_each_is_the_nearest_of_its_kind(self, plain, seed, k, kinds):
        space = space_of(plain, random_atlas(seed, kinds=kinds))
        atlas, point = space.atlas, np.random.default_rng(seed).normal(size=DIM)
        apart = space.dissimilarity(point, atlas.points)
        expected, kinds_seen = [], set()
        for index in np.argsort(apart, kind="stable"):
            kind = (atlas.instruments[index], float(atlas.pitches[index]))
            if kind not in kinds_seen or np.isnan(kind[1]):
                expected.append(index)
            kinds_seen.add(kind)
        found = space.nearest(point, k)
        twins = space.hearing.dissimilarities(atlas.points)[np.ix_(found.indices, found.indices)]
        assert (twins[~np.eye(len(twins), dtype=bool)] >= SAME).all()
        alike = space.hearing.dissimilarities(atlas.points) < SAME
        if alike.sum() == len(atlas):  # no two notes are one sound
            assert found.indices.tolist() == expected[:k]

    def test_velocities_and_copies_of_a_note_are_listed_once(self, plain):
        points = np.zeros((8, DIM))
        points[:, 0] = [0, 0.1, 0.2, 1, 1.0001, 2, 3, 3]
        names = ["flute", "flute", "flute", "oboe", "copy", "flute", "drum", "drum"]
        space = space_of(plain, atlas_of(points, names, [60, 60.2, 59.9, 60, 60, 61, np.nan, np.nan]))
        assert space.nearest(np.zeros(DIM), 4).indices.tolist() == [0, 3, 5, 6]
        assert space.nearest(np.zeros(DIM), 8).indices.tolist() == [0, 3, 5, 6]
        assert space.nearest(points[1], 2, besides="n1").indices.tolist() == [3, 5]
        assert space.nearest(points[3], 8, besides="n3").indices.tolist() == [2, 5, 6]

    def test_as_many_as_asked_for(self, plain):
        """Hundreds of notes of one sound before the others do not shorten the list."""
        points = np.zeros((400, DIM))
        points[:, 0] = np.arange(400)
        names = ["many"] * 390 + [f"i{number}" for number in range(10)]
        space = space_of(plain, atlas_of(points, names, [60] * 400))
        assert space.nearest(np.zeros(DIM), 5).indices.tolist() == [0, 390, 391, 392, 393]

    def test_instruments_are_as_far_as_their_nearest_note(self, plain):
        space = space_of(plain, random_atlas())
        atlas, point = space.atlas, np.ones(DIM)
        apart = space.dissimilarity(point, atlas.points)
        found = space.hearing.instruments(point)
        assert (np.diff(found.distances) >= 0).all()
        names = [atlas.instruments[index] for index in found.indices]
        assert sorted(names) == sorted(set(atlas.instruments))
        for name, value in zip(names, found.distances, strict=True):
            assert value == pytest.approx(apart[np.array(atlas.instruments) == name].min())
        own = found.indices[0]
        without = space.hearing.instruments(point, besides=int(own))
        assert own not in without.indices

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            (([0, 0],), "3 numbers"),
            (([0, 0, np.nan],), "finite"),
            (([0, 0, 0], 0), "1 or more, got 0"),
            (([0, 0, 0], 1, None, "flute-C99"), "no note 'flute-C99'"),
        ],
    )
    def test_what_is_refused(self, plain, arguments, match):
        with pytest.raises(ConfigError, match=match):
            plain.nearest(*arguments)
        with pytest.raises(ConfigError, match=r"\(n, 3\)"):
            plain.dissimilarity([0, 0], [1, 1])

    def test_weights_that_give_no_coordinates_are_refused(self, moving):
        for net in moving.model.pitch_flow.nets:
            net[-1].bias.data[:] = 1e38
        with pytest.raises(CheckpointError, match="damaged"):
            Hearing(moving.model, moving.atlas).nearest(np.zeros(DIM), pitch=60.0)
