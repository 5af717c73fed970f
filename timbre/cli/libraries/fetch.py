"""`timbre fetch`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from timbre.cli.info import program
from timbre.errors import ConfigError
from timbre.files import expanded
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.data.download.fetching import Fetched
    from timbre.data.download.recipes import Recipe


def fetch(
    name: str | None = None,
    folder: Path | None = None,
    /,
    *,
    dry_run: bool = False,
    allow_http: bool = False,
    list_: Annotated[bool, Parameter(name="--list")] = False,
) -> None:
    """Download a public library of notes, verify and unpack it.

    For sounds that are already on your disk, use `timbre scan FOLDER`.

    Args:
        name: Name of a library, or your own recipe (a TOML file; see datasets/README.md).
        folder: Folder for the library; default: its name in the current folder. Run the command again to resume a
            download.
        dry_run: Show the files, their sources and the licence without using the network.
        allow_http: Also download files without a checksum over http, where anybody on the way can change them.
        list_: List the libraries that can be downloaded.
    """
    from timbre.data.download.fetching import fetch as download
    from timbre.data.download.recipes import all_recipes, find_recipe

    if list_:
        for one in all_recipes().values():
            print(f"{one.name:<18}{one.title}\n{'':<18}{one.size}; {one.licence}")
        return
    if name is None:
        raise ConfigError("The name of a library must be given; `timbre fetch --list` lists them.")
    recipe = find_recipe(name)
    target = expanded(folder or recipe.name)
    print(_describe(recipe, target), flush=True)
    if recipe.manual or dry_run:
        print(f"\n{recipe.manual.strip()}" if recipe.manual else "\nNothing was downloaded.")
        return
    try:
        print(_outcome(download(recipe, target, progress=True, allow_http=allow_http)))
    except KeyboardInterrupt:
        print("\nRun the same command again to resume.", file=sys.stderr)
        raise


def _describe(recipe: "Recipe", folder: Path) -> str:
    """The title, licence, origin and files of a recipe."""
    names = ("licence", "citation", "homepage", "size", "checked")
    lines = [(name, getattr(recipe, name)) for name in names] + [("folder", folder.absolute())]
    for source in recipe.files:
        size = f"{source.bytes / 1e6:.1f} MB" if source.bytes else f"size unknown, at most {source.limit / 1e9:g} GB"
        lines.append(("file", f"{source.url} ({size}; {source.checksum or 'no checksum'})"))
    return "\n".join([recipe.title, *(f"  {name:<10}{value}" for name, value in lines)])


def _outcome(fetched: "Fetched") -> str:
    if not fetched.downloads:
        return f"\n{fetched.folder} is complete already; nothing was downloaded."
    lines = [f"\n{fetched.folder}: {counted(fetched.downloads, 'file')} fetched."]
    lines += [f"  {name}: SHA-256 {digest} (of this download)" for name, digest in fetched.unchecked.items()]
    if fetched.unchecked:
        lines.append("No checksum of them is published; these are saved in .timbre-fetch.json, with the licence.")
    return "\n".join([*lines, f"Next: {program()} scan {fetched.folder}"])
