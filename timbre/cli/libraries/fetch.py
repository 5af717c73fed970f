"""`timbre fetch`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from timbre.cli.info import program
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.data.download.fetching import Fetched
    from timbre.data.download.recipes import Download, Recipe


def fetch(
    name: str | None = None,
    folder: Path | None = None,
    /,
    *,
    dry_run: bool = False,
    list_: Annotated[bool, Parameter(name="--list")] = False,
) -> None:
    """Download a public library of notes, check it and unpack it.

    Folders, SFZ files and SoundFonts that are already on the disk need no fetching: timbre scan FOLDER.

    Parameters
    ----------
    name
        Name of a library, or a recipe of your own (a TOML file; datasets/README.md describes them).
    folder
        Where it goes; a folder of the library's name here, unless given. The same command again goes on with a
        download that was stopped.
    dry_run
        Show what would be downloaded, from where and under which licence, without asking the network.
    list_
        List the libraries that there are recipes for.
    """
    from timbre.data.download.fetching import fetch as download
    from timbre.data.download.recipes import all_recipes, find_recipe

    if list_:
        print(_table(list(all_recipes().values())))
        return
    if name is None:
        raise ConfigError("Which library? timbre fetch NAME; timbre fetch --list shows those that there are.")
    recipe = find_recipe(name)
    target = (folder or Path(recipe.name)).expanduser()
    print(_describe(recipe, target), flush=True)
    if recipe.manual or dry_run:
        print(f"\n{recipe.manual.strip()}" if recipe.manual else "\nNothing was downloaded.")
        return
    try:
        print(_outcome(download(recipe, target, progress=True)))
    except KeyboardInterrupt:
        print("\nThe same command goes on from here.", file=sys.stderr)
        raise


def _table(recipes: list["Recipe"]) -> str:
    return "\n".join(f"{one.name:<18}{one.title}\n{'':<18}{one.size}; {one.licence}" for one in recipes)


def _describe(recipe: "Recipe", folder: Path) -> str:
    """What a recipe says: whose it is, under which licence, and what is to be downloaded."""
    lines = {
        "licence": recipe.licence,
        "citation": recipe.citation,
        "homepage": recipe.homepage,
        "size": recipe.size,
        "checked": recipe.checked,
        "folder": str(folder.absolute()),
    }
    text = [recipe.title, *(f"  {name:<10}{value}" for name, value in lines.items())]
    return "\n".join([*text, *(f"  {'file':<10}{_file_line(source)}" for source in recipe.files)])


def _file_line(source: "Download") -> str:
    size = f"{source.bytes / 1e6:.1f} MB" if source.bytes else "size not known"
    return f"{source.url} ({size}; {source.checksum or 'no checksum known'})"


def _outcome(fetched: "Fetched") -> str:
    if not fetched.downloads:
        return f"\n{fetched.folder} has all of it already; nothing was downloaded."
    lines = [f"\n{fetched.folder}: {fetched.downloads} files fetched."]
    lines += [f"  {name}: SHA-256 {digest}, as seen now" for name, digest in fetched.unchecked.items()]
    if fetched.unchecked:
        lines.append("No checksum of these is published; theirs were written to .timbre-fetch.json, with the licence.")
    return "\n".join([*lines, f"Next: {program()} scan {fetched.folder}"])
