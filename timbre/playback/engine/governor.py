"""`Governor`: keeps a live engine free of dropouts on a slow machine: fewer voices first, then a larger buffer."""

from collections import deque
from dataclasses import dataclass

from timbre.playback.engine.engine import Engine

_HIGH_LOAD, _LOW_LOAD = 0.85, 0.6
_INTERVAL = 0.2  # s between decisions
_CALM = 3.0  # s without trouble before a step back
_SAFETY, _MARGIN = 1.5, 0.0015  # buffer target: this times a slow step, plus this many s
_STEPS, _OUTLIERS = 64, 2  # recent steps; the longest of them are ignored, since something else delayed them
_MAX_AHEAD = 0.25  # s


@dataclass
class Governor:
    """Decides how much to render ahead (`ahead`, samples of the ring) and how many voices may sound.

    The buffer target is one device block plus 1.5 times a recent slow step. When the load is too high, one voice is
    given up; when the device ran dry at a lower load, or with no voice to give up, the target grows by one block. After
    three calm seconds, half of the extra blocks are removed and one voice is allowed again.
    """

    engine: Engine
    block: int  # samples per callback, at the output rate of the engine

    def __post_init__(self) -> None:
        self._rate, self._max_voices = self.engine.sample_rate, len(self.engine.voices)
        self._steps: deque[float] = deque(maxlen=_STEPS)
        self._extra, self._passed, self._calm, self._underruns = 0, 0.0, 0.0, 0
        self.ahead = self._target()

    def rendered(self, taken: float, made: float, underruns: int) -> None:
        """Take note of a rendering step: s spent, s of sound made, and the total count of the device's underruns."""
        self._steps.append(taken)
        self._passed += made
        if self._passed >= _INTERVAL:
            self._decide(self._passed, underruns > self._underruns)
            self._passed, self._underruns = 0.0, underruns
        self.ahead = self._target()

    def _decide(self, passed: float, dry: bool) -> None:
        load = self.engine.load
        self._calm = 0.0 if dry or load > _HIGH_LOAD else self._calm + passed
        if load > _HIGH_LOAD and len(self.engine.sounding) > 1:
            self.engine.shed()
        elif dry:
            self._extra += self.block
        elif self._calm >= _CALM and load < _LOW_LOAD:
            self._calm = 0.0
            self._extra = self._extra // (2 * self.block) * self.block
            self.engine.limit = min(self.engine.limit + 1, self._max_voices)

    def _target(self) -> int:
        slow = sorted(self._steps)[-1 - _OUTLIERS] if len(self._steps) > _OUTLIERS else 0.0
        ahead = self.block + self._extra + round((slow * _SAFETY + _MARGIN) * self._rate)
        return min(ahead, self.block + round(_MAX_AHEAD * self._rate))
