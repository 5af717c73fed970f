"""`timbre export`."""

from math import isnan
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, Inverter, PathFile, Point, Points, Seed, SpaceName
from timbre.cli.outputs import check_inverter
from timbre.cli.points import find_grid, find_pitch, find_point
from timbre.config import Range
from timbre.config.settings import require
from timbre.errors import ConfigError
from timbre.wording import counted

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    import numpy as np

    from timbre.exporting.export import Exported
    from timbre.shapes.presets import Preset
    from timbre.space import Space


def export(
    space: SpaceName,
    /,
    *,
    to: str,
    output: Annotated[FilePath, Parameter(name=["--output", "-o"])],
    at: Annotated[Point | None, Parameter(help=f"Point to export: {POINT}.")] = None,
    path: Annotated[PathFile | None, Parameter(help="Path to export: a file written by `timbre path`.")] = None,
    preset: str | None = None,
    presets: str | None = None,
    grid: str | None = None,
    corners: Annotated[Points | None, Parameter(name="--corner")] = None,
    plane: list[str] | None = None,
    name: str | None = None,
    keys: str | None = None,
    step: Annotated[int, Parameter(validator=Range(1, 12))] = 3,
    layers: Annotated[int, Parameter(validator=Range(1, 16))] = 3,
    takes: Annotated[int, Parameter(name="--round-robins", validator=Range(1, 16))] = 2,
    steps: Annotated[int, Parameter(validator=Range(2, 32))] = 5,
    controller: Annotated[int, Parameter(name="--cc", validator=Range(0, 119))] = 1,
    hold: Annotated[float | None, Parameter(metavar="SECONDS", validator=Range(0.1, 60))] = None,
    loop: Annotated[bool | None, Parameter(negative="--no-loop")] = None,
    flac: bool = False,
    unpitched: bool | None = None,
    pitch: str | None = None,
    velocity: float | None = None,
    frames: int | None = None,
    natural: bool = False,
    rate: Annotated[int | None, Parameter(metavar="HZ", validator=Range(8000, 192000))] = None,
    seed: Seed = 0,
    inverter: Inverter | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Write points and paths as instruments that music software opens, without timbre.

    Args:
        to: Format: sfz, sf2, decent (Decent Sampler), wav, wavetable (WAV) or wt (Surge); or, for the whole space and
            without a point or path, nn~ (TorchScript for Max, Pd and SuperCollider), onnx, or web (a page that plays in
            the browser, with the space's presets, for any web host).
        output: File or folder to write.
        preset: Export the preset of this name.
        presets: Export a bank of presets: "all", or names separated by commas.
        grid: Export a grid of COLUMNSxROWS (5x4) between corners or on a plane.
        corners: A corner of the grid; repeat the option. Two corners make a row. Three or four: the start and end of
            the first row, then of the last.
        plane: Plane of the grid, such as axes brightness attack, as for `timbre map`: columns go along the first axis,
            rows along the second, over all library notes.
        name: Name of the instrument; default: that of the output.
        keys: Lowest and highest key; default: C2:C7, or the pitches of a preset.
        step: Semitones between rendered keys; keys between them play the nearest.
        layers: Velocity layers.
        takes: Samples that play in turn, where the sound has noise (not in sf2).
        steps: Positions of the timbre knob along a path (presets in sf2).
        controller: MIDI controller of the timbre knob, such as 1 (wheel) or 74.
        hold: Begin the loops SECONDS after the attack; default: where the sound is steady.
        loop: Sustain every sound until its key is released, or none (--no-loop); default: by how each sound goes on.
        flac: Write samples as FLAC instead of WAV (sfz and decent).
        unpitched: One sample for all keys, without pitch; default: for a note or an instrument without pitch, such as a
            drum.
        pitch: Pitch at which the frames of a wavetable sound as in the space: a note name or MIDI number. A low pitch
            has more partials; default: the lowest from C2 to C4 at which the space knows the sound.
        velocity: Velocity of the frames of a wavetable, 0 to 1; default: 0.8.
        frames: Frames of the wavetable of a point or path, 1 to 256; default: 64.
        natural: Leave the loudness as decoded where the timbre changes, instead of keeping it steady.
        rate: Sample rate of the host of a file for nn~; default: 44100. nn~ 1.6 and later set their own.
        force: Replace files that exist.
        dry_run: Print the files, their size and the minutes of audio, and write nothing.
    """
    from timbre.data.names import parse_note
    from timbre.exporting.export import export as write
    from timbre.exporting.export import find_format, name_of
    from timbre.shapes.presets import read_presets

    form = find_format(to)
    require(grid or not (corners or plane), "--corner and --plane must come with --grid; add --grid 5x4, for example.")
    _check_source(form.whole, to, at=at, path=path, preset=preset, presets=presets, grid=grid)
    fitted = timbre.load(space)
    check_inverter(fitted, inverter)
    if at is not None and unpitched is None and "unpitched" in form.settings:
        unpitched = isnan(find_pitch(fitted, at) or 0.0)
    source, columns = None, 0
    if form.presets:
        source = list(read_presets(space, fitted).values()) or None
    elif not form.whole:
        source, columns = _source(
            space, fitted, name or name_of(output), at, path, preset, presets, grid, corners, plane
        )
    settings: dict[str, Any] = {
        "keys": keys, "step": step, "layers": layers, "takes": takes, "steps": steps, "controller": controller,
        "hold": hold, "loop": loop, "flac": flac, "unpitched": unpitched, "seed": seed, "inverter": inverter,
        "pitch": None if pitch is None else parse_note(pitch),
        "velocity": velocity, "frames": frames, "steady": not natural, "rate": rate,
    }  # fmt: skip
    done = write(fitted, source, to, output, name, force, dry_run, not dry_run, columns, **settings)
    _report(output, done, dry_run)


def _check_source(whole: bool, to: str, **given: object) -> None:
    names = [f"--{name}" for name, value in given.items() if value is not None]
    if whole and names:
        raise ConfigError(f"{to} is made of the whole space; leave {' and '.join(names)} out.")
    if not whole and len(names) != 1:
        every = " or ".join(f"--{name}" for name in given)
        raise ConfigError(f"Give one of {every}; got {', '.join(names) or 'none'}.")


def _source(
    folder: str, space: "Space", name: str, at: str | None, path: FilePath | None, preset: str | None,
    presets: str | None, grid: str | None, corners: list[str] | None, plane: list[str] | None,
) -> "tuple[list[Preset], int]":  # fmt: skip
    """The instruments that the options name, and the columns of a grid or 0."""
    from timbre.shapes.path_files import read_path
    from timbre.shapes.presets import Preset, read_presets

    if at is not None:
        return [Preset(name, space.path(find_point(space, at)))], 0
    if path is not None:
        return [Preset(name, read_path(path, space))], 0
    if grid is not None:
        return _grid(name, space, find_grid(space, grid, corners or [], plane or []))
    every = read_presets(folder, space)
    every.warn()
    if preset is not None:
        return [every[preset]], 0
    chosen = list(every.values()) if presets == "all" else [every[one] for one in _names(str(presets), every)]
    if not chosen:
        raise ConfigError("This space must have presets to export, got none; add some with timbre preset.")
    return chosen, 0


def _names(text: str, known: "Container[str]") -> "Iterator[str]":
    """Names separated by commas; a name that is known may itself have commas."""
    parts = text.split(",")
    while parts:
        counts = range(len(parts), 0, -1)
        count = next((count for count in counts if ",".join(parts[:count]).strip() in known), 1)
        yield ",".join(parts[:count]).strip()
        parts = parts[count:]


def _grid(name: str, space: "Space", points: "np.ndarray") -> "tuple[list[Preset], int]":
    from timbre.shapes.presets import LONGEST_NAME, Preset

    rows = [
        Preset(f"{name[: LONGEST_NAME - 10]} r{row + 1}c{column + 1}", space.path(point))
        for row, line in enumerate(points)
        for column, point in enumerate(line)
    ]
    return rows, points.shape[1]


def _report(output: FilePath, done: "Exported", dry_run: bool) -> None:
    verb = "would be written" if dry_run else "written"
    minutes = f", {done.seconds / 60:.1f} min" if done.seconds else ""
    print(f"{output}  {counted(len(done.files), 'file')} {verb}, {done.size / 1e6:.1f} MB{minutes}.")
    seams = sorted(row["seam_db"] for row in done.rows if row.get("seam_db") is not None)
    if seams:
        print(f"{counted(len(seams), 'loop')}: seams of {seams[len(seams) // 2]:.0f} dB, at most {seams[-1]:.0f} dB.")
    errors = sorted(row["axis_error"] for row in done.rows if "axis_error" in row)
    if errors:
        print(
            f"Named axes: the page's values differ by {errors[0]:.2f} to {errors[-1]:.2f} (medians on held-out points)."
        )
    if done.notice:
        print(done.notice)
