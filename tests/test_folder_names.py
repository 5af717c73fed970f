"""What the names of folders say: instruments, layers and takes; and what says nothing about an instrument."""

from pathlib import Path

import pytest

from timbre.data.readers.folders import read_folders

LIBRARY = Path("/My Library")


@pytest.mark.parametrize(
    ("folder", "name", "instrument"),
    [
        ("Grand/vel64", "{}", "grand"),
        ("Grand/Velocity 64/Close", "{}", "grand"),
        ("Grand Piano/44.1khz16bit", "{}v3", "grand_piano"),
        ("Zither/rr1", "{}", "zither"),
        ("Samples/Imported", "Juno Pad 106 {} 001", "juno_pad"),
        ("libs/SSO/Samples/Brass", "french-horn-{}-PB-loop", "french_horn"),
        ("SSO/Brass", "{}", "sso"),
        ("SSO/Brass/Quartet", "horn-{}", "quartet"),
        ("WAV", "{}", "my_library"),
        ("WAV 24bit", "x", "my_library"),
        ("Oboe/wav", "{}", "oboe"),
        ("Yamaha C7/Samples", "{}", "yamaha_c7"),
    ],
)
def test_levels_and_formats_are_no_instruments(folder: str, name: str, instrument: str) -> None:
    files = [f"{folder}/{name.format(note)}.wav" for note in ("C3", "F#3", "A4", "E5")]
    assert {note.instrument for note in read_folders(LIBRARY, files).notes} == {instrument}


def test_layers_and_takes_of_folders() -> None:
    layers = [f"Grand/vel{layer}/{note}.wav" for layer in (32, 64, 127) for note in ("C3", "E3", "A4")]
    assert {127 * (note.velocity or 0) for note in read_folders(LIBRARY, layers).notes} == {32, 64, 127}
    takes = [f"Erhu/take {take}/{note}.wav" for take in (1, 2) for note in ("C3", "E3", "A4")]
    assert {note.take for note in read_folders(LIBRARY, takes).notes} == {1, 2}


def test_microphones_stay_articulations() -> None:
    files = [f"Dulcimer/{mic}/{note}.wav" for mic in ("Close", "Room") for note in ("C3", "E3", "A4")]
    notes = read_folders(LIBRARY, files).notes
    assert {(note.instrument, note.articulation) for note in notes} == {("dulcimer", "close"), ("dulcimer", "room")}
