"""Probes: how well a small model reads a property of the notes from their points (Alain and Bengio 2017)."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from timbre.errors import ConfigError
from timbre.evaluation.metrics._groups import finite_points, names, same_length

Kind = Literal["linear", "mlp"]

LEAST_TRAINING, LEAST_TEST = 20, 2  # notes; with fewer there is nothing to hold back, or no spread to explain
HIDDEN = (64, 64)
SEEDS = 3  # networks over which a figure is averaged


def probe_r2(
    train_x: ArrayLike,
    train_y: ArrayLike,
    test_x: ArrayLike,
    test_y: ArrayLike,
    kind: Kind = "linear",
    seed: int = 0,
) -> float:
    """How much of a property's spread over held-out notes a probe predicts from their points, R^2, 1 or less.

    R^2 = 1 - sum (y - prediction)^2 / sum (y - m)^2 over the test notes, where m is the mean over the *training*
    notes: what one would say without looking at the points. 0 means that the points help nothing, below 0 that the
    probe found in the training notes what does not hold for others; it is not clipped. (With the test notes' own mean,
    which nobody could have predicted from, the figure is a little lower; for residual pitch both are near 0.)

    "linear" is ridge regression, its penalty chosen from 1e-3 to 1e5 by leave-one-out on the training notes; "mlp" has
    two hidden layers of 64 and stops when a tenth of the training notes, kept aside, gets no better; its R^2 is the
    mean over 3 networks. Points and property are standardised by the training notes. Probes after Alain and Bengio
    (2017).

    Args:
        train_x: points (n, dim).
        train_y: property (n,), any unit; notes where it is NaN are left out.
        test_x: points of held-out notes (m, dim).
        test_y: their property (m,), likewise.
        kind: of probe.
        seed: of the first network; linear probes have none.

    Returns:
        R^2; NaN for fewer than 20 training or 2 test notes with a value, or where either set has only one value.

    Raises:
        ConfigError: another kind, lengths or dimensions that differ, points that are not finite, infinite values.
    """
    _check_kind(kind)
    (x, y), (unseen, wanted) = _with_value(train_x, train_y), _with_value(test_x, test_y)
    x, unseen = _standardised(x, unseen)
    if len(y) < LEAST_TRAINING or len(wanted) < LEAST_TEST or np.ptp(y) == 0 or np.ptp(wanted) == 0:
        return np.nan
    mean, spread = y.mean(), y.std()
    wanted, y = (wanted - mean) / spread, (y - mean) / spread
    with _unconverged():
        predictions = [model.fit(x, y).predict(unseen) for model in _regressors(kind, seed, len(y))]
    return float(np.mean([1.0 - np.square(wanted - p).sum() / np.square(wanted).sum() for p in predictions]))


def probe_accuracy(
    train_x: ArrayLike,
    train_labels: ArrayLike,
    test_x: ArrayLike,
    test_labels: ArrayLike,
    kind: Kind = "linear",
    seed: int = 0,
) -> float:
    """Share of held-out notes whose label a probe reads from their points, 0..1.

    "linear" is multinomial logistic regression with an L2 penalty (C = 10), "mlp" a network with two hidden layers of
    64 and weight decay, the mean over 3 networks. Points are standardised by the training notes. Compare with the share
    of the commonest label. Probes after Alain and Bengio (2017).

    Args:
        train_x: points (n, dim).
        train_labels: names or numbers (n,).
        test_x: points of held-out notes (m, dim).
        test_labels: (m,); a label that no training note has can only be missed.
        kind: of probe.
        seed: of the first network.

    Returns:
        The share; NaN without training or test notes.

    Raises:
        ConfigError: another kind, lengths or dimensions that differ, points that are not finite.
    """
    _check_kind(kind)
    x, unseen = _standardised(finite_points(train_x), finite_points(test_x))
    labels, wanted = names(train_labels, x), names(test_labels, unseen)
    if not len(labels) or not len(wanted):
        return np.nan
    if len(np.unique(labels)) == 1:
        return float(np.mean(wanted == labels[0]))
    with _unconverged():
        return float(
            np.mean([np.mean(model.fit(x, labels).predict(unseen) == wanted) for model in _sorters(kind, seed)])
        )


def _regressors(kind: Kind, seed: int, notes: int) -> Iterator[Any]:
    from sklearn.linear_model import RidgeCV
    from sklearn.neural_network import MLPRegressor

    if kind == "linear":
        yield RidgeCV(np.logspace(-3, 5, 33))
        return
    for number in range(seed, seed + SEEDS):
        yield MLPRegressor(
            hidden_layer_sizes=HIDDEN,
            batch_size=min(64, notes // 2),
            learning_rate_init=5e-3,
            max_iter=500,
            early_stopping=True,
            n_iter_no_change=20,
            random_state=number,
        )


def _sorters(kind: Kind, seed: int) -> Iterator[Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    if kind == "linear":
        yield LogisticRegression(C=10.0, max_iter=1000)
        return
    for number in range(seed, seed + SEEDS):  # to stop early would need two notes of every label
        yield MLPClassifier(
            hidden_layer_sizes=HIDDEN, alpha=0.1, learning_rate_init=5e-3, max_iter=60, random_state=number
        )


@contextmanager
def _unconverged() -> Iterator[None]:
    """A probe that is still improving when its time is up is a fair probe; nobody has to be told."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _check_kind(kind: str) -> None:
    if kind not in ("linear", "mlp"):
        raise ConfigError(f"A probe of kind {kind!r} was asked for; linear and mlp are known.")


def _with_value(points: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Points and values of the notes that have a value."""
    places, found = finite_points(points), np.asarray(values, dtype=float)
    same_length(places, found)
    if np.isinf(found).any():
        raise ConfigError("The property to probe for has infinite values; give finite ones, or NaN where unknown.")
    has = ~np.isnan(found)
    return places[has], found[has]


def _standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both less the mean and over the standard deviation of the training points; constant dimensions become 0."""
    if train.shape[1] != test.shape[1]:
        raise ConfigError(f"Points of {train.shape[1]} and of {test.shape[1]} dimensions were given; use one space.")
    if not len(train):
        return train, test
    mean, spread = train.mean(0), train.std(0)
    scale = np.where(spread > 1e-12 * (1.0 + np.abs(mean)), spread, np.inf)
    return (train - mean) / scale, (test - mean) / scale
