"""The contract of a reader of sample libraries, and what the readers share."""

import posixpath
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from timbre.data.names import family_of, parse_note, velocity_of
from timbre.data.note import Note
from timbre.data.parts import LONGEST_HOLD
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import AudioError, LibraryError

T = TypeVar("T")
_SAMPLED_NAMES = 200  # file names that are looked at to recognise a library


@dataclass(frozen=True)
class Options:
    """Options of the user. Raises LibraryError if one is not possible."""

    pattern: str | None = None
    """Pattern of the file names, such as "{instrument}/{note}_{dynamics}_rr{take}.wav"."""
    octave: str | None = None
    """Name of MIDI note 60 in file names: "C3", "C4" or "C5"; None: chosen from the measured pitches."""
    pitches: tuple[int, ...] | None = None
    """MIDI keys at which SoundFonts are rendered; None: every second semitone of each preset's range."""
    velocities: tuple[int, ...] = (40, 80, 120)
    """MIDI velocities at which SoundFonts are rendered."""
    presets: tuple[str, ...] | None = None
    """Names of the presets of SoundFonts that are rendered, of any bank; None: those of bank 0 and the first kit."""
    hold: float | None = None
    """Seconds from the onset to the release of SoundFonts' notes, above 0 to 60; None is 2."""
    raw: bool = False
    """Read the samples of SoundFonts instead of rendering the presets."""

    def __post_init__(self) -> None:
        if self.octave not in (None, "C3", "C4", "C5"):
            raise LibraryError(f"The octave must be C3, C4 or C5, the name of MIDI note 60; got {self.octave!r}.")
        if self.hold is not None and not 0 < self.hold <= LONGEST_HOLD:
            raise LibraryError(f"The hold must be above 0 to {LONGEST_HOLD} seconds, got {self.hold:g}.")


class Alternative(NamedTuple):
    """Another reading of the pitches of some files, which the measured pitches may confirm."""

    what: str
    """What it reads, such as "German note names"."""
    pitches: dict[Path, float]
    """MIDI pitch by file."""


@dataclass(frozen=True)
class Reading:
    """The notes of a tree before any sound is decoded."""

    notes: list[Note]
    """In a fixed order; durations and measurements are filled in later."""
    dropped: list[Dropped]
    """Sound files, or entries of a description, that are not notes, each with a reason."""
    labels: str
    """Source of the labels, such as "metadata.csv" or "folder and file names"."""
    octaves_vary: bool = False
    """Whether pitches are note names whose octaves the format does not define (C4 = 60 is assumed)."""
    remarks: list[str] = field(default_factory=list)
    """Sentences about the whole library."""
    alternatives: list[Alternative] = field(default_factory=list)
    """Other readings of pitches, the likeliest first."""


@dataclass(frozen=True)
class Reader:
    """A reader of one format of sample libraries; all readers pass the same contract test.

    A reader uses names and descriptions, and decodes sound only where these are not enough. Every sound file of the
    tree becomes a note or is dropped with a reason; if one file of the tree was chosen, this holds for the sounds that
    it refers to. No file outside the tree's root is opened.
    """

    name: str
    """Value of `--format`."""
    suits: Callable[[Tree], bool]
    """Whether a tree looks like this format; opens no more than the head of a file."""
    read: Callable[[Tree, Options], Reading]
    """The notes of a tree. Raises LibraryError, in one sentence, if the description cannot be read at all."""


def separate(outcomes: Iterable[T | Dropped]) -> tuple[list[T], list[Dropped]]:
    """The notes (or zones) and the dropped entries, each in their order."""
    every = list(outcomes)
    return [one for one in every if not isinstance(one, Dropped)], [one for one in every if isinstance(one, Dropped)]


def unlisted(tree: Tree, listed: Collection[str | None], reason: str) -> list[Dropped]:
    """The sound files that are not `listed`, dropped for `reason`; none if one file of the tree was chosen."""
    return [Dropped(file, reason) for file in tree.sounds if file not in listed] if tree.chosen is None else []


def most_names_fit(tree: Tree, fits: Callable[[str], bool]) -> bool:
    """Whether more than half of the sound files have names that fit; False if one file of the tree was chosen."""
    sounds = [] if tree.chosen else tree.sounds
    some = sounds[:: max(1, len(sounds) // _SAMPLED_NAMES)]
    return 2 * sum(map(fits, some)) > len(some)


def has_folder(tree: Tree, descriptions: Iterable[str], folder: str) -> bool:
    """Whether a folder of this name with any files lies next to one of the descriptions."""
    starts = tuple(posixpath.join(posixpath.dirname(file), folder, "") for file in descriptions)
    return any(file.startswith(starts) for file in tree.files)


def pitch_or_none(text: str) -> float | None:
    """MIDI pitch of a note name (C4 is 60) or number; None if it is neither."""
    try:
        return parse_note(text)
    except LibraryError:
        return None


def labelled(file: Path, instrument: str, dynamics: str | None, **labels: Any) -> Note:
    """A note; its family and velocity follow from the instrument and the dynamic mark where `labels` give None."""
    labels["family"] = labels.get("family") or family_of(instrument)
    if labels.get("velocity") is None:
        labels["velocity"] = velocity_of(dynamics)
    return Note(file, instrument, dynamics=dynamics, **labels)


def attempt(file: str, prefix: object, read: Callable[..., Iterable[T]], *values: Any) -> list[T | Dropped]:
    """What `read` returns for `values`; if that fails, the file is dropped for the reason, without the `prefix`."""
    try:
        return list(read(*values))
    except (AudioError, LibraryError) as error:
        return [Dropped(file, str(error).removeprefix(f"{prefix} ").rstrip("."))]
