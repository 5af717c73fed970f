"""Terms in training: they do what the settings say, resume exactly, and leave their mark in the space."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

import timbre
from timbre.config import Config, RegularizationConfig
from timbre.data.features.table import features
from timbre.data.ratings import Ratings, Study, read_ratings
from timbre.errors import CheckpointError, ConfigError, LibraryError
from timbre.spectral import Spectrogram
from timbre.training import schedule
from timbre.training.batches import Batches
from timbre.training.regularization import Regularizers, note_labels
from timbre.training.run import Run

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _adversary import AdversaryTerm

EVERYTHING = RegularizationConfig(perceptual="metric", axes=("brightness", "attack"), pitch="pair")


def with_terms(config: Config, **values) -> Config:
    return replace(config, regularization=replace(config.regularization, **values))


def rated(weight: float = 1.0) -> Ratings:
    names = ("Flute", "Clarinet", "Trumpet", "Violin")
    values = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))) / 3
    return Ratings((Study("some", names, values, np.full((4, 4), weight), names),))


def stopped_after(steps):
    """A step that stops the run, as Ctrl-C does, when `steps` have been taken."""
    step = Run.take_step

    def take(self, found):
        if self.step == steps:
            raise KeyboardInterrupt
        step(self, found)

    return take


def test_a_broken_run_goes_on_exactly_with_all_terms(some_notes, tiny_config, tmp_path, monkeypatch):
    config = replace(tiny_config, regularization=EVERYTHING, data=replace(tiny_config.data, shorten=0.5))

    def train(folder):
        own = {"adversary": AdversaryTerm(config.model.dim)}
        return timbre.train(some_notes, config, tmp_path / folder, regularizers=own, progress=False)

    whole = train("whole")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", stopped_after(5))
        with pytest.raises(KeyboardInterrupt):
            train("broken")
        with pytest.raises(CheckpointError, match=r"regularizers\.adversary was given, is None"):
            timbre.train(some_notes, config, tmp_path / "broken", progress=False)
    resumed = train("broken")
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=0, atol=0)


def test_named_axes_are_learned_and_stored(some_notes, tiny_config, tmp_path):
    config = with_terms(tiny_config, perceptual="none", axes=("brightness",), axes_weight=100.0)
    config = replace(config, training=replace(config.training, epochs=25))
    space = timbre.train(some_notes, config, tmp_path / "space", progress=False)
    again = timbre.load(tmp_path / "space")
    assert again.axes == space.axes
    assert [axis.name for axis in again.axes] == ["brightness"]
    assert "brightness" in (tmp_path / "space" / "README.md").read_text()
    table = features(some_notes, config)
    labels = Regularizers(
        config, note_labels(some_notes, some_notes.parts(config.data)), table, Spectrogram(config.spectrogram),
        torch.device("cpu"),
    )  # fmt: skip
    rows = table.rows("train")
    found = next(Batches(table, rows, len(rows), 0, torch.device("cpu")).in_order())
    wanted = labels.labels(found).descriptors[:, 0].numpy()
    points = space.atlas.points[np.array(space.atlas.splits) == "train", 0]
    assert np.corrcoef(points, wanted)[0, 1] > 0.8  # with its sign
    moved = space.move(space.atlas.points[0], brightness=1.0)
    known = space.atlas.points[np.array(space.atlas.splits) == "train"]
    along = Ridge(alpha=1.0).fit(known[:, :1], known[:, 1:]).coef_[:, 0]  # the rest comes along as in known sounds
    np.testing.assert_allclose(moved - space.atlas.points[0], [1.0, *along], rtol=1e-3, atol=1e-4)
    with pytest.raises(ConfigError, match=r"no axis 'warmth'; its axes are brightness"):
        space.move(moved, warmth=1.0)


def test_axes_are_measured_once_and_not_of_cut_notes(some_notes, tiny_config):
    config = replace(tiny_config, regularization=EVERYTHING)
    table = features(some_notes, config)
    terms = Regularizers(
        config, note_labels(some_notes, some_notes.parts(config.data)), table, Spectrogram(config.spectrogram),
        torch.device("cpu"),
    )  # fmt: skip
    found = next(Batches(table, table.rows("train"), 8, 0, torch.device("cpu")).in_order())
    first = terms.labels(found).descriptors
    assert torch.isfinite(first).all()
    release = found.conditions.release.clone()
    release[2] = 0.2
    silent = torch.full_like(found.spectrogram, -80.0)
    cut = found._replace(conditions=replace(found.conditions, release=release), spectrogram=silent)
    again = terms.labels(cut).descriptors
    assert again[2].isnan().all()
    keep = torch.arange(len(again)) != 2
    torch.testing.assert_close(again[keep], first[keep])


@pytest.mark.parametrize("form", ["prior", "l2", "gaussian", "student", "rank", "metric+rank"])
def test_ratings_order_the_space(form, some_notes, tiny_config):
    """With a great weight, distances between the instruments' means follow ratings that say nothing true."""
    config = with_terms(tiny_config, perceptual=form, perceptual_weight=100.0)
    config = replace(config, training=replace(config.training, epochs=20), model=replace(config.model, flows=0))
    space = timbre.train(some_notes, config, ratings=rated(), progress=False)
    own = np.array(space.atlas.instruments)
    means = np.stack([space.atlas.points[own == name].mean(0) for name in ("flute", "clarinet", "trumpet", "violin")])
    distances = np.linalg.norm(means[:, None] - means, axis=-1)
    wanted = rated().parts[0].dissimilarities
    first, second = np.triu_indices(4, 1)
    assert np.corrcoef(distances[first, second], wanted[first, second])[0, 1] > {
        "student": 0.3, "rank": 0.4, "metric+rank": 0.0  # the model hears the sounds, and disagrees
    }.get(form, 0.6)  # fmt: skip
    assert space.report["ratings"] == {"studies": ["some"], "items": ["Clarinet", "Flute", "Trumpet", "Violin"]}


def test_ratings_must_be_there_and_match(some_notes, tiny_config):
    with pytest.raises(ConfigError, match=r"perceptual is rank, which needs listeners' ratings"):
        timbre.train(some_notes, with_terms(tiny_config, perceptual="rank"), progress=False)
    with pytest.raises(LibraryError, match=r"has no Saxophone, Cello"):
        timbre.train(some_notes, with_terms(tiny_config, perceptual="rank"), ratings="orchestra", progress=False)
    shipped = read_ratings("orchestra")
    others = set(shipped.parts[0].items) - {"Flute", "Clarinet", "Trumpet", "Violin"}
    space = timbre.train(
        some_notes,
        with_terms(tiny_config, perceptual="rank"),
        ratings=shipped.without(instruments=others),
        progress=False,
    )
    assert space.report["ratings"]["items"] == ["Clarinet", "Flute", "Trumpet", "Violin"]


def test_the_adversary_of_old_settings_is_refused(some_notes, tiny_config):
    with pytest.raises(ConfigError, match="must be none, pair or flow for a training, got adversary"):
        timbre.train(some_notes, with_terms(tiny_config, pitch="adversary"), progress=False)


def test_an_unknown_axis_is_refused_by_name(some_notes, tiny_config):
    with pytest.raises(ConfigError, match="brightnes"):
        timbre.train(some_notes, with_terms(tiny_config, axes=("brightnes",)), progress=False)


def test_in_two_stages_the_perceptual_term_begins_late_and_the_last_weights_count(some_notes, tiny_config, tmp_path):
    config = with_terms(tiny_config, perceptual="metric", schedule="two_stage", stage=0.5, pitch="pair")
    settings = config.regularization
    assert [schedule.regularization(settings, "perceptual", done) for done in (0.0, 0.49, 0.5, 1.0)] == [0, 0, 1, 1]
    assert schedule.regularization(settings, "pitch", 0.0) == 1
    assert [schedule.stage(settings, done) for done in (0.0, 0.49, 0.5, 1.0)] == [1, 1, 2, 2]
    joint = replace(settings, schedule="joint")
    assert schedule.regularization(joint, "perceptual", 0.0) == 1
    assert schedule.stage(joint, 1.0) == 1
    space = timbre.train(some_notes, config, tmp_path, progress=False)
    assert space.report["stage"] == 2
    assert space.report["step"] == space.report["steps"]


def test_without_terms_nothing_changes(some_notes, tiny_config):
    """Labels alone leave the run as it is, to the bit."""
    plain = timbre.train(some_notes, with_terms(tiny_config, perceptual="none"), progress=False)
    idle = with_terms(tiny_config, perceptual="metric", perceptual_weight=0.0)
    again = timbre.train(some_notes, idle, progress=False)
    for name, value in plain.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], value)
