"""What commands write and print: files that are checked before the work starts, and tables."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timbre
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.audio import Audio


def check_target(path: Path) -> None:
    """Raise a ConfigError if a file could not be written, before any work is done for it."""
    folder = path.expanduser().parent
    if path.expanduser().is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file to write.")
    if not folder.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {folder}; make it first.")
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{path} cannot be written: no permission for {folder}; choose another folder.")


def make_folder(path: Path) -> None:
    """Make a folder and its parents if they do not exist."""
    try:
        path.expanduser().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder {path} cannot be made: {error.strerror}; choose another.") from error


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
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
