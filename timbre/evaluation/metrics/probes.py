"""Probes: how well a small model predicts a property of notes from their points (Alain and Bengio 2017)."""

import warnings
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

from timbre.errors import ConfigError
from timbre.evaluation.metrics.arrays import finite_points, names, same_length

Kind = Literal["linear", "mlp"]

LEAST_TRAINING, LEAST_TEST = 20, 2  # notes; with fewer, nothing can be held back, or there is no variance
HIDDEN = (64, 64)
SEEDS = 3  # networks that a figure is averaged over


def probe_r2(
    train_x: ArrayLike, train_y: ArrayLike, test_x: ArrayLike, test_y: ArrayLike, kind: Kind = "linear", seed: int = 0
) -> float:
    """Share of a property's variance over held-out notes that a probe predicts from their points, R^2, 1 or less.

    R^2 = 1 - sum (y - prediction)^2 / sum (y - m)^2 over the test notes, where m is the mean over the *training*
    notes: the best prediction without the points. 0 means that the points do not help, below 0 that the probe learned
    from the training notes what does not hold for others; it is not clipped. (With the mean of the test notes, which
    cannot be known in advance, the figure is a little lower; for residual pitch both are near 0.)

    "linear" is ridge regression, its penalty chosen from 1e-3 to 1e5 by leave-one-out on the training notes; "mlp" has
    two hidden layers of 64 and stops when it no longer improves on a tenth of the training notes, held back; its R^2 is
    the mean over 3 networks. Points and property are standardised by the training notes.

    Args:
        train_x, train_y: points (n, dim) and property (n,), any unit; notes where it is NaN are left out.
        test_x, test_y: those of held-out notes, (m, dim) and (m,).
        kind: of probe.
        seed: of the first network; linear probes use none.

    Returns:
        R^2; NaN for fewer than 20 training or 2 test notes with a value, or where either set has only one value.

    Raises:
        ConfigError: an unknown kind, lengths or dimensions that differ, points that are not finite, infinite values.
    """
    (x, y), (unseen, target) = _with_value(train_x, train_y), _with_value(test_x, test_y)
    x, unseen = _standardised(x, unseen)
    if len(y) < LEAST_TRAINING or len(target) < LEAST_TEST or np.ptp(y) == 0 or np.ptp(target) == 0:
        return np.nan
    mean, std = y.mean(), y.std()
    target, y = (target - mean) / std, (y - mean) / std
    linear = RidgeCV(np.logspace(-3, 5, 33))
    stopping: dict[str, Any] = {"max_iter": 500, "early_stopping": True, "n_iter_no_change": 20}
    models = _models(kind, seed, linear, MLPRegressor, batch_size=min(64, len(y) // 2), **stopping)
    predictions = _predictions(models, x, y, unseen)
    return float(np.mean([1.0 - np.square(target - p).sum() / np.square(target).sum() for p in predictions]))


def probe_accuracy(
    train_x: ArrayLike,
    train_labels: ArrayLike,
    test_x: ArrayLike,
    test_labels: ArrayLike,
    kind: Kind = "linear",
    seed: int = 0,
) -> float:
    """Share of held-out notes whose label a probe predicts from their points, 0..1.

    "linear" is multinomial logistic regression with an L2 penalty (C = 10), "mlp" a network with two hidden layers of
    64 and weight decay, the mean over 3 networks. Points are standardised by the training notes. Compare with the share
    of the most common label.

    Args:
        train_x, train_labels: points (n, dim), and names or numbers (n,).
        test_x, test_labels: those of held-out notes; a label that no training note has counts as wrong.
        kind: of probe.
        seed: of the first network.

    Returns:
        The share; NaN without training or test notes.

    Raises:
        ConfigError: an unknown kind, lengths or dimensions that differ, points that are not finite.
    """
    x, unseen = _standardised(finite_points(train_x), finite_points(test_x))
    labels, target = names(train_labels, x), names(test_labels, unseen)
    if not len(labels) or not len(target):
        return np.nan
    if len(np.unique(labels)) == 1:
        return float(np.mean(target == labels[0]))
    # Early stopping would need two notes of every label.
    models = _models(kind, seed, LogisticRegression(C=10.0, max_iter=1000), MLPClassifier, alpha=0.1, max_iter=60)
    return float(np.mean([predicted == target for predicted in _predictions(models, x, labels, unseen)]))


def _models(kind: Kind, seed: int, linear: Any, network: Any, **options: Any) -> list[Any]:
    """The linear model, or networks with these options."""
    if kind not in get_args(Kind):
        raise ConfigError(f"The kind of a probe must be linear or mlp, got {kind!r}.")
    seeds = range(seed, seed + SEEDS)
    networks = [
        network(hidden_layer_sizes=HIDDEN, learning_rate_init=5e-3, random_state=number, **options) for number in seeds
    ]
    return [linear] if kind == "linear" else networks


def _predictions(models: list[Any], x: np.ndarray, y: np.ndarray, unseen: np.ndarray) -> list[np.ndarray]:
    """Predictions of each model after training, also of those that still improve at their last iteration."""
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return [model.fit(x, y).predict(unseen) for model in models]


def _with_value(points: ArrayLike, values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Points and values of the notes that have a value."""
    x, y = finite_points(points), np.asarray(values, dtype=float)
    same_length(x, y)
    if np.isinf(y).any():
        raise ConfigError("The property to predict must be finite or NaN (unknown), got infinite values.")
    has = ~np.isnan(y)
    return x[has], y[has]


def _standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both standardised by the mean and standard deviation of the training points; constant dimensions become 0."""
    if train.shape[1] != test.shape[1]:
        raise ConfigError(f"All points must be of one space, got {train.shape[1]} and {test.shape[1]} dimensions.")
    if not len(train):
        return train, test
    mean, std = train.mean(0), train.std(0)
    scale = np.where(std > 1e-12 * (1.0 + np.abs(mean)), std, np.inf)
    return (train - mean) / scale, (test - mean) / scale
