"""What an export is made of, and what a format plans to write: the same for every format."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from timbre.errors import ConfigError
from timbre.models.conditions import check_pitch, check_velocity
from timbre.shapes.presets import Preset
from timbre.space import Space

_OPTIONS = {"takes": "round-robins", "controller": "cc", "steady": "natural"}


def option(setting: str) -> str:
    """The option of the command line for a setting."""
    return f"--{_OPTIONS.get(setting, setting)}"


@dataclass(frozen=True)
class ExportSettings:
    """Settings of exports; each format uses those that concern it.

    Attributes:
        keys: lowest and highest key, such as "C2:C7"; None is C2:C7, or the pitches of a preset that has some.
        step: semitones between rendered keys, 1 to 12; the keys between play the nearest.
        layers: velocity layers, 1 to 16.
        takes: samples that play in turn (round robins) where the sound has noise, 1 to 16; not in SF2.
        steps: positions of the timbre knob along a path, 2 to 32; in SF2, presets.
        controller: MIDI controller of the timbre knob, 0 to 119.
        hold: s after the onset from which a loop may begin; None is where the sound is steady.
        loop: whether sounds go on until the key is released; None is decided by the sound of each instrument.
        flac: samples as FLAC (SFZ and Decent Sampler) instead of WAV.
        unpitched: one sample for all keys, rendered without pitch.
        seed: of the phase of noise.
        inverter: how magnitudes become sound; None is the space's own.
        pitch: MIDI, of the frames of wavetables; None is the lowest of which the space knows the sound.
        velocity: 0..1, of the frames of wavetables.
        frames: of a wavetable, 1 to 256; those of a grid are its points.
        steady: keep the loudness steady where the timbre changes.
        rate: Hz, of the host that a file for nn~ is made for; hosts that report their rate change it.
    """

    keys: str | None = None
    step: int = 3
    layers: int = 3
    takes: int = 2
    steps: int = 5
    controller: int = 1
    hold: float | None = None
    loop: bool | None = None
    flac: bool = False
    unpitched: bool = False
    seed: int = 0
    inverter: str | None = None
    pitch: float | None = None
    velocity: float = 0.8
    frames: int = 64
    steady: bool = True
    rate: int = 44100

    def __post_init__(self) -> None:
        check_pitch(self.pitch)
        check_velocity(self.velocity)
        if not 8000 <= self.rate <= 192000:
            raise ConfigError(f"The rate must be 8000 to 192000 Hz, got {self.rate}.")
        if not 1 <= self.frames <= 256:
            raise ConfigError(f"The frames must be 1 to 256, got {self.frames}.")


@dataclass(frozen=True, eq=False)
class Request:
    """What is exported, and where.

    Attributes:
        space: the space.
        instruments: one or more named points or paths, in their order; those of a grid, row by row.
        output: the file or folder, with "~" expanded; its ending may choose a variant of a format.
        settings: the settings.
        columns: of a grid; 0 if the instruments are no grid.
    """

    space: Space
    instruments: Sequence[Preset]
    output: FilePath
    settings: ExportSettings
    columns: int = 0


Write = Callable[[FilePath, Callable[[], object]], list[dict[str, Any]]]
"""Writes to a temporary path, a folder that exists or a file that does not, calls the second argument after every step,
and returns rows of figures."""


class ExportPlan(NamedTuple):
    """What a format will write. Everything in the request that is wrong for it was refused before."""

    files: Mapping[str, int]  # estimated bytes of each file, by its name relative to the output; "": the output itself
    work: int  # steps, of about equal time, for the progress bar
    write: Write
    seconds: float = 0.0  # of audio
    notice: str = ""  # what is lost or left out, in one sentence
