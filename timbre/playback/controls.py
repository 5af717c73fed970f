"""`Controls`: the commands that play a space. MIDI, OSC, the keyboard and the web page all call these."""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from timbre.errors import ConfigError
from timbre.files import shown
from timbre.paths import Path
from timbre.shapes.presets import Presets
from timbre.space import Space
from timbre.synth.axis_curve import AxisCurve, NoteAxes
from timbre.synth.channels import BEND
from timbre.synth.shaping import GAIN, LIMITS, Target, check_target, goal, limits_of, place

MAX_VOICES = 64
PITCHES = (12.0, 127.0)  # MIDI, lowest and highest
MAX_BEND = 48.0  # semitones
GAINS = LIMITS[GAIN]  # dB, lowest and highest
MAX_COORDINATE = 100.0
BEND_RANGE = "bend_range"  # what controllers move besides axes and GAIN
_MOST_KEPT = 3.0  # share of the point of all notes that a note may keep; a preset may be left or overshot
_SHAPED = 256  # keys whose notes are shaped, at most
_MAX_SECONDS = 3600.0
_LONGEST_KEY, _LARGEST_KEY = 200, 1e15  # characters; a float holds larger whole numbers inexactly
_LINES = 512  # a curved path is sent as this many points

Key = int | float | str
"""What a note is released by: its pitch, or any number or word given with it."""


class Latency(NamedTuple):
    """Where the time between an event and its sound goes, ms."""

    buffering: float  # sound rendered ahead
    look_ahead: float  # of the limiter, and the delay of the resampler
    device: float  # as the sound device reports it

    @property
    def total(self) -> float:
        """Sum of the three. On average a note starts half a block later than this."""
        return sum(self)


@dataclass(frozen=True)
class State:
    """What an engine is doing."""

    point: np.ndarray  # (dim,), current point; it may still be gliding to its target
    notes: tuple[float, ...]  # pitches (MIDI) of the notes that are held, low to high; NaN for one without pitch
    voices: int  # sounding voices, including released notes that still ring
    limit: int  # voices allowed now; lower than requested while the machine is too slow
    load: float  # recent share of real time spent rendering; at 1 the machine is fully used
    underruns: int  # dropouts: the buffer was empty, or the device itself was late
    shed: int  # notes cut short because the machine was too slow
    stolen: int  # notes cut short because all voices were in use
    latency: Latency  # from an event to its sound
    control_delay: float  # ms added for a change of point, bend or loudness, by the inverter
    peak: float  # recent largest sample; full scale is 1
    seconds: float  # of sound rendered so far
    sample_rate: int  # Hz, of the device
    block: int  # samples per callback of the device
    runtime: str  # decoder backend, "onnxruntime" or "torch"
    refused: int = 0  # commands that the engine could not carry out; they change nothing
    refusal: str = ""  # why it could not carry out the last of them
    restarts: int = 0  # how often the process of the engine was started again, because it had ended


@dataclass
class _ShapedNote:
    """A note that is held, or what is known of the next one under its key."""

    pitch: float | None
    point: np.ndarray  # of all notes when it began
    values: dict[Target, float] = field(default_factory=dict)
    place: tuple[float, np.ndarray] | None = None  # what the values make of the point of all; None if they have changed


class Controls:
    """Plays a space: notes, point, bend, paths. Subclasses implement :meth:`_send`.

    Every method returns at once, except :meth:`axis` where it goes along a named axis for the first time (a fifth of a
    second), and may be called from any thread. A value that is out of range or does not fit the
    space raises a ConfigError.

    Args:
        space: the space.
        presets: its named points and paths, for :meth:`preset`.
        point: starting point (dim,); default: the first preset within reach, or else the library note nearest to
            the mean of all.

    Attributes:
        point: last target (dim,), float32. A running path does not change it.
    """

    _waits = True  # whether calls wait until a point along a named axis is found

    def __init__(self, space: Space, presets: Presets | None = None, point: np.ndarray | None = None) -> None:
        self.space, self.presets = space, presets if presets is not None else Presets()
        notes = np.abs(space.atlas.points)
        self._reach = max(MAX_COORDINATE, 2.0 * float(notes.max())) if notes.size else MAX_COORDINATE
        self._pitch: float | None = 60.0  # of the last note, at which axes are measured
        self._curve: AxisCurve | None = None
        self._swept: np.ndarray | None = None  # the point to which it led
        self._measured: tuple[np.ndarray | None, float | None, np.ndarray] = None, None, np.zeros(0)
        self._axes, self._shaped = NoteAxes(space, None if self._waits else self._shape_again), dict[Key, _ShapedNote]()
        self._note_lock = threading.RLock()
        self.point: np.ndarray = self._opening() if point is None else self._checked(point)

    def note_on(
        self,
        pitch: float | None,
        velocity: float = 0.8,
        key: Key | None = None,
        values: Mapping[Target, float] | None = None,
    ) -> None:
        """Start a note, and release one that sounds under the same key.

        Args:
            pitch: MIDI, 12 to 127, fractions allowed; None for a sound without pitch.
            velocity: 0 to 1; the gain is its square.
            key: identifies the note for :meth:`note_off`, a finite number or a word of at most 200 characters; default:
                the pitch. A note without pitch must have one.
            values: what shapes the note from its first sample on, as in :meth:`express`.
        """
        if pitch is not None:
            pitch = check_number("pitch", pitch, *PITCHES, " (MIDI; A4 is 69)")
        key = pitch if key is None else key
        if key is None:
            raise ConfigError("A note without pitch must have a key, got none; give one, so that it can be released.")
        key, velocity = _check_key(key), check_number("velocity", velocity, 0.0, 1.0)
        values = self._values(values or {})
        with self._note_lock:
            note = self._note(key)
            note.pitch, note.point, note.place = pitch, self.point, None
            note.values |= values
            if values:
                self._shape(key, note)
            self._send("note_on", key=key, pitch=pitch, velocity=velocity)
        self._pitch = pitch

    def note_off(self, key: Key) -> None:
        """Release a note, at once or when the sustain pedal goes up. An unknown key is ignored."""
        key = _check_key(key)
        with self._note_lock:
            self._shaped.pop(key, None)
            self._send("note_off", key=key)

    def express(self, key: Key, values: Mapping[Target, float]) -> None:
        """Shape one note by itself, smoothed over about 20 ms, until its key is released.

        Args:
            key: of a note that is held; or of one that will begin, which then begins so.
            values: by their targets; others stay as they are. "bend": semitones, -96 to 96, in addition to
                :meth:`bend`. "gain": dB, -100 to 24. The name of an axis: how much more the note has of it than the
                point of all notes. The index of a dimension, from 0: what is added to it. "towards:NAME": 0 is the
                point of all notes, 1 the preset of that name; -2 to 2.
        """
        key, values = _check_key(key), self._values(values)
        with self._note_lock:
            note = self._note(key)
            if any(note.values.get(to) != value for to, value in values.items() if to not in LIMITS):
                note.place = None
            note.values |= values
            self._shape(key, note)

    def shape(self, key: Key, bend: float, gain: float, keep: float, offset: "np.ndarray | Sequence[float]") -> None:
        """Shape one note as :meth:`express` does, by numbers: its point is `keep` times that of all plus `offset`.

        Args:
            key: as in :meth:`express`.
            bend, gain: semitones and dB.
            keep: -3 to 3.
            offset: (dim,).
        """
        bend, gain = check_number("bend", bend, *LIMITS[BEND], " semitones"), check_number("gain", gain, *GAINS, " dB")
        keep = check_number("share of the point", keep, -_MOST_KEPT, _MOST_KEPT)
        offset = self._checked(offset).tolist()
        self._send("shape", key=_check_key(key), bend=bend, gain=gain, keep=keep, offset=offset)

    def bend(self, semitones: float) -> None:
        """Shift the pitch of all notes, including later ones, by -48 to 48 semitones."""
        self._send("bend", semitones=check_number("bend", semitones, -MAX_BEND, MAX_BEND, " semitones"))

    def sustain(self, down: bool) -> None:
        """Press or lift the sustain pedal."""
        self._send("sustain", down=bool(down))

    def at(self, point: "np.ndarray | Sequence[float]", glide: float = 0.0) -> None:
        """Move all sounding notes to a point, smoothed over about 20 ms. A running path ends.

        Args:
            point: (dim,); coordinates from -100 to 100, or to twice the largest of the library notes if that is more.
            glide: s, time to move there in a straight line; 0 to 3600.
        """
        # Both are checked before the point is set.
        self.point, seconds = self._checked(point), check_number("glide", glide, 0.0, _MAX_SECONDS, " s")
        self._send("at", point=self.point.tolist(), glide=seconds)

    def axis(self, which: str | int, value: float, glide: float = 0.0) -> None:
        """Set one coordinate.

        Args:
            which: name of an axis: the sound gets this value on it at the pitch of the last note, see
                :class:`~timbre.synth.axis_curve.AxisCurve`. Or the index of a dimension, from 0, which is set alone.
            value: -100 to 100; a named axis has values from -3 to 3, and larger ones count as these.
            glide: s, as in :meth:`at`.
        """
        value = check_number(f"axis {shown(which)}", value, -MAX_COORDINATE, MAX_COORDINATE)
        if isinstance(which, str):
            self.at(np.clip(self._curve_of(which).at(value), -self._reach, self._reach), glide)
            self._swept = self.point
        elif isinstance(which, int) and 0 <= which < self.space.dim:
            self.at([value if n == which else old for n, old in enumerate(self.point)], glide)
        else:
            last = self.space.dim - 1
            raise ConfigError(f"The axis must be one of axes 0 to {last} of this space, got {shown(which)}.")

    def nudge(self, which: str | int, step: float) -> None:
        """Move along an axis by a step, from the value that :meth:`axis` set last, or that the point has."""
        own = self._curve_of(which).current if isinstance(which, str) else float(self.point[which])
        self.axis(which, float(np.float32(own) + np.float32(step)))

    def values(self) -> list[float]:
        """The value of everything in :func:`axes_of`: those of the target's sound at the pitch of the last note on the
        named axes, NaN where it has none, then its coordinates."""
        point, pitch = self.point, self._pitch
        of, at, found = self._measured
        if of is not point or at != pitch:
            found = self.space.axis_values(point, pitch) if self.space.axes else np.zeros(0)
            self._measured = point, pitch, found
        names = [axis.name for axis in self.space.axes]
        return [float(found[names.index(n)] if isinstance(n, str) else point[n]) for n in axes_of(self.space)]

    def _curve_of(self, name: str) -> AxisCurve:
        """The curve along an axis from where the point is; the last one, if that brought it there."""
        curve = self._curve
        if curve is None or (curve.name, curve.pitch) != (name, self._pitch) or self.point is not self._swept:
            curve = AxisCurve(self.space, name, self.point, self._pitch)
            self._curve, self._swept = curve, self.point
        return curve

    def path(self, path: Path | None, duration: float = 4.0, loop: bool = False) -> None:
        """Move all sounding notes along a path; they stay at its end.

        Args:
            path: through this space; None stops the running path.
            duration: s, from start to end; 0.01 to 3600.
            loop: start again at the end, without limit.
        """
        if path is None:
            self._send("path", points=[], times=[], duration=1.0, loop=False)
            return
        if path.dim != self.space.dim:
            raise ConfigError(f"The path must have {self.space.dim} dimensions, as this space has, got {path.dim}.")
        times, duration = path.times, check_number("duration", duration, 0.01, _MAX_SECONDS, " s")
        if (path.kind != "line" and len(times) > 1) or len(times) > _LINES:
            times = np.linspace(times[0], times[-1], _LINES)
        points = path.at(times)
        self._check_coordinates(points)
        points = points.astype(np.float32).round(5).tolist()
        self._send("path", points=points, times=times.tolist(), duration=duration, loop=bool(loop))

    def hold(self, seconds: float | None) -> None:
        """Freeze each note this long after its attack and sustain it until its release; None lets it decay."""
        self._send("hold", seconds=None if seconds is None else check_number("hold", seconds, 0.01, 60.0, " s"))

    def gain(self, decibels: float) -> None:
        """Set the overall level, -100 to 24 dB. The limiter follows it."""
        self._send("gain", decibels=check_number("gain", decibels, *GAINS, " dB"))

    def preset(self, which: str | int) -> None:
        """Move to the point of a preset, or along its path; `which` is its name, or its number from 0."""
        if not isinstance(which, str) and not (isinstance(which, int) and abs(which) <= _LARGEST_KEY):
            raise ConfigError(f"A preset must be a name or a number from 0, got {shown(which)}.")
        preset = self.presets.number(which) if isinstance(which, int) else self.presets[which]
        if len(preset.path.points) == 1:
            self.at(preset.path.points[0])
        else:
            self.path(preset.path, preset.duration, preset.loop)

    def panic(self) -> None:
        """End all notes within milliseconds, lift the pedal and reset the bend."""
        with self._note_lock:
            self._shaped.clear()
            self._send("panic")

    def _note(self, key: Key) -> _ShapedNote:
        """The note of a key, or what is known of the next one; those that were shaped long ago are forgotten."""
        note = self._shaped.pop(key) if key in self._shaped else _ShapedNote(self._pitch, self.point)
        self._shaped[key] = note
        while len(self._shaped) > _SHAPED:
            del self._shaped[next(iter(self._shaped))]
        return note

    def _values(self, values: Mapping[Target, float]) -> dict[Target, float]:
        """The values of :meth:`express`; a ConfigError if one does not fit."""
        checked = {}
        if not isinstance(values, Mapping):
            raise ConfigError(f"What shapes a note must be values by their targets, got {shown(values)}.")
        for to, value in values.items():
            check_target(self.space, to)
            goal(self.presets, to)
            checked[to] = check_number(f"{to} of a note", value, *limits_of(to))
        return checked

    def _shape(self, key: Key, note: _ShapedNote) -> None:
        """Send what shapes a note."""
        values = note.values
        if note.place is None:
            keep, offset = place(values, self.presets, self._axes, note.point, note.pitch)
            keep = min(max(float(keep), -_MOST_KEPT), _MOST_KEPT)
            note.place = keep, offset.clip(-self._reach, self._reach).round(5)
        self.shape(key, values.get(BEND, 0.0), values.get(GAIN, 0.0), *note.place)

    def _shape_again(self) -> None:
        """Send what shapes the notes along named axes: more of these is known now."""
        with self._note_lock:
            for key, note in self._shaped.items():
                if any(isinstance(to, str) and note.values[to] for to in note.values if to not in LIMITS):
                    note.place = None
                    self._shape(key, note)

    def _opening(self) -> np.ndarray:
        """The starting point (dim,) where none was given."""
        begins = (preset.path.points[0] for preset in self.presets.values())
        first = next((begin for begin in begins if np.abs(begin).max() <= self._reach), None)
        return central_point(self.space) if first is None else self.space.check_point(first)

    def _checked(self, point: "np.ndarray | Sequence[float]") -> np.ndarray:
        """A point as float32 (dim,), within reach; a ConfigError if it is none."""
        try:
            numbers = np.asarray(point, np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"The point must have {self.space.dim} numbers, got {shown(point)}.") from error
        if np.isfinite(numbers).all():
            self._check_coordinates(numbers)
        return self.space.check_point(numbers)

    def _check_coordinates(self, points: np.ndarray) -> None:
        """Raise a ConfigError if a coordinate is so large that the decoder could overflow."""
        largest = float(np.abs(points).max(initial=0.0))
        if not largest <= self._reach:
            raise ConfigError(f"Coordinates must be from {-self._reach:g} to {self._reach:g}, got {largest:g}.")

    def state(self) -> State:
        """What the engine is doing."""
        raise NotImplementedError

    def _send(self, name: str, **values: Any) -> None:
        """Pass a command on: a name in `HANDLERS` of the engine, and its arguments, which JSON must be able to hold."""
        raise NotImplementedError


def central_point(space: Space) -> np.ndarray:
    """The library note nearest to the mean of all, (dim,); the origin if the space has none."""
    points = space.atlas.points
    if not len(points):
        return np.zeros(space.dim, np.float32)
    return np.asarray(points[np.square(points - points.mean(0)).sum(1).argmin()], np.float32)


def axes_of(space: Space) -> list[str | int]:
    """What a control can move: names of the axes, then the indices of all dimensions.

    An axis whose name means something else (a target of controllers, a number, an earlier axis) is left out.
    """
    names = [axis.name for axis in space.axes]
    clear = [n for k, n in enumerate(names) if n not in (GAIN, BEND_RANGE, *names[:k]) and not n.isdecimal()]
    return [*clear, *range(space.dim)]


def check_number(name: str, value: Any, low: float, high: float, unit: str = "") -> float:
    """A value as a float; a ConfigError unless it is a number from `low` to `high`."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high:
        raise ConfigError(f"The {name} must be a number from {low:g} to {high:g}{unit}, got {shown(value)}.")
    return number


def _check_key(key: Any) -> Key:
    """The key of a note; a ConfigError if no :meth:`Controls.note_off` could name it, or JSON could not hold it."""
    if isinstance(key, str) and len(key) <= _LONGEST_KEY:
        return key
    if isinstance(key, int | float) and abs(key) <= _LARGEST_KEY:
        return key
    raise ConfigError(
        f"The key of a note must be a finite number or a word of at most {_LONGEST_KEY} characters, got {shown(key)}."
    )
