"""`export`: points and paths of a space for other software."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import count
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from timbre.errors import ConfigError
from timbre.exporting.formats import FORMATS, Format
from timbre.exporting.request import ExportPlan, ExportSettings, Request, option
from timbre.files import check_writable, expanded, flush, flush_folder, temporary, unwritable
from timbre.paths import Path
from timbre.shapes.presets import LONGEST_NAME, Preset
from timbre.space import Space

_SPARE = 1 << 24  # bytes of a disk that stay free
Source = Preset | Path | np.ndarray | Sequence[Preset] | Sequence[float]


Progress = bool | Callable[[int, int], object]


class Exported(NamedTuple):
    """What an export has written, or would write."""

    files: list[FilePath]
    size: int  # bytes; of a dry run, estimated
    seconds: float  # of audio
    rows: list[dict[str, Any]]  # figures, such as the quality of loops; empty for a dry run
    notice: str  # what is lost or left out, in one sentence, or ""


def export(
    space: Space,
    source: Source | None,
    to: str,
    output: str | FilePath,
    name: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress = False,
    columns: int = 0,
    **settings: Any,
) -> Exported:
    """Write points or paths of a space as instruments for other software.

    Args:
        space: the space.
        source: a point (dim,), a path, a preset, or a list of presets, which becomes a bank; None for a format that is
            made of the whole space. A page ("web") is, and has the presets that it is given.
        to: name of the format, one of :data:`~timbre.exporting.formats.FORMATS`.
        output: file or folder to write, depending on the format; it appears complete or not at all.
        name: of the instrument that a point or a path becomes; default: that of the output.
        force: replace files that exist.
        dry_run: check everything and return the files and their sizes, but write nothing.
        progress: show a bar with the remaining time on stderr; or a function, called with the number of steps that are
            done and of all.
        columns: of a list of presets that is a grid, row by row; 0 is no grid.
        settings: see :class:`~timbre.exporting.request.ExportSettings`.

    Raises:
        ConfigError: if an argument is wrong, the output exists and `force` is not given, or there is no room on the
            disk; before anything is written.
    """
    planned = plan_export(space, source, to, output, name, force, columns, **settings)
    return planned.unwritten if dry_run else planned.write(progress)


class PlannedExport(NamedTuple):
    """An export that can be written: everything in the request that is wrong was refused."""

    output: str | FilePath
    target: FilePath
    plan: ExportPlan

    @property
    def unwritten(self) -> Exported:
        """What would be written."""
        plan = self.plan
        return Exported(self._files, sum(plan.files.values()), plan.seconds, [], plan.notice)

    def write(self, progress: Progress = False) -> Exported:
        """Write it; `progress` as for :func:`export`."""
        rows = _written(self.output, self.target, self.plan, progress)
        size = sum(file.stat().st_size for file in self._files)
        return Exported(self._files, size, self.plan.seconds, rows, self.plan.notice)

    @property
    def _files(self) -> list[FilePath]:
        return [self.target / file for file in self.plan.files]


def plan_export(
    space: Space, source: Source | None, to: str, output: str | FilePath, name: str | None = None, force: bool = False,
    columns: int = 0, **settings: Any,
) -> PlannedExport:  # fmt: skip
    """Plan what :func:`export` writes; arguments and errors as there."""
    target, chosen = expanded(output), find_format(to)
    if chosen.whole != (source is None) and not chosen.presets:
        raise ConfigError(
            f"{to} must get {'no point or path, as it is' if chosen.whole else 'a point or path, not'} the whole space."
        )
    instruments = [] if source is None else _instruments(space, source, name or name_of(target))
    request = Request(space, instruments, target, make_settings(settings), columns)
    plan = chosen.plan(request)
    plan = plan._replace(notice=" ".join(filter(None, [plan.notice, _idle(to, request.settings)])))
    _check_output(output, target, plan, chosen.ending, force)
    return PlannedExport(output, target, plan)


def find_format(name: str) -> Format:
    """A format; a ConfigError for an unknown name."""
    if name not in FORMATS:
        raise ConfigError(f"The format must be one of {', '.join(FORMATS)}, got {name!r}.")
    return FORMATS[name]


def name_of(output: FilePath) -> str:
    """The name that an instrument has by default: that of the output, without its ending."""
    return (output.stem or output.absolute().name)[:LONGEST_NAME].strip()


def make_settings(values: dict[str, Any]) -> ExportSettings:
    """Settings from values by name; None is the default. A ConfigError for an unknown name or a wrong value."""
    known = ExportSettings.__dataclass_fields__
    if unknown := [key for key in values if key not in known]:
        raise ConfigError(f"The settings of exports are {', '.join(known)}; got {unknown[0]!r}.")
    return ExportSettings(**{key: value for key, value in values.items() if value is not None})


def _idle(to: str, settings: ExportSettings) -> str:
    """A sentence about settings that a format does not use, or ""."""
    given = (one.name for one in fields(settings) if getattr(settings, one.name) != one.default)
    idle = [option(name) for name in given if name not in FORMATS[to].settings]
    return f"{to} has no use for {' and '.join(idle)}." if idle else ""


def _instruments(space: Space, source: Source, name: str) -> list[Preset]:
    if isinstance(source, Preset):
        found = [source]
    elif isinstance(source, Path):
        found = [Preset(name, source)]
    elif isinstance(source, Sequence) and source and all(isinstance(one, Preset) for one in source):
        found = list(source)  # type: ignore[arg-type]
    else:
        found = [Preset(name, space.path(space.check_point(source)))]  # type: ignore[arg-type]
    if wrong := [one for one in found if one.path.dim != space.dim]:
        raise ConfigError(
            f"{wrong[0].name!r} must have the space's {space.dim} dimensions, got {wrong[0].path.dim}; make it with "
            "this space."
        )
    return found


def _check_output(output: str | FilePath, target: FilePath, plan: ExportPlan, ending: str, force: bool) -> None:
    """Raise a ConfigError if the files of a plan cannot be written, before any work is done for them."""
    is_file = "" in plan.files
    if is_file and target.suffix.lower() != ending:
        raise ConfigError(f"{output} must end in {ending}, got {target.suffix or 'no ending'}.")
    if is_file and target.is_dir():
        raise ConfigError(f"{output} is a folder; give the name of a file to write.")
    if target.exists() and not (target.is_file() if is_file else target.is_dir()):
        raise ConfigError(f"{output} must be a folder for this format, got a file; give another name.")
    there = [file for file in (target / name for name in plan.files) if os.path.lexists(file)]
    if there and not force:
        raise ConfigError(f"{there[0]} exists; replace it with --force (force=True), or give another name.")
    parent = check_writable(target.parent)
    existing = next(one for one in (parent, *parent.absolute().parents) if one.is_dir())
    size, free = sum(plan.files.values()), shutil.disk_usage(existing).free
    if size + _SPARE > free:
        raise ConfigError(
            f"{output} needs about {size / 1e6:,.0f} MB, but {existing} has {free / 1e6:,.0f} MB free; make room, or "
            "export fewer keys or layers."
        )


def _written(output: str | FilePath, target: FilePath, plan: ExportPlan, progress: Progress) -> list[dict[str, Any]]:
    """Write a plan to a temporary path and move its files to their places; after an error nothing is left."""
    made = [one for one in (target.parent, *target.parent.parents) if not one.exists()]
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = temporary(target.parent, target.suffix if re.fullmatch(r"\.\w+", target.suffix) else "")
        if "" not in plan.files:
            partial.mkdir()
        with _steps(plan.work, progress) as step:
            rows = plan.write(partial, step)
        flush(partial)
        _place(partial, target)
    except OSError as error:
        _remove(partial, made)
        raise ConfigError(unwritable(output, error)) from error
    except BaseException:
        _remove(partial, made)
        raise
    return rows


@contextmanager
def _steps(work: int, progress: Progress) -> Iterator[Callable[[], object]]:
    """A function to call after every step."""
    if callable(progress):
        numbers = count(1)
        yield lambda: progress(next(numbers), work)
    else:
        with tqdm(total=work, desc="exporting", unit="step", leave=False, disable=not progress) as bar:
            yield bar.update


def _place(partial: FilePath, target: FilePath) -> None:
    """Move a finished file or folder to its place; files of a folder that is there join it."""
    if partial.is_file() or not target.exists():
        os.replace(partial, target)
    else:
        for inside in sorted(partial.rglob("*")):
            place = target / inside.relative_to(partial)
            place.mkdir(exist_ok=True) if inside.is_dir() else os.replace(inside, place)
        shutil.rmtree(partial, ignore_errors=True)
    flush_folder(target.parent)


def _remove(partial: FilePath | None, made: list[FilePath]) -> None:
    """Remove what an export that has failed leaves: its temporary path, and the folders that it has made."""
    if partial is not None:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):
            partial.unlink()
    for folder in made:
        with suppress(OSError):
            folder.rmdir()
