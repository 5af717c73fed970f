"""`ListeningTest`: trials of stimuli under numbers that reveal nothing, and the key that says what they are."""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from timbre.errors import LibraryError
from timbre.files import expanded, read_json, shown, write_text

KEY, PAGE, RESULTS = "key.json", "page", "results"
"""Names in the folder of a test: the key, the folder of the page, and that of the results."""
TASKS = {
    "quality": "how close sounds are to a reference, 0 to 100",
    "pairs": "how different two sounds are, 0 to 100",
    "sorting": "sounds sorted into groups",
}
"""The tasks of listeners. "quality" is MUSHRA (ITU-R BS.1534-3) on notes."""
REFERENCE, ANCHOR = "reference", "anchor"
"""Systems of the hidden reference and of the anchor."""
MOST = 5000  # stimuli or trials in a key
_VERSION = 1
_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class Stimulus:
    """A sound of a test: `system` is "reference" (the recording), "anchor", or the space and inverter that made it."""

    note: str
    instrument: str
    system: str
    file: str
    pitch: float | None = None


@dataclass(frozen=True)
class Trial:
    """The stimuli that a listener judges together, by number; `reference` is a copy of the hidden reference."""

    sounds: tuple[str, ...]
    reference: str | None = None
    always: bool = False  # whether every listener gets it, also where each gets only some of the trials


@dataclass(frozen=True)
class ListeningTest:
    """A listening test, as its key describes it.

    Attributes:
        id: its number, which is in every file of results.
        task: one of :data:`TASKS`.
        stimuli: by number.
        trials: by number.
    """

    id: str
    task: str
    stimuli: dict[str, Stimulus]
    trials: dict[str, Trial]

    def save(self, folder: Path) -> None:
        """Write the key into the folder of the test."""
        write_text(folder / KEY, json.dumps({"version": _VERSION, **asdict(self)}, indent=1))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "ListeningTest":
        """The test in a folder that `timbre listen` has made.

        Raises:
            LibraryError: if there is no key in it, or it is damaged.
        """
        file = expanded(folder, LibraryError) / KEY
        if not file.is_file():
            raise LibraryError(f"{folder} must be a folder made by `timbre listen`; it has no {KEY}.")
        content = read_json(file, LibraryError)
        try:
            return _test(content)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise LibraryError(f"{file} is damaged ({shown(str(problem))}); make the test again.") from problem


def _test(content: Any) -> ListeningTest:
    if content["version"] != _VERSION:
        raise ValueError(f"version {content['version']}")
    stimuli = {_id(name): Stimulus(**_typed(one)) for name, one in content["stimuli"].items()}
    trials = {
        _id(name): Trial(tuple(map(_id, one["sounds"])), one["reference"], bool(one["always"]))
        for name, one in content["trials"].items()
    }
    if content["task"] not in TASKS or not 0 < len(trials) <= MOST or len(stimuli) > MOST:
        raise ValueError("its task, or the number of its trials")
    if unknown := {sound for trial in trials.values() for sound in trial.sounds} - set(stimuli):
        raise ValueError(f"no stimulus {min(unknown)}")
    return ListeningTest(_id(content["id"]), content["task"], stimuli, trials)


def _id(text: Any) -> str:
    if not (isinstance(text, str) and _ID.fullmatch(text)):
        raise ValueError(f"the number {shown(text)}")
    return text


def _typed(one: dict[str, Any]) -> dict[str, Any]:
    for name in ("note", "instrument", "system", "file"):
        if not isinstance(one[name], str):
            raise ValueError(f"{name} {shown(one[name])}")
    if not (one["pitch"] is None or isinstance(one["pitch"], int | float)):
        raise ValueError(f"pitch {shown(one['pitch'])}")
    return one
