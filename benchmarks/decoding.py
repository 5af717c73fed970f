"""Are decoded notes in tune? Held-out notes of a space, decoded at their pitch and turned into sound, measured.

    python benchmarks/decoding.py SPACE [--quick] [--json FILE]

Every inverter makes the same notes from the same points. `cents_median`, `cents_p95`: how far the measured pitch lies
from the one that was asked for; `bad_percent`: more than 5 cents, or no pitch to be measured; `click_db`: median crest
of the second difference (see timbre.evaluation.metrics.click_db).
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import add_arguments, finish

import timbre
from timbre.audio.pitch import measure_pitch
from timbre.evaluation.metrics import click_db
from timbre.space import Space

INVERTERS = ("griffin_lim", "fast_griffin_lim", "pghi", "pghi+8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path, help="folder of a trained space")
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    space = timbre.load(args.space)
    notes = held_out(space, 8 if args.quick else 60)
    rows = [measure(space, notes, inverter) for inverter in INVERTERS]
    finish(rows, args, f"{len(notes)} held-out pitched notes of {args.space}")


def held_out(space: Space, most: int) -> list[int]:
    """Numbers of pitched notes that were never seen, evenly spread."""
    atlas = space.atlas
    found = [i for i, part in enumerate(atlas.splits) if part == "test" and np.isfinite(atlas.pitches[i])]
    return [found[i] for i in np.unique(np.linspace(0, len(found) - 1, most).astype(int))]


def measure(space: Space, notes: list[int], inverter: str) -> dict[str, Any]:
    """One row of the table."""
    cents, clicks = [], []
    for number in notes:
        pitch, velocity = float(space.atlas.pitches[number]), float(space.atlas.velocities[number])
        sound = space.decode(
            space.atlas.points[number], pitch, 0.8 if np.isnan(velocity) else velocity, 2.0, inverter=inverter
        )
        measured = measure_pitch(sound, near=pitch)
        cents.append(np.inf if measured is None else 100.0 * abs(measured - pitch))
        clicks.append(click_db(sound.samples[0]))
    heard = [value for value in cents if np.isfinite(value)]
    return {
        "inverter": inverter,
        "cents_median": round(float(np.median(heard)), 2),
        "cents_p95": round(float(np.percentile(heard, 95)), 2),
        "bad_percent": round(100.0 * float(np.mean(np.array(cents) > 5.0)), 1),
        "click_db": round(float(np.median(clicks)), 1),
        "n_notes": len(notes),
    }


if __name__ == "__main__":
    main()
