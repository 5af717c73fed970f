"""What every reader of a library format keeps to, on small exact trees of every format."""

import ctypes
import os
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trees_named
import trees_sampler
import trees_soundfont
from trees_named import BuiltTree, note

import timbre
from timbre.audio.pitch import measure_pitch
from timbre.data import Library, Note
from timbre.data.readers import READERS, choose
from timbre.data.tree import open_tree
from timbre.errors import LibraryError

TREES = {**trees_named.TREES, **trees_sampler.TREES, **trees_soundfont.TREES}


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BuiltTree]:
    """Every tree, in a folder of its own beside files that no reader may open."""
    grown = {}
    for name, build in TREES.items():
        place = tmp_path_factory.mktemp(name)
        for sound in ("outside/secret.wav", "outside.wav", "secret.wav"):
            note(place / sound, 60)
        (place / "library").mkdir()
        grown[name] = build(place / "library")
    return grown


@pytest.fixture(params=TREES)
def built(request: pytest.FixtureRequest, forest: dict[str, BuiltTree]) -> BuiltTree:
    return forest[request.param]


def scan(built: BuiltTree, root: Path | str | None = None, name: str | None = None) -> Library:
    """The tree's library; a format that cannot be told by looking is named."""
    chosen = "pattern" if built.options.pattern else name
    return timbre.scan(built.root if root is None else root, chosen, built.options, measure=False)


def told(library: Library) -> list[tuple[str, float | None]]:
    return [(found.file.relative_to(library.root).as_posix(), found.pitch) for found in library]


def described(found: Note, root: Path) -> tuple[Any, ...]:
    """All that was read of a note; `root` so that copies of a tree can be compared."""
    labels = (found.instrument, found.family, found.pitch, found.velocity, found.dynamics, found.articulation)
    origin = (found.licence, found.source, found.duration, found.name, found.part, found.take, found.split)
    return found.file.relative_to(root).as_posix(), *labels, *origin


def test_every_reader_has_a_tree(forest: dict[str, BuiltTree]) -> None:
    assert {tree.format for tree in forest.values()} == set(READERS)


def test_it_is_chosen_by_looking_and_reads_what_is_there(built: BuiltTree) -> None:
    if not built.options.pattern:
        assert choose(open_tree(built.root)).name == built.format
    library = scan(built)
    assert [file for file, _ in told(library)] == [file for file, _ in built.notes]
    assert [pitch for _, pitch in told(library)] == pytest.approx([pitch for _, pitch in built.notes], abs=0.01)
    report = library.report
    assert (report.found, report.kept, len(report.dropped)) == (built.found, built.kept, built.dropped)
    assert all(len(reason.split()) > 1 for _, reason in report.dropped)
    named = scan(built, name=built.format)
    assert [described(n, named.root) for n in named] == [described(n, library.root) for n in library]


def test_every_sound_file_is_accounted_for(built: BuiltTree) -> None:
    library = scan(built)
    kept = {file for file, _ in told(library)}
    dropped = {file for file, _ in library.report.dropped}
    assert set(open_tree(built.root).sounds) <= kept | dropped
    assert all(found.file.is_absolute() and found.file.is_relative_to(library.root) for found in library)
    assert {found.name for found in library} == {library[found.name].name for found in library}


def test_every_note_sounds_as_its_label_says(built: BuiltTree) -> None:
    for found in scan(built):
        audio = found.audio()
        assert audio.duration > 0.02
        if found.pitch is not None:
            measured = measure_pitch(audio, near=found.pitch)
            assert measured is not None, found.name
            assert abs(measured - found.pitch) < 0.5, found.name


def test_order_is_the_files_own(built: BuiltTree, tmp_path: Path) -> None:
    library = scan(built)
    copy = Path(shutil.copytree(built.root, tmp_path / built.root.name))
    again = scan(built, copy)
    assert [described(n, again.root) for n in again] == [described(n, library.root) for n in library]
    assert again.report.dropped == library.report.dropped


def test_places_may_be_relative_or_at_home(built: BuiltTree, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [found.name for found in scan(built)]
    monkeypatch.chdir(built.root.parent)
    monkeypatch.setenv("HOME", str(built.root.parent))
    monkeypatch.setenv("USERPROFILE", str(built.root.parent))
    for place in ("library", "../" + built.root.parent.name + "/library/", "~/library"):
        library = scan(built, place)
        assert [found.name for found in library] == names
        assert all(found.file.is_absolute() and found.file.exists() for found in library)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's record of opened files (inotify) is Linux's")
def test_nothing_outside_is_opened(built: BuiltTree) -> None:
    with opened_files(built.root.parent, built.root.parent / "outside") as opened:
        for found in scan(built):
            found.audio()
        assert set(opened()) <= {"library"}
        (built.root.parent / "outside" / "secret.wav").read_bytes()
        assert "secret.wav" in opened()


@pytest.mark.parametrize("content", [b"\x00\xff\xfe{<garbage", b"", b"[" * 100_000, b"PK\x03\x04" * 100])
def test_what_describes_it_is_refused_in_one_sentence(
    forest: dict[str, BuiltTree], content: bytes, tmp_path: Path
) -> None:
    for name, built in forest.items():
        if built.description is None:
            continue
        copy = Path(shutil.copytree(built.root, tmp_path / name))
        (copy / built.description).write_bytes(content)
        library, message = attempt(partial(timbre.scan, copy, built.format, built.options, measure=False))
        if library is not None:  # one of several descriptions: what it told of is left out
            assert len(library) < built.kept, name
            library, message = attempt(partial(timbre.scan, copy / built.description, built.format, measure=False))
        assert library is None, name
        assert str(copy) in message
        assert message.endswith(".")
        assert "\n" not in message


@pytest.mark.parametrize("reader", READERS)
def test_a_tree_of_another_format_is_read_or_refused(built: BuiltTree, reader: str) -> None:
    tree = open_tree(built.root)
    reading, message = attempt(lambda: READERS[reader].read(tree, built.options))
    if reading is None:
        assert message.endswith(".")
        return
    assert all(found.file.is_relative_to(tree.root) for found in reading.notes)
    kept = {found.file.relative_to(tree.root).as_posix() for found in reading.notes}
    assert set(tree.sounds) <= kept | {file for file, _ in reading.dropped}


def attempt(what: Callable[[], Any]) -> tuple[Any, str]:
    """What came of it, or the sentence with which it was refused."""
    try:
        return what(), ""
    except LibraryError as error:
        return None, str(error)


@contextmanager
def opened_files(*folders: Path) -> Iterator[Any]:
    """The names of the files that any code opens directly inside the folders, told by the kernel."""
    system = ctypes.CDLL(None, use_errno=True)
    watch = system.inotify_init1(os.O_NONBLOCK)
    assert watch >= 0
    for folder in folders:
        assert system.inotify_add_watch(watch, os.fsencode(folder), 0x20) >= 0

    def names() -> list[str]:
        found = []
        try:
            events = os.read(watch, 1 << 20)
        except BlockingIOError:
            return found
        while events:
            length = struct.unpack_from("iIII", events)[3]
            found.append(os.fsdecode(events[16 : 16 + length].rstrip(b"\0")))
            events = events[16 + length :]
        return found

    try:
        yield names
    finally:
        os.close(watch)
