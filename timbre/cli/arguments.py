"""Types of the commands' options, with help texts and checks.

A command may give another help text: `Annotated[Point | None, Parameter(name="--from", help="Start of the morph.")]`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from timbre.cli.outputs import check_sound, check_target
from timbre.config import Range


def _checked(check: Callable[[Path], None]) -> Callable[[object, Path | None], None]:
    """A validator of cyclopts that checks a file to write, if one is given."""
    return lambda _kind, file: None if file is None else check(file)


def _written(*endings: str) -> Parameter:
    return Parameter(metavar="FILE", validator=_checked(lambda file: check_target(file, *endings)))


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
        help="Method that turns the spectrogram into a waveform: vocoder, portable, pghi+8, pghi, rtpghi, rtpghi-1, "
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
Mpe = Annotated[
    bool,
    Parameter(help="Treat the MIDI as MPE (channel 1 with 15 members), where the controller or file does not say so."),
]
ConfigFile = Annotated[
    Path, Parameter(metavar="FILE", help="TOML file of settings. Options on the command line override the file.")
]
TrainingNotes = Annotated[
    Path,
    Parameter(help="Library that the space was trained on, as given to `timbre train`; default: the same as then."),
]
_OUTPUT = Parameter(name=["--output", "-o"], metavar="FILE", validator=_checked(check_sound))
OutputFile = Annotated[Path, _OUTPUT, Parameter(help="WAV, FLAC or OGG file to write.")]
TextFile = Annotated[
    Path, _written(".json", ".csv", ".txt"), Parameter(name=["--output", "-o"], help="JSON or CSV file to write.")
]
JsonFile = Annotated[Path, _written(".json"), Parameter(name="--json", help="Write the results as JSON too.")]
