"""`Engine`: a live instrument: voices decoded together, frame by frame, inverted as they go, and mixed.

The engine knows no device and no clock. :class:`~timbre.playback.player.Player` runs it in a process of its own; for
tests and offline use, call it directly.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from timbre.audio.limiter import Limiter
from timbre.audio.resampling import Resampler
from timbre.errors import ConfigError
from timbre.files import shown
from timbre.paths import Path
from timbre.playback.controls import MAX_VOICES, PITCHES, Controls, Key, Latency, State, check_number
from timbre.playback.engine.follower import Follower
from timbre.playback.engine.frames import frame_decoder, requested_runtime, source_decoder
from timbre.playback.engine.note_shapes import NoteShapes, Shape
from timbre.playback.engine.streams import voice_streams
from timbre.playback.engine.voice import Voice
from timbre.shapes.presets import Presets
from timbre.space import Space
from timbre.spectral.inversion.streaming import PORTABLE

_STARTS = 2  # notes that start in one step; the rest of a larger chord follows within milliseconds
_LOOK_AHEAD, _HEADROOM = 0.0015, 0.5  # s of the limiter; gain that leaves room for several voices
_CUT = 0.008  # s, fade of a note that is cut short
_BEND_SMOOTHING = 0.01  # s
_LOAD_SMOOTHING = 0.5  # s


class Engine(Controls):
    """Renders a space in blocks of any size, several notes at a time.

    Once a hop, a frame for every voice is decoded and inverted: one call of the decoder for all voices, and one of the
    vocoder's network. A new note gets its first frames at the next step, which is a quarter of a hop.

    Args:
        space: the space.
        presets, point: as for :class:`Controls`.
        voices: largest number of notes, 1 to 64. If all are in use, the quietest released note is cut, or the oldest.
        sample_rate: Hz, of the output; default: that of the space.
        seed: for the phase of noise.
        inverter: a causal inverter, such as "rtpghi" or "vocoder" (see :meth:`~timbre.space.renderer.Renderer.stream`).
        runtime: "onnxruntime" or "torch"; default: the first that is installed.

    Attributes:
        voices: all voices, sounding and free.
        limit: number of voices allowed now; below `voices` while the machine is too slow.
        load: recent share of real time spent rendering.
        sample_rate: Hz.
        step: samples made at a time, at the rate of the space.

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
        self._rate, self._frame_rate = spectrogram.sample_rate, spectrogram.frame_rate
        self.sample_rate = sample_rate or self._rate
        if inverter == PORTABLE:
            self._frames, self.runtime = source_decoder(space), "torch"
        else:
            self._frames, self.runtime = frame_decoder(space, runtime)
        self._streams = voice_streams(space, inverter, voices)
        self.voices = [Voice(self._streams, index, self._frame_rate) for index in range(voices)]
        self.limit = voices
        self._steps_per_hop = next(parts for parts in (4, 3, 2, 1) if spectrogram.hop_length % parts == 0)
        self.step = spectrogram.hop_length // self._steps_per_hop
        self._follower, self._shapes = Follower(self.point, self._frame_rate), NoteShapes(voices, space.dim)
        self._hold, self._pedal, self._bend_target, self._bend = np.inf, False, 0.0, 0.0
        self._gain_target = self._gain = _HEADROOM
        self._tails = np.zeros(max(round(_CUT * self._rate), self.step))  # sum of the notes cut short
        self._limiter = Limiter(self._rate, look_ahead=_LOOK_AHEAD)
        self._resampler = Resampler(self._rate, self.sample_rate) if self.sample_rate != self._rate else None
        self._rest = np.zeros(0, np.float32)  # rendered and not taken yet
        self._steps = self._made = self._notes = 0
        self.shed_notes = self.stolen_notes = self.refused = 0
        self.refusal = ""
        self._peak, self.load, self._seed, self._lock = 0.0, 0.0, seed, threading.RLock()
        for count in (self.voices[0].burst, 1):  # the first call takes longer
            self._sounds(self.voices[:1], [[(0.0, 1.0)] * count])
        self._streams.begin(0, 0)

    @property
    def look_ahead(self) -> float:
        """Fixed delay of the output, s: limiter and resampler."""
        return self._limiter.latency / self._rate + (self._resampler.delay if self._resampler else 0.0)

    @property
    def sounding(self) -> list[Voice]:
        """The voices that have a note."""
        return [voice for voice in self.voices if not voice.free]

    def render(self, frames: int) -> np.ndarray:
        """The next samples (frames,), float32, within full scale."""
        started = time.perf_counter()
        with self._lock:
            blocks = [self._rest]
            while sum(map(len, blocks)) < frames:
                blocks.append(self._next_step())
            sound = np.concatenate(blocks, dtype=np.float32, casting="same_kind")
            out, self._rest = sound[:frames], sound[frames:]
        share = min(1.0, frames / (_LOAD_SMOOTHING * self.sample_rate))
        self.load += share * ((time.perf_counter() - started) * self.sample_rate / max(frames, 1) - self.load)
        self._made += frames
        return out

    def state(self) -> State:
        """What the engine does now. An engine alone has no device and no buffer."""
        with self._lock:
            sounding = self.sounding
            return State(
                point=self._follower.point, voices=len(sounding), limit=self.limit, load=self.load, underruns=0,
                notes=tuple(sorted(voice.pitch for voice in sounding if not voice.released)), peak=self._peak,
                shed=self.shed_notes, stolen=self.stolen_notes, latency=Latency(0.0, 1000.0 * self.look_ahead, 0.0),
                control_delay=(self.voices[0].burst - 1) * 1000.0 / self._frame_rate, block=0, runtime=self.runtime,
                seconds=self._made / self.sample_rate, sample_rate=self.sample_rate, refused=self.refused,
                refusal=self.refusal,
            )  # fmt: skip

    def apply(self, name: str, values: dict[str, Any]) -> None:
        """Carry out a command that another :class:`Controls` sent, one of :data:`HANDLERS`, after the same checks.

        Raises:
            ConfigError: there is no such command, or its values do not fit; the engine goes on as before.
        """
        try:
            if name not in HANDLERS:
                raise ConfigError(f"A command must be one of {', '.join(HANDLERS)}, got {shown(name)}.")
            if name == "path":
                points, times = values["points"], values["times"]
                path = Path(np.asarray(points, float), np.asarray(times, float)) if len(points) else None
                self.path(path, values["duration"], values["loop"])
            else:
                getattr(self, name)(**values)
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"The values of the command {name} must fit it, got {shown(values)}.") from error

    def refuse(self, reason: str) -> None:
        """Count a command that could not be carried out, and keep the reason of the last one."""
        self.refused, self.refusal = self.refused + 1, reason

    def shed(self) -> None:
        """Allow one voice fewer than sound now, but at least one: the machine is too slow."""
        with self._lock:
            self.limit = max(1, min(self.limit, len(self.sounding)) - 1)
            while len(self.sounding) > self.limit:
                self._cut(self._least_audible())
                self.shed_notes += 1

    def _send(self, name: str, **values: Any) -> None:
        with self._lock:
            HANDLERS[name](self, **values)

    def _start_note(self, key: Key, pitch: float | None, velocity: float) -> None:
        self._release(key, pedal=False)
        if len(self.sounding) >= self.limit:
            self._cut(self._least_audible())
            self.stolen_notes += 1
        self._notes += 1
        voice = next(voice for voice in self.voices if voice.free)
        voice.begin(key, np.nan if pitch is None else pitch, velocity, self._seed + self._notes, self._notes)
        self._shapes.begin(key, voice.index)

    def _end_note(self, key: Key) -> None:
        self._shapes.forget(key)
        self._release(key, self._pedal)

    def _set_shape(self, key: Key, bend: float, gain: float, keep: float, offset: list[float]) -> None:
        shape = Shape(bend, 10.0 ** (gain / 20.0), keep, np.asarray(offset, np.float32))
        held = (voice for voice in self.sounding if voice.key == key and not (voice.released or voice.sustained))
        self._shapes.set(key, shape, [voice.index for voice in held])

    def _set_pedal(self, down: bool) -> None:
        self._pedal = down
        for voice in self.voices:
            if voice.sustained and not down:
                voice.release()

    def _set_bend(self, semitones: float) -> None:
        self._bend_target = semitones

    def _move(self, point: list[float], glide: float) -> None:
        self._follower.glide(np.asarray(point, np.float32), glide)

    def _follow(self, points: list[list[float]], times: list[float], duration: float, loop: bool) -> None:
        if points:
            self._follower.follow(Path(np.asarray(points), np.asarray(times)), duration, loop)
        else:
            self._follower.glide(self._follower.point, 0.0)

    def _set_hold(self, seconds: float | None) -> None:
        self._hold = np.inf if seconds is None else seconds

    def _set_gain(self, decibels: float) -> None:
        self._gain_target = _HEADROOM * 10.0 ** (decibels / 20.0)

    def _silence(self) -> None:
        for voice in self.sounding:
            self._cut(voice)
        self._shapes.forget()
        self._pedal, self._bend_target = False, 0.0

    def _release(self, key: Key, pedal: bool) -> None:
        for voice in self.sounding:
            if voice.key == key and not voice.released:
                if pedal:
                    voice.sustained = True
                else:
                    voice.release()

    def _least_audible(self) -> Voice:
        """The quietest released voice, or the oldest."""
        return min(self.sounding, key=lambda voice: (not voice.released, voice.released * voice.level, voice.number))

    def _cut(self, voice: Voice) -> None:
        tail = voice.end(len(self._tails))
        self._tails[: len(tail)] += tail

    def _next_step(self) -> np.ndarray:
        """The next samples at the output rate, from `step` samples of the space's rate."""
        if self._steps % self._steps_per_hop == 0:
            self._next_hop()
        self._steps += 1
        self._start_new_notes()
        mix = np.zeros(self.step)
        for voice in self.sounding:
            if not voice.new:
                mix += voice.take(self.step)
        mix += self._tails[: self.step]
        self._tails = np.concatenate([self._tails[self.step :], np.zeros(self.step)])
        mix *= np.linspace(self._gain, self._gain_target, self.step)
        self._gain = self._gain_target
        out = self._limiter.push(mix)
        self._peak = max(float(np.abs(out).max()), self._peak * 0.98)
        return out if self._resampler is None else self._resampler.push(out)

    def _next_hop(self) -> None:
        """Free the voices that are finished, move the point and the bend, and decode a frame for each voice."""
        for voice in self.sounding:
            if voice.finished:
                voice.end(0)
        sounding = [voice for voice in self.sounding if not voice.new]
        self._follower.advance(at_once=not sounding)
        share = 1.0 - np.exp(-1.0 / (_BEND_SMOOTHING * self._frame_rate)) if sounding else 1.0
        self._bend += share * (self._bend_target - self._bend)
        self._shapes.advance(share, self._follower.share)
        if sounding:
            sounds = self._sounds(sounding, [[voice.advance(self._hold)] for voice in sounding])
            for voice, sound in zip(sounding, sounds, strict=True):
                voice.add(sound, self._shapes.gain[voice.index])

    def _start_new_notes(self) -> None:
        """Give the oldest of the new notes their first frames."""
        new = sorted((voice for voice in self.voices if voice.new), key=lambda voice: voice.number)[:_STARTS]
        if not new:
            return
        sounds = self._sounds(new, [[voice.advance(self._hold) for _ in range(voice.burst)] for voice in new])
        for voice, sound in zip(new, sounds, strict=True):
            voice.start(sound, self._shapes.gain[voice.index, 1])

    def _sounds(self, voices: list[Voice], times: list[list[tuple[float, float]]]) -> np.ndarray:
        """The next hops of some voices (voices, frames * hop), from the times of their frames and their releases."""
        clock, releases = np.array(times, np.float32).transpose(2, 0, 1)
        indices = [voice.index for voice in voices]
        pitch = np.clip([voice.pitch + self._bend for voice in voices] + self._shapes.bend[indices], *PITCHES)
        velocity = np.array([voice.velocity for voice in voices])
        pitches, velocities = (np.broadcast_to(line[:, None], clock.shape) for line in (pitch, velocity))
        points = self._shapes.points(self._follower.point, indices, self._reach).repeat(clock.shape[1], 0)
        inputs = [np.array(line.reshape(-1), np.float32) for line in (pitches, velocities, clock, releases)]
        frames = self._frames(points, *inputs).reshape(*clock.shape, -1)
        return self._streams.push(indices, frames, pitches)


HANDLERS: dict[str, Callable[..., None]] = {
    "note_on": Engine._start_note,
    "note_off": Engine._end_note,
    "shape": Engine._set_shape,
    "sustain": Engine._set_pedal,
    "bend": Engine._set_bend,
    "at": Engine._move,
    "path": Engine._follow,
    "hold": Engine._set_hold,
    "gain": Engine._set_gain,
    "panic": Engine._silence,
}
"""What carries out each command of :class:`Controls`. The parameters of a handler are the arguments of the command."""


def check_settings(voices: int, sample_rate: int | None, runtime: str | None) -> None:
    """Raise a ConfigError if a setting of an engine is out of range."""
    check_number("number of voices", voices, 1, MAX_VOICES)
    check_number("sample rate", 8000 if sample_rate is None else sample_rate, 8000, 192000, " Hz")
    requested_runtime(runtime)
