"""Which notes are for training, which to choose the best checkpoint, and which are never seen: split by file."""

from collections.abc import Sequence

import numpy as np

from timbre.data.library import Note
from timbre.errors import LibraryError

FEWEST = 8  # notes below which holding some out leaves nothing to learn from


def split(notes: Sequence[Note], valid: float, test: float, seed: int) -> np.ndarray:
    """Assign every note to "train", "valid" or "test", whole files at a time, each instrument in its share.

    Files are ordered by instrument, shuffled within it, and every 1/share-th one is taken (systematic sampling), so
    that shares hold for the library and, as nearly as whole files allow, for each instrument.

    Args:
        notes: the library's notes.
        valid, test: shares of the files, 0 to 0.5; a share above 0 gets one file at the least.
        seed: of the shuffle.

    Returns:
        Array of strings, (notes,).

    Raises:
        LibraryError: if there are fewer than 8 notes.
    """
    if len(notes) < FEWEST:
        count = "1 note" if len(notes) == 1 else f"{len(notes)} notes"
        raise LibraryError(f"The library has {count}; a space is learned from {FEWEST} or more, in as many files.")
    files = sorted({(note.instrument, str(note.file)) for note in notes})
    random = np.random.default_rng(seed)
    order = random.permutation(len(files))
    ranked = sorted(range(len(files)), key=lambda i: (files[i][0], order[i]))
    parts = dict.fromkeys((file for _, file in files), "train")
    for rank, part in _held_out(len(files), {"test": test, "valid": valid}, random):
        parts[files[ranked[rank]][1]] = part
    return np.array([parts[str(note.file)] for note in notes])


def _held_out(count: int, shares: dict[str, float], random: np.random.Generator) -> list[tuple[int, str]]:
    free, taken = list(range(count)), []
    for part, share in shares.items():
        wanted = max(1, round(share * count)) if share > 0 else 0
        places = {int((k + random.uniform()) * len(free) / wanted) for k in range(wanted)}
        taken += [(free[place], part) for place in places]
        free = [rank for place, rank in enumerate(free) if place not in places]
    return taken
