"""What a reader of a library format is."""

from collections.abc import Callable
from dataclasses import dataclass, field

from timbre.data.note import Note
from timbre.data.report import Dropped
from timbre.data.tree import Tree
from timbre.errors import LibraryError


@dataclass(frozen=True)
class Options:
    """What a user may tell a reader. Raises LibraryError for an octave that is none of those named."""

    pattern: str | None = None
    """Names of files, such as "{instrument}/{note}_{dynamics}_rr{take}.wav"."""
    octave: str | None = None
    """The name of MIDI note 60 in the names of files: "C3", "C4" or "C5"; None lets the measured pitches vote."""
    pitches: tuple[int, ...] | None = None
    """MIDI keys at which to render SoundFonts; None is every second semitone of each preset's range."""
    velocities: tuple[int, ...] = (40, 80, 120)
    """MIDI velocities at which to render them."""
    raw: bool = False
    """Take the samples of SoundFonts as they are instead of rendering presets."""

    def __post_init__(self) -> None:
        if self.octave not in (None, "C3", "C4", "C5"):
            raise LibraryError(f"The octave is {self.octave!r}; C3, C4 or C5, the name of MIDI note 60, is wanted.")


@dataclass(frozen=True)
class Reading:
    """What a reader made of a tree, before any sound was decoded."""

    notes: list[Note]
    """In a fixed order; durations and what is measured are filled in later."""
    dropped: list[Dropped]
    """Sound files, or entries of a description, that are no note, each with its reason."""
    labels: str
    """Where the labels come from, such as "metadata.csv" or "folder and file names"."""
    octaves_vary: bool = False
    """Whether pitches were note names whose octave convention is not told by the format (C4 = 60 was assumed)."""
    remarks: list[str] = field(default_factory=list)
    """Sentences about the library as a whole."""


@dataclass(frozen=True)
class Reader:
    """A format of sample libraries. One module each; all pass the same contract test.

    A reader looks at names and descriptions, and decodes sound only where it cannot do without. Every sound file
    of the tree becomes a note or is dropped with a reason (only those that the chosen file refers to, where one was
    chosen), and no file outside the tree's root is opened.
    """

    name: str
    """For `--format`."""
    title: str
    """What it reads, in a few words."""
    suits: Callable[[Tree], bool]
    """Whether a tree looks like this format; reads no more than the head of a file."""
    read: Callable[[Tree, Options], Reading]
    """The notes of a tree. Raises LibraryError, in one sentence, if the description cannot be understood at all."""
