"""Following curves of descriptors: the greedy walk against Gauss-Newton steps.

    python benchmarks/steering.py SPACE --json steering.json

From 50 notes of the atlas drawn at random (pitched, A1 to G5, each at its own pitch, 0.8 s), one descriptor at a time
must follow a curve relative to the note's own course: a ramp up or down by half of its axis's scale (which is half the
distance from the 16th to the 84th percentile of notes), one period of a sine of that size, and a step up in the middle.
Rows are means over the notes.

- method: ours is timbre.synth.steering.steer with its default settings; walk is the greedy walk of Esling et al. (2018)
- tracking_error: root mean square over the audible frames, in `unit`; of the decoded frames
- tracking_steps: the same in just noticeable steps (timbre.synth.steering.STEPS)
- missed: share of the audible frames with an error larger than one such step
- audio_error: tracking_error in the rendered audio of the first notes (--audio)
- timbre_moved: mean distance from the note in the space
- ms: a note and curve

Both have a point in every frame and decode about as often: the walk 33 times for each point, ours some 15 iterations of
a decoding and a backward pass. The walk has the radius of --radii that tracks best on the first notes, for each
descriptor and curve. The last rows are means over everything.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import add_arguments, finish
from _walk import walk

import timbre
from timbre.models.regularizers.axes import AXES
from timbre.spectral.descriptors import DESCRIPTORS, describe_frames
from timbre.synth.curves import Curve
from timbre.synth.steering import STEPS, Steered, steer

UNITS = {"centroid": "octaves", "spread": "ERB", "odd_even": "dB"}
AXIS = {axis.descriptor: axis for axis in AXES.values()}
CURVES = {
    "ramp up": lambda t: t,
    "ramp down": lambda t: -t,
    "sine": lambda t: np.sin(2.0 * np.pi * t),
    "step": lambda t: (t >= 0.5) * 1.0,
}
SECONDS = 0.8
TRIED = 2  # notes on which a radius is chosen


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    space = timbre.load(args.space)
    notes = drawn(space, 2 if args.quick else args.notes)
    heard = min(len(notes), 1 if args.quick else args.audio)
    rows: list[dict[str, Any]] = []
    for descriptor in args.descriptors:
        for name in CURVES if not args.quick else ("ramp up", "sine"):
            wanted = {descriptor: curve(descriptor, name)}
            best = min(
                args.radii, key=lambda r: error(space, notes[:TRIED], partial(walk, radius=r), wanted, descriptor)
            )
            rows.append(row(space, notes, partial(walk, radius=best), wanted, heard, ("walk", name)))
            rows[-1]["radius"] = best
            rows.append(row(space, notes, steer, wanted, heard, ("ours", name)))
            print(rows[-2], rows[-1], sep="\n", flush=True)
    rows += [overall(method, rows) for method in ("walk", "ours")]
    finish(rows, args, f"{args.space}: {len(notes)} notes, {SECONDS:g} s each")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path, help="folder of a trained space")
    parser.add_argument("--notes", type=int, default=50)
    parser.add_argument("--descriptors", nargs="+", choices=list(UNITS), default=list(UNITS))
    parser.add_argument("--audio", type=int, default=5, help="notes of which the rendered audio is measured too")
    parser.add_argument("--radii", type=float, nargs="+", default=[0.25, 0.5, 1.0], help="of the walk's neighbourhood")
    add_arguments(parser)
    return parser.parse_args()


def drawn(space: timbre.Space, count: int) -> np.ndarray:
    """Numbers of notes of the atlas."""
    pitched = np.flatnonzero((space.atlas.pitches >= 33) & (space.atlas.pitches <= 79))
    return np.random.default_rng(0).choice(pitched, min(count, len(pitched)), replace=False)


def curve(descriptor: str, name: str) -> Curve:
    shares = CURVES[name](np.linspace(0.0, 1.0, 201))
    return Curve(0.5 * abs(AXIS[descriptor].scale) * shares, None, "change")


def follow(space: timbre.Space, note: int, method: Callable[..., Steered], wanted: dict[str, Curve]) -> Steered:
    return method(space, space.atlas.points[note], wanted, float(space.atlas.pitches[note]), SECONDS)


def error(space: timbre.Space, notes: np.ndarray, method: Any, wanted: dict[str, Curve], descriptor: str) -> float:
    return float(np.mean([follow(space, note, method, wanted).tracking_error[descriptor] for note in notes]))


def row(
    space: timbre.Space, notes: np.ndarray, method: Any, wanted: dict[str, Curve], heard: int, names: tuple[str, str]
) -> dict[str, Any]:
    (descriptor,) = wanted
    begin = time.perf_counter()
    found = [follow(space, note, method, wanted) for note in notes]
    ms = (time.perf_counter() - begin) * 1000.0 / len(notes)
    errors = np.array([one.tracking_error[descriptor] for one in found])
    audio = [audio_error(space, note, one, descriptor) for note, one in zip(notes[:heard], found, strict=False)]
    return {
        "method": names[0],
        "descriptor": descriptor,
        "curve": names[1],
        "unit": UNITS[descriptor],
        "tracking_error": round(float(errors.mean()), 5),
        "tracking_error_median": round(float(np.median(errors)), 5),
        "tracking_steps": round(float(errors.mean()) / STEPS[descriptor], 4),
        "missed": round(float(np.mean([one.missed[descriptor] for one in found])), 4),
        "audio_error": round(float(np.mean(audio)), 4),
        "timbre_moved": round(float(np.mean([one.timbre_moved for one in found])), 3),
        "ms": round(ms),
        "radius": None,
    }


def audio_error(space: timbre.Space, note: int, found: Steered, descriptor: str) -> float:
    """Root mean square error of the descriptor in the rendered sound's own spectrogram, in the frames that count."""
    pitch = float(space.atlas.pitches[note])
    sound = timbre.render(space, found.path, pitch, duration=SECONDS)
    spectrogram = space.spectrogram(torch.from_numpy(sound.samples.copy()))
    scale = DESCRIPTORS[descriptor].scale
    heard = describe_frames(spectrogram, space.spectrogram, torch.tensor([pitch]), [descriptor], natural=True)[
        0, 0
    ].numpy()
    away = heard - scale.natural(torch.from_numpy(found.target[descriptor])).numpy()
    return float(np.sqrt(np.sum(found.weight * away**2) / found.weight.sum()))


def overall(method: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the rows of a method, errors in steps."""
    own = [row for row in rows if row["method"] == method]
    means = {
        name: float(np.mean([row[name] for row in own])) for name in ("tracking_steps", "missed", "timbre_moved", "ms")
    }
    steps = round(means["tracking_steps"], 4)
    return {
        "method": method, "descriptor": "all", "curve": "all", "unit": "steps", "tracking_error": steps,
        "tracking_steps": steps, "missed": round(means["missed"], 4), "timbre_moved": round(means["timbre_moved"], 3),
        "ms": round(means["ms"]),
    }  # fmt: skip


if __name__ == "__main__":
    main()
