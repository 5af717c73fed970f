"""`timbre inspect`."""

import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import timbre
from timbre.cli.train import print_figures

if TYPE_CHECKING:
    from timbre.space import Space


def inspect(space: Path, /, *, names: bool = False) -> None:
    """Describe a saved space: its dimensions, known sounds, settings, figures and files.

    Parameters
    ----------
    space
        Folder of a saved space.
    names
        List the names of all known sounds too.
    """
    fitted = timbre.load(space)
    print(f"{space}: {fitted.dim} dimensions, {len(fitted.atlas)} known sounds")
    _print_sounds(fitted)
    print("\nSettings:")
    for table, settings in fitted.config.to_dict().items():
        print(f"  [{table}] " + ", ".join(f"{key} {value}" for key, value in settings.items()))
    print_figures(fitted)
    print("\nFiles:")
    for file in sorted(path for path in space.expanduser().iterdir() if path.is_file()):
        print(f"  {file.name:<20}{file.stat().st_size / 1e6:.2f} MB")
    if names:
        print("\nKnown sounds:", *fitted.atlas, sep="\n  ")


def _print_sounds(space: "Space") -> None:
    """How many sounds of each instrument and of each part of the split."""
    instruments = Counter(space.atlas.instruments)
    listed = ", ".join(f"{name}\N{NO-BREAK SPACE}{count}" for name, count in sorted(instruments.items()))
    lines = textwrap.fill(listed, 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    print(lines.replace("\N{NO-BREAK SPACE}", " "))
    print("  " + ", ".join(f"{name} {count}" for name, count in Counter(space.atlas.splits).items()))
    if "held_out" in space.report:
        print(f"  held out {space.report['held_out']}")
