"""Nearest neighbours among many points: queries a second of timbre's search and of three others, on one core.

    python benchmarks/neighbours.py [SPACE] [--points N] [--quick] [--json FILE]

Points and queries are draws from the aggregate posterior of SPACE (notes of its atlas, drawn again and again, plus
noise of their spread and bandwidth), or, without one, from 1,000 clusters; and from the standard normal distribution,
where no search can leave much out. The blocked search multiplies float32 matrices and picks by argpartition, which is
not exact. `same` is the share of neighbours that are those of brute force in float64. Times are the processor's.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _table import add_arguments, finish

from timbre.space.neighbours import Neighbours

K, DIM, BLOCK = 8, 16, 64
CHECKED = 16  # queries compared with brute force
Search = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path, nargs="?", help="folder of a space")
    parser.add_argument("--points", type=int, default=300_000)
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    count = 20_000 if args.quick else args.points
    draws = {"space" if args.space else "clusters": clustered(args.space), "normal": normal}
    rows = [row for name, draw in draws.items() for row in measured(name, draw, count, 0.2 if args.quick else 4.0)]
    finish(rows, args, f"the {K} nearest of {count} points, one core")


def clustered(space: Path | None) -> Callable[[int, np.random.Generator], np.ndarray]:
    """Draws (n, dim) around places that many share."""
    import timbre

    if space:
        atlas = timbre.load(space).atlas
        places, widths = atlas.points, atlas.aggregate.bandwidth * atlas.points.std(0)
    else:
        places, widths = np.random.default_rng(1).normal(size=(1000, DIM)), np.full(DIM, 0.4)
    return lambda n, rng: places[rng.integers(len(places), size=n)] + rng.normal(size=(n, places.shape[1])) * widths


def normal(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (n, 16) without any clusters."""
    return rng.normal(size=(n, DIM))


def measured(
    name: str, draw: Callable[[int, np.random.Generator], np.ndarray], count: int, seconds: float
) -> list[dict[str, Any]]:
    """A row for each method; every one answers the same queries, as many as fit in its time."""
    points, queries = draw(count, np.random.default_rng(0)), draw(20_000, np.random.default_rng(2))
    truth = [np.argsort(np.square(points - query).sum(1), kind="stable")[:K] for query in queries[:CHECKED]]
    rows = []
    for method, build in METHODS.items():
        build(points[:5000])(queries[:4])  # compiles, and loads libraries
        begun = time.process_time()
        search = build(points)
        built = time.process_time() - begun
        same = np.mean([np.isin(a, b).mean() for a, b in zip(search(queries[:CHECKED]), truth, strict=True)])
        rows.append(
            {"points": name, "count": count, "dim": points.shape[1], "method": method, "build_s": round(built, 2)}
            | {"queries_per_s": round(speed(search, queries, seconds)), "same": round(float(same), 4)}
        )
    return rows


def speed(search: Search, queries: np.ndarray, seconds: float) -> float:
    """Queries a second, in batches of 64."""
    begun, done = time.process_time(), 0
    while time.process_time() - begun < seconds:
        start = done % (len(queries) - BLOCK)
        search(queries[start : start + BLOCK])
        done += BLOCK
    return done / (time.process_time() - begun)


def ours(points: np.ndarray) -> Search:
    """k-d tree with tiles for leaves."""
    neighbours = Neighbours(points)
    return lambda queries: neighbours.nearest(queries, K).numbers


def kd_tree(points: np.ndarray) -> Search:
    """SciPy's k-d tree."""
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    return lambda queries: tree.query(queries, K)[1]


def ball_tree(points: np.ndarray) -> Search:
    """scikit-learn's ball tree."""
    from sklearn.neighbors import BallTree

    tree = BallTree(points)
    return lambda queries: tree.query(queries, K, return_distance=False)


def blas(points: np.ndarray) -> Search:
    """|x|^2 - 2 x.q of all points in float32, 8192 at a time; the best of each part, then of all."""
    values = points.astype(np.float32)
    squares = np.square(values).sum(1)

    def search(queries: np.ndarray) -> np.ndarray:
        asked, near, numbers = queries.astype(np.float32), [], []
        for start in range(0, len(values), 8192):
            part = squares[start : start + 8192] - 2.0 * asked @ values[start : start + 8192].T
            best = np.argpartition(part, min(K, part.shape[1] - 1), axis=1)[:, :K]
            near.append(np.take_along_axis(part, best, 1))
            numbers.append(best + start)
        everything = np.concatenate(near, 1)
        return np.take_along_axis(np.concatenate(numbers, 1), np.argsort(everything, axis=1)[:, :K], 1)

    return search


METHODS = {"timbre": ours, "scipy cKDTree": kd_tree, "sklearn BallTree": ball_tree, "blas": blas}

if __name__ == "__main__":
    main()
