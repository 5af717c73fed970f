"""`scan`: what it makes of tables, of names, of bad files and of bad folders."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import timbre
from timbre.audio import Audio, write
from timbre.data import Dropped, Library, save_library
from timbre.data.readers.folders import read_folders
from timbre.errors import LibraryError

WANTED = "A pitch must be a note name such as A#3 or Bb3, or a MIDI number from 0 to 127, got "
TONE = Audio(0.5 * np.sin(np.arange(4000) / 10), 22050)


def put(root: Path, *names: str) -> None:
    """Write a short tone under every name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, TONE.samples.T, TONE.sample_rate)


def table(root: Path, text: str, name: str = "metadata.csv") -> None:
    (root / name).write_text(text, encoding="utf-8")


def reasons(library: Library) -> dict[str, str]:
    return dict(library.report.dropped)


def test_a_table_tells_everything(tmp_path: Path) -> None:
    put(tmp_path, "a/1.wav", "a/2.flac", "3.ogg")
    table(
        tmp_path,
        "file,instrument,family,midi_pitch,velocity_or_dynamics,velocity,articulation,source,licence\n"
        "a/2.flac,French Horn,brass,60,mf,72,ordinario,Some Studio,CC0-1.0\n"
        '3.ogg,flute,,A#4,,,"legato, slow",,\n'
        "a\\1.wav,snare,percussion,,100,,hit,,\n",
    )
    library = timbre.scan(tmp_path)
    horn, flute, snare = library
    assert (horn.instrument, horn.family, horn.pitch, horn.dynamics) == ("french_horn", "brass", 60.0, "mf")
    assert (horn.velocity, horn.licence, horn.source) == (72 / 127, "CC0-1.0", "Some Studio")
    assert horn.file == tmp_path / "a" / "2.flac"
    assert horn.file.is_absolute()
    assert horn.duration == pytest.approx(4000 / 22050)
    assert (flute.family, flute.pitch, flute.velocity, flute.articulation) == ("woodwinds", 70.0, None, "legato, slow")
    assert (snare.pitch, snare.dynamics, snare.velocity) == (None, None, 100 / 127)
    assert [n.name for n in library] == ["french_horn-C4-mf", "flute-A#4", "snare-v100"]
    assert library.report.labels == "metadata.csv"
    assert (library.report.found, library.report.kept, library.report.ignored) == (3, 3, 1)


def test_tinysol_headers_are_understood(tmp_path: Path) -> None:
    put(tmp_path, "Strings/Contrabass/ordinario/Cb-ord-A2-mf-2c-N.wav", "Winds/Flute/ordinario/Fl-ord-C4-ff-N-T14d.wav")
    table(
        tmp_path,
        "Path,Fold,Family,Instrument (abbr.),Instrument (in full),Technique (abbr.),Technique (in full),Pitch,Pitch ID,"
        "Dynamics,Dynamics ID,Instance ID,String ID (if applicable),Needed digital retuning\n"
        "Strings/Contrabass/ordinario/Cb-ord-A2-mf-2c-N.wav,0,Strings,Cb,Contrabass,ord,ordinario,A2,45,mf,2,1,2,True\n"
        "Winds/Flute/ordinario/Fl-ord-C4-ff-N-T14d.wav,1,Winds,Fl,Flute,ord,ordinario,C4,60,ff,4,0,,True\n",
        "TinySOL_metadata.csv",
    )
    bass, flute = timbre.scan(tmp_path)
    assert (bass.instrument, bass.family, bass.pitch, bass.dynamics) == ("contrabass", "strings", 45.0, "mf")
    assert (flute.family, flute.pitch, flute.velocity, flute.articulation) == (
        "woodwinds",
        60.0,
        120 / 127,
        "ordinario",
    )


def test_tables_from_spreadsheets(tmp_path: Path) -> None:
    put(tmp_path, "é.wav", "b.wav")
    (tmp_path / "notes.csv").write_bytes(
        "File Name;Instrument;Note;Velocity\né.wav;Flûte;C4;0.5\nb.wav;oboe;Bb3;1\n".encode("cp1252")
    )
    flute, oboe = timbre.scan(tmp_path)
    assert (flute.instrument, flute.velocity, oboe.pitch, oboe.velocity) == ("flûte", 0.5, 58.0, 1.0)


def test_every_misfit_of_a_table_is_named(tmp_path: Path) -> None:
    put(tmp_path, *(f"{name}.wav" for name in "abcdefgh"))
    put(tmp_path.parent, "outside.wav")
    table(
        tmp_path,
        "file,instrument,pitch,velocity\n"
        "a.wav,oboe,60,64\n\n./a.wav,oboe,60,64\nmissing.wav,oboe,60,64\n,oboe,60,64\n../outside.wav,oboe,60,64\n"
        "b.wav,oboe,H4,64\nc.wav,oboe,200,64\nd.wav,oboe,60,loud\ne.wav,oboe,60,128\nf.wav\ng.wav,oboe,n/a,unknown,extra\n",
    )
    library = timbre.scan(tmp_path)
    assert [(n.file.name, n.pitch, n.velocity) for n in library] == [
        ("a.wav", 60.0, 64 / 127),
        ("f.wav", None, None),
        ("g.wav", None, None),
    ]
    assert library[1].instrument == tmp_path.name
    assert reasons(library) == {
        "a.wav": "metadata.csv, row 4 repeats a file",
        "missing.wav": "metadata.csv, row 5 names a file that does not exist",
        "(metadata.csv, row 6)": "metadata.csv, row 6 names no file",
        "../outside.wav": "metadata.csv, row 7 names a file outside the library",
        "b.wav": "metadata.csv, row 8: " + WANTED + "'H4'",
        "c.wav": "metadata.csv, row 9: " + WANTED + "'200'",
        "d.wav": "metadata.csv, row 10: velocity must be a number from 0 to 1 or from 0 to 127, got 'loud'",
        "e.wav": "metadata.csv, row 11: velocity must be a number from 0 to 1 or from 0 to 127, got '128'",
        "h.wav": "not in metadata.csv",
    }
    assert library.report.found == 12


def test_which_table_counts(tmp_path: Path) -> None:
    put(tmp_path, "oboe_A4.wav")
    table(tmp_path, "colour,size\nred,3\n", "other.csv")
    assert timbre.scan(tmp_path).report.labels == "folder and file names"
    table(tmp_path, "file,instrument\noboe_A4.wav,kazoo\n", "one.csv")
    assert timbre.scan(tmp_path).report.labels == "one.csv"
    table(tmp_path, "file,instrument\noboe_A4.wav,horn\n", "two.csv")
    with pytest.raises(
        LibraryError, match=r"must contain one table of files, got one\.csv, two\.csv; name one of them"
    ):
        timbre.scan(tmp_path)
    table(tmp_path, "file,instrument\noboe_A4.wav,tuba\n", "Metadata.csv")
    assert timbre.scan(tmp_path).instruments == ("tuba",)
    table(tmp_path, "file\n" + "x" * 200_000, "Metadata.csv")
    with pytest.raises(LibraryError, match="cannot be read as CSV: field larger"):
        timbre.scan(tmp_path)


@pytest.mark.parametrize(
    ("file", "labels"),
    [
        ("violin/A4.wav", ("violin", "strings", 69, None, None)),
        ("violin/As3.wav", ("violin", "strings", 58, None, None)),
        ("Strings/Violin/ordinario/Vn-ord-A4-ff-4c-N.wav", ("violin", "strings", 69, "ff", "ordinario")),
        ("Brass/F Horn/sus/MOHorn_sus_A#1_v1_1.wav", ("f_horn", "brass", 34, None, "sus")),
        ("cello/cello_As2_05_forte_arco-normal.mp3", ("cello", "strings", 46, "f", "arco-normal")),
        ("cello/cello_A2_1_mezzo-piano_arco-normal.mp3", ("cello", "strings", 45, "mp", "arco-normal")),
        ("cello/cello_A2_1_molto-pianissimo_arco.mp3", ("cello", "strings", 45, "ppp", "arco")),
        ("cello/piano/A4.wav", ("cello", "strings", 69, "p", None)),
        ("piano/piano_C4_piano.wav", ("piano", "keyboard", 60, "p", None)),
        ("piano/C4.wav", ("piano", "keyboard", 60, None, None)),
        ("Session 1/theremin/ff/57.wav", ("theremin", None, 57, "ff", None)),
        ("Piano.ff.Eb4.aiff", ("piano", "keyboard", 63, "ff", None)),
        ("AltoSax.NoVib.ff.C5.wav", ("alto_sax", "woodwinds", 72, "ff", "novib")),
        ("F Horn_A4.wav", ("f_horn", "brass", 69, None, None)),
        ("alto_sax_60.wav", ("alto_sax", "woodwinds", 60, None, None)),
        ("sax_asharp3_rr2.wav", ("sax", "woodwinds", 58, None, None)),
        ("organ_electronic_001-060-127.wav", ("organ_electronic_001", None, 60, None, None)),
        ("drums/Kick/kick_42.wav", ("kick", "percussion", None, None, None)),
        ("drums/snare/C1.wav", ("snare", "percussion", 24, None, None)),
        ("bowl_A9.wav", ("bowl_a9", None, None, None, None)),
        ("gong_21_22.wav", ("gong", "percussion", None, None, None)),
        ("A4.wav", ("my_library", None, 69, None, None)),
        ("legato/A4.wav", ("my_library", None, 69, None, "legato")),
        ("ヴァイオリン/A4.wav", ("ヴァイオリン", None, 69, None, None)),
    ],
)
def test_names_of_folders_and_files(
    file: str, labels: tuple[str, str | None, float | None, str | None, str | None]
) -> None:
    reading = read_folders(Path("/My Library"), [file])
    (note,) = reading.notes
    assert (note.instrument, note.family, note.pitch, note.dynamics, note.articulation) == labels
    assert not reading.dropped


def test_velocities_from_names() -> None:
    files = [
        "a/C4_v1.wav",
        "a/C4_v2.wav",
        "a/D4_v4.wav",
        "b/C4_v1.wav",
        "c/C4_v100.wav",
        "c/C4_v20.wav",
        "d/C4_mf_v2.wav",
        "d/C4_p_v1.wav",
    ]
    notes = read_folders(Path("/x"), [*files, "organ_001-060-064.wav"]).notes
    velocities = [0.125, 0.375, 0.875, None, 100 / 127, 20 / 127, 72 / 127, 40 / 127, 64 / 127]
    assert [note.velocity for note in notes] == velocities
    assert notes[0].name == "a-C4-v16"


def test_runs_of_notes_are_dropped_with_their_reason(tmp_path: Path) -> None:
    put(tmp_path, "Horn.ff.Bb1B1.wav", "Horn.ff.C2.wav")
    assert timbre.scan(tmp_path, "folders").report.dropped == (
        Dropped("Horn.ff.Bb1B1.wav", "contains a run of notes (Bb1B1); split it into one file for each note"),
    )


def test_bad_files_are_named_and_stop_nothing(tmp_path: Path) -> None:
    put(tmp_path, "oboe/A4.wav", "oboe/.hidden.wav", ".git/B4.wav")
    write(tmp_path / "oboe/C5.flac", Audio(np.random.default_rng(0).uniform(-0.5, 0.5, (2, 96000)), 96000))
    whole = (tmp_path / "oboe/C5.flac").read_bytes()
    (tmp_path / "oboe/D5.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "oboe/E5.wav").touch()
    (tmp_path / "oboe/F5.wav").write_text("text")
    (tmp_path / "oboe/G5.m4a").write_text("text")
    (tmp_path / "oboe/notes.txt").write_text("text")
    soundfile.write(tmp_path / "oboe/A5.wav", np.zeros(9000), 22050)
    soundfile.write(tmp_path / "oboe/B5.wav", TONE.samples[0][:220], 22050)
    soundfile.write(tmp_path / "oboe/C6.wav", np.array([0.1] * 500 + [np.nan] * 500), 22050, "FLOAT")
    library = timbre.scan(tmp_path, progress=False)
    assert [note.name for note in library] == ["oboe-A4", "oboe-C5"]
    assert library.report.ignored == 2
    found = reasons(library)
    assert found.pop("oboe/D5.flac").startswith("is damaged")
    assert found.pop("oboe/F5.wav").startswith("is damaged or not a readable sound file")
    assert found == {
        "oboe/A5.wav": "silent",
        "oboe/B5.wav": "too short (10 ms; must be 20 ms or more)",
        "oboe/C6.wav": "cannot be used: 500 of 1000 samples are NaN or infinite, the first at sample 500",
        "oboe/E5.wav": "is empty (0 bytes)",
        "oboe/G5.m4a": ".m4a files cannot be read; convert it to WAV or FLAC",
    }


def test_bad_folders_are_one_sentence(tmp_path: Path) -> None:
    put(tmp_path, "a/silent.wav")
    soundfile.write(tmp_path / "a/silent.wav", np.zeros(9000), 22050)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    table(tmp_path / "empty", "file\nmissing.wav\n")
    for name, message in {
        "missing": "There is no folder",
        "a/silent.wav": "is not a folder; give the folder of a library of notes",
        "texts": "contains no sound files; choose a folder with WAV, FLAC, OGG, MP3 or AIFF files",
        "a": r"None of the 1 sounds in .* can be used: silent.wav: silent\.",
        "empty": "None of the 1 sounds in .* can be used: missing.wav: metadata.csv, row 2 names a file that does not",
    }.items():
        with pytest.raises(LibraryError, match=message):
            timbre.scan(tmp_path / name)


def test_links_are_followed_once_and_order_never_changes(tmp_path: Path) -> None:
    put(tmp_path, "b/A4.wav", "a/C4.wav", "a/B4.wav")
    (tmp_path / "a/loop").symlink_to(tmp_path, target_is_directory=True)
    put(tmp_path.parent, "elsewhere/oboe/D4.wav")
    (tmp_path / "linked").symlink_to(tmp_path.parent / "elsewhere", target_is_directory=True)
    (tmp_path / "broken.wav").symlink_to("nowhere")
    library = timbre.scan(tmp_path)
    assert [note.name for note in library] == ["a-B4", "a-C4", "b-A4", "oboe-D4"]
    assert [note.name for note in timbre.scan(str(tmp_path))] == [note.name for note in library]
    assert reasons(library)["broken.wav"].startswith("cannot be read: No such file")


@pytest.mark.skipif(os.name != "posix", reason="only POSIX file names may be bytes that are no text")
def test_names_that_are_no_text_are_read(tmp_path: Path) -> None:
    put(tmp_path, "oboe/A4.wav")
    (tmp_path / os.fsdecode(b"oboe/\xff.wav")).write_bytes((tmp_path / "oboe/A4.wav").read_bytes())
    library = timbre.scan(tmp_path)
    assert (len(library), library.report.found) == (2, 2)
    assert library[1].audio().samples.shape == library[0].audio().samples.shape
    library.report.table().encode("utf-8")
    assert timbre.scan(save_library(library, tmp_path / "library.json")).notes == library.notes


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["a.wav", "../a.wav", "60", "mf"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELL, max_size=5), max_size=6))
def test_any_table_gives_a_library_or_one_sentence(tmp_path: Path, cells: list[list[str]]) -> None:
    put(tmp_path, "a.wav")
    table(tmp_path, "file,instrument,pitch,velocity,dynamics\na.wav,oboe\n" + "\n".join(",".join(row) for row in cells))
    message = None
    try:
        library = timbre.scan(tmp_path)
    except LibraryError as error:
        message = str(error)
    if message is None:
        assert library.report.found == len(library) + len(library.report.dropped)
        assert {note.file for note in library} == {tmp_path / "a.wav"}
    else:
        assert str(tmp_path) in message


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=20), min_size=1, max_size=5))
def test_any_name_is_read(words: list[str]) -> None:
    file = "/".join(word.replace("/", "_") for word in words) + ".wav"
    reading = read_folders(Path("/x"), [file])
    assert len(reading.notes) + len(reading.dropped) == 1
    for note in reading.notes:
        assert note.pitch is None or 0 <= note.pitch <= 127
        assert note.velocity is None or 0 <= note.velocity <= 1
