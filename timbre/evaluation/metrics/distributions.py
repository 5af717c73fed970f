"""How far one distribution of points is from another. Points are (n, dim), computed in float64; arrays in, floats out.

Every function raises ConfigError for arrays of another shape, for points of different dimensions or too few of them,
and for points that are not finite.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from timbre.config.settings import require
from timbre.evaluation.metrics.arrays import finite_points


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
