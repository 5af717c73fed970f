"""Control lines as text: "C4", "C4 E4 G4", "C4:G4 C4", or the name of a CSV file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from timbre.errors import ConfigError
from timbre.shapes.number_files import read_rows


def read_line(text: str, number: Callable[[str], float], duration: float, count: int) -> float | np.ndarray:
    """A control line over a sound.

    Args:
        text: steps of equal length separated by spaces, each a value, or two values separated by a colon for a glide;
            or the name of a CSV file with a row `time,value` and rows of seconds and values, with lines between them.
        number: from the text of a value to the value.
        duration: s.
        count: number of values.

    Returns:
        One value if the text is one value, otherwise (count,).

    Raises:
        ConfigError: for an empty text, or a step or row of another form.
    """
    if text.lower().endswith(".csv"):
        return np.interp(np.linspace(0.0, duration, count), *_rows(Path(text), number))
    words = text.split()
    if not words:
        raise ConfigError(
            "A control line must be a value such as C4, steps such as 'C4 E4' or a glide such as C4:G4, got nothing."
        )
    ends = [_ends(word, number) for word in words]
    if len(ends) == 1 and ends[0][0] == ends[0][1]:
        return ends[0][0]
    position = np.linspace(0.0, len(ends), count)
    step = np.minimum(position.astype(int), len(ends) - 1)
    first, last = np.array(ends)[step].T
    return np.asarray(first + (position - step) * (last - first))


def _ends(word: str, number: Callable[[str], float]) -> tuple[float, float]:
    parts = word.split(":")
    if len(parts) > 2 or not all(parts):
        raise ConfigError(f"A step of a control line must be a value, or two separated by a colon, got {word!r}.")
    return number(parts[0]), number(parts[-1])


def _rows(file: Path, number: Callable[[str], float]) -> tuple[list[float], list[float]]:
    rows = read_rows(file)
    if not rows or [name.strip() for name in rows[0]] != ["time", "value"] or any(len(row) != 2 for row in rows):
        raise ConfigError(f"{file} must have a row 'time,value' and then rows of a time and a value.")
    try:
        times = [float(row[0]) for row in rows[1:]]
    except ValueError as error:
        raise ConfigError(f"The times of {file} must be numbers of seconds ({error}).") from error
    if not times or not np.isfinite(times).all() or np.any(np.diff(times) <= 0):
        raise ConfigError(f"The times of {file} must be seconds that rise.")
    return times, [number(row[1].strip()) for row in rows[1:]]
