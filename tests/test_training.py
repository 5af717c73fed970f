"""The run: its schedules, its resumption, its refusals; on real notes."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import timbre
from timbre.config import Config, TrainingConfig
from timbre.data import Library
from timbre.data.features.table import features
from timbre.data.library import fingerprint
from timbre.errors import CheckpointError, LibraryError, TimbreError, TrainingError
from timbre.models.vae import VAE
from timbre.training import schedule
from timbre.training.average import Average
from timbre.training.batches import Batch, Batches
from timbre.training.regularization import note_labels
from timbre.training.run import Run
from timbre.training.vae import VAETask


def shorter(config: Config, **training: object) -> Config:
    return replace(config, training=replace(config.training, **training))  # type: ignore[arg-type]


@given(st.floats(0, 1))
def test_schedules_stay_in_their_ranges(done: float) -> None:
    config = TrainingConfig(learning_rate=0.1, warmup=0.05, beta=2.0, beta_warmup=0.2)
    assert 0.001 - 1e-9 <= schedule.learning_rate(config, done) <= 0.1 + 1e-9
    assert 0.0 <= schedule.beta(config, done) <= 2.0


def test_schedules_at_their_corners() -> None:
    config = TrainingConfig(learning_rate=0.1, warmup=0.05, beta=2.0, beta_warmup=0.2)
    assert schedule.learning_rate(config, 0.05) == pytest.approx(0.1)
    assert schedule.learning_rate(config, 1.0) == pytest.approx(0.001)
    assert [schedule.beta(config, done) for done in (0.0, 0.1, 0.2, 1.0)] == pytest.approx([0.0, 1.0, 2.0, 2.0])
    assert schedule.beta(replace(config, beta_warmup=0.0), 0.0) == 2.0


def test_average_of_constant_weights_is_those_weights_and_it_follows_others() -> None:
    module = torch.nn.Linear(2, 2)
    average = Average(module, 0.9)
    average.update(module, 1)
    torch.testing.assert_close(average.weights["weight"], module.weight.detach())
    module.weight.data += 1.0
    for step in range(200):
        average.update(module, step)
    torch.testing.assert_close(average.weights["weight"], module.weight.detach())


def test_batches_of_an_epoch_are_all_rows_once_and_can_start_anywhere(some_notes: Library, tiny_config: Config) -> None:
    table = features(some_notes, tiny_config)
    batches = Batches(table, table.rows("train", copies=True), 7, 0, torch.device("cpu"))
    rows = [found.rows for found in batches.epoch(3)]
    assert sorted(np.concatenate(rows)) == sorted(table.rows("train", copies=True))
    again = [found.rows for found in batches.epoch(3, start=2)]
    assert [list(r) for r in again] == [list(r) for r in rows[2:]]
    assert [list(r) for r in rows] != [list(found.rows) for found in batches.epoch(4)]


def run_of(library: Library, config: Config, out: Path | None) -> Run:
    table, labels = features(library, config), note_labels(library, library.parts(config.data))
    names = [str(note.file) for note in library]
    return Run(VAETask(table, names, config, out, fingerprint(library), labels=labels))


def test_a_run_that_was_broken_off_ends_like_one_that_was_not(
    some_notes: Library, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = timbre.train(some_notes, tiny_config, tmp_path / "whole", progress=False)
    taken = 0
    step = Run.take_step

    def interrupted(self: Run, batch: Batch) -> None:
        nonlocal taken
        taken += 1
        if taken == 8:  # in the middle of an epoch
            raise KeyboardInterrupt
        step(self, batch)

    monkeypatch.setattr(Run, "take_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        timbre.train(some_notes, tiny_config, tmp_path / "broken", progress=False)
    assert not (tmp_path / "broken" / "config.json").exists()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        timbre.load(tmp_path / "broken")
    resumed = timbre.train(some_notes, tiny_config, tmp_path / "broken", progress=False)
    assert resumed.report["steps"] == whole.report["steps"]
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=0, atol=0)


def test_with_other_ranks_a_run_goes_on_from_the_same_share_of_its_epoch(
    some_notes: Library, tiny_config: Config, tmp_path: Path
) -> None:
    run = run_of(some_notes, tiny_config, tmp_path)
    run.batch, run.task.count = 6, 4 * run.task.count  # as if batches were a quarter of their size
    run.save()
    assert run_of(some_notes, tiny_config, tmp_path).batch == 1


def test_the_same_seed_gives_the_same_space(some_notes: Library, tiny_config: Config, tiny_folder: Path) -> None:
    again = timbre.train(some_notes, tiny_config, progress=False)
    np.testing.assert_array_equal(again.atlas.points, timbre.load(tiny_folder).atlas.points)
    other = timbre.train(some_notes, shorter(tiny_config, seed=1), progress=False)
    assert np.abs(again.atlas.points - other.atlas.points).max() > 1e-3


def test_a_finished_run_is_reused(some_notes: Library, tiny_config: Config, tiny_folder: Path) -> None:
    before = (tiny_folder / "model.safetensors").stat().st_mtime_ns
    space = timbre.train(some_notes, tiny_config, tiny_folder, progress=False)
    assert (tiny_folder / "model.safetensors").stat().st_mtime_ns == before
    assert space.report["steps"] > 0


def test_a_changed_config_is_refused_by_name(some_notes: Library, tiny_config: Config, tiny_folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"training\.epochs was 3, is 4"):
        timbre.train(some_notes, shorter(tiny_config, epochs=4), tiny_folder, progress=False)


def test_a_changed_config_is_refused_before_the_end_too(
    some_notes: Library, tiny_config: Config, tmp_path: Path
) -> None:
    run_of(some_notes, tiny_config, tmp_path).save()
    with pytest.raises(CheckpointError, match=r"training\.seed was 0, is 7"):
        run_of(some_notes, shorter(tiny_config, seed=7), tmp_path)
    with pytest.raises(CheckpointError, match="other notes"):
        run_of(some_notes[:30], tiny_config, tmp_path)
    (tmp_path / "resume" / "state.pt").write_bytes(b"PK\x03\x04 not a state")
    with pytest.raises(CheckpointError, match="damaged"):
        run_of(some_notes, tiny_config, tmp_path)


def test_other_notes_are_refused(some_notes: Library, tiny_config: Config, tiny_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="the notes are others"):
        timbre.train(some_notes[:30], tiny_config, tiny_folder, progress=False)


def test_not_a_number_stops_with_the_step_and_the_files(
    some_notes: Library, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Run.take_step

    def poisoned(self: Run, batch: Batch) -> None:
        step(self, batch._replace(spectrogram=batch.spectrogram * math.nan) if self.step == 9 else batch)

    monkeypatch.setattr(Run, "take_step", poisoned)
    with pytest.raises(TrainingError, match=r"not a number at step 10 .*\.ogg.*learning_rate"):
        timbre.train(some_notes, shorter(tiny_config, epochs=40), tmp_path / "run", progress=False)


def test_the_best_checkpoint_survives_a_loss_that_is_not_a_number(
    some_notes: Library, tiny_config: Config, tmp_path: Path
) -> None:
    run = run_of(some_notes, tiny_config, tmp_path)
    run.train()
    batch = next(run.task.batches(0, 0))
    with pytest.raises(TrainingError, match="The best weights so far are kept in"):
        run.take_step(batch._replace(spectrogram=batch.spectrogram * math.nan))
    from timbre.models.checkpoint import load_weights, read_folder, tensors

    config, files, details = read_folder(tmp_path / "checkpoints" / "best")
    load_weights(VAE(config), tensors(files, "model.safetensors", tmp_path), tmp_path)
    assert details["step"] == run.best["step"] > 0


@pytest.mark.parametrize("objective", ["vae", "wae", "ae"])
def test_the_gradient_of_a_step_is_that_of_the_objective(
    some_notes: Library, tiny_config: Config, objective: str
) -> None:
    """Along the gradient g, a small step t changes the objective, with all that is drawn by chance, by t |g|^2."""
    plain = replace(tiny_config.regularization, perceptual="none", pitch="none")  # terms remember earlier calls
    config = replace(shorter(tiny_config, objective=objective), regularization=plain)
    task = run_of(some_notes, config, None).task
    task.net.train()
    batch = next(task.batches(0, 0))

    def value() -> torch.Tensor:
        return task.objective(batch, 5, 0.5)(task.net)["objective"]

    parameters = [p for p in task.net.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(value(), parameters)
    square = float(sum(g.square().sum() for g in gradients))
    size = 1.0 / square  # a change of a nat, of some thousand
    ends = []
    for t in (size, -2.0 * size, size):
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter += t * gradient
        ends.append(float(value().detach()))
    assert (ends[0] - ends[1]) / (2.0 * size) == pytest.approx(square, rel=0.05)


def test_mixed_precision_trains(some_notes: Library, tiny_config: Config) -> None:
    seen: set[torch.dtype] = set()
    config = shorter(tiny_config, precision="bf16-mixed")
    run = run_of(some_notes, config, None)
    run.net.decoder.blocks[0].inner.register_forward_hook(lambda _module, _inputs, out: seen.add(out.dtype))
    report = run.task.report(run, run.complete())
    assert torch.bfloat16 in seen
    assert math.isfinite(report["test_l1_db"])


def test_time_limit_ends_the_run(some_notes: Library, tiny_config: Config) -> None:
    limited = shorter(tiny_config, epochs=100_000, max_minutes=0.02)
    assert timbre.train(some_notes, limited, progress=False).report["epochs"] < 100_000


def test_logs_name_the_losses_and_hold_pictures_and_sound(tiny_folder: Path) -> None:
    logs = EventAccumulator(str(tiny_folder / "logs"), size_guidance={"images": 0, "audio": 0}).Reload()
    names = {f"train/{name}" for name in ("reconstruction_nats", "kl_nats", "rmse_db", "l1_db", "beta")}
    assert names | {"valid/l1_db"} <= set(logs.Tags()["scalars"])
    assert logs.Tags()["images"]
    assert {name.split("/")[-1] for name in logs.Tags()["audio"]} == {"original", "decoded"}


def test_fewer_than_eight_notes_are_refused(some_notes: Library, tiny_config: Config) -> None:
    with pytest.raises(LibraryError, match=r"must have 8 notes or more.* got 1 note"):
        timbre.train(some_notes[:1], tiny_config, progress=False)


def test_a_folder_without_write_permission_is_refused(some_notes: Library, tiny_config: Config, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(TimbreError, match=r"run cannot be made: .* is a file; choose another"):
        timbre.train(some_notes, tiny_config, blocked / "run", progress=False)


def test_a_space_says_what_was_left_out(some_notes: Library, tiny_config: Config, tmp_path: Path) -> None:
    timbre.write(tmp_path / "silent.wav", timbre.Audio(np.zeros(8000, np.float32), 8000))
    silent = replace(some_notes[0], file=tmp_path / "silent.wav", name="silent")
    space = timbre.train(Library([*some_notes, silent], some_notes.root), tiny_config, progress=False)
    assert "silent" in space.report["dropped"]["silent"]
    assert "silent" not in space.atlas
