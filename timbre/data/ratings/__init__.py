"""Dissimilarity ratings by listeners: reading, checks, pooling, matching with a library, and scaling."""

from timbre.data.ratings.checks import Finding, check
from timbre.data.ratings.matching import ALIASES, match_instruments, match_sounds
from timbre.data.ratings.pooling import merged, normalised
from timbre.data.ratings.reading import read_ratings
from timbre.data.ratings.scaling import Scaling, choose_dim, mds
from timbre.data.ratings.studies import Ratings, Study

__all__ = [
    "ALIASES",
    "Finding",
    "Ratings",
    "Scaling",
    "Study",
    "check",
    "choose_dim",
    "match_instruments",
    "match_sounds",
    "mds",
    "merged",
    "normalised",
    "read_ratings",
]
