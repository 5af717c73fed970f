"""`timbre encode`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import NotePitch, Refine, SoundFiles, SpaceName
from timbre.cli.exploring._files import Row, rows_of
from timbre.cli.outputs import check_target, formatted

if TYPE_CHECKING:
    from timbre.audio import Audio


def encode(
    space: SpaceName,
    /,
    *files: SoundFiles,
    pitch: NotePitch | None = None,
    refine: Refine = 0,
    form: Annotated[Literal["json", "csv"], Parameter(name="--format")] = "json",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
) -> int:
    """Print the coordinates of sounds.

    Parameters
    ----------
    form
        JSON, or a CSV table with a column for each coordinate.
    output
        Write to this file instead of the terminal.
    """
    from timbre.files import write_text

    if output:
        check_target(output)
    fitted = timbre.load(space)

    def row(_: Path, audio: "Audio", given: float | None, velocity: float | None) -> Row:
        known = None if given is None or given != given else given
        point = fitted.encode(audio, known, velocity, refine)
        return {"pitch": known, "velocity": velocity, "point": point.tolist()}

    rows = rows_of(files, pitch, row)
    text = formatted([_flat(row) for row in rows] if form == "csv" else rows, form)
    if output:
        write_text(output, text)
    else:
        print(text, end="")
    return int(len(rows) < len(files))


def _flat(row: Row) -> Row:
    """The row with a column for each coordinate."""
    point = row.pop("point")
    return row | {f"z{number}": value for number, value in enumerate(point, 1)}
