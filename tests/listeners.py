"""Listening tests without sounds, and listeners whose opinions are known."""

import csv
from itertools import combinations
from pathlib import Path

import numpy as np

from timbre.listening.design import ANCHOR, REFERENCE, ListeningTest, Stimulus, Trial
from timbre.listening.results import COLUMNS

OPINIONS = {REFERENCE: 98.0, ANCHOR: 25.0, "good": 80.0, "middling": 65.0, "poor": 45.0}
"""What simulated listeners think of the systems, 0 to 100."""


def quality_test(notes: int = 8, systems: tuple[str, ...] = tuple(OPINIONS)) -> ListeningTest:
    stimuli, trials = {}, {}
    for note in range(notes):
        numbers = [f"{16 * note + at:08x}" for at in range(len(systems) + 1)]
        for number, system in zip(numbers, (*systems, REFERENCE), strict=True):
            stimuli[number] = Stimulus(f"note-{note}", f"instrument_{note}", system, f"/notes/note-{note}.wav", 60.0)
        trials[f"{note:07x}f"] = Trial(tuple(numbers[:-1]), numbers[-1])
    return ListeningTest("0000beef", "quality", stimuli, trials)


def pairs_test(sounds: int = 10, task: str = "pairs") -> ListeningTest:
    def stimulus(at: int) -> Stimulus:
        return Stimulus(f"note-{at}", f"instrument_{at}", REFERENCE, f"/notes/note-{at}.wav", 60.0 + at)

    stimuli = {f"{at:08x}": stimulus(at) for at in range(sounds)}
    trials = [Trial(pair) for pair in combinations(tuple(stimuli), 2)]
    for at in range(3):
        stimuli[f"{100 + at:08x}"] = stimulus(at)
        trials.append(Trial((f"{at:08x}", f"{100 + at:08x}"), always=True))
    if task == "sorting":
        trials = [Trial(tuple(f"{at:08x}" for at in range(sounds)))]
    return ListeningTest("0000cafe", task, stimuli, {f"{at:07x}f": trial for at, trial in enumerate(trials)})


def write_results(file: Path, test: ListeningTest, person: str, values: list[tuple[str, str, str, float]]) -> Path:
    """Rows (trial, sound, other, value) as the page saves them."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(COLUMNS)
        for order, (trial, sound, other, value) in enumerate(values):
            writer.writerow([test.id, person, trial, order, sound, other, f"{value:.0f}", 1, 2.5])
    return file


def rate_quality(test: ListeningTest, folder: Path, people: int, seed: int = 0, deaf: int = 0) -> None:
    """Listeners with opinions, a use of the scale and noise of their own; the last `deaf` rate at random."""
    random = np.random.default_rng(seed)
    bias = {one.note: random.normal(0, 5) for one in sorted(test.stimuli.values(), key=lambda one: one.note)}
    for number in range(people):
        own, rows = random.normal(0, 6), []
        for name, trial in test.trials.items():
            for sound in trial.sounds:
                one = test.stimuli[sound]
                value = OPINIONS[one.system] + random.normal(0, 8) + own + bias[one.note]
                value = random.uniform(90, 100) if one.system == REFERENCE else value
                value = random.uniform(0, 100) if number >= people - deaf else value
                rows.append((name, sound, "", float(np.clip(value, 0, 100))))
        write_results(folder / f"p{number:02d}.csv", test, f"p{number:02d}", rows)


def rate_pairs(test: ListeningTest, folder: Path, distances: np.ndarray, people: int, deaf: int = 0) -> None:
    """Listeners who rate (or sort by) distances (sounds, sounds) of 0 to 1, with noise; the last `deaf` at random."""
    random = np.random.default_rng(1)
    for number in range(people):
        rows = []
        for name, trial in test.trials.items():
            if test.task == "sorting":
                centres = random.choice(len(trial.sounds), 3, replace=False)
                nearest = np.argmin(distances[:, centres] + random.normal(0, 0.02, (len(distances), 3)), 1)
                rows += [(name, sound, "", int(nearest[int(sound, 16)]) + 1) for sound in trial.sounds]
                continue
            a, b = (int(sound, 16) % 100 for sound in trial.sounds)
            value = 90 * distances[a, b] + 5 + random.normal(0, 10)
            value = random.uniform(0, 100) if number >= people - deaf else value
            rows.append((name, *trial.sounds, float(np.clip(value, 0, 100))))
        write_results(folder / f"p{number:02d}.csv", test, f"p{number:02d}", rows)
