"""`timbre scan`."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import JsonFile
from timbre.cli.outputs import check_target, together
from timbre.errors import ConfigError, LibraryError
from timbre.files import check_writable, expanded
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.data import Library

By = Literal["file", "pitch", "instrument", "source"]


def scan(
    folder: Path,
    /,
    *,
    format: str | None = None,  # noqa: A002  (the word that users know)
    pattern: str | None = None,
    octave: Literal["C3", "C4", "C5"] | None = None,
    pitches: str | None = None,
    velocities: str = "40,80,120",
    presets: str | None = None,
    hold: float | None = None,
    raw: bool = False,
    leave_out: str | None = None,
    split_by: By | None = None,
    valid: float = 0.1,
    test: float = 0.1,
    split_seed: int = 0,
    out: Path | None = None,
    page: Literal["html", "none"] = "html",
    json_file: Annotated[JsonFile | None, Parameter(help="Write the library file here instead.")] = None,
    measure: Annotated[bool, Parameter(negative="--no-measure")] = True,
    strict: bool = False,
) -> None:
    """List the notes of a library: which were kept, which were dropped and why, and which are doubtful.

    Writes library.json, which `timbre train` takes in place of the folder, and a report with plots.

    Args:
        folder: Folder of sound files, or an .sf2, .sf3, .sfz, .dspreset, .dslibrary or library.json file.
        format: Format of the library: table, nsynth, tinysol, orchideasol, philharmonia, iowa, good-sounds, medley,
            sfz, soundfont, decent, pattern or folders; default: recognised from the files.
        pattern: Pattern of the file names, such as "{instrument}/{note}_{dynamics}_rr{take}.wav".
        octave: Name of MIDI note 60 in the file names; default: chosen from the measured pitches.
        pitches: MIDI keys or note names at which SoundFonts are rendered, such as "C2,E2,G2", or first:last:step such
            as "36:96:2"; default: every second semitone of each instrument's range.
        velocities: MIDI velocities at which SoundFonts are rendered.
        presets: Names of the SoundFont's presets to render, such as "violin,french horns"; default: all of bank 0 and
            the first drum kit.
        hold: Seconds from the onset of a SoundFont's note to its release; default: 2.
        raw: Read the samples of SoundFonts instead of rendering the presets.
        leave_out: Leave out notes with these kinds of flags, such as "pitch,octave,duplicate".
        split_by: What the split keeps together: files (recordings), pitches, instruments or sources; default: the
            library's own split, else by file.
        valid: Share of the notes for validation, which chooses the best checkpoint.
        test: Share of the notes for the test, which training never uses.
        split_seed: Seed of the split.
        out: Folder for library.json and the report; default: NAME-scan in the current folder.
        page: Format of the report.
        measure: Decode every sound and measure pitch, loudness, silence, clipping and duplicates.
        strict: Fail if any note has a flag.
    """
    from timbre.data.readers import Options

    keys, levels = _keys("pitches", pitches) if pitches else None, _keys("velocities", velocities)
    names = tuple(map(str.strip, presets.split(","))) if presets else None
    options = Options(pattern, octave, keys, levels, names, hold, raw)
    library_file, report = _targets(folder, out, page, json_file)
    library = timbre.scan(folder, format, options, measure=measure, progress=True)
    if leave_out:
        library = library.leave_out(*(kind.strip() for kind in leave_out.split(",")))
    library = _divided(library, split_by, valid, test, split_seed)
    print(library.report.table())
    if parts := Counter(note.split for note in library if note.split):
        counts = ", ".join(f"{parts[part]} {part}" for part in ("train", "valid", "test"))
        print(f"split {library.division or 'of the library itself'}: {counts}")
    _write(library, library_file, report)
    if strict:
        library.report.require_no_flags()


def _targets(folder: Path, out: Path | None, page: str, json_file: Path | None) -> tuple[Path, Path | None]:
    """The library file and the report to write; raises a ConfigError before any work if they cannot be written."""
    path = Path(os.path.abspath(expanded(folder)))
    name = (path.stem if path.is_file() else path.name) or "library"
    target = out or Path(f"{name}-scan")
    report = target / f"report.{page}" if page != "none" and (out or not json_file) else None
    if report or not json_file:
        check_writable(target)
        for file in (target / "library.json", target / f"report.{page}") if target.is_dir() else (target,):
            check_target(file)
    return json_file or target / "library.json", report


def _keys(name: str, text: str) -> tuple[int, ...]:
    """MIDI numbers from "60,C5" or first:last:step."""
    from timbre.data.names import parse_note

    words = text.split(":") if ":" in text else text.split(",")
    try:
        numbers = [round(parse_note(word.strip())) for word in words]
    except LibraryError as error:
        raise ConfigError(f"--{name} {text}: {error}") from error
    if ":" not in text:
        return tuple(dict.fromkeys(numbers))
    first, last, step = (*numbers, 1)[:3]
    if len(numbers) > 3 or step < 1 or last < first:
        raise ConfigError(f"--{name} must be numbers with commas, or first:last:step such as 36:96:2, got {text!r}.")
    return tuple(range(first, last + 1, step))


def _divided(library: "Library", by: By | None, valid: float, test: float, seed: int) -> "Library":
    """The library with the requested split; without one, its own split, or one by file if it has enough notes."""
    from timbre.data.split import FEWEST, Division

    Division(by or "file", valid, test, seed)  # raises an error if the shares are not valid
    if by is None and (any(note.split for note in library) or len(library) < FEWEST):
        return library
    try:
        return library.divided(by or "file", valid, test, seed)
    except LibraryError as error:
        if by is not None:
            raise
        print(f"not split: {error}")  # such as a single file with many notes
        return library


def _write(library: "Library", file: Path, report: Path | None) -> None:
    from timbre.data.storage import save_library

    with together(*filter(None, (file, report))) as (library_file, *page):
        save_library(library, library_file)
        if page:
            from timbre.report.library_page import write_page

            write_page(library, page[0])
    print(f"\n{file}  {counted(len(library), 'note')}")
    if report:
        print(report)
