"""`Follower`: the moving point of a live engine: at rest, gliding, or on a path; always smoothed."""

import numpy as np

from timbre.paths import Path

_SMOOTHING = 0.02  # s, time constant


class Follower:
    """Moves `point` (dim,), float32, frame by frame; `frame_rate` is in frames per second.

    `share` is the part of what is left that it moves in a frame.
    """

    def __init__(self, point: np.ndarray, frame_rate: float) -> None:
        self.point: np.ndarray = np.asarray(point, np.float32).copy()
        self._step, self.share = 1.0 / frame_rate, 1.0 - np.exp(-1.0 / (_SMOOTHING * frame_rate))
        self.glide(self.point, 0.0)

    def follow(self, path: Path, duration: float, loop: bool = False) -> None:
        """Follow a path from its start; `duration` is the time to its end, s."""
        self._path, self._duration, self._loop, self._time = path, duration, loop, 0.0

    def glide(self, point: np.ndarray, duration: float) -> None:
        """Move to a point in a straight line in `duration` seconds."""
        if duration <= 0.0:
            self.follow(Path(point, np.zeros(1)), 1.0)
        else:
            self.follow(Path(np.stack([self.point, point]), np.array([0.0, 1.0])), duration)

    def advance(self, at_once: bool = False) -> None:
        """Move on by one frame; `at_once` skips the smoothing, while nothing sounds."""
        time = self._time / self._duration
        target = self._path.at(np.array([time % 1.0 if self._loop else time]))[0]
        share = 1.0 if at_once else self.share
        self.point = (self.point + share * (target - self.point)).astype(np.float32)
        self._time += self._step
