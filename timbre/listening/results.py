"""Reading results of a listening test: CSV files from anybody's browser."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from timbre.errors import LibraryError, TimbreError
from timbre.files import expanded, read_bytes, shown
from timbre.listening.design import RESULTS, ListeningTest

COLUMNS = ("test", "participant", "trial", "order", "sound", "other", "value", "plays", "seconds")
"""Columns of a file of results."""
_LARGEST = 1 << 21  # bytes of a file
_MOST_FILES = 2000
_PARTICIPANT = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Answer:
    """One judgement: a rating 0 to 100 of a sound, or of two sounds, or the number of the group of a sound."""

    participant: str
    trial: str
    sound: str
    other: str
    value: float


@dataclass(frozen=True)
class Answers:
    """The complete trials of all participants, and sentences on the files that were left out."""

    answers: tuple[Answer, ...]
    left_out: tuple[str, ...] = ()

    @property
    def participants(self) -> tuple[str, ...]:
        """Codes of the participants, sorted."""
        return tuple(sorted({answer.participant for answer in self.answers}))

    def without(self, participants: Sequence[str]) -> "Answers":
        """The answers of the others."""
        return Answers(tuple(one for one in self.answers if one.participant not in participants), self.left_out)


def read_answers(test: ListeningTest, folder: Path) -> Answers:
    """The results in a folder: its CSV files, and those in its folder `results`.

    A file that cannot be used is left out and named; of several files of a participant, the longest is read.

    Raises:
        LibraryError: if there are none, more than 2,000, or none that can be used.
    """
    root = expanded(folder, LibraryError)
    found = sorted({*root.glob("*.csv"), *(root / RESULTS).glob("*.csv")})
    if not 0 < len(found) <= _MOST_FILES:
        raise LibraryError(
            f"{root / RESULTS} must have 1 to {_MOST_FILES:,} CSV files of results, got {len(found):,}; "
            "put the files there that the page has saved."
        )
    kept: dict[str, list[Answer]] = {}
    left_out: list[str] = []
    for file in found:
        try:
            own = read_file(test, file)
        except TimbreError as problem:
            left_out.append(str(problem))
            continue
        before = kept.get(own[0].participant, [])
        if before:
            left_out.append(f"{file} is of {own[0].participant}, who has two files; the longer one is read.")
        kept[own[0].participant] = max(before, own, key=len)
    if not kept:
        raise LibraryError(f"{root} must have results of this test, got none that can be used: {left_out[0]}")
    return Answers(tuple(answer for own in kept.values() for answer in own), tuple(left_out))


def read_file(test: ListeningTest, file: Path) -> list[Answer]:
    """The complete trials in a file of results.

    Raises:
        LibraryError: if it is not of this test, has other columns or more rows than the test has, rates a sound twice
            or outside 0 to 100, or has no complete trial.
    """
    try:
        text = read_bytes(file, _LARGEST, LibraryError).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as problem:
        raise LibraryError(f"{file} must be a CSV file in UTF-8, got {shown(str(problem))}.") from problem
    if not rows or tuple(rows[0]) != COLUMNS:
        raise LibraryError(f"{file} must have the columns {', '.join(COLUMNS)}, got {shown(rows[0] if rows else '')}.")
    most = sum(max(1, len(trial.sounds)) for trial in test.trials.values())
    if not 0 < len(rows) - 1 <= most:
        raise LibraryError(f"{file} must have 1 to {most:,} answers, got {len(rows) - 1:,}.")
    answers = [_answer(test, file, line, cells) for line, cells in enumerate(rows[1:], start=2)]
    if len({answer.participant for answer in answers}) > 1:
        raise LibraryError(f"{file} must be of one participant, got several; give each a file.")
    complete = list(_complete(test, file, answers))
    if not complete:
        raise LibraryError(f"{file} must have a complete trial, got none.")
    return complete


def _answer(test: ListeningTest, file: Path, line: int, cells: list[str]) -> Answer:
    row = dict(zip(COLUMNS, cells, strict=False))
    trial = test.trials.get(row.get("trial", ""))
    if len(cells) != len(COLUMNS) or row["test"] != test.id or trial is None:
        raise LibraryError(
            f"{file}: line {line} must be an answer of the test {test.id}, got {shown(','.join(cells))}."
        )
    if not _PARTICIPANT.fullmatch(row["participant"]):
        raise LibraryError(f"{file}: line {line} must name a participant, got {shown(row['participant'])}.")
    own, count = [row["sound"], *filter(None, [row["other"]])], 2 if test.task == "pairs" else 1
    if len(own) != count or len(set(own) & set(trial.sounds)) < count:
        raise LibraryError(f"{file}: line {line} must name sounds of its trial, got {shown(own)}.")
    return Answer(row["participant"], row["trial"], row["sound"], row["other"], _value(test, file, line, row["value"]))


def _value(test: ListeningTest, file: Path, line: int, text: str) -> float:
    low, high = (1, len(test.stimuli)) if test.task == "sorting" else (0, 100)
    value = float(text) if re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) else -1.0
    if not low <= value <= high:
        raise LibraryError(f"{file}: the value in line {line} must be {low} to {high}, got {shown(text)}.")
    return value


def _complete(test: ListeningTest, file: Path, answers: list[Answer]) -> Iterator[Answer]:
    by_trial: dict[str, list[Answer]] = {}
    for answer in answers:
        by_trial.setdefault(answer.trial, []).append(answer)
    for trial, own in by_trial.items():
        sounds = [answer.sound for answer in own]
        if len(set(sounds)) < len(sounds) or (test.task == "pairs" and len(own) > 1):
            raise LibraryError(f"{file} must judge every sound of a trial once, got one twice in the trial {trial}.")
        if test.task == "pairs" or len(own) == len(test.trials[trial].sounds):
            yield from own
