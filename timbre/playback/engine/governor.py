"""Keeps a live engine from clicking on a machine that is too slow for it: fewer voices first, then more ahead."""

from collections import deque
from dataclasses import dataclass

from timbre.playback.engine.engine import Engine

_TOO_MUCH, _EASY = 0.85, 0.6  # load
_EVERY = 0.2  # s
_CALM = 3.0  # s without trouble after which something is taken back
_SAFETY, _MARGIN = 1.5, 0.0015  # what a long step takes, times this, and s beside it, are kept ahead
_STEPS, _SPARED = 64, 2  # steps that are looked back at; the longest of them, which something else has held up
_MOST = 0.25  # s ahead


@dataclass
class Governor:
    """Decides how much is rendered ahead, and how many voices may sound.

    What is kept ahead is one block of the device and as long as rendering a long step takes at present. When the load
    is too high a voice is given up; when the device ran dry although it is not, or there is no voice to give up, a
    block more is kept ahead. After three calm seconds half of those blocks are taken back, and a voice.

    Attributes:
        engine: whose voices these are.
        block: samples per callback of the device, at the engine's output rate.
        ahead: samples to keep in the ring.
    """

    engine: Engine
    block: int

    def __post_init__(self) -> None:
        self._rate, self._most = self.engine.sample_rate, len(self.engine.voices)
        self._steps: deque[float] = deque(maxlen=_STEPS)
        self._extra, self._since, self._calm, self._underruns = 0, 0.0, 0.0, 0
        self.ahead = self._wanted()

    def rendered(self, taken: float, made: float, underruns: int) -> None:
        """Take note of a step.

        Args:
            taken, made: s that rendering took, and s of sound that it made.
            underruns: of the device, since it was opened.
        """
        self._steps.append(taken)
        self._since += made
        if self._since >= _EVERY:
            self._decide(self._since, underruns > self._underruns)
            self._since, self._underruns = 0.0, underruns
        self.ahead = self._wanted()

    def _decide(self, passed: float, dry: bool) -> None:
        load = self.engine.load
        self._calm = 0.0 if dry or load > _TOO_MUCH else self._calm + passed
        if load > _TOO_MUCH and self.engine.sounding > 1:
            self.engine.shed()
        elif dry:
            self._extra += self.block
        elif self._calm >= _CALM and load < _EASY:
            self._calm = 0.0
            self._extra = self._extra // (2 * self.block) * self.block
            self.engine.limit = min(self.engine.limit + 1, self._most)

    def _wanted(self) -> int:
        long = sorted(self._steps)[-1 - _SPARED] if len(self._steps) > _SPARED else 0.0
        ahead = self.block + self._extra + round((long * _SAFETY + _MARGIN) * self._rate)
        return min(ahead, self.block + round(_MOST * self._rate))
