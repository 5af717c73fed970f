"""`timbre render`."""

import sys
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import POINT, Hold, Inverter, Mpe, PathFile, Point, Points, Seed, SpaceName
from timbre.cli.outputs import check_inverter, check_sound, making, save_sound
from timbre.cli.points import find_grid, find_point, parse_pitch
from timbre.config import Range
from timbre.config.settings import require
from timbre.errors import ConfigError
from timbre.files import check_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np

    from timbre.audio import Audio
    from timbre.paths import Path
    from timbre.space import NoteControls, Space

_LONG = 60.0  # s; longer sounds are rendered in blocks


def render(
    space: SpaceName,
    /,
    *,
    at: Annotated[Point | None, Parameter(help=f"Point that does not move: {POINT}.")] = None,
    from_: Annotated[Point | None, Parameter(name="--from", help="Start of a straight path, as for --at.")] = None,
    to: Annotated[Point | None, Parameter(help="End of the straight path.")] = None,
    path: PathFile | None = None,
    pitch: str = "C4",
    velocity: str = "0.8",
    midi: FilePath | None = None,
    mapping: FilePath | None = None,
    mpe: Mpe = False,
    grid: str | None = None,
    corners: Annotated[Points | None, Parameter(name="--corner")] = None,
    plane: list[str] | None = None,
    notes: str | None = None,
    velocities: list[float] | None = None,
    name: str = "timbre",
    duration: float | None = None,
    hold: Hold | None = None,
    natural: bool = False,
    seed: Seed = 0,
    inverter: Inverter | None = None,
    sample_rate: Annotated[int, Parameter(validator=Range(8000, 192000))] | None = None,
    output: Annotated[FilePath | None, Parameter(name=["--output", "-o"])] = None,
) -> None:
    """Render a path, a MIDI file, a grid of sounds or a folder of notes to audio.

    Args:
        pitch: Pitch over the sound: a note name or MIDI number (A4, 69.5), steps of equal length ("C4 E4 G4"), glides
            ("C4:G4 C4"), a CSV file with rows of time,value, or "unknown".
        velocity: Velocity over the sound, 0 to 1, in the same form ("0.3:0.9").
        midi: Play the notes of this MIDI file; the path is stretched over the piece.
        mapping: File of what shapes each note of the MIDI file, as for `timbre play`.
        grid: Write one sound for each point of a grid of COLUMNSxROWS (5x4) between corners or on a plane.
        corners: A corner of the grid; repeat the option. Two corners make a row. Three or four: the start and end of
            the first row, then of the last.
        plane: Plane of the grid, such as axes brightness attack, as for `timbre map`: columns go along the first axis,
            rows along the second, over all library notes.
        notes: Write a folder of notes of the point --at: from, to and a step in semitones (C2:C6:3).
        velocities: Velocities of these notes; default: 0.8.
        name: Name of the instrument in this folder.
        duration: Length in seconds; default: 4, or 2 for grids and notes. Above 60 the sound is rendered in blocks with
            a causal inverter (vocoder, rtpghi or rtpghi-1).
        natural: Leave the loudness as decoded where timbre or pitch change, instead of keeping it steady.
        sample_rate: Sample rate of the file in Hz; default: that of the space.
        output: WAV, FLAC or OGG file (default: out.wav), or a folder for --grid and --notes (default: out).
    """
    from timbre.space import NoteControls

    job = _job(grid=grid, notes=notes, midi=midi)
    extra = [option for option, given in (("--mapping", mapping is not None), ("--mpe", mpe)) if given]
    require(not extra or midi is not None, f"{''.join(extra[:1])} must come with --midi; add --midi FILE.")
    make_path = _path_of(job, at, from_, to, path, corners, plane)
    many = job in ("grid", "notes")
    target = output or FilePath("out" if many else "out.wav")
    check_writable(target) if many else check_sound(target)
    fitted, usual = timbre.load(space), 2.0 if many else 4.0
    check_inverter(fitted, inverter)
    controls = NoteControls(duration=usual if duration is None else duration, hold=hold, seed=seed, inverter=inverter)
    if job == "grid":
        controls = replace(controls, pitch=parse_pitch(pitch), velocity=_velocity(velocity), hold=None)
        _grid(target, fitted, find_grid(fitted, str(grid), corners or [], plane or []), controls)
    elif job == "notes":
        _notes(target, fitted, name, str(at), str(notes), velocities or [0.8], replace(controls, hold=None))
    elif job == "midi":
        piece = _piece(fitted, space, make_path(fitted), str(midi), mapping, mpe, controls, not natural)
        save_sound(target, piece, sample_rate)
    else:
        controls = _with_lines(fitted, controls, pitch, velocity)
        _path(target, fitted, make_path(fitted), controls, not natural, sample_rate)


def _piece(
    space: "Space", name: str, path: "Path", midi: str, mapping: FilePath | None, mpe: bool, controls: "NoteControls",
    steady: bool,
) -> "Audio":  # fmt: skip
    """The sound of a MIDI file."""
    from timbre.playback.inputs.mapping import read_mapping
    from timbre.shapes.presets import read_presets
    from timbre.synth.score import LOWEST, perform, read_midi
    from timbre.synth.zones import MEMBERS

    presets = read_presets(name, space)
    shaping = read_mapping(mapping, space, presets).notes if mapping else None
    tones = read_midi(midi, MEMBERS if mpe else 0)
    if low := sum(tone.pitch < LOWEST for tone in tones):
        subject = "1 note is" if low == 1 else f"{low} notes are"
        print(f"timbre: {subject} below MIDI {LOWEST} and left out.", file=sys.stderr)
    seed, inverter = controls.seed, controls.inverter
    return perform(space, path, tones, seed, inverter, steady, controls.hold, shaping, presets)


def _job(**given: object) -> str:
    """The one option that is given, or "path"."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise ConfigError(f"--{names[0]} and --{names[1]} cannot be used together; choose one.")
    return names[0] if names else "path"


def _path_of(
    job: str,
    at: str | None,
    start: str | None,
    end: str | None,
    path: FilePath | None,
    corners: list[str] | None,
    plane: list[str] | None,
) -> "Callable[[Space], Path]":
    """A function that makes the path of the sound in a space; a ConfigError if the options do not fit the job."""
    options = {"--at": at, "--from and --to": start or end, "--path": path, "--corner": corners, "--plane": plane}
    given = [option for option, value in options.items() if value]
    allowed = {"grid": ["--corner", "--plane"], "notes": ["--at"]}.get(job, ["--at", "--from and --to", "--path"])
    if len(given) != 1 or given[0] not in allowed or bool(start) != bool(end):
        raise ConfigError(f"The points must be given by {' or '.join(allowed)}, got {', '.join(given) or 'none'}.")

    def make_path(space: "Space") -> "Path":
        if path is not None:
            from timbre.shapes.path_files import read_path

            return read_path(path, space)
        return space.path(*(find_point(space, text) for text in (at, start, end) if text))

    return make_path


def _with_lines(space: "Space", controls: "NoteControls", pitch: str, velocity: str) -> "NoteControls":
    from timbre.data.names import parse_note
    from timbre.synth.lines import read_line

    duration, count = controls.duration, space.renderer.frames(controls.duration)
    pitches = None if pitch == "unknown" else read_line(pitch, parse_note, duration, count)
    return replace(controls, pitch=pitches, velocity=read_line(velocity, _velocity, duration, count))


def _grid(folder: FilePath, space: "Space", points: "np.ndarray", controls: "NoteControls") -> None:
    from timbre.synth.instruments import write_grid

    with making(folder) as made:
        for file in write_grid(made, space, points, controls):
            print(file)


def _notes(
    folder: FilePath, space: "Space", name: str, at: str, notes: str, velocities: list[float], controls: "NoteControls"
) -> None:
    from timbre.synth.instruments import pitches_of, write_notes

    pitches, point = pitches_of(notes), find_point(space, at)
    with making(folder) as made:
        for file in write_notes(made, name, space, point, pitches, velocities, controls):
            print(file)


def _path(
    target: FilePath, space: "Space", path: "Path", controls: "NoteControls", steady: bool, sample_rate: int | None
) -> None:
    """Render and write a path; a long one in blocks, so that memory does not grow with it."""
    from timbre.audio.files import write_blocks
    from timbre.synth import render_blocks

    if controls.duration <= _LONG:
        save_sound(target, timbre.render(space, path, **vars(controls), steady=steady), sample_rate)
        return
    rate = space.config.spectrogram.sample_rate
    blocks = render_blocks(space, path, controls, steady)
    if sample_rate not in (None, rate):
        blocks = _resampled(blocks, rate, int(sample_rate or rate))
    write_blocks(target, blocks, sample_rate or rate)
    print(f"{target}  {controls.duration:.2f} s, {sample_rate or rate} Hz")


def _resampled(blocks: "Iterable[np.ndarray]", rate: int, new_rate: int) -> "Iterator[np.ndarray]":
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate, new_rate, 1)
    for block in blocks:
        yield stream.resample_chunk(block).clip(-1.0, 1.0)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True).clip(-1.0, 1.0)


def _velocity(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"The velocity must be a number from 0 to 1, got {text!r}.") from error
