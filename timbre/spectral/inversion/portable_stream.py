"""A sound by the portable inverter, from frames as they come."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from timbre.config import SpectrogramConfig
from timbre.spectral.inversion.portable import Keyframes, Phases, Portable

_ONE = lru_cache(maxsize=4)(Portable)


class PortableStream:
    """One sound, a hop of samples for every frame after the first. There is no latency.

    Args:
        config: of the spectrogram whose bands the frames' parts are in; the hop is its `hop_length`.
        seed: of the noise.
    """

    def __init__(self, config: SpectrogramConfig, seed: int = 0) -> None:
        self._inverter = _ONE(config, config.hop_length)
        self._last: Keyframes | None = None
        self._phases, self._seed = self._inverter.begin(1), torch.tensor([seed % 2**32])

    @torch.no_grad()
    def push(self, pitch: np.ndarray, partials: Tensor, envelope: Tensor, noise: Tensor) -> np.ndarray:
        """The samples up to the last of some frames, float32 (hop * n,), or one hop fewer at the beginning.

        The frames' parts are those of :meth:`~timbre.spectral.inversion.portable.Portable.prepare`.
        """
        frames = self._inverter.prepare(torch.from_numpy(np.array(pitch, np.float32)), partials, envelope, noise)
        if self._last is not None:
            frames = Keyframes(*(torch.cat(pair) for pair in zip(self._last, frames, strict=True)))
        self._last = Keyframes(*(part[-1:] for part in frames))
        return self._render(Keyframes(*(part[:-1] for part in frames)), Keyframes(*(part[1:] for part in frames)))

    @torch.no_grad()
    def flush(self) -> np.ndarray:
        """One more hop, in which the last frame goes on; nothing if there was no frame."""
        return np.zeros(0, np.float32) if self._last is None else self._render(self._last, self._last)

    def _render(self, before: Keyframes, after: Keyframes) -> np.ndarray:
        moments = []
        for number in range(len(before.hz)):
            moments.append(self._phases)
            here, there = (Keyframes(*(part[number : number + 1] for part in frames)) for frames in (before, after))
            self._phases = self._inverter.advance(here, there, self._phases)
        if not moments:
            return np.zeros(0, np.float32)
        phases = Phases(*(torch.cat(column) for column in zip(*moments, strict=True)))
        return np.asarray(self._inverter.render(before, after, phases, self._seed.expand(len(moments))).flatten())
