"""Are these ratings what they say they are? Public collections have scrambled matrices and wrong labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from timbre.data.ratings.pooling import merged
from timbre.data.ratings.scaling import mds
from timbre.data.ratings.studies import Ratings, Study

SHUFFLES = 20
SHARED = 10  # pairs of instruments that two studies share, from which on their agreement means something


@dataclass(frozen=True)
class Finding:
    """The outcome of a check.

    Attributes:
        study: what was checked.
        sentence: what was found.
        doubtful: whether the ratings are to be doubted.
    """

    study: str
    sentence: str
    doubtful: bool


def check(ratings: Ratings, distances: Mapping[str, np.ndarray] | None = None, seed: int = 0) -> list[Finding]:
    """Run all checks.

    1. A study's scaling in three dimensions fits better than scalings of its own entries shuffled (else they are
       scrambled). 2. Studies that share instruments agree on them. 3. Where distances of the sounds are given, they
       agree better than under random relabelling of the sounds (else rows are permuted; Mantel 1967).

    Args:
        ratings: the studies.
        distances: for some studies by name, distances (n, n) between the items from their sounds.
        seed: of the shuffles.
    """
    found = [_geometry(study, seed) for study in ratings.parts]
    found += [_agreement(a, b) for a, b in combinations(ratings.parts, 2) if a.instruments and b.instruments]
    found += [_labels(ratings.study(name), values, seed) for name, values in (distances or {}).items()]
    return [finding for finding in found if finding is not None]


def _geometry(study: Study, seed: int) -> Finding | None:
    first, second, values = study.pairs()
    if len(study.items) < 6:
        return None
    dim, random = min(3, len(study.items) - 2), np.random.default_rng(seed)
    own = mds(study.dissimilarities, dim).stress
    others = []
    for _ in range(SHUFFLES):
        shuffled = study.dissimilarities.copy()
        shuffled[first, second] = shuffled[second, first] = random.permutation(values)
        others.append(mds(shuffled, dim).stress)
    z = (own - float(np.mean(others))) / max(float(np.std(others)), 1e-9)
    fits = f"its scaling has stress {own:.3f}, shuffled entries {np.mean(others):.3f} (z {z:.1f})"
    if z > -3.0:
        return Finding(study.name, f"{study.name} has no geometry: {fits}; its entries may be scrambled.", True)
    return Finding(study.name, f"{study.name} has a geometry: {fits}.", False)


def _agreement(a: Study, b: Study) -> Finding | None:
    from scipy.stats import spearmanr

    tables = []
    for study in (a, b):
        pooled = merged(Ratings((study,))).parts[0] if len(set(study.instruments) - {""}) > 1 else None
        rows = {} if pooled is None else {
            frozenset((pooled.items[i], pooled.items[j])): value for i, j, value in zip(*pooled.pairs(), strict=True)
        }  # fmt: skip
        tables.append(rows)
    shared = sorted(set(tables[0]) & set(tables[1]), key=sorted)
    if len(shared) < SHARED:
        return None
    rho = float(spearmanr(*([table[pair] for pair in shared] for table in tables)).statistic)
    doubtful = rho < 0.2
    verdict = "hardly agree" if doubtful else "agree"
    sentence = f"{a.name} and {b.name} {verdict} on {len(shared)} pairs of instruments: Spearman {rho:.2f}."
    return Finding(f"{a.name}, {b.name}", sentence, doubtful)


def _labels(study: Study, distances: np.ndarray, seed: int) -> Finding:
    from scipy.stats import rankdata

    first, second, values = study.pairs()
    ranks, random = rankdata(values), np.random.default_rng(seed)

    def agreement(order: np.ndarray) -> float:
        return float(np.corrcoef(ranks, rankdata(distances[order[first], order[second]]))[0, 1])

    own = agreement(np.arange(len(study.items)))
    others = np.array([agreement(random.permutation(len(study.items))) for _ in range(999)])
    p = (1 + int((others >= own).sum())) / 1000
    text = f"its ratings agree with distances of its sounds at Spearman {own:.2f}, relabelled at random p {p:.3f}"
    if p > 0.05:
        return Finding(study.name, f"{study.name} may have wrong labels: {text}.", True)
    return Finding(study.name, f"{study.name}: {text}.", False)
