"""Libraries that are damaged, odd or malicious: a scan gives a library, or one sentence; it never opens other files."""

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees_named import TREES as NAMED
from trees_named import note, nsynth_entry, put, tone
from trees_sampler import PRESET, TREES, wav, write

import timbre
from timbre.audio import Audio
from timbre.data import Library
from timbre.data.parts import Excerpt
from timbre.data.readers import decent
from timbre.data.sounds import excerpt, extent, root_key, unpacked
from timbre.data.tree import Tree, open_tree
from timbre.errors import AudioError, LibraryError

fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
_OPENED: list[str] = []
_LISTENING = False


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if (
        _LISTENING
        and event in ("open", "sqlite3.connect", "os.scandir")
        and isinstance(arguments[0], str | bytes | os.PathLike)
    ):
        _OPENED.append(os.path.realpath(os.fsdecode(arguments[0])))


sys.addaudithook(_hear)


@contextmanager
def opened() -> Iterator[list[str]]:
    """The real paths of all files and folders that Python opens."""
    global _LISTENING
    _OPENED.clear()
    _LISTENING = True
    try:
        yield _OPENED
    finally:
        _LISTENING = False


def scan(place: Path, name: str | None = None, measure: bool = False) -> Library | None:
    """The library of a folder, fully accounted for; None if it was refused, in one sentence."""
    try:
        library = timbre.scan(place, name, measure=measure)
    except LibraryError as error:
        refusal = str(error)
        assert refusal.endswith(".")
        return None
    report = library.report
    root = library.root
    assert report.kept == len(library) > 0
    assert all(reason.strip() and "\n" not in reason for _, reason in report.dropped)
    if place.is_dir():
        told = {found.file.relative_to(root).as_posix() for found in library} | {file for file, _ in report.dropped}
        lost = set(open_tree(place).sounds) - told
        assert all(any(dropped.startswith(f"{file} ") for dropped in told) for file in lost)  # a stretch of it
    report.table().encode()
    assert all(found.duration > 0 and found.file.is_relative_to(root) for found in library)
    return library


def reasons(place: Path) -> dict[str, str]:
    """What was left out of a library that has a good note besides."""
    library = scan(place)
    assert library is not None
    return dict(library.report.dropped)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three short sounds beside one that is nobody's business."""
    place = tmp_path_factory.mktemp("shelf")
    put(place / "outside/secret.wav", tone(60, 8000, 0.05), 8000)
    for name in ("a", "b c", "sub/d"):
        put(place / f"library/{name}.wav", tone(60, 8000, 0.05), 8000)
    return place / "library"


@contextmanager
def described(shelf: Path, file: str, content: bytes) -> Iterator[Path]:
    """The shelf with a file that describes it."""
    path = shelf / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    try:
        yield path
    finally:
        path.unlink()


ANYTHING = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
NUMBERS = st.one_of(
    st.integers(-3, 200).map(str),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["9" * 400, "-1", "1e999", "c4", "H2", "b-1", "c99999999999", "sample", "0x10", "", " "]),
)
FILES = st.sampled_from(
    ["a.wav", "b c.wav", "sub\\D.WAV", "../outside/secret.wav", "/etc/passwd", "C:\\x.wav", "\\\\host\\x.wav", "*sine",
     "sub", ".", "..", "~/a.wav", "a.wav/", "//a.wav", "\0a.wav", "x" * 300, "sub/../a.wav", "fuzz.sfz", "$A.wav", "💥"]
)  # fmt: skip
_NAMES = """
    key lokey hikey pitch_keycenter lovel hivel tune transpose offset end seq_position seq_length lorand hirand trigger
    pitch_keytrack note_offset octave_offset xfin_lovel xfout_hivel on_locc1 sw_label group_label $A
"""
OPCODES = st.sampled_from(_NAMES.split())
_NAMES = "path rootNote loNote hiVel start end tuning seqMode seqPosition trigger name x:y &"
ATTRIBUTES = st.sampled_from(_NAMES.split())
TAGS = ["<groups {}>", "<group {}>", "</group>", "</groups>", "<sample {}/>", "{}", "<!--"]
SFZ = st.lists(
    st.one_of(
        st.sampled_from(
            ["<region>", "<group>", "<control>", "<global>", "<master>", "<x>", "<", "//", "/*", "*/", "\n"]
        ),
        st.tuples(OPCODES, NUMBERS).map("=".join),
        FILES.map("sample={}".format),
        FILES.map("default_path={}".format),
        FILES.map('#include "{}"'.format),
        st.tuples(st.sampled_from("AB"), NUMBERS).map(lambda pair: f"#define ${pair[0]} {pair[1]}$A$B"),
        st.text(max_size=9),
    ),
    max_size=40,
).map(lambda parts: " ".join(parts).encode("utf-8", "replace"))


class TestFuzz:
    @fuzzed
    @given(content=st.one_of(ANYTHING, SFZ))
    def test_sfz(self, content: bytes, shelf: Path) -> None:
        with described(shelf, "fuzz.sfz", content) as file, opened() as names:
            scan(shelf)
            scan(file)
        assert not any(name.startswith(str(shelf.parent / "outside")) for name in names)

    @fuzzed
    @given(
        tags=st.lists(st.sampled_from(TAGS)),
        attributes=st.lists(st.tuples(ATTRIBUTES, st.one_of(FILES, NUMBERS)), max_size=6),
        raw=ANYTHING,
    )
    def test_dspreset(self, tags: list[str], attributes: list[tuple[str, str]], raw: bytes, shelf: Path) -> None:
        inside = " ".join(f'{name}="{value}"' for name, value in dict(attributes).items())
        text = "<DecentSampler>" + "".join(tag.format(inside) for tag in tags) + "</DecentSampler>"
        for content in (text.encode("utf-8", "replace"), raw):
            with described(shelf, "fuzz.dspreset", content) as file, opened() as names:
                scan(shelf)
                scan(file)
            assert not any(name.startswith(str(shelf.parent / "outside")) for name in names)

    @fuzzed
    @given(cut=st.integers(0, 4000), place=st.integers(0, 4000), change=st.binary(min_size=1, max_size=4))
    def test_dslibrary(self, cut: int, place: int, change: bytes, shelf: Path) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.dspreset", PRESET)
            archive.writestr("Samples/Cello C2.wav", wav(36, 0.05))
        whole = bytearray(content.getvalue())
        whole[place % len(whole) :][: len(change)] = change
        damaged = whole[: place % len(whole)] + change + whole[place % len(whole) + len(change) :]
        for content in (bytes(damaged), bytes(whole[: cut % len(whole)])):
            with described(shelf, "fuzz.dslibrary", content) as file:
                scan(file)

    @fuzzed
    @given(
        cells=st.lists(st.lists(st.one_of(FILES, NUMBERS, st.text(max_size=5)), max_size=6), max_size=6), raw=ANYTHING
    )
    def test_csv(self, cells: list[list[str]], raw: bytes, shelf: Path) -> None:
        text = io.StringIO()
        rows = [[cell.replace("\0", "").encode("utf-8", "replace").decode() for cell in row] for row in cells]
        csv.writer(text).writerows([["file", "midi_pitch", "velocity", "dynamics", "split", "take"], *rows])
        for content in (text.getvalue().encode(), b"file,pitch\n" + raw):
            with described(shelf, "metadata.csv", content), opened() as names:
                scan(shelf)
            assert not any(name.startswith(str(shelf.parent / "outside")) for name in names)

    @fuzzed
    @given(
        content=st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), FILES, NUMBERS),
            lambda inner: st.one_of(
                st.lists(inner, max_size=4),
                st.dictionaries(
                    st.one_of(FILES, st.sampled_from(["file", "pitch", "velocity", "notes", "version"])), inner
                ),
            ),
        )
    )
    def test_json(self, content: Any, shelf: Path) -> None:
        for file in ("metadata.json", "library.json"):
            with described(shelf, file, json.dumps(content).encode()) as path, opened() as names:
                scan(shelf)
                scan(path)
            assert not any(name.startswith(str(shelf.parent / "outside")) for name in names)

    @fuzzed
    @given(
        key=st.one_of(st.just("a"), FILES, st.text(max_size=9)),
        field=st.sampled_from(sorted(nsynth_entry("a", "b", "c", "d", 1, 2, []))),
        value=st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.text(max_size=3))),
        raw=ANYTHING,
    )
    def test_nsynth(self, key: str, field: str, value: Any, raw: bytes, shelf: Path) -> None:
        (shelf / "nsynth-test/audio").mkdir(parents=True, exist_ok=True)
        shutil.copy(shelf / "a.wav", shelf / "nsynth-test/audio/a.wav")
        entry = nsynth_entry("a", "oboe_acoustic_000", "reed", "acoustic", 60, 100, []) | {field: value}
        for content in (json.dumps({key: entry}).encode(), raw):
            with described(shelf, "nsynth-test/examples.json", content), opened() as names:
                scan(shelf)
                scan(shelf, "nsynth")
            assert not any(name.startswith(str(shelf.parent / "outside")) for name in names)
        shutil.rmtree(shelf / "nsynth-test")

    @pytest.mark.parametrize("cut", [0, 1, 4, 12, 20, 40, 44, 45, 100, 500])
    def test_sounds_that_break_off(self, cut: int, tmp_path: Path) -> None:
        note(tmp_path / "a.wav", 60)
        for name in ("b.wav", "c.aiff", "d.flac", "e.ogg", "f.mp3"):
            put(tmp_path / name, tone(60, 44100, 0.4), 44100, "VORBIS" if name == "e.ogg" else "PCM_16")
            (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:cut])
            extent(tmp_path / name)
        root_key(tmp_path / "b.wav")
        assert scan(tmp_path, measure=True) is not None


class TestNames:
    def odd(self) -> list[bytes]:
        texts = [
            "ヴァイオリン",
            "עברית",
            "عربي\u202e3pm",
            "🎻🎺",
            "C♯4",
            "e\u0301",
            "é",
            "ﬁ",
            "ẞ",
            "a\nb",
            "\r",
            "\t",
            "\x1b[31m",
        ]
        texts += [
            "-rf",
            "%s{}",
            "con",
            "a" * 251,
            "é" * 125,
            " ",
            "...",
            "$HOME",
            "~",
            "'\"",
            "\\",
            "<region>",
            "\u200b",
            "C:x",
        ]
        return [text.encode() for text in texts] + [b"\xff\xfe", b"caf\xe9 C4", b"\xed\xa0\x80"]

    def test_odd_names(self, tmp_path: Path) -> None:
        put(tmp_path / "a.wav", tone(60, 8000, 0.1), 8000)
        made = 1
        for number, name in enumerate(self.odd()):
            try:
                os.link(tmp_path / "a.wav", os.fsencode(tmp_path) + b"/" + name + b".wav")
                made += 1
            except OSError:  # some systems refuse bytes that are no text
                assert number >= len(self.odd()) - 3 or name in (b"\\",)
        for measure in (False, True):
            library = scan(tmp_path, measure=measure)
            assert library is not None
            assert library.report.found >= made - len(library.report.remarks)
        library.save(tmp_path / "library.json") if hasattr(library, "save") else None

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
    @given(names=st.sets(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=60), max_size=5))
    def test_any_names(self, names: set[str], shelf: Path, tmp_path: Path) -> None:
        folder = tmp_path / "names"
        folder.mkdir()
        for name in {unicodedata.normalize("NFC", name).casefold(): name for name in names}.values():
            content = (name + ".wav").encode("utf-8", "surrogatepass")
            if len(content) <= 255:
                os.link(shelf / "a.wav", os.fsencode(folder) + b"/" + content)
        write(
            folder / "a.sfz",
            "".join(f"<region>sample={name}.wav\n" for name in names).encode("utf-8", "replace").decode(),
        )
        for name in ("folders", "sfz", "iowa", "philharmonia", None):
            scan(folder, name)
        shutil.rmtree(folder)


class TestFolders:
    def test_links(self, tmp_path: Path) -> None:
        note(tmp_path / "elsewhere/x.wav", 60)
        note(tmp_path / "library/z/C4.wav", 60)
        links = {"a": "z", "z/self": ".", "z/up": "..", "z/root": "../..", "all": "/", "e1": "../elsewhere",
                 "e2": "../elsewhere", "z/1": "2", "z/2": "1", "dangling.wav": "gone", "loop.wav": "loop.wav",
                 "z/D4.wav": "C4.wav"}  # fmt: skip
        for name, target in links.items():
            (tmp_path / "library" / name).symlink_to(target)
        (tmp_path / "elsewhere/back").symlink_to(tmp_path / "library")
        tree = open_tree(tmp_path / "library")
        assert tree.files == ["dangling.wav", "e1/x.wav", "loop.wav", "z/1", "z/2", "z/C4.wav", "z/D4.wav"]
        assert sorted(tree.special) == ["dangling.wav", "loop.wav", "z/1", "z/2"]
        library = scan(tmp_path / "library")
        assert library is not None
        assert len(library) == 3
        # ".." is taken by its letters, so that it cannot climb out of the folder behind a link
        assert tree.find("e1/../z/c4.wav") == "z/C4.wav"
        assert tree.find("e1/../../elsewhere/x.wav") is None
        assert tree.find("dangling.wav") is None
        assert tree.missing("DANGLING.wav".lower()) == "is a pipe, a socket, a device or a link to nothing"

    def test_links_that_multiply(self, tmp_path: Path) -> None:
        for number in range(40):
            (tmp_path / f"{number}").mkdir()
            for name in "abc":
                (tmp_path / f"{number}" / name).symlink_to(f"../{number + 1}")
        note(tmp_path / "40/C4.wav", 60)
        assert open_tree(tmp_path / "0").files == ["a/" * 40 + "C4.wav"]
        assert open_tree(tmp_path).files == ["40/C4.wav"]

    def test_deeper_than_calls_or_paths_may_be(self, tmp_path: Path) -> None:
        note(tmp_path / "C4.wav", 60)
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            for _ in range(1100):
                os.mkdir("ddd")
                os.chdir("ddd")
            os.link(tmp_path / "C4.wav", "D4.wav")
            assert scan(tmp_path) is not None
            (closed,) = open_tree(tmp_path).closed.items()
        finally:
            os.chdir(here)
            subprocess.run(["rm", "-rf", str(tmp_path / "ddd")], check=True)
        assert len(f"{tmp_path}/{closed[0]}") > 4000
        assert closed[1] == "File name too long"

    def test_ten_thousand_files(self, tmp_path: Path) -> None:
        put(tmp_path / "Oboe 0.wav", tone(60, 8000, 0.03), 8000)
        (tmp_path / "Oboe 1.wav").touch()
        for number in range(2, 10_000):
            os.link(tmp_path / f"Oboe {number > 500:d}.wav", tmp_path / f"Oboe {number}.wav")
        write(tmp_path / "Oboe.sfz", "".join(f"<region> sample=OBOE {number}.WAV\n" for number in range(9998)))
        library = scan(tmp_path)
        assert library is not None
        assert (library.report.found, library.report.kept) == (10_000, 500)

    def test_pipes_sockets_and_devices_are_not_opened(self, tmp_path: Path) -> None:
        """In a process of its own, which would wait for ever."""
        note(tmp_path / "good.wav", 60)
        pipes = ["a.wav", "b.sfz", "c.dspreset", "d.dslibrary", "e.sf2", "f.sf3", "metadata.csv", "metadata.json",
                 "database.sqlite", "examples.json", "library.json", "TinySOL_metadata.csv", "g.txt"]  # fmt: skip
        for name in pipes:
            os.mkfifo(tmp_path / name)
        (tmp_path / "zero.wav").symlink_to("/dev/zero")
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / "s.wav"))
        write(
            tmp_path / "good.sfz",
            '<region> sample=good.wav <region> sample=a.wav #include "g.txt" <region> sample=zero.wav',
        )
        code = (
            "import sys, timbre, timbre.data.readers as readers\n"
            "from timbre.audio import read\n"
            "from timbre.data.tree import open_tree\n"
            "from timbre.errors import LibraryError, AudioError\n"
            "def attempt(action, *arguments):\n"
            "    try: return action(*arguments)\n"
            "    except (LibraryError, AudioError) as error: assert str(error).endswith('.')\n"
            "for name in [None, *readers.READERS]:\n"
            "    library = attempt(lambda: timbre.scan(sys.argv[1], name, measure=False))\n"
            "    if library: print(name, *sorted(library.report.dropped), sep='|')\n"
            "for name in sys.argv[2:]:\n"
            "    assert attempt(open_tree, f'{sys.argv[1]}/{name}') is None\n"
            "    assert attempt(read, f'{sys.argv[1]}/{name}') is None\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), *pipes, "s.wav", "zero.wav"],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        server.close()
        assert done.returncode == 0, done.stderr
        for name in ("a.wav", "s.wav", "zero.wav"):
            assert f"file='{name}'" in done.stdout

    def test_places_that_are_none(self, tmp_path: Path) -> None:
        for place in ("a\0b", "x" * 300, "~nobody-of-that-name/x", "", tmp_path / "none"):
            with pytest.raises(LibraryError):
                open_tree(place or tmp_path / "none")


OUTWARD = [
    "../outside/secret.wav", "..\\outside\\secret.wav", "sub/../../outside/secret.wav", "./../outside/secret.wav",
    "{outside}/secret.wav", "C:\\outside\\secret.wav", "c:secret.wav", "\\\\host\\share\\secret.wav",
    "//host/secret.wav", "file://{outside}/secret.wav", "~/secret.wav", "$HOME/secret.wav",
    "link/../../outside/secret.wav", "\0", "../library",
]  # fmt: skip
WAYS = ["sample", "default_path", "include", "define", "dspreset", "csv", "json", "dslibrary"]


class TestPathsThatLeadOut:
    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        note(tmp_path / "outside/secret.wav", 60)
        write(tmp_path / "outside/secret.txt", "<region> sample=good.wav key=1")
        note(tmp_path / "library/good.wav", 60)
        (tmp_path / "deep/folder").mkdir(parents=True)
        (tmp_path / "library/link").symlink_to(tmp_path / "deep/folder")
        monkeypatch.setenv("HOME", str(tmp_path / "outside"))
        return tmp_path / "library"

    @pytest.mark.parametrize("reference", OUTWARD)
    @pytest.mark.parametrize("way", WAYS)
    def test_they_are_refused(self, way: str, reference: str, place: Path) -> None:
        reference = reference.format(outside=place.parent / "outside")
        folder, _, name = reference.replace("\\", "/").rpartition("/")
        texts = {
            "sample": ("a.sfz", f"<region> sample=good.wav <region> sample={reference}"),
            "default_path": (
                "a.sfz",
                f"<region> sample=good.wav <control> default_path={folder}/ <region> sample={name}",
            ),
            "include": ("a.sfz", f'<region> sample=good.wav\n#include "{reference[:-3] + "txt"}"'),
            "define": ("a.sfz", f"#define $A {reference}\n<region> sample=good.wav <region> sample=$A"),
            "dspreset": (
                "a.dspreset",
                PRESET.replace("OUTSIDE", reference.replace("\0", "")).replace("Samples/knock", "good"),
            ),
            "csv": ("metadata.csv", f"file,instrument\ngood.wav,oboe\n{reference},oboe\n"),
            "json": ("metadata.json", json.dumps([{"file": "good.wav"}, {"file": reference}])),
        }
        if way == "dslibrary":
            with zipfile.ZipFile(place / "a.dslibrary", "w") as archive:
                archive.writestr("a.dspreset", PRESET.replace("OUTSIDE", reference.replace("\0", "")))
                archive.writestr("Samples/knock.wav", wav(40))
                archive.writestr(reference.replace("\0", "x"), wav(60))
        else:
            write(place / texts[way][0], texts[way][1])
        with opened() as names:
            library = scan(place)
        outside = str(place.parent / "outside")
        assert str(place / "good.wav") in names or way == "dslibrary"
        assert [name for name in names if name.startswith((outside, f"{place.parent}/deep/folder/"))] == []
        if library is not None:
            assert not any(name.startswith(outside) for name in (str(found.file) for found in library))

    def test_control_characters_do_not_reach_the_terminal(self, place: Path) -> None:
        write(place / "a.sfz", "<region> sample=good.wav <region> sample=\x1b[31m" + "x" * 9000 + ".wav")
        (file,) = reasons(place)
        assert file.isprintable()
        assert len(file) < 200

    def test_sounds_outside_that_a_chosen_file_names(self, place: Path) -> None:
        write(place / "sub/a.sfz", "<region> sample=../good.wav")
        with pytest.raises(LibraryError, match="scan a folder that holds both"):
            timbre.scan(place / "sub/a.sfz")


class TestArchives:
    def library(self, folder: Path, *, member: str = "Samples/knock.wav", content: bytes | None = None) -> Path:
        with zipfile.ZipFile(folder / "a.dslibrary", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.dspreset", PRESET)
            archive.writestr("Samples/Cello C2.wav", wav(36))
            archive.writestr(member, wav(40) if content is None else content)
        return folder / "a.dslibrary"

    def test_members_that_claim_to_be_large_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = self.library(tmp_path, content=bytes(1 << 20))
        monkeypatch.setattr(decent, "LARGEST_MEMBER", 1 << 19)
        assert "unpacks to 1048576 bytes and is refused" in reasons(path)["a.dslibrary/Samples/knock.wav"]
        monkeypatch.setattr(decent, "_MOST_MEMBERS", 2)
        with pytest.raises(LibraryError, match="holds 3 files"):
            timbre.scan(path)

    def test_members_that_lie_about_their_size_are_not_believed(self, tmp_path: Path) -> None:
        path = self.library(tmp_path, content=bytes(1 << 24))
        with pytest.raises(AudioError, match="unpacks to more than 1000 bytes"):
            unpacked(path, "Samples/knock.wav", 1000)
        size = (1 << 24).to_bytes(4, "little")
        path.write_bytes(path.read_bytes().replace(size, (500).to_bytes(4, "little")))
        with pytest.raises(AudioError, match="cannot be unpacked"):
            unpacked(path, "Samples/knock.wav", 1000)
        assert "a.dslibrary" in "".join(reasons(path))

    @pytest.mark.parametrize("change", ["encrypted", "method", "checksum", "gone"])
    def test_members_that_cannot_be_unpacked(self, change: str, tmp_path: Path) -> None:
        path = self.library(tmp_path)
        content = bytearray(path.read_bytes())
        place = content.rindex(b"PK\x01\x02")
        local = content.rindex(b"PK\x03\x04")
        if change == "encrypted":
            content[place + 8] |= 1
            content[local + 6] |= 1
        elif change == "method":
            content[place + 10] = content[local + 8] = 99
        elif change == "checksum":
            content[place + 16] ^= 1
            content[local + 14] ^= 1
        else:
            content[local + 100 : local + 300] = bytes(200)
        path.write_bytes(content)
        with pytest.raises(AudioError, match="cannot be unpacked"):
            unpacked(path, "Samples/knock.wav")
        assert scan(path) is not None

    def test_a_preset_that_grows(self, tmp_path: Path) -> None:
        path = self.library(tmp_path, member="b.dspreset", content=b" " * (1 << 25))
        assert "unpacks to more than" in reasons(path)["a.dslibrary/b.dspreset"]


LAUGHS = (
    "<!DOCTYPE x [<!ENTITY a 'ha'>"
    + "".join(
        f"<!ENTITY {letter} '{f'&{before};' * 10}'>" for before, letter in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


@pytest.mark.parametrize(
    "head", [LAUGHS, "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>", "<!DOCTYPE x [<!ENTITY i SYSTEM 'secret'>]>"]
)
def test_document_types_are_refused_unread(head: str, tmp_path: Path) -> None:
    note(tmp_path / "good.wav", 60)
    write(tmp_path / "secret", "good.wav")
    write(tmp_path / "good.dspreset", "<DecentSampler><groups><sample path='good.wav'/></groups></DecentSampler>")
    text = f"{head}<DecentSampler><groups><sample path='&i;'/></groups></DecentSampler>"
    for content in (text.encode(), text.encode("utf-16"), f"<?xml version='1.0' encoding='utf-7'?>{text}".encode()):
        (tmp_path / "bad.dspreset").write_bytes(content)
        with opened() as names:
            assert "declares a document type" in reasons(tmp_path)["bad.dspreset"]
        assert str(tmp_path / "secret") not in names


@pytest.mark.parametrize(
    "text", ["<group>" * 200_000, "<sample " + "a='b' " * 9, "<groups>" + "<sample/>" * 100_001 + "</groups>"]
)
def test_presets_that_are_too_much(text: str, tmp_path: Path) -> None:
    write(tmp_path / "a.dspreset", text)
    with pytest.raises(LibraryError, match=r"a\.dspreset"):
        timbre.scan(tmp_path / "a.dspreset")


@pytest.mark.parametrize("text", [
    "a=" + " " * 1_000_000, "$" * 1_000_000, "<region>sample=" + "a " * 500_000, "<" * 1_000_000, "/*" * 500_000,
    "#define " * 200_000, "#define $A " + "b" * 1_000_000, "<region> key=" + "1" * 1_000_000, '#include "' * 100_000,
    "<global> " + "sample=x " * 100_000 + "<region>" * 20_000,
    "<control> default_path=" + "../" * 100_000 + "<region> sample=a ",
])  # fmt: skip
def test_long_lines_do_not_hang(text: str, shelf: Path) -> None:
    with described(shelf, "fuzz.sfz", text.encode()) as file:
        scan(file)


@pytest.mark.parametrize("start", [float("inf"), float("nan"), -float("inf"), 1e308, 9.0])
def test_stretches_of_nothing(start: float, tmp_path: Path) -> None:
    audio = Audio(np.zeros((1, 100), np.float32), 100)
    for part in (Excerpt(start), Excerpt(0.5, -1.0)):
        with pytest.raises(AudioError, match=str(tmp_path)):
            excerpt(audio, part, tmp_path)
    assert excerpt(audio, Excerpt(-1e300, 1e300), tmp_path).duration == 1


@pytest.mark.parametrize("name", sorted({**NAMED, **TREES}))
def test_empty_and_huge_fields_of_every_format(name: str, tmp_path: Path) -> None:
    """Every description, with each of its numbers in turn made absurd."""
    built = {**NAMED, **TREES}[name](tmp_path)
    if built.description is None or not built.description.endswith((".csv", ".json", ".sfz", ".dspreset")):
        pytest.skip("no text describes this format")
    text = (tmp_path / built.description).read_text("utf-8")
    for old, new in (
        ("0", "9" * 400),
        ("6", "-"),
        (",", ",,"),
        ('"', ""),
        ("=", "="),
        ("\n", "\n\n\0"),
        ("a", "\u0430"),
    ):
        write(tmp_path / built.description, text.replace(old, new))
        scan(tmp_path, built.format)


def test_a_tree_that_cannot_be_listed(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="cannot be listed"):
        Tree(tmp_path / "none")
