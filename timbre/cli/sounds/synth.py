"""`timbre synth`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, Duration, Inverter, OutputFile, Pitch, Point, Seed, SpaceName, Velocity
from timbre.cli.outputs import check_inverter, check_sound, save_sound
from timbre.cli.points import find_point, parse_pitch
from timbre.config import Range
from timbre.errors import ConfigError

_MOST = 1000  # random sounds


def synth(
    space: SpaceName,
    /,
    *,
    at: Annotated[Point | None, Parameter(help=f"Point of a single note: {POINT}.")] = None,
    from_: Annotated[Point | None, Parameter(name="--from", help="Start of a morph, a point like --at.")] = None,
    to: Annotated[Point | None, Parameter(help="End of the morph.")] = None,
    steps: int | None = None,
    random: Annotated[int | None, Parameter(metavar="N", validator=Range(1, _MOST))] = None,
    spread: Annotated[float | None, Parameter(metavar="SHARE", validator=Range(0, 1))] = None,
    pitch: Pitch = "C4",
    velocity: Velocity = 0.8,
    duration: Duration = 2.0,
    seed: Annotated[Seed, Parameter(help="Seed of the noise and of --random; the same seed gives the same file.")] = 0,
    inverter: Inverter | None = None,
    output: OutputFile = Path("out.wav"),
) -> None:
    """Synthesize one note at a point of a space, a morph between two points, or notes at random points.

    Args:
        steps: Write the morph as this many separate notes, out-1.wav and so on, instead of one note that changes.
        random: Write N notes at random points, out-1.wav and so on, and print the points: anywhere in the space, or
            near the point of --at.
        spread: With --random and --at: how far from the point, from 0 (the point itself) to 1 (anywhere); default: 0.3.
    """
    check_sound(output)
    texts = _points_given(at, from_, to, steps, random, spread)
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
    if random is not None:
        from timbre.space.prior import SPREAD

        near = points[0] if points else None
        points = list(fitted.draw(random, seed, near, SPREAD if spread is None else spread))
    for number, point in enumerate(points, start=1):
        alone = steps is None and random is None
        file = output if alone else output.with_stem(f"{output.stem}-{number:0{len(str(len(points)))}}")
        save_sound(file, fitted.decode(point, **settings))
        if random is not None:
            print(f"  --at={','.join(f'{value:.4f}' for value in point)}")


def _points_given(
    at: str | None, start: str | None, end: str | None, steps: int | None, random: int | None, spread: float | None
) -> list[str]:
    """The text of --at, if given with --random, or those of --from and --to."""
    if spread is not None and (random is None or at is None):
        raise ConfigError("--spread must come with --random N and --at POINT, which it is the distance from.")
    if start is None and end is None and steps is None and (at is not None or random is not None):
        return [] if at is None else [at]
    if at is None and random is None and start is not None and end is not None:
        if steps is not None and steps < 2:
            raise ConfigError(f"--steps must be 2 or more, got {steps}.")
        return [start, end]
    raise ConfigError(
        "Give either --at POINT for one note, --from POINT --to POINT (and --steps) for a morph, or --random N (and "
        "--at POINT) for random notes."
    )
