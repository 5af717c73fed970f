"""One hop of the portable inverter as a function of tensors alone, for runtimes that keep the state outside."""

import torch
from torch import Tensor, nn

from timbre.spectral.inversion.portable import Phases, Portable

INPUTS = (
    "pitch", "partials", "envelope", "noise", "pitch_after", "partials_after", "envelope_after", "noise_after", "phase",
    "tone_phases", "time", "seed",
)  # fmt: skip
OUTPUTS = ("sound", "next_phase", "next_tone_phases", "next_time")


class Hop(nn.Module):
    """The samples from one frame to the next, of several voices."""

    def __init__(self, inverter: Portable, harmonics: int) -> None:
        super().__init__()
        self.inverter, self.harmonics = inverter, harmonics

    def forward(
        self, pitch: Tensor, partials: Tensor, envelope: Tensor, noise: Tensor, pitch_after: Tensor,
        partials_after: Tensor, envelope_after: Tensor, noise_after: Tensor, phase: Tensor, tone_phases: Tensor,
        time: Tensor, seed: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        """Sound (n, hop), and the next phases and time; the frames are those of `Portable.prepare`."""
        before = self.inverter.prepare(pitch, partials, envelope, noise)
        after = self.inverter.prepare(pitch_after, partials_after, envelope_after, noise_after)
        phases = Phases(phase, tone_phases, time)
        later = self.inverter.advance(before, after, phases)
        return self.inverter.render(before, after, phases, seed), later.harmonics, later.tones, later.time

    def examples(self) -> dict[str, Tensor]:
        """Inputs of five voices by name, with and without pitch."""
        rows, bands = 5, self.inverter.centers.shape[0]
        wave = torch.linspace(0.0, 30.0, rows * bands).sin().view(rows, bands)
        pitch = torch.tensor([60.0, torch.nan, 33.3, 90.0, 71.5])
        frame = [20.0 * wave[:, : self.harmonics] - 40.0, 10.0 * wave - 50.0, 15.0 * wave.flip(1) - 60.0]
        other = [pitch + 0.5, *(level - 3.0 for level in frame)]
        phase = torch.arange(rows) * 123_456_789_012
        tones = torch.arange(rows * bands).view(rows, bands) * 987_654_321
        values = [pitch, *frame, *other, phase, tones, torch.arange(rows) * 1000, torch.arange(rows)]
        return dict(zip(INPUTS, values, strict=True))
