"""A voice of a live engine: one note's clock, its stream of frames, and its sound as far as it is made."""

import numpy as np

from timbre.playback.controls import Key
from timbre.playback.engine.frames import HELD
from timbre.space.renderer import Stream

_SILENT = 3e-5  # amplitude below which a hop counts as silent: -90 dB
_PATIENCE = 6  # silent hops after which a note is over
_DYING = 1.0  # s after it was let go at which a note that still sounds begins to be faded out
_FADE = 0.3  # s


class Voice:
    """Plays one note after another.

    A note begins with a burst: the frames that its first hop of samples needs are pushed at once, and what comes out
    before the onset is thrown away. So it sounds without waiting for the inverter's look-ahead. From then on one frame
    makes one hop.

    Args:
        stream: a causal inverter of the space, of its own.
        frame_rate: frames per second.

    Attributes:
        burst: frames that a note begins with.
        key: what the note is let go by; None while the voice is free.
        pitch: MIDI, NaN without pitch.
        velocity: 0..1.
        fresh: the note has not begun yet.
        let_go: it dies away.
        kept: its key is up, and the pedal holds it.
        age: number of the note since the engine's beginning.
        level: largest amplitude of the last hop.
        magnitude: the frame that is to be pushed next, (bins,), and its pitch; or None.
    """

    def __init__(self, stream: Stream, frame_rate: float) -> None:
        self._inverter, self._frame_rate, self._hop = stream, frame_rate, stream.hop_length
        self.burst = -(-self._inverter.latency // self._hop) + 1
        self._sound, self._made, self._taken = np.zeros((self.burst + 2) * self._hop, np.float32), 0, 0
        self.key: Key | None = None
        self.magnitude: tuple[np.ndarray, float] | None = None
        self.pitch = self.velocity = self.level = 0.0
        self.age, self.fresh, self.let_go, self.kept = 0, False, False, False
        self._clock, self._release, self._since, self._quiet = 0.0, HELD, 0.0, 0

    @property
    def free(self) -> bool:
        """Whether it has no note."""
        return self.key is None

    def warm(self, bins: int) -> None:
        """Make a little sound and forget it: the first time takes an inverter longer."""
        for count in (self.burst, 1):
            self._inverter.push(np.full((bins, count), 0.01, np.float32), pitch=60.0)
        self._inverter.reset()

    def begin(self, key: Key, pitch: float, velocity: float, seed: int, age: int) -> None:
        """Take a note; it begins with the next burst."""
        self.key, self.pitch, self.velocity, self.age = key, pitch, velocity, age
        self.fresh, self.let_go, self.kept, self.magnitude = True, False, False, None
        self._clock, self._release, self._since, self._quiet = 0.0, HELD, 0.0, 0
        self._made = self._taken = 0
        self.level = 1.0
        self._inverter.seed = seed
        self._inverter.reset()

    def times(self, hold: float) -> tuple[float, float]:
        """Time of the next frame and of the release, s after the onset, as the decoder takes them; the clock goes on.

        While the note is held the clock stops at `hold`.
        """
        if self.let_go and self._release == HELD:
            self._release = self._clock
        now = self._clock
        if self.let_go:
            self._since += 1.0 / self._frame_rate
            self._clock += 1.0 / self._frame_rate
        elif now < hold:
            self._clock = min(now + 1.0 / self._frame_rate, hold)
        return now, self._release

    def start(self, frames: list[tuple[np.ndarray, float]]) -> None:
        """Make the first hop of sound, or less, of a burst: frames (bins,) with pitches. What is early is dropped."""
        magnitudes, pitches = zip(*frames, strict=True)
        self._made, self._taken, self.fresh = len(frames) * self._hop, self._inverter.latency, False
        sound = self._sound[: self._made]
        self._inverter.push(np.stack(magnitudes, 1), sound, np.array(pitches))
        sound *= np.float32(self.velocity * self.velocity)

    def push(self, magnitude: np.ndarray, pitch: float) -> None:
        """Make a hop of sound of a frame (bins,) at a pitch."""
        self._make_room()
        hop = self._sound[self._made : self._made + self._hop]
        self._inverter.push(magnitude, hop, pitch)
        hop *= np.float32(self.velocity * self.velocity)
        if self._since > _DYING:
            hop *= self._fading()
        self._made += self._hop
        self.level = float(np.abs(hop).max())
        self._quiet = self._quiet + 1 if self.level < _SILENT else 0

    def take(self, count: int) -> np.ndarray:
        """The next samples (count,); the frame that is at hand is pushed when they run short."""
        if self._made - self._taken < count and self.magnitude is not None:
            self.push(*self.magnitude)
            self.magnitude = None
        self._taken += count
        return self._sound[self._taken - count : self._taken]

    @property
    def over(self) -> bool:
        """Whether the note has died away."""
        return self._quiet >= _PATIENCE or self._since > _DYING + _FADE

    def end(self, fade: int) -> np.ndarray:
        """Cut the note short and free the voice: what is left to be heard, (fade,) or less, going down to 0."""
        rest = self._sound[self._taken : self._made].copy()
        if not self.fresh and len(rest) < fade:
            rest = np.concatenate([rest, self._inverter.flush() * np.float32(self.velocity * self.velocity)])
        rest = rest[:fade]
        self.key, self.fresh, self.magnitude = None, False, None
        return rest * (0.5 + 0.5 * np.cos(np.pi * (np.arange(len(rest)) + 1) / max(len(rest), 1)))

    def _make_room(self) -> None:
        left = self._made - self._taken
        self._sound[:left] = self._sound[self._taken : self._made].copy()
        self._made, self._taken = left, 0

    def _fading(self) -> np.ndarray:
        """Gains of a hop of a note that will not die by itself, down to 0."""
        end = self._since - _DYING
        edges = np.linspace(end - 1.0 / self._frame_rate, end, self._hop) / _FADE
        return np.cos(0.5 * np.pi * np.clip(edges, 0.0, 1.0)).astype(np.float32)
