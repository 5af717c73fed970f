"""MIDI files to audio: each note is a sound of its own, and the timbre follows a path through the piece."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

import numpy as np

from timbre.audio import Audio
from timbre.audio.limiter import Limiter
from timbre.errors import ConfigError
from timbre.files import read_bytes
from timbre.paths import Path
from timbre.space import NoteControls, Space
from timbre.space.controls import RELEASE
from timbre.synth.channels import EXPRESSION, VOLUME, MidiChannels, decibels
from timbre.synth.loudness import evening, loudness_of
from timbre.synth.midi_files import MAX_BYTES, read_sequences
from timbre.synth.rendering import render

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


@dataclass(frozen=True)
class Tone:
    """A note of a piece: start and duration in s, pitch in MIDI, velocity 0..1; bend and gain of its channel."""

    start: float
    duration: float
    pitch: float
    velocity: float
    bend: StepLine = field(default_factory=StepLine, repr=False)  # semitones
    gain: StepLine = field(default_factory=StepLine, repr=False)  # dB

    @property
    def bends(self) -> Steps:
        """Bends of the note: times after its start, and semitones."""
        return self.bend.between(self.start, self.start + self.duration)

    @property
    def gains(self) -> Steps:
        """Gains of the note: times after its start, and dB."""
        return self.gain.between(self.start, self.start + self.duration)


def read_midi(file: str | FilePath) -> list[Tone]:
    """The notes of a standard MIDI file (type 0, 1 or 2), sorted by their starts.

    Tempo, bends and their range, the sustain pedal, volume (controller 7), expression (11) and the channel modes are
    followed, as by the live input; programs, other controllers and the meaning of the drum channel are not. The pieces
    of a file of type 2 follow each other.

    Raises:
        ConfigError: if the file cannot be read, is not a MIDI file, has no notes, or is longer than an hour.
    """
    content = read_bytes(FilePath(file), MAX_BYTES)
    try:
        return parse_midi(content)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def parse_midi(content: bytes) -> list[Tone]:
    """The notes in the bytes of a MIDI file, as :func:`read_midi`; a ConfigError without the name of a file."""
    tones, start = list[Tone](), 0.0
    for sequence in read_sequences(content):
        collector = _NoteCollector(start)
        for time, *message in sequence.messages:
            collector.now = start + time
            collector.receive(*message)
        start += sequence.length
        tones += collector.finished(start)
    tones.sort(key=lambda tone: (tone.start, tone.pitch))
    if not tones:
        raise ConfigError("A MIDI file must have notes, got none.")
    if (length := max(tone.start + tone.duration for tone in tones)) > _LONGEST:
        raise ConfigError(f"The notes must last an hour or less, got {length / 60:.0f} minutes.")
    return tones


@dataclass
class _ScoreChannel:
    """State of a channel: sounding pitches with their starts and velocities, those that the pedal sustains, levels."""

    struck: dict[int, tuple[float, float]] = field(default_factory=dict)
    sustained: dict[int, None] = field(default_factory=dict)
    pedal: bool = False
    bend: StepLine = field(default_factory=StepLine)
    gain: StepLine = field(default_factory=StepLine)
    levels: dict[int, float] = field(default_factory=dict)  # of volume and expression, dB


class _NoteCollector(MidiChannels):
    """Collects the notes of messages that are received in the order of time, at the time `now`."""

    def __init__(self, now: float = 0.0) -> None:
        super().__init__()
        self.now, self._tones = now, list[Tone]()
        self._parts = [_ScoreChannel() for _ in range(16)]

    def finished(self, end: float) -> list[Tone]:
        """All notes; those that still sound end at `end`."""
        self.now = max(self.now, end)
        for part in self._parts:
            self._cut(part)
        return self._tones

    def _start(self, channel: int, note: int, velocity: float) -> None:
        part = self._parts[channel]
        self._finish(part, note)
        part.struck[note] = (self.now, velocity)

    def _end(self, channel: int, note: int) -> None:
        part = self._parts[channel]
        if not part.pedal:
            self._finish(part, note)
        elif note in part.struck:
            part.sustained[note] = None

    def _sustain(self, channel: int, down: bool) -> None:
        part = self._parts[channel]
        part.pedal = down
        for note in () if down else tuple(part.sustained):
            self._finish(part, note)

    def _bend(self, channel: int, semitones: float) -> None:
        self._parts[channel].bend.add(self.now, semitones)

    def _silence(self, channel: int) -> None:
        self._cut(self._parts[channel])
        self._parts[channel].pedal = False
        self._bend(channel, 0.0)

    def _move(self, channel: int, controller: int, value: int) -> None:
        if controller in (VOLUME, EXPRESSION):
            part = self._parts[channel]
            part.levels[controller] = decibels(value)
            part.gain.add(self.now, sum(part.levels.values()))

    def _cut(self, part: _ScoreChannel) -> None:
        for note in tuple(part.struck):
            self._finish(part, note)

    def _finish(self, part: _ScoreChannel, note: int) -> None:
        part.sustained.pop(note, None)
        if note in part.struck:
            start, velocity = part.struck.pop(note)
            self._tones.append(Tone(start, self.now - start, float(note), velocity, part.bend, part.gain))


def perform(
    space: Space,
    path: Path,
    tones: list[Tone],
    seed: int = 0,
    inverter: str | None = None,
    steady: bool = True,
    hold: float | None = None,
) -> Audio:
    """The sound of a piece, whose notes follow the path, stretched over the piece.

    Notes are scaled by the root of the largest number that sounds at once, and peaks are limited. Arguments and errors
    as in :func:`~timbre.synth.render`, but each note has its own seed, and `steady` brings all notes to one loudness
    before their velocities are applied, by 12 dB at most. Notes below MIDI 12 are left out, as in live play; a
    ConfigError if there are no others.
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
    for number, (tone, gain) in enumerate(zip(tones, gains, strict=True)):
        controls = NoteControls(hold=hold, seed=seed + number, inverter=inverter)
        first = round(tone.start * rate)
        sound = _sound(space, path, tone, end, controls, steady).samples[0, : len(mix) - first]
        mix[first : first + len(sound)] += gain * sound
    limiter = Limiter(rate)
    samples = np.concatenate([limiter.push(mix), limiter.flush()])[limiter.latency :]
    return Audio(samples.astype(np.float32), rate)


def _sound(space: Space, path: Path, tone: Tone, end: float, controls: NoteControls, steady: bool) -> Audio:
    """The sound of one note of a piece that ends at `end` (s)."""
    duration = max(tone.duration, _SHORTEST) + RELEASE
    count = space.renderer.frames(duration)
    seconds = np.linspace(0.0, duration, count)
    times = (tone.start + seconds) / end
    part = Path(path.at(times), np.linspace(0.0, 1.0, count)) if len(path.points) > 1 else path
    since, bends = np.array(tone.bends).T
    bent = bends[np.searchsorted(since, seconds, side="right") - 1]
    pitch = np.clip(tone.pitch + bent, LOWEST, HIGHEST) if bent.any() else tone.pitch
    controls = replace(controls, pitch=pitch, velocity=tone.velocity, duration=duration)
    sound = render(space, part, **vars(controls), steady=steady)
    return sound if tone.gains == ((0.0, 0.0),) else _faded(sound, tone.gains)


def _faded(sound: Audio, gains: Steps) -> Audio:
    """A sound whose gain changes in steps, over 3 ms each."""
    since, levels = np.array(gains).T
    times = np.arange(0.0, sound.duration + _GAIN_STEP, _GAIN_STEP)
    amplitudes = 10.0 ** (levels[np.searchsorted(since, times, side="right") - 1] / 20.0)
    seconds = np.arange(sound.samples.shape[1]) / sound.sample_rate
    return Audio((sound.samples * np.interp(seconds, times, amplitudes)).astype(np.float32), sound.sample_rate)


def _gains(space: Space, path: Path, tones: list[Tone], end: float, hold: float | None) -> np.ndarray:
    """Amplitudes that bring the loudness of each note at its start to their mean."""
    starts, pitches, velocities = np.array([(tone.start, tone.pitch, tone.velocity) for tone in tones]).T
    doublings = loudness_of(space, path.at(starts / end), pitches, velocities, hold)
    return np.asarray(10.0 ** (evening(doublings) / 20.0))
