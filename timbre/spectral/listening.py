"""Listening features of a note: distances between them follow listeners, and faint noise does not move them."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.spectral.auditory import AuditoryFeatures
from timbre.spectral.descriptors import describe
from timbre.spectral.spectrogram import Spectrogram

FLOOR_DB = -64.0  # what is fainter fades out, notes being at a standard level: noise of recordings, 8 bits
GRID = 64, 43  # bands and times of the coarse picture
WEIGHTS = 1.0, 0.5, 0.5  # of auditory features, picture and descriptors
MEANS = 0.550, 0.249, 6.63  # about the mean distances of two notes in each of the three
_NEPER = math.log(10.0) / 10.0  # per dB of power
WIDEST = 3.0  # deviations to which descriptors are limited
# Medians of the descriptors on their natural scales, and half of the range from the 16th to the 84th percentile, of
# 2,449 notes: half of the shipped ones and of two collections of recordings. They are conventions. Bandwidth is left
# out: of all descriptors noise moves it most.
USUAL = {
    "centroid": (10.52, 0.811), "spread": (6.898, 1.21), "skewness": (0.7146, 0.705), "kurtosis": (2.249, 0.545),
    "flatness": (-23.37, 6.46), "rolloff": (11.29, 1.03), "flux": (2.105, 0.962),
    "centroid_variation": (0.2352, 0.234), "spread_variation": (0.73, 0.545), "attack": (-1.581, 0.966),
    "temporal_centroid": (-0.2263, 0.313), "temporal_balance": (0.3212, 0.193), "effective_duration": (-0.368, 0.682),
    "decay_slope": (-1.387, 0.948), "fluctuation": (-0.00273, 0.29), "odd_even": (-0.1585, 3.74),
    "tristimulus_1": (0.3073, 0.333), "tristimulus_2": (0.3355, 0.189), "tristimulus_3": (0.2383, 0.247),
    "irregularity": (2.94, 2.04), "partial_slope": (-9.267, 3.8), "noisiness": (-23.91, 10.3),
    "loudness": (4.589, 0.488), "harmonic_energy": (-12.94, 2.17),
    "inharmonicity": (-2.568, 0.478), "roughness": (-2.703, 1.14),
}  # fmt: skip


def softened(spectrogram: Tensor, floor_db: float = FLOOR_DB) -> Tensor:
    """Levels, dB, plus the power of a floor: faint ones approach it, loud ones stay."""
    return torch.logaddexp(spectrogram * _NEPER, torch.full_like(spectrogram, floor_db * _NEPER)) / _NEPER


class ListeningFeatures(nn.Module):
    """Auditory features, a coarse picture of the levels (cosine distance), and descriptors, side by side.

    Each is divided by its mean distance between two notes, so that the squared distances add with the weights 1, 1/4
    and 1/4. The three together agree with listeners better than any of them (docs/perception.md).

    Args:
        spectrogram: the transform of the spectrograms.
        seconds: length of a note.
    """

    def __init__(self, spectrogram: Spectrogram, seconds: float) -> None:
        super().__init__()
        self.auditory = AuditoryFeatures(spectrogram, seconds)
        self.spectrogram, self.floor = [spectrogram], spectrogram.config.floor_db  # a list: its tables are no part
        self.usual = nn.Buffer(torch.tensor(list(USUAL.values()), device="cpu"), persistent=False)
        self.size = self.auditory.size + GRID[0] * GRID[1] + len(USUAL)

    @torch.no_grad()
    def forward(self, spectrogram: Tensor, pitch: Tensor) -> Tensor:
        """Features (batch, size) of notes, dB (batch, bins, frames), at a pitch (batch,), MIDI, NaN if unknown.

        Frames after the length of notes are left out. Those of a note with levels that are no numbers are NaN.
        """
        spectrogram = spectrogram[..., : len(self.auditory.cells)]
        sound = spectrogram.isfinite().all(2).all(1, keepdim=True)
        soft = softened(torch.where(sound.unsqueeze(2), spectrogram, self.floor))
        picture = F.adaptive_avg_pool2d(soft[:, None] - self.floor + 20.0, GRID).flatten(1)
        natural = describe(soft, self._transform(soft), pitch, list(USUAL), natural=True)
        described = ((natural - self.usual[:, 0]) / self.usual[:, 1]).nan_to_num(0.0).clamp(-WIDEST, WIDEST)
        parts = (self.auditory(soft), F.normalize(picture), described)
        features = torch.cat([w / mean * part for w, mean, part in zip(WEIGHTS, MEANS, parts, strict=True)], 1)
        return torch.where(sound, features, torch.nan)

    def _transform(self, like: Tensor) -> Spectrogram:
        if self.spectrogram[0].centers.device != like.device:
            self.spectrogram[0] = self.spectrogram[0].to(like.device)
        return self.spectrogram[0]
