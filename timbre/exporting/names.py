"""Names of the files of exports, and folders as one file."""

import re
import zipfile
from pathlib import Path


def stems(names: list[str]) -> list[str]:
    """Names of letters, digits, - and _ for files, each once."""
    found: list[str] = []
    for name in names:
        stem = plain = re.sub(r"[^\w-]+", "_", name.encode("ascii", "ignore").decode()).strip("_")[:40] or "timbre"
        number = 2
        while stem.lower() in (other.lower() for other in found):
            stem, number = f"{plain}_{number}", number + 1
        found.append(stem)
    return found


def write_archive(file: Path, folder: Path, parent: Path) -> None:
    """Write a folder's files as a zip file; their names in it are relative to `parent`, the folder or one above it."""
    with zipfile.ZipFile(file, "w") as archive:  # not compressed: samples hardly become smaller
        for inside in sorted(folder.rglob("*")):
            archive.write(inside, inside.relative_to(parent))
