"""The inverters of all voices of a live engine: one batch for vocoder and portable, one after another for others."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from timbre.config import SpectrogramConfig
from timbre.space import Space
from timbre.spectral.inversion.portable import Keyframes, Phases, Portable
from timbre.spectral.inversion.streaming import PORTABLE, StreamingInverter
from timbre.vocoder.streaming import VocoderStreams


class VoiceStreams(Protocol):
    """Streams of several sounds, which begin and end independently; see :class:`VocoderStreams`."""

    hop_length: int
    latency: int

    def begin(self, number: int, seed: int) -> None:
        """Begin a new sound."""

    def push(self, numbers: Sequence[int], frames: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        """The next hops of some sounds, from frames (sounds, frames, size) and pitches (sounds, frames)."""

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

    def push(self, numbers: Sequence[int], frames: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        """The next hops of some sounds, float32 (sounds, frames * hop_length)."""
        out = np.empty((len(numbers), frames.shape[1] * self.hop_length), np.float32)
        for number, rows, samples in zip(numbers, frames, out, strict=True):
            self._streams[number].push(rows.T, samples)
        return out

    def flush(self, number: int) -> np.ndarray:
        """The last `latency` samples of a sound."""
        return self._streams[number].flush()


class PortableStreams:
    """Streams of the portable inverter, one hop late: a hop lies between two frames.

    Args:
        config: of the spectrogram.
        harmonics: number of partials in a frame.
        count: of streams.
    """

    def __init__(self, config: SpectrogramConfig, harmonics: int, count: int) -> None:
        self.hop_length = self.latency = config.hop_length
        self._inverter, self._sizes = Portable(config, config.hop_length), [harmonics, config.bins, config.bins]
        self._last: list[Keyframes | None] = [None] * count
        self._phases, self._seeds = [self._inverter.begin(1) for _ in range(count)], [0] * count

    def begin(self, number: int, seed: int) -> None:
        """Begin a new sound with a seed of its noise."""
        self._last[number], self._phases[number], self._seeds[number] = None, self._inverter.begin(1), seed % 2**32

    @torch.inference_mode()
    def push(self, numbers: Sequence[int], frames: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        """The next hops of some sounds, float32 (sounds, frames * hop_length), from levels of partials, envelope and
        noise, side by side."""
        hops = [self._push(numbers, frames[:, n], pitch[:, n]) for n in range(frames.shape[1])]
        return np.concatenate(hops, 1)

    @torch.inference_mode()
    def flush(self, number: int) -> np.ndarray:
        """The last `latency` samples of a sound: the last frame goes on."""
        last = self._last[number]
        return np.zeros(self.latency, np.float32) if last is None else self._rendered([number], last, last)[0]

    def _push(self, numbers: Sequence[int], frame: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        parts = torch.from_numpy(np.ascontiguousarray(frame)).split(self._sizes, 1)
        after = self._inverter.prepare(torch.from_numpy(pitch.astype(np.float32)), *parts)
        rows = [Keyframes(*(part[n : n + 1] for part in after)) for n in range(len(numbers))]
        before = [self._last[number] or row for number, row in zip(numbers, rows, strict=True)]
        known = [n for n, number in enumerate(numbers) if self._last[number] is not None]
        out = np.zeros((len(numbers), self.hop_length), np.float32)
        if known:
            ends = (Keyframes(*map(torch.cat, zip(*(end[n] for n in known), strict=True))) for end in (before, rows))
            out[known] = self._rendered([numbers[n] for n in known], *ends)
        for number, row in zip(numbers, rows, strict=True):
            self._last[number] = row
        return out

    def _rendered(self, numbers: Sequence[int], before: Keyframes, after: Keyframes) -> np.ndarray:
        """A hop of some sounds, whose phases move on."""
        phases = Phases(*map(torch.cat, zip(*(self._phases[number] for number in numbers), strict=True)))
        later = self._inverter.advance(before, after, phases)
        for n, number in enumerate(numbers):
            self._phases[number] = Phases(*(part[n : n + 1] for part in later))
        seeds: Tensor = torch.tensor([self._seeds[number] for number in numbers])
        return np.asarray(self._inverter.render(before, after, phases, seeds))


def voice_streams(space: Space, inverter: str, count: int) -> VoiceStreams:
    """Streams of a causal inverter for `count` voices; a ConfigError if there is no such inverter."""
    space.renderer.check_causal(inverter)
    if inverter == PORTABLE:
        return PortableStreams(space.config.spectrogram, space.config.model.harmonics, count)
    stft = space.spectrogram.stft
    if space.vocoder and inverter == "vocoder":
        return VocoderStreams(space.vocoder.network, stft, space.config.spectrogram.sample_rate, count)
    return SeparateStreams([StreamingInverter(stft, inverter) for _ in range(count)])
