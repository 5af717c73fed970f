"""Loudness along a path: the gain that keeps it steady while timbre and pitch move."""

import numpy as np
import torch

from timbre.models.conditions import Conditions
from timbre.space import Space
from timbre.space.atlas import tensor
from timbre.spectral.descriptors import describe

_A_SECOND, _FEWEST, _PLACES = 6, 9, 65  # places of a sound at which it is listened to: a second, at least, at most
_HEARD = 0.5  # s after the onset
_EVERY = 4  # frames
_PHON = 10.0  # dB that make twice the loudness, above some 40 phon (Stevens 1955)
_MOST = 12.0  # dB
_BATCH = 16


def steady_gain(
    space: Space,
    points: np.ndarray,
    pitch: "float | np.ndarray | None",
    velocity: "float | np.ndarray",
    duration: float,
    hold: float | None = None,
) -> "float | np.ndarray":
    """Amplitudes (frames,) that even out how loud the places along a sound are.

    At six places a second (9 to 65) the note that would begin there is decoded, and its loudness found (Moore, Glasberg
    and Baer 1997; descriptor `loudness`): in its first half second, or at the time at which the sound is held. The gain
    leads from it to their mean, at 10 dB a doubling and by 12 dB at most. A note's own attack and decay stay as they
    are, and what does not move has gain 1.

    Args:
        space: the space.
        points: (1, dim) or (frames, dim).
        pitch, velocity: one value each, or (frames,); None is without pitch.
        duration: s.
        hold: s, or None, as of :func:`~timbre.synth.render`.
    """
    count = space.frames(duration)
    values = [np.asarray(np.nan if pitch is None else pitch, np.float64), np.asarray(velocity, np.float64)]
    if all(value.ndim == 0 for value in values) and (len(points) == 1 or not np.ptp(points, axis=0).any()):
        return 1.0
    listened = min(max(round(_A_SECOND * duration), _FEWEST), _PLACES)
    places = np.unique(np.linspace(0, count - 1, listened).astype(int))
    lines = [np.broadcast_to(value, (count,))[places] for value in values]
    along = np.broadcast_to(points, (count, points.shape[1]))[places]
    doublings = loudness_of(space, along, lines[0], lines[1], hold)
    decibels = np.clip(_PHON * (doublings.mean() - doublings), -_MOST, _MOST)
    return np.asarray(10.0 ** (np.interp(np.arange(count), places, decibels) / 20.0))


@torch.no_grad()
def loudness_of(
    space: Space, points: np.ndarray, pitches: np.ndarray, velocities: np.ndarray, hold: float | None = None
) -> np.ndarray:
    """Loudness of the notes at points (n, dim), log2 sone (n,), before the velocity's gain.

    Args:
        space: the space.
        points: (n, dim).
        pitches: MIDI (n,), NaN without pitch.
        velocities: 0..1 (n,).
        hold: at this time, s, or None: in the first half second.
    """
    rate = space.config.spectrogram.frame_rate
    clock = torch.arange(0, max(2, round(_HEARD * rate)), _EVERY) / rate if hold is None else torch.tensor([hold])
    heard = []
    for start in range(0, len(points), _BATCH):
        part = slice(start, start + _BATCH)
        z, pitch = tensor(points[part]), tensor(pitches[part])
        conditions = Conditions(pitch, tensor(velocities[part]), torch.full((len(z),), torch.inf))
        decoded = space.model.decoder(space.model.latent(z, pitch), conditions, clock)
        heard.append(describe(decoded, space.spectrogram, pitch, ["loudness"], natural=True)[:, 0])
    return torch.cat(heard).double().numpy()
