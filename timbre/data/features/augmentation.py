"""Augmentation in training: the encoder gets disturbed notes, the decoder has to reconstruct the originals.

A note must have the same point with and without changes of loudness, of the exact onset and of the noise of the room,
so the model learns to find the clean note (denoising criterion for VAEs, Im et al. 2017). The target and its labels do
not change, with one exception: a note that is cut short is a different note with an earlier release, for encoder and
decoder. Transposed copies, which change the pitch label, are made with the features.
"""

import math

import numpy as np
import torch
from torch import Tensor

from timbre.config import Config, DataConfig, SpectrogramConfig
from timbre.data.features.example import LEVEL_DB
from timbre.spectral import Spectrogram

NO_NOISE = -60.0  # dB relative to the note: noise of this level is below the spectrogram's floor in every band
DAMPING = 2500.0  # decay of a note that is cut short, dB/s: over in two frames
SHORTEST = 0.15  # shortest duration to which notes are cut, s
_STRETCH = 4  # length of the noise, in notes; it is cut at a random position


def amplify(spectrogram: Tensor, gain: Tensor, floor_db: float) -> Tensor:
    """Notes (batch, bins, frames), dB, louder by `gain` dB (batch,). Levels at the floor are silence and remain."""
    louder = (spectrogram + gain[:, None, None]).clamp_min(floor_db)
    return torch.where(spectrogram > floor_db, louder, spectrogram)


def delay(spectrogram: Tensor, frames: Tensor, floor_db: float) -> Tensor:
    """Notes later by whole `frames` (batch,), after silence; negative: earlier, with the last frame repeated."""
    count = spectrogram.shape[-1]
    source = torch.arange(count, device=spectrogram.device) - frames[:, None]
    index = source.clamp(0, count - 1)[:, None].expand_as(spectrogram)
    return spectrogram.gather(-1, index).masked_fill(source[:, None] < 0, floor_db)


def add_noise(spectrogram: Tensor, noise: Tensor, floor_db: float) -> Tensor:
    """Notes plus noise, both (batch, bins, frames), dB: their powers add."""
    per_db = math.log(10.0) / 10.0
    both = (spectrogram * per_db).exp().add((noise * per_db).exp()).log() / per_db  # a third of logaddexp's time
    return torch.where(spectrogram > floor_db, both, noise.clamp_min(floor_db))


def shorten(spectrogram: Tensor, seconds: Tensor, frame_rate: float, floor_db: float) -> Tensor:
    """Notes damped after `seconds` (batch,): their level falls by 2.5 dB per ms. Infinity leaves a note unchanged."""
    time = torch.arange(spectrogram.shape[-1], device=spectrogram.device) / frame_rate
    fall = DAMPING * (time - seconds[:, None]).clamp_min(0.0)
    return (spectrogram - fall[:, None]).clamp_min(floor_db)


class Augmentation:
    """Random cuts, gain, offset and noise, within `data.shorten`, `gain_db`, `offset` and `noise_db`.

    All random numbers depend only on the training's seed, the rank of this process, the epoch and the index of the
    batch. `active` is whether there is anything to disturb.
    """

    def __init__(self, config: Config, device: "torch.device | str" = "cpu", rank: int = 0) -> None:
        self.config, self.device, self.rank, data = config, device, rank, config.data
        self.floor = config.spectrogram.floor_db
        self.active = data.gain_db > 0 or data.offset > 0 or data.noise_db > NO_NOISE
        self.noise = Noise(config, device) if data.noise_db > NO_NOISE else None

    def cut(self, spectrogram: Tensor, release: Tensor, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        """The notes of a batch, dB (batch, bins, frames), and their releases (batch,) after cutting some short.

        Durations are uniform on a logarithmic scale from 0.15 s to `data.duration`.
        """
        data, count = self.config.data, len(spectrogram)
        if not data.shorten:
            return spectrogram, release
        random = np.random.default_rng([self.config.training.seed, self.rank, epoch, index, 1])
        lengths = SHORTEST * (max(data.duration, SHORTEST) / SHORTEST) ** random.uniform(0, 1, count)
        seconds = self._tensor(np.where(random.uniform(0, 1, count) < data.shorten, lengths, np.inf))
        cut = shorten(spectrogram, seconds, self.config.spectrogram.frame_rate, self.floor)
        return cut, torch.minimum(release, seconds)

    def __call__(self, spectrogram: Tensor, epoch: int, index: int) -> Tensor:
        """Disturbed copies of the notes of a batch, dB (batch, bins, frames)."""
        if not self.active:
            return spectrogram
        random = np.random.default_rng([self.config.training.seed, self.rank, epoch, index])
        data, count = self.config.data, len(spectrogram)
        offsets = np.rint(random.uniform(-1, 1, count) * data.offset * self.config.spectrogram.frame_rate)
        gains = random.uniform(-1, 1, count) * data.gain_db
        if data.offset > 0:
            spectrogram = delay(spectrogram, self._tensor(offsets).long(), self.floor)
        if self.noise:
            spectrogram = add_noise(spectrogram, self.noise(random, count, data), self.floor)
        return amplify(spectrogram, self._tensor(gains), self.floor) if data.gain_db > 0 else spectrogram

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)


class Noise:
    """Spectrograms of stationary noise, from white to pink, cut from one stretch of white noise."""

    def __init__(self, config: Config, device: "torch.device | str") -> None:
        self.frames = config.note_frames
        spectrogram = config.spectrogram
        samples = np.random.default_rng(0).standard_normal(_STRETCH * self.frames * spectrogram.hop_length)
        with torch.no_grad():
            self.white = Spectrogram(spectrogram)(torch.from_numpy(samples.astype(np.float32))[None])[0].to(device)
        self.centers, self.bins = _frequencies(spectrogram)

    def __call__(self, random: np.random.Generator, count: int, data: DataConfig) -> Tensor:
        """Noise for `count` notes, dB (count, bins, frames), with random level, slope and position."""
        level = LEVEL_DB + random.uniform(NO_NOISE, data.noise_db, count)
        slope = random.uniform(0, 1, count)
        return self.cut(level, slope, random.integers(0, self.white.shape[1] - self.frames, count))

    def cut(self, level: np.ndarray, slope: np.ndarray, start: np.ndarray) -> Tensor:
        """Noise, dB (notes, bins, frames), of RMS levels in dB of full scale, with power proportional to f^-slope.

        Levels, slopes and starts (first frames) are (notes,).
        """
        steepness = -slope[:, None]
        power = np.mean(self.bins**steepness, 1, keepdims=True)  # the total is the same for every slope
        tilt = level[:, None] + 10.0 * np.log10(self.centers**steepness / power)
        stretches = torch.stack([self.white[:, first : first + self.frames] for first in start.tolist()])
        return stretches + torch.from_numpy(tilt.astype(np.float32)).to(self.white.device)[:, :, None]


def _frequencies(spectrogram: SpectrogramConfig) -> tuple[np.ndarray, np.ndarray]:
    """Hz of the bands and of the STFT's bins; none is 0, where pink noise would be infinite."""
    bins = np.arange(spectrogram.n_fft // 2 + 1) * spectrogram.sample_rate / spectrogram.n_fft
    centers = Spectrogram(spectrogram).centers.double().numpy()
    return np.maximum(centers, bins[1]), np.maximum(bins, bins[1])
