"""From words on the command line to places in a space, and from places to files."""

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import timbre
from timbre.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from timbre.audio import Audio
    from timbre.data import Note
    from timbre.space import Space

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"


def find_place(space: "Space", text: str) -> "np.ndarray":
    """The point that `text` means: coordinates, a name of the atlas, an instrument (the mean of its sounds), a sound
    file (encoded with its labels), or a sum of these, such as "flute - oboe + clarinet".

    Raises:
        ConfigError: if it is none of them, or has another number of coordinates than the space.
    """
    from timbre.shapes.arithmetic import combined, is_sum, known_place

    if "," in text or re.fullmatch(_NUMBER, text.strip(), re.IGNORECASE):
        return parse_point(text, space.dim)
    if text in space.atlas:
        return space.atlas[text]
    if Path(text).expanduser().is_file():
        note = labels_of(Path(text))
        return space.encode(timbre.read(text), pitch=note.pitch, velocity=note.velocity)
    if is_sum(text):
        return combined(space, text, find_place)
    if text in space.atlas.instruments:
        return known_place(space, text)
    close = difflib.get_close_matches(text, [*dict.fromkeys(space.atlas.instruments), *space.atlas], n=3)
    hint = f"close to it: {', '.join(close)}." if close else f"known sounds look like {next(iter(space.atlas))}."
    raise ConfigError(f"{text!r} is neither a known sound or instrument of this space nor a file; {hint}")


def parse_point(text: str, dim: int) -> "np.ndarray":
    """A point (dim,) from numbers with commas between them."""
    import numpy as np

    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not re.fullmatch(_NUMBER, word, re.IGNORECASE):
            raise ConfigError(f"{word!r} in {text!r} is not a number; {dim} numbers with commas between are wanted.")
    if len(words) != dim:
        raise ConfigError(f"{text!r} has {len(words)} coordinates; this space has {dim}.")
    return np.array([float(word) for word in words])


def parse_pitch(text: str) -> float | None:
    """MIDI pitch of a note name or number; None for "unknown"."""
    from timbre.data.names import parse_note

    return None if text == "unknown" else parse_note(text)


def labels_of(file: Path) -> "Note":
    """What the names of a file and of its folder say of its note."""
    from timbre.data.readers.folders import read_folders

    path = file.expanduser().resolve()
    notes, dropped = read_folders(path.parent.parent, [f"{path.parent.name}/{path.name}"])
    if dropped:
        raise ConfigError(f"{file} {dropped[0].reason}.")
    return notes[0]


def save_sound(path: Path, audio: "Audio") -> None:
    """Write a sound and say so."""
    timbre.write(path, audio)
    print(f"{path}  {audio.duration:.2f} s, {audio.sample_rate} Hz")
