"""Cached features: shards that are whole or made again, the same bytes whoever makes them, shares for several ranks."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import timbre
from timbre.config import Config, DataConfig
from timbre.data import Library, Note
from timbre.data.features import example as example_module
from timbre.data.features import table as features_module
from timbre.data.features.example import example
from timbre.data.features.shards import Rows, find_shard, write_shard
from timbre.data.features.table import Features, features
from timbre.data.parts import Excerpt
from timbre.errors import LibraryError
from timbre.files import temporary
from timbre.spectral import Spectrogram

ORCHESTRA = Path(__file__).parents[1] / "datasets" / "orchestra"
QUICK = Config(data=DataConfig(duration=0.25))


def some_files(folder: Path, count: int) -> Library:
    """The first files of a folder, without labels."""
    return Library([Note(file, "some") for file in sorted(folder.glob("**/*.ogg"))[:count]], folder)


def make(folder: str, count: str) -> None:
    """What the subprocesses of this file do; in one thread, so that they are not done before they are killed."""
    features_module._threads = lambda: 1
    features(some_files(Path(folder), int(count)), QUICK)


def made_elsewhere(folder: Path, count: int) -> "subprocess.Popen[bytes]":
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_features; "
    return subprocess.Popen([sys.executable, "-c", f"{code}test_features.make({str(folder)!r}, {str(count)!r})"])


def checksums(table: Features) -> list[str]:
    return [shard.sha256 for shard in table.spectrograms.shards]


def damaged(table: Features) -> list[Path]:
    return [shard.file for shard in table.spectrograms.shards if not shard.intact()]


def identities(files: list[Path]) -> dict[str, tuple[int, int]]:
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within a minute")


# --- killed, resumed, raced ---


def test_after_kill_9_finished_shards_are_kept_and_two_processes_may_make_the_others(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = some_files(ORCHESTRA, 60)
    process = made_elsewhere(ORCHESTRA, 60)
    until(lambda: len(list(cache.glob("features/*/*.json"))) >= 2)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (folder,) = cache.glob("features/*")
    left_by_a_dead_process(folder).write_bytes(b"half a shard")
    finished = [file.with_suffix(".rows") for file in folder.glob("*.json")]
    before = identities(finished)
    assert 2 <= len(finished) < 12  # of 15

    process = made_elsewhere(ORCHESTRA, 60)
    until(lambda: len(list(folder.glob("*.json"))) > len(finished))
    table = features(library, QUICK)
    assert process.wait() == 0
    assert checksums(features(library, QUICK)) == checksums(table)
    assert identities(finished) == before
    assert damaged(table) == []
    assert list(folder.glob(".*.part")) == []
    monkeypatch.setenv("TIMBRE_CACHE", str(cache.parent / "undisturbed"))
    monkeypatch.setattr(features_module, "_threads", lambda: 3)
    assert checksums(features(library, QUICK)) == checksums(table)


def test_what_a_killed_process_left_is_swept_away_but_not_what_another_is_writing(cache: Path) -> None:
    library = some_files(ORCHESTRA, 8)
    folder = features(library, QUICK).spectrograms.shards[0].file.parent
    dead, living = left_by_a_dead_process(folder), temporary(folder)
    of_others = [folder / ".00000.part", folder / ".00001.rows.tmp"]  # of another machine, and of version 0.1
    for file in (dead, living, *of_others):
        file.write_bytes(b"half")
    os.utime(of_others[0], (0, 0))
    assert features(library, QUICK).spectrograms.shards  # complete already
    assert sorted(folder.glob(".*.*")) == sorted([living, of_others[1]])
    os.utime(of_others[1], (0, 0))
    assert features(library, QUICK).spectrograms.shards
    assert list(folder.glob(".*.*")) == [living]


def left_by_a_dead_process(folder: Path) -> Path:
    process = subprocess.Popen([sys.executable, "-c", ""])
    assert process.wait() == 0
    return Path(str(temporary(folder)).replace(f"-{os.getpid()}-", f"-{process.pid}-"))


@pytest.mark.parametrize("damage", ["flip", "truncate", "note", "no note", "delete"])
def test_a_damaged_shard_is_made_again_and_the_others_are_left(cache: Path, damage: str) -> None:
    library = some_files(ORCHESTRA, 10)
    table = features(library, QUICK)
    rows, sums = table.spectrograms[np.arange(len(table.note))], checksums(table)
    files = [shard.file for shard in table.spectrograms.shards]
    before = identities(files)
    victim, body = files[1], files[1].read_bytes()
    if damage == "flip":
        victim.write_bytes(body[:5000] + bytes([body[5000] ^ 1]) + body[5001:])
    elif damage == "truncate":
        victim.write_bytes(body[:-1])
    elif damage == "note":
        victim.with_suffix(".json").write_text('{"rows": 1')
    else:
        (victim.with_suffix(".json") if damage == "no note" else victim).unlink()
    again = features(library, QUICK)
    np.testing.assert_array_equal(again.spectrograms[np.arange(len(again.note))], rows)
    assert checksums(again) == sums
    after = identities(files)
    assert [name for name in before if before[name] != after[name]] == [victim.name]


def test_damage_that_leaves_the_time_of_change_is_found_by_a_check_and_by_resuming(cache: Path) -> None:
    library = some_files(ORCHESTRA, 10)
    table = features(library, QUICK)
    sums, (first, second) = checksums(table), (shard.file for shard in table.spectrograms.shards[:2])
    status, body = second.stat(), second.read_bytes()
    second.write_bytes(body[:99] + bytes([body[99] ^ 128]) + body[100:])
    os.utime(second, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert damaged(features(library, QUICK)) == [second]
    first.unlink()  # so that there is something to resume
    again = features(library, QUICK)
    assert checksums(again) == sums
    assert damaged(again) == []


def test_a_shard_that_was_touched_is_read_through_once_and_kept(cache: Path) -> None:
    library = some_files(ORCHESTRA, 8)
    file = features(library, QUICK).spectrograms.shards[0].file
    os.utime(file)
    before = identities([file])
    assert features(library, QUICK).spectrograms.shards[0].changed == file.stat().st_mtime_ns
    assert json.loads(file.with_suffix(".json").read_text())["changed"] == file.stat().st_mtime_ns
    assert identities([file]) == before


# --- shards as one array ---

halves = st.floats(-80, 0, width=16)


@settings(max_examples=40)
@given(data=st.data(), counts=st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=5))
def test_shards_are_one_array(
    data: st.DataObject, counts: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, shape = tmp_path_factory.mktemp("shards"), (3, 5)
    total = sum(map(sum, counts))
    values = data.draw(arrays.arrays(np.float16, (total, *shape), elements=halves))
    left, shards, first = iter(values), [], 0
    for number, notes in enumerate(counts):  # a note without rows was left out
        rows = [
            [(next(left), (60.0, np.nan, np.inf, first + i, copy == 0)) for copy in range(count)] or "it is bad"
            for i, count in enumerate(notes)
        ]
        written = write_shard(folder / f"{number}.rows", first, rows)
        assert find_shard(written.file, 2 * 3 * 5) == written
        assert written.dropped == {first + i: "it is bad" for i, count in enumerate(notes) if not count}
        shards.append(written)
        first += len(notes)
    table = Rows(shards, shape)
    assert table.shape == (total, *shape)
    labels = table.labels()
    assert len(labels) == total
    assert np.all(np.diff(labels["note"]) >= 0)
    if total:
        wanted = np.array(data.draw(st.lists(st.integers(0, total - 1), max_size=9)), np.int64)
        table.expect(wanted)
        np.testing.assert_array_equal(table[wanted], values[wanted])


def test_a_shard_that_is_gone_is_named(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "0.rows", 0, [[(np.zeros((2, 2)), (60.0, 0.5, 1.0, 0, True))]])
    shard.file.unlink()
    assert find_shard(shard.file, 8) is None
    assert not shard.intact()
    with pytest.raises(LibraryError, match=r"0\.rows are missing; start again"):
        Rows([shard], (2, 2))[np.array([0])]


# --- what is in them ---


def test_rows_are_the_notes_and_their_transposed_copies(some_notes: Library, tiny_config: Config) -> None:
    table, spectrogram = features(some_notes, tiny_config), Spectrogram(tiny_config.spectrogram)
    assert list(table.note[table.rows()]) == list(range(len(some_notes)))
    for row in table.rows()[::9]:
        note = some_notes[int(table.note[row])]
        wanted = example(note.audio(), spectrogram, tiny_config, note.pitch, note.velocity)
        np.testing.assert_allclose(table.spectrograms[np.array([row])][0], wanted.spectrogram, atol=0.04)
        np.testing.assert_allclose(table.pitch[row], wanted.pitch, rtol=1e-6)
    copies = np.flatnonzero(~table.original)
    assert set(table.split[copies]) == {"train"}
    assert sorted(table.note[copies]) == sorted(table.note[table.rows("train")])
    own = dict(zip(table.note[table.rows()], table.pitch[table.rows()], strict=True))
    shifts = [abs(table.pitch[row] - own[table.note[row]]) for row in copies]
    assert 0 < min(shifts) < max(shifts) <= 1.01


def test_a_note_is_measured_once_whatever_its_copies(
    some_notes: Library, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, measure = [], example_module.measure_pitch

    def counted(*args: object, **kwargs: object) -> object:
        asked.append(args)
        return measure(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(example_module, "measure_pitch", counted)
    table = features(some_notes[:9], replace(QUICK, data=replace(QUICK.data, transpose=3)))
    assert len(asked) == 9
    assert len(table.note) == 9 + 3 * len(table.rows("train"))


def test_held_out_notes_have_no_copies_and_no_file_is_in_two_parts(some_notes: Library, tiny_config: Config) -> None:
    table = features(some_notes, tiny_config)
    files = {part: {some_notes[i].file for i in table.note[table.rows(part)]} for part in ("train", "valid", "test")}
    assert not files["train"] & files["test"]
    assert not files["train"] & files["valid"]
    assert sum(map(len, files.values())) == len(some_notes)


def test_a_library_s_own_split_decides(some_notes: Library, tiny_config: Config) -> None:
    own = Library([replace(n, split="test" if i % 4 == 0 else "train") for i, n in enumerate(some_notes)], ".")
    table = features(own, tiny_config)
    assert set(table.note[table.rows("test")]) == set(range(0, 40, 4))
    assert set(table.note[~table.original]) == set(range(40)) - set(range(0, 40, 4))


def test_parts_of_one_file_are_notes_of_their_own(cache: Path, tmp_path: Path) -> None:
    time_s = np.arange(8000) / 8000
    tones = [np.sin(2 * np.pi * 110 * 2 ** (k / 2) * time_s) for k in range(8)]
    soundfile.write(tmp_path / "run.wav", np.concatenate(tones), 8000)

    def at(shift: float) -> Library:
        pieces = [Excerpt(k + shift, k + shift + 0.5) for k in range(8)]
        one = Note(tmp_path / "run.wav", "sine", split="train")
        return Library([replace(one, name="", pitch=45.0 + 6 * k, part=piece) for k, piece in enumerate(pieces)], "")

    table = features(at(0.1), QUICK)
    np.testing.assert_allclose(table.pitch[table.rows()], 45.0 + 6 * np.arange(8), atol=0.02)
    assert features(at(0.2), QUICK).spectrograms.shards[0].file != table.spectrograms.shards[0].file


# --- the key ---


def shards_of(library: Library, config: Config) -> list[Path]:
    return [shard.file for shard in features(library, config).spectrograms.shards]


def test_second_call_reads_the_first_ones_files(some_notes: Library, tiny_config: Config) -> None:
    first = shards_of(some_notes, tiny_config)
    before = identities(first)
    assert shards_of(some_notes, tiny_config) == first
    assert identities(first) == before


def test_other_labels_are_other_features(some_notes: Library, tiny_config: Config) -> None:
    other = Library([replace(note, velocity=0.3) for note in some_notes], some_notes.root)
    assert np.nanmax(features(other, tiny_config).velocity) == pytest.approx(0.3)


def test_settings_that_change_no_feature_find_the_same_ones(some_notes: Library, tiny_config: Config) -> None:
    same = replace(tiny_config.data, augment=1.0)
    other = replace(tiny_config.data, split_seed=1)
    files = shards_of(some_notes, tiny_config)
    assert shards_of(some_notes, replace(tiny_config, data=same)) == files
    assert shards_of(some_notes, replace(tiny_config, data=other)) != files


# --- refusals and shares ---


def test_a_cache_that_cannot_be_written_is_refused(
    some_notes: Library, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "file"))
    with pytest.raises(LibraryError, match=r"cannot be cached in .*TIMBRE_CACHE"):
        features(some_notes, tiny_config)


def test_bad_files_are_named_and_left_out(some_notes: Library, tiny_config: Config, tmp_path: Path) -> None:
    timbre.write(tmp_path / "silent.wav", timbre.Audio(np.zeros(8000, np.float32), 8000))
    silent = replace(some_notes[0], file=tmp_path / "silent.wav", name="silent")
    table = features(Library([*some_notes, silent], some_notes.root), tiny_config)
    assert list(table.dropped) == ["silent"]
    assert "silent" in table.dropped["silent"]
    assert len(table.rows()) == len(some_notes)


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_the_notes(some_notes: Library, tiny_config: Config, world: int) -> None:
    whole = features(some_notes, tiny_config)
    parts = [features(some_notes, tiny_config, rank=rank, world=world) for rank in range(world)]
    notes = [set(part.note) for part in parts]
    assert sum(map(len, notes)) == len(set.union(*notes)) == len(some_notes)
    assert sum(len(part.note) for part in parts) == len(whole.note)
    assert max(map(len, notes)) - min(map(len, notes)) <= 3  # one shard


def test_more_ranks_than_shards_are_refused(some_notes: Library, tiny_config: Config) -> None:
    with pytest.raises(LibraryError, match="40 notes make 14 shards, too few for 15 processes"):
        features(some_notes, tiny_config, world=15)
