"""The decoder: turns a point, the controls and the time into spectrogram frames.

Every frame is a function of its own z(t), pitch, velocity and times alone: no state, no look-ahead. So rendering in
blocks equals rendering at once, a note can have any length, and z may move during a note.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from timbre.models.conditions import OTHER_TIMES, Conditions, Embedding, time_features
from timbre.models.partials import Partials

CLOCK = 64  # channels of the time
_AT_A_TIME = 32  # frames of different pitches: the powers of their partials stay in the processor's cache
_LEAST = 1e-6  # power in a band at which half of it is a partial's
DECIBEL = math.log(10.0) / 10.0  # natural log power of one dB
UNBOUNDED = 1e4  # for an output that has no limit


class Modulated(nn.Module):
    """A residual block whose hidden units are scaled and shifted by the time (FiLM, Perez et al. 2018)."""

    def __init__(self, channels: int, clock: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.inner = nn.Linear(channels, channels)
        self.outer = nn.Linear(channels, channels)
        self.film = nn.Linear(clock, 2 * channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """(batch, frames, channels) from h (batch, frames or 1, channels) and time (batch, frames, clock)."""
        scale, shift = self.film(time).chunk(2, -1)
        inner = nn.functional.silu(self.inner(self.norm(h)) * (1.0 + scale) + shift)
        return h + self.outer(self.dropout(inner))


class Sources(NamedTuple):
    """What sounds in a decoder's frames, levels in dB."""

    partials: Tensor  # amplitudes of the first partials, (batch, frames, harmonics)
    envelope: Tensor  # amplitudes of later partials, by the band that they are in, (batch, frames, bins)
    noise: Tensor  # levels of the noise in the bands, (batch, frames, bins)


class Decoder(nn.Module):
    """Points and controls to log spectrogram frames, with the partials' positions as given.

    Each frame is the power sum of a harmonic part, a noise part and the floor:
    10 log10(10^((E + C + H.S)/10) + 10^(N/10) + 10^(floor/10)), with an envelope E and a noise level N over the bands,
    the comb C of unit harmonics at the given pitch, and levels H of the first partials with their shares S of the bands
    (harmonic plus noise, after Serra and Smith 1990). N represents inharmonic and unpitched sounds.

    Args:
        dim, bins: dimensions of the points, and of the spectrogram's frames.
        channels, blocks, dropout: of the network.
        partials: of the spectrogram's bands.
        longest: s; after it a note that is not released stays as it is.
        constants: of decays since the onset, s.
        floor_db: lowest level, dB.
    """

    def __init__(
        self, dim: int, bins: int, channels: int, blocks: int, partials: Partials, longest: float,
        constants: Sequence[float], floor_db: float, dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.partials, self.longest, self.constants, self.floor_db = partials, longest, constants, floor_db
        self.bins, self.harmonics = bins, partials.harmonics
        self.point = nn.Linear(dim, channels)
        self.embedding = Embedding(channels)
        self.time = nn.Sequential(
            nn.Linear(OTHER_TIMES + len(constants), CLOCK), nn.SiLU(), nn.Linear(CLOCK, CLOCK), nn.SiLU()
        )
        self.blocks = nn.ModuleList(Modulated(channels, CLOCK, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 2 * bins + self.harmonics)
        # Where a pitch is far from a sound's own ones nothing was learned; see timbre.models.limits.
        self.limits = nn.Buffer(torch.full((2 * bins + self.harmonics,), UNBOUNDED))
        nn.init.normal_(self.head.weight, std=0.02)

    def forward(self, z: Tensor, conditions: Conditions, time: Tensor) -> Tensor:
        """Frames (batch, bins, frames), dB, of z (batch, dim), or (batch, frames, dim) for a path.

        `time` is s since the onset, (frames,).
        """
        envelope, noise, levels = self.parts(z, conditions, time)
        with torch.autocast(noise.device.type, enabled=False):  # half precision rounds 60 dB to half a dB
            mixed = self._mix(envelope, noise, levels, conditions.pitch)
        return mixed.transpose(1, 2)

    def parts(self, z: Tensor, conditions: Conditions, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the frames are mixed of, dB: the envelope E and the noise level N, (batch, frames, bins) each, and the
        levels H of the first partials, (batch, frames, harmonics); arguments as in :meth:`forward`."""
        parts = (self.point(z), self.embedding(conditions))
        point, controls = (part.unsqueeze(1) if part.dim() == 2 else part for part in parts)
        hidden = point + controls
        clock = self.time(time_features(time, conditions.release, self.longest, self.constants))
        for block in self.blocks:
            hidden = block(hidden, clock)
        out = torch.minimum(self.head(self.norm(hidden)).float(), self.limits)
        envelope, noise, levels = out.split([self.bins, self.bins, self.harmonics], -1)
        return 20.0 * envelope - 40.0, 20.0 * noise - 50.0, 10.0 * levels

    def raw(self, envelope: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """The outputs (..., 2 bins + harmonics) of the network for :meth:`parts`, dB, :data:`UNBOUNDED` at most."""
        parts = ((envelope + 40.0) / 20.0, (noise + 50.0) / 20.0, levels / 10.0)
        return torch.cat(parts, -1).clamp_max(UNBOUNDED)

    def sources(self, z: Tensor, conditions: Conditions, time: Tensor) -> Sources:
        """What sounds in the frames; arguments as in :meth:`forward`."""
        envelope, noise, levels = self.parts(z, conditions, time)
        pitch = conditions.pitch.nan_to_num(0.0)
        power = self.partials.power(pitch.unsqueeze(-1) if pitch.dim() == 1 else pitch)
        if power.shape[1] == 1:
            means = _means(envelope, power[:, 0])
        else:
            means = _means(envelope.unsqueeze(-2), power).squeeze(-2)
        return Sources(means + levels, envelope, noise)

    def partial_levels(self, envelope: Tensor, levels: Tensor, pitch: float) -> Tensor:
        """Levels (frames, partials), dB, of all partials of a pitch (MIDI) below Nyquist; 0 is amplitude 1.

        From :meth:`parts`, (frames, bins) and (frames, harmonics). Those of the first partials are what the frames are
        mixed of; those above are means of the envelope across their lobes.
        """
        midi = torch.tensor(pitch, dtype=envelope.dtype, device=envelope.device)
        everything = self.partials.power(midi, self.partials.below_nyquist(pitch))
        if not self.harmonics:
            return _means(envelope, everything)
        power = self.partials.power(midi)
        stepped = _stepped(envelope[None], levels[None], power[None, None])[0]
        first = (_means(envelope, power) + levels)[:, : len(everything)]
        return torch.cat([first, _means(stepped, everything)[:, self.harmonics :]], 1)

    def _mix(self, envelope: Tensor, noise: Tensor, levels: Tensor, pitch: Tensor) -> Tensor:
        pitch = pitch.unsqueeze(-1) if pitch.dim() == 1 else pitch
        known = pitch.nan_to_num(0.0)
        comb = self.partials.comb(known).masked_fill(pitch.isnan().unsqueeze(-1), -400.0)
        if self.harmonics:
            few = _AT_A_TIME if pitch.shape[1] > 1 else envelope.shape[1]
            parts = (values.split(few, 1) for values in (envelope, levels))
            powers = (self.partials.power(part) for part in known.split(few, 1))
            envelope = torch.cat([_stepped(*part) for part in zip(*parts, powers, strict=True)], 1)
        quiet = torch.full_like(noise, self.floor_db)
        return torch.logsumexp(torch.stack([envelope + comb, noise, quiet]) * DECIBEL, 0) / DECIBEL


def _stepped(envelope: Tensor, levels: Tensor, power: Tensor) -> Tensor:
    """An envelope (batch, frames, bins) replaced by its mean across each of the first partials, plus their levels.

    A slope across a partial's lobe would move its peak: -6 dB per octave at 300 Hz detunes it by about 4 cents. The
    `levels` (batch, frames, harmonics) are dB. The partials' shares of the bands follow from the `power` (batch, frames
    or 1, harmonics, bins) of each in each band if all are equally strong.
    """
    total = 1.0 / (power.sum(-2) + _LEAST)
    if power.shape[1] == 1:  # one pitch for the whole note: plain products
        power = power[:, 0]
        onto = (_means(envelope, power) + levels) @ power
    else:
        means, sizes = (power @ torch.stack([envelope * total, total], -1)).unbind(-1)
        onto = ((means / (sizes + _LEAST) + levels).unsqueeze(-2) @ power).squeeze(-2)
    return (onto + _LEAST * envelope) * total


def _means(envelope: Tensor, power: Tensor) -> Tensor:
    """Means (..., frames, partials) of an envelope (..., frames, bins) across partials with the `power` (..., partials,
    bins) in each band, which counts as far as it is the partial's."""
    total = 1.0 / (power.sum(-2, keepdim=True) + _LEAST)
    return (envelope * total) @ power.mT / (total @ power.mT + _LEAST)
