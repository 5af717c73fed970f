"""The plan of a sample instrument, the same for every format: which notes are rendered, and what plays them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from timbre.data.names import note_name
from timbre.errors import ConfigError
from timbre.exporting.names import stems
from timbre.exporting.request import ExportPlan, ExportSettings, Request, Write
from timbre.exporting.samplers.behaviour import Behaviour, behaviour_of
from timbre.shapes.presets import Preset
from timbre.synth.instruments import pitches_of

LOWEST, HIGHEST = 12, 127  # MIDI, of what a space decodes
_MOST_LAYERS, _MOST_ROUNDS, _MOST_STEPS = 16, 16, 32
_MOST_NOTES = 65_000  # of an export; the tables of SF2 have 16-bit indices
UNPITCHED_KEY = 60


@dataclass(frozen=True)
class Layer:
    """Velocities, MIDI 1 to 127, that play one sample, and the one that it was rendered at."""

    velocity: int
    low: int
    high: int


@dataclass(frozen=True)
class Zone:
    """A sample of an instrument and what plays it.

    Attributes:
        key: MIDI key at which it sounds as rendered; of unpitched sounds, 60.
        low, high: keys that play it.
        layer: velocities that play it.
        step: index of the position of the timbre knob.
        take: index among samples that play in turn.
    """

    key: int
    low: int
    high: int
    layer: Layer
    step: int
    take: int


@dataclass(frozen=True, eq=False)
class Instrument:
    """One instrument of a bank.

    Attributes:
        preset: its name, group, and point or path.
        stem: its name for files, unique in the bank.
        points: of the positions of the timbre knob, (steps, dim); one without a knob.
        keys: MIDI, rendered, from low to high; () without pitch.
        behaviours: how the sound of each position goes on, ends, and how noisy it is.
        takes: samples that play in turn.
    """

    preset: Preset
    stem: str
    points: np.ndarray
    keys: tuple[int, ...]
    range: tuple[int, int]
    layers: tuple[Layer, ...]
    behaviours: tuple[Behaviour, ...]
    takes: int

    @property
    def name(self) -> str:
        """Its name for readers."""
        return self.preset.name

    @property
    def is_noise(self) -> bool:
        """Whether noise is the larger part in the middle of its knob."""
        return self.behaviours[len(self.behaviours) // 2].is_noise

    @cached_property
    def seconds(self) -> float:
        """Of all its samples."""
        return sum(self.behaviours[zone.step].seconds for zone in self.zones)

    @cached_property
    def zones(self) -> list[Zone]:
        """Key by key; all zones of a key are rendered together."""
        return [
            Zone(key, low, high, layer, step, take)
            for key, low, high in _spans(self.keys, *self.range)
            for step in range(len(self.points))
            for layer in self.layers
            for take in range(self.takes)
        ]

    def middle(self, step: int) -> "Instrument":
        """A position of its knob with the middle of its keys and layers alone: one sample."""
        keys, layers = self.keys[len(self.keys) // 2 :][:1], self.layers[len(self.layers) // 2 :][:1]
        points, behaviours = self.points[step : step + 1], self.behaviours[step : step + 1]
        return replace(self, points=points, behaviours=behaviours, keys=keys, layers=layers, takes=1)

    def file(self, zone: Zone) -> str:
        """The name of a sample, without an ending."""
        parts = [self.stem, note_name(zone.key).replace("#", "s") if self.keys else "x", f"v{zone.layer.velocity}"]
        parts += [f"t{zone.step + 1}"] if len(self.points) > 1 else []
        parts += [f"rr{zone.take + 1}"] if self.takes > 1 else []
        return "_".join(parts)


def make_instruments(request: Request, takes: bool) -> list[Instrument]:
    """The instruments of a request; `takes`: whether the format can play samples in turn.

    Raises:
        ConfigError: if a setting is out of range, or the export would have too many notes.
    """
    settings, space = request.settings, request.space
    _check(settings)
    names = stems([preset.name for preset in request.instruments])
    layers = make_layers(settings.layers)
    made = []
    for preset, stem in zip(request.instruments, names, strict=True):
        points = _points(preset, settings.steps)
        keys, span = ((), (0, 127)) if settings.unpitched else _keys(preset, settings)
        behaviours = tuple(behaviour_of(space, point, keys, settings) for point in points)
        turns = settings.takes if takes and any(one.noisy for one in behaviours) else 1
        made.append(Instrument(preset, stem, points, keys, span, layers, behaviours, turns))
    if (count := sum(len(one.zones) for one in made)) > _MOST_NOTES:
        raise ConfigError(
            f"An export must have {_MOST_NOTES:,} notes or fewer, got {count:,}; use a larger --step, fewer --layers "
            "or instruments."
        )
    return made


def planned(instruments: Sequence[Instrument], files: Mapping[str, int], write: Write) -> ExportPlan:
    """The plan of an export: a step for each note of its instruments."""
    return ExportPlan(files, sum(len(one.zones) for one in instruments), write, sum(one.seconds for one in instruments))


def make_layers(count: int) -> tuple[Layer, ...]:
    """Layers of about equal width over velocities 1 to 127, each rendered at its middle."""
    edges = np.round(np.linspace(0, 127, count + 1)).astype(int)
    return tuple(Layer(int(low + high + 1) // 2, int(low) + 1, int(high)) for low, high in pairwise(edges))


def _check(settings: ExportSettings) -> None:
    for name, low, high in (
        ("step", 1, 12), ("layers", 1, _MOST_LAYERS), ("takes", 1, _MOST_ROUNDS), ("steps", 2, _MOST_STEPS),
        ("controller", 0, 119),
    ):  # fmt: skip
        if not low <= (value := getattr(settings, name)) <= high:
            raise ConfigError(f"--{name} must be from {low} to {high}, got {value}.")
    if settings.hold is not None and not 0.1 <= settings.hold <= 60:
        raise ConfigError(f"--hold must be 0.1 to 60 s, got {settings.hold}.")


def _keys(preset: Preset, settings: ExportSettings) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Rendered keys, and the lowest and highest key that plays them."""
    if settings.keys is None and preset.pitches:
        low, high = round(preset.pitches[0]), round(preset.pitches[1])
    else:
        text = settings.keys or "C2:C7"
        if text.count(":") != 1:
            raise ConfigError(f"--keys must be the lowest and the highest key, such as C2:C7, got {text!r}.")
        found = pitches_of(text)
        low, high = found[0], found[-1]
    if low < LOWEST or high > HIGHEST:
        raise ConfigError(f"--keys must be from {note_name(LOWEST)} to {note_name(HIGHEST)}, got {settings.keys}.")
    first = low + min((high - low) // 2, (settings.step - 1) // 2)
    return tuple(range(first, high + 1, settings.step)), (low, high)


def _spans(keys: tuple[int, ...], low: int, high: int) -> list[tuple[int, int, int]]:
    """Each rendered key with the lowest and highest that play it; they meet at the middle."""
    if not keys:
        return [(UNPITCHED_KEY, low, high)]
    middles = [(a + b) // 2 for a, b in pairwise(keys)]
    return list(zip(keys, [low, *(middle + 1 for middle in middles)], [*middles, high], strict=True))


def _points(preset: Preset, steps: int) -> np.ndarray:
    path = preset.path
    return path.points[:1] if len(path.points) == 1 else path.at(np.linspace(0.0, 1.0, steps))
