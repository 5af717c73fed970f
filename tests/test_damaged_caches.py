"""What timbre wrote earlier and finds damaged: made again, or refused with a sentence."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch
from test_run import Bowl

import timbre
from timbre.cli.training.evaluate import remembered
from timbre.data import Library
from timbre.data.measurement_cache import MeasurementCache
from timbre.errors import CheckpointError, ConfigError
from timbre.files import cache_folder
from timbre.space import Space
from timbre.training.run import Run
from timbre.vocoder.notes import decoded_notes


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("damage", [
    lambda text: "", lambda text: "[", lambda text: text[:-9], lambda text: text[16:],
    lambda text: text[:16] + 10_000 * "[", lambda text: text.translate({ord("1"): "2"}),
    lambda text: text.replace(", ", ", 1", 1), lambda text: None,
])  # fmt: skip
def test_measurements_that_are_damaged_are_measured_again(cache: Path, some_notes: Library, damage: Any) -> None:
    library = timbre.scan(some_notes[0].file.parent)
    file = cache / "facts.sqlite"
    with sqlite3.connect(file) as base:
        ((key, text),) = base.execute("select note, measured from facts limit 1").fetchall()
        base.execute("update facts set measured = ? where note = ?", (damage(text), key))
    base.close()
    memory = MeasurementCache()
    assert memory.find(library) is None
    memory.close()
    assert timbre.scan(some_notes[0].file.parent).notes == library.notes


def test_a_cache_whose_definitions_are_no_text_begins_anew(cache: Path, some_notes: Library) -> None:
    library = timbre.scan(some_notes[0].file.parent)
    file = cache / "facts.sqlite"
    file.write_bytes(file.read_bytes().replace(b"measured", b"m\xebasured"))
    assert timbre.scan(some_notes[0].file.parent).notes == library.notes


def test_damaged_decoded_notes_are_decoded_again(cache: Path, tiny_space: Space, some_notes: Library) -> None:
    def decoded() -> list[bytes]:
        notes = decoded_notes(some_notes, tiny_space.model, tiny_space.config, 9, "mark")
        return [getattr(notes, name).tobytes() for name in ("audio", "magnitude", "tones", "pitch", "held_out")]

    before = decoded()
    (folder,) = (cache_folder() / "vocoder").iterdir()
    for damage in (lambda body: body[:-1] + bytes([body[-1] ^ 1]), lambda body: body[:50], lambda body: b""):
        file = folder / "magnitude.npy"
        file.write_bytes(damage(file.read_bytes()))
        assert decoded() == before
    (folder / "sums.json").write_text(10_000 * "[")
    assert decoded() == before
    (folder / "pitch.npy").unlink()
    assert decoded() == before


@pytest.mark.parametrize("field", ["identity", "fingerprint", "model", "optimizer", "average", "best", "step", "count"])
@pytest.mark.parametrize("value", [None, "x", -1, {}, {"a": 1}])
def test_a_state_with_other_fields_is_refused_with_a_sentence(tmp_path: Path, field: str, value: Any) -> None:
    Run(Bowl(folder=tmp_path)).save()
    state = torch.load(tmp_path / "state.pt", weights_only=True)  # noqa: TID251
    if value is None:
        del state[field]
    else:
        state[field] = value
    torch.save(state, tmp_path / "state.pt")
    if field == "best" and isinstance(value, dict):
        return
    with pytest.raises(CheckpointError, match=r"damaged|other settings|other notes"):
        Run(Bowl(folder=tmp_path))


def test_a_state_that_could_not_be_written_leaves_the_best_weights_to_write_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    task = Bowl([5.0, 3.0], tmp_path)
    monkeypatch.setattr(Bowl, "write_checkpoint", lambda self, kind, weights, step: written.append(kind))

    def full(*_: object) -> None:
        written.append("state")
        raise CheckpointError("the disk is full")

    monkeypatch.setattr("timbre.training.run.save_state", full)
    with pytest.raises(CheckpointError, match="full"):
        task.fit()
    assert written == ["last", "best", "state"]


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"library": 7}', 10_000 * "["])
def test_a_run_that_does_not_name_its_notes_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ConfigError, match="does not name its training notes"):
        remembered(tmp_path)
