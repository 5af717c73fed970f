"""Augmentation in training: the encoder gets disturbed notes, the decoder has to reconstruct the originals.

A note must have the same point in another recording: through other microphones, in another room, with noise, in few
bits or from a codec, a little louder or later. So the model learns to find the clean note (denoising criterion for
VAEs, Im et al. 2017). The target and its labels do not change, with one exception: a note that is cut short is a
different note with an earlier release, for encoder and decoder. Transposed copies, which change the pitch label, are
made with the features.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from timbre.config import Config, SpectrogramConfig
from timbre.data.features.example import LEVEL_DB
from timbre.spectral import Spectrogram

SHARE = 0.5  # of the notes that are disturbed
# Limits of their disturbances, at strength 1:
TILT = 1.5  # dB per octave, up or down
SHELF_DB = 6.0  # of a shelf with its corner between these frequencies, up or down
CORNERS = 200.0, 5000.0  # Hz
EARLY = 0.004, 0.035  # s: when the first reflection comes
REVERBERATION = 0.1, 0.8  # s, in which the room's sound falls by 60 dB
ROOM_DB = -26.0, -8.0  # power of the first reflection, and of the tail, relative to the direct sound
NOISE_DB = -60.0, -35.0  # relative to the note: the lower is below the spectrogram's floor in every band
OFFSET = 0.02  # s, earlier or later
GAIN_DB = 2.0  # louder or softer than the standard level
CODED = 0.5  # share of those with few bits, and of those from a codec
BITS = 8.0, 12.0
CREST_DB = 6.0, 15.0  # peak of a note above its level
CUTOFFS = 11000.0, 16000.0  # Hz: a codec's highest frequency
HOLES_DB = 40.0, 70.0  # below the loudest band of a frame: a codec leaves out what is softer
DAMPING = 2500.0  # decay of a note that is cut short, dB/s: over in two frames
SHORTEST = 0.15  # shortest duration to which notes are cut, s
_STRETCH = 4  # length of the noise, in notes; it is cut at a random position
_SILENCE = -200.0  # dB; 0 power would make the exponential three times as slow
_NEPERS = math.log(10.0) / 10.0  # per dB of power


def power(spectrogram: Tensor, floor_db: float) -> Tensor:
    """Power of levels in dB; levels at the floor are silence."""
    return F.threshold(spectrogram, floor_db, _SILENCE).mul_(_NEPERS).exp_()


def decibels(power: Tensor, floor_db: float) -> Tensor:
    """Levels in dB of power, at the floor or above."""
    return power.clamp_min(math.exp(floor_db * _NEPERS)).log_().div_(_NEPERS)


def delay(power: Tensor, frames: float) -> Tensor:
    """Power (..., frames) later by a number of frames, after silence; negative: earlier, with the last frame repeated.

    Fractions of a frame are mixtures of neighbours.
    """
    whole, count = math.floor(frames), power.shape[-1]
    early = max(-whole, 0)
    padded = torch.cat([F.pad(power, (max(whole, 0) + 1, 0)), power[..., -1:].expand(*power.shape[:-1], early)], -1)
    return padded[..., early + 1 : early + 1 + count].lerp(padded[..., early : early + count], frames - whole)


def reverberate(power: Tensor, level: Tensor, decay: Tensor) -> Tensor:
    """Power (batch, bins, frames) with a tail: `level` (batch,) times its exponential mean, whose weights fall by the
    factor `decay` (batch,) in each frame.
    """
    level, factor = (values[:, None, None] for values in (level, decay))
    tail, lag = power * (level * (1.0 - factor)), 1
    while lag < power.shape[-1]:  # twice as many frames of the past in each round
        tail[..., lag:] += tail[..., :-lag] * factor
        factor, lag = factor.square(), 2 * lag
    return tail.add_(power)


def coded(spectrogram: Tensor, depth_db: float, bands: Tensor, floor_db: float) -> Tensor:
    """A note, dB (bins, frames), as from a codec: only `bands` (bins,) remain, and what is at most `depth_db` below the
    loudest band of its frame.
    """
    lowest = spectrogram.amax(0) - depth_db
    return torch.where((spectrogram >= lowest) & bands[:, None], spectrogram, floor_db)


def shorten(spectrogram: Tensor, seconds: Tensor, time: Tensor, floor_db: float) -> Tensor:
    """Notes damped after `seconds` (batch,): their level falls by 2.5 dB per ms. Infinity leaves a note unchanged.

    `time` is that of the frames (frames,), s.
    """
    fall = DAMPING * (time - seconds[:, None]).clamp_min(0.0)
    return (spectrogram - fall[:, None]).clamp_min(floor_db)


@dataclass(frozen=True)
class Disturbance:
    """How the notes of a batch are disturbed: a number for each note in arrays (batch,), where nothing else is said."""

    equaliser: np.ndarray  # dB, (batch, bins)
    delay: np.ndarray  # frames
    early: np.ndarray  # whole frames until the first reflection
    early_db: np.ndarray  # its power
    tail_db: np.ndarray  # power of the reverberation
    decay: np.ndarray  # factor of its power for each frame
    noise_db: np.ndarray  # RMS, dB of full scale
    slope: np.ndarray  # of the noise: its power is proportional to f^-slope
    start: int  # first frame of the noise
    step_db: np.ndarray  # frames whose loudest band is softer than a step of a few bits are silent; -inf: none
    gain_db: np.ndarray
    depth_db: np.ndarray  # a codec leaves out what is this far below a frame's loudest band; inf: no codec
    cutoff: np.ndarray  # Hz, the highest frequency of the codec


class Augmentation:
    """What the encoder sees in training: notes in other recordings, as different as `data.augment` says.

    An equaliser (a tilt and a shelf), a room, noise or the rounding of few bits, a codec, another level and onset. All
    random numbers depend only on the training's seed, the rank of this process, the epoch and the index of the batch.
    """

    def __init__(self, config: Config, device: "torch.device | str" = "cpu", rank: int = 0) -> None:
        self.config, self.device, self.rank, self.strength = config, device, rank, config.data.augment
        self.floor = config.spectrogram.floor_db
        self.hertz, _ = _frequencies(config.spectrogram)
        self.centers = self._tensor(self.hertz)
        self.time = self._tensor(np.array(config.frame_numbers) / config.spectrogram.frame_rate)

    @cached_property
    def noise(self) -> "Noise":
        """Noise with the spectrogram's settings."""
        return Noise(self.config, self.device)

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
        cut = shorten(spectrogram, seconds, self.time, self.floor)
        return cut, torch.minimum(release, seconds)

    def __call__(self, spectrogram: Tensor, epoch: int, index: int) -> Tensor:
        """The notes of a batch, dB (batch, bins, frames); half of them are disturbed."""
        if not self.strength:
            return spectrogram
        random = np.random.default_rng([self.config.training.seed, self.rank, epoch, index])
        chosen = np.flatnonzero(random.uniform(0, 1, len(spectrogram)) < SHARE)
        seen = spectrogram.clone()
        seen[chosen] = self.disturbed(spectrogram[chosen], self.draw(random, len(chosen)))
        return seen

    def draw(self, random: np.random.Generator, count: int) -> Disturbance:
        """Random disturbances of `count` notes."""
        strength, rate = self.strength, self.config.spectrogram.frame_rate

        def some(amount: float) -> np.ndarray:
            return strength * amount * random.uniform(-1, 1, count)

        def room() -> np.ndarray:
            return random.uniform(*ROOM_DB, count) + 10.0 * np.log10(strength)

        def within(low: float, high: float) -> np.ndarray:
            return np.exp(random.uniform(np.log(low), np.log(high), count))

        few, codec = (random.uniform(0, 1, count) < strength * CODED for _ in range(2))
        step_db = LEVEL_DB + random.uniform(*CREST_DB, count) - 20.0 * np.log10(2.0) * random.uniform(*BITS, count)
        noise_db = LEVEL_DB + NOISE_DB[0] + strength * (NOISE_DB[1] - NOISE_DB[0]) * random.uniform(0, 1, count)
        return Disturbance(
            equaliser=self._equaliser(some(TILT), some(SHELF_DB), within(*CORNERS)),
            delay=some(OFFSET) * rate,
            early=np.maximum(np.rint(within(*EARLY) * rate), 1).astype(int),
            early_db=room(),
            tail_db=room(),
            decay=10.0 ** (-6.0 / rate / within(*REVERBERATION)),
            noise_db=np.where(few, step_db - 10.0 * np.log10(3.0), noise_db),  # a step of 2 has an error of RMS 3^-.5
            slope=np.where(few, 0.0, random.uniform(0, 1, count)),
            start=int(random.integers((_STRETCH - 1) * self.config.note_frames)),
            step_db=np.where(few, step_db, -np.inf),
            gain_db=some(GAIN_DB),
            depth_db=np.where(codec, random.uniform(*HOLES_DB, count), np.inf),
            cutoff=random.uniform(*CUTOFFS, count),
        )

    def disturbed(self, spectrogram: Tensor, how: Disturbance) -> Tensor:
        """The notes of a batch, dB (batch, bins, frames), in another recording, at the standard level and its gain."""
        heard = power(spectrogram, self.floor)
        level = heard.sum(1).amax(1)
        dense = heard[..., : self.config.dense_frames]  # a delay or decay in frames; later the room changes nothing
        dense.copy_(self._in_room(dense.clone(), how))
        white = self.noise.white[:, how.start : how.start + spectrogram.shape[-1]]
        tilt = self.noise.tilt(how.noise_db, how.slope)[:, :, None]
        heard.mul_(self._power(how.equaliser)[:, :, None]).addcmul_(tilt, white)
        for note in np.flatnonzero(np.isfinite(how.step_db)):
            heard[note] *= heard[note].amax(0) >= 10.0 ** (how.step_db[note] / 10.0)
        scale = self._power(how.gain_db) * level / heard.sum(1).amax(1).clamp_min(1e-30)
        seen = decibels(heard.mul_(scale[:, None, None]), self.floor)
        for note in np.flatnonzero(np.isfinite(how.depth_db)):
            seen[note] = coded(seen[note], how.depth_db[note], self.centers <= how.cutoff[note], self.floor)
        return seen

    def _in_room(self, heard: Tensor, how: Disturbance) -> Tensor:
        """Power (batch, bins, frames) shifted and in rooms."""
        for note, (frames, lag, early_db) in enumerate(zip(how.delay, how.early, how.early_db, strict=True)):
            direct = delay(heard[note], frames)
            heard[note] = direct
            heard[note, :, lag:].add_(direct[:, :-lag], alpha=10.0 ** (early_db / 10.0))
        return reverberate(heard, self._power(how.tail_db), self._tensor(how.decay))

    def _equaliser(self, tilt: np.ndarray, shelf: np.ndarray, corner: np.ndarray) -> np.ndarray:
        """Gain, dB (batch, bins): `tilt` per octave from 1 kHz, and a `shelf` above `corner`, Hz; each (batch,)."""
        above = 1.0 / (1.0 + (corner[:, None] / self.hertz) ** 2)
        return tilt[:, None] * np.log2(self.hertz / 1000.0) + shelf[:, None] * above

    def _power(self, decibels: np.ndarray) -> Tensor:
        return self._tensor(10.0 ** (decibels / 10.0))

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)


class Noise:
    """Stationary noise, from white to pink; `white` is the power of a long stretch of RMS 1, (bins, frames)."""

    def __init__(self, config: Config, device: "torch.device | str") -> None:
        spectrogram = config.spectrogram
        samples = np.random.default_rng(0).standard_normal(_STRETCH * config.note_frames * spectrogram.hop_length)
        with torch.no_grad():
            white = Spectrogram(spectrogram)(torch.from_numpy(samples.astype(np.float32))[None])[0].to(device)
        self.white = power(white, spectrogram.floor_db)
        self.centers, self.bins = _frequencies(spectrogram)

    def tilt(self, level_db: np.ndarray, slope: np.ndarray) -> Tensor:
        """Factors (notes, bins) that turn `white` into noise of RMS `level_db`, dB of full scale.

        Its power is proportional to f^-slope. Levels and slopes are (notes,).
        """
        steepness = -slope[:, None]
        total = np.mean(self.bins**steepness, 1, keepdims=True)  # the same for every slope
        factors = 10.0 ** (level_db[:, None] / 10.0) * self.centers**steepness / total
        return torch.from_numpy(factors.astype(np.float32)).to(self.white.device)


def _frequencies(spectrogram: SpectrogramConfig) -> tuple[np.ndarray, np.ndarray]:
    """Hz of the bands and of the STFT's bins; none is 0, where pink noise would be infinite."""
    bins = np.arange(spectrogram.n_fft // 2 + 1) * spectrogram.sample_rate / spectrogram.n_fft
    centers = Spectrogram(spectrogram).centers.double().numpy()
    return np.maximum(centers, bins[1]), np.maximum(bins, bins[1])
