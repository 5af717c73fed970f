"""Scores of a "quality" test: means with bootstrap intervals, post-screening, and a mixed model."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from timbre.errors import ConfigError, LibraryError
from timbre.listening.design import ANCHOR, REFERENCE, ListeningTest
from timbre.listening.results import Answers
from timbre.wording import needs

DRAWS = 4000
_HEARD, _MISSED = 90.0, 0.15  # ITU-R BS.1534-3: the rating of a hidden reference, and the share that may be below


class Interval(NamedTuple):
    """A mean, or a difference of means, and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """A system's difference from the first system by the mixed model, with its standard error and p-value."""

    value: float
    error: float
    p: float


@dataclass(frozen=True)
class Scores:
    """Scores of a test.

    Attributes:
        systems: mean rating by system, 0 to 100; intervals are of draws of participants and notes.
        differences: of every two systems, without the hidden reference and the anchor.
        excluded: participants who failed the post-screening.
        participants: how many are left.
        notes: how many they rated.
    """

    systems: dict[str, Interval]
    differences: dict[tuple[str, str], Interval]
    excluded: tuple[str, ...]
    participants: int
    notes: int


def failed(test: ListeningTest, answers: Answers) -> tuple[str, ...]:
    """Participants who rated the hidden reference below 90 in more than 15% of their trials (ITU-R BS.1534-3)."""
    missed: dict[str, list[bool]] = {}
    for answer in answers.answers:
        if test.stimuli[answer.sound].system == REFERENCE:
            missed.setdefault(answer.participant, []).append(answer.value < _HEARD)
    return tuple(sorted(name for name, own in missed.items() if np.mean(own) > _MISSED))


def score(test: ListeningTest, answers: Answers, screen: bool = True, seed: int = 0) -> Scores:
    """Mean ratings of the systems, after post-screening.

    The bootstrap draws participants and notes with replacement, both at once: the interval is for other listeners and
    other notes.

    Raises:
        LibraryError: if the test is another, or no participant passes the screening.
    """
    if test.task != "quality":
        raise LibraryError(f"Scores must be of a quality test, got {test.task}; its results are ratings.")
    excluded = failed(test, answers) if screen else ()
    kept = answers.without(excluded)
    if not kept.answers:
        raise LibraryError(
            f"One participant or more must rate the hidden reference 90 or higher, got {len(excluded)} who did not; "
            "see their files."
        )
    names, cube = ratings_cube(test, kept)
    means, draws = resampled(cube, np.random.default_rng(seed))
    systems = {name: _interval(means[at], draws[:, at]) for at, name in enumerate(names)}
    judged = [at for at, name in enumerate(names) if name not in (REFERENCE, ANCHOR)]
    differences = {
        (names[a], names[b]): _interval(means[a] - means[b], draws[:, a] - draws[:, b])
        for a, b in combinations(judged, 2)
    }
    return Scores(systems, differences, excluded, cube.shape[0], cube.shape[1])


def ratings_cube(test: ListeningTest, answers: Answers) -> tuple[list[str], np.ndarray]:
    """Names of the systems, and ratings (participants, trials, systems); NaN for trials that were not rated."""
    people, trials = answers.participants, sorted({answer.trial for answer in answers.answers})
    rated = {answer.sound for answer in answers.answers}
    names = list(dict.fromkeys(one.system for number, one in test.stimuli.items() if number in rated))
    cube = np.full((len(people), len(trials), len(names)), np.nan)
    for answer in answers.answers:
        where = people.index(answer.participant), trials.index(answer.trial)
        cube[(*where, names.index(test.stimuli[answer.sound].system))] = answer.value
    return names, cube


def resampled(cube: np.ndarray, random: np.random.Generator, draws: int = DRAWS) -> tuple[np.ndarray, np.ndarray]:
    """Means over participants and trials (systems,), and of bootstrap draws of both (draws, systems).

    Each participant and each trial counts as often as it is drawn (Owen 2007, the pigeonhole bootstrap).
    """
    people, trials, _ = cube.shape
    drawn_people = random.multinomial(people, np.full(people, 1 / people), draws).astype(float)
    drawn_trials = random.multinomial(trials, np.full(trials, 1 / trials), draws).astype(float)
    rated = np.isfinite(cube)
    values = np.where(rated, cube, 0.0)
    sums, counts = (
        np.einsum("dps,dp->ds", np.einsum("pts,dt->dps", part, drawn_trials), drawn_people)
        for part in (values, rated.astype(float))
    )
    means = values.sum((0, 1)) / rated.sum((0, 1))
    return means, np.where(counts > 0, sums / np.maximum(counts, 1.0), means)


def mixed_model(test: ListeningTest, answers: Answers) -> dict[str, Effect]:
    """Differences of the systems from the first one that is neither reference nor anchor, by a linear mixed model.

    The model is rating = system + participant + note + error, with participants and notes as crossed random effects
    (restricted maximum likelihood, statsmodels).

    Raises:
        ConfigError: if statsmodels is not installed.
        LibraryError: if there are fewer than two participants, notes or systems, or all ratings are one.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    except ImportError as error:
        raise ConfigError(needs("The mixed model", "statsmodels")) from error

    names, cube = ratings_cube(test, answers)
    base = next((name for name in names if name not in (REFERENCE, ANCHOR)), names[0])
    others = [name for name in names if name != base]
    people, trials, systems = np.nonzero(np.isfinite(cube))
    if min(cube.shape) < 2:
        raise LibraryError(f"A mixed model must have 2 participants, notes and systems or more, got {cube.shape}.")
    fixed = np.column_stack([np.ones(len(people)), *(systems == names.index(name) for name in others)]).astype(float)
    random = VCSpec(
        ["participant", "note"], [[_numbered(cube.shape[0])], [_numbered(cube.shape[1])]],
        [[_one_hot(people, cube.shape[0])], [_one_hot(trials, cube.shape[1])]],
    )  # fmt: skip
    values = cube[people, trials, systems]
    if not np.ptp(values):
        raise LibraryError(f"A mixed model must have ratings that differ, got {values[0]:g} everywhere.")
    fitted = _fit(MixedLM(values, fixed, np.ones(len(values)), exog_vc=random))
    return {
        name: Effect(float(fitted.params[at]), float(fitted.bse[at]), float(fitted.pvalues[at]))
        for at, name in enumerate(others, start=1)
    }


def _fit(model: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of 0 is an answer, too
        return model.fit(reml=True)


def _numbered(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def _one_hot(numbers: np.ndarray, count: int) -> np.ndarray:
    return np.asarray(np.eye(count)[numbers])


def _interval(value: float, draws: np.ndarray) -> Interval:
    return Interval(float(value), *map(float, np.quantile(draws, [0.025, 0.975])))


def agreement(columns: Sequence[np.ndarray]) -> float:
    """Mean Spearman correlation of each row of judgements with the mean of the others; NaN for fewer than two."""
    from scipy.stats import spearmanr

    rows = np.array(columns)
    if len(rows) < 2:
        return float("nan")
    found = []
    for at, own in enumerate(rows):
        rest = np.delete(rows, at, 0)
        counts = np.isfinite(rest).sum(0)
        others = np.where(counts > 0, np.nansum(rest, 0) / np.maximum(counts, 1), np.nan)
        both = np.isfinite(own) & np.isfinite(others)
        if both.sum() > 2 and np.ptp(own[both]) > 0 and np.ptp(others[both]) > 0:
            found.append(float(spearmanr(own[both], others[both]).statistic))
    return float(np.mean(found)) if found else float("nan")
