"""`timbre ratings`."""

from pathlib import Path

import timbre
from timbre.wording import counted


def ratings(source: Path, /, *, library: Path | None = None) -> None:
    """Describe and check dissimilarity ratings, and match their instruments with those of a library.

    Args:
        source: A table (study, sound_a, sound_b, dissimilarity), a square matrix of instruments, a folder of such CSV
            files, or "orchestra": the pooled ratings of 13 instruments that come with timbre.
        library: Folder of notes whose instruments are matched with the rated ones by name.
    """
    from timbre.data.ratings import check, choose_dim, match_instruments, merged, read_ratings

    read = read_ratings(source)
    for study in read.parts:
        print(f"{study.name}: {len(study.items)} sounds or instruments, {counted(len(study.pairs()[2]), 'rated pair')}")
    print("\nChecks:")
    for finding in check(read):
        print(f"  {'doubtful: ' if finding.doubtful else ''}{finding.sentence}")
    pooled = merged(read) if len(read.parts) > 1 else read
    for note in pooled.notes:
        print(f"  {note}")
    study = pooled.parts[0]
    dim, stress, errors = choose_dim(study.dissimilarities)
    print(f"\nScaling of {len(study.items)} items; the ratings support {counted(dim, 'dimension')}:")
    for number, (own, hidden) in enumerate(zip(stress, errors, strict=True), 1):
        print(f"  {number}: stress {own:.3f}, error on hidden pairs {hidden:.3f}")
    if library is not None:
        matched = match_instruments(study.items, timbre.scan(library).instruments, drop=True)
        print(f"\n{library} has {len(matched)} of {len(study.items)} rated instruments:")
        for item in study.items:
            print(f"  {item}: {', '.join(matched.get(item, ['none']))}")
