"""MIDI files to audio: each note is a sound of its own, and the timbre follows a path through the piece."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import NamedTuple

import numpy as np

from timbre.audio import Audio
from timbre.audio.limiter import Limiter
from timbre.errors import ConfigError
from timbre.files import read_bytes
from timbre.paths import Path
from timbre.shapes.presets import Presets
from timbre.space import NoteControls, Space
from timbre.space.controls import RELEASE
from timbre.synth.axis_curve import NoteAxes
from timbre.synth.channels import (
    BEND,
    CENTER,
    EXPRESSION,
    LARGEST,
    PRESSURE,
    VELOCITY,
    VOLUME,
    MidiChannels,
    Source,
    StruckNote,
    rest_of,
    together,
)
from timbre.synth.channels import (
    RELEASE as RELEASE_VELOCITY,
)
from timbre.synth.loudness import evening, loudness_of
from timbre.synth.midi_files import MAX_BYTES, read_sequences
from timbre.synth.rendering import render
from timbre.synth.shaping import GAIN, NoteControl, Target, place, usual_note_controls, values_at

LOWEST, HIGHEST = 12, 127  # MIDI pitches that can be decoded
_LONGEST = 3600.0  # s
_SHORTEST = 0.05  # s
_GAIN_STEP = 0.003  # s over which a gain changes

Steps = tuple[tuple[float, float], ...]
"""Pairs of a time (s) and a value, which holds until the next."""


@dataclass
class StepLine:
    """What a value of a channel is through a piece: it changes at `times` (s), which rise, to `values`."""

    times: list[float] = field(default_factory=lambda: [0.0])
    values: list[float] = field(default_factory=lambda: [0.0])

    def add(self, time: float, value: float) -> None:
        """Change the value at a time, not before the last one."""
        if time == self.times[-1]:
            self.values[-1] = value
        elif value != self.values[-1]:
            self.times.append(time)
            self.values.append(value)

    def between(self, start: float, end: float) -> Steps:
        """The steps from `start` to before `end`, with times after `start`; the first is at 0."""
        first, last = bisect_right(self.times, start), bisect_left(self.times, end)
        times = (time - start for time in self.times[first:last])
        return (0.0, self.values[first - 1]), *zip(times, self.values[first:last], strict=True)


Lines = dict[Source | tuple[str, int], StepLine]
"""What a channel does through a piece: positions (0 to 127) by source, and polyphonic pressures by key; its bend
("semitones") and its gain ("gain", dB)."""
_SEMITONES, _GAIN = "semitones", "gain"


@dataclass(frozen=True)
class Tone:
    """A note of a piece: start and duration in s, pitch in MIDI, velocity 0..1, and what shapes it.

    Attributes:
        own: what its channel does.
        manager: what the manager of its zone does, if it has another one.
        up: s, from when on its channel does not shape it any more.
        release: velocity of the release, 0 to 127.
        zone: whether it is in a zone of MPE, so that controllers shape it.
    """

    start: float
    duration: float
    pitch: float
    velocity: float
    own: Lines = field(default_factory=dict, repr=False)
    manager: Lines | None = field(default=None, repr=False)
    up: float = math.inf
    release: int = int(CENTER)
    zone: bool = False

    @property
    def bends(self) -> Steps:
        """Bends of the note: times after its start, and semitones."""
        return self._steps(_SEMITONES)

    @property
    def gains(self) -> Steps:
        """Gains of the note: times after its start, and dB."""
        return self._steps(_GAIN)

    def positions(self, source: Source) -> Steps:
        """Where what shapes the note stands: times after its start, and 0 to 127."""
        if source == VELOCITY:
            return ((0.0, LARGEST * self.velocity),)
        if source == RELEASE_VELOCITY:
            return (0.0, CENTER), (max(self.duration, 1e-9), float(self.release))
        return self._steps(source) if self.zone or not isinstance(source, int) else ((0.0, rest_of(source)),)

    def _steps(self, source: Source) -> Steps:
        end, own = self.start + self.duration, [source, *([(PRESSURE, int(self.pitch))] if source == PRESSURE else [])]
        parts = [self.own[one].between(self.start, min(end, self.up)) for one in own if one in self.own]
        if self.manager and source in self.manager:
            parts.append(self.manager[source].between(self.start, end))
        if len(parts) < 2:
            return parts[0] if parts else ((0.0, rest_of(source)),)
        times = sorted({time for part in parts for time, _ in part})
        rows = np.array([step_values(part, np.array(times)) for part in parts])
        joined = rows.sum(0) if source in (_SEMITONES, _GAIN) else [together(source, list(row)) for row in rows.T]
        return tuple(zip(times, map(float, joined), strict=True))


def step_values(steps: Steps, times: np.ndarray) -> np.ndarray:
    """The values of steps at times (n,), from 0 s."""
    since, values = np.array(steps).T
    return np.asarray(values[np.searchsorted(since, times, side="right") - 1])


def read_midi(file: str | FilePath, members: int = 0) -> list[Tone]:
    """The notes of a standard MIDI file (type 0, 1 or 2), sorted by their starts.

    Tempo, bends and their range, pressure, the sustain pedal, volume (controller 7), expression (11), the channel modes
    and the zones of MPE are followed, as by the live input; programs, controllers outside of zones and the meaning of
    the drum channel are not. The pieces of a file of type 2 follow each other.

    Args:
        file: its name.
        members: channels of a lower zone that is there from the start, 0 to 15, for a file that does not announce it.

    Raises:
        ConfigError: if the file cannot be read, is not a MIDI file, has no notes, or is longer than an hour.
    """
    content = read_bytes(FilePath(file), MAX_BYTES)
    try:
        return parse_midi(content, members)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def parse_midi(content: bytes, members: int = 0) -> list[Tone]:
    """The notes in the bytes of a MIDI file, as :func:`read_midi`; a ConfigError without the name of a file."""
    tones, start = list[Tone](), 0.0
    for sequence in read_sequences(content):
        collector = _NoteCollector(start, members)
        for time, *message in sequence.messages:
            collector.now = start + time
            with suppress(ConfigError):  # a bend range that is too wide changes nothing, as live
                collector.receive(*message)
        start += sequence.length
        tones += collector.finished(start)
    tones.sort(key=lambda tone: (tone.start, tone.pitch))
    if not tones:
        raise ConfigError("A MIDI file must have notes, got none.")
    if (length := max(tone.start + tone.duration for tone in tones)) > _LONGEST:
        raise ConfigError(f"The notes must last an hour or less, got {length / 60:.0f} minutes.")
    return tones


class _NoteCollector(MidiChannels):
    """Collects the notes of messages that are received in the order of time, at the time `now`."""

    def __init__(self, now: float = 0.0, members: int = 0) -> None:
        super().__init__(members=members)
        self.now, self._tones = now, list[Tone]()
        self._lines: list[Lines] = [{} for _ in range(16)]
        self._begun: list[dict[int, tuple[Tone, StruckNote]]] = [{} for _ in range(16)]  # by key
        self._ups: dict[tuple[int, int], float] = {}

    def finished(self, end: float) -> list[Tone]:
        """All notes; those that still sound end at `end`."""
        self.now = max(self.now, end)
        for number in range(16):
            self._cut(number)
        return self._tones

    def _start(self, note: StruckNote) -> None:
        channel, manager = note.channel, self.zones.manager(note.channel)
        lines = self._lines[channel], None if manager == channel else self._lines[manager]
        begun = Tone(self.now, 0.0, float(note.key), note.velocity, *lines, zone=self.zones.in_zone(channel))
        self._begun[channel][note.key] = begun, note
        if line := self._lines[note.channel].get((PRESSURE, note.key)):
            line.add(self.now, 0.0)

    def _keep(self, note: StruckNote) -> None:
        if self.zones.is_member(note.channel):
            self._ups[note.channel, note.key] = self.now

    def _end(self, note: StruckNote) -> None:
        if begun := self._begun[note.channel].pop(note.key, None):
            tone, up = begun[0], self._ups.pop((note.channel, note.key), math.inf)
            self._tones.append(replace(tone, duration=self.now - tone.start, up=up, release=note.release))

    def _follow(self, number: int, source: Source, key: int | None = None) -> None:
        if key is not None and (note := self._down[number].get(key) or self._sustained[number].get(key)):
            self._add(number, (PRESSURE, key), note.pressure)
            return
        self._add(number, source, self.position_of(number, source))
        if source == BEND:
            self._add(number, _SEMITONES, self.bend_of(number))
        elif source in (VOLUME, EXPRESSION):
            self._add(number, _GAIN, self.level_of(number))

    def _add(self, number: int, source: Source | tuple[str, int], value: float) -> None:
        rest = 0.0 if isinstance(source, tuple) else rest_of(source)
        self._lines[number].setdefault(source, StepLine(values=[rest])).add(self.now, value)

    def _silence(self, number: int) -> None:
        for channel in self.zones.group(number):
            self._cut(channel)
            self._follow(channel, BEND)

    def _cut(self, number: int) -> None:
        for _, note in tuple(self._begun[number].values()):
            self._end(note)


def perform(
    space: Space,
    path: Path,
    tones: list[Tone],
    seed: int = 0,
    inverter: str | None = None,
    steady: bool = True,
    hold: float | None = None,
    shaping: Sequence[NoteControl] | None = None,
    presets: Presets | None = None,
) -> Audio:
    """The sound of a piece, whose notes follow the path, stretched over the piece.

    Notes are scaled by the root of the largest number that sounds at once, and peaks are limited. Arguments and errors
    as in :func:`~timbre.synth.render`, but each note has its own seed, and `steady` brings all notes to one loudness
    before their velocities are applied, by 12 dB at most. Notes below MIDI 12 are left out, as in live play; a
    ConfigError if there are no others. `shaping` is what shapes each note by itself, default:
    :func:`~timbre.synth.shaping.usual_note_controls`; it may name `presets`.
    """
    tones = [tone for tone in tones if tone.pitch >= LOWEST]
    if not tones:
        raise ConfigError(f"A piece must have notes from MIDI {LOWEST}, got none.")
    rate = space.config.spectrogram.sample_rate
    end = max(tone.start + max(tone.duration, _SHORTEST) for tone in tones) + RELEASE
    mix = np.zeros(round(end * rate) + 1)
    events = sorted([(tone.start, 1) for tone in tones] + [(tone.start + tone.duration, -1) for tone in tones])
    most = max(np.cumsum([change for _, change in events]).max(), 1)
    gains = (_gains(space, path, tones, end, hold) if steady else np.ones(len(tones))) / np.sqrt(most)
    shaper = _Shaper(usual_note_controls(space) if shaping is None else shaping, presets or Presets(), NoteAxes(space))
    for number, (tone, gain) in enumerate(zip(tones, gains, strict=True)):
        controls = NoteControls(hold=hold, seed=seed + number, inverter=inverter)
        first = round(tone.start * rate)
        sound = _sound(space, path, tone, end, controls, steady, shaper).samples[0, : len(mix) - first]
        mix[first : first + len(sound)] += gain * sound
    limiter = Limiter(rate)
    samples = np.concatenate([limiter.push(mix), limiter.flush()])[limiter.latency :]
    return Audio(samples.astype(np.float32), rate)


class _Shaper(NamedTuple):
    """What shapes each note by itself."""

    shaping: Sequence[NoteControl]
    presets: Presets
    axes: NoteAxes

    def values(self, tone: Tone, seconds: np.ndarray) -> dict[Target, np.ndarray]:
        """What is added to each target at times (n,) after the start of a note, (n,) each."""
        sources = {control.follows for control in self.shaping}
        values = values_at(self.shaping, {one: step_values(tone.positions(one), seconds) for one in sources})
        if BEND not in sources:
            values[BEND] = values.get(BEND, 0.0) + step_values(tone.bends, seconds)
        return {to: value for to, value in values.items() if np.any(value)}

    def moved(self, values: dict[Target, np.ndarray], points: np.ndarray, pitch: float) -> np.ndarray:
        """The points (n, dim) of a note, where those of all are (n or 1, dim)."""
        keep, offset = place(values, self.presets, self.axes, points[0].astype(np.float32), pitch)
        return np.multiply.outer(keep, np.ones(points.shape[1])) * points + offset


def _sound(
    space: Space, path: Path, tone: Tone, end: float, controls: NoteControls, steady: bool, shaper: _Shaper
) -> Audio:
    """The sound of one note of a piece that ends at `end` (s)."""
    duration = max(tone.duration, _SHORTEST) + RELEASE
    count = space.renderer.frames(duration)
    seconds = np.linspace(0.0, duration, count)
    points = path.at((tone.start + seconds) / end) if len(path.points) > 1 else path.points
    values = shaper.values(tone, seconds)
    bent, louder = values.pop(BEND, None), values.pop(GAIN, None)
    if values:
        points = shaper.moved(values, points, tone.pitch)
    part = Path(points, np.linspace(0.0, 1.0, len(points)) if len(points) > 1 else np.zeros(1))
    pitch = tone.pitch if bent is None else np.clip(tone.pitch + bent, LOWEST, HIGHEST)
    sound = render(
        space, part, **vars(replace(controls, pitch=pitch, velocity=tone.velocity, duration=duration)), steady=steady
    )
    if tone.gains == ((0.0, 0.0),) and louder is None:
        return sound
    return _faded(sound, tone.gains, seconds, np.zeros(count) if louder is None else louder)


def _faded(sound: Audio, gains: Steps, seconds: np.ndarray, louder: np.ndarray) -> Audio:
    """A sound whose gain (dB) changes in steps, over 3 ms each, and by what is added at some times (s)."""
    times = np.arange(0.0, sound.duration + _GAIN_STEP, _GAIN_STEP)
    amplitudes = 10.0 ** ((step_values(gains, times) + np.interp(times, seconds, louder)) / 20.0)
    samples = np.arange(sound.samples.shape[1]) / sound.sample_rate
    return Audio((sound.samples * np.interp(samples, times, amplitudes)).astype(np.float32), sound.sample_rate)


def _gains(space: Space, path: Path, tones: list[Tone], end: float, hold: float | None) -> np.ndarray:
    """Amplitudes that bring the loudness of each note at its start to their mean."""
    starts, pitches, velocities = np.array([(tone.start, tone.pitch, tone.velocity) for tone in tones]).T
    doublings = loudness_of(space, path.at(starts / end), pitches, velocities, hold)
    return np.asarray(10.0 ** (evening(doublings) / 20.0))
