"""Parts of a file: a note that is not a whole sound file is an excerpt or a key of a SoundFont."""

from dataclasses import asdict, dataclass
from typing import Any

LONGEST_HOLD = 60  # s; as long as the notes that a space can have


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of a sound file, of a file in an archive, or of a sample in a SoundFont."""

    start: float = 0.0  # s
    end: float | None = None  # s; None is the end of the sound
    member: str | None = None  # name of the file in the archive, or index of the SoundFont's sample; None: whole file

    def __str__(self) -> str:
        until = "" if self.end is None else f"{self.end:.3f}"
        span = f"{self.start:.3f}-{until} s" if self.start or until else ""
        return " ".join(part for part in (self.member, span) if part)


@dataclass(frozen=True, slots=True)
class SoundFontVoice:
    """One key of a SoundFont's preset, to be rendered by a synthesizer."""

    bank: int  # MIDI; 128 contains the drum kits
    program: int  # MIDI, 0 to 127
    key: int  # MIDI, 0 to 127
    velocity: int  # MIDI, 1 to 127
    sample: str = ""  # recording that sounds there: notes with the same one are transposed copies of one another
    hold: float | None = None  # s from the onset to the release, at most 60; None is 2

    def __post_init__(self) -> None:
        if self.hold is not None and not 0 < self.hold <= LONGEST_HOLD:
            raise ValueError(f"hold must be above 0 to {LONGEST_HOLD} seconds, got {self.hold!r}")

    def __str__(self) -> str:
        return f"{self.bank}:{self.program} key {self.key} velocity {self.velocity}"


Part = Excerpt | SoundFontVoice


def to_dict(part: Part | None) -> dict[str, Any] | None:
    """A part as plain values, without empty ones."""
    return None if part is None else {name: value for name, value in asdict(part).items() if value not in (None, "")}
