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
from timbre.exporting.web.axes import BATCHES, FittedAxes, axes_size, fitted_axes
from timbre.exporting.web.facts import planes, preset_facts, shown, space_facts
from timbre.exporting.web.notes import notes_file, notes_size
from timbre.exporting.web.sound import sizes, sound_file
from timbre.files import write_text
from timbre.page import STATIC
from timbre.space import Space

INDEX, LICENCES, SERVICE = "index.html", "LICENCES.txt", "service.js"
FILES, SPACE, SOUND, NOTES = "data/files.json", "data/space.json", "data/sound.safetensors", "data/notes.safetensors"
_APART = {"server.js", "socket.js", SERVICE}  # what only `timbre app` needs, and what is not in the folder static
_ENTRY = 'src="static/server.js"', 'src="static/alone.js"'
_CAN = {"heat": False, "place": False, "originals": False, "export": False, "save": True, "licences": True, "views": []}
_PLANES, _DIGITS = 14, 9  # about, of a page, and of a number
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
    files = {INDEX: (STATIC / INDEX).stat().st_size, SERVICE: (STATIC / SERVICE).stat().st_size, FILES: 1000}
    files |= {f"static/{name}": (STATIC / name).stat().st_size for name in _scripts()}
    plans = _PLANES * (5 * space.dim + 10) * _DIGITS
    files |= {LICENCES: len(_licences(request)), SPACE: len(_json(_facts(request))) + plans}
    files |= {SOUND: len(sound_file(space)), NOTES: notes_size(space, shown(len(space.atlas))) + axes_size(space)}
    notice = "Serve the folder by any web server, such as python -m http.server; browsers do not run it from a file."
    steps = 4 + (BATCHES if space.axes else 0)
    return ExportPlan(files, steps, lambda folder, step: write_web(request, folder, step), 0.0, notice)


def write_web(request: Request, folder: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
    """Write the folder; the rows are the errors of the values on named axes, measured on held-out points."""
    for name in _scripts():
        target = folder / "static" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(STATIC / name, target)
    write_text(folder / INDEX, (STATIC / INDEX).read_text(encoding="utf-8").replace(*_ENTRY))
    write_text(folder / LICENCES, _licences(request))
    shutil.copyfile(STATIC / SERVICE, folder / SERVICE)
    step()
    (folder / SPACE).parent.mkdir()
    (folder / SOUND).write_bytes(sound_file(request.space))
    step()
    axes = fitted_axes(request.space, step) if request.space.axes else FittedAxes({}, {})
    (folder / NOTES).write_bytes(notes_file(request.space, shown(len(request.space.atlas)), axes.arrays))
    step()
    write_text(folder / SPACE, _json(_facts(request) | {"planes": planes(request.space)}))
    written = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    write_text(folder / FILES, _json(["./", *written]))
    step()
    return [{"axis": name, "axis_error": error} for name, error in axes.errors.items()]


def _facts(request: Request) -> dict[str, Any]:
    space, rate = request.space, request.space.config.spectrogram.sample_rate
    facts = space_facts(space, _start(request)) | {"sample_rate": rate, "left_out": "", "can": _CAN}
    presets = [preset_facts(preset) for preset in request.instruments]
    return facts | {"sound": sizes(space), "presets": presets}


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _licences(request: Request) -> str:
    return "\n".join([_OPEN, maker(request), licence(request), *_sources(request.space), ""])


def _start(request: Request) -> np.ndarray:
    """The point at which the page begins: the first preset, or the library note nearest to the mean."""
    for preset in request.instruments:
        return preset.path.points[0]
    points = request.space.atlas.points
    return np.asarray(points[np.square(points - points.mean(0)).sum(1).argmin()])


def _scripts() -> list[str]:
    """The page's files but for index.html, relative to their folder."""
    files = (file for file in STATIC.rglob("*") if file.is_file() and file.suffix in (".js", ".css", ".svg"))
    return sorted(name for file in files if (name := file.relative_to(STATIC).as_posix()) not in _APART)


def _sources(space: Space) -> Iterable[str]:
    """A line for each source of recordings."""
    for source in space.report.get("sources") or []:
        if isinstance(source, dict):
            words = (str(source.get(key) or "not stated") for key in ("source", "author", "licence", "link"))
            yield f"- {'; '.join(words)}"
