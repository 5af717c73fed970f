"""Making a listening test: its sounds, its page, and its key."""

import hashlib
import itertools
import json
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from timbre.audio import Audio
from timbre.audio.files import write
from timbre.data import Library, Note
from timbre.errors import AudioError, ConfigError, LibraryError
from timbre.files import expanded, replacing, unwritable, write_text
from timbre.listening.design import ANCHOR, KEY, MOST, PAGE, REFERENCE, RESULTS, TASKS, ListeningTest, Stimulus, Trial
from timbre.listening.stimuli import anchor, in_order, matched, reconstruction, recording, systems, was_trained_on
from timbre.space import Space
from timbre.wording import counted

COUNTS = {"quality": 8, "pairs": 12, "sorting": 20}
"""Default number of notes by task."""
_FEWEST = {"quality": 1, "pairs": 3, "sorting": 4}
_CATCHES = 3  # pairs of one sound
_SECONDS = 0.3, 10.0

Progress = Callable[[str], None]


def make_test(
    folder: Path, spaces: Sequence[tuple[str, Space]], library: Library, task: str = "quality", *,
    inverters: Sequence[str] = (), decoded: bool = False, notes: int | None = None, pitch: float | None = None,
    seconds: float = 2.0, trials: int | None = None, title: str = "Listening test", seed: int = 0,
    progress: Progress = lambda _: None,
) -> ListeningTest:  # fmt: skip
    """Write a listening test: `page`, a folder for any web host, `key.json`, which stays with you, and `results`.

    Args:
        folder: of the test; it must not have a page yet.
        spaces: names and spaces. "quality" compares their reconstructions with the recordings.
        library: notes; those that the first space was trained on are left out (:func:`was_trained_on`).
        task: one of :data:`TASKS`.
        inverters: inverters that each space decodes with; default: its own.
        decoded: in "pairs" and "sorting", present the notes as the spaces decode them; default: as recorded.
        notes: number of notes; default: :data:`COUNTS`.
        pitch: MIDI; only notes near it, and of each instrument the nearest.
        seconds: length of the sounds, 0.3 to 10.
        trials: number of trials for each listener, who gets a part of them at random; default: all.
        title: heading of the page.
        seed: of the choice of notes and of the noise in sounds.
        progress: called with the name of each note.

    Raises:
        ConfigError: if an argument is out of range, the folder has a test already, or the test cannot be written.
        LibraryError: if the library has too few usable notes.
    """
    folder = expanded(folder)
    _check(folder, task, notes, seconds, trials)
    own = systems(spaces, inverters) if task == "quality" or decoded else []
    count = notes or COUNTS[task]
    pairs = math.comb(count * max(1, len(own)), 2) + _CATCHES if task == "pairs" else 0
    if pairs > MOST:  # before any sound is made
        raise ConfigError(f"A test must have {MOST:,} trials or fewer, got {pairs:,}; ask for fewer notes.")
    rate = max(space.renderer.sample_rate for _, space in spaces)

    def sounds_of(note: Note) -> dict[str, Audio]:
        sound = recording(note, rate, seconds)
        made = {one.name: reconstruction(note, one, rate, seconds, seed) for one in own}
        if task == "quality":
            return {REFERENCE: sound, ANCHOR: anchor(sound), **made}
        return made or {REFERENCE: sound}

    sounds = _first(spaces[0][1], in_order(library, pitch, seed), count, sounds_of, progress)
    if len(sounds) < _FEWEST[task]:
        raise LibraryError(
            f"{library.root} must have {_FEWEST[task]} or more notes that {spaces[0][0]} was not trained on, got "
            f"{len(sounds)}; give other notes."
        )
    test, waves = _designed(task, sounds, seed)
    _write(folder, test, dict(zip(waves, matched(list(waves.values()), seconds), strict=True)), title, trials)
    return test


def _check(folder: Path, task: str, notes: int | None, seconds: float, trials: int | None) -> None:
    if task not in TASKS:
        raise ConfigError(f"The task must be one of {', '.join(TASKS)}, got {task}.")
    if notes is not None and not _FEWEST[task] <= notes <= 200:
        raise ConfigError(f"The number of notes for {task} must be {_FEWEST[task]} to 200, got {notes}.")
    if not _SECONDS[0] <= seconds <= _SECONDS[1]:
        raise ConfigError(f"The length of the sounds must be {_SECONDS[0]} to {_SECONDS[1]} s, got {seconds}.")
    if trials is not None and trials < 1:
        raise ConfigError(f"The number of trials must be 1 or more, got {trials}.")
    if (folder / KEY).exists() or (folder / PAGE).exists():
        raise ConfigError(f"{folder} has a listening test already; choose another folder.")


def _first(
    space: Space, notes: Iterable[Note], count: int, sounds_of: Callable[[Note], dict[str, Audio]], progress: Progress
) -> list[tuple[Note, dict[str, Audio]]]:
    """The sounds of the first `count` notes that can be used and that the space was not trained on."""
    made: list[tuple[Note, dict[str, Audio]]] = []
    trained = 0
    for note in notes:
        if len(made) == count:
            break
        try:
            if was_trained_on(space, note):
                trained += 1
                continue
            made.append((note, sounds_of(note)))
        except AudioError as problem:
            progress(f"{note.name} is left out: {problem}")
        else:
            progress(note.name)
    if trained:
        progress(f"{counted(trained, 'note')} left out, which the space was trained on, maybe under another name")
    return made


def _designed(
    task: str, sounds: Sequence[tuple[Note, dict[str, Audio]]], seed: int
) -> tuple[ListeningTest, dict[str, Audio]]:
    """The test and its waveforms by number. Numbers are random, and so is their order in every list."""
    random = np.random.default_rng(_number(task, sounds, seed))
    fresh = (f"{number:08x}" for number in random.choice(1 << 32, 40 * MOST, replace=False).tolist())
    identity = next(fresh)
    stimuli: dict[str, Stimulus] = {}
    waves: dict[str, Audio] = {}

    def add(note: Note, system: str, sound: Audio) -> str:
        number = next(fresh)
        stimuli[number] = Stimulus(note.name, note.instrument, system, str(note.file), note.pitch)
        waves[number] = sound
        return number

    def mixed(numbers: Iterable[str]) -> tuple[str, ...]:
        return tuple(random.permutation(list(numbers)).tolist())

    trials: list[Trial] = []
    if task == "quality":
        for note, made in sounds:
            numbers = [add(note, system, sound) for system, sound in made.items()]
            trials.append(Trial(mixed(numbers), add(note, REFERENCE, made[REFERENCE])))
    else:
        flat = [(note, system, sound) for note, made in sounds for system, sound in made.items()]
        numbers = [add(*one) for one in flat]
        if task == "sorting":
            trials.append(Trial(mixed(numbers)))
        else:
            trials += [Trial(mixed(pair)) for pair in itertools.combinations(numbers, 2)]
            chosen = random.permutation(len(flat))[:_CATCHES].tolist()
            trials += [Trial((numbers[at], add(*flat[at])), always=True) for at in chosen]
    order = random.permutation(len(trials)).tolist()
    return ListeningTest(identity, task, stimuli, {next(fresh): trials[at] for at in order}), waves


def _number(task: str, sounds: Sequence[tuple[Note, dict[str, Audio]]], seed: int) -> int:
    """What the numbers of a test follow from: tests of other sounds have others, so that no results are confused."""
    found = hashlib.sha256(f"{task} {seed}".encode())
    for note, made in sounds:
        for system, sound in made.items():
            found.update(f"{note.name} {system} {sound.sample_rate}".encode("utf-8", "backslashreplace"))
            found.update(sound.samples.tobytes())
    return int.from_bytes(found.digest()[:16])


def _write(folder: Path, test: ListeningTest, waves: dict[str, Audio], title: str, trials: int | None) -> None:
    """The page with its sounds, which appears complete or not at all, then the key: a folder with a key is complete."""
    try:
        (folder / RESULTS).mkdir(parents=True, exist_ok=True)
        with replacing(folder / PAGE) as page:
            _write_page(page, test, waves, title, trials)
    except OSError as error:
        raise ConfigError(unwritable(folder, error)) from error
    test.save(folder)


def _write_page(page: Path, test: ListeningTest, waves: dict[str, Audio], title: str, trials: int | None) -> None:
    (page / "sounds").mkdir(parents=True)
    for number in sorted(waves):
        write(page / "sounds" / f"{number}.wav", waves[number], "PCM_16")
    with as_file(files("timbre.listening") / PAGE) as shipped:
        for name in ("index.html", "listen.js", "style.css"):
            shutil.copyfile(shipped / name, page / name)
    shown: dict[str, Any] = {
        "id": test.id, "task": test.task, "title": title, "limit": trials,
        "trials": [
            {"id": number, "sounds": trial.sounds, "reference": trial.reference, "always": trial.always}
            for number, trial in test.trials.items()
        ],
    }  # fmt: skip
    write_text(page / "test.js", f"window.TEST = {json.dumps(shown)};\n")
