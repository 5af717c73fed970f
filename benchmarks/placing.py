"""Locating of sounds that are not in a space's library, and which of them are called unfamiliar.

    python benchmarks/placing.py [FOLDER] [--minutes M] [--quick] [--json FILE]

A space is trained on FOLDER without every sixth of its instruments, for M minutes. Then sounds are located, with their
pitch measured: held-out notes of the instruments in the library, notes of those that were left out, and sounds that are
not notes, each kind 20 times with another seed. `unlikely`, `high_error` and `unfamiliar` are shares of the sounds; for
notes they are false alarms, unless the instrument itself counts as unfamiliar. `same_family` is the share whose most
similar instrument is of the sound's family. Refining is measured on some of the notes.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _not_notes import SOUNDS
from _table import add_arguments, finish

import timbre
from timbre.audio import Audio
from timbre.config import Config
from timbre.data import Library, Note
from timbre.errors import AudioError
from timbre.space import Space
from timbre.space.dissimilarity import SCALE
from timbre.space.locating import Location, Locator

DEMO = Path(__file__).parents[1] / "scripts" / "demo.toml"
STEPS = 40  # of refining
Make = Callable[[np.random.Generator], Audio]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    parser.add_argument("--minutes", type=float, default=4.0, help="of training")
    add_arguments(parser)
    args = parser.parse_args()
    library = timbre.scan(args.folder)
    left_out = library.instruments[5::6]
    known = library.filter(instrument=[name for name in library.instruments if name not in left_out])
    space = trained(known, 0.2 if args.quick else args.minutes)
    locator, most, repeats = Locator(space), 8 if args.quick else 10_000, 2 if args.quick else 20
    held = [known[name] for name, part in zip(space.atlas.names, space.atlas.splits, strict=True) if part != "train"]
    unknown = list(library.filter(instrument=list(left_out)))
    rows = [
        notes_row(locator, "held-out notes", held[:most]),
        notes_row(locator, "left-out instruments", unknown[:most]),
    ]
    rows += [others_row(locator, kind, make, repeats) for kind, make in SOUNDS.items()]
    rows += [refined_row(locator, "held-out notes, refined", held[: 2 if args.quick else 24])]
    print(f"left out: {', '.join(left_out)}\ndissimilarity: {SCALE}")
    print(f"bandwidth {locator.aggregate.bandwidth:.2f} of the notes' standard deviation")
    finish(rows, args, f"locating sounds in a space of {len(space.atlas)} notes")


def trained(library: Library, minutes: float) -> Space:
    """A space with the settings of the demo."""
    config = Config.from_toml(DEMO)
    return timbre.train(library, replace(config, training=replace(config.training, max_minutes=minutes, threads=1)))


def notes_row(locator: Locator, group: str, notes: list[Note]) -> dict[str, Any]:
    """Notes, with the velocity of their label and a measured pitch."""
    atlas, found, alike = locator.space.atlas, [], []
    families = dict(zip(atlas.instruments, atlas.families, strict=True))
    for note in notes:
        location = locator(note.audio(), velocity=note.velocity)
        found.append(location)
        alike.append(families[next(iter(location.dissimilarities))] == note.family)
    return summary(group, found) | {"same_family": round(float(np.mean(alike)), 3)}


def others_row(locator: Locator, kind: str, make: Callable[[np.random.Generator], Any], repeats: int) -> dict[str, Any]:
    """Sounds of one kind, some of which may be refused."""
    found, refused = [], 0
    for seed in range(repeats):
        try:
            found.append(locator(make(np.random.default_rng(seed))))
        except AudioError:
            refused += 1
    return (summary(kind, found) if found else {"group": kind, "sounds": 0}) | {"refused": refused}


def summary(group: str, found: list[Location]) -> dict[str, Any]:
    """Shares and medians."""
    return {
        "group": group,
        "sounds": len(found),
        "unlikely": round(float(np.mean([one.unlikely for one in found])), 3),
        "high_error": round(float(np.mean([one.high_error for one in found])), 3),
        "unfamiliar": round(float(np.mean([one.out_of_distribution for one in found])), 3),
        "median_log_likelihood_nats": round(float(np.median([one.log_likelihood for one in found])), 1),
        "median_error_db": round(float(np.median([one.error_db for one in found])), 2),
    }


def refined_row(locator: Locator, group: str, notes: list[Note]) -> dict[str, Any]:
    """Mean gains by refining."""
    found = [locator(note.audio(), velocity=note.velocity, refine=STEPS) for note in notes]
    return {
        "group": group,
        "sounds": len(found),
        "steps": STEPS,
        "elbo_gain_nats": round(float(np.mean([one.elbo[1] - one.elbo[0] for one in found if one.elbo])), 1),
        "error_before_db": round(float(np.mean([one.error_db for one in found])), 3),
        "error_after_db": round(float(np.mean([one.error_refined_db for one in found if one.error_refined_db])), 3),
    }


if __name__ == "__main__":
    main()
