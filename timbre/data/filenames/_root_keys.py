"""Root keys in the headers of a library's files: which ones say something, and which contradict the names."""

from collections import defaultdict
from pathlib import Path

from timbre.data.filenames._choice import BARE_NUMBERS, Choice
from timbre.data.filenames._words import ParsedName
from timbre.data.names import note_name
from timbre.data.sounds import root_key

_DEFAULT = 60  # what many programs write
_LOWEST, _HIGHEST = 12, 120
_WITHIN = 0.75  # semitones by which a root key with its fine tuning may differ from the note name


class RootKeys:
    """The root keys in the headers of files.

    Those of a folder in which all have the same key are a default rather than information if that is 60, or no key of
    an instrument.

    Attributes:
        informative: by file.
        used: those of files whose names do not say the pitch, or say it with a bare number only.
        remarks: a sentence, if root keys contradict the names.
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
                self.informative |= keys
        weak = {name.file for name in names} - {
            file for file, chosen in choice.chosen.items() if chosen.place[0] not in BARE_NUMBERS
        }
        self.used = {file: key for file, key in self.informative.items() if file in weak}
        self.remarks = self._contradictions(choice)

    def _contradictions(self, choice: Choice) -> list[str]:
        named = {file: choice.chosen[file].pitch for file in self.informative if file in choice.chosen}
        wrong = [file for file, pitch in named.items() if _apart(pitch, self.informative[file])]
        if not wrong:
            return []
        first, key = wrong[0], self.informative[wrong[0]]
        example = f"the name of {first} says {note_name(named[first])}, its header {note_name(key)}"
        return [f"root keys: {len(wrong)} of {len(named)} files have another note in their headers ({example})"]


def _apart(pitch: float, key: float) -> bool:
    """Whether two pitches differ by more than whole octaves."""
    return abs((pitch - key + 6) % 12 - 6) > _WITHIN
