"""The inverters of all voices of a live engine: one batch for a vocoder, one after another for others."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from timbre.space import Space
from timbre.spectral.inversion.streaming import StreamingInverter
from timbre.vocoder.streaming import VocoderStreams


class VoiceStreams(Protocol):
    """Streams of several sounds, which begin and end independently; see :class:`VocoderStreams`."""

    hop_length: int
    latency: int

    def begin(self, number: int, seed: int) -> None:
        """Begin a new sound."""

    def push(self, numbers: Sequence[int], magnitude: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        """The next hops of some sounds, from frames (sounds, frames, bins) and pitches (sounds, frames)."""

    def flush(self, number: int) -> np.ndarray:
        """The last `latency` samples of a sound."""


class SeparateStreams:
    """Streams that share nothing."""

    def __init__(self, streams: list[StreamingInverter]) -> None:
        self._streams, self.hop_length, self.latency = streams, streams[0].hop_length, streams[0].latency

    def begin(self, number: int, seed: int) -> None:
        """Begin a new sound with a seed for its random phases."""
        self._streams[number].seed = seed
        self._streams[number].reset()

    def push(self, numbers: Sequence[int], magnitude: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        """The next hops of some sounds, float32 (sounds, frames * hop_length)."""
        out = np.empty((len(numbers), magnitude.shape[1] * self.hop_length), np.float32)
        for number, rows, samples in zip(numbers, magnitude, out, strict=True):
            self._streams[number].push(rows.T, samples)
        return out

    def flush(self, number: int) -> np.ndarray:
        """The last `latency` samples of a sound."""
        return self._streams[number].flush()


def voice_streams(space: Space, inverter: str, count: int) -> VoiceStreams:
    """Streams of a causal inverter for `count` voices; a ConfigError if there is no such inverter."""
    space.renderer.check_causal(inverter)
    stft = space.spectrogram.stft
    if space.vocoder and inverter == "vocoder":
        return VocoderStreams(space.vocoder.network, stft, space.config.spectrogram.sample_rate, count)
    return SeparateStreams([StreamingInverter(stft, inverter) for _ in range(count)])
