"""`timbre encode`."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import labels_of, parse_pitch
from timbre.cli.outputs import check_target
from timbre.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from timbre.space import Space


def encode(
    space: str,
    /,
    *files: Path,
    pitch: str | None = None,
    refine: int = 0,
    form: Annotated[Literal["json", "csv"], Parameter(name="--format")] = "json",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> int:
    """Print the coordinates of sounds.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    files
        Sound files, each with one note. One that cannot be used is named on stderr and left out; the exit status is
        then 1.
    pitch
        Pitch of the notes: a note name (A4), a MIDI number (69.5) or "unknown". Without it, the pitch that a file's
        name gives is used, if it gives one.
    refine
        Steps of gradient descent that move each point to where it decodes closer to the sound.
    form
        JSON, or a CSV table with a column for each coordinate.
    output
        Write to this file instead of the terminal.
    """
    if refine < 0:
        raise ConfigError(f"--refine is {refine}; 0 steps or more are wanted.")
    if output:
        check_target(output)
    fitted = timbre.load(space)
    given = {} if pitch is None else {"pitch": parse_pitch(pitch)}
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            rows.append(_row(fitted, file, refine, given))
        except AudioError as error:
            named = "" if str(file) in str(error) else f"{file}: "
            print(f"timbre: left out: {named}{error}", file=sys.stderr)
    text = _as_csv(rows, fitted.dim) if form == "csv" else json.dumps(rows, indent=1) + "\n"
    if output:
        from timbre.files import write_text

        write_text(output, text)
    else:
        print(text, end="")
    return int(len(rows) < len(files))


def _row(space: "Space", file: Path, refine: int, given: dict[str, float | None]) -> dict[str, Any]:
    note = labels_of(file)
    pitch = given.get("pitch", note.pitch)
    point = space.encode(timbre.read(file), pitch=pitch, velocity=note.velocity, refine=refine)
    return {"file": str(file), "pitch": pitch, "velocity": note.velocity, "point": [float(value) for value in point]}


def _as_csv(rows: list[dict[str, Any]], dim: int) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "pitch", "velocity", *(f"z{number}" for number in range(1, dim + 1))])
    writer.writerows([row["file"], row["pitch"], row["velocity"], *row["point"]] for row in rows)
    return text.getvalue()
