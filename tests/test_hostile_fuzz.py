"""Any bytes as descriptions of libraries: a scan gives a library, fully accounted for, or one sentence."""

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hostile import opened, scan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees_named import TREES as NAMED
from trees_named import note, nsynth_entry, put, tone
from trees_sampler import PRESET, TREES, wav, write

from timbre.data.sounds import extent, root_key

fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


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


@pytest.mark.parametrize("text", [
    "a=" + " " * 1_000_000, "$" * 1_000_000, "<region>sample=" + "a " * 500_000, "<" * 1_000_000, "/*" * 500_000,
    "#define " * 200_000, "#define $A " + "b" * 1_000_000, "<region> key=" + "1" * 1_000_000, '#include "' * 100_000,
    "<global> " + "sample=x " * 100_000 + "<region>" * 20_000,
    "<control> default_path=" + "../" * 100_000 + "<region> sample=a ",
])  # fmt: skip
def test_long_lines_do_not_hang(text: str, shelf: Path) -> None:
    with described(shelf, "fuzz.sfz", text.encode()) as file:
        scan(file)


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
