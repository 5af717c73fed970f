"""What commands take: the types of their options with help texts and checks, and the parsing of points and pitches.

Types for all commands: `SpaceName`, `Point` and `Points` (an option that may be repeated), `Pitch`, `Velocity`,
`Duration`, `Hold`, `Seed`, `Inverter`, `Refine`, `NotePitch` (of given sound files), `SoundFiles`, `PathFile`,
`PathDuration`, `Loop`, `ConfigFile`, `TrainingNotes`, `OutputFile` (a sound) and `JsonFile`. A command may give another
help text: `Annotated[Point | None, Parameter(name="--from", help=f"Start of the morph: {POINT}.")]`.
"""

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.outputs import check_target
from timbre.config import Range
from timbre.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from timbre.data import Note
    from timbre.space import Space


def _check_output(_kind: object, file: Path | None) -> None:
    if file is not None:
        check_target(file)


SpaceName = Annotated[str, Parameter(help="Folder of a space, or its name; `timbre inspect` lists the names.")]
POINT = (
    "coordinates (0.3,-1.2,...), a library note (`timbre inspect SPACE --names` lists them), an instrument (the mean "
    'of its notes), a sound file, or a sum of these ("flute - oboe + clarinet")'
)
Point = Annotated[str, Parameter(allow_leading_hyphen=True, metavar="POINT", help=f"Point: {POINT}.")]
Points = Annotated[list[str], Parameter(allow_leading_hyphen=True, consume_multiple=False, metavar="POINT")]
Pitch = Annotated[str, Parameter(metavar="PITCH", help='Note name (A4, Bb3), MIDI number (69.5), or "unknown".')]
NotePitch = Annotated[
    str,
    Parameter(
        metavar="PITCH",
        help='Pitch of the notes: a note name (A4), a MIDI number (69.5) or "unknown"; default: from the file name.',
    ),
]
Velocity = Annotated[float, Parameter(validator=Range(0, 1), help="How hard the note is played, 0 to 1.")]
Duration = Annotated[float, Parameter(metavar="SECONDS", help="Length of the sound.")]
Hold = Annotated[
    float,
    Parameter(metavar="SECONDS", help="Freeze each note SECONDS after its attack and sustain it until it is released."),
]
Seed = Annotated[int, Parameter(help="Seed of the noise in the sound; the same seed gives the same file.")]
Inverter = Annotated[
    str,
    Parameter(
        metavar="NAME",
        help="Method that turns the spectrogram into a waveform: vocoder, pghi+8, pghi, rtpghi, rtpghi-1, "
        "fast_griffin_lim or griffin_lim; default: the space's vocoder if it is better than the others, else pghi+8.",
    ),
]
Refine = Annotated[
    int,
    Parameter(
        validator=Range(0),
        metavar="STEPS",
        help="Steps of gradient descent that move each point closer to the sound; 40 take 1 s.",
    ),
]
SoundFiles = Annotated[
    Path, Parameter(help="Sound files of one note each. Unusable files are skipped and make the exit status 1.")
]
PathFile = Annotated[Path, Parameter(metavar="FILE", help="Path file, written by `timbre path` or `timbre steer`.")]
PathDuration = Annotated[
    float, Parameter(metavar="SECONDS", help="Time from one end of the path to the other; default: 4.")
]
Loop = Annotated[bool, Parameter(help="Repeat the path endlessly.")]
ConfigFile = Annotated[
    Path, Parameter(metavar="FILE", help="TOML file of settings. Options on the command line override the file.")
]
TrainingNotes = Annotated[
    Path,
    Parameter(help="Library that the space was trained on, as given to `timbre train`; default: the same as then."),
]
OutputFile = Annotated[
    Path,
    Parameter(name=["--output", "-o"], metavar="FILE", validator=_check_output, help="WAV, FLAC or OGG file to write."),
]
JsonFile = Annotated[
    Path,
    Parameter(name="--json", metavar="FILE", validator=_check_output, help="Write the results as JSON too."),
]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"


def find_point(space: "Space", text: str) -> "np.ndarray":
    """The point (dim,) that a text stands for: see the help text of `Point`. A file is encoded with its labels.

    Raises:
        ConfigError: if the text is no point of this space.
    """
    from timbre.shapes.arithmetic import combined, is_sum, library_point

    if "," in text or re.fullmatch(_NUMBER, text.strip(), re.IGNORECASE):
        return parse_point(text, space.dim)
    if text in space.atlas:
        return space.atlas[text]
    if Path(text).expanduser().is_file():
        note = labels_of(Path(text))
        return space.encode(timbre.read(text), pitch=note.pitch, velocity=note.velocity)
    if is_sum(text):
        return combined(space, text, find_point)
    if text in space.atlas.instruments:
        return library_point(space, text)
    close = difflib.get_close_matches(text, [*dict.fromkeys(space.atlas.instruments), *space.atlas], n=3)
    hint = (
        f"similar names: {', '.join(close)}." if close else f"library notes are named like {next(iter(space.atlas))}."
    )
    raise ConfigError(f"A point must be coordinates, a library note, an instrument or a file, got {text!r}; {hint}")


def parse_point(text: str, dim: int) -> "np.ndarray":
    """A point (dim,) from numbers separated by commas."""
    import numpy as np

    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not re.fullmatch(_NUMBER, word, re.IGNORECASE):
            raise ConfigError(f"A point must be {dim} numbers separated by commas, got {word!r} in {text!r}.")
    if len(words) != dim:
        raise ConfigError(f"A point of this space must have {dim} coordinates, got {len(words)} in {text!r}.")
    return np.array([float(word) for word in words])


def parse_pitch(text: str) -> float | None:
    """MIDI pitch of a note name or number; None for "unknown"."""
    from timbre.data.names import parse_note

    return None if text == "unknown" else parse_note(text)


def labels_of(file: Path) -> "Note":
    """A note with the labels in the names of its file and folder."""
    from timbre.data.readers.folders import read_folders

    path = file.expanduser().resolve()
    reading = read_folders(path.parent.parent, [f"{path.parent.name}/{path.name}"])
    if reading.dropped:
        raise ConfigError(f"{file} {reading.dropped[0].reason}.")
    return reading.notes[0]
