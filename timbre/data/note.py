"""`Note`: one recorded note with its labels, measurements and sound."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from timbre.audio import Audio
from timbre.data.names import note_name, plain
from timbre.data.parts import Part
from timbre.data.sounds import read_part

_INHARMONIC = re.compile(
    "(^|_)(anvil|bells?|bongos?|bowls?|chimes?|claps?|claves?|congas?|cowbells?|crotales?|cymbals?|drums?|drumkit|gamelan|"
    "glockenspiel|gongs?|hang|handpan|hat|hihat|kalimba|kick|maracas?|marimba|percussion|rim|shaker|snare|steelpan|"
    "tambourine|timpani|toms?|triangle|vibraphone|woodblocks?|xylophone)(_|$)"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of a note's sound."""

    duration: float  # s
    sample_rate: int  # Hz, of the file
    peak_db: float  # largest magnitude of any sample, dB of full scale
    loudness_db: float  # RMS of the loudest 400 ms (or of all of a shorter sound), dB of full scale
    silence: float  # seconds before the sound starts
    clipped: int  # length of the longest run of samples at the sound's peak
    pitch: float | None  # MIDI, measured independently of the label; None if no pitch stands out
    digest: str  # hash of the samples: the same for the same sound under any name and in any lossless format
    constant: float = 0.0  # largest mean of a channel, full scale is 1 (DC)
    noise_db: float | None = None  # RMS of what precedes the note, dB of full scale; None if it is silent
    rise: float = 0.0  # seconds from the onset until the level is first within 20 dB of its maximum
    channels: str = ""  # why the sound is not the mean of all its channels
    sketch: str = ""  # levels by time and band, nearly the same for other copies of the recording; empty: not measured


@dataclass(frozen=True, slots=True)
class Note:
    """One recorded note and its labels; None is unknown."""

    file: Path
    """Absolute path of the file that contains the note: a sound file if `part` is None."""
    instrument: str
    """In lower case with underscores, such as french_horn."""
    family: str | None = None
    """Such as strings, brass, woodwinds, keyboard, plucked, pitched_percussion, percussion."""
    pitch: float | None = None
    """MIDI; C4 is 60. None for unpitched sounds."""
    velocity: float | None = None
    """Strength of the attack, 0 to 1 (MIDI velocity / 127)."""
    dynamics: str | None = None
    """Written mark, ppp to fff."""
    articulation: str | None = None
    """Playing technique, such as pizzicato."""
    licence: str | None = None
    """Licence of this recording."""
    source: str | None = None
    """Origin of this recording."""
    duration: float = 0.0
    """Seconds."""
    name: str = ""
    """Unique in a library; default: made from the labels, such as oboe-A4-mf."""
    part: Part | None = None
    """Part of the file; None is all of it."""
    take: int | None = None
    """Number of the take among recordings of the same note (round robin), from 1."""
    flags: tuple[str, ...] = ()
    """Doubts about the note, each as "kind: description", such as "pitch: sounds A3, its label says A4"."""
    split: str | None = None
    """train, valid or test, in a library that has been split."""
    measured: Measured | None = None
    """Measurements of the scan; None if it made none."""
    recording: str | None = None
    """Performance that several files share (one for each microphone): a split keeps them together."""

    def __post_init__(self) -> None:
        if not self.name:
            pitch = None if self.pitch is None else note_name(self.pitch)
            loudness = self.dynamics or (None if self.velocity is None else f"v{round(127 * self.velocity)}")
            object.__setattr__(self, "name", "-".join(filter(None, (self.instrument, pitch, loudness))))

    @property
    def flag_kinds(self) -> tuple[str, ...]:
        """Kinds of the flags, each once."""
        return tuple(dict.fromkeys(flag.partition(":")[0] for flag in self.flags))

    def audio(self) -> Audio:
        """The sound at its own sample rate: read, unpacked or rendered.

        Raises:
            AudioError: if it cannot be read.
            DeviceError: if it has to be rendered and no synthesizer is installed.
        """
        return read_part(self.file, self.part)


def relabelled(note: Note, pitch: float | None) -> Note:
    """The note with another pitch, and another name if its name comes from its labels."""
    if pitch == note.pitch:
        return note
    default_name = replace(note, name="").name == note.name
    return replace(note, pitch=pitch, name="" if default_name else note.name)


def is_harmonic(note: Note) -> bool:
    """Whether a note's instrument has harmonic partials: bells, bars and drums have not."""
    return note.family not in ("percussion", "pitched_percussion") and not _INHARMONIC.search(plain(note.instrument))
