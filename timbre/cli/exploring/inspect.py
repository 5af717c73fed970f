"""`timbre inspect`."""

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import SpaceName
from timbre.cli.training.train import print_figures
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.space import Space


def inspect(
    space: Annotated[SpaceName | None, Parameter(help="Folder or name of a space; default: list the names.")] = None,
    /,
    *,
    names: bool = False,
) -> None:
    """Describe a saved space: library notes, settings, figures and files; or list the spaces that have a name.

    Args:
        names: Also list the names of all library notes.
    """
    from timbre.space.names import find_space, local_spaces
    from timbre.wording import printable

    if space is None:
        lines = [f"{name:<20}{folder}" for name, folder in local_spaces().items()]
        print("\n".join(lines) or "No space on this disk has a name; give a space of your own by its folder.")
        return
    folder, fitted = find_space(space), timbre.load(space)
    print(f"{space}: {counted(fitted.dim, 'dimension')}, {counted(len(fitted.atlas), 'library note')}")
    _print_sounds(fitted)
    print("\nSettings:")
    for table, settings in fitted.config.to_dict().items():
        print(f"  [{table}] " + ", ".join(f"{key} {value}" for key, value in settings.items()))
    print_figures(fitted)
    print("\nFiles:")
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        print(f"  {printable(file.name):<20}{file.stat().st_size / 1e6:.2f} MB")
    if names:
        print("\nLibrary notes:", *map(printable, fitted.atlas), sep="\n  ")


def _print_sounds(space: "Space") -> None:
    """Print the number of notes of each instrument and of each part of the split."""
    instruments = Counter(space.atlas.instruments)
    listed = ", ".join(f"{name}\N{NO-BREAK SPACE}{count}" for name, count in sorted(instruments.items()))
    lines = textwrap.fill(listed, 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    print(lines.replace("\N{NO-BREAK SPACE}", " "))
    print("  " + ", ".join(f"{name} {count}" for name, count in Counter(space.atlas.splits).items()))
    if "held_out" in space.report:
        print(f"  held out {space.report['held_out']}")
