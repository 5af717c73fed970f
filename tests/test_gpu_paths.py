"""What a GPU does, as far as it shows without one: nothing in a step waits for it or fetches from the CPU."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import timbre
from timbre.config import Config
from timbre.data import Library
from timbre.data.features import table as features_module
from timbre.data.features.augmentation import Augmentation
from timbre.data.features.example import Example, Prepared
from timbre.data.features.table import Features, features
from timbre.models.vae import VAE
from timbre.training import batches as batches_module
from timbre.training.average import Average
from timbre.training.batches import Batches

CPU, META = torch.device("cpu"), torch.device("meta")


class Watch(TorchDispatchMode):
    """Notes every operation that brings values from the CPU to the meta device, which stands in for a GPU.

    What would ask a GPU for a value, and so wait for it, cannot be answered by the meta device, and raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given, made = ([x for x in tree_leaves(tree) if isinstance(x, Tensor)] for tree in ((args, kwargs), out))
        if any(x.device == META for x in [*given, *made]):
            self.fetched += [f"{func} {tuple(x.shape)}" for x in given if x.device != META and x.ndim > 0]
        return out


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # there is none on meta
    with Watch() as found:
        yield found


@pytest.fixture(scope="module")
def table(some_notes: Library, tiny_config: Config) -> Features:
    return features(some_notes, tiny_config)


# --- a step ---


def test_the_watch_sees_what_is_fetched_and_what_waits(watch: Watch) -> None:
    here, there = torch.ones(3), torch.ones(3, device=META)
    _ = there + there.sum() + 1.0
    assert watch.fetched == []
    here.to(META)
    assert len(watch.fetched) == 1
    with contextlib.suppress(RuntimeError):
        _ = there[here.long()]
    assert len(watch.fetched) == 2
    for wait in (lambda: float(there[0]), lambda: bool(there.isnan().any()), lambda: there.cpu(), there.nonzero):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait()


@pytest.mark.parametrize("flows", [0, 2])
def test_a_step_takes_nothing_from_the_cpu_and_waits_for_nothing(
    table: Features, tiny_config: Config, watch: Watch, flows: int
) -> None:
    config = replace(tiny_config, model=replace(tiny_config.model, flows=flows))
    net = VAE(config).to(META)
    average, optimizer = Average(net, 0.9), torch.optim.AdamW(net.parameters(), foreach=True)
    batches = Batches(table, table.rows("train"), 8, 0, META, resident=True)
    found = next(epoch := batches.epoch(0))
    watch.fetched.clear()
    for step in range(2):
        known, mapped = found.conditions.hide(0.1), torch.zeros(len(found.rows), config.model.dim, device=META)
        net.loss(found.spectrogram, known, 1.0, 0.5, 6, found.seen, mapped).objective.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        average.update(net, step + 1)
        assert watch.fetched == []
        found = next(epoch)
        assert len(watch.fetched) == 1  # which rows of the resident ones
        watch.fetched.clear()


# --- notes that stay on the device ---


def test_resident_rows_are_the_same_batches_to_the_bit(table: Features) -> None:
    rows = table.rows("train", copies=True)
    mapped, resident = (Batches(table, rows, 7, 0, CPU, resident=kept) for kept in (False, True))
    both = ([*each.epoch(1, start=2), *each.in_order()] for each in (mapped, resident))
    for pair in zip(*both, strict=True):
        np.testing.assert_array_equal(*(found.rows for found in pair))
        parts = (tree_leaves([found.spectrogram, found.seen, vars(found.conditions)]) for found in pair)
        for a, b in zip(*parts, strict=True):
            assert a.dtype == b.dtype == torch.float32
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def test_rows_stay_on_a_gpu_only_where_they_take_half_of_what_is_free(
    table: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table.rows()
    size = len(rows) * table.spectrograms[rows[:1]].nbytes
    for free, fits in ((2 * size, True), (2 * size - 2, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10 * size))
        assert Batches(table, rows, 8, 0, torch.device("cuda")).is_resident is fits
        assert not Batches(table, rows, 8, 0, CPU).is_resident


def test_a_training_is_the_same_with_resident_rows(
    some_notes: Library, tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaces, made = [], []
    keep = batches_module.Resident.__init__

    def counted(self: Any, *args: Any) -> None:
        made.append(args)
        keep(self, *args)

    monkeypatch.setattr(batches_module.Resident, "__init__", counted)
    for resident in (False, True):
        monkeypatch.setattr(Batches, "is_resident", resident)
        spaces.append(timbre.train(some_notes, tiny_config, progress=False))
        assert bool(made) is resident
    for name, value in spaces[0].model.state_dict().items():
        torch.testing.assert_close(spaces[1].model.state_dict()[name], value, rtol=0, atol=0)
    assert spaces[0].report["test_l1_db"] == spaces[1].report["test_l1_db"]


@pytest.mark.parametrize("resident", [False, True])
def test_notes_are_cut_short_for_encoder_and_decoder_alike(
    table: Features, tiny_config: Config, resident: bool
) -> None:
    config = replace(tiny_config, data=replace(tiny_config.data, shorten=1.0, augment=0.0))
    spectrogram, rows = config.spectrogram, table.rows("train")
    batches = Batches(table, rows, 8, 0, CPU, augmentation=Augmentation(config), resident=resident)
    time = torch.arange(config.note_frames) / spectrogram.frame_rate
    for found in batches.epoch(2):
        release, before = found.conditions.release, torch.from_numpy(table.release[found.rows])
        assert (release <= before).all()
        damped = (time > release[:, None] + 0.04) & (release < before)[:, None]
        assert damped.any()
        kept = torch.from_numpy(table.spectrograms[found.rows]).float()
        wanted = torch.where(damped[:, None], spectrogram.floor_db, kept)
        untouched = damped | (time < release[:, None])
        torch.testing.assert_close(found.spectrogram.mT[untouched], wanted.mT[untouched], rtol=0, atol=0)
        assert found.seen is found.spectrogram


# --- spectrograms of many notes at once ---


def test_a_gpu_s_features_are_made_in_batches_and_kept_apart(
    some_notes: Library, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(tiny_config, data=replace(tiny_config.data, transpose=2))
    timbre.write(tmp_path / "silent.wav", timbre.Audio(np.zeros(8000, np.float32), 8000))
    silent = replace(some_notes[0], file=tmp_path / "silent.wav", name="silent")
    library = Library([*some_notes[:5], silent, *some_notes[5:20]], some_notes.root)
    alone = features(library, config)
    sizes, transform = [], features_module.examples

    def counted(notes: list[Prepared], *args: Any) -> list[Example]:
        sizes.append(len(notes))
        return transform(notes, *args)

    monkeypatch.setattr(features_module, "examples", counted)
    monkeypatch.setattr(features_module, "_device", lambda _: (CPU, "a GPU"))
    together = features(library, config)
    assert max(sizes) > 3
    assert sum(sizes) == len(alone.note)
    rows = np.arange(len(alone.note))
    np.testing.assert_allclose(together.spectrograms[rows], alone.spectrograms[rows], atol=0.07)
    for name in ("pitch", "velocity", "release", "note", "original"):
        np.testing.assert_allclose(getattr(together, name), getattr(alone, name), rtol=1e-6)
    assert together.dropped == alone.dropped != {}

    first, second = (shard.file for shard in together.spectrograms.shards[:2])
    assert first.parent != alone.spectrograms.shards[0].file.parent
    sums = [shard.sha256 for shard in together.spectrograms.shards]
    second.unlink()
    assert [shard.sha256 for shard in features(library, config).spectrograms.shards] == sums


def test_the_gpu_is_used_where_training_uses_it(tiny_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA one")
    for there, device, wanted in (
        (True, "auto", ("cuda", "NVIDIA one")), (True, "cuda", ("cuda", "NVIDIA one")), (True, "cpu", ("cpu", "")),
        (False, "auto", ("cpu", "")), (False, "cuda", ("cpu", "")),
    ):  # fmt: skip
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        config = replace(tiny_config, training=replace(tiny_config.training, device=device))
        place, name = features_module._device(config)
        assert (place.type, name) == wanted
