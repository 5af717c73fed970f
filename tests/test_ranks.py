"""Several processes train one space: two ranks under torchrun, on gloo."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import timbre
from timbre.config import Config, DataConfig, ModelConfig, RegularizationConfig, TrainingConfig
from timbre.data import Library, Note
from timbre.errors import TrainingError
from timbre.training.ranks import Ranks, join
from timbre.training.run import Run

NOTES = 26
CONFIG = Config(
    data=DataConfig(duration=0.25),
    model=ModelConfig(dim=3, flows=2, encoder_channels=16, decoder_channels=16, decoder_blocks=1, harmonics=8),
    training=TrainingConfig(epochs=3, batch_size=4, threads=1, device="cpu"),
)


def a_few_notes() -> Library:
    root = Path(__file__).parents[1] / "datasets" / "orchestra"
    files = sorted(root.glob("**/*.ogg"))[:NOTES]
    return Library([Note(file, "some", pitch=60.0, licence="CC0") for file in files], root)


def with_training(**values: Any) -> Config:
    return replace(CONFIG, training=replace(CONFIG.training, **values))


TERMS = RegularizationConfig(perceptual="metric", axes=("brightness",), pitch="pair")
ALIKE = {"plain": with_training(epochs=1), "terms": replace(with_training(epochs=1), regularization=TERMS)}
"""Settings with which gradients are compared."""
COMPARED = [config.training for config in ALIKE.values()]


def own_gradient(run: Run, batch: Any) -> torch.Tensor:
    """The gradient (parameters,) of this rank's batch alone; what its terms remember is put back."""
    memory = {name: value.clone() for name, value in run.task.memory.state_dict().items()}
    loss = run.task.objective(batch, run.step, run.done)(run.net)["objective"] / run.task.scale
    gradients = torch.autograd.grad(loss, [p for p in run.net.parameters() if p.requires_grad])
    run.task.memory.load_state_dict(memory)
    return torch.cat([gradient.flatten() for gradient in gradients])


def compared_step(run: Run, batch: Any, step: Any) -> list[list[float]]:
    """Take a step: how far its clipped gradient is from the mean of the ranks', and how far theirs are apart."""
    every = torch.stack(run.ranks.gather(own_gradient(run, batch)))
    step(run, batch)
    taken = torch.cat([p.grad.flatten() for p in run.net.parameters() if p.requires_grad])
    mean = every.mean(0)
    mean *= (run.settings.grad_clip / mean.norm()).clamp_max(1.0)
    return [[float((taken - mean).norm() / mean.norm()), float((every[0] - every[1]).norm())]]


def agreed(ranks: Ranks, rank: int) -> dict[str, Any]:
    gathered = [part.tolist() for part in ranks.gather(np.arange(6 * rank).reshape(-1, 2))]
    added = ranks.sum(rank, 1.25)
    with pytest.raises(TrainingError) as refusal:
        ranks.require_same("ab"[rank], "libraries")
    return {"gathered": gathered, "added": added, "different": str(refusal.value)}


def rank_main(folder: Path) -> None:
    """What each rank does; it leaves what it saw in rank0.json or rank1.json."""
    rank, seen = int(os.environ["RANK"]), {}
    step = Run.take_step
    trouble: Any = None

    def recorded(self: Run, found: Any) -> None:
        rows.append([[int(self.task.features.note[row]), bool(self.task.features.original[row])] for row in found.rows])
        if trouble is not None:
            found = trouble(self, found)
        apart.extend(compared_step(self, found, step) if self.settings in COMPARED else [step(self, found)])
        weights.append(float(sum(value.double().abs().sum() for value in self.net.state_dict().values())))

    def interrupted(self: Run, found: Any) -> Any:
        if self.step == 6 and rank == 1:  # one rank is asked to stop, within a step: all do, after it
            signal.raise_signal(signal.SIGTERM)
        return found

    def poisoned(self: Run, found: Any) -> Any:
        return found._replace(spectrogram=found.spectrogram * math.nan) if rank == 1 and self.step == 2 else found

    def slow(_self: Run, found: Any) -> Any:
        time.sleep(0.05 * rank)
        return found

    Run.take_step = recorded  # type: ignore[method-assign]
    library = a_few_notes()

    def tried(name: str, what: Any, config: Config = CONFIG) -> None:
        nonlocal trouble, rows, weights, apart
        rows, weights, apart, trouble = [], [], [], what
        try:
            space = timbre.train(library, config, folder / name.split()[0], progress=False)
            end: Any = [space.report, space.atlas.points.tolist()]
        except (KeyboardInterrupt, TrainingError) as error:
            end = [type(error).__name__, str(error)]
        seen[name] = {"rows": rows, "weights": weights, "end": end, "apart": apart}

    rows, weights, apart = [], [], []
    tried("whole", None)
    tried("broken", interrupted)
    tried("broken again", None)
    tried("poisoned", poisoned)
    tried("limited", slow, with_training(epochs=100_000, max_minutes=0.01))
    mixed = with_training(precision="bf16-mixed", epochs=1)
    tried("mixed", None, replace(mixed, model=replace(mixed.model, flows=0)))
    for kind, config in ALIKE.items():
        tried(f"alike-{kind}", None, config)
    seen |= agreed(join(CONFIG.training), rank)
    (folder / f"rank{rank}.json").write_text(json.dumps(seen))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """The folder of the runs, and what each rank saw of them."""
    folder = tmp_path_factory.mktemp("ranks")
    here = Path(__file__)
    script = folder / "script.py"
    script.write_text(
        f"import sys; sys.path[:0] = {[str(here.parent), str(here.parents[1])]!r}\n"
        f"from pathlib import Path\nimport test_ranks\ntest_ranks.rank_main(Path({str(folder)!r}))\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"TIMBRE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1))
    return folder, first, second


def test_ranks_read_different_rows_and_all_of_them(ranks: Any) -> None:
    _, first, second = ranks
    parts = a_few_notes().parts(CONFIG.data)
    wanted = sorted(
        [note, original] for note in np.flatnonzero(parts == "train").tolist() for original in (False, True)
    )
    steps = len(first["whole"]["rows"]) // CONFIG.training.epochs
    for epoch in range(CONFIG.training.epochs):
        own, other = (
            [row for batch in one["whole"]["rows"][epoch * steps : (epoch + 1) * steps] for row in batch]
            for one in (first, second)
        )
        assert own
        assert other
        assert sorted(own + other) == wanted
        assert not {note for note, _ in own} & {note for note, _ in other}


def test_ranks_take_the_same_steps_to_the_same_weights(ranks: Any) -> None:
    _, first, second = ranks
    for name in ("whole", "broken again", "limited", "mixed"):
        assert len(first[name]["weights"]) == len(second[name]["weights"]) > 0
        assert first[name]["weights"] == second[name]["weights"]
        assert first[name]["end"] == second[name]["end"]
    assert len(set(first["whole"]["weights"])) == len(first["whole"]["weights"])


def test_the_space_holds_all_notes_in_the_library_s_order_and_loads(ranks: Any) -> None:
    folder, first, _ = ranks
    space = timbre.load(folder / "whole")
    assert space.atlas.names == tuple(note.name for note in a_few_notes())
    assert list(space.atlas.splits) == a_few_notes().parts(CONFIG.data).tolist()
    np.testing.assert_array_equal(space.atlas.points, np.array(first["whole"]["end"][1], np.float32))
    assert space.report["test_notes"] == np.count_nonzero(a_few_notes().parts(CONFIG.data) == "test")
    assert space.encode(a_few_notes()[0].audio(), pitch=60.0).shape == (3,)


@pytest.mark.parametrize("kind", ALIKE)
def test_a_step_of_two_ranks_takes_the_mean_of_their_gradients(ranks: Any, kind: str) -> None:
    for one in ranks[1:]:
        steps = one[f"alike-{kind}"]["apart"]
        assert len(steps) == one[f"alike-{kind}"]["end"][0]["steps"] > 1
        assert max(error for error, _ in steps) < 1e-4
        assert min(difference for _, difference in steps) > 0.0  # each rank has notes and noise of its own


def test_only_the_first_rank_writes_logs(ranks: Any) -> None:
    folder, _, _ = ranks
    assert len(list((folder / "whole" / "logs").iterdir())) == 1


def test_a_run_of_ranks_that_was_broken_off_ends_like_one_that_was_not(ranks: Any) -> None:
    folder, first, second = ranks
    assert first["broken"]["end"][0] == second["broken"]["end"][0] == "KeyboardInterrupt"
    assert len(first["broken"]["weights"]) == 7
    assert sorted(path.name for path in (folder / "broken" / "resume").iterdir()) == ["state.pt"]
    assert first["broken"]["weights"] + first["broken again"]["weights"] == first["whole"]["weights"]
    assert first["broken again"]["end"][1] == first["whole"]["end"][1]


def test_a_loss_that_is_not_a_number_on_one_rank_stops_all_and_names_its_files(ranks: Any) -> None:
    _, first, second = ranks
    for one in (first, second):
        kind, message = one["poisoned"]["end"]
        assert kind == "TrainingError"
        assert "not a number at step 3" in message
    named = {str(a_few_notes()[note].file) for note, _ in second["poisoned"]["rows"][2]}
    assert f"the batch contains {', '.join(sorted(named))}." in first["poisoned"]["end"][1]


def test_a_time_limit_ends_all_ranks_together(ranks: Any) -> None:
    _, first, _ = ranks
    assert first["limited"]["end"][0]["epochs"] < 100_000


def test_ranks_with_different_libraries_stop(ranks: Any) -> None:
    _, first, second = ranks
    for one in (first, second):
        assert one["different"] == "All processes must be given the same libraries, got different ones."


def test_ranks_gather_and_add_up_what_each_has(ranks: Any) -> None:
    _, first, second = ranks
    assert first["gathered"] == second["gathered"] == [[], [[0, 1], [2, 3], [4, 5]]]
    assert first["added"] == second["added"] == [1.0, 2.5]


def test_one_process_needs_no_others() -> None:
    alone = join(CONFIG.training)
    assert (alone.rank, alone.world, alone.sum(2.0, math.inf)) == (0, 1, [2.0, math.inf])
    assert alone.gather({"a": "b"}) == [{"a": "b"}]
    alone.require_same("a", "libraries")
