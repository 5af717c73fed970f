"""From a finished run to the shipped folder. Results are stored, so that an interrupted run can continue."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _card import card
from _pairs import shrink
from _presets import make
from _sources import sources

import timbre
from timbre.data import Library
from timbre.evaluation import notes
from timbre.files import write_text
from timbre.shapes.presets import FILE, write_presets
from timbre.space import Space
from timbre.training.measure import errors

LARGEST, ROOM = 8e6, 11e6  # bytes: limits of a file and of the folder
_LOADING = """
import time, torch, timbre
import timbre.space
begun = time.process_time()
timbre.load({folder!r})
print(time.process_time() - begun)
"""


class Findings:
    """Results for a space, in a JSON file.

    Args:
        file: the file.
        config: the space's config.json, which has the checksums of all its parts: results for others are discarded.
    """

    def __init__(self, file: Path, config: bytes) -> None:
        self.file, self._mark = file, hashlib.sha256(config).hexdigest()
        stored = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self.values: dict[str, Any] = stored if stored.get("space") == self._mark else {"space": self._mark}

    def once(self, name: str, find: Callable[[], Any], made: Path | None = None) -> Any:
        """The result of this name, computed now if it is not stored or if the file `made` is missing."""
        if name not in self.values or (made and not made.exists()):
            print(f"{name} ...", flush=True)
            self.values[name] = find()
            write_text(self.file, json.dumps(self.values, indent=1) + "\n")
        return self.values[name]


def finish(out: Path, target: Path, ratings: list[Path], commit: str, machine: str) -> None:
    """Make the shipped folder from the run in `out`/space and the libraries in `out`.

    Args:
        out: with orchestra.json, recorded.json, rendered.json and space/.
        target: the folder; it is created.
        ratings: listeners' studies for `timbre evaluate`; may be empty.
        commit: of the training.
        machine: of the training, in words.

    Raises:
        SystemExit: if a step fails or the folder is too large.
    """
    whole, space = timbre.scan(out / "orchestra.json"), timbre.load(out / "space")
    findings = Findings(out / "findings.json", (out / "space" / "config.json").read_bytes())
    space.report["sources"] = findings.once("sources", lambda: sources(whole))
    space.prepare()
    space.save(target, half=True)
    shipped = timbre.load(target)
    findings.once("half", lambda: halved(space, shipped, whole))
    findings.once("presets", lambda: preset(shipped, target), target / FILE)
    findings.once("maps", lambda: mapped(target), target / "map" / "map.json")
    findings.once("loading_s", lambda: loading_s(target))
    figures = {part: findings.once(f"figures of {part} notes", lambda part=part: evaluated(out, target, part, ratings))
               for part in ("recorded", "rendered")}  # fmt: skip
    facts = findings.values | {
        "figures": figures,
        "held_out": {part: held_out(shipped, timbre.scan(out / f"{part}.json")) for part in figures},
        "commit": commit,
        "machine": machine,
    }
    shipped.save(target, half=True, page=card(shipped, facts))
    check_size(target)


def halved(full: Space, half: Space, library: Library) -> dict[str, float]:
    """Effect of float16 on held-out notes: errors of both spaces in dB, and dissimilarities by which points move."""
    named = {note.name: note for note in library}
    indices = notes.sample(notes.held_out(full.atlas)[1], notes.FULL.held_out, 0)
    prepared = notes.prepare_notes(full, [named[full.atlas.names[index]] for index in indices])
    points = [prepared.points(space) for space in (full, half)]
    shift = full.dissimilarity(*points)
    error = [errors(space.model, prepared).l1_db for space in (full, half)]
    away = full.hearing.neighbours(full.atlas.points, 2).distances[:, 1]
    return {
        "l1_db_full": error[0],
        "l1_db_half": error[1],
        "point_shift_median": float(np.median(shift)),
        "point_shift_max": float(shift.max()),
        "neighbour_distance": float(np.median(away)),
    }


def preset(space: Space, target: Path) -> list[dict[str, Any]]:
    """Write the presets and return the measurements of the candidates."""
    made, rows = make(space, space.report["test_l1_db"])
    write_presets(target, made, space)
    return rows


def mapped(target: Path) -> list[str]:
    """Make maps of principal components and of two named axes with `timbre map`; return their files."""
    axes = [axis.name for axis in timbre.load(target).axes[:2]]
    planes = {"map": ["pca"]} | ({"map-axes": ["axes", *axes]} if len(axes) == 2 else {})
    for folder, words in planes.items():
        options = [part for word in words for part in ("--plane", word)]
        run("map", str(target), *options, "--output", str(target / folder))
        (target / folder / "sounds.csv").unlink()  # the atlas contains the same
        _shrink(target / folder)
    return sorted(file.relative_to(target).as_posix() for folder in planes for file in (target / folder).iterdir())


def _shrink(folder: Path) -> None:
    """Reduce map.csv to four digits and pictures to 256 colours, a third of the size."""
    head, *rows = (folder / "map.csv").read_text(encoding="utf-8").splitlines()
    short = [",".join(f"{float(cell):.4g}" for cell in row.split(",")) for row in rows]
    write_text(folder / "map.csv", "\n".join([head, *short, ""]))
    for file in folder.glob("*.png"):
        shrink(file)


def loading_s(target: Path) -> float:
    """Loading time on one core after torch is imported, seconds: the fastest of three new processes."""
    command = [sys.executable, "-c", _LOADING.format(folder=str(target))]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    runs = [subprocess.run(command, check=True, capture_output=True, text=True, env=alone) for _ in range(3)]
    return min(float(run.stdout) for run in runs)


def evaluated(out: Path, target: Path, part: str, ratings: list[Path]) -> dict[str, Any]:
    """Figures of `timbre evaluate` on the held-out notes of a part; the recorded part includes the ratings."""
    file = out / f"evaluation-{part}.json"
    given = [word for path in ratings if part == "recorded" for word in ("--ratings", str(path))]
    where = ["--only", str(out / f"{part}.json"), "--out", str(file.with_suffix(".html")), "--json", str(file)]
    run("evaluate", str(target), str(out / "orchestra.json"), *where, *given)
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def held_out(space: Space, library: Library) -> int:
    """Number of held-out notes of the space in a part of the library."""
    names = {note.name for note in library}
    return sum(space.atlas.names[number] in names for number in notes.held_out(space.atlas)[1])


def check_size(target: Path) -> None:
    """Refuse a folder that is too large for a repository."""
    sizes = {file: file.stat().st_size for file in target.rglob("*") if file.is_file()}
    print(f"{target}: {sum(sizes.values()) / 1e6:.1f} MB, the largest {max(sizes.values()) / 1e6:.1f} MB")
    if sum(sizes.values()) > ROOM or max(sizes.values()) > LARGEST:
        raise SystemExit(f"{target} must not be larger than {ROOM / 1e6:g} MB, nor a file than {LARGEST / 1e6:g} MB.")


def run(*words: str) -> None:
    """Run a command of timbre.

    Raises:
        SystemExit: if it fails.
    """
    code = subprocess.run([sys.executable, "-m", "timbre", *words], env=os.environ, check=False).returncode
    if code:
        raise SystemExit(code)
