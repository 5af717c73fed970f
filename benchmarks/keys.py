"""Sounds at keys far from their own, with and without the reach of the pitch flow and the limits of the decoder.

    python benchmarks/keys.py [SPACE] [--points N] [--pairs N] [--quick] [--json FILE]

All of decoded frames, without an inverter. `loud_share`: of pairs of a library note's point and one of 30 keys, more
than six semitones from the note's own, how many have a band above 0 dB, and `loudest_db`. `error_LOW_HIGH_db`: mean
audible error (within 60 dB of the peak) of a note's point, decoded at the pitch of another note of its instrument, from
that note's own point there, by the semitones between the two; what is compared with has neither reach nor limits.
`own_db` is how much reach and limits change notes at their own pitches, all values.
"""

import argparse
import math
from collections.abc import Iterator

import numpy as np
import torch
from _table import Row, add_arguments, finish
from torch import Tensor

import timbre
from timbre.models.conditions import Conditions
from timbre.models.decoder import UNBOUNDED
from timbre.space import Space

KEYS = range(21, 109, 3)
TIMES = torch.tensor([0.03, 0.1, 0.3, 0.8, 2.0])
APART = ((1, 12), (12, 24), (24, 36), (36, 90))  # semitones
AUDIBLE_DB, FLOOR_DB, LIKE = 60.0, -80.0, 0.15  # dB, dB, and how near two velocities are


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", nargs="?", default="orchestra", help="folder of a space, or its name")
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=1000)
    add_arguments(parser)
    args = parser.parse_args()
    if args.quick:
        args.points, args.pairs = 60, 200
    space = timbre.load(args.space)
    if space.model.pitch_flow is None:
        parser.error("the space must have a pitch flow (regularization.pitch).")
    finish(list(rows(space, args.points, args.pairs)), args, f"keys far from a sound's own, {args.space}")


def rows(space: Space, points: int, pairs: int) -> Iterator[Row]:
    """One row without reach and limits, one with them, and one without the flow."""
    flow, limits = space.model.pitch_flow, space.model.decoder.limits
    assert flow is not None
    most, own = flow.most, limits.clone()
    notes, others = pairs_of(space, pairs)
    flow.most = math.inf
    limits.fill_(UNBOUNDED)
    expected = decoded(space, others, others)
    for name, reach, bound in (("without", math.inf, torch.full_like(own, UNBOUNDED)), ("with", most, own)):
        flow.most = reach
        limits.copy_(bound)
        changed = (decoded(space, others, others) - expected).abs().mean()
        own_db = {"own_db": float(changed)}
        yield {"variant": name, **loud(space, points), **own_db, **errors(space, notes, others, expected)}
    yield {"variant": "no flow", **errors(space, notes, others, expected, at=60.0)}


def pairs_of(space: Space, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of pitched notes of one instrument and of like velocity."""
    atlas, random = space.atlas, np.random.default_rng(1)
    instrument = np.asarray(atlas.instruments)
    found = []
    for note in random.permutation(np.flatnonzero(np.isfinite(atlas.pitches))):
        like = (instrument == instrument[note]) & np.isfinite(atlas.pitches)
        like &= np.abs(atlas.velocities - atlas.velocities[note]) < LIKE
        like[note] = False
        if like.any():
            found.append((note, random.choice(np.flatnonzero(like))))
        if len(found) == count:
            break
    notes, others = np.array(found).T
    return notes, others


@torch.no_grad()
def decoded(space: Space, notes: np.ndarray, at: np.ndarray | float, moved: float | None = None) -> Tensor:
    """Frames of notes' points, dB, at the pitches of other notes or at one, MIDI. The flow moves them to that pitch, or
    to `moved`."""
    points = torch.from_numpy(space.atlas.points[notes].astype(np.float32))
    pitches = space.atlas.pitches[at] if isinstance(at, np.ndarray) else np.full(len(notes), at)
    pitch = torch.from_numpy(pitches.astype(np.float32))
    latent = space.model.latent(points, pitch if moved is None else torch.full_like(pitch, moved))
    conditions = Conditions(pitch, torch.full_like(pitch, 0.8), torch.full_like(pitch, torch.inf))
    return space.model.decoder(latent, conditions, TIMES).clamp_min(FLOOR_DB)


def loud(space: Space, points: int) -> Row:
    """How many pairs of a point and a key have a band above full scale."""
    notes = np.random.default_rng(0).choice(len(space.atlas), min(points, len(space.atlas)), replace=False)
    own = space.atlas.pitches[notes]
    peaks = [decoded(space, notes, float(key)).amax((1, 2)).numpy()[~(np.abs(own - key) <= 6)] for key in KEYS]
    found = np.concatenate(peaks)
    return {"loud_share": float((found > 0.0).mean()), "loudest_db": float(found.max())}


def errors(
    space: Space, notes: np.ndarray, others: np.ndarray, expected: Tensor, at: float | None = None
) -> dict[str, float]:
    """Mean audible errors by the semitones between the two notes of a pair."""
    found = decoded(space, notes, others, at)
    heard = torch.maximum(found, expected) > expected.amax((1, 2), keepdim=True) - AUDIBLE_DB
    error = (((found - expected).abs() * heard).sum((1, 2)) / heard.sum((1, 2)).clamp_min(1)).numpy()
    apart = np.abs(space.atlas.pitches[notes] - space.atlas.pitches[others])
    chosen = {f"error_{low}_{high}_db": error[(apart >= low) & (apart < high)] for low, high in APART}
    return {name: float(values.mean()) if len(values) else math.nan for name, values in chosen.items()}


if __name__ == "__main__":
    main()
