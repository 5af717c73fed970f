"""Root keys in the headers of a library's files: which ones say something, and which contradict the names."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from timbre.data.filenames._choice import BARE_NUMBERS, Choice
from timbre.data.filenames._words import ParsedName
from timbre.data.names import note_name
from timbre.data.sounds import root_key

_DEFAULT = 60  # what many programs write
_LOWEST, _HIGHEST = 12, 120
_FEWEST = 3  # files that show a default, or the octaves of names
_WITHIN = 0.75  # semitones by which a root key with its fine tuning may differ from the note name


class RootKeys:
    """The root keys in the headers of files.

    In a folder where all files have 60, or far more than any other key, it is a default rather than information. Keys
    that no instrument has say nothing either.

    Attributes:
        informative: by file.
        used: the pitches of files whose names do not say them, or say them with a bare number only; and of all, if the
            keys say that note names are to be read an octave higher or lower.
        weak: those of `used` that replace what the name says.
        remarks: sentences, if root keys contradict the names or say their octaves.
    """

    def __init__(self, root: Path, names: list[ParsedName], choice: Choice) -> None:
        folders: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
        for name in names:
            if (key := root_key(root / name.file)) is not None:
                folders[name.folders][name.file] = key
        every = {key for keys in folders.values() for key in keys.values()}
        self.informative: dict[str, float] = {}
        for keys in folders.values():
            several = len(set(keys.values())) > 1 or (len(keys) == 1 and len(every) > 1)
            usual = all(_LOWEST <= key <= _HIGHEST for key in keys.values())
            if usual and (several or _DEFAULT not in keys.values()):
                self.informative |= {file: key for file, key in keys.items() if key != _DEFAULT or not _is_filler(keys)}
        weak = {name.file for name in names} - {
            file for file, chosen in choice.chosen.items() if chosen.position[0] not in BARE_NUMBERS
        }
        self.weak = weak & self.informative.keys()
        self.used = {file: self.informative[file] for file in self.weak}
        self.remarks = self._contradictions(choice)
        self._settle_octaves({file: one.pitch for file, one in choice.chosen.items() if one.mark.midi is None})

    def _settle_octaves(self, named: dict[str, float]) -> None:
        """Use the octaves of root keys for all note names, if both always differ by the same octave."""
        offs = [self.informative[file] - pitch for file, pitch in named.items() if file in self.informative]
        shift = 12 * round(offs[0] / 12) if offs else 0
        if abs(shift) == 12 and len(offs) >= _FEWEST and all(abs(off - shift) < _WITHIN for off in offs):
            self.used |= {file: pitch + shift for file, pitch in named.items()}
            convention = "C3" if shift > 0 else "C5"
            self.remarks.append(f"octaves: {convention} = 60, by the root keys in the headers of {len(offs)} files")

    def _contradictions(self, choice: Choice) -> list[str]:
        named = {file: choice.chosen[file].pitch for file in self.informative if file in choice.chosen}
        wrong = [file for file, pitch in named.items() if _apart(pitch, self.informative[file])]
        if not wrong:
            return []
        first, key = wrong[0], self.informative[wrong[0]]
        example = f"the name of {first} says {note_name(named[first])}, its header {note_name(key)}"
        return [f"root keys: {len(wrong)} of {len(named)} files have another note in their headers ({example})"]


def _is_filler(keys: Mapping[str, float]) -> bool:
    """Whether 60 is far more frequent than any other key, so that it stands for files without one."""
    counts = Counter(keys.values())
    default = counts.pop(_DEFAULT, 0)
    return default >= _FEWEST and default > 2 * max(counts.values(), default=0)


def _apart(pitch: float, key: float) -> bool:
    """Whether two pitches differ by more than whole octaves."""
    return abs((pitch - key + 6) % 12 - 6) > _WITHIN
