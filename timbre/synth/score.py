"""MIDI files to audio: each note is a sound of its own, and the timbre follows a path through the piece."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from timbre.audio import Audio
from timbre.audio.limiter import Limiter
from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.space import NoteControls, Space
from timbre.space.controls import RELEASE
from timbre.synth.loudness import evening, loudness_of
from timbre.synth.rendering import render

BEND = 2.0  # semitones to either side, General MIDI's default
_PEDAL = 64  # controller number, and the lowest value of a pressed pedal
_LONGEST = 3600.0  # s
_SHORTEST = 0.05  # s


@dataclass(frozen=True)
class Tone:
    """A note of a piece: start and duration in s, pitch in MIDI, velocity 0..1.

    Bends are pairs of a time in s after its start and semitones; each holds until the next.
    """

    start: float
    duration: float
    pitch: float
    velocity: float
    bends: tuple[tuple[float, float], ...] = ((0.0, 0.0),)


def read_midi(file: str | FilePath) -> list[Tone]:
    """The notes of a standard MIDI file (type 0 or 1), sorted by their starts.

    Tempo changes, the sustain pedal and pitch bends of two semitones are followed; programs, other controllers and the
    meaning of the drum channel are not.

    Raises:
        ConfigError: if the file cannot be read, is not a MIDI file, has no notes, or is longer than an hour.
    """
    import mido

    file = FilePath(file).expanduser()
    try:
        messages = list(mido.MidiFile(str(file)))
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or not a MIDI file of type 0 or 1"
        raise ConfigError(f"{file} cannot be read: {reason}.") from error
    notes = _NoteCollector()
    for message in messages:
        notes.receive(message)
    tones = sorted(notes.finished(), key=lambda tone: (tone.start, tone.pitch))
    if not tones:
        raise ConfigError(f"{file} must have notes, got none.")
    if (length := tones[-1].start) > _LONGEST:
        raise ConfigError(f"{file} must last an hour or less, got {length / 60:.0f} minutes.")
    return tones


@dataclass
class _ScoreChannel:
    """State of a channel: sounding pitches with their starts and velocities, those that the pedal sustains, bends."""

    struck: dict[int, tuple[float, float]] = field(default_factory=dict)
    sustained: set[int] = field(default_factory=set)
    pedal: bool = False
    bends: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])


class _NoteCollector:
    """Collects notes from messages in the order of time."""

    def __init__(self) -> None:
        self.now, self.tones = 0.0, list[Tone]()
        self.channels: dict[int, _ScoreChannel] = defaultdict(_ScoreChannel)

    def receive(self, message: Any) -> None:
        self.now += message.time
        if message.is_meta or not hasattr(message, "channel"):
            return
        channel = self.channels[message.channel]
        if message.type == "note_on" and message.velocity:
            self._end(channel, message.note)
            channel.struck[message.note] = (self.now, message.velocity / 127.0)
        elif message.type in ("note_on", "note_off"):
            if channel.pedal:
                channel.sustained.add(message.note)
            else:
                self._end(channel, message.note)
        elif message.type == "pitchwheel":
            channel.bends.append((self.now, BEND * message.pitch / 8192.0))
        elif message.type == "control_change" and message.control == _PEDAL:
            channel.pedal = message.value >= _PEDAL
            for pitch in () if channel.pedal else tuple(channel.sustained):
                self._end(channel, pitch)

    def _end(self, channel: _ScoreChannel, pitch: int) -> None:
        channel.sustained.discard(pitch)
        if pitch not in channel.struck:
            return
        start, velocity = channel.struck.pop(pitch)
        before = [bend for time, bend in channel.bends if time <= start]
        bends = [(time - start, bend) for time, bend in channel.bends if time > start]
        self.tones.append(Tone(start, self.now - start, float(pitch), velocity, ((0.0, before[-1]), *bends)))

    def finished(self) -> list[Tone]:
        """All notes; those that still sound end now."""
        for channel in self.channels.values():
            for pitch in tuple(channel.struck):
                self._end(channel, pitch)
        return self.tones


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
    before their velocities are applied, by 12 dB at most.
    """
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
    pitch = np.clip(tone.pitch + bent, 12, 127) if bent.any() else tone.pitch
    controls = replace(controls, pitch=pitch, velocity=tone.velocity, duration=duration)
    return render(space, part, **vars(controls), steady=steady)


def _gains(space: Space, path: Path, tones: list[Tone], end: float, hold: float | None) -> np.ndarray:
    """Amplitudes that bring the loudness of each note at its start to their mean."""
    starts, pitches, velocities = np.array([(tone.start, tone.pitch, tone.velocity) for tone in tones]).T
    doublings = loudness_of(space, path.at(starts / end), pitches, velocities, hold)
    return np.asarray(10.0 ** (evening(doublings) / 20.0))
