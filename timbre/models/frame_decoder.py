"""`FrameDecoder`: single frames of many voices, the part of a model that plays live."""

import torch
from torch import Tensor, nn

from timbre.models.conditions import Conditions
from timbre.models.graphs import Run, export_graph, open_graph
from timbre.models.vae import VAE
from timbre.spectral import Spectrogram

HELD = 1e9  # s: release time of a note that is held; with infinity, differences would be NaN
_OUTPUTS = ("bands", "magnitude")


class FrameDecoder(nn.Module):
    """Decodes independent frames: of several voices, or several times of one."""

    def __init__(self, model: VAE, spectrogram: Spectrogram) -> None:
        super().__init__()
        self.model, self.spectrogram = model, spectrogram

    def forward(
        self, points: Tensor, pitch: Tensor, velocity: Tensor, time: Tensor, release: Tensor
    ) -> tuple[Tensor, ...]:
        """Amplitudes (n, rows) and magnitudes (n, bins), not sharpened.

        From points (n, dim), pitch (MIDI, NaN without), velocity, time (s) and release (s), each float32 (n,).
        """
        latent = self.model.latent(points, pitch)
        decibels = self.model.decoder(latent, Conditions(pitch, velocity, release), time[:, None])
        # All frames side by side, as if of one sound: one matrix product instead of n.
        bands, magnitude = self.spectrogram.unsharpened(decibels[..., 0].T[None])
        return bands[0].T, magnitude[0].T

    def export(self) -> bytes:
        """This decoder as an ONNX file, see :func:`~timbre.models.graphs.export_graph`."""
        return export_graph(self.eval(), self.examples(), _OUTPUTS)

    def opened(self, content: bytes) -> Run:
        """A faster function than :meth:`forward` from an ONNX file, see :func:`~timbre.models.graphs.open_graph`."""
        return open_graph(content, self.eval(), self.examples(), _OUTPUTS)

    def examples(self) -> dict[str, Tensor]:
        """Six frames: with and without a pitch, held and released, and one far beyond a pitch flow's reach."""
        points = torch.linspace(-2.0, 2.0, 6 * self.model.dim).cos().view(6, -1)
        points[-1] *= 2.0
        rows = torch.tensor([
            (60.0, 0.8, 0.1, HELD), (torch.nan, 0.5, 0.0, HELD), (30.5, 1.0, 0.7, 0.5),
            (90.0, 0.1, 1.5, 1.4), (71.3, torch.nan, 0.02, HELD), (120.0, 0.8, 0.3, HELD),
        ])  # fmt: skip
        return dict(zip(("points", "pitch", "velocity", "time", "release"), (points, *rows.T.clone()), strict=True))


class SourceDecoder(FrameDecoder):
    """Decodes what sounds in independent frames, for the portable inverter."""

    def forward(
        self, points: Tensor, pitch: Tensor, velocity: Tensor, time: Tensor, release: Tensor
    ) -> tuple[Tensor, ...]:
        """Levels of partials (n, harmonics), envelope and noise (n, rows), dB; arguments as for `FrameDecoder`."""
        sources = self.model.decoder.sources(
            self.model.latent(points, pitch), Conditions(pitch, velocity, release), time[:, None]
        )
        return sources.partials[:, 0], sources.envelope[:, 0], sources.noise[:, 0]
