"""Laws of wrong labels: more of them make no fewer flags, and what is trained on is what the library says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import assume, given
from hypothesis import strategies as st

import timbre
from timbre.audio.pitch import midi_to_hz
from timbre.config import Config
from timbre.data import Library, Measured, Note, load_library, save_library
from timbre.data.features.example import prepare
from timbre.data.flags import add_flags
from timbre.errors import LibraryError

RATE = 22050
Labels = list[float]


def measured(pitch: float | None, number: int) -> Measured:
    return Measured(1.0, 44100, -3.0 - number % 7, -12.0, 0.0, 2, pitch, str(number))


def instrument(labels: list[float | None], sounds: list[float | None], name: str = "oboe") -> list[Note]:
    return [
        Note(Path(f"/library/{name}/{i}.wav"), name, pitch=label, measured=measured(sound, i))
        for i, (label, sound) in enumerate(zip(labels, sounds, strict=True))
    ]


def kinds(note: Note) -> tuple[str, ...]:
    return note.flag_kinds


# --- ways to label an instrument wrongly


def random_intervals(right: Labels, data: st.DataObject) -> Labels:
    steps = st.sampled_from([step for step in range(-30, 31) if step])
    return [label + data.draw(steps) for label in right]


def permuted(right: Labels, data: st.DataObject) -> Labels:
    return data.draw(st.permutations(right))


def all_shifted(right: Labels, data: st.DataObject) -> Labels:
    shift = data.draw(st.sampled_from([step for step in range(-36, 60) if step]))
    return [label + shift for label in right]


def one_label(right: Labels, data: st.DataObject) -> Labels:
    return [data.draw(st.integers(20, 110).map(float))] * len(right)


def serial_numbers(right: Labels, data: st.DataObject) -> Labels:
    first = data.draw(st.integers(0, 12))
    return [float(first + number) for number in range(len(right))]


WRONG = [random_intervals, permuted, all_shifted, one_label, serial_numbers]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["oboe", "marimba"])
@given(
    st.lists(st.integers(30, 100).map(float), min_size=1, max_size=14),
    st.sampled_from([0.0, -0.15, 0.15]),
    st.floats(0.0, 0.08),
    st.sampled_from([None, 2, 3]),
    st.data(),
)
def test_more_wrong_labels_make_no_fewer_flags(
    name: str, wrong: object, right: Labels, tuning: float, wobble: float, gaps: int | None, data: st.DataObject
) -> None:
    """Every second or third pitch may be unclear; the instrument may be tuned off."""
    assume(name == "oboe" or not gaps)
    sounds = [p + tuning + wobble * (-1) ** i if not gaps or i % gaps else None for i, p in enumerate(right)]
    false = wrong(right, data)  # type: ignore[operator]
    before = 0
    for count in range(len(right) + 1):
        notes = instrument([*false[:count], *right[count:]], list(sounds), name)
        judged, remarks = add_flags(notes)
        flagged = [note for note in judged if note.flags]
        assert len(flagged) >= before
        before = len(flagged)
        if name == "oboe":
            clear = [(note, sound) for note, sound in zip(judged, sounds, strict=True) if sound is not None]
            for note, sound in clear:
                assert note.flags or abs((note.pitch or 0.0) - sound) < 0.5 + abs(tuning)
        assert all(kinds(note) in {("pitch",), ("octave",)} for note in flagged)
        rejected = [note for note in judged if note.pitch is None]
        assert all(note.flags for note in rejected)
        assert bool(rejected) == any(remark.startswith("labels: ") for remark in remarks)
        assert [note.name for note in judged] == [note.name for note in notes]


@given(st.integers(2, 30), st.data())
def test_labels_that_mean_nothing_are_removed(count: int, data: st.DataObject) -> None:
    sounds: Labels = data.draw(st.lists(st.floats(30, 100), min_size=count, max_size=count, unique_by=round))
    offs = np.array(data.draw(st.permutations(range(count)))) * 0.7 + 2.0
    notes = instrument([sound - off for sound, off in zip(sounds, offs, strict=True)], list(sounds))
    judged, (remark,) = add_flags(notes)
    assert [note.pitch for note in judged] == [None] * count
    assert all(note.flags for note in judged)
    of = f"{count} of {count} measured notes of oboe do not sound at their labels"
    assert remark == f"labels: {of}, and are not all off by the same interval; {count} have no pitch now"


@pytest.mark.parametrize("shift", [-24, -12, -7, -1, 1, 5, 12, 24])
@pytest.mark.parametrize("name", ["horn", "glockenspiel"])
def test_a_transposition_keeps_its_labels_and_is_flagged(shift: int, name: str) -> None:
    labels = [float(p) for p in range(50, 60)]
    judged, remarks = add_flags(instrument(list(labels), [p + shift for p in labels], name))
    assert [note.pitch for note in judged] == labels
    subharmonic = name == "glockenspiel" and shift in (-12, -24)
    assert all(bool(note.flags) != subharmonic for note in judged)
    assert (remarks == []) == subharmonic


def test_what_could_not_be_measured_is_doubted_with_the_rest() -> None:
    labels = [60.0, 61.0, 62.0, 63.0, 64.0, 65.0]
    judged, _ = add_flags(instrument([*labels], [40.0, None, 71.0, None, 55.0, None]))
    assert [note.pitch for note in judged] == [None] * 6
    assert judged[1].flags == ("pitch: its label says C#4, its pitch is not clear; 3 of 3 others sound elsewhere",)
    kept, remarks = add_flags(instrument([*labels], [60.0, None, 62.0, None, 64.0, None]))
    assert ([note.pitch for note in kept], [note.flags for note in kept], remarks) == (labels, [()] * 6, [])
    _, remarks = add_flags(instrument([*labels], [60.0, None, None, None, None, None]))
    assert remarks == ["unchecked: 5 of 6 notes of oboe have no clear pitch"]


def test_a_label_that_a_sound_confirms_stays() -> None:
    judged, (remark,) = add_flags(instrument([59.0] * 9, [57.0, 48.0, 60.0, 59.0, 51.0, 53.0, 62.0, 64.5, 44.0]))
    assert [note.pitch for note in judged] == [None] * 3 + [59.0] + [None] * 5
    assert [bool(note.flags) for note in judged] == [True] * 3 + [False] + [True] * 5
    assert remark.startswith("labels: 8 of 9 measured notes of oboe do not sound at their labels")


def test_bells_that_are_measured_at_subharmonics_are_right() -> None:
    labels = [float(p) for p in range(50, 62)]
    offs = [0.0, -12.0, -19.1, -18.8, -24.1, -31.0, -12.2, 0.3, -19.3, -11.7, 0.0, 41.4]
    for name, family in (("timpani", None), ("thing", "pitched_percussion"), ("hand_bells", None)):
        sounds: list[float | None] = [p + off for p, off in zip(labels, offs, strict=True)]
        notes = [replace(note, family=family) for note in instrument([*labels], sounds, name)]
        assert add_flags(notes) == (notes, [])
        assert add_flags(notes[:4]) == (notes[:4], [])


# --- a whole library


def put(folder: Path, sounds: Labels) -> None:
    time = np.arange(RATE // 2) / RATE
    folder.mkdir(parents=True)
    for number, pitch in enumerate(sounds):
        wave = sum(np.sin(2 * np.pi * k * midi_to_hz(pitch) * time) / k for k in range(1, 8))
        soundfile.write(folder / f"{number}.wav", 0.3 * wave / np.abs(wave).max(), RATE)


@pytest.mark.parametrize(
    "labels",
    [[60, 61, 62, 63, 64, 65, 66, 67, 68], [59] * 9, [1, 2, 3, 4, 5, 6, 7, 8, 9], [64, 60, 66, 48, 71, 53, 74, 80, 40]],
    ids=["steps", "one", "serial", "mixed"],
)
def test_scan_file_options_and_training_agree(tmp_path: Path, labels: list[int]) -> None:
    sounds = [57.0, 48.0, 72.0, 55.0, 51.0, 79.0, 62.0, 45.0, 67.0]
    put(tmp_path / "oboe", [60.0, 62.0, 64.0, 65.0])
    put(tmp_path / "hammond", sounds)
    rows = [f"oboe/{i}.wav,oboe,{p}" for i, p in enumerate([60, 62, 64, 65])]
    rows += [f"hammond/{i}.wav,hammond,{label}" for i, label in enumerate(labels)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file,instrument,pitch", *rows]))
    library = timbre.scan(tmp_path)
    wrong = [n for n in library if n.instrument == "hammond" and n.flags]
    assert len(wrong) == 9
    assert [note.pitch for note in wrong] == [None] * 9
    assert any(remark.startswith("labels: 9 of 9") for remark in library.report.remarks)
    line = next(line for line in library.report.table().splitlines() if line.startswith("hammond "))
    assert line.split()[2:4] == ["9", "unpitched"]
    with pytest.raises(LibraryError, match=r"9 of 13 notes in .* have flags"):
        timbre.scan(tmp_path, strict=True)
    assert {note.instrument for note in library.leave_out("pitch", "octave")} == {"oboe"}
    save_library(library, tmp_path / "library.json")
    loaded: Library = load_library(tmp_path / "library.json")
    assert loaded.notes == library.notes
    for note in loaded:
        trained = prepare(note.audio(), Config(), note.pitch, note.velocity).pitch
        assert np.isnan(trained) if note.pitch is None else abs(trained - note.pitch) < 0.05
