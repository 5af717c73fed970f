"""`timbre synth`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import find_point, parse_pitch
from timbre.cli.outputs import check_target, save_sound
from timbre.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

_Place = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


def synth(
    space: str,
    /,
    *,
    at: _Place = None,
    from_: Annotated[_Place, Parameter(name="--from")] = None,
    to: _Place = None,
    steps: int | None = None,
    pitch: str = "C4",
    velocity: float = 0.8,
    duration: float = 2.0,
    seed: int = 0,
    inverter: str | None = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("out.wav"),
) -> None:
    """Turn places of a space into sound: one note, or a morph between two places.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    at
        Place of a single note: coordinates (0.3,-1.2,...), the name of a known sound (`timbre inspect SPACE --names`
        lists them) or a sound file.
    from_
        Place where a morph begins, in the same words.
    to
        Place where it ends.
    steps
        Write the morph as this many separate notes on the way, out-1.wav and so on, instead of one note that changes.
    pitch
        Note name (A4, Bb3) or MIDI number, fractions allowed (69.5), or "unknown".
    velocity
        How hard the note is played, 0 to 1.
    duration
        Seconds.
    seed
        Of the noise in the sound; the same seed gives the same file.
    inverter
        How the spectrogram becomes a waveform: vocoder, pghi+8, pghi, rtpghi, rtpghi-1, fast_griffin_lim,
        griffin_lim. Unless said, the vocoder where the space has one that beats the others, else pghi+8.
    output
        WAV, FLAC or OGG file.
    """
    check_target(output)
    ends = _asked_for(at, from_, to, steps)
    settings: dict[str, Any] = {"pitch": parse_pitch(pitch), "velocity": velocity, "duration": duration}
    settings |= {"seed": seed, "inverter": inverter}
    fitted = timbre.load(space)
    points = [find_point(fitted, text) for text in ends]
    if len(points) == 2 and steps is None:
        save_sound(output, timbre.render(fitted, fitted.path(*points), **settings))
        return
    for number, point in enumerate(_between(points, steps), start=1):
        name = output if steps is None else output.with_stem(f"{output.stem}-{number:0{len(str(steps))}}")
        save_sound(name, fitted.decode(point, **settings))


def _asked_for(at: str | None, start: str | None, end: str | None, steps: int | None) -> list[str]:
    """The one or two places that were named."""
    if at is not None and start is None and end is None and steps is None:
        return [at]
    if at is None and start is not None and end is not None:
        if steps is not None and steps < 2:
            raise ConfigError(f"--steps is {steps}; a morph has 2 or more.")
        return [start, end]
    raise ConfigError(
        "Say either --at PLACE for one note, or --from PLACE --to PLACE for a morph (--steps is for morphs)."
    )


def _between(points: list["np.ndarray"], steps: int | None) -> list["np.ndarray"]:
    """The single point, or `steps` points evenly spaced on the line between two."""
    import numpy as np

    return points if steps is None else list(np.linspace(points[0], points[1], steps))
