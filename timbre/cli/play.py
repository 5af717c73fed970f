"""`timbre play`."""

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli._files import check_target
from timbre.cli._places import find_place, parse_pitch
from timbre.errors import ConfigError, DeviceError

if TYPE_CHECKING:
    from timbre.playback.controls import Controls
    from timbre.playback.mapping import Mapping
    from timbre.space import Path as Way
    from timbre.space import Space


def play(
    space: Path | None = None,
    /,
    *,
    at: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    preset: str | None = None,
    path: Path | None = None,
    duration: float | None = None,
    loop: bool = False,
    chord: list[str] | None = None,
    hold: float | None = None,
    voices: int = 8,
    midi: str | None = None,
    mapping: Path | None = None,
    osc: int | None = None,
    device: str | None = None,
    block: int = 256,
    no_audio: bool = False,
    record: Path | None = None,
    seconds: float | None = None,
    seed: int = 0,
    list_devices: bool = False,
    list_midi: bool = False,
) -> None:
    """Play a space live: keys, MIDI, OSC; to a sound device or a file.

    In a terminal the computer's keyboard is a piano, and the screen shows what sounds; Esc ends it.

    Parameters
    ----------
    space
        Folder of a saved space.
    at
        Where to begin: coordinates (0.3,-1.2,...), the name of a known sound or an instrument, or a sound file; the
        known sound nearest to the middle of all unless said.
    preset
        Begin with this preset (`timbre preset` makes them).
    path
        Follow a path file, as `timbre path` writes them.
    duration
        Seconds from one end of the path to the other; 4 unless said.
    loop
        Begin the path again at its end, for ever.
    chord
        Notes that are held from the start: C4 E4 G4, MIDI numbers, or "unknown" for a sound without pitch.
    hold
        Let notes stay as they are so many seconds after their onset until they are let go, instead of decaying on.
    voices
        Notes that may sound at a time, 1 to 64.
    midi
        Play from this MIDI port: its number, or a part of its name.
    mapping
        File that says which MIDI controllers move which axes.
    osc
        Listen to OSC messages on this UDP port of this computer.
    device
        Sound device: its number, or a part of its name; the system's default unless said.
    block
        Samples that the device asks for at a time.
    no_audio
        Use no sound device: play into nothing, or the file of --record, as fast as a device would.
    record
        WAV file of everything that is played.
    seconds
        End after so many seconds.
    seed
        Of the noise in the sound.
    list_devices
        List the sound devices, and do nothing else.
    list_midi
        List the MIDI ports, and do nothing else.
    """
    if list_devices or list_midi:
        _list(list_devices, list_midi)
        return
    if space is None:
        raise ConfigError("Say which space is to be played: timbre play SPACE.")
    _check(at=at, preset=preset, path=path, duration=duration, loop=loop, mapping=mapping, midi=midi)
    _check_ends(no_audio, device, osc, record, seconds)
    notes = [parse_pitch(word) for word in chord or []]
    if midi is not None:
        from timbre.playback.midi import find_port

        find_port(midi)

    from timbre.playback import Player
    from timbre.playback.osc import OscServer
    from timbre.playback.terminal import leaving_on_signals, session
    from timbre.space.path_files import read_path
    from timbre.space.presets import read_presets

    fitted = timbre.load(space)
    presets = read_presets(space, fitted)
    if preset is not None:
        presets[preset]
    way = read_path(path, fitted) if path else None
    point = find_place(fitted, at) if at else None
    mapped = _mapping(mapping, fitted)
    with ExitStack() as stack:
        stack.enter_context(leaving_on_signals())
        player = stack.enter_context(
            Player(
                fitted, presets, point, voices=voices, device=_number(device), block=block,
                output="clock" if no_audio else "device", record=record, seed=seed,
            )
        )  # fmt: skip
        if midi is not None:
            from timbre.playback.midi import MidiInput

            stack.enter_context(MidiInput(player, midi, mapped))
        if osc is not None:
            stack.enter_context(OscServer(player, osc))
        _start(player, hold, preset, way, 4.0 if duration is None else duration, loop, notes)
        session(player, seconds, space, space.expanduser().resolve().name)


def _list(devices: bool, midi: bool) -> None:
    if devices:
        from timbre.cli.nearest import table

        print(table(_outputs()) or "There is no sound device here; timbre play SPACE --no-audio needs none.\n", end="")
    if midi:
        from timbre.playback.midi import ports

        print("\n".join(f"{number}  {name}" for number, name in enumerate(ports())) or "There is no MIDI port here.")


def _outputs() -> list[dict[str, object]]:
    from timbre.playback.device import sound_library

    library = sound_library()
    systems = [system["name"] for system in library.query_hostapis()]
    return [
        {
            "number": found["index"],
            "name": found["name"],
            "system": systems[found["hostapi"]],
            "channels": found["max_output_channels"],
            "sample_rate": round(found["default_samplerate"]),
        }
        for found in library.query_devices()
        if found["max_output_channels"] > 0
    ]


def _check(**given: object) -> None:
    """Refuse options that mean nothing together."""
    places = [name for name in ("at", "preset", "path") if given[name] is not None]
    if len(places) > 1:
        raise ConfigError(f"--{places[0]} and --{places[1]} came together; say once where to begin.")
    if given["path"] is None and (given["duration"] is not None or given["loop"]):
        raise ConfigError("--duration and --loop belong to a path; give one with --path.")
    if given["mapping"] is not None and given["midi"] is None:
        raise ConfigError("--mapping says what MIDI controllers do; give their port with --midi.")


def _check_ends(
    no_audio: bool, device: str | None, osc: int | None, record: Path | None, seconds: float | None
) -> None:
    """Refuse what could not be opened, before the space is loaded."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ConfigError(f"--seconds is {seconds}; a time above 0 s is wanted.")
    if record is not None:
        check_target(record)
        if record.suffix.lower() != ".wav":
            raise ConfigError(f"{record} ends in {record.suffix or 'nothing'}; .wav is wanted.")
    if osc is not None:
        _check_free(osc)
    if no_audio and device is not None:
        raise ConfigError("--no-audio uses no device, and --device names one; give one of them.")
    if not no_audio:
        from timbre.playback.device import find_device

        find_device(_number(device))


def _check_free(port: int) -> None:
    if not 0 < port < 65536:
        raise ConfigError(f"The OSC port is {port}; a number from 1 to 65535 is wanted.")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            raise DeviceError(f"The OSC port {port} cannot be used ({error.strerror}); choose another.") from error


def _number(device: str | None) -> int | str | None:
    return int(device) if device is not None and device.isdecimal() else device


def _mapping(file: Path | None, space: "Space") -> "Mapping | None":
    if file is None:
        return None
    from timbre.playback.mapping import read_mapping

    return read_mapping(file, space)


def _start(
    controls: "Controls", hold: float | None, preset: str | None, way: "Way | None", duration: float, loop: bool,
    notes: list[float | None],
) -> None:  # fmt: skip
    """What sounds from the start."""
    if hold is not None:
        controls.hold(hold)
    if preset is not None:
        controls.preset(preset)
    if way is not None:
        controls.path(way, duration, loop)
    for number, pitch in enumerate(notes):
        controls.note_on(pitch, key=f"chord {number}")
