"""`Voice`: one note of a live engine: its clock, its level, and the samples made so far."""

import numpy as np

from timbre.models.frame_decoder import HELD
from timbre.playback.controls import Key
from timbre.playback.engine.streams import VoiceStreams

_SILENT_LEVEL = 3e-5  # amplitude below which a hop is silent: -90 dB
_SILENT_HOPS = 6  # silent hops after which a note is finished
_RING_TIME, _FADE = 1.0, 0.3  # s after the release until a note that still sounds fades out, and of that fade


class Voice:
    """Plays one note after another.

    A note starts with a burst: the frames that its first hop of samples needs are inverted at once, and the samples
    before the onset are dropped. So it starts without the delay of the inverter's look-ahead. After that, each frame
    makes one hop.

    Args:
        streams: the causal inverters of all voices.
        index: of this voice's own.
        frame_rate: frames per second.
    """

    def __init__(self, streams: VoiceStreams, index: int, frame_rate: float) -> None:
        self._streams, self.index, self._frame_time, self._hop = streams, index, 1.0 / frame_rate, streams.hop_length
        self.burst = -(-streams.latency // self._hop) + 1  # frames that a note starts with
        self._sound = np.zeros((self.burst + 2) * self._hop, np.float32)
        self._clear(None, 0.0, 0.0, 0)

    def _clear(self, key: Key | None, pitch: float, velocity: float, number: int) -> None:
        self.key, self.pitch, self.velocity, self.number = key, pitch, velocity, number
        self.new = key is not None  # the note has no samples yet
        self.released = self.sustained = False  # sustained: the key is up and the pedal sustains the note
        self.level = 1.0  # largest amplitude of the last hop
        self._clock, self._release, self._since_release, self._silent_hops = 0.0, HELD, 0.0, 0
        self._made = self._taken = 0
        self._last_gain = np.float32(1.0)  # of the sound that was taken last

    @property
    def free(self) -> bool:
        """Whether the voice has no note."""
        return self.key is None

    def begin(self, key: Key, pitch: float, velocity: float, seed: int, number: int) -> None:
        """Take a note, which :meth:`start` gives its first samples."""
        self._clear(key, pitch, velocity, number)
        self._streams.begin(self.index, seed)

    def release(self) -> None:
        """Let the note die away."""
        self.released, self.sustained = True, False

    def advance(self, hold: float) -> tuple[float, float]:
        """Time of the next frame and of the release, s after the onset, for the decoder; moves the clock by a frame.

        Until the release the clock stops at `hold`.
        """
        if self.released and self._release == HELD:
            self._release = self._clock
        now = self._clock
        if self.released:
            self._since_release += self._frame_time
            self._clock += self._frame_time
        elif now < hold:
            self._clock = min(now + self._frame_time, hold)
        return now, self._release

    def start(self, sound: np.ndarray, gain: float) -> None:
        """Take the sound of a burst of frames, which begins `latency` samples before the onset, by a gain."""
        self._made, self._taken, self.new = len(sound), self._streams.latency, False
        self._last_gain = self._gain * np.float32(gain)
        self._sound[: self._made] = sound * self._last_gain

    def take(self, count: int) -> np.ndarray:
        """The next samples (count,)."""
        self._taken += count
        return self._sound[self._taken - count : self._taken]

    def add(self, sound: np.ndarray, gains: np.ndarray) -> None:
        """Take one more hop of sound, by gains (2,) at its start and its end."""
        left = self._made - self._taken
        self._sound[:left] = self._sound[self._taken : self._made].copy()
        self._made, self._taken = left + self._hop, 0
        hop = self._sound[left : self._made]
        first, last = self._gain * gains.astype(np.float32)
        self._last_gain = last
        np.multiply(sound, last if first == last else np.linspace(first, last, self._hop, dtype=np.float32), out=hop)
        if self._since_release > _RING_TIME:
            hop *= self._fade()
        self.level = float(np.abs(hop).max())
        ends = float(np.abs(sound).max()) * self._gain < _SILENT_LEVEL  # a note that is turned down may come back
        self._silent_hops = self._silent_hops + 1 if ends else 0

    @property
    def finished(self) -> bool:
        """Whether the note has died away."""
        return self._silent_hops >= _SILENT_HOPS or self._since_release > _RING_TIME + _FADE

    def end(self, fade: int) -> np.ndarray:
        """Cut the note short and free the voice; returns its last samples, faded out, (fade,) or less."""
        rest = self._sound[self._taken : self._made].copy()
        if not self.new and len(rest) < fade:
            rest = np.concatenate([rest, self._streams.flush(self.index) * self._last_gain])
        rest = rest[:fade]
        self.key, self.new = None, False
        return rest * (0.5 + 0.5 * np.cos(np.pi * (np.arange(len(rest)) + 1) / max(len(rest), 1)))

    @property
    def _gain(self) -> np.float32:
        return np.float32(self.velocity * self.velocity)

    def _fade(self) -> np.ndarray:
        """Gains for a hop of a note that does not die away by itself."""
        end = self._since_release - _RING_TIME
        edges = np.linspace(end - self._frame_time, end, self._hop) / _FADE
        return np.cos(0.5 * np.pi * np.clip(edges, 0.0, 1.0)).astype(np.float32)
