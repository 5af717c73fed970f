"""`timbre synth`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, Duration, Inverter, OutputFile, Pitch, Point, Seed, SpaceName, Velocity
from timbre.cli.outputs import check_inverter, check_sound, save_sound
from timbre.cli.points import find_point, parse_pitch
from timbre.errors import ConfigError


def synth(
    space: SpaceName,
    /,
    *,
    at: Annotated[Point | None, Parameter(help=f"Point of a single note: {POINT}.")] = None,
    from_: Annotated[Point | None, Parameter(name="--from", help="Start of a morph, a point like --at.")] = None,
    to: Annotated[Point | None, Parameter(help="End of the morph.")] = None,
    steps: int | None = None,
    pitch: Pitch = "C4",
    velocity: Velocity = 0.8,
    duration: Duration = 2.0,
    seed: Seed = 0,
    inverter: Inverter | None = None,
    output: OutputFile = Path("out.wav"),
) -> None:
    """Synthesize one note at a point of a space, or a morph between two points.

    Args:
        steps: Write the morph as this many separate notes, out-1.wav and so on, instead of one note that changes.
    """
    check_sound(output)
    texts = _points_given(at, from_, to, steps)
    settings: dict[str, Any] = {"pitch": parse_pitch(pitch), "velocity": velocity, "duration": duration}
    settings |= {"seed": seed, "inverter": inverter}
    fitted = timbre.load(space)
    check_inverter(fitted, inverter)
    points = [find_point(fitted, text) for text in texts]
    if len(points) == 2 and steps is None:
        save_sound(output, timbre.render(fitted, fitted.path(*points), **settings))
        return
    if steps is not None:
        import numpy as np

        points = list(np.linspace(points[0], points[1], steps))
    for number, point in enumerate(points, start=1):
        file = output if steps is None else output.with_stem(f"{output.stem}-{number:0{len(str(steps))}}")
        save_sound(file, fitted.decode(point, **settings))


def _points_given(at: str | None, start: str | None, end: str | None, steps: int | None) -> list[str]:
    """The text of --at, or those of --from and --to."""
    if at is not None and start is None and end is None and steps is None:
        return [at]
    if at is None and start is not None and end is not None:
        if steps is not None and steps < 2:
            raise ConfigError(f"--steps must be 2 or more, got {steps}.")
        return [start, end]
    raise ConfigError("Give either --at POINT for one note, or --from POINT --to POINT (and --steps) for a morph.")
