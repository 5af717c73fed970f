"""Nearest neighbours among many points: the first query, and queries a second, of timbre's search and two others.

    python benchmarks/neighbours.py [SPACE] [--points N ...] [--quick] [--json FILE]

Points and queries are draws from the aggregate posterior of SPACE (notes of its atlas, drawn again and again, plus
noise of the posterior's bandwidth), or, without one, from 1,000 clusters; and from the standard normal distribution,
where no search can leave much out. `first_ms` is what the first answer in a process takes: building the index from the
points, and one query. `same` is the share of neighbours that are those of brute force in float64. Times are the
processor's, of one core.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import add_arguments, finish
from scipy.spatial import cKDTree
from sklearn.neighbors import BallTree

import timbre
from timbre.space.neighbours import Neighbours

K, DIM, BLOCK = 8, 16, 64
CHECKED = 16  # queries compared with brute force
Search = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path, nargs="?", help="folder of a space")
    parser.add_argument("--points", type=int, nargs="+", default=[6001, 300_000])
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    counts = [6001] if args.quick else args.points
    draws = {"space" if args.space else "clusters": clustered(args.space), "normal": normal}
    seconds = 0.2 if args.quick else 4.0
    rows = [row for count in counts for name, draw in draws.items() for row in measured(name, draw, count, seconds)]
    finish(rows, args, f"the {K} nearest points, one core")


def clustered(space: Path | None) -> Callable[[int, np.random.Generator], np.ndarray]:
    """Draws (n, dim) around points that many share."""
    if space:
        atlas = timbre.load(space).atlas
        centres, widths = atlas.points, atlas.aggregate.bandwidth * atlas.points.std(0)
    else:
        centres, widths = np.random.default_rng(1).normal(size=(1000, DIM)), np.full(DIM, 0.4)
    return lambda n, rng: centres[rng.integers(len(centres), size=n)] + rng.normal(size=(n, centres.shape[1])) * widths


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
        begun = time.process_time()
        search = build(points)
        search(queries[:1])
        first = time.process_time() - begun
        same = np.mean([np.isin(a, b).mean() for a, b in zip(search(queries[:CHECKED]), truth, strict=True)])
        rows.append(
            {"points": name, "count": count, "dim": points.shape[1], "method": method, "first_ms": round(1000 * first)}
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
    """A matrix product with an exact ranking of the candidates."""
    neighbours = Neighbours(points)
    return lambda queries: neighbours.nearest(queries, K).indices


def kd_tree(points: np.ndarray) -> Search:
    """SciPy's k-d tree."""
    tree = cKDTree(points)
    return lambda queries: tree.query(queries, K)[1]


def ball_tree(points: np.ndarray) -> Search:
    """scikit-learn's ball tree."""
    tree = BallTree(points)
    return lambda queries: tree.query(queries, K, return_distance=False)


METHODS = {"timbre": ours, "scipy cKDTree": kd_tree, "sklearn BallTree": ball_tree}

if __name__ == "__main__":
    main()
