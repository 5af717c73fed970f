"""Arithmetic with sounds: "flute - oboe + clarinet"."""

import difflib
import re
from collections.abc import Callable

import numpy as np

from timbre.errors import ConfigError
from timbre.space.space import Space

_TERM = re.compile(r"(?:(?P<weight>\d+\.?\d*|\.\d+)\s*\*\s*)?(?P<name>\S.*)")


def library_point(space: Space, name: str) -> np.ndarray:
    """The point (dim,), float64, of a known sound, or the mean of an instrument's.

    Raises:
        ConfigError: if there is neither; it names the closest ones.
    """
    if name in space.atlas:
        return space.atlas[name].astype(np.float64)
    played = np.array([instrument == name for instrument in space.atlas.instruments], dtype=bool)
    if played.any():
        return np.asarray(space.atlas.points[played].mean(0, dtype=np.float64))
    words = [*dict.fromkeys(space.atlas.instruments), *space.atlas]
    close = difflib.get_close_matches(name, words, n=3) or words[:3]
    raise ConfigError(f"The space knows no sound and no instrument {name!r}; close to it: {', '.join(close)}.")


def is_sum(text: str) -> bool:
    """Whether a text is a sum of places, and not the name of one."""
    return bool(re.search(r"\s[+-]\s|\*", text))


def combined(space: Space, text: str, place: Callable[[Space, str], np.ndarray] = library_point) -> np.ndarray:
    """The place (dim,), float64, that a sum of places means: "flute - oboe + clarinet", "0.5 * flute + 0.5 * oboe-A4".

    What leads from the oboe to the flute, added to the clarinet (attribute vectors; Mikolov et al. 2013, Larsen et al.
    2016). Signs stand between spaces, since names hold hyphens.

    Args:
        space: the space.
        text: the sum.
        place: what a name means; by default a known sound, or the mean of an instrument.

    Raises:
        ConfigError: for a name that is not known; and if the weights do not add to 1, as only then the sum is a place:
            it does not depend on where the space has its origin.
    """
    parts = re.split(r"\s([+-])\s", f" + {text.lstrip()}")[1:]
    total, weights = np.zeros(space.dim), 0.0
    for sign, words in zip(parts[::2], parts[1::2], strict=True):
        term = _TERM.fullmatch(words.strip())
        if term is None:
            raise ConfigError(
                f"{text!r} has a sign without a name after it; flute - oboe + clarinet is what is wanted."
            )
        weight = float(f"{sign}{term['weight'] or 1}")
        total += weight * place(space, term["name"])
        weights += weight
    if abs(weights - 1.0) > 1e-6:
        raise ConfigError(
            f"The weights in {text!r} add to {weights:g}; only where they add to 1 a sum is a place, "
            "as in flute - oboe + clarinet."
        )
    return total
