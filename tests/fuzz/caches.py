"""Ratings of listeners, and what timbre itself wrote: caches are made again or refused, states of runs are refused."""

import io
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

import timbre
from fuzz import _mutations as mutations
from fuzz._target import lay_out, packed, target, unpacked
from fuzz._tiny import CONFIG, sound, tiny_space
from timbre.cli.training.evaluate import remembered
from timbre.data import Library
from timbre.data.features.table import features
from timbre.data.library import fingerprint
from timbre.data.ratings import check, match_instruments, merged, normalised, read_ratings
from timbre.errors import TimbreError
from timbre.space.space import Space
from timbre.training.vae import VAETask
from timbre.vocoder.notes import decoded_notes

# Ratings

_TIDY = [
    ["study", "sound_a", "sound_b", "dissimilarity", "reliability"],
    *([s, a, b, str(x), "1"] for s in "ab" for a, b, x in (("oboe", "flute", 1), ("oboe", "horn", 2), ("flute", "horn",
    3))),
]  # fmt: skip
_MATRIX = [["", "oboe", "flute", "horn"], ["oboe", "0", "1", "2"], ["flute", "1", "0", "3"], ["horn", "2", "3", "0"]]
_SOUNDS = [
    ["study", "sound", "instrument", "instrument_base", "file", "pitch"],
    *([study, sound, sound, sound, f"{sound}.wav", "60"] for study in "ab" for sound in ("oboe", "flute", "horn")),
]  # fmt: skip


def _ratings(random: Random) -> bytes:
    kind = random.randrange(3)
    files = {"a.csv": mutations.some_rows(random, random.choice((_TIDY, _MATRIX)))}
    if kind:
        good = "\n".join(",".join(row) for row in _TIDY).encode()
        files |= {"sounds.csv": mutations.some_rows(random, _SOUNDS)}
        files |= {"a.csv": good} if kind == 2 else {}
    return packed(files)


@target("ratings", _ratings, "timbre.data.ratings.reading:read_ratings")
def _read_ratings(data: bytes, place: Path) -> None:
    lay_out(data, place)
    ratings = read_ratings(place)
    for study in ratings.parts:
        values = study.dissimilarities
        assert values.shape == (len(study.items),) * 2
        assert np.array_equal(values, values.T, equal_nan=True)
        assert (values[np.isfinite(values)] >= 0).all()
    assert ratings.digest
    read_ratings(place / "a.csv")
    normalised(ratings)
    pooled = merged(ratings)
    match_instruments(pooled.parts[0].items, ("oboe", "flute", "horn"), drop=True)
    if len(pooled.parts[0].items) < 6:
        check(ratings)


# Caches


@cache
def _library_files() -> dict[str, bytes]:
    return {f"{name}-{key}.wav": sound(pitch=60.0 + n) for name in ("flute", "oboe") for n, key in enumerate("CDEFG")}


@cache
def _pristine() -> tuple[Path, Library, dict[str, bytes], np.ndarray]:
    """A folder with a library, the library, what its caches contain, and its features. It is never written to again."""
    root = Path(tempfile.mkdtemp(prefix="library-", dir=Path(os.environ["TIMBRE_CACHE"]).parent))
    for name, content in _library_files().items():
        (root / name).write_bytes(content)
    folder = root / ".cache"
    before, os.environ["TIMBRE_CACHE"] = os.environ["TIMBRE_CACHE"], str(folder)
    try:
        library = timbre.scan(root)
        table = features(library, CONFIG)
        space = tiny_space()
        decoded_notes(library, space.model, CONFIG, 12, "mark")
        files = {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        rows = table.spectrograms[np.arange(len(table.note))]
    finally:
        os.environ["TIMBRE_CACHE"] = before
    shutil.rmtree(folder)
    return root, library, files, rows


def _one_of(suffixes: tuple[str, ...]) -> Any:
    """Makes the number of a file of the caches, and other bytes for it."""

    def make(random: Random) -> bytes:
        files = {name: own for name, own in _pristine()[2].items() if name.endswith(suffixes)}
        number = random.randrange(len(files))
        name = list(files)[number]
        kind = random.randrange(8)
        if kind == 0:
            data = b""
        elif kind == 1:
            data = random.choice(list(files.values()))
        elif name.endswith(".json") and kind < 6:
            data = mutations.some_json(random, json.loads(files[name]))
        else:
            data = mutations.some_bytes(random, files[name])
        return packed({str(number): data})

    return make


def _spoiled(data: bytes, place: Path, suffixes: tuple[str, ...]) -> None:
    """A cache in which one file has other bytes."""
    files = _pristine()[2]
    names = [name for name in files if name.endswith(suffixes)]
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    for number, content in unpacked(data).items():
        (place / names[int(number) % len(names)]).write_bytes(content)
    os.environ["TIMBRE_CACHE"] = str(place)


_SHARDS = (".rows", ".json")


@target(
    "cache-features",
    _one_of(_SHARDS),
    "timbre.data.features.table:features",
    "timbre.data.features.shards:find_shard",
    file=False,
    prepare=_pristine,
)
def _features(data: bytes, place: Path) -> None:
    _, library, _, rows = _pristine()
    _spoiled(data, place, _SHARDS)
    table = features(library, CONFIG)
    same = np.array_equal(table.spectrograms[np.arange(len(table.note))], rows)
    assert same, "a damaged cache of features was believed"


@target("cache-vocoder", _one_of((".npy",)), "timbre.vocoder.notes:decoded_notes", file=False, prepare=_pristine)
def _vocoder_notes(data: bytes, place: Path) -> None:
    _, library, _, _ = _pristine()
    _spoiled(data, place, (".npy",))
    notes = decoded_notes(library, tiny_space().model, CONFIG, 12, "mark")
    assert len({len(part) for part in (notes.audio, notes.magnitude, notes.tones, notes.pitch, notes.held_out)}) == 1


def _facts(random: Random) -> bytes:
    """The cache of measurements with other texts in its rows, or other bytes."""
    name = next(name for name in _pristine()[2] if name.endswith(".sqlite"))
    data = _pristine()[2][name]
    if random.random() < 0.6:
        base = sqlite3.connect(":memory:")
        base.deserialize(data)
        table = base.execute("select name from sqlite_master where type = 'table'").fetchone()[0]
        columns = [row[1] for row in base.execute(f"pragma table_info({table})")]
        for key, *_ in base.execute(f"select * from {table}").fetchall():
            text = base.execute(f"select {columns[-1]} from {table} where {columns[0]} = ?", (key,)).fetchone()[0]
            if random.random() < 0.4 and isinstance(text, str):
                odd = mutations.some_text(random, text).decode("utf-8", "replace")
                base.execute(f"update {table} set {columns[-1]} = ? where {columns[0]} = ?", (odd, key))
        base.commit()
        data = base.serialize()
        base.close()
    else:
        data = mutations.some_bytes(random, data)
    return packed({"0": data})


@target("cache-measurements", _facts, "timbre.data.measurement_cache:MeasurementCache", file=False, prepare=_pristine)
def _measurements(data: bytes, place: Path) -> None:
    root, library, _, _ = _pristine()
    _spoiled(data, place, (".sqlite",))
    again = timbre.scan(root)
    assert len(again) == len(library)
    again.report.table()
    assert [note.measured for note in again] == [note.measured for note in library], "a damaged measurement is believed"


# Runs


@cache
def _state() -> dict[str, bytes]:
    """A finished run of one step: its folder's files."""
    _, library, _, _ = _pristine()
    with tempfile.TemporaryDirectory(dir=Path(os.environ["TIMBRE_CACHE"]).parent) as name:
        _task(library, Path(name)).fit()
        (Path(name) / "run.json").write_text(json.dumps({"library": str(_pristine()[0])}), encoding="utf-8")
        return {
            file.relative_to(name).as_posix(): file.read_bytes()
            for file in Path(name).rglob("*")
            if file.is_file() and "logs" not in file.parts
        }


def _task(library: Library, folder: Path) -> VAETask:
    config = replace(CONFIG, training=replace(CONFIG.training, epochs=1, threads=1, device="cpu"))
    task = VAETask(features(library, config), [], config, folder, fingerprint(library))
    task.logs = None
    return task


@cache
def _loaded_state() -> dict[str, Any]:
    state: dict[str, Any] = torch.load(io.BytesIO(_state()["resume/state.pt"]), weights_only=True)  # noqa: TID251
    return state


def _run_state(random: Random) -> bytes:
    """The state of a run: a zip file of tensors and plain values, with other values or other bytes."""
    data = _state()["resume/state.pt"]
    if random.random() < 0.25:
        state = dict(_loaded_state())
        names = list(state)
        for _ in range(random.choice((1, 1, 2, 4))):
            name = random.choice(names)
            kind = random.randrange(5)
            if kind == 0:
                state.pop(name, None)
            elif kind == 1:
                state[name] = random.choice(
                    (*mutations.INTEGERS[:22], *mutations.FLOATS, "x", None, [], {}, torch.zeros(2))
                )
            elif isinstance(state.get(name), dict) and state[name]:
                key = random.choice(list(state[name]))
                value = state[name][key]
                if isinstance(value, torch.Tensor) and kind < 4:
                    value = random.choice(
                        (value.reshape(-1)[:1], value * float("nan"), value.double(), value.new_zeros(0))
                    )
                    state[name] = {**state[name], key: value}
                else:
                    state[name] = {**state[name], key: random.choice((0, -1, "x", None, [], {}, 1e300))}
        out = io.BytesIO()
        torch.save(state, out)
        return out.getvalue()
    if random.random() < 0.2:  # the pickle in it, with the archive's checksums made again
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
            for info in old.infolist():
                content = old.read(info)
                new.writestr(info, mutations.some_bytes(random, content) if info.filename.endswith(".pkl") else content)
        return out.getvalue()
    return mutations.some_bytes(random, data)


@target(
    "run-state",
    _run_state,
    "timbre.training.resume:load_state",
    "timbre.training.packing:unpack",
    "timbre.training.run:Run",
    file=False,
    prepare=_state,
)
def _resume(data: bytes, place: Path) -> None:
    _, library, _, _ = _pristine()
    (place / "resume").mkdir()
    (place / "resume/state.pt").write_bytes(data)
    task = _task(library, place)
    task.fit()
    assert all(bool(torch.isfinite(value).all()) for value in task.net.state_dict().values()), "weights are not finite"


@target(
    "run-note",
    lambda random: mutations.some_json(random, {"library": "notes"}),
    "timbre.cli.training.evaluate:remembered",
)
def _remember(data: bytes, place: Path) -> None:
    (place / "run.json").write_bytes(data)
    (place / "notes").mkdir()
    remembered(place)


def _report(random: Random) -> bytes:
    """A report as a space keeps it: any JSON."""
    report = {"notes": 4, "test_l1_db": 4.5, "dropped": {"a.wav": "silent"}, "best": {"step": 3}, "ratings": ["a"]}
    return mutations.some_json(random, report)


@target("card", _report, "timbre.space.card:card", file=False)
def _card(data: bytes, place: Path) -> None:
    try:
        report = json.loads(data)
    except (ValueError, RecursionError):
        raise TimbreError("It is no JSON.") from None
    space = tiny_space()
    if not isinstance(report, dict):
        raise TimbreError("It is no object.")
    saved = Space(space.config, space.model, space.atlas, report, space.axes).save(place / "space")
    timbre.load(saved)
