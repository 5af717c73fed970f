"""Sample libraries: names, tables, instruments of samplers, archives, recipes and library files."""

import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import timbre
from fuzz import _mutations as mutations
from fuzz._target import lay_out, packed, target
from fuzz._tiny import RATE, sound, tone
from timbre.data.names import parse_dynamics, parse_note, plain
from timbre.data.readers import Options
from timbre.data.soundfonts.soundfont import read_sample, read_soundfont
from timbre.data.storage import load_library, save_library
from timbre.data.tree import open_tree
from timbre.errors import TimbreError

sys.path.append(str(Path(__file__).parents[1]))  # scripts/fuzz runs without pytest
from hostile import opened
from trees_named import GOOD_SOUNDS, ORCHIDEASOL, TINYSOL, nsynth_entry
from trees_sampler import PRESET
from trees_soundfont import LEFT, RIGHT, TINY, Contents, Recorded, build

SOUNDS = ("a.wav", "b c.wav", "sub/d.wav")
FILES = (
    *SOUNDS, "sub\\D.WAV", "../outside/secret.wav", "/etc/passwd", "C:\\x.wav", "\\\\host\\x.wav", "*sine", "sub",
    "~/a.wav",
    "a.wav/", "//a.wav", "\0a.wav", "sub/../a.wav", "$A.wav", "fuzz.sfz", ".", "",
)  # fmt: skip


def scanned(place: Path, name: str | None = None, options: Options = Options()) -> None:  # noqa: B008  (frozen)
    """Scan a folder without measuring; the account must be complete."""
    library = timbre.scan(place, name, options, measure=False)
    report = library.report
    assert report.kept == len(library) > 0
    assert all(reason.strip() and "\n" not in reason for _, reason in report.dropped)
    assert all(note.duration > 0 and note.file.is_relative_to(library.root) for note in library)
    assert all(note.pitch is None or 0 <= note.pitch <= 127 for note in library)
    assert all(note.velocity is None or 0 <= note.velocity <= 1 for note in library)
    if place.is_dir():
        told = {note.file.relative_to(library.root).as_posix() for note in library}
        told |= {file for file, _ in report.dropped}
        lost = set(open_tree(place).sounds) - told
        assert all(any(own.startswith(file) for own in told) for file in lost), f"no word about {sorted(lost)[:3]}"
    report.table().encode()


def described(file: str, *names: str) -> Callable[[bytes, Path], None]:
    """A target's function: scans a folder with three sounds and a description, by itself and through the folder."""

    def run(data: bytes, place: Path) -> None:
        root = place / "library"
        (root / "sub").mkdir(parents=True)
        for name in SOUNDS:
            (root / name).write_bytes(sound())
        (place / "outside").mkdir()
        (place / "outside/secret.wav").write_bytes(sound())
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(data)
        refusals = []
        with opened() as heard:
            for given, reader in ((root, None), (root / file, None), *((root, name) for name in names)):
                try:
                    scanned(given, reader)
                except TimbreError as error:
                    refusals.append(error)
        outside = os.path.realpath(place / "outside")
        assert not any(name.startswith((outside, "/etc/")) for name in heard), "a file outside of the folder is opened"
        if len(refusals) > len(names):
            raise refusals[0]

    return run


def _texts(seeds: tuple[str, ...], words: tuple[str, ...]) -> Callable[[Random], bytes]:
    return lambda random: mutations.some_text(random, random.choice(seeds), (*words, *FILES, *mutations.NUMBERS))


_SFZ = (
    "<control> default_path=sub/\n<global> volume=0 ampeg_attack=0.001\n<group> lovel=0 hivel=63\n"
    "<region> sample=d.wav lokey=58 hikey=60 pitch_keycenter=60\n",
    "#define $KEY 60\n<group> key=$KEY seq_length=2\n<region> sample=a.wav seq_position=1\n<region> sample=b c.wav "
    "seq_position=2 tune=-50 offset=10 end=200\n",
    "<master> trigger=attack\n<region>sample=a.wav key=c4 // comment\n/* more */\n<region> sample=sub\\d.wav key = 62 "
    "loop_mode=loop_continuous\n#include \"sub/more.sfz\"\n",
    "<group> key=36\n<region> sample=a.wav\n<group> key=38 lorand=0 hirand=0.5\n<region> sample=b c.wav xfin_lovel=1\n",
)  # fmt: skip
_OPCODES = (
    "key lokey hikey pitch_keycenter lovel hivel tune transpose offset end seq_position seq_length lorand hirand",
    "trigger pitch_keytrack note_offset octave_offset xfin_lovel xfout_hivel on_locc1 sample <x>",
    "<region> <group> <global> <control> < > // /* */ #include #define $KEY = default_path sample=a.wav key=60",
)
PRESET_TEXT = PRESET.replace("OUTSIDE", "../outside/secret.wav").replace("Samples/Cello C2.wav", "a.wav")
_ATTRIBUTES = (
    'path="a.wav" rootNote loNote hiVel start end tuning seqMode seqPosition trigger <group> </group> <groups>',
    "<sample/> <!-- --> <![CDATA[ ]]> &lt; &x; <!DOCTYPE <?xml encoding",
)

target("sfz", _texts(_SFZ, tuple(" ".join(_OPCODES).split())), "timbre.data.readers.sfz:READER")(described("fuzz.sfz"))
target("dspreset", _texts((PRESET_TEXT,), tuple(" ".join(_ATTRIBUTES).split())), "timbre.data.readers.decent:READER")(
    described("fuzz.dspreset")
)

_TABLE = [
    ["file", "instrument", "pitch", "velocity", "dynamics", "articulation", "split", "take", "licence"],
    ["a.wav", "flute", "C4", "100", "mf", "sus", "train", "1", "CC0"],
    ["b c.wav", "oboe", "62", "0.5", "ff", "stac", "test", "2", ""],
    ["sub/d.wav", "cello", "A#3", "", "p", "", "valid", "", ""],
]


def _csv(random: Random) -> bytes:
    return mutations.some_rows(random, _TABLE, FILES)


target(
    "table-csv",
    _csv,
    "timbre.data.readers.table:READER",
    "timbre.data.readers._entries:entries",
    "timbre.data.readers.text_tables",
)(described("metadata.csv", "table"))
target("table-tsv", _csv, "timbre.data.readers.table:READER")(described("metadata.tsv", "table"))
_ROWS = [dict(zip(_TABLE[0], row, strict=True)) for row in _TABLE[1:]]
_JSON = (_ROWS, {"a.wav": _ROWS[0], "b c.wav": {"pitch": 62.5, "velocity": 64}}, {"notes": _ROWS, "version": 1})


target("table-txt", _csv, "timbre.data.readers.table:READER")(described("labels.txt", "table"))


def _lines(random: Random) -> bytes:
    return b"\n".join(
        mutations.some_json(random, row) if random.random() < 0.4 else json.dumps(row).encode() for row in _ROWS
    )


target("table-jsonl", _lines, "timbre.data.readers.table:READER")(described("metadata.jsonl", "table"))


@target(
    "table-json", lambda random: mutations.some_json(random, random.choice(_JSON)), "timbre.data.readers.table:READER"
)
def _json_table(data: bytes, place: Path) -> None:
    described("metadata.json", "table")(data, place)


_NSYNTH = {
    "a": nsynth_entry("a", "oboe_acoustic_000", "reed", "acoustic", 60, 100, ["bright"]),
    "d": nsynth_entry("d", "bass_synthetic_033", "bass", "synthetic", 45, 25, []),
}


@target("nsynth", lambda random: mutations.some_json(random, _NSYNTH), "timbre.data.readers.nsynth:READER")
def _nsynth(data: bytes, place: Path) -> None:
    root = place / "nsynth-test"
    (root / "audio").mkdir(parents=True)
    for name in "ad":
        (root / f"audio/{name}.wav").write_bytes(sound())
    (root / "examples.json").write_bytes(data)
    scanned(place)


def _sol(header: str, table: str, row: tuple[Any, ...]) -> Callable[[Random], bytes]:
    rows = [header.split(","), [str(cell) for cell in row], ["x/b.wav", *(str(cell) for cell in row[1:])]]
    return lambda random: packed({table: mutations.some_rows(random, rows), "x/a.wav": sound(), "x/b.wav": sound()})


_TINY_ROW = ("x/a.wav", 1, "Winds", "Fl", "Flute", "ord", "ordinario", "A2", 45, "mf", 2, 1, "2.0", "FALSE")
_ORCHIDEA_ROW = (
    "x/a.wav", 2, "Strings", "Strings", "Cb", "Contrabass", "S", "Sordina", "trem", "tremolo", "A2", "45.0", "mf",
    "2.0", 0,
    "1.0", "FALSE",
)  # fmt: skip


def _scan_folder(data: bytes, place: Path) -> None:
    scanned(lay_out(data, place))


target("tinysol", _sol(TINYSOL, "TinySOL_metadata.csv", _TINY_ROW), "timbre.data.readers.sol:TINYSOL")(_scan_folder)
target(
    "orchideasol", _sol(ORCHIDEASOL, "OrchideaSOL_metadata.csv", _ORCHIDEA_ROW), "timbre.data.readers.sol:ORCHIDEASOL"
)(_scan_folder)

_MEDLEY = [
    ["subset", "instrument", "instrument_id", "song_id", "uuid4"],
    ["training", "flute", "2", "3", "0e4371ac-1c6a-51ab-fdb7-f8abd5fbf1a3"],
    ["test", "piano", "4", "5", "1e4371ac-1c6a-51ab-fdb7-f8abd5fbf1a3"],
]


def _medley(random: Random) -> bytes:
    files = {
        f"Medley-solos-DB/Medley-solos-DB_{row[0]}-{row[2]}_{row[4]}.wav": sound(seconds=0.05) for row in _MEDLEY[1:]
    }
    return packed({"annotation/Medley-solos-DB_metadata.csv": mutations.some_rows(random, _MEDLEY), **files})


target("medley", _medley, "timbre.data.readers.medley:READER")(_scan_folder)


def _database(random: Random) -> bytes:
    """A database of good-sounds with other values in its columns, or other bytes."""
    base = sqlite3.connect(":memory:")
    base.executescript(GOOD_SOUNDS)

    def value(own: Any) -> Any:
        if random.random() > 0.12:
            return own
        odd = random.choice((*mutations.INTEGERS[:20], *mutations.FLOATS[:14], *mutations.TEXTS, None, b"\xff\0"))
        if isinstance(odd, int) and abs(odd) >= 2**63:
            return float(odd)
        return odd.encode("utf-8", "replace").decode() if isinstance(odd, str) else odd

    sounds = [[1, "flute", "C", 4, "mf", 1, "good-sound", 48, 442], [2, "sax", "A", 3, None, 2, "bad-pitch", 45, 440]]
    takes = [[1, "akg", "a.wav", 1], [2, "neumann", "b c.wav", 1], [3, "iphone", "sub/d.wav", 2]]
    columns = "id, instrument, note, octave, dynamics, pack_id, klass, semitone, pitch_reference"
    for statement, rows in (
        (f"INSERT OR IGNORE INTO sounds ({columns}) VALUES (?,?,?,?,?,?,?,?,?)", sounds),
        ("INSERT OR IGNORE INTO takes (id, microphone, filename, sound_id) VALUES (?,?,?,?)", takes),
    ):
        for row in rows:
            base.execute(statement, [row[0], *map(value, row[1:])])
    base.commit()
    data = base.serialize()
    base.close()
    return mutations.some_bytes(random, data) if random.random() < 0.5 else data


target("good-sounds", _database, "timbre.data.readers.good_sounds:READER")(described("database.sqlite", "good-sounds"))


@cache
def _font(compressed: bool) -> bytes:
    frames = tone(60.0)
    samples = [
        Recorded("Flute(L)", frames, RATE, kind=LEFT, link=1), Recorded("Flute(R)", frames, RATE, kind=RIGHT, link=0),
        Recorded("Kick", frames[:200], RATE, key=36),
    ]  # fmt: skip
    zones = [[(43, 256 * 96 + 48), (53, 0)], [(43, 256 * 96 + 48), (53, 1)]]
    instruments = [("Flute", zones), ("Kick", [[(58, 36), (53, 2)]])]
    presets = [("Flute", 0, 73, [[(41, 0)]]), ("Kit", 128, 0, [[(41, 1)]])]
    return build(Contents(samples, instruments, presets, texts=TINY.texts, compressed=compressed))


def _soundfont(random: Random) -> bytes:
    data = _font(random.random() < 0.3)
    if random.random() < 0.5:
        return mutations.some_chunks(random, data)
    return mutations.some_bytes(random, data)


@target(
    "soundfont", _soundfont, "timbre.data.readers.soundfont:READER",
    "timbre.data.soundfonts.soundfont:read_soundfont", "timbre.data.soundfonts.soundfont:read_sample",
    "timbre.data.soundfonts._riff:read_chunks",
)  # fmt: skip
def _read_font(data: bytes, place: Path) -> None:
    file = place / "a.sf2"
    file.write_bytes(data)
    font = read_soundfont(file)
    assert all(0 <= zone.sample < len(font.samples) for preset in font.presets for zone in preset.zones)
    for number in range(min(4, len(font.samples))):
        with contextlib.suppress(TimbreError):
            assert np.isfinite(read_sample(file, number).samples).all()
    scanned(file, options=Options(raw=True))


_NAMES = (
    "flute_C4_mf.wav", "flute/A#3.wav", "Flöte_Es4.wav", "FluteC4.wav", "A0v8.wav",
    "cello_As2_05_forte_arco-normal.wav",
    "Horn.ff.Bb1B1.aiff", "Piano.ff.Eb4.aiff", "oboe-60-127.wav", "MOHorn_sus_A#1_v1_1.wav", "Kick 01.wav", "B3_A3.wav",
    "Strings/Violin/pizz/Vn-pizz-G3-ff-4c-N.wav", "bass_synthetic_033-022-050.wav", "60.wav", "H4.wav", "C-1.wav",
    "G9.wav",
)  # fmt: skip


def _names(random: Random) -> bytes:
    """Names of one to six files, each with its folders, separated by zeros."""
    names = []
    for _ in range(random.choice((1, 2, 2, 6))):
        name = random.choice(_NAMES).encode()
        if random.random() < 0.8:
            name = mutations.some_text(
                random, name.decode(), ("C#4", "mf", "rr2", "v127", "Es", "_", "-", " ", "♯", "H")
            )
        names.append(name[: random.choice((40, 250))])
    return b"\0".join(names)


@target(
    "names", _names, "timbre.data.tree:open_tree", "timbre.data.readers.folders:READER",
    "timbre.data.readers.iowa:READER", "timbre.data.readers.philharmonia:READER",
)  # fmt: skip
def _scan_names(data: bytes, place: Path) -> None:
    for number, name in enumerate(data.split(b"\0")):
        parts = [part[:200] for part in name.split(b"/") if part not in (b"", b".", b"..")] or [b"x"]
        file = os.path.join(os.fsencode(place), *parts[-4:])
        with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file if os.path.splitext(file)[1] else file + b".wav", "wb") as out:
                out.write(sound(pitch=60.0 + number))
    scanned(place)
    for reader in ("folders", "iowa", "philharmonia"):
        with contextlib.suppress(TimbreError):
            scanned(place, reader)


_PATTERNS = ("{instrument}/{note}_{dynamics}_rr{take}.wav", "{note}.wav", "{instrument}_{note}_{velocity}.wav")
_PATTERN_WORDS = ("{note}", "{midi}", "{take}", "{", "}", "{}", "{{", "*", "(?P<x>", "[", "\\", "{note}{note}", "_")


@target(
    "pattern", lambda random: mutations.some_text(random, random.choice(_PATTERNS), _PATTERN_WORDS),
    "timbre.data.readers.pattern:READER", file=False,
)  # fmt: skip
def _pattern(data: bytes, place: Path) -> None:
    for name in ("flute/C4_mf_rr1.wav", "flute/D4_p_rr2.wav", "oboe_E4_100.wav"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(sound())
    scanned(place, options=Options(pattern=data.decode("utf-8", "surrogateescape")))


def _words(random: Random) -> bytes:
    return mutations.some_text(
        random, random.choice(("C#4", "60", "Bb-1", "mezzo-forte", "ff", "57.5", "asharp3", "AltoSax"))
    )


@target("words", _words, "timbre.data.names:parse_note", "timbre.data.names:parse_dynamics", file=False)
def _parse_words(data: bytes, _: Path) -> None:
    text = data.decode("utf-8", "surrogateescape")
    parse_dynamics(text)
    assert plain(plain(text)) == plain(text)
    assert 0 <= parse_note(text) <= 127


@cache
def _library_text() -> str:
    """A library file of two notes, made from a real scan."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        for file in ("flute-C4.wav", "flute-E4.wav"):
            (Path(name) / file).write_bytes(sound(pitch=60.0 if "C" in file else 64.0))
        (Path(name) / "broken.wav").write_bytes(b"RIFF")
        return save_library(timbre.scan(name), Path(name) / "library.json").read_text("utf-8")


@target(
    "library-file", lambda random: mutations.some_json(random, json.loads(_library_text())),
    "timbre.data.storage:load_library",
)  # fmt: skip
def _library_file(data: bytes, place: Path) -> None:
    for file in ("flute-C4.wav", "flute-E4.wav"):
        (place / file).write_bytes(sound())
    (place / "library.json").write_bytes(data)
    library = load_library(place / "library.json")
    library.report.table().encode()
    again = load_library(save_library(library, place / "again.json"))
    assert again.notes == library.notes, "what was loaded is saved as something else"
    scanned_too = timbre.scan(place / "library.json") if data.startswith(b'{"format"') else None
    assert scanned_too is None or scanned_too.notes == library.notes
