"""Where a sound is while it moves: to a point, along a glide or a path, always smoothed."""

import numpy as np

from timbre.paths import Path

_SMOOTHING = 0.02  # s, time constant


class Follower:
    """Follows what it is told, from frame to frame.

    Args:
        point: where it begins, (dim,).
        frame_rate: frames per second.

    Attributes:
        point: where it is, (dim,), float32.
    """

    def __init__(self, point: np.ndarray, frame_rate: float) -> None:
        self.point: np.ndarray = np.asarray(point, np.float32).copy()
        self._step, self._share = 1.0 / frame_rate, 1.0 - np.exp(-1.0 / (_SMOOTHING * frame_rate))
        self._path, self._duration, self._loop, self._time = Path(self.point, np.zeros(1)), 1.0, False, 0.0

    def go(self, path: Path, duration: float, loop: bool = False) -> None:
        """Follow a path from its beginning, through all of it in `duration` seconds."""
        self._path, self._duration, self._loop, self._time = path, duration, loop, 0.0

    def glide(self, point: np.ndarray, duration: float) -> None:
        """Go to a point on a straight line in `duration` seconds."""
        if duration <= 0.0:
            self.go(Path(point, np.zeros(1)), 1.0)
        else:
            self.go(Path(np.stack([self.point, point]), np.array([0.0, 1.0])), duration)

    def stop(self) -> None:
        """Stay."""
        self.glide(self.point, 0.0)

    def advance(self, at_once: bool = False) -> None:
        """Go on by a frame; `at_once` without smoothing, where nobody hears it."""
        time = self._time / self._duration
        wanted = self._path.at(np.array([time % 1.0 if self._loop else time]))[0]
        share = 1.0 if at_once else self._share
        self.point = (self.point + share * (wanted - self.point)).astype(np.float32)
        self._time += self._step
