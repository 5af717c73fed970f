"""`timbre ratings`."""

from pathlib import Path
from typing import TYPE_CHECKING

import timbre

if TYPE_CHECKING:
    from timbre.data.ratings import Ratings


def ratings(source: Path, /, *, library: Path | None = None) -> None:
    """Describe listeners' dissimilarity ratings, check them, and say which instruments of a library they mean.

    Parameters
    ----------
    source
        A table (study, sound_a, sound_b, dissimilarity), a square matrix of instruments, a folder of such CSV files,
        or "orchestra": the pooled ratings of 13 instruments that timbre brings along.
    library
        Folder of notes, whose instruments are to be matched with the rated ones by name.
    """
    from timbre.data.ratings import check, choose_dim, merged, read_ratings

    found = read_ratings(source)
    for study in found.parts:
        print(f"{study.name}: {len(study.items)} sounds or instruments, {len(study.pairs()[2])} rated pairs")
    print("\nChecks:")
    for finding in check(found):
        print(f"  {'doubtful: ' if finding.doubtful else ''}{finding.sentence}")
    pooled = merged(found) if len(found.parts) > 1 else found
    for note in pooled.notes:
        print(f"  {note}")
    study = pooled.parts[0]
    dim, stress, errors = choose_dim(study.dissimilarities)
    print(f"\nScaling of {len(study.items)} items; {dim} dimensions are borne by the ratings:")
    for number, (own, hidden) in enumerate(zip(stress, errors, strict=True), 1):
        print(f"  {number}: stress {own:.3f}, error on hidden pairs {hidden:.3f}")
    if library is not None:
        _print_matches(pooled, library)


def _print_matches(pooled: "Ratings", library: Path) -> None:
    """Rated instruments beside those of a library; those it does not have."""
    from timbre.data.ratings import match_instruments

    items = pooled.parts[0].items
    matched = match_instruments(items, timbre.scan(library).instruments, drop=True)
    print(f"\n{library} has {len(matched)} of {len(items)} rated instruments:")
    for item in items:
        print(f"  {item}: {', '.join(matched.get(item, ['none']))}")
