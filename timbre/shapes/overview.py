"""The plane of a space that shows what lies where: the one in which families lie apart best, by measure."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np

from timbre.shapes.components import PredictivePlane, predictive, principal
from timbre.space.space import Space

KINDS = ("families", "heard", "pca")
_HEARD = 0.09  # weight of the heard variance beside that of families: it decides where families do not differ
_FOLDS, _MOST = 5, 4000  # parts of the instruments, and notes at most, of a measurement
_NEIGHBOURS = 15  # notes whose families are counted
_FEWEST = 20  # notes of a family that counts
_PAIRED = 200  # notes of a part whose distances are compared
_EQUAL = 0.02  # families that lie apart by as much are equally far apart: with other parts the shares differ as much


@dataclass(frozen=True)
class PlaneFigures:
    """How well a plane shows a space, on notes of instruments that did not determine it.

    Attributes:
        apart: share of notes that most of their 15 nearest notes of other instruments in the plane share a family with;
            the mean over families, 0..1.
        kept: Spearman's correlation of distances in the plane with dissimilarities, -1..1.
    """

    apart: float
    kept: float


@dataclass(frozen=True, eq=False)
class Overview:
    """The plane of a space that shows what lies where, its kind, and the figures of all kinds that were compared."""

    kind: str
    plane: PredictivePlane
    figures: dict[str, PlaneFigures]


_OVERVIEWS: "WeakKeyDictionary[Space, Overview]" = WeakKeyDictionary()
_MEASURING = threading.Lock()


def overview(space: Space) -> Overview:
    """The best of the planes of :func:`plane_of_kind` for a space of 3 library notes or more; measured once.

    It is the one in which families lie apart best; of those that are equal within .02, the one that keeps most of what
    is heard. In a space of one family, instruments take the place of families.
    """
    with _MEASURING:
        if space not in _OVERVIEWS:
            _OVERVIEWS[space] = _overview(space)
        return _OVERVIEWS[space]


def _overview(space: Space) -> Overview:
    planes = {kind: plane for kind in KINDS if (plane := plane_of_kind(space, kind)) is not None}
    figures = {kind: measured(space, partial(plane_of_kind, space, kind)) for kind in planes}
    least = max(one.apart for one in figures.values()) - _EQUAL
    best = max((kind for kind in planes if figures[kind].apart >= least), key=lambda kind: figures[kind].kept)
    return Overview(best, planes[best], figures)


def plane_of_kind(space: Space, kind: str, notes: np.ndarray | None = None) -> PredictivePlane | None:
    """The plane of one of :data:`KINDS`, from all library notes or those at some indices; None if they determine none.

    - "families" predicts the families, and a little of what is heard.
    - "heard" predicts most of what is heard: the space's heard coordinates at middle C.
    - "pca" is the first two principal components of the points, in their own unit.
    """
    notes = np.arange(len(space.atlas)) if notes is None else notes
    points, heard = space.atlas.points[notes].astype(np.float64), space.hearing.at_middle_c[notes]
    if kind == "pca":
        directions, _, shares = principal(points)
        return PredictivePlane(directions, directions, shares)
    return predictive(points, heard if kind == "heard" else _families(space, notes, heard), heard)


def measured(space: Space, determine: Callable[[np.ndarray], PredictivePlane | None]) -> PlaneFigures:
    """Figures of planes that are determined from the library notes at some indices, each on other instruments.

    The instruments are divided into five parts by chance, with a fixed seed.
    """
    random = np.random.default_rng(0)
    notes = random.permutation(len(space.atlas))[:_MOST]
    families, units = (numbers[notes] for numbers in _groups(space))
    parts, hits, kept = random.permutation(int(units.max()) + 1)[units] % _FOLDS, np.zeros(len(notes)), []
    for part in range(_FOLDS):
        own = parts == part
        plane = determine(notes[~own]) if own.any() and (~own).sum() > 2 else None
        if plane is not None:
            seen = space.atlas.points[notes] @ plane.readout.T
            hits[own] = _nearest_family(seen[~own], families[~own], seen[own]) == families[own]
            kept.append(_agreement(seen[own][:_PAIRED], space.hearing.at_middle_c[notes[own][:_PAIRED]]))
    counts = np.bincount(families)
    shares = np.bincount(families, hits)[counts > 0] / counts[counts > 0]
    large = counts[counts > 0] >= min(_FEWEST, counts.max())
    return PlaneFigures(float(shares[large].mean()), float(np.mean(kept)) if kept else 0.0)


def _families(space: Space, notes: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """What the plane of families predicts: a column for each family, which all weigh the same, and what is heard."""
    own = _groups(space)[0][notes]
    columns = (own[:, None] == np.unique(own)).astype(np.float64)
    columns = (columns - columns.mean(0)) / np.sqrt(columns.mean(0))
    heard = heard - heard.mean(0)
    return np.concatenate([columns / _size(columns), _HEARD**0.5 * heard / _size(heard)], 1)


def _size(rows: np.ndarray) -> float:
    return max(float(np.linalg.norm(rows)), 1e-300)


def _groups(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of each note's family and instrument; in a space of one family, of its instrument and of itself."""
    families, instruments = (
        np.unique(np.array(names, dtype=str), return_inverse=True)[1]
        for names in (space.atlas.families, space.atlas.instruments)
    )
    return (families, instruments) if families.max() > 0 else (instruments, np.arange(len(instruments)))


def _nearest_family(known: np.ndarray, families: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The most frequent family (n,) among those of the known positions (m, 2) nearest to positions (n, 2)."""
    from scipy.spatial import KDTree

    near = KDTree(known).query(seen, min(_NEIGHBOURS, len(known)))[1].reshape(len(seen), -1)
    votes = np.zeros((len(seen), int(families.max()) + 1))
    np.add.at(votes, (np.arange(len(seen))[:, None], families[near]), 1.0)
    return np.asarray(votes.argmax(1))


def _agreement(seen: np.ndarray, heard: np.ndarray) -> float:
    """Spearman's correlation of the distances of positions (n, 2) with those of heard coordinates; 0 if undefined."""
    from scipy.spatial.distance import pdist

    if len(seen) < 3:
        return 0.0
    ranks = np.stack([_ranks(pdist(rows)) for rows in (seen, heard)])
    ranks -= ranks.mean(1, keepdims=True)
    size = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / size if size else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of values (n,); equal ones share their mean rank."""
    _, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[numbers])
