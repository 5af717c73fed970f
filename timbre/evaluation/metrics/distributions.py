"""How far one distribution of points is from another. Points are (n, dim), computed in float64; arrays in, floats out.

Every function raises ConfigError for arrays of another shape, for points of different dimensions or too few of them,
and for points that are not finite.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist, pdist

from timbre.config.settings import require
from timbre.evaluation.metrics.arrays import finite_points

_SHARES = np.linspace(0.4, 1.0, 7)  # of the points, from which the Frechet distance of all points is extrapolated
_REPEATS = 4  # random choices of each share
_HALVES = 60  # random halves, of which an interval is made
_NORMAL = 1.96  # standard deviations on each side of 95%


class HalfSampleInterval(NamedTuple):
    """A value, and the ends of the interval around it."""

    value: float
    low: float
    high: float


def frechet(first: ArrayLike, second: ArrayLike) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets of points (Dowson and Landau 1982), 0 or more.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2), in squared units of the points; for image or sound features it is known
    as FID or FAD (Heusel et al. 2017). Sets of n and m points of one Gaussian, of variances that are equal in all
    dimensions, are about (1 + (dim + 1) / 4) (1 / n + 1 / m) of its total variance apart. The sets need 2 points or
    more each.
    """
    x, y = _both(first, second, 2)
    roots = [_root(points) for points in (x, y)]
    overlap = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()  # tr (C1 C2)^1/2
    variance = sum(np.square(root).sum() for root in roots)
    return max(0.0, float(np.square(x.mean(0) - y.mean(0)).sum() + variance - 2.0 * overlap))


def frechet_unbounded(first: ArrayLike, second: ArrayLike, seed: int = 0) -> float:
    """:func:`frechet` extrapolated to sets of infinite size (Chong and Forsyth 2020, arXiv 1911.07023).

    The distance of n and m points is too large by about a / n + b / m. A line over 1 / share, fitted to random shares
    of both sets, is read at 0. About 0 for two sets of one distribution: it may be negative. Sets of equal size are
    taken for pairs, which stay together. The sets need 10 points or more each.
    """
    x, y = _both(first, second, 10)
    random = np.random.default_rng(seed)
    chosen = [(share, *_some(random, share, x, y)) for share in _SHARES for _ in range(_REPEATS)]
    return float(np.polyfit([1.0 / share for share, *_ in chosen], [frechet(a, b) for _, a, b in chosen], 1)[1])


def kernel_distance(first: ArrayLike, second: ArrayLike) -> float:
    """Squared maximum mean discrepancy of two sets of points, by its unbiased estimator (Gretton et al. 2012).

    E k(x, x') + E k(y, y') - 2 E k(x, y), without the points themselves, with the Gaussian kernel exp(-d^2 / 2 s^2)
    whose width s is the median distance of two points of the first set. That is the kernel audio distance (Chung et al.
    2025, arXiv 2502.15602) before its scale. It does not depend on the sizes of the sets, and is about 0, also below
    it, for one distribution; 2 at most. Sets of equal size are taken for pairs, whose own distance does not count. NaN
    if all points of the first set are one. Each set needs 2 points or more.
    """
    x, y = _both(first, second, 2)
    width = float(np.median(pdist(x)))
    if width == 0.0:
        return np.nan
    within = [np.exp(-0.5 * np.square(pdist(points) / width)).mean() for points in (x, y)]
    between = np.exp(-0.5 * np.square(cdist(x, y) / width))
    counts = ~np.eye(len(x), dtype=bool) if len(x) == len(y) else np.ones(between.shape, bool)
    return float(sum(within) - 2.0 * between[counts].mean())


def copying(generated: ArrayLike, held_out: ArrayLike, training: ArrayLike) -> tuple[float, float]:
    """Whether generated points are copies of training points: two measures of distances to the nearest of these.

    Returns:
        The median distance of generated points over that of held-out ones, 0 or more; and the share of pairs in which
        the generated point is the nearer, equal distances counting one half (Mann and Whitney 1947, as Meehan et al.
        2020, arXiv 2004.05675, use it), 0..1. 1 and .5: as near as held-out points; 0 and 1: copies. The ratio is
        NaN if the held-out points are copies themselves.
    """
    new, known = _both(generated, training, 1)
    held, _ = _both(held_out, training, 1)
    near, usual = (np.concatenate([cdist(part, known).min(1) for part in _parts(points)]) for points in (new, held))
    order = np.sort(usual)
    above, not_below = (len(usual) - np.searchsorted(order, near, side) for side in ("right", "left"))
    middle = float(np.median(usual))
    return float(np.median(near)) / middle if middle else np.nan, float((above + not_below).mean() / 2 / len(usual))


def half_sample_interval(
    statistic: Callable[..., float], *sets: np.ndarray, seed: int = 0, halves: int = _HALVES
) -> HalfSampleInterval:
    """A statistic of sets of points, with its 95% bootstrap interval.

    The bootstrap draws halves without replacement (the half-sample method, McCarthy 1969; Shao and Wu 1989), since
    the repeated points of the usual one would be neighbours and pairs without distance. The deviation over random
    halves of n points is that of all n over samples. The interval is the value on all points, 1.96 of it to both sides.
    Sets of equal size are taken for pairs, which stay together. NaN where the statistic is.
    """
    random = np.random.default_rng(seed)
    found = [statistic(*_some(random, 0.5, *sets)) for _ in range(halves)]
    value, reach = statistic(*sets), _NORMAL * float(np.std(found, ddof=1))
    return HalfSampleInterval(value, value - reach, value + reach)


def _some(random: np.random.Generator, share: float, *sets: np.ndarray) -> list[np.ndarray]:
    """A random share of each set; of sets of equal size, the same rows."""
    orders = {size: random.permutation(size) for size in dict.fromkeys(map(len, sets))}
    return [points[orders[len(points)][: round(share * len(points))]] for points in sets]


def _parts(points: np.ndarray) -> list[np.ndarray]:
    return np.array_split(points, 1 + len(points) // 256)


def density_coverage(real: ArrayLike, generated: ArrayLike, k: int = 5) -> tuple[float, float]:
    """Density (0 or more) and coverage (0..1) of generated points (Naeem et al. 2020, arXiv 2002.09797).

    Around each real point lies a ball that reaches to its k-th nearest other real point. Density is the mean number of
    balls that contain a generated point, divided by k: about 1 for points of the real distribution, and lower if many
    lie where no real points are. Coverage is the share of balls that contain a generated point: about 1 - 2^-k for as
    many points of the real distribution, and lower if a part of it is never generated. There must be more than k real
    points and 1 generated point or more.
    """
    x, y = _both(real, generated, 1)
    require(1 <= k < len(x), f"k must be from 1 to {len(x) - 1}, the number of other real points, got {k}.")
    radii = np.partition(cdist(x, x), k, axis=1)[:, k]  # the nearest is the point itself
    within = cdist(x, y) <= radii[:, None]
    return float(within.sum() / (k * len(y))), float(within.any(1).mean())


def gaussian_kl(points: ArrayLike) -> float:
    """KL(N(m, C) || N(0, I)), nats, of the Gaussian with the mean and covariance of points; 0 or more.

    (tr C + |m|^2 - dim - log det C) / 2. NaN if the points fill no volume, such as dim points or fewer.
    """
    x = finite_points(points)
    if len(x) <= x.shape[1]:
        return np.nan
    covariance = np.cov(x.T, bias=True).reshape(x.shape[1], -1)
    sign, log_det = np.linalg.slogdet(covariance)
    if sign <= 0:
        return np.nan
    return max(0.0, float(0.5 * (np.trace(covariance) + np.square(x.mean(0)).sum() - x.shape[1] - log_det)))


def _both(first: ArrayLike, second: ArrayLike, least: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = finite_points(first), finite_points(second)
    require(x.shape[1] == y.shape[1], f"All points must be of one space, got {x.shape[1]} and {y.shape[1]} dimensions.")
    require(min(len(x), len(y)) >= least, f"Each set must have {least} points or more, got {len(x)} and {len(y)}.")
    return x, y


def _root(points: np.ndarray) -> np.ndarray:
    """A matrix R (min(n, dim), dim) with R^T R the covariance of points (n, dim)."""
    return np.asarray(np.linalg.qr((points - points.mean(0)) / np.sqrt(len(points)), mode="r"))
