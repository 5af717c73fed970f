"""Descriptors of the decoded frames of a sound, as functions of the point at each moment, for steering."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.space import NoteControls, Space
from timbre.spectral.descriptors import DESCRIPTORS, check_names, describe_frames

AUDIBLE = 40.0  # dB below the loudest frame of the start, to which frames have weight
_SOFT = 2.0  # dB over which the weight falls
_BLOCK = 512  # frames decoded at a time: a long sound takes more time, not more memory

STEPS = {
    "centroid": 0.05, "bandwidth": 0.1, "spread": 0.1, "skewness": 0.05, "kurtosis": 0.1, "flatness": 1.0,
    "rolloff": 0.1, "loudness": 0.1, "odd_even": 1.0, "tristimulus_1": 0.02, "tristimulus_2": 0.02,
    "tristimulus_3": 0.02, "irregularity": 1.0, "partial_slope": 0.5, "noisiness": 1.0, "harmonic_energy": 1.0,
    "inharmonicity": 0.1, "roughness": 0.2,
}  # fmt: skip
"""Just noticeable steps on the natural scales, approximately: 3.5% of a centroid, 1 dB or 1 phon of a level; for the
others, of which less is known, steps of the same share of their range among notes."""


class Course:
    """Decoded frames of one sound: each is a function of its own point, as the decoder has no memory.

    `names` are descriptors of frames, `count` is the number of frames; a line of pitch or velocity has as many values.
    """

    def __init__(self, space: Space, names: Sequence[str], controls: NoteControls, count: int) -> None:
        check_names(names)
        self.space, self.names, self.count = space, tuple(names), count
        self.pitch, self.velocity = (torch.tensor(line) for line in controls.lines(count))
        self.steady = bool((self.pitch == self.pitch[0]).all() | self.pitch.isnan().all())
        self.release = torch.tensor([controls.release])
        self.clock = torch.arange(self.count) / space.config.spectrogram.frame_rate
        self.scale = torch.tensor([STEPS[name] for name in names])

    def spectra(self, points: Tensor, frames: Tensor) -> Tensor:
        """Decoded levels, dB (bins, n), of points (n, dim) at frames (n,)."""
        pitch = self.pitch[:1] if self.steady else self.pitch[frames][None]
        conditions = Conditions(pitch, self.velocity[frames][None], self.release)
        model = self.space.model
        return model.decoder(model.latent(points[None], pitch), conditions, self.clock[frames])[0]

    def values(self, points: Tensor, frames: Tensor) -> Tensor:
        """Descriptors on their natural scales (n, names) of points (n, dim) at frames (n,); without gradients."""
        with torch.no_grad():
            parts = zip(points.split(_BLOCK), frames.split(_BLOCK), strict=True)
            return torch.cat([self._values(*part) for part in parts])

    def _values(self, points: Tensor, frames: Tensor) -> Tensor:
        decoded = self.spectra(points, frames)[None]
        return describe_frames(decoded, self.space.spectrogram, self.pitch[frames][None], self.names, natural=True)[0].T

    def slopes(self, points: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The values (n, names), and their exact Jacobians (n, names, dim)."""
        parts = zip(points.split(_BLOCK), frames.split(_BLOCK), strict=True)
        values, rows = zip(*[self._slopes(*part) for part in parts], strict=True)
        return torch.cat(values), torch.cat(rows)

    @torch.enable_grad()
    def _slopes(self, points: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        # Frames do not depend on each other's points, so one backward pass gives one descriptor's rows of all frames.
        at = points.detach().requires_grad_(True)
        values = self._values(at, frames)
        rows = [torch.autograd.grad(column.sum(), at, retain_graph=True)[0] for column in values.unbind(1)]
        return values.detach(), torch.stack(rows, 1)

    def weight(self, spectra: Tensor) -> Tensor:
        """Weights (frames,), 0 to 1, of frames in dB (bins, frames), by their levels; 0 after the release."""
        level = torch.logsumexp(spectra * (np.log(10.0) / 10.0), 0) * (10.0 / np.log(10.0))
        return torch.sigmoid((level - level.max() + AUDIBLE) / _SOFT) * (self.clock <= self.release)

    def require_defined(self, start: Tensor) -> None:
        """Raise a ConfigError if a value (frames, names) of the start is not defined."""
        defined = start.isfinite().all(0)
        if not defined.all():
            name = self.names[int(defined.int().argmin())]
            raise ConfigError(
                f"{name} is a descriptor of partials, for which this sound must have a lower pitch; steer another "
                "descriptor, or give a lower pitch."
            )

    def public(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Natural values (frames, names) by name, in their units."""
        columns = torch.from_numpy(values).unbind(1)
        return {n: DESCRIPTORS[n].scale.public(c).numpy() for n, c in zip(self.names, columns, strict=True)}
