"""Tables of files as people have them: what is in them is read, and what is not read is said."""

import re
from pathlib import Path

import pytest
from trees_named import note

import timbre
from timbre.data import Library

CASES = Path(__file__).parent / "cases"
HEADER = "file,instrument,pitch,velocity\n"
ROWS = "a/Flöte 60.wav,oboe,60,20\na/62x.wav,oboe,62.5,30\n"
TABLE = HEADER + ROWS


def scan(root: Path, content: str | bytes, name: str = "metadata.csv") -> Library:
    """The library of two notes and a file with this content."""
    note(root / "a/Flöte 60.wav", 60, 8000)
    note(root / "a/62x.wav", 62.5, 8000)
    (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return timbre.scan(root, measure=False)


def test_the_case() -> None:
    library = timbre.scan(CASES / "table-comment")
    assert [(n.instrument, n.pitch, round(127 * (n.velocity or 0))) for n in library] == [
        ("oboe", pitch, velocity)
        for pitch, velocity in zip((60, 62, 64, 65, 67, 69, 71, 72), range(20, 100, 10), strict=True)
    ]


def barred(table: str) -> str:
    return "".join("| " + row.replace(",", " | ") + " |\n" for row in table.splitlines())


FORMS: dict[str, str | bytes] = {
    "comment": "# made by a script, v2\n\n" + HEADER + "# a note\n" + ROWS,
    "other comments": "; one\n// two\n% three\n" + TABLE,
    "comment of the header": "# " + TABLE,
    "blank lines": "\n \n" + HEADER + "\n" + ROWS.replace("\n", "\n\n"),
    "sep": "sep=;\n" + TABLE.replace(",", ";").replace("62.5", "62,5"),
    "tabs": TABLE.replace(",", "\t"),
    "rule": HEADER + "---,---,---,---\n" + ROWS,
    "markdown": barred(HEADER) + "|---|:--|--:|:-:|\n" + barred(ROWS),
    "title": "My library,,,\nby me,,,\n" + TABLE,
    "header again": HEADER + ROWS.replace("\n", "\n" + HEADER, 1),
    "upper case": '"FILE NAME","Instrument Name","MIDI NOTE","Velocity"\n' + ROWS,
    "quoted": 'velocity,pitch,file,instrument\n20,60,"a/Flöte 60.wav","oboe"\n30,62.5,"a/62x.wav","oboe"\n',
    "index": "," + HEADER + "".join(f"{n},{row}\n" for n, row in enumerate(ROWS.splitlines())),
    "old Mac lines": TABLE.replace("\n", "\r"),
    "Windows lines": TABLE.replace("\n", "\r\n"),
    **{
        encoding: TABLE.encode(encoding)
        for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "mac_roman", "cp850")
    },
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["metadata.csv", "labels.tsv", "notes.txt"])
def test_every_form_is_read(form: str, name: str, tmp_path: Path) -> None:
    library = scan(tmp_path, FORMS[form], name)
    found = {n.file.name: (n.instrument, n.pitch, round(127 * (n.velocity or 0))) for n in library}
    assert found == {"Flöte 60.wav": ("oboe", 60, 20), "62x.wav": ("oboe", 62.5, 30)}
    assert (library.report.reader, library.report.remarks, library.report.dropped) == ("table", (), ())


JSON = {
    "list in an object": '{"version": 1, "notes": [{"file": "a/62x.wav", "pitch": 62}, '
    '{"file": "a/Flöte 60.wav", "pitch": 60}]}',
    "columns": '{"file": ["a/62x.wav", "a/Flöte 60.wav"], "pitch": [62, 60]}',
    "keys": '{"a/62x.wav": {"pitch": 62}, "a/Flöte 60.wav": {"pitch": 60}}',
}


@pytest.mark.parametrize("form", JSON)
def test_every_form_of_json_is_read(form: str, tmp_path: Path) -> None:
    assert {n.pitch for n in scan(tmp_path, JSON[form], "metadata.json")} == {60, 62}


# Each with two files a/Flöte 60.wav and a/62x.wav of MIDI 60 and 62.5.
SIBLINGS: dict[str, tuple[str, str]] = {
    "names only": ("keys.csv", "Sample;Root\nFlöte 60.wav;60\n62x.wav;62,5\n"),
    "no suffixes": ("map.csv", "Sample Name,Root Key,Lo Key\nFlöte 60,60,59\n62x,62.5,61\n"),
    "another computer": ("files.csv", "path,midiNote\nC:\\me\\Lib\\a\\Flöte 60.wav,60\n/home/me/a/62x.aiff,62.5\n"),
    "frequencies": ("metadata.csv", "file;Frequenz (Hz)\na/Flöte 60.wav;261,63\na/62x.wav;302,27 Hz\n"),
    "JSON of pitches": ("labels.json", '{"Flöte 60.wav": 60, "62x.wav": 62.5}'),
    "JSON of objects": ("mine.json", '{"a/62x": {"root": 62.5}, "a/Flöte 60": {"root": 60}}'),
    "in a text": ("README.md", "# Mine\n\n| file | note |\n|---|---|\n| Flöte 60.wav | C4 |\n| 62x.wav | 62.5 |\n"),
    "another table beside it": ("Labels.TSV", "Datei\tTonhöhe\nFlöte 60.wav\t60\n62x.wav\t62.5\n"),
    "octaves apart": ("metadata.csv", "file,note,octave\na/Flöte 60.wav,C,4\na/62x.wav,62.5,4\n"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SIBLINGS)
def test_other_names_of_columns_and_files(kind: str, tmp_path: Path) -> None:
    if kind == "another table beside it":
        (tmp_path / "old.csv").write_text("file,pitch\ngone.wav,60\n")
    name, content = SIBLINGS[kind]
    library = scan(tmp_path, content, name)
    assert {n.file.name: n.pitch for n in library} == {"Flöte 60.wav": 60, "62x.wav": 62.5}
    assert (library.report.labels, library.report.dropped) == (name, ())


def test_a_file_that_may_be_one_of_several_is_not_guessed(tmp_path: Path) -> None:
    note(tmp_path / "b/62x.wav", 60, 8000)
    rows = "62x.wav,62\nc/Flöte 60.wav,60\nb/62x.flac,60\n"
    library = scan(tmp_path, "file,pitch\n" + rows)
    assert [(n.file.parent.name, n.pitch) for n in library] == [("b", 60)]
    assert sum("does not exist" in one.reason for one in library.report.dropped) == 2


@pytest.mark.parametrize("column", ["key", "note"])
def test_columns_of_words_are_no_pitches(column: str, tmp_path: Path) -> None:
    for name in ("c", "d"):
        note(tmp_path / f"a/{name}.wav", 60, 8000)
    files = ("a/Flöte 60.wav", "a/62x.wav", "a/c.wav", "a/d.wav")
    rows = "".join(f"{file},good take,{key}\n" for key, file in enumerate(files, start=60))
    library = scan(tmp_path, f"file,{column},pitch keycenter\n{rows}")
    assert sorted(n.pitch or 0 for n in library) == [60, 61, 62, 63]
    said = f"table: the column {column} of metadata.csv contains no pitches, such as 'good take'"
    assert library.report.remarks == (said,)


def test_a_table_of_drums_needs_no_pitches(tmp_path: Path) -> None:
    library = scan(tmp_path, "file,instrument\na/Flöte 60.wav,kick\na/62x.wav,snare\n")
    assert library.report.remarks == ()


def test_texts_of_single_sounds_are_no_tables(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text("file,pitch\na/62x.wav,62\n")
        (tmp_path / f"{number}.json").write_text('{"a/62x.wav": 62}')
    assert scan(tmp_path, TABLE).report.remarks == ()
    (tmp_path / "metadata.csv").unlink()
    assert timbre.scan(tmp_path, measure=False).report.reader == "folders"


def test_a_table_without_pitches_is_said(tmp_path: Path) -> None:
    library = scan(tmp_path, "file,instrument,Höhe\na/Flöte 60.wav,oboe,60\na/62x.wav,oboe,62\n")
    remark = "table: metadata.csv has no column of pitches (pitch, note, midi, hz); its columns are: file, instrument, "
    assert library.report.remarks[0] == remark + "hohe"


def test_lines_of_json_are_read(tmp_path: Path) -> None:
    lines = '{"file_name": "a/62x.wav", "pitch": 62}\n\n{"file_name": "a/Flöte 60.wav", "pitch": 60}\n'
    assert {n.pitch for n in scan(tmp_path, lines, "metadata.jsonl")} == {60, 62}


def test_note_names_of_a_table_have_one_spelling(tmp_path: Path) -> None:
    rows = "a/62x.wav,Cis4\na/Flöte 60.wav,H4\ngone.wav,B4\n"
    library = scan(tmp_path, "file,pitch\n" + rows)
    assert [n.pitch for n in library] == [61, 71]
    assert "table: metadata.csv has 1 row without a file" in library.report.remarks


def test_files_and_rows_without_each_other_are_counted(tmp_path: Path) -> None:
    note(tmp_path / "b.wav", 60, 8000)
    note(tmp_path / "c.wav", 60, 8000)
    report = scan(tmp_path, TABLE + "gone.wav,oboe,60,1\n").report
    assert report.remarks == ("table: metadata.csv has 1 row without a file and 2 files without a row",)
    assert len(report.dropped) == 3


NO_TABLES: dict[str, tuple[str, str | bytes, str]] = {
    "no files": ("metadata.csv", "name,pitch\nx,60\n", "no line names a column of files .* begins with 'name,pitch'"),
    "empty": ("labels.csv", "", "no line names a column of files .* it is empty"),
    "spreadsheet": ("labels.xlsx", b"PK", "it is a spreadsheet; save it as metadata.csv"),
    "deep": ("a/labels.csv", TABLE, "it is not in the top folder"),
    "JSON of another form": ("metadata.json", "[1]", "it must contain a list of objects, .*"),
    "JSON of other files": ("metadata.json", '{"a": 1}', "it names no file of the library"),
    "other files": ("metadata.csv", "file,pitch\nx1.wav,60\nx2.wav,62\n", "it names no file of the library"),
    "no header": ("notes.txt", "a/Flöte 60.wav 60\na/62x.wav 62\n", "no line names a column of files .*"),
    "JSON lists": ("labels.json", '[["62x.wav", 62], ["Flöte 60.wav", 60]]', "it must contain a list of objects, .*"),
    "no JSON": ("metadata.json", '{"a":', "it cannot be read as JSON: .*"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_TABLES)
def test_what_is_not_read_is_said(kind: str, tmp_path: Path) -> None:
    name, content, reason = NO_TABLES[kind]
    library = scan(tmp_path, content, name)
    assert library.report.reader == "folders"
    (remark,) = [remark for remark in library.report.remarks if remark.startswith("table: ")]
    assert re.fullmatch(f"table: {name} was not read: {reason}", remark)


def test_other_tables_beside_the_one_that_is_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text(TABLE, encoding="utf-8")
    (tmp_path / "readme.txt").write_text("file, instrument or whatever\n")
    assert scan(tmp_path, TABLE).report.remarks == ("table: old.csv was not read: metadata.csv was",)


# --- SFZ and kits


@pytest.mark.parametrize("measure", [False, True])
def test_blanks_around_equals_signs(measure: bool) -> None:
    library = timbre.scan(CASES / "sfz-spaces-equals", measure=measure)
    assert [(n.file.stem, n.pitch, n.velocity) for n in library] == [
        (f"s{key}", key, 81 / 254) for key in (60, 62, 64, 66, 69)
    ]
    assert (library.report.dropped, library.report.flagged) == ((), ())


@pytest.mark.parametrize("measure", [False, True])
def test_a_kit_has_no_pitch(measure: bool) -> None:
    library = timbre.scan(CASES / "kit-sfz", measure=measure)
    assert [(n.instrument, n.family, n.pitch) for n in library] == [
        (drum, "percussion", None) for drum in ("kick", "snare", "hat", "clap")
    ]
    assert "without pitch" not in library.report.table()


KITS = {
    "by their sounds": "<region> sample=BD1.wav key=36 <region> sample=sd.wav key=38",
    "by a group": "<group> group_label=Snare <region> sample=BD1.wav key=36 <region> sample=sd.wav key=38",
    "spaced": "<region>\nsample = BD1.wav\nkey = 36 lovel = 1\n<region> sample = sd.wav\tkey\t=\t38",
}


@pytest.mark.parametrize("kind", KITS)
def test_drums_are_known(kind: str, tmp_path: Path) -> None:
    for name in ("BD1", "sd"):
        note(tmp_path / f"{name}.wav", 50, 8000)
    (tmp_path / "My.sfz").write_text(KITS[kind])
    assert [(n.family, n.pitch) for n in timbre.scan(tmp_path, measure=False)] == [("percussion", None)] * 2


def test_centers_by_default_are_no_pitches(tmp_path: Path) -> None:
    for name in ("x C3", "x E3", "y"):
        note(tmp_path / f"{name}.wav", 48, 8000)
    regions = "".join(f"<region> sample={name}.wav lokey=40 hikey=50\n" for name in ("x C3", "x E3", "y"))
    text = "\ufeff// a comment\r\n/* more */ " + regions.replace("\n", "\r\n")
    (tmp_path / "Pad.sfz").write_text(text, encoding="utf-8")
    assert [n.pitch for n in timbre.scan(tmp_path, measure=False)] == [48, 52, None]
    assert "without pitch:" in timbre.scan(tmp_path, measure=False).report.table()
