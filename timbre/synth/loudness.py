"""Loudness along a path: the gain that keeps it steady while timbre and pitch change."""

import numpy as np
import torch

from timbre.models.conditions import Conditions
from timbre.space import Space
from timbre.space.controls import Line, NoteControls
from timbre.spectral.descriptors import describe

_A_SECOND, _FEWEST, _MOST_POINTS = 6, 9, 65  # points at which loudness is measured: a second, at least, at most
_LISTENED = 0.5  # s after the onset
_EVERY = 4  # frames
_PHON = 10.0  # dB that double the loudness, above some 40 phon (Stevens 1955)
_MOST = 12.0  # dB
_BATCH = 64


def steady_gain(space: Space, points: np.ndarray, controls: NoteControls) -> Line:
    """Amplitudes (frames,) that even out the loudness of the points along a sound.

    At six points a second (9 to 65) the note that would begin there is decoded, and its loudness computed (Moore,
    Glasberg and Baer 1997; descriptor `loudness`): in its first half second, or at the time of the hold. The gain
    brings it to their mean, at 10 dB a doubling and by 12 dB at most. A note's own attack and decay stay, and a sound
    that does not change has gain 1. Points are (1, dim) or (frames, dim), lines of pitch and velocity (frames,).
    """
    count = space.renderer.frames(controls.duration)
    lines = any(isinstance(value, np.ndarray) and value.ndim for value in (controls.pitch, controls.velocity))
    if not lines and not np.ptp(points, axis=0).any():
        return 1.0
    measured = min(max(round(_A_SECOND * controls.duration), _FEWEST), _MOST_POINTS)
    frames = np.unique(np.linspace(0, count - 1, measured).astype(int))
    pitch, velocity = (line[frames] for line in controls.lines(count))
    along = np.broadcast_to(points, (count, points.shape[1]))[frames]
    decibels = evening(loudness_of(space, along, pitch, velocity, controls.hold))
    return np.asarray(10.0 ** (np.interp(np.arange(count), frames, decibels) / 20.0))


def evening(doublings: np.ndarray) -> np.ndarray:
    """Gains, dB (n,), that bring loudnesses (n,), log2 sone, to their mean, by 12 dB at most."""
    return np.clip(_PHON * (doublings.mean() - doublings), -_MOST, _MOST)


@torch.no_grad()
def loudness_of(
    space: Space, points: np.ndarray, pitches: np.ndarray, velocities: np.ndarray, hold: float | None = None
) -> np.ndarray:
    """Loudness of the notes at points (n, dim), log2 sone (n,), before the velocity's gain.

    Pitches are MIDI (n,), NaN without pitch; velocities 0..1 (n,). It is measured at the time of the hold (s), or over
    the first half second.
    """
    rate = space.config.spectrogram.frame_rate
    clock = torch.arange(0, max(2, round(_LISTENED * rate)), _EVERY) / rate if hold is None else torch.tensor([hold])
    columns = (torch.tensor(column, dtype=torch.float32).split(_BATCH) for column in (points, pitches, velocities))
    loudness = []
    for z, pitch, velocity in zip(*columns, strict=True):
        alike = pitch[:1] if (pitch == pitch[0]).all() else pitch  # partials of one pitch are found once
        conditions = Conditions(alike, velocity, torch.full((len(z),), torch.inf))
        decoded = space.model.decoder(space.model.latent(z, pitch), conditions, clock)
        loudness.append(describe(decoded, space.spectrogram, pitch, ["loudness"], natural=True)[:, 0])
    return torch.cat(loudness).double().numpy()
