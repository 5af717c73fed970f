"""What can be done to a space that sounds: the one set of controls that MIDI, OSC, keys and the web page work on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.shapes.presets import Presets
from timbre.space import Space

MOST_VOICES = 64
LOWEST, HIGHEST = 12.0, 127.0  # MIDI: what a space can be asked for
WIDEST_BEND = 48.0  # semitones
LOUDEST = 24.0  # dB
_PIECES = 512  # straight ones, that a path is followed in

Key = int | float | str
"""What a note is let go by: its pitch, or any number or word that it was given."""


class Latency(NamedTuple):
    """Where the time from an event to its sound goes, ms."""

    buffering: float
    """What is rendered ahead."""
    look_ahead: float
    """Of the limiter and of the change of sample rate."""
    device: float
    """What the device says of itself."""

    @property
    def total(self) -> float:
        """The sum; a note begins so long after its event, and half a block on average."""
        return sum(self)


@dataclass(frozen=True)
class State:
    """What an engine is doing.

    Attributes:
        point: (dim,), where the sound is now; it may still glide to where it was sent.
        notes: pitches (MIDI) of the notes that are held, low to high; NaN without pitch.
        voices: how many voices sound, those dying away included.
        limit: how many may sound at present; fewer than asked for while the machine cannot keep up.
        load: share of the time that rendering takes, of late; 1 is all there is.
        underruns: how often the device ran dry, or was late itself.
        shed: notes that were cut short because the machine could not keep up.
        stolen: notes that were cut short because all voices were in use.
        latency: of an event.
        control_delay: ms more until a change of point, bend or loudness is heard, the inverter's.
        peak: largest sample of late, full scale 1.
        seconds: sound that was made so far.
        sample_rate: Hz, of the device.
        block: samples per callback of the device.
        runtime: what decodes: "onnxruntime" or "torch".
    """

    point: np.ndarray
    notes: tuple[float, ...]
    voices: int
    limit: int
    load: float
    underruns: int
    shed: int
    stolen: int
    latency: Latency
    control_delay: float
    peak: float
    seconds: float
    sample_rate: int
    block: int
    runtime: str


class Controls:
    """Plays a space: notes, place, bend, paths. What carries it out is :meth:`_send`'s.

    Every method returns at once and may be called from any thread.

    Args:
        space: the space.
        presets: its named places, for :meth:`preset`.
        point: where to begin, (dim,); by default the known sound that is nearest to the middle of all.

    Attributes:
        point: where the sound was last sent, (dim,), float32. A path that runs does not change it.
    """

    def __init__(self, space: Space, presets: Presets | None = None, point: np.ndarray | None = None) -> None:
        self.space, self.presets = space, presets if presets is not None else Presets()
        self.point: np.ndarray = middle(space) if point is None else space.check_point(point)

    def note_on(self, pitch: float | None, velocity: float = 0.8, key: Key | None = None) -> None:
        """Begin a note; one that sounds under the same key is let go.

        Args:
            pitch: MIDI from 12 to 127, fractions allowed; None is a sound without pitch.
            velocity: from 0 to 1; its square is the gain.
            key: what :meth:`note_off` will call it; its pitch by default.

        Raises:
            ConfigError: a value is out of range, or there is neither pitch nor key.
        """
        if pitch is not None:
            pitch = _number("pitch", pitch, LOWEST, HIGHEST, " (MIDI; A4 is 69)")
        key = pitch if key is None else key
        if key is None:
            raise ConfigError("A note without pitch came without a key; give one, by which it can be let go.")
        self._send("note_on", key=key, pitch=pitch, velocity=_number("velocity", velocity, 0.0, 1.0))

    def note_off(self, key: Key) -> None:
        """Let a note go (once the sustain pedal is up); nothing happens if there is none of that key."""
        self._send("note_off", key=key)

    def bend(self, semitones: float) -> None:
        """Move all pitches, those of later notes too; -48 to 48."""
        self._send("bend", semitones=_number("bend", semitones, -WIDEST_BEND, WIDEST_BEND, " semitones"))

    def sustain(self, down: bool) -> None:
        """Press or lift the sustain pedal."""
        self._send("sustain", down=bool(down))

    def at(self, point: "np.ndarray | Sequence[float]", glide: float = 0.0) -> None:
        """Go to a place; all notes that sound follow, smoothed over some 20 ms. It ends a path that runs.

        Args:
            point: (dim,).
            glide: s in which to go there on a straight line.

        Raises:
            ConfigError: it is no point of this space, or the time is negative.
        """
        self.point = self.space.check_point(point)
        self._send("at", point=self.point.tolist(), glide=_number("glide", glide, 0.0, 3600.0, " s"))

    def axis(self, which: str | int, value: float, glide: float = 0.0) -> None:
        """Set one coordinate: of a named axis, with the unnamed dimensions coming along (see :meth:`Space.move`), or
        by its number, from 0, alone.

        Raises:
            ConfigError: there is no such axis, or the value is no number between -100 and 100.
        """
        value = _number(f"axis {which}", value, -100.0, 100.0)
        names = [axis.name for axis in self.space.axes]
        if isinstance(which, str):
            at = names.index(which) if which in names else None
            step = value - float(self.point[at]) if at is not None else 0.0
            self.at(self.space.move(self.point, **{which: step}), glide)
            return
        if not 0 <= which < self.space.dim:
            raise ConfigError(f"Axis {which} was asked for; this space has axes 0 to {self.space.dim - 1}.")
        point = self.point.copy()
        point[which] = value
        self.at(point, glide)

    def path(self, path: Path | None, duration: float = 4.0, loop: bool = False) -> None:
        """Follow a path; all notes that sound go along. At its end the sound stays there.

        Args:
            path: of this space; None ends the one that runs.
            duration: s, from one end to the other.
            loop: begin again at the end, for ever.

        Raises:
            ConfigError: it is of another number of dimensions, or the duration is not between 0.01 s and an hour.
        """
        if path is None:
            self._send("path", points=[], times=[], duration=1.0, loop=False)
            return
        if path.dim != self.space.dim:
            raise ConfigError(f"The path has {path.dim} dimensions and this space has {self.space.dim}.")
        duration = _number("duration", duration, 0.01, 3600.0, " s")
        times = path.times
        if (path.kind != "line" and len(times) > 1) or len(times) > _PIECES:
            times = np.linspace(times[0], times[-1], _PIECES)
        points = path.at(times).astype(np.float32).round(5).tolist()
        self._send("path", points=points, times=times.tolist(), duration=duration, loop=bool(loop))

    def hold(self, seconds: float | None) -> None:
        """Let notes stay as they are so long after their onset, s, until they are let go; None lets them live on."""
        value = None if seconds is None else _number("hold", seconds, 0.01, 60.0, " s")
        self._send("hold", seconds=value)

    def gain(self, decibels: float) -> None:
        """Loudness of the whole, dB: -100 to 24; the limiter comes after it."""
        self._send("gain", decibels=_number("gain", decibels, -100.0, LOUDEST, " dB"))

    def preset(self, which: str | int) -> None:
        """Go to a preset, by name or by number from 0: its point, or along its path.

        Raises:
            ConfigError: there is none such.
        """
        preset = self.presets.number(which) if isinstance(which, int) else self.presets[which]
        if len(preset.path.points) == 1:
            self.at(preset.path.points[0])
        else:
            self.path(preset.path, preset.duration, preset.loop)

    def panic(self) -> None:
        """Silence at once: all notes end within some milliseconds, the pedal is up and the bend is 0."""
        self._send("panic")

    def state(self) -> State:
        """What the engine is doing."""
        raise NotImplementedError

    def _send(self, name: str, **values: Any) -> None:
        """Carry out an event: its name, and values that JSON can hold."""
        raise NotImplementedError


def middle(space: Space) -> np.ndarray:
    """The known sound nearest to the mean of all, (dim,); the origin where there is none."""
    points = space.atlas.points
    if not len(points):
        return np.zeros(space.dim, np.float32)
    nearest = np.square(points - points.mean(0)).sum(1).argmin()
    return np.asarray(points[nearest], np.float32)


def _number(name: str, value: Any, low: float, high: float, unit: str = "") -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:
        raise ConfigError(f"The {name} is {value!r}; a number from {low:g} to {high:g}{unit} is wanted.")
    return number
