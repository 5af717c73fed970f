"""From a trained space to the folder that ships: float16, presets, maps, measurements, pictures and the card."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _card import card
from _making import HERE, Making, origin, run
from _pairs import FILE as PAIRS
from _pairs import make_pairs, shrink
from _sources import LEFT_OUT, sources
from _tables import columns

import timbre
from timbre.choosing import choose
from timbre.data import Library
from timbre.evaluation import notes
from timbre.evaluation.decoding import reconstruction
from timbre.files import write_text
from timbre.shapes.presets import FILE, write_presets
from timbre.space import Space

LARGEST, ROOM = 8e6, 14e6  # bytes: limits of a file and of the folder
COMPONENTS = ("16", "64")  # numbers of principal components beside which a space is measured
PRESETS = 64, 16  # points and paths
_LOADING = """
import time, torch, timbre
import timbre.space
begun = time.process_time()
timbre.load({folder!r})
print(time.process_time() - begun)
"""


def ship(making: Making) -> None:
    """Write the space with float16 weights and all that speeds up its start, and measure what float16 costs."""
    findings = making.findings()

    def write() -> dict[str, float]:
        library, space = timbre.scan(making.library), timbre.load(making.folder)
        space.report["sources"] = findings.once("sources", lambda: sources(library))
        space.prepare()
        space.save(making.target, half=True)
        return halved(space, timbre.load(making.target), library)

    findings.once("half", write, making.target / "config.json")
    findings.once("loading_s", lambda: loading_s(making.target))


def presets(making: Making) -> None:
    """Choose the presets by measurements and write them."""
    space, counts = timbre.load(making.target), (4, 1) if making.quick else PRESETS
    making.findings().once("presets", lambda: preset(space, making.target, counts), making.target / FILE)


def maps(making: Making) -> None:
    """Make the maps of two planes, if the space is illustrated."""
    if making.illustrated:
        making.findings().once("maps", lambda: mapped(making.target), making.target / "map" / "map.json")


def measure(making: Making) -> None:
    """Run `timbre evaluate`, and measure principal components of the same notes."""
    findings = making.findings()
    findings.once("evaluation", lambda: evaluated(making))
    findings.once("components", lambda: components(making))


def picture(making: Making) -> None:
    """Draw notes of sources that the space does not know beside their reconstructions, if it is illustrated."""
    if not making.illustrated:
        return
    folder, count = making.target / "pairs", 3 if making.quick else 10
    space = timbre.load(making.target)
    making.findings().once("pairs", lambda: make_pairs(space, left_out(making), folder, count), folder / PAIRS)


def describe(making: Making) -> None:
    """Write the card from all results, and check the size of the folder."""
    findings = making.findings().values
    needed = {"half", "presets", "evaluation"} | ({"maps", "pairs"} if making.illustrated else set())
    if missing := needed - findings.keys():
        raise SystemExit(f"The card of {making.name} needs the results {', '.join(sorted(missing))}; do all steps.")
    parts = columns(findings["evaluation"])
    facts = findings | origin(making.out, None, None) | {
        "name": making.name,
        "figures": parts,
        "held_out": {part: int(values.get("notes") or 0) for part, values in parts.items()},
        "compared": _of_all(making, "evaluation"),
        "components": _of_all(making, "components"),
    }  # fmt: skip
    if making.illustrated:
        facts["pairs"] = json.loads((making.target / "pairs" / PAIRS).read_text(encoding="utf-8"))
    space = timbre.load(making.target)
    space.save(making.target, half=True, page=card(space, facts))
    check_size(making.target)


def left_out(making: Making) -> Library:
    """The notes of sources that were left out of training, and those of unverified licence."""
    library, unverified = timbre.scan(making.library), timbre.scan(making.unverified)
    return Library([note for note in library if (note.source or "").startswith(LEFT_OUT)] + [*unverified], library.root)


def halved(full: Space, half: Space, library: Library) -> dict[str, float]:
    """Effect of float16 on held-out notes: errors of both spaces in dB, and dissimilarities by which points move."""
    named = {note.name: note for note in library}
    indices = notes.sample(notes.held_out(full.atlas)[1], notes.FULL.held_out, 0)
    prepared = notes.prepare_notes(full, [named[full.atlas.names[index]] for index in indices])
    points = [prepared.points(space) for space in (full, half)]
    shift = full.dissimilarity(*points)
    error = [
        float(reconstruction(space, prepared, own)["reconstruction_l1_db"] or 0.0)
        for space, own in zip((full, half), points, strict=True)
    ]
    away = full.hearing.neighbours(full.atlas.points, 2).distances[:, 1]
    return {
        "l1_db_full": error[0],
        "l1_db_half": error[1],
        "point_shift_median": float(np.median(shift)),
        "point_shift_max": float(shift.max()),
        "neighbour_distance": float(np.median(away)),
    }


def preset(space: Space, target: Path, counts: tuple[int, int] = PRESETS) -> list[dict[str, Any]]:
    """Choose and write presets, `counts` points and paths; return the measures of the candidates."""
    presets, rows = choose(space, *counts, progress=True)
    write_presets(target, presets, space)
    return rows


def mapped(target: Path) -> list[str]:
    """Make maps of the overview and of two named axes with `timbre map`; return their files."""
    axes = [axis.name for axis in timbre.load(target).axes[:2]]
    planes = {"map": ["overview"]} | ({"map-axes": ["axes", *axes]} if len(axes) == 2 else {})
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


def evaluated(making: Making) -> dict[str, Any]:
    """Figures of `timbre evaluate` on the held-out notes, in all and by part."""
    file = making.out / f"evaluation-{making.name}.json"
    studies = [word for path in making.ratings for word in ("--ratings", str(path))]
    where = ["--held-out", str(making.unverified), "--out", str(file.with_suffix(".html")), "--json", str(file)]
    quick = ["--quick"] * making.quick
    run("evaluate", str(making.target), str(making.library), *where, *studies, *quick)
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def components(making: Making) -> list[dict[str, Any]]:
    """Rows of `benchmarks/reconstruction.py --space`: errors of principal components of the same training notes."""
    file = making.out / f"components-{making.name}.json"
    script = HERE.parent / "benchmarks" / "reconstruction.py"
    dims = ["1"] if making.quick else COMPONENTS
    what = ["--space", str(making.target), "--held-out", str(making.unverified), "--dims", *dims]
    command = [sys.executable, str(script), str(making.library), *what, "--json", str(file)]
    subprocess.run([*command, *["--quick"] * making.quick], check=True)
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return rows


def _of_all(making: Making, kind: str) -> dict[str, Any]:
    """The results of a kind of all spaces that were measured in this folder, and of that of timbre 0.1, by name."""
    files = {file.stem.removeprefix(f"{kind}-"): file for file in sorted(making.out.glob(f"{kind}-*.json"))}
    files["orchestra of 0.1"] = HERE / f"orchestra-0.1-{kind}.json"
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items()}


def size(files: Iterable[Path]) -> int:
    """Bytes of files."""
    return sum(file.stat().st_size for file in files)


def check_size(target: Path) -> None:
    """Refuse a folder that is too large for a repository."""
    files = [file for file in target.rglob("*") if file.is_file()]
    whole, largest = size(files), max(file.stat().st_size for file in files)
    print(f"{target}: {whole / 1e6:.1f} MB, the largest {largest / 1e6:.1f} MB")
    if whole > ROOM or largest > LARGEST:
        raise SystemExit(f"{target} must not be larger than {ROOM / 1e6:g} MB, nor a file than {LARGEST / 1e6:g} MB.")
