"""The compiled loops of the search for neighbours; imported when first used, as numba takes a while to load."""

import numpy as np

from timbre.spectral.compiled import compiled


@compiled
def _measure_boxes(low: np.ndarray, high: np.ndarray, query: np.ndarray, squares: np.ndarray) -> None:
    """Squares of the distances from a query to all boxes, 0 inside."""
    for axis in range(len(query)):
        place, lows, highs = query[axis], low[axis], high[axis]
        for box in range(len(squares)):
            beyond = max(lows[box] - place, place - highs[box], np.float32(0.0))
            squares[box] += beyond * beyond


@compiled
def _measure(tile: np.ndarray, query: np.ndarray, squares: np.ndarray) -> None:
    """Squares of the distances from a query to the points (dim, size) of a tile."""
    squares[:] = 0.0
    for axis in range(len(query)):
        place, row = query[axis], tile[axis]
        for point in range(len(squares)):
            away = row[point] - place
            squares[point] += away * away


@compiled
def _limit(best: float, margin: float, dim: int) -> float:
    """The square of a distance, as float32 has it, beyond which a point cannot be as near as `best`, a square."""
    reach = np.sqrt(best) + margin
    return float(reach * reach * (1.0 + 2e-7 * (dim + 8)))


@compiled
def _take(
    squares: np.ndarray,
    numbers: np.ndarray,
    points: np.ndarray,
    query: np.ndarray,
    margin: float,
    best: np.ndarray,
    found: np.ndarray,
) -> None:
    """Those points of a tile that are among the nearest, each put in its place: by distance, then by number."""
    limit = _limit(best[-1], margin, len(query))
    for place in range(len(squares)):
        number = numbers[place]
        if squares[place] > limit or number < 0:
            continue
        square = 0.0
        for axis in range(len(query)):
            away = points[number, axis] - query[axis]
            square += away * away
        if square > best[-1] or (square == best[-1] and number > found[-1]):
            continue
        rank = len(best) - 1
        while rank > 0 and (best[rank - 1] > square or (best[rank - 1] == square and found[rank - 1] > number)):
            best[rank], found[rank] = best[rank - 1], found[rank - 1]
            rank -= 1
        best[rank], found[rank] = square, number
        limit = _limit(best[-1], margin, len(query))


@compiled
def search(
    tiles: np.ndarray,
    numbers: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    turned: np.ndarray,
    points: np.ndarray,
    queries: np.ndarray,
    margins: np.ndarray,
    best: np.ndarray,
    found: np.ndarray,
) -> None:
    """Fill `best` and `found` with what lies nearest to each query.

    Args:
        tiles: float32 (tiles, dim, size), turned points.
        numbers: of these points, (tiles, size); -1 is filling.
        low, high: corners of the boxes around tiles, float32 (dim, tiles).
        turned: queries as the tiles see them, float32 (queries, dim).
        points, queries: as they came, float64 (n, dim) and (queries, dim).
        margins: by which float32 may be wrong about a distance, (queries,).
        best: squares of the distances that are beaten, (queries, k); infinite to begin with.
        found: numbers of the points at these distances, (queries, k).
    """
    bounds = np.zeros((len(queries), len(tiles)), np.float32)
    squares = np.empty(tiles.shape[2], np.float32)
    for query in range(len(queries)):
        _measure_boxes(low, high, turned[query], bounds[query])
        first = np.argmin(bounds[query])
        _measure(tiles[first], turned[query], squares)
        _take(squares, numbers[first], points, queries[query], margins[query], best[query], found[query])
        bounds[query, first] = np.nan  # seen: no limit is above it
    for tile in range(len(tiles)):
        for query in range(len(queries)):
            if bounds[query, tile] <= _limit(best[query, -1], margins[query], len(low)):
                _measure(tiles[tile], turned[query], squares)
                _take(squares, numbers[tile], points, queries[query], margins[query], best[query], found[query])
