"""Planes through points: principal components (Pearson 1901), and planes that predict something else about them."""

from typing import NamedTuple

import numpy as np

_NARROWEST = 1e-6  # least deviation of points, or of what a plane predicts, along a direction, relative to the largest


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


class PredictivePlane(NamedTuple):
    """A plane through the mean of points (n, dim), in coordinates that predict distances.

    Attributes:
        readout: (2, dim): the coordinates of a point z are readout (z - mean).
        directions: (2, dim): where the points with given coordinates lie on average; readout directions^T is the
            identity.
        shares: of the variance of what is heard, predicted by each coordinate, (2,), 0..1.
    """

    readout: np.ndarray
    directions: np.ndarray
    shares: np.ndarray


def principal(points: np.ndarray) -> PrincipalPlane:
    """The plane through points (n, dim) in which they vary most."""
    left, sizes, rows = np.linalg.svd(points - points.mean(0, dtype=np.float64), full_matrices=False)
    missing = (0, max(0, 2 - len(sizes)))
    shares = sizes**2 / max(float((sizes**2).sum()), 1e-300)
    left, rows = np.pad(left, ((0, 0), missing))[:, :2], np.pad(rows, (missing, (0, 0)))[:2]
    signs = _signs(rows)
    return PrincipalPlane(rows * signs[:, None], left * np.pad(sizes, missing)[:2] * signs, np.pad(shares, missing)[:2])


def predictive(points: np.ndarray, targets: np.ndarray, heard: np.ndarray) -> PredictivePlane | None:
    """The plane whose coordinates predict most of the variance of targets (n, k), linearly, from points (n, dim).

    It is reduced-rank regression of rank 2 (Izenman 1975). Within the plane, the coordinates are those that predict
    `heard` (n, m) best, in its unit: their distances are those of the predicted rows, and the first coordinate predicts
    most.

    Returns:
        The plane; None if the targets do not determine two directions that are heard.
    """
    centred, targets, heard = (rows - rows.mean(0, dtype=np.float64) for rows in (points, targets, heard))
    left, sizes, rows = np.linalg.svd(centred, full_matrices=False)
    kept = sizes > _NARROWEST * max(float(sizes.max(initial=0.0)), 1e-300)
    left, sizes, rows = left[:, kept], sizes[kept], rows[kept]
    chosen = np.linalg.svd(left.T @ targets, full_matrices=False)[0][:, :2]
    turn, scale, _ = np.linalg.svd((left @ chosen).T @ heard, full_matrices=False)
    if len(scale) < 2 or not scale[1] > _NARROWEST * scale[0]:
        return None
    chosen = chosen @ turn
    readout, directions = (chosen * scale).T / sizes @ rows, (chosen / scale).T * sizes @ rows
    signs = _signs(readout)[:, None]
    return PredictivePlane(readout * signs, directions * signs, scale**2 / float((heard**2).sum()))


def _signs(rows: np.ndarray) -> np.ndarray:
    """The sign of each row's largest number, (rows,)."""
    return np.asarray(np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(1)]))
