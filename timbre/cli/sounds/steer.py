"""`timbre steer`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import find_point, parse_pitch
from timbre.cli.outputs import check_target, save_sound
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.synth.curves import Curve
    from timbre.synth.steering import Steered

_SECONDS = 2.0  # of a sound whose curves say nothing of time


def steer(
    space: str,
    /,
    *,
    at: Annotated[str, Parameter(allow_leading_hyphen=True)],
    descriptor: Annotated[list[str], Parameter(consume_multiple=False)],
    curve: Annotated[list[str], Parameter(consume_multiple=False, allow_leading_hyphen=True)],
    pitch: str = "C4",
    velocity: float = 0.8,
    duration: float | None = None,
    leash: float = 0.005,
    walk: bool = False,
    seed: int = 0,
    inverter: str | None = None,
    path: Path | None = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("out.wav"),
) -> None:
    """Follow curves of descriptors from a sound, and keep its timbre otherwise.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    at
        Place of the sound to begin with: coordinates (0.3,-1.2,...), the name of a known sound or a sound file.
    descriptor
        What is steered, such as centroid; give it again, with a curve for each, to steer several.
    curve
        A CSV file with the header time,value (time in seconds, value in the descriptor's unit) or time,ratio or
        time,change; or values with colons between, spread over the sound: 800:2500, ratio:1:1.5 (times what the sound
        has), change:0:-6:0 (added to what it has, in octaves for Hz, dB for dB).
    pitch
        Note name (A4, Bb3) or MIDI number, fractions allowed (69.5), or "unknown".
    velocity
        How hard the note is played, 0 to 1.
    duration
        Seconds; as long as the longest file of a curve, or 2.
    leash
        How strongly the timbre is held: what one unit of distance is worth, in just noticeable steps of error, squared.
    walk
        Follow by the greedy walk of 2018 as well, and print how far it gets; it is not rendered.
    seed
        Of the noise in the sound, and of the walk.
    inverter
        How the spectrogram becomes a waveform, as of `timbre synth`.
    path
        Write the path there too, JSON or CSV, for `timbre render --path`.
    output
        WAV, FLAC or OGG file.
    """
    from timbre.shapes.number_files import ending
    from timbre.shapes.path_files import write_path
    from timbre.synth import steering

    for target in (output, *([path] if path else [])):
        check_target(target)
    if path:
        ending(path, ".json", ".csv")
    curves = _curves(descriptor, curve)
    seconds = duration or max((float(c.times[-1]) for c in curves.values() if c.times is not None), default=_SECONDS)
    fitted = timbre.load(space)
    start, note = find_point(fitted, at), parse_pitch(pitch)
    found = steering.steer(fitted, start, curves, note, seconds, velocity, leash)
    _report("steered", found)
    if walk:
        _report("walked", steering.walk(fitted, start, curves, note, seconds, velocity, seed=seed))
    steady = not {"loudness", "harmonic_energy"} & set(curves)  # else what was steered would be evened out again
    sound = timbre.render(fitted, found.path, note, velocity, seconds, seed, inverter, steady)
    if path:
        write_path(path, found.path, fitted)
        print(f"{path}  {len(found.path.points)} points")
    save_sound(output, sound)


def _curves(names: list[str], texts: list[str]) -> "dict[str, Curve]":
    """The curves by descriptor."""
    from timbre.spectral.descriptors import check_names
    from timbre.synth.curves import parse_curve

    if len(names) != len(texts) or len(set(names)) != len(names):
        raise ConfigError(
            f"{len(names)} descriptors ({', '.join(names)}) and {len(texts)} curves came; "
            "each --descriptor, named once, needs its --curve."
        )
    check_names(names)
    return {name: parse_curve(text) for name, text in zip(names, texts, strict=True)}


def _report(how: str, found: "Steered") -> None:
    from timbre.spectral.descriptors import DESCRIPTORS

    steps = {"Hz": "octaves", "sone": "doublings"}
    for name, error in found.tracking_error.items():
        unit = DESCRIPTORS[name].unit
        heard = found.reached[name][found.weight > 0.5]
        print(
            f"{how}  {name} {heard.min():.4g} to {heard.max():.4g} {unit}".rstrip()
            + f"  off by {error:.2g} {steps.get(unit, unit)}".rstrip()
            + f", audibly in {100 * found.missed[name]:.0f} % of the time"
        )
    print(f"{how}  timbre moved {found.timbre_moved:.2f} on average, {found.furthest:.2f} at most")
