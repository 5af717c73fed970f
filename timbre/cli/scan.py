"""`timbre scan`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import timbre
from timbre.cli._files import check_target, write_text


def scan(folder: Path, /, *, json_file: Annotated[Path | None, Parameter(name="--json")] = None) -> None:
    """List the notes of a folder: what was kept, what was dropped and why.

    Parameters
    ----------
    folder
        Folder of sound files. Their labels come from its table (metadata.csv) if it has one, else from names.
    json_file
        Also write every note with its labels, and every dropped file, to this file.
    """
    if json_file:
        check_target(json_file)
    library = timbre.scan(folder, progress=True)
    print(library.report.table())
    if json_file:
        notes = [{"name": note.name, **asdict(note), "file": str(note.file)} for note in library]
        dropped = [item._asdict() for item in library.report.dropped]
        write_text(json_file, json.dumps({"notes": notes, "dropped": dropped}, indent=1) + "\n")
        print(f"\n{json_file}  {len(notes)} notes")
