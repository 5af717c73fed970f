"""`web`: a space as a folder for a static web server, in which the page decodes and plays by itself."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from timbre.errors import ConfigError
from timbre.exporting.request import ExportPlan, Request
from timbre.exporting.samplers.libraries import licence, maker, refuse_ending
from timbre.exporting.web.facts import planes, preset_facts, shown, space_facts
from timbre.exporting.web.notes import notes_file
from timbre.exporting.web.sound import sizes, sound_file
from timbre.files import write_text
from timbre.page import STATIC
from timbre.space import Space

INDEX, LICENCES = "index.html", "LICENCES.txt"
SPACE, SOUND, NOTES = "data/space.json", "data/sound.safetensors", "data/notes.safetensors"
_SERVED = {"server.js", "socket.js"}  # what only `timbre app` needs
_ENTRY = 'src="static/server.js"', 'src="static/alone.js"'
_CAN = {"heat": False, "place": False, "originals": False, "export": False, "save": True, "views": []}
_OPEN = (
    "A timbre space that plays in a browser. Copy the folder to any web host, or run python -m http.server in it and\n"
    "open the address that it prints: browsers do not run a page like this from a file.\n"
)


def plan_web(request: Request) -> ExportPlan:
    """Plan a folder with the page, its engine, and the space."""
    refuse_ending(request, ".html", ".zip", ".js")
    space = request.space
    if len(space.atlas) < 3:
        raise ConfigError(f"The map needs a space with 3 library notes or more, got {len(space.atlas)}.")
    weights = sum(value.numel() for value in space.model.decoder.state_dict().values())
    points = sum(len(one.path.points) for one in request.instruments)
    files = {
        INDEX: (STATIC / INDEX).stat().st_size, LICENCES: 4000,
        **{f"static/{name}": (STATIC / name).stat().st_size for name in _scripts()},
        SPACE: 120 * len(space.atlas) + 10 * space.dim * (100 + points),
        SOUND: 4 * weights, NOTES: 4 * space.dim * (len(space.atlas) + 1000),
    }  # fmt: skip
    notice = "Serve the folder by any web server, such as python -m http.server; browsers do not run it from a file."
    return ExportPlan(files, 4, lambda folder, step: write_web(request, folder, step), 0.0, notice)


def write_web(request: Request, folder: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
    """Write the folder."""
    for name in _scripts():
        target = folder / "static" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(STATIC / name, target)
    write_text(folder / INDEX, (STATIC / INDEX).read_text(encoding="utf-8").replace(*_ENTRY))
    lines = [_OPEN, maker(request), licence(request), *_sources(request.space), ""]
    write_text(folder / LICENCES, "\n".join(lines))
    step()
    (folder / SPACE).parent.mkdir()
    (folder / SOUND).write_bytes(sound_file(request.space))
    step()
    (folder / NOTES).write_bytes(notes_file(request.space, shown(len(request.space.atlas))))
    step()
    write_text(folder / SPACE, json.dumps(_facts(request), allow_nan=False, separators=(",", ":")))
    step()
    return []


def _facts(request: Request) -> dict[str, Any]:
    space, rate = request.space, request.space.config.spectrogram.sample_rate
    facts = space_facts(space, _start(request)) | {"sample_rate": rate, "left_out": "", "can": _CAN}
    presets = [preset_facts(preset) for preset in request.instruments]
    return facts | {"sound": sizes(space), "planes": planes(space), "presets": presets}


def _start(request: Request) -> np.ndarray:
    """The point at which the page begins: the first preset, or the library note nearest to the mean."""
    for preset in request.instruments:
        return preset.path.points[0]
    points = request.space.atlas.points
    return np.asarray(points[np.square(points - points.mean(0)).sum(1).argmin()])


def _scripts() -> list[str]:
    """The page's files but for index.html, relative to their folder."""
    files = (file for file in STATIC.rglob("*") if file.is_file() and file.suffix in (".js", ".css", ".svg"))
    return sorted(name for file in files if (name := file.relative_to(STATIC).as_posix()) not in _SERVED)


def _sources(space: Space) -> Iterable[str]:
    """A line for each source of recordings."""
    for source in space.report.get("sources") or []:
        if isinstance(source, dict):
            words = (str(source.get(key) or "not stated") for key in ("source", "author", "licence", "link"))
            yield f"- {'; '.join(words)}"
