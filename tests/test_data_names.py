"""Note names, dynamics and families."""

import librosa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.data.names import (
    DYNAMICS,
    family_folder,
    family_of,
    note_name,
    parse_dynamics,
    parse_note,
    plain,
    velocity_of,
)
from timbre.errors import LibraryError


@settings(deadline=None)
@given(st.integers(0, 127))
def test_names_and_numbers_are_one(midi: int) -> None:
    assert parse_note(note_name(midi)) == midi
    assert note_name(midi) == librosa.midi_to_note(midi, unicode=False)
    assert parse_note(str(midi)) == parse_note(midi) == midi


@settings(deadline=None)
@given(st.floats(0, 127))
def test_fractions_are_kept_and_named_after_the_nearest(midi: float) -> None:
    assert parse_note(midi) == midi
    assert abs(parse_note(note_name(midi)) - midi) <= 0.5


@pytest.mark.parametrize(
    ("text", "midi"),
    [
        *((name, 58) for name in ("A#3", "As3", "Bb3", "bb3", "asharp3", "Bflat3", "B♭3")),
        *(("C♯-1", 1), ("Cb4", 59), ("E#4", 65), (" A4 ", 69), ("G9", 127)),
        *(("57", 57), ("57.5", 57.5), (57.5, 57.5)),
    ],
)
def test_every_spelling(text: str | float, midi: float) -> None:
    assert parse_note(text) == midi


@pytest.mark.parametrize(
    "text", ["", "H4", "A", "A44", "4A", "A#b3", "128", "-1", "A9", "Cb-1", "nan", "inf", "C4 D4", float("nan")]
)
def test_what_is_no_pitch_is_refused(text: str | float) -> None:
    with pytest.raises(LibraryError, match="A pitch must be a note name such as A#3"):
        parse_note(text)


def test_dynamics_are_marks_or_words() -> None:
    assert [parse_dynamics(mark) for mark in DYNAMICS] == list(DYNAMICS)
    assert [parse_dynamics(word) for word in ("Forte", "mezzo-piano", "mezzo forte", "PIANISSIMO")] == [
        "f",
        "mp",
        "mf",
        "pp",
    ]
    assert [parse_dynamics(word) for word in ("", "loud", "crescendo", "p2")] == [None] * 4
    velocities = [velocity_of(mark) for mark in DYNAMICS]
    assert velocities == sorted(velocities)  # type: ignore[type-var]
    assert (velocity_of("mf"), velocity_of("fff"), velocity_of(None)) == (72 / 127, 1.0, None)


def test_instruments_have_families() -> None:
    for name, family in [("Violin", "strings"), ("AltoSax", "woodwinds"), ("french horn", "brass"), ("theremin", None)]:
        assert family_of(name) == family
    assert [family_folder(name) for name in ("Winds", "KEYBOARDS", "violin", "x")] == [
        "woodwinds",
        "keyboard",
        None,
        None,
    ]


@settings(deadline=None)
@given(st.text())
def test_plain_names_are_stable(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    plain(text).encode("utf-8")
