"""`timbre play`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from timbre.cli.arguments import POINT, Hold, Loop, Mpe, PathDuration, PathFile, Point, Seed, SpaceName
from timbre.cli.outputs import check_target, table
from timbre.cli.points import parse_pitch
from timbre.config.settings import require
from timbre.errors import ConfigError

_AT = f"Starting point: {POINT}; default: the first preset, or else the library note nearest to the mean of all."


def play(
    space: SpaceName | None = None,
    /,
    *,
    at: Annotated[Point | None, Parameter(help=_AT)] = None,
    preset: Annotated[str | None, Parameter(metavar="NAME")] = None,
    path: PathFile | None = None,
    duration: PathDuration | None = None,
    loop: Loop = False,
    chord: Annotated[list[str] | None, Parameter(metavar="PITCH...")] = None,
    hold: Hold | None = None,
    voices: int = 8,
    midi: Annotated[str | None, Parameter(metavar="PORT")] = None,
    mapping: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    mpe: Mpe = False,
    osc: Annotated[int | None, Parameter(metavar="PORT")] = None,
    device: Annotated[str | None, Parameter(metavar="DEVICE")] = None,
    block: int = 256,
    no_audio: bool = False,
    record: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    seconds: Annotated[float | None, Parameter(help="End after SECONDS.", metavar="SECONDS")] = None,
    runtime: Literal["onnxruntime", "torch"] | None = None,
    inverter: str = "rtpghi",
    seed: Seed = 0,
    list_devices: bool = False,
    list_midi: bool = False,
) -> None:
    """Play a space live with the computer keyboard, MIDI or OSC, through a sound device or into a file.

    In a terminal the computer keyboard is a piano, and the screen shows the sound and the keys. Esc ends it.

    Args:
        preset: Start with this preset; see `timbre preset`.
        chord: Notes that sound from the start: C4 E4 G4, MIDI numbers, or "unknown" for a sound without pitch.
        voices: Largest number of notes at a time, 1 to 64.
        midi: MIDI input: its number, a part of its name, or "virtual" to open one that other programs connect to.
        mapping: File of what MIDI controllers move, and of what shapes each note. Controllers assigned during the
            session are saved to it.
        osc: Receive OSC messages on this UDP port of this computer. They may name path files in this folder.
        device: Sound device: its number or a part of its name; default: the system's default device.
        block: Samples per callback of the device; smaller: less latency, more risk of dropouts.
        no_audio: Use no sound device; with --record, play into a file at normal speed.
        record: WAV file of everything that is played.
        runtime: Decoder backend. onnxruntime (default if installed) is about 3x faster; a space that does not ship
            its decoder needs about 15 s the first time.
        inverter: Method that makes sound of what is decoded: rtpghi, rtpghi-1, portable (that of exports), or vocoder,
            if the space has one; the vocoder needs more processor time.
        list_devices: List the sound devices and exit.
        list_midi: List the MIDI inputs and exit.
    """
    if list_devices or list_midi:
        _list(list_devices, list_midi)
        return
    if space is None:
        raise ConfigError("A space must be given, got none: timbre play SPACE.")
    starts = [f"--{name}" for name, value in (("at", at), ("preset", preset), ("path", path)) if value is not None]
    require(len(starts) < 2, f"Only one option may set the starting point, got {' and '.join(starts[:2])}; give one.")
    require(path or (duration is None and not loop), "--duration and --loop must come with --path; add --path FILE.")
    require(mapping is None or midi is not None, "--mapping must come with --midi; add --midi PORT.")
    require(not mpe or midi is not None, "--mpe must come with --midi; add --midi PORT.")
    from timbre.space.names import find_space

    find_space(space)
    output = int(device) if device and device.isdecimal() else device
    _check_output(no_audio, output, record, seconds)
    notes = [parse_pitch(word) for word in chord or []]
    if midi is not None:
        from timbre.playback.inputs.midi_ports import find_port

        find_port(midi)
    from timbre.cli._live import Inputs, Start, play_live

    start = Start(at, preset, path, 4.0 if duration is None else duration, loop, notes, hold)
    play_live(
        space, Inputs(midi, mapping, mpe, osc), start, seconds,
        voices=voices, device=output, block=block, output="clock" if no_audio else "device", record=record,
        seed=seed, runtime=runtime, inverter=inverter,
    )  # fmt: skip


def _list(devices: bool, midi: bool) -> None:
    if devices:
        from timbre.playback.output.device import list_outputs

        message = "There is no sound device here; timbre play SPACE --no-audio needs none.\n"
        print(table(rows) if (rows := list_outputs()) else message, end="")
    if midi:
        from timbre.playback.inputs.midi_ports import list_ports

        names = [f"{number}  {name}" for number, name in enumerate(list_ports())]
        print("\n".join(names) or "There is no MIDI input here; --midi virtual opens one that others connect to.")


def _check_output(no_audio: bool, device: int | str | None, record: Path | None, seconds: float | None) -> None:
    """Raise an error for options of the output that do not work, before the space is loaded."""
    require(seconds is None or 0 < seconds < float("inf"), f"--seconds must be above 0, got {seconds}.")
    if record is not None:
        check_target(record)
        require(record.suffix.lower() == ".wav", f"--record must name a .wav file, got {record}.")
    require(not no_audio or device is None, "--no-audio uses no device, and --device names one; give one of them.")
    if not no_audio:
        from timbre.playback.output.device import find_device

        find_device(device)
