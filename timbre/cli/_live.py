"""The session of `timbre play`: everything that can fail is tried before the engine starts."""

import sys
from contextlib import ExitStack
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from timbre.cli.points import find_point
from timbre.files import expanded
from timbre.playback.controls import Controls
from timbre.playback.engine.frames import PREPARING, is_ready
from timbre.playback.inputs.mapping import Mapping, read_mapping, write_mapping
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.inputs.osc import OscServer
from timbre.playback.player import Player
from timbre.playback.terminal import ignore_signals, leaving_on_signals, session
from timbre.shapes.path_files import read_path
from timbre.shapes.presets import read_presets
from timbre.space import load
from timbre.space.names import find_space
from timbre.synth.zones import MEMBERS


class Inputs(NamedTuple):
    """Options of the inputs: MIDI port, mapping file, whether the port is an MPE controller, OSC port."""

    midi: str | None
    mapping: FilePath | None
    mpe: bool
    osc: int | None

    def open(self, stack: ExitStack, controls: Controls) -> dict[str, MidiInput | OscServer]:
        """Open the inputs until the stack unwinds."""
        inputs: dict[str, MidiInput | OscServer] = {}
        if self.midi is not None:
            # A mapping file that does not exist is written at the end, if controllers are assigned.
            exists = self.mapping and expanded(self.mapping).exists()
            mapping = read_mapping(self.mapping, controls.space, controls.presets) if self.mapping and exists else None
            members = MEMBERS if self.mpe else 0
            midi = inputs["MIDI"] = stack.enter_context(MidiInput(controls, self.midi, mapping, members=members))
            stack.callback(self._save, midi, midi.mapping)
        if self.osc is not None:
            inputs["OSC"] = stack.enter_context(OscServer(controls, self.osc, files=FilePath.cwd()))
        return inputs

    def _save(self, midi: MidiInput, before: Mapping) -> None:
        """Save the controllers that were assigned in the session."""
        if midi.mapping is not before and self.mapping is not None:
            write_mapping(self.mapping, midi.mapping)
        elif midi.mapping is not before:
            print("The assigned MIDI controllers were not saved; --mapping FILE saves them.")


class Start(NamedTuple):
    """Options of the start: point, preset, path file with duration and loop, notes, hold."""

    at: str | None
    preset: str | None
    path: FilePath | None
    duration: float
    loop: bool
    notes: list[float | None]
    hold: float | None

    def apply(self, controls: Controls) -> None:
        """Set what sounds from the start."""
        if self.hold is not None:
            controls.hold(self.hold)
        if self.preset is not None:
            controls.preset(self.preset)
        if self.path is not None:
            controls.path(read_path(self.path, controls.space), self.duration, self.loop)
        for number, pitch in enumerate(self.notes):
            controls.note_on(pitch, key=f"chord {number}")


class _Trial(Controls):
    """Controls that check commands and do nothing."""

    def _send(self, name: str, **values: Any) -> None:
        pass


def play_live(folder: str, inputs: Inputs, start: Start, seconds: float | None, **settings: Any) -> None:
    """Play a space, given by folder or name, until the session ends; `settings` are those of :class:`Player`."""
    space = load(folder)
    presets = read_presets(folder, space)
    presets.warn()
    point = find_point(space, start.at) if start.at else None
    with ExitStack() as stack:
        trial = _Trial(space, presets)
        inputs.open(stack, trial)
        start.apply(trial)
    space.renderer.check_causal(settings["inverter"])
    if not is_ready(space, settings["runtime"]):
        print(PREPARING, flush=True)
    with ExitStack() as stack:
        stack.enter_context(leaving_on_signals())
        player = stack.enter_context(Player(space, presets, point, **settings))
        sources = inputs.open(stack, player)
        stack.callback(ignore_signals)
        start.apply(player)
        session(player, seconds, folder, find_space(folder).resolve().name, sources)
    if settings["record"]:
        print(f"Recorded in {settings['record']}.", file=sys.stderr)
