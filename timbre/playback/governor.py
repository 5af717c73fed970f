"""Keeps a live engine from clicking on a machine that is too slow for it: fewer voices first, then more ahead."""

from dataclasses import dataclass

from timbre.playback.engine import Engine

_TOO_MUCH, _EASY = 0.85, 0.6  # load
_EVERY = 0.2  # s
_CALM = 5.0  # s without trouble after which one thing is taken back
_SAFETY, _MARGIN = 1.5, 0.0015  # what rendering took at longest, times this, and s beside it, are kept ahead
_FORGET = 10.0  # s in which half of the longest is forgotten
_MOST = 0.25  # s ahead


@dataclass
class Governor:
    """Decides how much is rendered ahead, and how many voices may sound.

    What is kept ahead is one block of the device and as long as rendering a step has taken at longest of late. When the
    load is too high a voice is given up; when the device ran dry although it is not, or there is no voice to give up,
    a block more is kept ahead. After five calm seconds one of them is taken back.

    Attributes:
        engine: whose voices these are.
        block: samples per callback of the device, at the engine's output rate.
        ahead: samples to keep in the ring.
    """

    engine: Engine
    block: int

    def __post_init__(self) -> None:
        self._rate, self._most = self.engine.sample_rate, len(self.engine.voices)
        self._longest, self._extra, self._since, self._calm, self._underruns = 0.0, 0, 0.0, 0.0, 0
        self.ahead = self._wanted()

    def rendered(self, taken: float, made: float, underruns: int) -> None:
        """Take note of a step.

        Args:
            taken, made: s that rendering took, and s of sound that it made.
            underruns: of the device, since it was opened.
        """
        self._longest = max(taken, self._longest * 0.5 ** (made / _FORGET))
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
            if self.engine.limit < self._most:
                self.engine.limit += 1
            else:
                self._extra = max(0, self._extra - self.block)

    def _wanted(self) -> int:
        ahead = self.block + self._extra + round((self._longest * _SAFETY + _MARGIN) * self._rate)
        return min(ahead, self.block + round(_MOST * self._rate))
