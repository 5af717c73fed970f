"""`timbre render`."""

import re
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import find_point, parse_pitch
from timbre.cli.outputs import check_target, make_folder, save_sound
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np

    from timbre.audio import Audio
    from timbre.paths import Path
    from timbre.space import Space

_Place = Annotated[str | None, Parameter(allow_leading_hyphen=True)]
_LONG = 60.0  # s, from which on a sound is rendered as a stream


def render(
    space: str,
    /,
    *,
    at: _Place = None,
    from_: Annotated[_Place, Parameter(name="--from")] = None,
    to: _Place = None,
    path: FilePath | None = None,
    pitch: str = "C4",
    velocity: str = "0.8",
    midi: FilePath | None = None,
    grid: str | None = None,
    corners: Annotated[
        list[str] | None, Parameter(name="--corner", allow_leading_hyphen=True, consume_multiple=False)
    ] = None,
    notes: str | None = None,
    velocities: list[float] | None = None,
    name: str = "timbre",
    duration: float | None = None,
    hold: float | None = None,
    natural: bool = False,
    seed: int = 0,
    inverter: str | None = None,
    sample_rate: int | None = None,
    output: Annotated[FilePath | None, Parameter(name=["--output", "-o"])] = None,
) -> None:
    """Turn a path with a pitch line, or a MIDI file, into sound; grids and folders of notes.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    at
        A place that is held: coordinates (0.3,-1.2,...), the name of a known sound, or a sound file.
    from_
        Place where a straight path begins, in the same words.
    to
        Place where it ends.
    path
        A path file, as `timbre path` and `timbre steer` write them.
    pitch
        A line over the sound: a note name or MIDI number (A4, 69.5), steps of equal length ("C4 E4 G4"), glides
        ("C4:G4 C4"), a CSV file with rows of time,value, or "unknown".
    velocity
        0 to 1, a line in the same form ("0.3:0.9").
    midi
        Play the notes of this MIDI file, each a sound of its own; the path is stretched over the piece.
    grid
        Instead of one sound, write one for each place of a grid of COLUMNSxROWS (5x4) between corners.
    corners
        A corner of the grid; give it two times for a row, three or four times for more: the ends of the first row, then
        of the last.
    notes
        Instead of one sound, write a folder of notes of the place --at: from, to and a step in semitones (C2:C6:3).
    velocities
        Of these notes; 0.8 unless said.
    name
        Of the instrument in such a folder.
    duration
        Seconds; 4 unless said, 2 for grids and notes. Beyond 60 a sound is rendered in blocks, by rtpghi.
    hold
        Let sounds stand still so many seconds after their onset until they are let go, instead of decaying on.
    natural
        Leave the loudness as it comes where timbre or pitch move; otherwise it is kept steady.
    seed
        Of the noise in the sound; the same seed gives the same file.
    inverter
        How the spectrogram becomes a waveform, as of `timbre synth`; for sounds of more than a minute a causal one:
        vocoder, rtpghi or rtpghi-1.
    sample_rate
        Of the file, in Hz; the space's unless said.
    output
        WAV, FLAC or OGG file (out.wav unless said); a folder for --grid and --notes (out unless said).
    """
    job = _job(grid=grid, notes=notes, midi=midi)
    way = _way_of(job, at, from_, to, path, corners)
    target = output or FilePath("out" if job in ("grid", "notes") else "out.wav")
    if job in ("midi", "path"):
        check_target(target)
    fitted = timbre.load(space)
    settings: dict[str, Any] = {"seed": seed, "inverter": inverter}
    if job == "grid":
        settings |= {"pitch": parse_pitch(pitch), "velocity": _unit(velocity), "duration": _seconds(duration, 2.0)}
        _grid(target, fitted, corners or [], str(grid), settings)
    elif job == "notes":
        settings["duration"] = _seconds(duration, 2.0)
        _notes(target, fitted, name, str(at), str(notes), velocities or [0.8], settings)
    elif job == "midi":
        from timbre.synth.score import perform, read_midi

        piece = perform(fitted, way(fitted), read_midi(str(midi)), steady=not natural, hold=hold, **settings)
        _save(target, piece, sample_rate)
    else:
        length = _seconds(duration, 4.0)
        settings |= {"steady": not natural, "hold": hold, "duration": length} | _lines(fitted, pitch, velocity, length)
        if length <= _LONG:
            _save(target, timbre.render(fitted, way(fitted), **settings), sample_rate)
        else:
            _stream(target, fitted, way(fitted), settings, sample_rate)


def _job(**given: object) -> str:
    """What is to be made: one of the options given, or the sound of a path."""
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ConfigError(f"--{named[0]} and --{named[1]} came together; one at a time is wanted.")
    return named[0] if named else "path"


def _way_of(
    job: str, at: str | None, start: str | None, end: str | None, path: FilePath | None, corners: list[str] | None
) -> "Callable[[Space], Path]":
    """How the path of the sound comes about, once the space is there."""
    given = {"--at": at, "--from and --to": start or end, "--path": path, "--corner": corners}
    named = [option for option, value in given.items() if value]
    wanted = {"grid": ["--corner"], "notes": ["--at"]}.get(job, ["--at", "--from and --to", "--path"])
    if len(named) != 1 or named[0] not in wanted or bool(start) != bool(end):
        raise ConfigError(f"Say where: {' or '.join(wanted)}, and nothing else; {', '.join(named) or 'none'} came.")

    def found(space: "Space") -> "Path":
        if path is not None:
            from timbre.shapes.path_files import read_path

            return read_path(path, space)
        return space.path(*(find_point(space, text) for text in (at, start, end) if text))

    return found


def _lines(space: "Space", pitch: str, velocity: str, duration: float) -> dict[str, Any]:
    from timbre.synth.lines import read_line

    count = space.renderer.frames(duration)
    pitches = None if pitch == "unknown" else read_line(pitch, _midi, duration, count)
    return {"pitch": pitches, "velocity": read_line(velocity, _unit, duration, count)}


def _grid(folder: FilePath, space: "Space", corners: list[str], size: str, settings: dict[str, Any]) -> None:
    from timbre.synth.instruments import grid, write_grid

    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", size)
    if not found:
        raise ConfigError(f"The grid is {size!r}; columns and rows are wanted, such as 5x4.")
    places = grid([find_point(space, text) for text in corners], int(found[1]), int(found[2]))
    make_folder(folder)
    _tell(write_grid(folder.expanduser(), space, places, **settings))


def _notes(
    folder: FilePath, space: "Space", name: str, at: str, notes: str, velocities: list[float], settings: dict[str, Any]
) -> None:
    from timbre.synth.instruments import pitches_of, write_notes

    pitches, place = pitches_of(notes), find_point(space, at)
    make_folder(folder)
    _tell(write_notes(folder.expanduser(), name, space, place, pitches, velocities, **settings))


def _tell(files: "Iterable[FilePath]") -> None:
    for file in files:
        print(file)


def _save(target: FilePath, audio: "Audio", sample_rate: int | None) -> None:
    save_sound(target, audio if sample_rate is None else audio.resample(sample_rate))


def _stream(target: FilePath, space: "Space", way: "Path", settings: dict[str, Any], sample_rate: int | None) -> None:
    """Render and write block by block: memory does not grow with the sound."""
    from timbre.audio.files import write_blocks
    from timbre.space import NoteControls
    from timbre.synth import render_blocks

    rate = space.config.spectrogram.sample_rate
    steady = settings.pop("steady")
    controls = NoteControls(**settings)
    blocks = render_blocks(space, way, controls, steady)
    if sample_rate not in (None, rate):
        blocks = _resampled(blocks, rate, int(sample_rate or rate))
    write_blocks(target, blocks, sample_rate or rate)
    print(f"{target}  {controls.duration:.2f} s, {sample_rate or rate} Hz")


def _resampled(blocks: "Iterable[np.ndarray]", rate: int, wanted: int) -> "Iterator[np.ndarray]":
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1)
    for block in blocks:
        yield stream.resample_chunk(block).clip(-1.0, 1.0)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True).clip(-1.0, 1.0)


def _midi(text: str) -> float:
    from timbre.data.names import parse_note

    return parse_note(text)


def _unit(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"The velocity {text!r} is no number; one from 0 to 1 is wanted.") from error


def _seconds(duration: float | None, usual: float) -> float:
    return usual if duration is None else duration
