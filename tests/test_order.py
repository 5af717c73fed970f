"""The order of training notes: balanced, complete, with one instrument from two sources side by side."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.config import Config
from timbre.data import Library
from timbre.data.features.table import features
from timbre.training.order import LIKE, MOST, NEAR, Order, Recordings, partners, shares
from timbre.training.regularization import note_labels
from timbre.training.vae import VAETask

GROUPS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def of(sizes: list[int], instruments: int = 3) -> Recordings:
    """Recordings of groups of these sizes: instrument k % instruments from source k."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    random = np.random.default_rng(0)
    pitch = random.uniform(50, 70, len(group))
    velocity = random.uniform(0, 1, len(group))
    pitch[::7], velocity[::5] = np.nan, np.nan
    return Recordings(group % instruments, group, pitch, velocity)


@given(sizes=GROUPS, balance=st.floats(0, 1))
def test_shares_are_tempered_bounded_and_complete(sizes: list[int], balance: float) -> None:
    group = np.repeat(np.arange(len(sizes)), sizes)
    share = shares(group, balance)
    assert share.sum() == pytest.approx(len(group), rel=1e-6)
    assert ((share >= 1 / MOST - 1e-9) & (share <= MOST + 1e-9)).all()
    inside = (share > 1 / MOST + 1e-6) & (share < MOST - 1e-6)
    factor = share * np.array(sizes)[group] ** balance
    np.testing.assert_allclose(factor[inside], factor[inside][:1].repeat(inside.sum()), rtol=1e-6)


@settings(max_examples=30)
@given(sizes=GROUPS, balance=st.floats(0, 1), first=st.integers(0, 1000))
def test_every_row_comes_within_four_epochs_and_as_often_as_its_share(
    sizes: list[int], balance: float, first: int
) -> None:
    recordings = of(sizes)
    rows = np.arange(len(recordings.source)) * 3
    order = Order(rows, recordings, 0, balance)
    epochs = [order.epoch(first + k) for k in range(8)]
    counts = np.bincount(np.concatenate(epochs) // 3, minlength=len(rows))
    assert (counts > 0).all()
    assert np.abs(counts - 8 * order.share).max() < 1.0 + 1e-6
    for epoch in epochs:
        assert abs(len(epoch) - len(rows)) <= len(sizes)  # each group has its part of each epoch
        drawn = np.bincount(recordings.source[epoch // 3], minlength=len(sizes))
        assert np.abs(drawn - np.bincount(recordings.source, order.share)).max() < 1.0 + 1e-6


def test_without_balance_an_epoch_has_every_row_once() -> None:
    rows = np.array([4, 9, 7, 30, 2])
    order = Order(rows, of([3, 2]), 1, 0.0)
    assert all(sorted(order.epoch(k)) == sorted(rows) for k in range(50))
    assert {tuple(order.epoch(k)) for k in range(50)} != {tuple(rows)}


def test_a_small_source_is_not_drowned() -> None:
    recordings = of([700, 16], 2)
    share = {b: Order(np.arange(716), recordings, 0, b).share for b in (0.0, 0.5, 1.0)}
    assert [round(float(x[-16:].sum() / x.sum()), 3) for x in share.values()] == [
        0.022,
        0.089,
        0.089,
    ]  # 4 times at most


@pytest.mark.parametrize("balance", [0.0, 0.5])
def test_the_order_depends_on_seed_and_epoch_alone(balance: float) -> None:
    recordings = of([20, 30, 10])
    rows = np.arange(60)
    first = Order(rows, recordings, 5, balance)
    first.epoch(0)
    np.testing.assert_array_equal(first.epoch(7), Order(rows, recordings, 5, balance).epoch(7))
    assert list(first.epoch(7)) != list(first.epoch(8))
    assert list(first.epoch(7)) != list(Order(rows, recordings, 6, balance).epoch(7))


def test_a_training_draws_by_instrument_and_source(some_notes: Library, tiny_config: Config) -> None:
    few = set(range(0, len(some_notes), 7))
    library = Library([replace(n, source="few" if k in few else "many") for k, n in enumerate(some_notes)], "/")
    config = replace(tiny_config, data=replace(tiny_config.data, balance=1.0))
    table, labels = features(library, config), note_labels(library, library.parts(config.data))
    task = VAETask(table, [""] * len(library), config, None, "", labels=labels)
    rows = np.concatenate([batch.rows for epoch in range(8) for batch in task.batches(epoch, 0)])
    drawn = np.bincount(rows, minlength=len(table.note)) / 8.0
    group = labels.instrument * 2 + labels.source
    trained = table.rows("train", copies=True)
    np.testing.assert_allclose(drawn[trained], shares(group[table.note[trained]], 1.0), atol=0.13)
    assert drawn[trained].std() > 0.1


@given(sizes=GROUPS, instruments=st.integers(1, 3), seed=st.integers(0, 99))
def test_partners_are_alike_and_from_another_source(sizes: list[int], instruments: int, seed: int) -> None:
    recordings = of(sizes, instruments)
    found = partners(recordings, np.random.default_rng(seed))
    one = np.flatnonzero(found >= 0)
    other = found[one]
    np.testing.assert_array_equal(found[other], one)
    a, b = recordings.at(one), recordings.at(other)
    assert (a.instrument == b.instrument).all()
    assert (a.source != b.source).all()
    np.testing.assert_array_equal(np.isnan(a.pitch), np.isnan(b.pitch))
    assert not (np.abs(a.pitch - b.pitch) > NEAR).any()
    assert not (np.abs(a.velocity - b.velocity) > LIKE).any()


@given(counts=st.lists(st.integers(0, 20), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_all_are_paired_that_can_be(counts: list[int], seed: int) -> None:
    source = np.repeat(np.arange(len(counts)), counts)
    same = Recordings(np.zeros_like(source), source, np.full(len(source), np.nan), np.full(len(source), 0.5))
    if len(source):
        found = partners(same._replace(velocity=np.zeros(len(source))), np.random.default_rng(seed))
        possible = min(len(source) // 2, len(source) - max(counts))
        assert (found >= 0).sum() == 2 * possible


def test_unknown_instruments_and_sources_have_no_partner() -> None:
    recordings = of([20, 20], 1)
    for hidden in ("instrument", "source"):
        unknown = recordings._replace(**{hidden: np.full(40, -1)})
        assert (partners(unknown, np.random.default_rng(0)) == -1).all()


def test_pairs_come_in_one_batch() -> None:
    recordings = of([60, 60], 1)._replace(pitch=np.full(120, np.nan), velocity=np.full(120, np.nan))
    order = Order(np.arange(120), recordings, 0, 0.0)
    rows = order.epoch(3)
    source = recordings.source[rows]
    met = source[:-1] != source[1:]
    assert met[::2].mean() > 0.7  # nearly all are in pairs, which follow each other
    lone = of([120], 1)
    assert sorted(Order(np.arange(120), lone, 0, 0.0).epoch(3)) == list(range(120))
