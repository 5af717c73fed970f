"""Music: the notes of a MIDI file, each a sound of its own whose timbre follows a path through the piece."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from timbre.audio import Audio
from timbre.audio.limiter import Limiter
from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.space import Space
from timbre.space.controls import RELEASE
from timbre.synth.loudness import evening, loudness_of
from timbre.synth.rendering import render

BEND = 2.0  # semitones to either side, General MIDI's default
_PEDAL = 64  # controller number, and the value from which the pedal is down
_LONGEST = 3600.0  # s
_SHORTEST = 0.05  # s


@dataclass(frozen=True)
class Tone:
    """A note of a piece.

    Attributes:
        start, duration: s.
        pitch: MIDI.
        velocity: 0..1.
        bends: (s after its start, semitones) from which on the pitch is bent so far.
    """

    start: float
    duration: float
    pitch: float
    velocity: float
    bends: tuple[tuple[float, float], ...] = ((0.0, 0.0),)


def read_midi(file: str | FilePath) -> list[Tone]:
    """The notes of a standard MIDI file (types 0 and 1) in order of their starts.

    Tempo changes, the sustain pedal and pitch bends of two semitones are followed; programs, other controllers and the
    drum channel's meaning are not.

    Raises:
        ConfigError: if the file cannot be read, is not a MIDI file, has no notes, or is longer than an hour.
    """
    import mido

    file = FilePath(file).expanduser()
    try:
        found = mido.MidiFile(str(file))
        messages = list(found)
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged or no MIDI file of type 0 or 1"
        raise ConfigError(f"{file} cannot be read: {reason}.") from error
    band = _Band()
    for message in messages:
        band.hear(message)
    tones = sorted(band.ended(), key=lambda tone: (tone.start, tone.pitch))
    if not tones:
        raise ConfigError(f"{file} has no notes; a MIDI file with some is wanted.")
    if (length := tones[-1].start) > _LONGEST:
        raise ConfigError(f"{file} lasts {length / 60:.0f} minutes; up to an hour is rendered.")
    return tones


@dataclass
class _ScoreChannel:
    """What one channel is doing: pitches and when and how hard they were struck, the pedal, bends so far."""

    struck: dict[int, tuple[float, float]] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    pedal: bool = False
    bends: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])


class _Band:
    """Follows messages in time and collects notes."""

    def __init__(self) -> None:
        self.now, self.tones = 0.0, list[Tone]()
        self.channels: dict[int, _ScoreChannel] = defaultdict(_ScoreChannel)

    def hear(self, message: Any) -> None:
        self.now += message.time
        if message.is_meta or not hasattr(message, "channel"):
            return
        channel = self.channels[message.channel]
        if message.type == "note_on" and message.velocity:
            self._end(channel, message.note)
            channel.struck[message.note] = (self.now, message.velocity / 127.0)
        elif message.type in ("note_on", "note_off"):
            if channel.pedal:
                channel.held.add(message.note)
            else:
                self._end(channel, message.note)
        elif message.type == "pitchwheel":
            channel.bends.append((self.now, BEND * message.pitch / 8192.0))
        elif message.type == "control_change" and message.control == _PEDAL:
            self._press(channel, message.value >= _PEDAL)

    def _press(self, channel: _ScoreChannel, down: bool) -> None:
        channel.pedal = down
        for pitch in () if down else tuple(channel.held):
            self._end(channel, pitch)

    def _end(self, channel: _ScoreChannel, pitch: int) -> None:
        channel.held.discard(pitch)
        if pitch not in channel.struck:
            return
        start, velocity = channel.struck.pop(pitch)
        before = [bend for time, bend in channel.bends if time <= start]
        bends = [(time - start, bend) for time, bend in channel.bends if time > start]
        self.tones.append(Tone(start, self.now - start, float(pitch), velocity, ((0.0, before[-1]), *bends)))

    def ended(self) -> list[Tone]:
        """All notes; those still sounding end now."""
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
    """A piece: every note begins where the path is at its start, and goes on along it.

    The piece lasts until its last note has ended; the path is stretched over it. Notes are scaled by the root of how
    many sound at once at most, and peaks are limited.

    Args:
        space, path, seed, inverter, hold: as of :func:`~timbre.synth.render`; each note has a seed of its own.
        tones: at least one.
        steady: bring all notes to one loudness before their velocities count, by 12 dB at most.

    Raises:
        ConfigError: as of :func:`~timbre.synth.render`, or for a pitch out of range.
    """
    rate = space.config.spectrogram.sample_rate
    end = max(tone.start + max(tone.duration, _SHORTEST) for tone in tones) + RELEASE
    mix = np.zeros(round(end * rate) + 1)
    gains = _gains(space, path, tones, end, hold) if steady else np.ones(len(tones))
    gains = gains / np.sqrt(_most_at_once(tones))
    for number, (tone, gain) in enumerate(zip(tones, gains, strict=True)):
        sound = _sound(space, path, tone, end, seed + number, inverter, steady, hold).samples[0]
        place = round(tone.start * rate)
        sound = sound[: len(mix) - place]
        mix[place : place + len(sound)] += gain * sound
    limiter = Limiter(rate)
    samples = np.concatenate([limiter.push(mix), limiter.flush()])[limiter.latency :]
    return Audio(samples.astype(np.float32), rate)


def _sound(
    space: Space, path: Path, tone: Tone, end: float, seed: int, inverter: str | None, steady: bool, hold: float | None
) -> Audio:
    duration = max(tone.duration, _SHORTEST) + RELEASE
    count = space.renderer.frames(duration)
    seconds = np.linspace(0.0, duration, count)
    times = (tone.start + seconds) / end
    part = Path(path.at(times), np.linspace(0.0, 1.0, count)) if len(path.points) > 1 else path
    since, bends = np.array(tone.bends).T
    bent = bends[np.searchsorted(since, seconds, side="right") - 1]
    pitch = np.clip(tone.pitch + bent, 12, 127) if bent.any() else tone.pitch
    return render(space, part, pitch, tone.velocity, duration, seed, inverter, steady, hold)


def _gains(space: Space, path: Path, tones: list[Tone], end: float, hold: float | None) -> np.ndarray:
    """Amplitude of each note that brings how loud it begins to the mean of all."""
    points = path.at(np.array([tone.start for tone in tones]) / end)
    pitches, velocities = (np.array([getattr(tone, name) for tone in tones]) for name in ("pitch", "velocity"))
    doublings = loudness_of(space, points, pitches, velocities, hold)
    return np.asarray(10.0 ** (evening(doublings) / 20.0))


def _most_at_once(tones: list[Tone]) -> int:
    events = sorted([(tone.start, 1) for tone in tones] + [(tone.start + tone.duration, -1) for tone in tones])
    return int(max(np.cumsum([change for _, change in events]).max(), 1))
