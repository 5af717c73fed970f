"""`NoteShapes`: the bend, gain and place of each voice of a live engine, smoothed."""

from typing import NamedTuple

import numpy as np

from timbre.playback.controls import Key


class Shape(NamedTuple):
    """What shapes a note: its point is `keep` times that of all notes plus `offset`."""

    bend: float = 0.0  # semitones
    gain: float = 1.0  # amplitude
    keep: float = 1.0
    offset: "np.ndarray | float" = 0.0  # (dim,)


PLAIN = Shape()
_KEYS = 256  # whose shapes are kept, at most


class NoteShapes:
    """Shapes of `voices` voices, in a space of `dim` dimensions; keys keep theirs until they are released.

    Attributes:
        bend, keep: (voices,), now.
        offset: (voices, dim), now.
        gain: amplitudes (voices, 2), at the start and the end of the current frame.
    """

    def __init__(self, voices: int, dim: int) -> None:
        self.bend, self.keep, self.gain = np.zeros(voices), np.ones(voices), np.ones((voices, 2))
        self.offset = np.zeros((voices, dim), np.float32)
        self._to = (self.bend.copy(), self.keep.copy(), self.gain[:, 1].copy(), self.offset.copy())
        self._keys: dict[Key, Shape] = {}

    def set(self, key: Key, shape: Shape, voices: list[int]) -> None:
        """Shape the notes of a key: those of some voices, and those that begin later."""
        self._keys.pop(key, None)
        self._keys[key] = shape
        if len(self._keys) > _KEYS:
            del self._keys[next(iter(self._keys))]
        for voice in voices:
            self._aim(voice, shape)

    def begin(self, key: Key, voice: int) -> None:
        """Give a voice that begins a note the shape of its key, at once."""
        self._aim(voice, self._keys.get(key, PLAIN))
        bend, keep, gain, offset = self._to
        self.bend[voice], self.keep[voice], self.gain[voice], self.offset[voice] = (
            bend[voice], keep[voice], gain[voice], offset[voice],
        )  # fmt: skip

    def forget(self, key: Key | None = None) -> None:
        """Forget the shape of a key that is released, or those of all."""
        if key is None:
            self._keys.clear()
        else:
            self._keys.pop(key, None)

    def advance(self, bend_share: float, share: float) -> None:
        """Move on by one frame, by shares of what is left."""
        bend, keep, gain, offset = self._to
        self.bend += bend_share * (bend - self.bend)
        self.keep += share * (keep - self.keep)
        self.offset += np.float32(share) * (offset - self.offset)
        self.gain[:, 0] = self.gain[:, 1]
        self.gain[:, 1] += share * (gain - self.gain[:, 1])

    def points(self, point: np.ndarray, voices: list[int], reach: float) -> np.ndarray:
        """The points (voices, dim), float32, of some voices, where that of all is `point` (dim,)."""
        shaped = self.keep[voices, None] * point + self.offset[voices]
        return shaped.clip(-reach, reach).astype(np.float32)

    def _aim(self, voice: int, shape: Shape) -> None:
        bend, keep, gain, offset = self._to
        bend[voice], keep[voice], gain[voice], offset[voice] = shape.bend, shape.keep, shape.gain, shape.offset
