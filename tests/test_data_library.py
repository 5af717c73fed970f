"""`Note`, `Library` and `Report`."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.data import Dropped, Library, Note, Report
from timbre.errors import LibraryError

ROOT = Path("/library")


def note(instrument: str = "oboe", **fields: object) -> Note:
    return Note(ROOT / "a.wav", instrument, **fields)  # type: ignore[arg-type]


@pytest.fixture
def library() -> Library:
    return Library(
        [
            note("violin", family="strings", pitch=69.0, dynamics="p", velocity=40 / 127, articulation="arco"),
            note("violin", family="strings", pitch=69.0, dynamics="p", velocity=40 / 127, articulation="pizzicato"),
            note("cello", family="strings", pitch=45.0),
            note("oboe", family="woodwinds", pitch=69.12, dynamics="mf"),
            note("snare", family="percussion", articulation="hit"),
        ],
        ROOT,
    )


def test_names_say_instrument_pitch_and_loudness() -> None:
    assert note(pitch=69.0, dynamics="mf", velocity=0.5).name == "oboe-A4-mf"
    assert note(pitch=61.2, velocity=100 / 127).name == "oboe-C#4-v100"
    assert note().name == "oboe"


def test_articulations_tell_notes_apart_and_numbers_the_rest(library: Library) -> None:
    names = [n.name for n in library]
    assert names == ["violin-A4-p-arco", "violin-A4-p-pizzicato", "cello-A2", "oboe-A4-mf", "snare"]
    assert [n.name for n in Library([note(), note(), note(name="oboe-2")], ROOT)] == ["oboe", "oboe-2", "oboe-2-2"]
    assert [n.name for n in library[1:]] == names[1:]
    assert [n.name for n in library.filter(articulation="pizzicato")] == ["violin-A4-p-pizzicato"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "a-2", "b"]), st.sampled_from([None, "x", "2"])), max_size=12))
def test_names_are_unique_and_stay(labels: list[tuple[str, str | None]]) -> None:
    library = Library([note(name, articulation=manner) for name, manner in labels], ROOT)
    names = [n.name for n in library]
    assert len(set(names)) == len(labels)
    assert [library[name] for name in names] == list(library)
    assert [n.name for n in Library(library, ROOT)] == names
    assert [(n.instrument, n.articulation) for n in library] == labels


def test_a_library_is_a_sequence_with_names(library: Library) -> None:
    assert isinstance(library, Sequence)
    assert len(library) == 5
    assert library[0] is library["violin-A4-p-arco"] is next(iter(library))
    assert library[-1] in library
    assert isinstance(library[1:3], Library)
    assert library.instruments == ("cello", "oboe", "snare", "violin")
    assert library.families == ("percussion", "strings", "woodwinds")
    with pytest.raises(LibraryError, match="no note 'oboe-A4-mff' in this library; there are oboe-A4-mf"):
        library["oboe-A4-mff"]
    with pytest.raises(LibraryError, match="there are violin-A4-p-arco, violin-A4-p-pizzicato, cello-A2"):
        library["zzz"]
    with pytest.raises(LibraryError, match="no note 'a' in this library; there are none"):
        library[:0]["a"]
    with pytest.raises(IndexError):
        library[5]


def test_filters_combine(library: Library) -> None:
    assert len(library.filter(family="Strings")) == 3
    assert [n.instrument for n in library.filter(pitch="A4")] == ["violin", "violin", "oboe"]
    assert [n.instrument for n in library.filter(pitch=[45, "A4"], family={"strings", "woodwinds"})][-2:] == [
        "cello",
        "oboe",
    ]
    assert [n.instrument for n in library.filter(pitch=None)] == ["snare"]
    assert [n.instrument for n in library.filter(dynamics=[None, "mf"])] == ["cello", "oboe", "snare"]
    assert library.filter(family="strings").report is library.report


def test_filters_that_match_nothing_name_what_there_is(library: Library) -> None:
    for wanted, message in [
        ({"colour": "red"}, "field must be one of file, instrument, family, pitch, .*, got 'colour'"),
        ({"family": "brass"}, "family='brass'; there are percussion, strings, woodwinds"),
        ({"pitch": "C4"}, "pitch='C4'; there are A2, A4, None"),
        ({"pitch": "H4"}, "got 'H4'"),
        ({"instrument": ["oboe", "kazoo"]}, "instrument='kazoo'; there are cello, oboe, snare, violin"),
        ({"instrument": "oboe", "family": "strings"}, "No note has instrument='oboe' and family='strings' together"),
    ]:
        with pytest.raises(LibraryError, match=message):
            library.filter(**wanted)


def test_the_report_adds_up_and_prints(library: Library) -> None:
    report = Report(ROOT, "metadata.csv", library.notes, (Dropped("b.wav", "silent"),), ignored=2)
    assert (report.found, report.kept, report.minutes) == (6, 5, 0)
    lines = report.table().splitlines()
    assert lines[0] == "/library (labels from metadata.csv)"
    assert lines[1] == "6 found, 5 kept, 1 dropped, 2 other files ignored; 0.0 minutes"
    assert lines[3].split() == ["instrument", "family", "notes", "pitches", "dynamics", "minutes"]
    assert [line.split()[0] for line in lines[4:8]] == ["cello", "oboe", "snare", "violin"]
    assert lines[6].split() == ["snare", "percussion", "1", "unpitched", "-", "0.0"]
    assert lines[-1] == "  b.wav: silent"
    assert "dropped:" not in library.report.table()
    Report(ROOT, "x", (), (Dropped("\udcff.wav", "silent"),)).table().encode("utf-8")
