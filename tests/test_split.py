"""Splits: what is held out is held out whole, in its share, and stored with the library."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbre.config import DataConfig
from timbre.data import Library, Measured, Note
from timbre.data.parts import Excerpt, SoundFontVoice
from timbre.data.split import Division, split
from timbre.errors import LibraryError

ROOT = Path("/library")
SOUND = Measured(1.0, 44100, -3.0, -20.0, 0.0, 1, 60.0, "x")


def a_note(file: int, instrument: int, pitch: int, source: int) -> Note:
    families = ("strings", "brass")
    return Note(
        ROOT / f"{file}.wav",
        f"i{instrument}",
        families[instrument % 2],
        60.0 + pitch,
        source=f"s{source}",
        name=f"{file}",
    )


NOTES = st.lists(
    st.builds(a_note, st.integers(0, 40), st.integers(0, 6), st.integers(0, 12), st.integers(0, 5)),
    min_size=8,
    max_size=80,
)
UNITS = {
    "file": lambda note: note.file,
    "pitch": lambda note: (note.instrument, note.pitch),
    "instrument": lambda note: note.instrument,
    "source": lambda note: note.source,
}


@given(NOTES, st.sampled_from(sorted(UNITS)), st.integers(0, 9), st.sampled_from([0.0, 0.1, 0.3]))
def test_units_are_held_out_whole_and_in_their_share(notes: list[Note], by: str, seed: int, share: float) -> None:
    units = {UNITS[by](note) for note in notes}
    if len(units) <= 2 * (share > 0):
        with pytest.raises(LibraryError, match="too few to train on some and hold out others"):
            split(notes, share, share, seed, by)
        return
    parts = split(notes, share, share, seed, by)
    of_unit = defaultdict(set)
    for note, part in zip(notes, parts, strict=True):
        of_unit[UNITS[by](note)].add(str(part))
    assert all(len(found) == 1 for found in of_unit.values())
    for part in ("valid", "test"):
        count = sum(found == {part} for found in of_unit.values())
        assert count == (max(1, round(share * len(units))) if share else 0)
    assert (parts == split(notes, share, share, seed, by)).all()
    assert not share or (parts == "train").any()


def test_shares_hold_for_each_instrument() -> None:
    notes = [Note(ROOT / f"{i}-{k}.wav", f"i{i}", name=f"{i}-{k}") for i in range(5) for k in range(40)]
    parts = split(notes, 0.1, 0.2, 0).reshape(5, 40)
    assert ((parts == "test").sum(1) == 8).all()
    assert (np.abs((parts == "valid").sum(1) - 4) <= 1).all()


def test_a_recording_is_never_torn_apart() -> None:
    run = [Note(ROOT / f"run{k % 4}.wav", "horn", pitch=60.0 + k, part=Excerpt(k, k + 1.0)) for k in range(40)]
    samples = [
        Note(ROOT / "gm.sf2", "tuba", pitch=40.0 + k, part=SoundFontVoice(0, 58, 40 + k, 80, f"sample{k // 4}"))
        for k in range(40)
    ]
    members = [Note(ROOT / "x.dslibrary", "harp", part=Excerpt(member=f"{k % 5}.wav")) for k in range(20)]
    parts = split([*run, *samples, *members], 0.2, 0.2, 1)
    for group in (parts[:40].reshape(10, 4), parts[40:80].reshape(10, 4).T, parts[80:].reshape(4, 5)):
        assert (group == group[0]).all()
    assert len(set(parts[:40])) + len(set(parts[40:80])) > 2


@pytest.mark.parametrize("by", sorted(UNITS))
def test_equal_sounds_stay_together(by: str) -> None:
    notes = [a_note(k, k % 20, k % 10, k % 20) for k in range(40)]
    twins = [(0, 13), (13, 26), (5, 38)]
    chain = [replace(note, measured=replace(SOUND, digest=str(k))) for k, note in enumerate(notes)]
    for one, other in twins:
        chain[other] = replace(chain[other], measured=chain[one].measured)
    microphones = [replace(note, recording="take 1" if k in (3, 17, 33) else f"{k}") for k, note in enumerate(notes)]
    for seed in range(20):
        parts = split(chain, 0.3, 0.3, seed, by)
        assert all(parts[one] == parts[other] for one, other in twins)
        parts = split(microphones, 0.3, 0.3, seed, by)
        assert parts[3] == parts[17] == parts[33]


def test_what_cannot_be_split_is_one_sentence() -> None:
    notes = [a_note(k, k, k, k) for k in range(9)]
    for arguments, message in [
        (([], 0.1, 0.1, 0, "file"), "must have 8 notes or more, each in a file of its own, got 0"),
        ((notes[:1], 0.1, 0.1, 0, "file"), "got 1 note"),
        ((notes, 0.1, 0.1, 0, "colour"), "A split must be by file, pitch, instrument, source, got 'colour'"),
        ((notes, 0.5, 0.1, 0, "file"), "The valid share must be a number from 0 to below 0.5, got 0.5"),
        ((notes, 0.1, "a", 0, "file"), "The test share must be a number .*, got 'a'"),
        ((notes, 0.1, 0.1, -1, "file"), "The seed of the split must be a whole number from 0, got -1"),
        (([replace(n, source=None) for n in notes], 0.1, 0.1, 0, "source"), "0 has no source; to split by source"),
        (([replace(n, source="one") for n in notes], 0.1, 0.1, 0, "source"), "has 1 source to split by, too few"),
    ]:
        with pytest.raises(LibraryError, match=message) as caught:
            split(*arguments)
        assert "\n" not in str(caught.value)


def test_a_librarys_own_split_goes_before_the_settings() -> None:
    library = Library([a_note(k, k % 5, k, k) for k in range(40)], ROOT)
    assert (library.parts(DataConfig()) == split(library, 0.1, 0.1, 0)).all()
    assert library.held_out(DataConfig(split_seed=3)) == "by file, 10% valid, 10% test, seed 3"
    by_instrument = library.divided("instrument", 0.2, 0.2, 7)
    wanted = split(library, 0.2, 0.2, 7, "instrument")
    assert (by_instrument.parts(DataConfig()) == wanted).all()
    assert by_instrument.division == Division("instrument", 0.2, 0.2, 7)
    assert by_instrument.held_out(DataConfig()) == "by instrument, 20% valid, 20% test, seed 7"
    assert [n.split for n in by_instrument[:5]] == list(wanted[:5])
    assert by_instrument.filter(family="brass").division == by_instrument.division
    with pytest.raises(LibraryError, match="split must leave 8 notes or more for training, got 0"):
        by_instrument.filter(split="test").parts(DataConfig())
    official = Library([replace(n, split="test" if k < 5 else None) for k, n in enumerate(library)], ROOT)
    assert list(official.parts(DataConfig())) == ["test"] * 5 + ["train"] * 35
    assert official.held_out(DataConfig()) == "as the caller says"
