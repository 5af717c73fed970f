"""What commands write and print: files that are checked before the work starts, and tables."""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timbre
from timbre.errors import ConfigError, TimbreError
from timbre.files import check_writable, expanded, temporary, unwritable
from timbre.wording import printable

if TYPE_CHECKING:
    from timbre.audio import Audio
    from timbre.space import Space


def check_target(path: Path, *endings: str) -> None:
    """Raise a ConfigError if a file could not be written, before any work is done for it.

    Its folder must exist. If endings are given, its name must end in one of them.
    """
    target = expanded(path)
    if target.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file to write.")
    if target.exists() and not target.is_file():
        raise ConfigError(f"{path} is a device or a pipe; give the name of a file to write.")
    if endings and target.suffix.lower() not in endings:
        raise ConfigError(f"{path} must end in {' or '.join(endings)}, got {target.suffix or 'no ending'}.")
    if not target.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {target.parent}; make it first.")
    check_writable(target.parent)


def check_sound(path: Path) -> None:
    """Raise an error if a sound could not be written, before any work is done for it."""
    from timbre.audio.files import check_ending

    check_target(path)
    check_ending(path)


def check_inverter(space: "Space", inverter: str | None) -> None:
    """Raise a ConfigError if a space has no such inverter, before any work is done for it."""
    from timbre.spectral.inversion.inverters import find_inverter
    from timbre.spectral.inversion.streaming import PORTABLE

    if inverter == "vocoder":
        space.renderer.check_causal(inverter)
    elif inverter not in (None, PORTABLE):
        find_inverter(inverter)


@contextmanager
def making(path: Path) -> Iterator[Path]:
    """Make a folder and its parents if they do not exist; after an error, those that are empty are removed again."""
    folder = expanded(path)
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(unwritable(path, error)) from error
    try:
        yield folder
    except BaseException:
        for one in made:
            with suppress(OSError):
                one.rmdir()
        raise


@contextmanager
def filling(path: Path) -> Iterator[Path]:
    """Yield a temporary folder, whose files move to the given one afterwards; after an error, none of them does."""
    with making(path) as folder, _written(path), ExitStack() as stack:
        partial = temporary(folder)
        stack.callback(shutil.rmtree, partial, ignore_errors=True)
        partial.mkdir()
        with _named({partial: folder}):
            yield partial
        for file in sorted(partial.iterdir()):
            os.replace(file, folder / file.name)


@contextmanager
def together(*files: Path) -> Iterator[list[Path]]:
    """Yield a temporary path for each file, with its ending; they are renamed afterwards, or after an error removed.

    Their folders are made.
    """
    with ExitStack() as stack:
        partials = []
        for file in files:
            folder = stack.enter_context(making(expanded(file).parent))
            partials.append(temporary(folder, file.suffix))
            stack.callback(partials[-1].unlink, missing_ok=True)
        with _named(dict(zip(partials, files, strict=True))):
            yield partials
        for file, partial in zip(files, partials, strict=True):
            with _written(file):
                os.replace(partial, expanded(file))


@contextmanager
def _named(files: Mapping[str | Path, Path]) -> Iterator[None]:
    """Errors about temporary paths name the files that the user asked for."""
    try:
        yield
    except TimbreError as error:
        message = str(error)
        for partial, file in files.items():
            message = message.replace(str(partial), str(file))
        raise type(error)(message) from error


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(unwritable(path, error)) from error


def save_sound(path: Path, audio: "Audio", sample_rate: int | None = None) -> None:
    """Write a sound, resampled if a sample rate is given, and print its name, length and sample rate."""
    audio = audio if sample_rate is None else audio.resample(sample_rate)
    timbre.write(path, audio)
    print(f"{path}  {audio.duration:.2f} s, {audio.sample_rate} Hz")


def formatted(rows: Sequence[Mapping[str, Any]], form: str) -> str:
    """Rows as "json", "csv" or a "text" table."""
    if form == "json":
        return json.dumps(rows, indent=1) + "\n"
    if form == "text":
        return table(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as aligned columns under their names: text to the left, numbers to the right."""
    names = list(rows[0]) if rows else []
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    numeric = [all(isinstance(row[name], int | float) for row in rows) for name in names]
    lines = (
        "  ".join(text.rjust(w) if n else text.ljust(w) for text, w, n in zip(line, widths, numeric, strict=True))
        for line in cells
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else printable(str(value))
