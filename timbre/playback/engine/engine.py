"""The live engine: voices that are decoded together, frame by frame, inverted as they go, and mixed.

It knows no device and no clock. A process of its own runs it for :class:`~timbre.playback.player.Player`; tests and
offline use call it as it is.
"""

import threading
import time
from collections import deque
from typing import Any

import numpy as np

from timbre.audio.limiter import Limiter
from timbre.audio.resampling import Resampler
from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.playback.controls import HIGHEST, LOWEST, MOST_VOICES, Controls, Key, Latency, State
from timbre.playback.engine.follower import Follower
from timbre.playback.engine.frames import chosen, frames_of
from timbre.playback.engine.voice import Voice
from timbre.shapes.presets import Presets
from timbre.space import Space

_STARTS = 2  # notes that begin in one step; those of a larger chord follow within milliseconds
_LOOK_AHEAD, _ROOM = 0.0015, 0.5  # s of the limiter; gain that leaves room for several voices
_CUT = 0.008  # s in which a note that is cut short fades out
_BEND_SMOOTHING = 0.01  # s
_LOAD_SMOOTHING = 0.5  # s


class Engine(Controls):
    """Plays a space in blocks of any size, several notes at a time.

    Frames of all voices are decoded together, once a hop; each voice's inverter is fed when its sound runs short. A
    note that begins gets its first frames at once, at the next step of a quarter of a hop.

    Args:
        space: the space.
        presets, point: as for :class:`Controls`.
        voices: notes that may sound at a time, 1 to 64; the quietest of those let go, else the oldest, makes room.
        sample_rate: Hz, of what comes out; the space's by default.
        seed: of the phase of noise.
        inverter: a causal inverter, such as "rtpghi" or "vocoder" (see :meth:`~timbre.space.Space.stream`).
        runtime: "onnxruntime" or "torch"; the first that is installed by default.

    Attributes:
        voices: sounding and free.
        limit: voices in use at most; lower than `voices` while the machine cannot keep up.
        load: share of the time that rendering takes, of late.
        sample_rate: Hz.
        step: samples of the space's rate that are made at a time.

    Raises:
        ConfigError: a value is out of range, or there is no such inverter or runtime.
    """

    def __init__(
        self,
        space: Space,
        presets: Presets | None = None,
        point: np.ndarray | None = None,
        *,
        voices: int = 8,
        sample_rate: int | None = None,
        seed: int = 0,
        inverter: str = "rtpghi",
        runtime: str | None = None,
    ) -> None:
        super().__init__(space, presets, point)
        check_settings(voices, sample_rate, runtime)
        spectrogram = space.config.spectrogram
        self.sample_rate = sample_rate or spectrogram.sample_rate
        self._frames, self.runtime = frames_of(space, runtime)
        self.voices = [Voice(space.renderer.stream(inverter), spectrogram.frame_rate) for _ in range(voices)]
        self.limit, self._frame_rate, self._rate = voices, spectrogram.frame_rate, spectrogram.sample_rate
        self._steps_per_hop = next(parts for parts in (4, 3, 2, 1) if spectrogram.hop_length % parts == 0)
        self.step = spectrogram.hop_length // self._steps_per_hop
        self._follower = Follower(self.point, spectrogram.frame_rate)
        self._hold, self._pedal, self._bend_to, self._bend = np.inf, False, 0.0, 0.0
        self._gain_to = self._gain = _ROOM
        self._fading = np.zeros(
            max(round(_CUT * self._rate), self.step)
        )  # of notes cut short: what is still to be heard of them
        self._limiter = Limiter(self._rate, look_ahead=_LOOK_AHEAD)
        self._resampler = Resampler(self._rate, self.sample_rate) if self.sample_rate != self._rate else None
        self._ready: deque[np.ndarray] = deque()
        self._waiting = self._count = self._made = self._notes = 0
        self.shed_notes = self.stolen_notes = 0
        self._peak, self.load, self._seed, self._lock = 0.0, 0.0, seed, threading.RLock()
        self._decode([(self.voices[0], 0.0, 1.0)] * self.voices[0].burst)  # the first time takes longer
        self.voices[0].warm(spectrogram.n_fft // 2 + 1)

    @property
    def look_ahead(self) -> float:
        """s by which its output is late, whatever happens."""
        return self._limiter.latency / self._rate + (self._resampler.delay if self._resampler else 0.0)

    @property
    def sounding(self) -> int:
        """Voices that have a note."""
        return sum(not voice.free for voice in self.voices)

    def render(self, frames: int) -> np.ndarray:
        """The next samples (frames,), float32, within full scale."""
        begun = time.perf_counter()
        with self._lock:
            while self._waiting < frames:
                block = self._step()
                self._ready.append(block)
                self._waiting += len(block)
            out = self._taken(frames)
        share = min(1.0, frames / (_LOAD_SMOOTHING * self.sample_rate))
        self.load += share * ((time.perf_counter() - begun) * self.sample_rate / max(frames, 1) - self.load)
        self._made += frames
        return out

    def state(self) -> State:
        """See :class:`Controls`; an engine alone has no device, and buffers nothing."""
        with self._lock:
            sounding = [voice for voice in self.voices if not voice.free]
            held = tuple(sorted(voice.pitch for voice in sounding if not voice.let_go))
            late = (self.voices[0].burst - 1) * 1000.0 / self._frame_rate
            return State(
                self._follower.point, held, len(sounding), self.limit, self.load, 0, self.shed_notes,
                self.stolen_notes, Latency(0.0, 1000.0 * self.look_ahead, 0.0), late, self._peak,
                self._made / self.sample_rate, self.sample_rate, 0, self.runtime,
            )  # fmt: skip

    def apply(self, name: str, values: dict[str, Any]) -> None:
        """Carry out an event that :class:`Controls` has made."""
        with self._lock:
            getattr(self, f"_do_{name}")(**values)

    def shed(self) -> None:
        """Let one voice less sound than do now, down to one: the machine cannot keep up."""
        with self._lock:
            self.limit = max(1, min(self.limit, self.sounding) - 1)
            while self.sounding > self.limit:
                self._cut(self._least())
                self.shed_notes += 1

    def _send(self, name: str, **values: Any) -> None:
        self.apply(name, values)

    def _do_note_on(self, key: Key, pitch: float | None, velocity: float) -> None:
        self._let_go(key)
        if self.sounding >= self.limit:
            self._cut(self._least())
            self.stolen_notes += 1
        self._notes += 1
        voice = next(voice for voice in self.voices if voice.free)
        voice.begin(key, np.nan if pitch is None else pitch, velocity, self._seed + self._notes, self._notes)

    def _do_note_off(self, key: Key) -> None:
        if self._pedal:
            for voice in self._of(key):
                voice.kept = True
        else:
            self._let_go(key)

    def _do_sustain(self, down: bool) -> None:
        self._pedal = down
        for voice in self.voices:
            if voice.kept and not down:
                voice.let_go, voice.kept = True, False

    def _do_bend(self, semitones: float) -> None:
        self._bend_to = semitones

    def _do_at(self, point: list[float], glide: float) -> None:
        self._follower.glide(np.asarray(point, np.float32), glide)

    def _do_path(self, points: list[list[float]], times: list[float], duration: float, loop: bool) -> None:
        if points:
            self._follower.go(Path(np.asarray(points), np.asarray(times)), duration, loop)
        else:
            self._follower.stop()

    def _do_hold(self, seconds: float | None) -> None:
        self._hold = np.inf if seconds is None else seconds

    def _do_gain(self, decibels: float) -> None:
        self._gain_to = _ROOM * 10.0 ** (decibels / 20.0)

    def _do_panic(self) -> None:
        for voice in self.voices:
            if not voice.free:
                self._cut(voice)
        self._pedal, self._bend_to = False, 0.0

    def _of(self, key: Key) -> list[Voice]:
        return [voice for voice in self.voices if not voice.free and voice.key == key and not voice.let_go]

    def _let_go(self, key: Key) -> None:
        for voice in self._of(key):
            voice.let_go, voice.kept = True, False

    def _least(self) -> Voice:
        """The voice that is missed least."""
        sounding = [voice for voice in self.voices if not voice.free]
        return min(sounding, key=lambda voice: (not voice.let_go, voice.level if voice.let_go else 0.0, voice.age))

    def _cut(self, voice: Voice) -> None:
        rest = voice.end(len(self._fading))
        self._fading[: len(rest)] += rest

    def _step(self) -> np.ndarray:
        """The next samples at the output's rate, some `step` of the space's."""
        if self._count % self._steps_per_hop == 0:
            self._tick()
        self._count += 1
        self._begin()
        mix = np.zeros(self.step)
        for voice in self.voices:
            if not voice.free and not voice.fresh:
                mix += voice.take(self.step)
        mix += self._fading[: self.step]
        self._fading = np.concatenate([self._fading[self.step :], np.zeros(self.step)])
        mix *= np.linspace(self._gain, self._gain_to, self.step)
        self._gain = self._gain_to
        out = self._limiter.push(mix)
        self._peak = max(float(np.abs(out).max()), self._peak * 0.98)
        return out if self._resampler is None else self._resampler.push(out)

    def _tick(self) -> None:
        """Once a hop: move on, free what has died away, and decode the next frame of every voice."""
        for voice in self.voices:
            if not voice.free and voice.over:
                voice.end(0)
        sounding = [voice for voice in self.voices if not voice.free and not voice.fresh]
        self._follower.advance(at_once=not sounding)
        share = 1.0 - np.exp(-1.0 / (_BEND_SMOOTHING * self._frame_rate)) if sounding else 1.0
        self._bend += share * (self._bend_to - self._bend)
        if sounding:
            frames = self._decode([(voice, *voice.times(self._hold)) for voice in sounding])
            for voice, frame in zip(sounding, frames, strict=True):
                voice.magnitude = frame

    def _begin(self) -> None:
        """Give the notes that are to begin their first frames."""
        fresh = sorted((voice for voice in self.voices if voice.fresh), key=lambda voice: voice.age)[:_STARTS]
        if not fresh:
            return
        frames = self._decode([(voice, *voice.times(self._hold)) for voice in fresh for _ in range(voice.burst)])
        for number, voice in enumerate(fresh):
            voice.start(frames[number * voice.burst : (number + 1) * voice.burst])

    def _decode(self, asked: list[tuple[Voice, float, float]]) -> list[tuple[np.ndarray, float]]:
        """Magnitudes (bins,) and pitches of voices at times with releases."""
        voices, times, releases = zip(*asked, strict=True)
        pitch = np.clip([voice.pitch + self._bend for voice in voices], LOWEST, HIGHEST)
        velocity = [voice.velocity for voice in voices]
        points = np.broadcast_to(self._follower.point, (len(asked), self.space.dim))
        rows = (points, pitch, velocity, times, releases)
        return list(zip(self._frames(*(np.array(row, np.float32) for row in rows)), pitch, strict=True))

    def _taken(self, frames: int) -> np.ndarray:
        out, filled = np.zeros(frames, np.float32), 0
        while filled < frames:
            block = self._ready.popleft()
            part = block[: frames - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            if len(part) < len(block):
                self._ready.appendleft(block[len(part) :])
        self._waiting -= frames
        return out


def check_settings(voices: int, sample_rate: int | None, runtime: str | None) -> None:
    """Raise a ConfigError if an engine cannot have such settings."""
    if not 1 <= voices <= MOST_VOICES:
        raise ConfigError(f"{voices} voices were asked for; 1 to {MOST_VOICES} are wanted.")
    if sample_rate is not None and not 8000 <= sample_rate <= 192000:
        raise ConfigError(f"A sample rate of {sample_rate} Hz was asked for; 8000 to 192000 Hz is wanted.")
    chosen(runtime)
