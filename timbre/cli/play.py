"""`timbre play`."""

from contextlib import ExitStack
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import find_point, parse_pitch
from timbre.cli.outputs import check_target
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.paths import Path
    from timbre.playback import Controls, Player
    from timbre.playback.inputs.midi import MidiInput
    from timbre.playback.inputs.osc import OscServer
    from timbre.shapes.presets import Presets
    from timbre.space import Space


def play(
    space: str | None = None,
    /,
    *,
    at: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    preset: str | None = None,
    path: FilePath | None = None,
    duration: float | None = None,
    loop: bool = False,
    chord: list[str] | None = None,
    hold: float | None = None,
    voices: int = 8,
    midi: str | None = None,
    mapping: FilePath | None = None,
    osc: int | None = None,
    device: str | None = None,
    block: int = 256,
    no_audio: bool = False,
    record: FilePath | None = None,
    seconds: float | None = None,
    runtime: Literal["onnxruntime", "torch"] | None = None,
    inverter: str = "rtpghi",
    seed: int = 0,
    list_devices: bool = False,
    list_midi: bool = False,
) -> None:
    """Play a space live: keys, MIDI, OSC; to a sound device or a file.

    In a terminal the computer's keyboard is a piano, and the screen shows what sounds; Esc ends it.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
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
        Play from this MIDI input: its number, a part of its name, or "virtual" for one that others connect to.
    mapping
        File that says which MIDI controllers move which axes; what is learned goes there as well.
    osc
        Listen to OSC messages on this UDP port of this computer; they may name path files of this folder.
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
    runtime
        What decodes: onnxruntime needs a third of torch's time, and a quarter of a minute to prepare a space the first
        time; it is taken where it is installed.
    inverter
        How spectrograms become sound: rtpghi, rtpghi-1, or the space's vocoder, which takes more of
        the machine.
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
    _check_ends(no_audio, device, record, seconds)
    notes = [parse_pitch(word) for word in chord or []]
    if midi is not None:
        from timbre.playback.inputs.midi import find_port

        find_port(midi)
    from timbre.playback import Player
    from timbre.playback.engine.frames import PREPARING, is_ready
    from timbre.playback.terminal import ignore_signals, leaving_on_signals
    from timbre.shapes.path_files import read_path
    from timbre.shapes.presets import read_presets

    fitted = timbre.load(space)
    presets, way = read_presets(space, fitted), read_path(path, fitted) if path else None
    point = find_point(fitted, at) if at else None
    begin = hold, preset, way, 4.0 if duration is None else duration, loop, notes
    with ExitStack() as trial:  # what would refuse to work does so before the engine is started
        silent = _silent(fitted, presets)
        _adapters(trial, silent, midi, mapping, osc)
        _start(silent, *begin)
    fitted.renderer.check_causal(inverter)
    if not is_ready(fitted, runtime):
        print(PREPARING, flush=True)
    with ExitStack() as stack:
        stack.enter_context(leaving_on_signals())
        player = stack.enter_context(
            Player(
                fitted, presets, point, voices=voices, device=_number(device), block=block,
                output="clock" if no_audio else "device", record=record, seed=seed, runtime=runtime,
                inverter=inverter,
            )
        )  # fmt: skip
        adapters = _adapters(stack, player, midi, mapping, osc)
        stack.callback(ignore_signals)
        _start(player, *begin)
        _session(player, adapters, seconds, space, mapping)


def _silent(space: "Space", presets: "Presets") -> "Controls":
    """Controls that check what they are asked for, and do nothing."""
    from timbre.playback import Controls

    class Silent(Controls):
        def _send(self, name: str, **values: Any) -> None:
            pass

    return Silent(space, presets)


def _adapters(
    stack: ExitStack, controls: "Controls", midi: str | None, mapping: FilePath | None, osc: int | None
) -> "dict[str, MidiInput | OscServer]":
    """What else plays, until the stack unwinds."""
    from timbre.playback.inputs.mapping import read_mapping
    from timbre.playback.inputs.midi import MidiInput
    from timbre.playback.inputs.osc import OscServer

    adapters: dict[str, MidiInput | OscServer] = {}
    if midi is not None:
        # A file that is not there yet is for what will be learned.
        known = read_mapping(mapping, controls.space) if mapping and mapping.expanduser().exists() else None
        adapters["MIDI"] = stack.enter_context(MidiInput(controls, midi, known))
    if osc is not None:
        adapters["OSC"] = stack.enter_context(OscServer(controls, osc, files=FilePath.cwd()))
    return adapters


def _session(
    player: "Player", adapters: "dict[str, MidiInput | OscServer]", seconds: float | None, place: str,
    mapping: FilePath | None,
) -> None:  # fmt: skip
    """Play, and keep what was learned of MIDI controllers."""
    from timbre.playback.inputs.mapping import write_mapping
    from timbre.playback.inputs.midi import MidiInput
    from timbre.playback.terminal import session
    from timbre.space.names import find_space

    midi = adapters.get("MIDI")
    learned = midi.mapping if isinstance(midi, MidiInput) else None
    try:
        session(player, seconds, place, find_space(place).resolve().name, adapters)
    finally:
        if isinstance(midi, MidiInput) and midi.mapping is not learned:
            if mapping is not None:
                write_mapping(mapping, midi.mapping)
            else:
                print("What was learned of MIDI controllers is not kept; --mapping FILE would have kept it.")


def _list(devices: bool, midi: bool) -> None:
    if devices:
        from timbre.cli.outputs import table

        found = _outputs()
        print(
            table(found) if found else "There is no sound device here; timbre play SPACE --no-audio needs none.\n",
            end="",
        )
    if midi:
        from timbre.playback.inputs.midi import list_ports

        names = [f"{number}  {name}" for number, name in enumerate(list_ports())]
        print("\n".join(names) or "There is no MIDI input here; --midi virtual opens one that others connect to.")


def _outputs() -> list[dict[str, object]]:
    from timbre.playback.output.device import sound_library

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


def _check_ends(no_audio: bool, device: str | None, record: FilePath | None, seconds: float | None) -> None:
    """Refuse what could not be opened, before the space is loaded."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ConfigError(f"--seconds is {seconds}; a time above 0 s is wanted.")
    if record is not None:
        check_target(record)
        if record.suffix.lower() != ".wav":
            raise ConfigError(f"{record} ends in {record.suffix or 'nothing'}; .wav is wanted.")
    if no_audio and device is not None:
        raise ConfigError("--no-audio uses no device, and --device names one; give one of them.")
    if not no_audio:
        from timbre.playback.output.device import find_device

        find_device(_number(device))


def _number(device: str | None) -> int | str | None:
    return int(device) if device is not None and device.isdecimal() else device


def _start(
    controls: "Controls", hold: float | None, preset: str | None, way: "Path | None", duration: float, loop: bool,
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
