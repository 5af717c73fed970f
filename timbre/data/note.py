"""`Note`: one recorded note, its labels and its sound."""

import re
from dataclasses import dataclass
from pathlib import Path

from timbre.audio import Audio
from timbre.data.names import note_name, plain
from timbre.data.parts import Part
from timbre.data.sounds import read_part

_UNPITCHED = re.compile(
    "(^|_)(anvil|bells?|bongos?|bowls?|chimes?|claps?|claves?|congas?|cowbells?|crotales?|cymbals?|drums?|drumkit|gamelan|"
    "glockenspiel|gongs?|hang|handpan|hat|hihat|kalimba|kick|maracas?|marimba|percussion|rim|shaker|snare|steelpan|"
    "tambourine|timpani|toms?|triangle|vibraphone|woodblocks?|xylophone)(_|$)"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a note's sound."""

    duration: float
    """Seconds."""
    sample_rate: int
    """Hz, of the file."""
    peak_db: float
    """Largest magnitude of any sample, dB of full scale."""
    loudness_db: float
    """RMS of the loudest 400 ms (all of a shorter sound), dB of full scale."""
    silence: float
    """Seconds before the sound starts."""
    clipped: int
    """Longest run of samples that stand at the sound's own peak."""
    pitch: float | None
    """MIDI, measured without looking at the label; None where no pitch stands out."""
    digest: str
    """Hash of the samples: equal for equal sounds, whatever the file's name or format."""


@dataclass(frozen=True, slots=True)
class Note:
    """One recorded note and its labels; None where a label is not known."""

    file: Path
    """The file that holds it, absolute: a sound file, unless `part` says otherwise."""
    instrument: str
    """In lower case with underscores, such as french_horn."""
    family: str | None = None
    """Such as strings, brass, woodwinds, keyboard, plucked, pitched_percussion, percussion."""
    pitch: float | None = None
    """MIDI; C4 is 60. None for unpitched sounds."""
    velocity: float | None = None
    """How hard it was played, 0 to 1 (MIDI velocity / 127)."""
    dynamics: str | None = None
    """The written mark, ppp to fff."""
    articulation: str | None = None
    """How it was played, such as pizzicato."""
    licence: str | None = None
    """Licence of this recording."""
    source: str | None = None
    """Where this recording comes from."""
    duration: float = 0.0
    """Seconds of the sound."""
    name: str = ""
    """Such as oboe-A4-mf; unique inside a library."""
    part: Part | None = None
    """Which part of the file it is; None is the whole."""
    take: int | None = None
    """Which of several recordings of the same note (round robin), from 1."""
    flags: tuple[str, ...] = ()
    """What is doubtful about it, each as "kind: a few words", such as "pitch: sounds A3, its label says A4"."""
    split: str | None = None
    """train, valid or test, where the library has been split."""
    measured: Measured | None = None
    """What the scan measured; None if it was told not to."""
    recording: str | None = None
    """What was recorded, where files share a performance (several microphones): a split never parts those."""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self._own_name())

    def audio(self) -> Audio:
        """The sound, at its own rate: read, unpacked or rendered.

        Raises:
            AudioError: if it cannot be read any more.
        """
        return read_part(self.file, self.part)

    def _own_name(self) -> str:
        pitch = None if self.pitch is None else note_name(self.pitch)
        loudness = None if self.velocity is None else f"v{round(127 * self.velocity)}"
        return "-".join(part for part in (self.instrument, pitch, self.dynamics or loudness) if part)


def is_harmonic(note: Note) -> bool:
    """Whether a note's instrument is none of those whose partials belong to no one pitch: bells, bars, skins."""
    return note.family not in ("percussion", "pitched_percussion") and not _UNPITCHED.search(plain(note.instrument))
