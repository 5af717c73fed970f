"""`timbre encode`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import NotePitch, Refine, SoundFiles, SpaceName, TextFile
from timbre.cli.exploring._files import Row, require_files, rows_of
from timbre.cli.outputs import formatted

if TYPE_CHECKING:
    from timbre.audio import Audio


def encode(
    space: SpaceName,
    /,
    *files: SoundFiles,
    pitch: NotePitch | None = None,
    refine: Refine = 0,
    form: Annotated[Literal["json", "csv"], Parameter(name="--format")] = "json",
    output: Annotated[TextFile | None, Parameter(help="Write to this file instead of the terminal.")] = None,
) -> int:
    """Print the coordinates of sounds.

    Args:
        form: JSON, or a CSV table with a column for each coordinate.
    """
    from timbre.files import write_text

    require_files(files)
    fitted = timbre.load(space)

    def row(_: Path, audio: "Audio", given: float | None, velocity: float | None) -> Row:
        known = None if given is None or given != given else given
        point = fitted.encode(audio, known, velocity, refine).tolist()
        coordinates = {f"z{number}": value for number, value in enumerate(point, 1)}
        return {"pitch": known, "velocity": velocity} | (coordinates if form == "csv" else {"point": point})

    rows = rows_of(files, pitch, row)
    text = formatted(rows, form)
    if output:
        write_text(output, text)
    else:
        print(text, end="")
    return int(len(rows) < len(files))
