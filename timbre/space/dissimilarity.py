"""From distances in a space to dissimilarities on the scale of listeners' ratings."""

from dataclasses import dataclass

import numpy as np

from timbre.data.ratings import Study, match_instruments, read_ratings
from timbre.errors import LibraryError
from timbre.space.atlas import Atlas

_FEWEST = 6  # rated instruments in the library


@dataclass(frozen=True)
class DissimilarityScale:
    """A line from the distance between a note and an instrument's mean point to a dissimilarity.

    Attributes:
        name: "listeners": 0..1, the scale of the ratings of 13 instruments that come with timbre; or "relative": 1 is
            the mean distance between the mean points of two instruments of this space.
        slope, offset: the dissimilarity is offset + slope distance.
        residual: root mean square error of a note's predicted dissimilarities to instruments when its own instrument is
            left out of the fit; None if the scale is relative.
        baseline: the same error if the mean rating is predicted; None if there are too few rated instruments.
        instruments: rated ones that are in the library.
    """

    name: str
    slope: float
    offset: float
    residual: float | None
    baseline: float | None
    instruments: tuple[str, ...]

    def __call__(self, distances: np.ndarray) -> np.ndarray:
        """Dissimilarities of distances, of any shape."""
        values = self.offset + self.slope * np.asarray(distances, dtype=np.float64)
        return np.clip(values, 0.0, 1.0) if self.name == "listeners" else values

    @property
    def sentence(self) -> str:
        """The meaning of the scale, and its error."""
        if self.name == "listeners":
            return (
                f"listeners' scale, 0 to 1, from ratings of {len(self.instruments)} instruments; its error is "
                f"{self.residual:.2f}, that of guessing the mean rating {self.baseline:.2f}"
            )
        why = f"{len(self.instruments)} rated instruments in the library are too few for a listeners' scale"
        if self.residual is None and self.baseline is not None:
            why = "distances in this space do not predict listeners' ratings"
        return f"1 is the mean distance between two instruments ({why})"


def dissimilarity_scale(atlas: Atlas, dims: int | None = None) -> DissimilarityScale:
    """The scale of a space.

    A line is fitted by least squares to the shipped ratings (`timbre.data.ratings`, "orchestra"), from the distances
    between notes and the mean points of other instruments; all instruments have the same weight. It is the scale if six
    or more rated instruments are in the library, it rises, and it predicts the ratings of left-out instruments better
    than their mean does. Otherwise the scale is relative. Distances are measured in the first `dims` dimensions; None
    is all.
    """
    from scipy.spatial.distance import pdist

    study, notes, own = _rated_notes(atlas, dims)
    items, baseline = study.items if study is not None else (), None
    if study is not None and len(items) >= _FEWEST:
        means = np.stack([notes[own == item].mean(0) for item in range(len(items))])
        distances = np.linalg.norm(notes[:, None] - means, axis=2)
        ratings = study.dissimilarities[own]
        weights = np.repeat(1.0 / np.bincount(own)[own][:, None], len(items), 1)
        weights[np.isnan(ratings) | (own[:, None] == np.arange(len(items)))] = 0.0
        slope, offset = _line(distances, ratings, weights)
        residual, baseline = _left_out(distances, ratings, weights, own)
        if slope > 0 and residual < baseline:
            return DissimilarityScale("listeners", slope, offset, residual, baseline, items)
    apart = pdist(atlas.centroids.points[:, : dims or None].astype(np.float64))
    unit = float(1.0 / apart.mean()) if apart.any() else 1.0
    return DissimilarityScale("relative", unit, 0.0, None, baseline, items)


def _rated_notes(atlas: Atlas, dims: int | None) -> tuple[Study | None, np.ndarray, np.ndarray]:
    """The rated instruments in the atlas, points of their notes, and the index of each note's instrument."""
    whole = read_ratings("orchestra").parts[0]
    try:
        matched = match_instruments(whole.items, sorted(set(atlas.instruments)), drop=True)
    except LibraryError:  # none of them is there
        return None, atlas.points[:0], np.zeros(0, np.int64)
    study, number = whole.pick(matched), np.full(len(atlas), -1)
    for item, name in enumerate(study.items):
        number[np.isin(np.array(atlas.instruments), matched[name])] = item
    return study, atlas.points[number >= 0, : dims or None].astype(np.float64), number[number >= 0]


def _line(distances: np.ndarray, ratings: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the weighted least squares line; pairs of weight 0 are left out."""
    used = weights > 0
    slope, offset = np.polyfit(distances[used], ratings[used], 1, w=np.sqrt(weights[used]))
    return float(slope), float(offset)


def _left_out(distances: np.ndarray, ratings: np.ndarray, weights: np.ndarray, own: np.ndarray) -> tuple[float, float]:
    """Root mean square errors of the line and of the mean rating, for the notes of each instrument left out in turn."""
    line, mean, total = 0.0, 0.0, 0.0
    for item in np.unique(own):
        fitted, tested = weights.copy(), weights.copy()
        fitted[own == item], fitted[:, item], tested[own != item] = 0.0, 0.0, 0.0
        slope, offset = _line(distances, ratings, fitted)
        used = tested > 0
        target, weight = ratings[used], tested[used]
        usual = np.average(ratings[fitted > 0], weights=fitted[fitted > 0])
        line += weight @ np.square(np.clip(offset + slope * distances[used], 0.0, 1.0) - target)
        mean += weight @ np.square(usual - target)
        total += weight.sum()
    return float(np.sqrt(line / total)), float(np.sqrt(mean / total))
