"""Two nodes of two ranks each train one space: two torchrun launches over loopback, each with a cache of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import timbre
from timbre.config import Config, DataConfig, ModelConfig, RegularizationConfig, TrainingConfig
from timbre.data import Library, Note
from timbre.training import run as run_module
from timbre.training import vae as vae_module
from timbre.training.ranks import join
from timbre.training.run import Run

WORLD, BATCH, KILLED = 4, 3, 5  # ranks, notes a step and rank, steps after which a rank is killed
CONFIG = Config(
    data=DataConfig(duration=0.25, transpose=0, augment=0.0, balance=0.0),
    model=ModelConfig(
        dim=3, flows=0, encoder_channels=16, decoder_channels=16, decoder_blocks=1, harmonics=8, dropout=0.0
    ),
    regularization=RegularizationConfig(pitch="none"),
    training=TrainingConfig(
        objective="ae", evidence=20.0, epochs=5, batch_size=BATCH, unknown=0.0, threads=1, device="cpu"
    ),
)
"""Settings without noise, so that a step depends on the notes of its batch alone."""


def two_notes_a_shard() -> Library:
    """32 notes in 16 shards: each of four ranks gets eight of them, six to train on."""
    root = Path(__file__).parents[1] / "datasets" / "orchestra"
    files = sorted(root.glob("**/*.ogg"))[::12][:32]
    split = [("valid" if number // 8 == 3 and number % 2 else "train") for number in range(32)]
    split[24::2] = ["test"] * 4
    return Library([Note(file, "some", pitch=60.0, split=part) for file, part in zip(files, split, strict=True)], root)


class Watched:
    """Trains and records the rows, the loss and the weights of every step."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen = folder, dict[str, Any]()
        self.take = Run.take_step

    def train(self, name: str, config: Config, kill: Path | None = None, batches: Any = None) -> None:
        """Train into a folder of this name; `kill` is a file that says that this process was killed before."""
        rows, losses, weights, shards = [], [], [], set()
        step = self.take

        def watched(run: Run, batch: Any) -> None:
            if kill and run.step == KILLED and not kill.exists():
                kill.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            features = run.task.features
            shards.update(shard.file.name for shard in features.spectrograms.shards)
            rows.append(features.note[batch.rows].tolist())
            step(run, batch)
            weights.append(float(sum(value.double().abs().sum() for value in run.net.state_dict().values())))

        def objective(task: Any, batch: Any, step: int, done: float) -> Any:
            compute = given(task, batch, step, done)

            def watched(net: Any) -> Any:
                figures = compute(net)
                losses.append(float(figures["objective"].detach()))
                return figures

            return watched

        given = vae_module.VAETask.objective
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(vae_module, "DECODE_STRIDE", 1)
            patch.setattr(run_module, "SAVE_EVERY", 0.0)  # after every step
            patch.setattr(Run, "take_step", watched)
            patch.setattr(vae_module.VAETask, "objective", objective)
            if batches:
                patch.setattr(vae_module.VAETask, "batches", batches)
            space = timbre.train(two_notes_a_shard(), config, self.folder / name, progress=False)
        self.seen[name] = {
            "rows": rows, "losses": losses, "weights": weights, "shards": sorted(shards),
            "report": {name: value for name, value in space.report.items() if not name.endswith(("minutes", "per_s"))},
            "points": space.atlas.points.tolist(),
        }  # fmt: skip


def rank_main(folder: Path) -> None:
    """What each rank does; torchrun starts all anew after one was killed."""
    rank, watched = int(os.environ["RANK"]), Watched(folder)
    if not (folder / "killed").exists():
        watched.train("whole", CONFIG)
        (folder / f"whole{rank}.json").write_text(json.dumps(watched.seen["whole"]))
        join(CONFIG.training).wait()
    watched.train("killed", CONFIG, folder / "once" if rank == 3 else None)
    (folder / f"killed{rank}.json").write_text(json.dumps(watched.seen["killed"]))


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any], list[Any]]:
    """The folder of the runs, and what each rank saw of the whole one and of that in which one was killed."""
    folder, here = tmp_path_factory.mktemp("nodes"), Path(__file__)
    script = folder / "script.py"
    script.write_text(
        f"import sys; sys.path[:0] = {[str(here.parent), str(here.parents[1])]!r}\n"
        f"from pathlib import Path\nimport test_nodes\ntest_nodes.rank_main(Path(sys.argv[1]))\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "2"]
    words += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "some"]
    words += ["--local-addr", "127.0.0.1", "--max-restarts", "2", "--monitor-interval", "0.1", str(script), str(folder)]
    launched = []
    for node in range(2):
        environment = os.environ | {"TIMBRE_CACHE": str(folder / f"cache{node}"), "OMP_NUM_THREADS": "1"}
        environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # else a restart finds the addresses of dead ranks
        log = (folder / f"node{node}.txt").open("w")
        with log:
            launched.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))
    try:
        for node, process in enumerate(launched):
            assert process.wait(300) == 0, (folder / f"node{node}.txt").read_text()
    finally:
        for process in launched:
            process.kill()
            process.wait()
    seen = lambda name, rank: json.loads((folder / f"{name}{rank}.json").read_text())  # noqa: E731
    whole, killed = ([seen(name, rank) for rank in range(WORLD)] for name in ("whole", "killed"))
    return folder, whole, killed


@pytest.mark.slow
def test_the_loss_is_that_of_one_process_with_the_same_batches(nodes: Any, tmp_path: Path) -> None:
    _, ranks, _ = nodes
    steps = len(ranks[0]["rows"])
    together = [[note for rank in ranks for note in rank["rows"][step]] for step in range(steps)]
    assert all(len(set(rows)) == WORLD * BATCH for rows in together)

    def batches(task: Any, epoch: int, start: int) -> Any:
        from timbre.training.batches import read_batch

        of_note = {note: row for row, note in enumerate(task.features.note.tolist())}
        for step in range(epoch * task.count + start, (epoch + 1) * task.count):
            yield read_batch(task.features, np.array([of_note[note] for note in together[step]]), task.device)

    alone = Watched(tmp_path)
    one = replace(CONFIG, training=replace(CONFIG.training, batch_size=WORLD * BATCH))
    alone.train("alone", one, batches=batches)
    curve = np.mean([rank["losses"] for rank in ranks], axis=0)
    np.testing.assert_allclose(curve, alone.seen["alone"]["losses"], rtol=1e-4)
    assert curve[-1] < curve[0]
    for figure in ("valid_l1_db", "test_l1_db"):
        assert ranks[0]["report"][figure] == pytest.approx(alone.seen["alone"]["report"][figure], rel=1e-3)


@pytest.mark.slow
def test_every_shard_is_made_and_read_by_one_rank(nodes: Any) -> None:
    folder, ranks, _ = nodes
    shards = [name for rank in ranks for name in rank["shards"]]
    assert len(shards) == len(set(shards)) == 16
    for node in range(2):
        made = sorted(path.name for path in (folder / f"cache{node}").glob("features/*/*.rows"))
        assert made == sorted(ranks[2 * node]["shards"] + ranks[2 * node + 1]["shards"])
    for epoch in range(CONFIG.training.epochs):
        read = sorted(note for rank in ranks for rows in rank["rows"][2 * epoch : 2 * epoch + 2] for note in rows)
        assert read == [index for index, note in enumerate(two_notes_a_shard()) if note.split == "train"]


@pytest.mark.slow
def test_a_run_of_which_a_rank_was_killed_ends_like_one_that_was_not(nodes: Any) -> None:
    """To rounding: the sum of four gradients is taken in another order in the first step of a process."""
    _, whole, killed = nodes
    assert len(killed[0]["rows"]) == len(whole[0]["rows"]) - KILLED
    for rank in range(WORLD):
        assert killed[rank]["rows"] == whole[rank]["rows"][KILLED:]
        np.testing.assert_allclose(killed[rank]["losses"], whole[rank]["losses"][KILLED:], rtol=1e-5)
        np.testing.assert_allclose(killed[rank]["weights"], whole[rank]["weights"][KILLED:], rtol=1e-7)
        np.testing.assert_allclose(killed[rank]["points"], whole[rank]["points"], atol=1e-4)
