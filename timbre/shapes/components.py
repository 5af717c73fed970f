"""Principal components of points (Pearson 1901)."""

from typing import NamedTuple

import numpy as np


class PrincipalPlane(NamedTuple):
    """The first two principal components of points (n, dim). What fewer points or dimensions lack is 0.

    Attributes:
        directions: of unit length, (2, dim). The largest number of each is positive, so that equal points give equal
            pictures.
        coordinates: of the points, (n, 2).
        shares: of the variance along each direction, (2,), 0..1.
    """

    directions: np.ndarray
    coordinates: np.ndarray
    shares: np.ndarray


def principal(points: np.ndarray) -> PrincipalPlane:
    """The plane through points (n, dim) in which they vary most."""
    left, sizes, rows = np.linalg.svd(points - points.mean(0, dtype=np.float64), full_matrices=False)
    missing = (0, max(0, 2 - len(sizes)))
    shares = sizes**2 / max(float((sizes**2).sum()), 1e-300)
    left, rows = np.pad(left, ((0, 0), missing))[:, :2], np.pad(rows, (missing, (0, 0)))[:2]
    signs = np.sign(rows[np.arange(2), np.abs(rows).argmax(1)])
    return PrincipalPlane(rows * signs[:, None], left * np.pad(sizes, missing)[:2] * signs, np.pad(shares, missing)[:2])
