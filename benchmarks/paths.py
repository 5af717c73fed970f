"""Uniformity of each kind of path, over pairs of library notes of different instruments; the same pairs for each.

    python benchmarks/paths.py SPACE [--pairs 50] [--quick] [--json FILE]

A path is measured by the auditory features of held notes decoded at 41 evenly spaced times, with all frames, at the
mean pitch of its two notes. `log_mel_unevenness` is the same for the mean absolute difference of decoded spectrograms,
which no kind of path optimises. Splines and circles pass through the library note that is nearest to the middle of the
line. Lengths are perceptual (`heard_length_ratio`) and in the space, both relative to the line's; `nearest_known` is
the mean distance of the path's points from the nearest library note.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path as FilePath

import numpy as np
import torch
from _table import Row, add_arguments, finish
from scipy.spatial import KDTree

import timbre
from timbre.paths import Path
from timbre.paths.uniformity import even, uniformity, variation
from timbre.shapes.shapes import circle_through, extended, orthonormal, spiral, walk
from timbre.space import Space

STEPS, SEED = 40, 0

Make = Callable[[np.ndarray, np.ndarray, np.ndarray, float], Path]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=FilePath, help="folder of a trained space")
    parser.add_argument("--pairs", type=int, default=50)
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    space = timbre.load(args.space)
    rows = measure(space, pairs_of(space, 2 if args.quick else args.pairs))
    finish(rows, args, f"{args.space}: {rows[0]['pairs']} pairs, {STEPS} steps")


def kinds(space: Space) -> dict[str, Make]:
    """A function for each kind of path, from two notes, a third one between them, and the pitch for distances."""
    made: dict[str, Make] = {
        "line": lambda a, b, _, pitch: space.path(a, b),
        "slerp": lambda a, b, _, pitch: space.path(a, b, kind="slerp"),
        "spline": lambda a, b, by, pitch: space.path(a, by, b, kind="spline"),
        "base": lambda a, b, _, pitch: space.path(a, b, kind="base"),
        "geodesic": lambda a, b, _, pitch: space.path(a, b, kind="geodesic", pitch=pitch),
        "circle": lambda a, b, by, pitch: circle_through(a, by, b),
        "spiral": lambda a, b, by, pitch: spiral(a, orthonormal(np.stack([b - a, by - a])), _far(a, b), 0.0, 2.0),
        "walk": lambda a, b, _, pitch: walk(space, a),
        "extended": lambda a, b, _, pitch: extended(space.path(a, b), 0.25, 0.25),
    }
    if not space.config.model.flows or space.model.flow.amortised:
        del made["base"]
    for kind in ("line", "slerp", "spline", "base", "circle", "walk"):
        if kind in made:
            made[f"{kind}, even"] = _evened(space, made[kind])
    return made


def _evened(space: Space, make: Make) -> Make:
    return lambda a, b, by, pitch: even(space.listening(pitch), make(a, b, by, pitch))


def _far(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(b - a))


def pairs_of(space: Space, count: int) -> list[tuple[int, int, int]]:
    """Pitched notes of two instruments, and the library note that is nearest to the middle between them.

    A walk may start at the first note: it is nearer to another note than the farthest 5% of notes are.
    """
    random, atlas = np.random.default_rng(SEED), space.atlas
    points = atlas.points.astype(np.float64)
    tree = KDTree(points)
    alone = tree.query(points, k=2)[0][:, 1]
    usable = np.flatnonzero(np.isfinite(atlas.pitches) & (alone <= np.quantile(alone, 0.95)))
    pairs: dict[tuple[int, int], int] = {}
    while len(pairs) < count:
        a, b = random.choice(usable, 2, replace=False).tolist()
        around = tree.query(0.5 * (points[a] + points[b]), k=8)[1]
        near = [
            int(i) for i in around if min(np.abs(points[i] - points[[a, b]]).max(1)) > 1e-4
        ]  # copies have one point
        if atlas.instruments[a] != atlas.instruments[b]:
            pairs[a, b] = near[0]
    return [(a, b, by) for (a, b), by in pairs.items()]


def measure(space: Space, pairs: list[tuple[int, int, int]]) -> list[Row]:
    """A row for each kind of path, with means over the pairs."""
    tree = KDTree(space.atlas.points.astype(np.float64))
    results: dict[str, list[list[float]]] = {}
    for number, (a, b, by) in enumerate(pairs):
        pitch = float(np.mean(space.atlas.pitches[[a, b]]))
        points = space.atlas.points[[a, b, by]].astype(np.float64)
        for kind, make in kinds(space).items():
            if number == 0:
                make(points[0], points[1], points[2], pitch)  # the first call imports modules
            results.setdefault(kind, []).append(_measured(space, make, points, pitch, tree))
    means = {kind: np.mean(values, 0) for kind, values in results.items()}
    line = np.array(results["line"])
    return [
        _row(kind, mean, means["line"], np.mean(np.array(results[kind])[:, 4:6] / line[:, 4:6], 0), len(pairs))
        for kind, mean in means.items()
    ]


def _measured(space: Space, make: Make, points: np.ndarray, pitch: float, tree: KDTree) -> list[float]:
    start = time.perf_counter()
    path = make(points[0], points[1], points[2], pitch)
    spent = 1000.0 * (time.perf_counter() - start)
    measured = uniformity(space.listening(pitch), path, STEPS)
    along = path.at(np.linspace(0.0, 1.0, STEPS + 1))
    length = float(np.linalg.norm(np.diff(path.sampled(256).points, axis=0), axis=1).sum())
    far = float(tree.query(along)[0].mean())
    return [
        measured.unevenness,
        measured.monotonic_fraction,
        spent,
        _log_mel(space, along, pitch),
        measured.length,
        length,
        far,
    ]


@torch.no_grad()
def _log_mel(space: Space, points: np.ndarray, pitch: float) -> float:
    """Unevenness of the plain difference of spectrograms."""
    listening = space.listening(pitch).sampled(None)
    spectrograms = listening.spectrograms(torch.from_numpy(points.astype(np.float32)))
    return variation(spectrograms.diff(dim=0).abs().mean((1, 2)).double().numpy())


def _row(kind: str, mean: np.ndarray, line: np.ndarray, ratios: np.ndarray, pairs: int) -> Row:
    return {
        "kind": kind,
        "unevenness": float(mean[0]),
        "more_even_percent": float(100.0 * (1.0 - mean[0] / line[0])),
        "monotonic_fraction": float(mean[1]),
        "ms": float(mean[2]),
        "log_mel_unevenness": float(mean[3]),
        "heard_length_ratio": float(ratios[0]),
        "space_length_ratio": float(ratios[1]),
        "nearest_known": float(mean[6]),
        "pairs": pairs,
    }


if __name__ == "__main__":
    main()
