"""Ratings of pairs and sorted sounds as a study that `timbre ratings` and `timbre train --ratings` read."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from timbre.data.ratings import Study
from timbre.errors import LibraryError
from timbre.files import write_text
from timbre.listening.design import ListeningTest
from timbre.listening.results import Answers
from timbre.listening.scores import agreement

_ALIKE = 0.5  # of a participant's median rating: the mean rating of identical sounds must be below


class Rated(NamedTuple):
    """A study of listeners, with those who failed the screening and the agreement of the others."""

    study: Study
    excluded: tuple[str, ...]
    participants: int
    agreement: float
    """Mean Spearman correlation of a participant with the mean of the others."""


def rated(test: ListeningTest, answers: Answers, name: str = "listeners", screen: bool = True) -> Rated:
    """The dissimilarities of a test's sounds, 0 to 1.

    Each participant's ratings of pairs are brought to 0..1, and averaged; of a sorting, the dissimilarity of two sounds
    is the share of participants who put them into different groups. The weight of a pair is 1 / (1 + the variance of
    its ratings relative to the variance of all). Participants who rate identical sounds, on average, at half of their
    median rating or higher are left out.

    Raises:
        LibraryError: if the test is one of quality, or no participant passes the screening.
    """
    if test.task == "quality":
        raise LibraryError("Ratings must be of a pairs or sorting test, got one of quality; its results are scores.")
    items = _items(test)
    everyone = {person: _matrix(test, answers, person, items) for person in answers.participants}
    excluded = tuple(person for person, (_, same, typical) in everyone.items() if screen and same >= _ALIKE * typical)
    kept = np.array([matrix for person, (matrix, _, _) in everyone.items() if person not in excluded])
    if not len(kept):
        raise LibraryError(
            f"One participant or more must rate identical sounds as alike, got {len(excluded)} who did not; see their "
            "files."
        )
    count = np.isfinite(kept).sum(0)
    mean = np.where(count > 0, np.nansum(kept, 0) / np.maximum(count, 1), np.nan)
    variance = np.where(count > 1, np.nansum((kept - mean) ** 2, 0) / np.maximum(count - 1, 1), np.nan)
    upper = np.triu_indices(len(items), 1)
    given = kept[:, *upper]
    whole = max(float(given[np.isfinite(given)].var()) if np.isfinite(given).any() else 0.0, 1e-9)
    weight = 1.0 / (1.0 + np.nan_to_num(variance / whole, nan=1.0))
    np.fill_diagonal(mean, 0.0)
    stimuli = {_label(test, number): test.stimuli[number] for number in test.stimuli}
    study = Study(
        name, tuple(items), mean, np.where(np.isfinite(mean), weight, 0.0), tuple(stimuli[i].instrument for i in items),
        {item: Path(stimuli[item].file) for item in items},
        {item: float(p) for item in items if (p := stimuli[item].pitch) is not None},
    )  # fmt: skip
    return Rated(study, excluded, len(kept), agreement(list(given)))


def write_study(study: Study, folder: Path) -> Path:
    """Write a study as a folder of ratings: NAME.csv, and sounds.csv with instruments, files and pitches."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [
        [study.name, study.items[a], study.items[b], f"{value:.4f}", f"{weight:.4f}"]
        for a, b, value, weight in zip(*study.weighted_pairs(), strict=True)
    ]
    sounds = [
        [study.name, item, instrument, study.files[item], study.pitches.get(item, "")]
        for item, instrument in zip(study.items, study.instruments, strict=True)
    ]
    write_text(folder / f"{study.name}.csv", _csv("study sound_a sound_b dissimilarity reliability", pairs))
    write_text(folder / "sounds.csv", _csv("study sound instrument file pitch", sounds))
    return folder


def _csv(header: str, rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header.split(), *rows])
    return text.getvalue()


def _label(test: ListeningTest, number: str) -> str:
    """A stimulus as an item of a study: its note, and what made it if that is not the recording."""
    one = test.stimuli[number]
    return one.note if one.system == "reference" else f"{one.note} {one.system}"


def _items(test: ListeningTest) -> list[str]:
    return sorted({_label(test, number) for trial in test.trials.values() for number in trial.sounds})


def _matrix(test: ListeningTest, answers: Answers, person: str, items: list[str]) -> tuple[np.ndarray, float, float]:
    """A participant's dissimilarities (items, items), the mean rating of identical sounds, and the median of others."""
    at = {item: number for number, item in enumerate(items)}
    own = [answer for answer in answers.answers if answer.participant == person]
    values = np.full((len(items),) * 2, np.nan)
    if test.task == "sorting":
        groups = np.full(len(items), np.nan)
        for answer in own:
            groups[at[_label(test, answer.sound)]] = answer.value
        values = (groups[:, None] != groups[None]).astype(float)
        return values, 0.0, 1.0
    same: list[float] = []
    for answer in own:
        a, b = (at[_label(test, number)] for number in (answer.sound, answer.other))
        if a == b:
            same.append(answer.value)
        else:
            values[a, b] = values[b, a] = answer.value
    low, high = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 0.0)
    typical = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
    scaled = (values - low) / (high - low) if high > low else np.full_like(values, np.nan)
    return scaled, float(np.mean(same)) if same else 0.0, typical if same else max(typical, 1.0)
