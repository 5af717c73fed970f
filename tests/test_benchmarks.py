"""The benchmarks' quick forms, as a user calls them; on two free cores each takes a minute or less."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import timbre
from timbre.config import Config, TrainingConfig
from timbre.data import Library
from timbre.data.readers import READERS
from timbre.data.storage import save_library
from timbre.space import Space

ROOT = Path(__file__).parents[1]
SPACE = "orchestra"  # the one that comes with timbre


def rows_of(tmp_path: Path, script: str, *arguments: str) -> list[dict[str, object]]:
    target = tmp_path / "rows.json"
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments, "--quick", "--json", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(target.read_text())  # type: ignore[no-any-return]


@pytest.mark.slow
def test_reconstruction(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "reconstruction.py", "--out", str(tmp_path / "runs"))
    assert {(row["method"], row["dim"]) for row in rows} == {("pca", 8), ("vae", 8), ("vae+planar8", 8)}
    assert all({"l1_db", "rmse_db", "seed"} <= set(row) for row in rows)


@pytest.mark.slow
def test_a_space_beside_principal_components(tmp_path: Path, tiny_space: Space, some_notes: Library) -> None:
    tiny_space.save(tmp_path / "space")
    library = save_library(some_notes, tmp_path / "notes.json")
    rows = rows_of(tmp_path, "reconstruction.py", str(library), "--space", str(tmp_path / "space"), "--dims", "2")
    assert {(row["method"], row["part"], row["dim"]) for row in rows} == {
        ("pca", "own notes", 2),
        ("space", "own notes", 3),
    }


def test_keys(tmp_path: Path) -> None:
    rows = {row["variant"]: row for row in rows_of(tmp_path, "keys.py", SPACE)}
    assert float(str(rows["with"]["loud_share"])) < 0.1 * float(str(rows["without"]["loud_share"]))


@pytest.mark.slow
def test_speed(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "speed.py")
    assert {row["what"] for row in rows} >= {"train", "decode + pghi+8", "decode + librosa 32"}


@pytest.mark.slow
def test_readers(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "readers.py")
    assert {row["reader"] for row in rows if "(exact)" in str(row["library"])} == set(READERS)


@pytest.mark.slow
def test_library(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "library.py")
    assert len({row["what"] for row in rows}) == len(rows) > 8


@pytest.mark.slow
def test_front_ends(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "front_ends.py", "--out", str(tmp_path / "runs"))
    assert {row["front_end"] for row in rows} == {"mel", "nsgt_erb"}
    assert all(float(str(row["error_db"])) > float(str(row["front_db"])) for row in rows)


@pytest.mark.slow
def test_front_ends_without_a_model(tmp_path: Path) -> None:
    names = ["mel-64-512-128", "mel-256-1024-256"]
    rows = rows_of(tmp_path, "front_ends.py", "--rate", "22050", "--settings", *names)
    coarse, fine = ([row for row in rows if row["setting"] == name] for name in names)
    assert [row["inverter"] for row in fine] == ["pghi+8", "rtpghi", "rtpghi-1"]
    assert all(float(str(a["sc_db"])) > float(str(b["sc_db"])) for a, b in zip(coarse, fine, strict=True))


@pytest.mark.slow
def test_ablation(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "ablation.py", "--out", str(tmp_path / "runs"))
    assert {row["variant"] for row in rows} == {"pca", "vae", "all"}
    assert all({"l1_db", "iwae_nats", "r2_linear", "r2_mlp", "instrument"} <= set(row) for row in rows)


@pytest.mark.slow
def test_latent(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "latent.py", "--left-out", "Fluid", "--out", str(tmp_path / "runs"))
    models, hidden = ([row for row in rows if row["table"] == name] for name in ("models", "hidden"))
    assert {row["variant"] for row in models} == {"pca 16", "vae", "planar 4", "sylvester 4 amortised"}
    assert all({"error_db", "audible_error_db", "source_out_error_db", "pitch_probe_r2"} <= set(row) for row in models)
    assert {row["hidden"] for row in hidden} == {"nothing", "pitch", "half", "noise"}
    assert all(float(str(row["gap_nats"])) > 0 for row in hidden)


@pytest.mark.slow
def test_paths(tmp_path: Path) -> None:
    rows = {row["kind"]: row for row in rows_of(tmp_path, "paths.py", SPACE)}
    assert {"line", "slerp", "base", "geodesic", "line, even"} <= set(rows)
    assert float(str(rows["geodesic"]["unevenness"])) < 0.7 * float(str(rows["line"]["unevenness"]))


@pytest.mark.slow
def test_steering(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "steering.py", SPACE)
    assert {row["method"] for row in rows} == {"walk", "ours"}
    error = {
        name: sum(float(str(r["tracking_steps"])) for r in rows if r["method"] == name) for name in ("walk", "ours")
    }
    assert error["ours"] < error["walk"] / 3


@pytest.mark.slow
def test_rendering(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "rendering.py", SPACE)
    strayed = {row["steady"]: float(str(row["deviation_db"])) for row in rows if "steady" in row}
    assert strayed["yes"] < strayed["no"]


@pytest.mark.slow
def test_maps(tmp_path: Path) -> None:
    rows = {row["what"]: row for row in rows_of(tmp_path, "maps.py", SPACE)}
    assert all(0 < float(str(rows[name]["geary"])) < 1 for name in ("centroid", "bandwidth", "flatness", "attack"))


@pytest.mark.slow
def test_neighbours(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "neighbours.py", SPACE)
    assert all(row["same"] == 1 for row in rows if row["method"] in ("timbre", "scipy cKDTree", "sklearn BallTree"))


@pytest.mark.slow
def test_robustness(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "robustness.py", SPACE, str(ROOT / "datasets" / "orchestra"))
    far = {(row["fault"], row["when"]): row.get("median") for row in rows}
    for fault in ("constant 1.0%", "rumble -50", "hiss -60"):
        assert float(str(far[fault, "after"])) < 0.1 < float(str(far[fault, "before"]))


@pytest.mark.slow
def test_placing(tmp_path: Path) -> None:
    rows = {str(row["group"]): row for row in rows_of(tmp_path, "placing.py")}
    assert rows["noise"]["unfamiliar"] > rows["held-out notes"]["unfamiliar"]  # type: ignore[operator]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A space of all shipped notes without a vocoder, trained for a minute or two."""
    config = Config(training=TrainingConfig(epochs=10, threads=2))
    folder = tmp_path_factory.mktemp("space") / "small"
    timbre.train(timbre.scan(ROOT / "datasets" / "orchestra"), config, folder, progress=False)
    return folder


@pytest.mark.slow
def test_vocoder(tmp_path: Path, small: Path) -> None:
    pictures = tmp_path / "pictures"
    rows = rows_of(tmp_path, "vocoder.py", str(small), "--pictures", str(pictures))
    found = {(row["task"], row["inverter"]): row for row in rows if row["group"] == "all"}
    assert set(found) == {(task, name) for task in ("notes", "held") for name in ("pghi+8", "rtpghi", "librosa-32")}
    for task in ("notes", "held"):
        near, far = (float(str(found[task, name]["consistency_db"])) for name in ("pghi+8", "rtpghi"))
        assert near < far
    assert {file.name for file in pictures.iterdir()} == {
        f"inverters-{kind}.png" for kind in ("notes", "morph", "held")
    }
