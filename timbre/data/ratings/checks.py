"""Checks of ratings for scrambled matrices and wrong labels, which public collections have."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from timbre.data.ratings.pooling import by_instrument
from timbre.data.ratings.scaling import mds, sample
from timbre.data.ratings.studies import Ratings, Study

SHUFFLES = 20
SHARED = 10  # pairs of instruments; the agreement of studies that share fewer is not checked


@dataclass(frozen=True)
class Finding:
    """The outcome of a check.

    Attributes:
        study: name of the study, or of both.
        sentence: the outcome in words.
        doubtful: whether it casts doubt on the ratings.
    """

    study: str
    sentence: str
    doubtful: bool


def check(ratings: Ratings, distances: Mapping[str, np.ndarray] | None = None, seed: int = 0) -> list[Finding]:
    """The findings of all checks.

    1. A study's scaling in three dimensions must fit better than scalings of its shuffled entries; otherwise the
       entries may be scrambled. Of more than 100 items, 100 are scaled.
    2. Studies that share instruments must agree on them.
    3. Distances between the sounds, if given, must agree better than under random permutations of the sounds;
       otherwise the labels may be wrong (Mantel 1967).

    Args:
        ratings: the studies.
        distances: distances (n, n) between the sounds of some studies, by the name of the study.
        seed: seed of the permutations.
    """
    findings = [_geometry(study, seed) for study in ratings.parts]
    findings += [_agreement(a, b) for a, b in combinations(ratings.parts, 2)]
    findings += [_labels(ratings.study(name), values, seed) for name, values in (distances or {}).items()]
    return [finding for finding in findings if finding is not None]


def _geometry(study: Study, seed: int) -> Finding | None:
    """Check 1; None for fewer than six items."""
    if len(study.items) < 6:
        return None
    known, random = sample(study.dissimilarities, seed), np.random.default_rng(seed)
    first, second = np.nonzero(np.triu(np.isfinite(known), 1))
    values, dim = known[first, second], min(3, len(known) - 2)
    own = mds(known, dim).stress
    others = []
    for _ in range(SHUFFLES):
        shuffled = known.copy()
        shuffled[first, second] = shuffled[second, first] = random.permutation(values)
        others.append(mds(shuffled, dim).stress)
    z = (own - float(np.mean(others))) / max(float(np.std(others)), 1e-9)
    stress = f"stress {own:.3f}, of shuffled entries {np.mean(others):.3f} (z {z:.1f})"
    verdict = f"no geometry: {stress}; its entries may be scrambled" if z > -3.0 else f"a geometry: {stress}"
    return Finding(study.name, f"{study.name} has {verdict}.", z > -3.0)


def _agreement(a: Study, b: Study) -> Finding | None:
    """Check 2; None if the studies share too few pairs of instruments."""
    from scipy.stats import spearmanr

    tables = [by_instrument(study) for study in (a, b)]
    shared = sorted(set.intersection(*({pair for pair in table if table[pair][1] > 0} for table in tables)))
    if len(shared) < SHARED:
        return None
    rho = float(spearmanr(*([table[pair][0] for pair in shared] for table in tables)).statistic)
    verdict = "hardly agree" if rho < 0.2 else "agree"
    sentence = f"{a.name} and {b.name} {verdict} on {len(shared)} pairs of instruments: Spearman {rho:.2f}."
    return Finding(f"{a.name}, {b.name}", sentence, rho < 0.2)


def _labels(study: Study, distances: np.ndarray, seed: int) -> Finding:
    """Check 3."""
    from scipy.stats import rankdata

    first, second, values = study.pairs()
    ranks, random = rankdata(values), np.random.default_rng(seed)

    def agreement(order: np.ndarray) -> float:
        return float(np.corrcoef(ranks, rankdata(distances[order[first], order[second]]))[0, 1])

    own = agreement(np.arange(len(study.items)))
    others = np.array([agreement(random.permutation(len(study.items))) for _ in range(999)])
    p = (1 + int((others >= own).sum())) / 1000
    text = f"Spearman {own:.2f} between its ratings and distances of its sounds, permutation test p {p:.3f}"
    return Finding(study.name, f"{study.name}{' may have wrong labels' * (p > 0.05)}: {text}.", p > 0.05)
