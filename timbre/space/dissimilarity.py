"""From distances in a space to dissimilarities as listeners rate them."""

from dataclasses import dataclass

import numpy as np

from timbre.data.ratings import Study, match_instruments, read_ratings
from timbre.errors import LibraryError
from timbre.space.atlas import Atlas

_LEAST = 6  # rated instruments that the space must know


@dataclass(frozen=True)
class DissimilarityScale:
    """How a distance between a note and the middle of an instrument becomes a dissimilarity: offset + slope distance.

    Attributes:
        name: "listeners": 0..1, as in the ratings of 13 instruments that timbre brings along; or "relative": 1 is the
            mean distance between the middles of two instruments of this space.
        slope, offset: of the line.
        residual: root mean square error of a note's predicted dissimilarities to instruments when its own instrument
            took no part in the fit; None where the scale is relative.
        spread: the same for the mean rating in place of the line: how much there was to predict.
        instruments: rated ones that the space knows.
    """

    name: str
    slope: float
    offset: float
    residual: float | None
    spread: float | None
    instruments: tuple[str, ...]

    def __call__(self, distances: np.ndarray) -> np.ndarray:
        """Dissimilarities of distances, of any shape."""
        values = self.offset + self.slope * np.asarray(distances, dtype=np.float64)
        return np.clip(values, 0.0, 1.0) if self.name == "listeners" else values

    @property
    def sentence(self) -> str:
        """What the scale is, and how far it can be trusted."""
        if self.name == "listeners":
            return (
                f"listeners' scale, 0 to 1, by the ratings of {len(self.instruments)} instruments; off by "
                f"{self.residual:.2f}, where guessing the mean rating is off by {self.spread:.2f}"
            )
        why = f"this space knows {len(self.instruments)} rated instruments, too few for a listeners' scale"
        if self.residual is None and self.spread is not None:
            why = "distances in this space do not foretell listeners' ratings"
        return f"1 is the mean distance between two instruments ({why})"


def dissimilarity_scale(atlas: Atlas, dims: int | None = None) -> DissimilarityScale:
    """The scale of a space.

    A line is fitted by least squares to the shipped ratings (`timbre.data.ratings`, "orchestra"): from the distances
    between notes and the middles of other instruments, all instruments counting alike. It is the scale if six or more
    rated instruments are known, it rises, and it foretells the ratings of left-out instruments better than their mean
    does; else the scale is relative.

    Args:
        atlas: of the space.
        dims: how many of the first dimensions count; None is all.
    """
    study, notes, own = _rated_notes(atlas, dims)
    items = study.items if study is not None else ()
    if study is not None and len(items) >= _LEAST:
        middles = np.stack([notes[own == item].mean(0) for item in range(len(items))])
        distances = np.linalg.norm(notes[:, None] - middles, axis=2)
        ratings = study.dissimilarities[own]
        weights = np.repeat(1.0 / np.bincount(own)[own][:, None], len(items), 1)
        weights[np.isnan(ratings) | (own[:, None] == np.arange(len(items)))] = 0.0
        slope, offset = _line(distances, ratings, weights)
        residual, spread = _left_out(distances, ratings, weights, own)
        if slope > 0 and residual < spread:
            return DissimilarityScale("listeners", slope, offset, residual, spread, items)
        return DissimilarityScale("relative", _unit(atlas, dims), 0.0, None, spread, items)
    return DissimilarityScale("relative", _unit(atlas, dims), 0.0, None, None, items)


def _rated_notes(atlas: Atlas, dims: int | None) -> tuple[Study | None, np.ndarray, np.ndarray]:
    """The rated instruments that the atlas has, points of their notes, and the number of each note's instrument."""
    whole = read_ratings("orchestra").parts[0]
    try:
        found = match_instruments(whole.items, sorted(set(atlas.instruments)), drop=True)
    except LibraryError:  # none of them is there
        return None, atlas.points[:0], np.zeros(0, np.int64)
    study, number = whole.pick(found), np.full(len(atlas), -1)
    for item, name in enumerate(study.items):
        number[np.isin(np.array(atlas.instruments), found[name])] = item
    return study, atlas.points[number >= 0, : dims or None].astype(np.float64), number[number >= 0]


def _unit(atlas: Atlas, dims: int | None) -> float:
    """One over the mean distance between middles of instruments; 1 where there are not two places."""
    from scipy.spatial.distance import pdist

    distances = pdist(atlas.centroids.points[:, : dims or None].astype(np.float64))
    return float(1.0 / distances.mean()) if distances.any() else 1.0


def _line(distances: np.ndarray, ratings: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the weighted least squares line; pairs of weight 0 do not count."""
    used = weights > 0
    slope, offset = np.polyfit(distances[used], ratings[used], 1, w=np.sqrt(weights[used]))
    return float(slope), float(offset)


def _left_out(distances: np.ndarray, ratings: np.ndarray, weights: np.ndarray, own: np.ndarray) -> tuple[float, float]:
    """Root mean square errors of the line and of the mean rating, for the notes of each instrument left out in turn."""
    line, mean, total = 0.0, 0.0, 0.0
    for item in np.unique(own):
        taught, asked = weights.copy(), weights.copy()
        taught[own == item], taught[:, item], asked[own != item] = 0.0, 0.0, 0.0
        slope, offset = _line(distances, ratings, taught)
        used = asked > 0
        target, weight = ratings[used], asked[used]
        usual = np.average(ratings[taught > 0], weights=taught[taught > 0])
        line += weight @ np.square(np.clip(offset + slope * distances[used], 0.0, 1.0) - target)
        mean += weight @ np.square(usual - target)
        total += weight.sum()
    return float(np.sqrt(line / total)), float(np.sqrt(mean / total))
