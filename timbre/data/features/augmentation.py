"""Augmentation in training: what the encoder sees is disturbed, what the decoder is to find is not.

Loudness, the exact onset and the noise of a room are no places in a timbre space: a note must get the same point with
and without them, so the model is trained to find the clean note behind a disturbed one (denoising criterion for VAEs,
Im et al. 2017). The target stays as it is, and so every label stays true. Only notes that are cut short are other
notes: both see them, with another time of release. Transposed copies, which change the pitch label, are made with the
features.
"""

import math

import numpy as np
import torch
from torch import Tensor

from timbre.config import Config, DataConfig, SpectrogramConfig
from timbre.data.features.example import LEVEL_DB
from timbre.spectral import Spectrogram

NO_NOISE = -60.0  # dB of the note: below the floor in every band
DAMPING = 2500.0  # dB/s of a note that is cut short: over two frames
SHORTEST = 0.15  # s of it
_STRETCH = 4  # noise is made this many times as long as a note, and cut at a random place


def amplify(spectrogram: Tensor, gain: Tensor, floor_db: float) -> Tensor:
    """Notes louder by `gain` dB (batch,); (batch, bins, frames) in dB. What is at the floor is silence and stays."""
    louder = (spectrogram + gain[:, None, None]).clamp_min(floor_db)
    return torch.where(spectrogram > floor_db, louder, spectrogram)


def delay(spectrogram: Tensor, frames: Tensor, floor_db: float) -> Tensor:
    """Notes later by whole `frames` (batch,), after silence; earlier, if negative, and then the last frame stands."""
    count = spectrogram.shape[-1]
    source = torch.arange(count, device=spectrogram.device) - frames[:, None]
    index = source.clamp(0, count - 1)[:, None].expand_as(spectrogram)
    return spectrogram.gather(-1, index).masked_fill(source[:, None] < 0, floor_db)


def add_noise(spectrogram: Tensor, noise: Tensor, floor_db: float) -> Tensor:
    """Notes with noise behind them: the powers add; both (batch, bins, frames) in dB."""
    per_db = math.log(10.0) / 10.0
    both = (spectrogram * per_db).exp().add((noise * per_db).exp()).log() / per_db  # a third of logaddexp's time
    return torch.where(spectrogram > floor_db, both, noise.clamp_min(floor_db))


def shorten(spectrogram: Tensor, seconds: Tensor, frame_rate: float, floor_db: float) -> Tensor:
    """Notes that are damped after `seconds` (batch,): their level falls by 2.5 dB per ms; infinity leaves a note."""
    time = torch.arange(spectrogram.shape[-1], device=spectrogram.device) / frame_rate
    fall = DAMPING * (time - seconds[:, None]).clamp_min(0.0)
    return (spectrogram - fall[:, None]).clamp_min(floor_db)


class Augmentation:
    """Random cuts, gain, offset and noise, as `data.shorten`, `gain_db`, `offset` and `noise_db` allow.

    Args:
        config: the settings.
        device: where the notes are.
        rank: which of several processes this is; each draws its own amounts.

    Attributes:
        active: whether there is anything to do.
    """

    def __init__(self, config: Config, device: "torch.device | str" = "cpu", rank: int = 0) -> None:
        self.config, self.device, self.rank, data = config, device, rank, config.data
        self.floor = config.spectrogram.floor_db
        self.active = data.gain_db > 0 or data.offset > 0 or data.noise_db > NO_NOISE
        self.noise = Noise(config, device) if data.noise_db > NO_NOISE else None

    def cut(self, spectrogram: Tensor, release: Tensor, epoch: int, place: int) -> tuple[Tensor, Tensor]:
        """The notes of a batch, dB (batch, bins, frames), and their releases (batch,) after cutting some short.

        Lengths are even on a logarithmic scale from 0.15 s to `data.duration`; random numbers as in :meth:`__call__`.
        """
        data, count = self.config.data, len(spectrogram)
        if not data.shorten:
            return spectrogram, release
        random = np.random.default_rng([self.config.training.seed, self.rank, epoch, place, 1])
        lengths = SHORTEST * (max(data.duration, SHORTEST) / SHORTEST) ** random.uniform(0, 1, count)
        seconds = self._tensor(np.where(random.uniform(0, 1, count) < data.shorten, lengths, np.inf))
        cut = shorten(spectrogram, seconds, self.config.spectrogram.frame_rate, self.floor)
        return cut, torch.minimum(release, seconds)

    def __call__(self, spectrogram: Tensor, epoch: int, place: int) -> Tensor:
        """Disturbed copies of the notes of a batch, dB (batch, bins, frames).

        How depends on the training's seed, the epoch, the batch's place in it and the rank alone.
        """
        if not self.active:
            return spectrogram
        random = np.random.default_rng([self.config.training.seed, self.rank, epoch, place])
        data, count = self.config.data, len(spectrogram)
        offsets = np.rint(random.uniform(-1, 1, count) * data.offset * self.config.spectrogram.frame_rate)
        gains = random.uniform(-1, 1, count) * data.gain_db
        seen = spectrogram
        if data.offset > 0:
            seen = delay(seen, self._tensor(offsets).long(), self.floor)
        if self.noise:
            seen = add_noise(seen, self.noise(random, count, data), self.floor)
        return amplify(seen, self._tensor(gains), self.floor) if data.gain_db > 0 else seen

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)


class Noise:
    """Stationary noise as the front end sees it, from white to pink, cut from one stretch of white noise."""

    def __init__(self, config: Config, device: "torch.device | str") -> None:
        self.frames = config.note_frames
        spectrogram = config.spectrogram
        samples = np.random.default_rng(0).standard_normal(_STRETCH * self.frames * spectrogram.hop_length)
        with torch.no_grad():
            self.white = Spectrogram(spectrogram)(torch.from_numpy(samples.astype(np.float32))[None])[0].to(device)
        self.centers, self.bins = _frequencies(spectrogram)

    def __call__(self, random: np.random.Generator, count: int, data: DataConfig) -> Tensor:
        """Noise for `count` notes, dB (count, bins, frames): of random level, colour and place."""
        level = LEVEL_DB + random.uniform(NO_NOISE, data.noise_db, count)
        slope = random.uniform(0, 1, count)
        start = random.integers(0, self.white.shape[1] - self.frames, count)
        return self.cut(level, slope, start)

    def cut(self, level: np.ndarray, slope: np.ndarray, start: np.ndarray) -> Tensor:
        """Noise of given RMS levels (dB of full scale), power falling as frequency to the -slope, from given frames.

        Args:
            level, slope, start: one value for each note, (notes,).

        Returns:
            dB, (notes, bins, frames).
        """
        steepness = -slope[:, None]
        power = np.mean(self.bins**steepness, 1, keepdims=True)  # the same in all, whatever the colour
        tilt = level[:, None] + 10.0 * np.log10(self.centers**steepness / power)
        stretches = torch.stack([self.white[:, first : first + self.frames] for first in start.tolist()])
        return stretches + torch.from_numpy(tilt.astype(np.float32)).to(self.white.device)[:, :, None]


def _frequencies(spectrogram: SpectrogramConfig) -> tuple[np.ndarray, np.ndarray]:
    """Hz of the bands, and of the STFT's bins; none is 0, where pink noise would be infinite."""
    bins = np.arange(spectrogram.n_fft // 2 + 1) * spectrogram.sample_rate / spectrogram.n_fft
    centers = Spectrogram(spectrogram).centers.double().numpy()
    return np.maximum(centers, bins[1]), np.maximum(bins, bins[1])
