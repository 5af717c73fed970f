"""Terms in training: they do what the settings say, resume exactly, and leave their mark in the space."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import timbre
from timbre.config import Config, RegularizationConfig
from timbre.data.features.table import features
from timbre.data.ratings import Ratings, Study, read_ratings
from timbre.errors import CheckpointError, ConfigError, LibraryError
from timbre.models.regularizers.axes import AxesTerm
from timbre.models.regularizers.perceptual import RatingsTerm
from timbre.models.vae import VAE
from timbre.space import Atlas, Space
from timbre.spectral import Spectrogram
from timbre.training import schedule
from timbre.training.batches import Batches
from timbre.training.regularization import Regularizers, note_labels
from timbre.training.run import Run
from timbre.training.vae import VAETask

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
    with pytest.raises(CheckpointError, match=r"regularizers\.adversary was given, is None"):
        timbre.train(some_notes, config, tmp_path / "broken", progress=False)
    assert train("broken").report == resumed.report  # the same terms: the finished space is loaded
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=0, atol=0)


def task_of(library, config, ratings=None, terms=None):
    config = replace(config, training=replace(config.training, unknown=0.0))  # no control is hidden
    labels = note_labels(library, library.parts(config.data), ratings)
    return VAETask(features(library, config), [], config, None, "", labels=labels, terms=terms)


def figures_of(task, done=0.7):
    task.net.eval()
    return task.objective(next(task.batches(0, 0)), 3, done)(task.net)


def test_the_objective_has_every_term_with_its_weight(some_notes, tiny_config):
    class Mine(torch.nn.Module):
        def forward(self, z, labels):
            return (z.sum(1) * labels.pitch).mean()

    config = with_terms(
        tiny_config, perceptual="metric", axes=("brightness", "attack"), pitch="pair", perceptual_weight=0.3,
        axes_weight=2.0, pitch_weight=0.5,
    )  # fmt: skip
    config = replace(config, model=replace(config.model, map="learned"))  # else axes are no dimensions
    alone = figures_of(task_of(some_notes, with_terms(config, perceptual="none", axes=(), pitch="none")))["objective"]
    task = task_of(some_notes, config, terms={"mine": Mine()})
    for _ in range(10):  # at first there is too little to compare with
        found = figures_of(task)
    terms = [found[f"{name}_nats"] for name in ("perceptual", "axes", "pitch", "mine")]
    assert all(float(term) != 0.0 for term in terms)
    torch.testing.assert_close(found["objective"] - alone, sum(terms), rtol=1e-3, atol=0.5)
    batch = next(task.batches(0, 0))
    center = task.net.posterior(batch.spectrogram, batch.conditions, batch.seen).center
    share = float(task.net.evidence) / batch.spectrogram[0].numel()
    axes = 2.0 * share * AxesTerm(config.regularization.axes)(center, task.regularizers.labels(batch))
    torch.testing.assert_close(axes.detach(), terms[1], rtol=1e-3, atol=1e-2)


def test_named_axes_are_stored(some_notes, tiny_config, tmp_path):
    config = with_terms(tiny_config, perceptual="none", axes=("brightness",))
    config = replace(config, training=replace(config.training, epochs=1))
    space = timbre.train(some_notes, config, tmp_path / "space", progress=False)
    again = timbre.load(tmp_path / "space")
    assert again.axes == space.axes
    assert [axis.name for axis in again.axes] == ["brightness"]
    assert "brightness" in (tmp_path / "space" / "README.md").read_text()
    moved = space.move(space.atlas.points[0], brightness=1.0)
    assert space.axis_values(moved)[0] >= space.axis_values(space.atlas.points[0])[0]
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


@pytest.mark.parametrize("form", ["l2", "gaussian", "student", "rank"])
def test_ratings_reach_the_notes_of_their_instruments(form, some_notes, tiny_config):
    """The term of a batch is that of its points, each labelled by hand with the rated item of its instrument."""
    task = task_of(some_notes, with_terms(tiny_config, perceptual=form, pitch="none"), rated())
    found, batch = figures_of(task), next(task.batches(0, 0))
    study = rated().parts[0]
    instruments = [some_notes[note].instrument for note in task.features.note[batch.rows]]
    item = torch.tensor([[name.lower() for name in study.items].index(name) for name in instruments])
    center = task.net.posterior(batch.spectrogram, batch.conditions, batch.seen).center
    term = RatingsTerm(form, torch.from_numpy(study.dissimilarities), torch.from_numpy(study.weights), 3)
    share = float(task.net.evidence) / batch.spectrogram[0].numel()
    expected = share * term(center, task.regularizers.labels(batch)._replace(item=item))
    assert expected > 0.0
    torch.testing.assert_close(found["perceptual_nats"], expected.detach(), rtol=1e-3, atol=1e-2)


def test_ratings_must_be_there_and_match(some_notes, tiny_config):
    with pytest.raises(ConfigError, match=r"perceptual = rank must have listeners' ratings"):
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


def test_the_adversary_of_old_settings_is_refused_but_such_spaces_load(some_notes, tiny_config, tmp_path):
    config = with_terms(tiny_config, pitch="adversary")
    with pytest.raises(ConfigError, match="must be none, pair or flow for a training, got adversary"):
        timbre.train(some_notes, config, progress=False)
    old = Space(config, VAE(config).eval(), Atlas.empty(config.model.dim), {})  # timbre 0.1 could train it
    assert timbre.load(old.save(tmp_path / "old")).config == config


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
