"""Arithmetic with sounds: "flute - oboe + clarinet"."""

import difflib
import re
from collections.abc import Callable

import numpy as np

from timbre.errors import ConfigError
from timbre.paths.path import LARGEST
from timbre.space.space import Space

_TERM = re.compile(r"(?:(?P<weight>\d+\.?\d*|\.\d+)\s*\*\s*)?(?P<name>\S.*)")


def library_point(space: Space, name: str) -> np.ndarray:
    """The point (dim,), float64, of a library note, or the mean of an instrument's notes; else a ConfigError."""
    if name in space.atlas:
        return space.atlas[name].astype(np.float64)
    played = [number for number, instrument in enumerate(space.atlas.instruments) if instrument == name]
    if played:
        return np.asarray(space.atlas.points[played].mean(0, dtype=np.float64))
    names = [*dict.fromkeys(space.atlas.instruments), *space.atlas]
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"similar names: {', '.join(close)}." if close else f"names are, for example, {', '.join(names[:3])}."
    raise ConfigError(f"A point must be coordinates, a library note, an instrument or a file, got {name!r}; {hint}")


def is_sum(text: str) -> bool:
    """Whether a text is a sum of points, not a single name."""
    return bool(re.search(r"\s[+-]\s|\*", text))


def combined(space: Space, text: str, point_of: Callable[[Space, str], np.ndarray] = library_point) -> np.ndarray:
    """The point (dim,), float64, of a sum of points: "flute - oboe + clarinet", "0.5 * flute + 0.5 * oboe-A4".

    The example adds the step from the oboe to the flute to the clarinet (attribute vectors; Mikolov et al. 2013, Larsen
    et al. 2016). Signs need spaces around them, since names contain hyphens.

    `point_of` gives the point of a name.

    Raises:
        ConfigError: for an unknown name, or if the weights do not add up to 1: only such a sum is independent of the
            origin of the space.
    """
    parts = re.split(r"\s([+-])\s", f" + {text.lstrip()}")[1:]
    total, weights = np.zeros(space.dim), 0.0
    for sign, words in zip(parts[::2], parts[1::2], strict=True):
        term = _TERM.fullmatch(words.strip())
        if term is None:
            raise ConfigError(f"Every sign must have a name after it, as in flute - oboe + clarinet, got {text!r}.")
        weight = float(f"{sign}{term['weight'] or 1}")
        if not abs(weight) <= LARGEST:
            raise ConfigError(f"The weights of a sum must be {LARGEST:g} or less, got {weight:g} in {text!r}.")
        total += weight * (library_point if is_sum(term["name"]) else point_of)(space, term["name"])
        weights += weight
    if abs(weights - 1.0) > 1e-6:
        raise ConfigError(
            f"The weights of a sum must add up to 1, as in flute - oboe + clarinet, got {weights:g} in {text!r}."
        )
    return total
