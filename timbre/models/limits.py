"""Limits of a decoder's outputs: no louder than where it has learned.

A decoder learns the pitches at which each sound was recorded. At others, such as a marimba three octaves up, nothing
binds its outputs, and levels of +60 dB came out. Each output therefore has a limit: what training notes reach.
"""

import numpy as np
import torch
from torch import Tensor

from timbre.models.conditions import Conditions
from timbre.models.decoder import Decoder

_NOTES, _AT_A_TIME = 1500, 250  # notes that are decoded
_TIMES = (0.02, 0.05, 0.1, 0.3, 0.6, 1.0, 2.0, 4.0)  # s
_QUANTILE = 0.999  # of the notes' levels
_MARGIN = 3.0  # dB above it
_HEARD = -12.0  # dB of a band's unit harmonics from which its envelope sounds


@torch.no_grad()
def fit_limits(decoder: Decoder, z: Tensor, pitch: Tensor, velocity: Tensor) -> None:
    """Set `decoder.limits` to what the latent points z (notes, dim) reach at their own pitches and velocities (notes,).

    Envelopes count only in bands in which a partial sounds; bands without any have the limits of their neighbours.
    Without pitched notes nothing has been learned about partials, and they stay without limits.
    """
    decoder.limits.fill_(torch.inf)  # while they are measured
    chosen = torch.linspace(0, len(z) - 1, min(_NOTES, len(z))).round().long()
    parts = [_levels(decoder, z[rows], pitch[rows], velocity[rows]) for rows in chosen.split(_AT_A_TIME)]
    envelope, noise, levels = (np.concatenate(part) for part in zip(*parts, strict=True))
    top = [_most(envelope), np.quantile(noise, _QUANTILE, axis=0)]
    top.append(np.quantile(levels, _QUANTILE, axis=0) if len(levels) else np.full(decoder.harmonics, np.inf))
    decoder.limits.copy_(decoder.raw(*(torch.from_numpy(part + _MARGIN).float() for part in top)))


def _levels(decoder: Decoder, z: Tensor, pitch: Tensor, velocity: Tensor) -> tuple[np.ndarray, ...]:
    """Envelopes where a partial sounds, else NaN, noise, and levels of partials, dB, (frames, n) each."""
    times = torch.tensor(_TIMES, device=z.device)
    held = Conditions(pitch, velocity, torch.full_like(pitch, torch.inf))
    envelope, noise, levels = decoder.parts(z, held, times)
    pitched = ~pitch.isnan()
    heard = decoder.partials.comb(pitch[pitched].unsqueeze(-1)) > _HEARD
    envelope = torch.where(heard, envelope[pitched], torch.nan)
    return tuple(part.flatten(0, 1).cpu().numpy() for part in (envelope, noise, levels[pitched]))


def _most(envelope: np.ndarray) -> np.ndarray:
    """The limits of envelopes (frames, bins) before the margin; infinite if no partial sounds."""
    heard = np.isfinite(envelope).any(0)
    if not heard.any():
        return np.full(envelope.shape[1], np.inf)
    bands = np.flatnonzero(heard)
    return np.interp(np.arange(len(heard)), bands, np.nanquantile(envelope[:, bands], _QUANTILE, axis=0))
