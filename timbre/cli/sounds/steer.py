"""`timbre steer`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, Inverter, OutputFile, Pitch, Point, Seed, SpaceName, Velocity
from timbre.cli.outputs import check_inverter, check_sound, check_target, save_sound
from timbre.cli.points import find_point, parse_pitch
from timbre.errors import ConfigError
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.synth.curves import Curve
    from timbre.synth.steering import Steered

_SECONDS = 2.0  # without a curve that has times


def steer(
    space: SpaceName,
    /,
    *,
    at: Annotated[Point, Parameter(help=f"Point of the sound to start from: {POINT}.")],
    descriptor: Annotated[list[str], Parameter(consume_multiple=False)],
    curve: Annotated[list[str], Parameter(consume_multiple=False, allow_leading_hyphen=True)],
    pitch: Pitch = "C4",
    velocity: Velocity = 0.8,
    duration: float | None = None,
    leash: float = 0.005,
    seed: Seed = 0,
    inverter: Inverter | None = None,
    path: Path | None = None,
    output: OutputFile = Path("out.wav"),
) -> None:
    """Make a descriptor of a sound follow a curve while its timbre stays close.

    Args:
        descriptor: Descriptor to steer, such as centroid; repeat the option, with a --curve for each, to steer several.
        curve: Its curve: a CSV file with the header time,value (time in s, value in the descriptor's unit), time,ratio
            or time,change; or values spread over the sound: 800:2500, ratio:1:1.5 (relative to the start),
            change:0:-6:0 (added to the start, in octaves for Hz, dB for dB).
        duration: Length in seconds; default: that of the longest curve file, else 2.
        leash: Cost of changing the timbre: one unit of distance, squared, costs as much as LEASH squared just
            noticeable steps of error.
        path: Also write the path, a JSON or CSV file for `timbre render --path`.
    """
    from timbre.shapes.path_files import write_path
    from timbre.synth import steering

    check_sound(output)
    if path:
        check_target(path, ".json", ".csv")
    curves = _curves(descriptor, curve)
    seconds = duration or max((float(c.times[-1]) for c in curves.values() if c.times is not None), default=_SECONDS)
    fitted = timbre.load(space)
    check_inverter(fitted, inverter)
    start, midi = find_point(fitted, at), parse_pitch(pitch)
    steered = steering.steer(fitted, start, curves, midi, seconds, velocity, leash)
    _report(steered)
    steady = not {"loudness", "harmonic_energy"} & set(curves)  # a steered loudness must not be evened out
    sound = timbre.render(fitted, steered.path, midi, velocity, seconds, seed, inverter, steady)
    if path:
        write_path(path, steered.path, fitted)
        print(f"{path}  {counted(len(steered.path.points), 'point')}")
    save_sound(output, sound)


def _curves(names: list[str], texts: list[str]) -> "dict[str, Curve]":
    """The curves by descriptor."""
    from timbre.spectral.descriptors import check_names
    from timbre.synth.curves import parse_curve

    if len(names) != len(texts) or len(set(names)) != len(names):
        raise ConfigError(
            f"Each --descriptor must be given once, with its --curve; got {len(names)} descriptors "
            f"({', '.join(names)}) and {len(texts)} curves."
        )
    check_names(names)
    return {name: parse_curve(text) for name, text in zip(names, texts, strict=True)}


def _report(steered: "Steered") -> None:
    from timbre.spectral.descriptors import DESCRIPTORS

    steps = {"Hz": "octaves", "sone": "doublings"}
    for name, error in steered.tracking_error.items():
        unit = DESCRIPTORS[name].unit
        reached = steered.reached[name][steered.weight > 0.5]
        print(
            f"{name} {reached.min():.4g} to {reached.max():.4g} {unit}".rstrip()
            + f"  error {error:.2g} {steps.get(unit, unit)}".rstrip()
            + f", noticeable in {100 * steered.missed[name]:.0f}% of the time"
        )
    print(f"timbre moved {steered.timbre_moved:.2f} on average, {steered.furthest:.2f} at most")
