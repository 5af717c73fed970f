"""A run of any task: what a step is, which weights are kept, how it continues; on a task that is easily computed."""

import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from timbre.config import TrainingConfig
from timbre.errors import CheckpointError, TrainingError
from timbre.training import schedule
from timbre.training.plateau import Plateau
from timbre.training.run import Figures, Run, Task, Validation

SETTINGS = TrainingConfig(epochs=3, learning_rate=0.05, grad_clip=0.5, ema=0.9, device="cpu", seed=3)


@dataclass
class Rows:
    rows: list[int]


class Bowl(Task):
    """Weights that move towards a target, with noise; validation errors are given."""

    shown, count, validate_every = ("distance",), 4, 2

    def __init__(
        self, errors: list[float] | None = None, folder: Path | None = None, last: float = 1.0, **settings: Any
    ) -> None:
        super().__init__(replace(SETTINGS, **settings), "training", {"a": {"b": 1}}, "notes", folder)
        self.net = self.seeded(lambda: nn.Linear(3, 2))
        self.memory.register_buffer("seen", torch.zeros(()))
        self.optimizer = torch.optim.AdamW(self.net.parameters(), betas=(0.9, 0.99))
        self.errors, self.last, self.validated = iter(errors or [1.0] * 99), last, list[dict[str, Tensor]]()

    def batches(self, epoch: int, start: int) -> Iterator[Rows]:
        for number in range(start, self.count):
            yield Rows([epoch, number])

    def objective(self, batch: Rows, step: int, done: float) -> Callable[[nn.Linear], Figures]:
        torch.manual_seed(step)
        self.memory.seen += 1

        def compute(net: nn.Linear) -> Figures:
            distance = (net.weight - 1.0 - 0.1 * torch.randn(2, 3)).square().sum() + self.memory.seen * net.bias.sum()
            return {"objective": distance * (math.nan if batch.rows == [2, 3] and self.last == 0.0 else 1.0),
                    "distance": distance.detach()}  # fmt: skip

        return compute

    def validate(self, done: float) -> Validation:
        assert not self.net.training
        self.validated.append({name: value.clone() for name, value in self.net.state_dict().items()})
        error = next(self.errors)
        return Validation(error, {"error": error}, error < 0)

    def report(self, run: Run, taken: dict[str, float]) -> dict[str, Any]:
        return taken | {"error": run.error}

    def files(self, batch: Rows) -> list[str]:
        return [f"file {number}" for number in batch.rows]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, b[name]) for name, value in a.items())


def test_a_step_is_that_of_adamw_on_the_clipped_gradient() -> None:
    task, reference = Bowl(), Bowl()
    run = Run(task)
    for step, batch in enumerate(list(task.batches(0, 0))[:3]):
        rate = schedule.learning_rate(SETTINGS, run.done)
        run.take_step(batch)
        run.batch += 1
        reference.optimizer.param_groups[0]["lr"] = rate
        reference.optimizer.zero_grad()
        reference.objective(batch, step, 0.0)(reference.net)["objective"].backward()
        torch.nn.utils.clip_grad_norm_(reference.net.parameters(), SETTINGS.grad_clip)
        reference.optimizer.step()
        assert same(task.net.state_dict(), reference.net.state_dict())


@pytest.mark.parametrize(
    ("errors", "best"), [([5, 3, 4, 3, 6, 9], 1), ([5, 4, 3, 2, 1, 0], 5), ([2, 3, -1, -1, 3, 4], 3)]
)
def test_the_weights_with_the_smallest_error_are_kept(errors: list[float], best: int) -> None:
    """Or, where an error replaces others (here those below 0), the latest of these."""
    task = Bowl(errors)
    run = Run(task)
    taken = run.complete()
    assert (taken["epochs"], taken["steps"]) == (3, 12)
    assert run.best == {"error": errors[best], "step": 2 * (best + 1), "epoch": (best + 1) // 2}
    assert same(task.net.state_dict(), task.validated[best])
    assert not same(task.validated[0], task.validated[-1])


@pytest.mark.parametrize("stop", [0, 1, 3, 4, 7, 11])
def test_an_interrupted_run_ends_like_one_that_was_not(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [5.0, 3.0, 4.0, 3.0, 2.0, 9.0]
    whole = Bowl(errors, tmp_path / "whole")
    whole.fit()
    step = Run.take_step

    def interrupted(self: Run, batch: Any) -> None:
        if self.step == stop:
            raise KeyboardInterrupt
        step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Bowl(errors, tmp_path / "broken").fit()
    again = Bowl(errors[stop // 2 :], tmp_path / "broken")
    again.fit()
    assert same(whole.net.state_dict(), again.net.state_dict())
    assert whole.memory.seen == again.memory.seen == 12


def test_other_settings_other_notes_and_other_versions_are_refused(tmp_path: Path) -> None:
    Run(Bowl(folder=tmp_path)).save()
    other, notes = Bowl(folder=tmp_path), Bowl(folder=tmp_path)
    other.identity, notes.fingerprint = {"a": {"b": 2}, "c": 1}, "others"
    with pytest.raises(CheckpointError, match=r"other settings \(a\.b was 1, is 2, c was None, is 1\)"):
        Run(other)
    with pytest.raises(CheckpointError, match="on other notes"):
        Run(notes)
    torch.save({"config": {}, "library": "notes", "model": {}}, tmp_path / "state.pt")  # as timbre 0.1 wrote it
    with pytest.raises(CheckpointError, match=r"written by another version of timbre; delete .* to start again"):
        Run(Bowl(folder=tmp_path))


def test_a_loss_that_is_not_a_number_names_the_files_and_what_is_kept(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as refusal:
        Bowl(folder=tmp_path / "state", last=0.0).fit()
    assert str(refusal.value) == (
        "The loss is not a number at step 12 (epoch 3); the batch contains file 2, file 3. "
        f"The best weights so far are kept in {tmp_path / 'state'}. Try a lower training.learning_rate."
    )


def test_the_average_is_a_convex_combination_of_the_weights() -> None:
    task = Bowl()
    run = Run(task)
    seen = [task.net.weight.detach().clone()]
    for batch in task.batches(0, 0):
        run.take_step(batch)
        seen.append(task.net.weight.detach().clone())
        stacked = torch.stack(seen)
        assert (run.average.weights["weight"] <= stacked.amax(0) + 1e-6).all()
        assert (run.average.weights["weight"] >= stacked.amin(0) - 1e-6).all()


@pytest.mark.parametrize("numbers", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGTERM] * 3])
def test_ctrl_c_and_sigterm_within_a_step_take_effect_after_it(
    numbers: list[signal.Signals], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Bowl(folder=tmp_path / "whole")
    whole.fit()
    step = Run.take_step

    def pressed(self: Run, batch: Any) -> None:
        if self.step == 5:
            for number in numbers:
                signal.raise_signal(number)
        step(self, batch)

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", pressed)
        with pytest.raises(KeyboardInterrupt):
            Bowl(folder=tmp_path / "broken").fit()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    again = Bowl(folder=tmp_path / "broken")
    assert Run(again).step == 6
    again = Bowl(folder=tmp_path / "broken")
    again.fit()
    assert same(whole.net.state_dict(), again.net.state_dict())


def test_a_second_ctrl_c_acts_at_once_and_saves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Run.take_step

    def pressed_twice(self: Run, batch: Any) -> None:
        step(self, batch)
        if self.step == 5:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", pressed_twice)
        with pytest.raises(KeyboardInterrupt):
            Bowl(folder=tmp_path).fit()
    assert Run(Bowl(folder=tmp_path)).step == 4  # of the last validation


FLAT = [5.0, 4.0, 3.0, 2.5, 2.0, 3.0, 2.0, 2.1, 9.0, 1.5, 1.0]
"""Errors after each epoch: none is smaller than that after the fifth until the ninth."""


def flat(folder: Path | None = None, skipped: int = 0, **settings: Any) -> Bowl:
    task = Bowl((FLAT + [0.9**k for k in range(1, 30)])[skipped:], folder, epochs=20, **settings)
    task.validate_every = task.count
    return task


def test_after_a_plateau_the_learning_rate_falls_and_the_run_ends_with_the_best_weights(
    capfd: pytest.CaptureFixture[str],
) -> None:
    task = flat(patience=4)
    rates = []
    monitor = Run.take_step

    def watched(self: Run, batch: Any) -> None:
        monitor(self, batch)
        rates.append(self.optimizer.param_groups[0]["lr"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "take_step", watched)
        taken = task.fit(progress=True)
    assert (taken["epochs"], taken["steps"]) == (11, 44)  # 9 epochs, then a fifth of them, up to the next step
    ordinary = [schedule.learning_rate(task.settings, step / 80) for step in range(36)]
    assert rates[:36] == pytest.approx(ordinary)
    assert all(late < early for early, late in pairwise(rates[35:]))
    assert rates[-1] < 0.02 * max(rates)
    assert same(task.net.state_dict(), task.validated[-1])
    sentence = "timbre: Validation has not improved for 4 epochs; the best is from epoch 5. "
    assert sentence in capfd.readouterr().err
    assert flat(patience=0).fit()["epochs"] == flat(patience=5).fit()["epochs"] == 20


def test_errors_count_from_the_share_of_a_run_at_which_it_has_settled() -> None:
    task = flat(patience=4)
    task.comparable = 0.45  # after the ninth epoch
    assert task.fit()["epochs"] == 20


@pytest.mark.parametrize("stop", [21, 36, 38, 42])
def test_a_run_goes_on_in_its_final_decay(stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = flat(tmp_path / "whole", patience=4)
    whole.fit()
    step = Run.take_step

    def interrupted(self: Run, batch: Any) -> None:
        step(self, batch)
        if self.step == stop:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            flat(tmp_path / "broken", patience=4).fit()
    again = flat(tmp_path / "broken", stop // 4, patience=4)
    assert again.fit()["steps"] == 44
    assert same(whole.net.state_dict(), again.net.state_dict())


@given(patience=st.integers(1, 9), begun=st.floats(0.01, 0.99), share=st.floats(0, 1), more=st.floats(0, 1))
def test_schedules_go_on_from_where_they_are_and_end_with_the_run(
    patience: int, begun: float, share: float, more: float
) -> None:
    plateau = Plateau(patience)
    assert not plateau.begins(2.0, 1.0, begun / 2)
    assert plateau.done(share) == share
    assert plateau.begins(2.0, 1.0 + patience, begun)
    assert plateau.done(begun) == begun
    assert 0.0 < plateau.decay <= min(0.2 * begun, 1.0 - begun)
    assert plateau.done(begun + plateau.decay) == pytest.approx(1.0)
    assert plateau.done(begun + more) >= plateau.done(begun + more * share) - 1e-12
    assert not plateau.begins(3.0, 99.0, begun + more)
    other = Plateau(patience)
    other.restore(plateau.state())
    assert vars(other) == vars(plateau)


@pytest.mark.parametrize(
    "changed", [{"begun": 0.0}, {"begun": 1.5}, {"epoch": -1.0}, {"error": math.nan}, {"epoch": "x"}, {"begun": "x"}]
)
def test_a_plateau_that_cannot_be_is_a_damaged_state(changed: dict[str, Any], tmp_path: Path) -> None:
    Run(Bowl(folder=tmp_path)).save()
    state = torch.load(tmp_path / "state.pt", weights_only=True)  # noqa: TID251
    state["plateau"] |= changed
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="is damaged"):
        Run(Bowl(folder=tmp_path))


def test_logs_that_cannot_be_written_are_a_sentence_and_no_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("in the way")
    task = Bowl()
    task.logs = tmp_path / "logs"
    assert task.fit()["steps"] == 12
    err = capfd.readouterr().err
    sentence = f"timbre: The logs in {tmp_path / 'logs'} cannot be written: File exists; training goes on without them."
    assert [line for line in err.splitlines() if line] == [sentence]
