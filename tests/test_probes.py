"""Probes: planted dependences, references, laws, refusals."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from timbre.errors import ConfigError
from timbre.evaluation.metrics.probes import probe_accuracy, probe_r2


def planted(kind: str, n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and held-out points, and a property that depends on the second dimension, with noise of a tenth."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4)) * [1, 5, 0.1, 1] + 7
    hidden = (x[:, 1] - 7) / 5
    y = {"line": hidden, "square": hidden**2, "nothing": rng.standard_normal(n)}[kind]
    y = 50 + 3 * (y + 0.1 * y.std() * rng.standard_normal(n))
    return x[: n // 2], y[: n // 2], x[n // 2 :], y[n // 2 :]


def test_both_probes_find_a_line_and_only_the_network_a_square() -> None:
    line, square = planted("line"), planted("square")
    assert probe_r2(*line) > 0.97
    assert probe_r2(*line, kind="mlp") > 0.9
    assert probe_r2(*square) < 0.1
    assert probe_r2(*square, kind="mlp") > 0.7


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_probes_find_nothing_where_nothing_is(kind: str) -> None:
    assert probe_r2(*planted("nothing"), kind=kind) < 0.03
    x, y, unseen, wanted = planted("line")
    assert probe_r2(x, np.random.default_rng(0).permutation(y), unseen, wanted, kind=kind) < 0.03
    assert probe_r2(0 * x, y, 0 * unseen, wanted, kind=kind) < 0.03


def test_r2_is_measured_against_the_mean_of_the_training_notes() -> None:
    x, y, unseen, wanted = planted("line")
    assert probe_r2(x, y, unseen, wanted) == pytest.approx(
        1 - (1 - r2_score(wanted, _ridge(x, y, unseen))) * wanted.var() / np.square(wanted - y.mean()).mean()
    )
    assert probe_r2(0 * x, y, 0 * unseen, wanted + 100) == pytest.approx(0.0, abs=1e-9)


def _ridge(x: np.ndarray, y: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """The same probe, its penalty found by leaving each note out in turn."""
    scaled, other = (np.c_[(v - x.mean(0)) / x.std(0)] for v in (x, unseen))
    target, best = (y - y.mean()) / y.std(), (np.inf, np.zeros(0))
    for penalty in np.logspace(-3, 5, 33):
        solve = np.linalg.solve(scaled.T @ scaled + penalty * np.eye(4), scaled.T)
        hat = scaled @ solve + 1 / len(y)  # points are centred, so the constant is a column of its own
        error = np.square((target - hat @ target) / (1 - np.diag(hat))).mean()
        best = min(best, (error, other @ solve @ target), key=lambda found: found[0])
    return best[1] * y.std() + y.mean()


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_units_and_unknown_values_change_nothing(kind: str) -> None:
    x, y, unseen, wanted = planted("line", 120)
    found = probe_r2(x, y, unseen, wanted, kind=kind)
    assert probe_r2(x, y, unseen, wanted, kind=kind) == found
    assert probe_r2(8 * x, 4 * y, 8 * unseen, 4 * wanted, kind=kind) == pytest.approx(found, abs=1e-6)
    more = np.r_[x, x[:5] + 1], np.r_[y, np.full(5, np.nan)], np.r_[unseen, x[:3]], np.r_[wanted, np.full(3, np.nan)]
    assert probe_r2(*more, kind=kind) == pytest.approx(found, abs=1e-9)


def test_too_little_to_probe_is_nan() -> None:
    x, y, unseen, wanted = planted("line")
    for kind in ("linear", "mlp"):
        assert np.isnan(probe_r2(x[:19], y[:19], unseen, wanted, kind=kind))
        assert np.isfinite(probe_r2(x[:20], y[:20], unseen, wanted, kind=kind))
        assert np.isnan(probe_r2(x, y, unseen[:1], wanted[:1], kind=kind))
        assert np.isnan(probe_r2(x, 0 * y, unseen, wanted, kind=kind))
        assert np.isnan(probe_r2(x, np.nan * y, unseen, wanted, kind=kind))
        assert np.isnan(probe_accuracy(x[:0], [], unseen, wanted > 50, kind=kind))
        assert np.isnan(probe_accuracy(x, y > 50, unseen[:0], [], kind=kind))


def test_only_the_network_names_a_ring() -> None:
    x, y, unseen, wanted = planted("square", 600)
    ring, ring_unseen = (np.where(v > np.median(y), "outer", "inner") for v in (y, wanted))
    assert probe_accuracy(x, ring, unseen, ring_unseen) < 0.65
    assert probe_accuracy(x, ring, unseen, ring_unseen, kind="mlp") > 0.85
    x, y, unseen, wanted = planted("line", 300)
    assert probe_accuracy(x, y > 50, unseen, wanted > 50) > 0.9


def test_labels_that_training_lacks_are_missed() -> None:
    x, _, unseen, _ = planted("line", 40)
    for kind in ("linear", "mlp"):
        assert probe_accuracy(x, ["oboe"] * 20, unseen, ["oboe"] * 5 + ["flute"] * 15, kind=kind) == 0.25
        several = ["oboe", "tuba"] * 10
        assert probe_accuracy(x, several, unseen, ["flute"] * 20, kind=kind) == 0.0
        assert probe_accuracy(x, ["gong", *several[1:]], x, several, kind=kind) <= 0.95


def test_what_cannot_be_probed_is_refused() -> None:
    points, y, _, _ = planted("line", 60)
    labels, broken = np.where(y > 50, "high", "low"), np.where(points == points[3, 1], np.nan, points)
    for call, words in (
        (lambda: probe_r2(points, y, points, y, kind="deep"), "'deep'"),  # type: ignore[arg-type]
        (lambda: probe_r2(points, y[1:], points, y), r"30 notes must have one value each, got values of shape \(29,\)"),
        (lambda: probe_r2(points, y, points[:, :2], y), "4 and 2 dimensions"),
        (lambda: probe_r2(points, y, broken, y), "NaN or infinite"),
        (lambda: probe_r2(points, y * np.inf, points, y), "infinite values"),
        (lambda: probe_accuracy(points, labels, points, labels, kind="deep"), "'deep'"),  # type: ignore[arg-type]
        (lambda: probe_accuracy(points, labels[1:], points, labels), r"shape \(29,\)"),
        (lambda: probe_accuracy(points, labels, broken, labels), "NaN or infinite"),
    ):
        with pytest.raises(ConfigError, match=words):
            call()
