"""Control lines in words and files: "C4", "C4 E4 G4", "C4:G4 C4", or the CSV file of a curve."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from timbre.errors import ConfigError
from timbre.shapes.number_files import read_rows


def read_line(text: str, number: Callable[[str], float], duration: float, count: int) -> "float | np.ndarray":
    """A control line over a sound.

    Args:
        text: words of equal length in time, each a value, or two with a colon between for a glide from one to the
            other; or the name of a CSV file with a row `time,value` and rows of seconds and values, straight between.
        number: what a value means.
        duration: s.
        count: values wanted.

    Returns:
        One value if the text is one, else (count,).

    Raises:
        ConfigError: if the text says nothing, or a word or a row is not what it should be.
    """
    if text.lower().endswith(".csv"):
        times, values = _rows(Path(text), number)
        return np.interp(np.linspace(0.0, duration, count), times, values)
    words = text.split()
    if not words:
        raise ConfigError(
            "A control line is empty; a value such as C4, steps such as 'C4 E4' or a glide C4:G4 is wanted."
        )
    ends = [_ends(word, number) for word in words]
    if len(ends) == 1 and ends[0][0] == ends[0][1]:
        return ends[0][0]
    place = np.linspace(0.0, len(ends), count)
    step = np.minimum(place.astype(int), len(ends) - 1)
    first, last = np.array(ends)[step].T
    return np.asarray(first + (place - step) * (last - first))


def _ends(word: str, number: Callable[[str], float]) -> tuple[float, float]:
    parts = word.split(":")
    if len(parts) > 2 or not all(parts):
        raise ConfigError(f"{word!r} is no step of a control line; a value, or two with a colon between, is wanted.")
    return number(parts[0]), number(parts[-1])


def _rows(file: Path, number: Callable[[str], float]) -> tuple[list[float], list[float]]:
    rows = read_rows(file)
    if not rows or [name.strip() for name in rows[0]] != ["time", "value"] or any(len(row) != 2 for row in rows):
        raise ConfigError(f"{file} is no control line; a row 'time,value' and rows of two numbers are wanted.")
    try:
        times = [float(row[0]) for row in rows[1:]]
    except ValueError as error:
        raise ConfigError(f"{file} has a time that is not a number of seconds ({error}).") from error
    if not times or not np.isfinite(times).all() or np.any(np.diff(times) <= 0):
        raise ConfigError(f"The times of {file} do not rise; seconds in rising order are wanted.")
    return times, [number(row[1].strip()) for row in rows[1:]]
