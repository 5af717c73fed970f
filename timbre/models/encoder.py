"""The encoder: turns a whole note, with its pitch and velocity, into the posterior's base distribution."""

import torch
from torch import Tensor, nn

from timbre.models.conditions import Conditions, Embedding
from timbre.models.partials import Partials
from timbre.spectral.auditory import AuditoryFeatures

ENTRY = 8  # frames that the first layer sees
FEWEST_FRAMES = 4  # of a note, for which the second layer has an input
NEAR = 0.01  # factor of the weights of outputs that begin near given values
FEATURE_SCALE = 20.0  # brings auditory features, about 400 values of norm 1, to about 1


class Residual(nn.Module):
    """A residual block of two convolutions over time."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8 if channels % 8 == 0 else 1, channels),
            nn.SiLU(),
            nn.Conv1d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Conv1d(channels, channels, 3, padding=1),
        )

    def forward(self, h: Tensor) -> Tensor:
        """(batch, channels, frames) to the same shape."""
        return h + self.layers(h)


class Encoder(nn.Module):
    """Convolutions over time with bands as channels, pooled over the whole note.

    Besides the bands it sees the levels of the first partials at the note's pitch, so that a timbre looks alike at
    every pitch. Pooling takes the mean, the maximum and a learned weighting (attention) of the frames. The note's
    auditory features are added to the outputs by a linear layer, which extrapolates predictably to unfamiliar sounds.

    Args:
        bins, outputs, channels: sizes of the input, the output and the hidden layers.
        partials: of the spectrogram's bands.
        listener: the auditory features.
        dropout: in the convolutions and before the outputs.
    """

    def __init__(
        self, bins: int, outputs: int, channels: int, partials: Partials, listener: AuditoryFeatures, dropout: float
    ) -> None:
        super().__init__()
        self.partials, self.listener = partials, listener
        self.entry = nn.Conv1d(bins + partials.harmonics, channels, ENTRY, stride=4, padding=4)
        self.embedding = Embedding(channels)
        self.body = nn.Sequential(
            Residual(channels, dropout),
            nn.Conv1d(channels, channels, 4, stride=2, padding=1),
            Residual(channels, dropout),
            Residual(channels, dropout),
        )
        self.attention = nn.Conv1d(channels, channels, 1)
        self.exit = nn.Sequential(
            nn.LayerNorm(4 * channels), nn.Linear(4 * channels, 2 * channels), nn.SiLU(), nn.Dropout(dropout)
        )
        self.head = nn.Linear(2 * channels, outputs)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.straight = nn.Linear(listener.size, outputs, bias=False)
        nn.init.normal_(self.straight.weight, std=0.02)

    @torch.no_grad()
    def start_at(self, outputs: Tensor) -> None:
        """Let the last outputs begin at values (count,) and near them for every note."""
        count = len(outputs)
        if count:
            self.head.bias[-count:] = outputs
            self.head.weight[-count:] *= NEAR
            self.straight.weight[-count:] *= NEAR

    def forward(self, spectrogram: Tensor, conditions: Conditions) -> Tensor:
        """Encode notes: dB (batch, bins, frames) to (batch, outputs)."""
        h, controls = self.hidden(spectrogram, conditions), self.embedding(conditions)
        weights = self.attention(h).softmax(-1)
        pooled = torch.cat([h.mean(-1), h.amax(-1), (weights * h).sum(-1), controls], -1)
        with torch.autocast(spectrogram.device.type, enabled=False):  # powers of half precision overflow
            features = FEATURE_SCALE * self.listener(spectrogram.float()) - 1.0
        return self.head(self.exit(pooled)) + self.straight(features)

    def hidden(self, spectrogram: Tensor, conditions: Conditions) -> Tensor:
        """Activations of the last convolution, (batch, channels, times), of notes as `forward` takes them."""
        x = (spectrogram + 50.0) / 25.0
        controls = self.embedding(conditions)
        entered = self.entry(torch.cat([x, self._levels(x, conditions.pitch)], 1))
        return self.body(entered + controls.unsqueeze(-1))

    def _levels(self, x: Tensor, pitch: Tensor) -> Tensor:
        """Mean level of the bands around each partial, (batch, harmonics, frames); 0 where the pitch is unknown."""
        shares = self.partials.shares(pitch.nan_to_num(0.0)) * ~pitch.isnan()[:, None, None]
        return (shares / (shares.sum(-1, keepdim=True) + 1e-3)) @ x
