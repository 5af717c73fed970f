"""How the sound of a point goes on while its key is held, how it ends, and how noisy it is: from decoded frames."""

from typing import NamedTuple

import numpy as np
import torch

from timbre.exporting.request import ExportSettings
from timbre.models.conditions import Conditions
from timbre.space import Space
from timbre.spectral.descriptors import describe

_VELOCITY = 0.8
_KEYS = 5  # of an instrument that are decoded
_LONGEST_HOLD = 4.0  # s after which a sustained sound is frozen at the latest
_STEADY_DB, _STEADY_BANDS_DB = 0.3, 1.5  # from the end of the sound within which it is steady
_DYING = 4.0  # dB/s at which a sound dies away
_FADING, _QUIET = 1.5, -12.0  # dB/s and dB: so does one that is slower, but quiet by then
_SILENT = -35.0  # dB below its loudest at which a sound has died away
_FLOOR, _LONGEST_DECAY = 60.0, 8.0  # dB and s after which a sound that dies away ends
_AFTER_HOLD = 1.56  # s of a sample: until the crossfade begins, the crossfade, and the loop
_NOISY, _MOSTLY_NOISE = -30.0, -4.0  # dB
_RELEASED = 20.0  # dB
_LISTENED, _EVERY = 1.5, 0.05  # s, in which levels of notes are compared


class Behaviour(NamedTuple):
    """How an instrument sounds while its key is held and after.

    Attributes:
        sustained: whether it goes on until the key is released; else it dies away.
        hold: s after the onset from which it is as good as steady.
        decay: dB/s with which it goes on to die away after the last frame that the space has learned; 0 if sustained.
        seconds: of a sample, with its loop.
        noise: share of noise in its power, dB.
    """

    sustained: bool
    hold: float
    decay: float
    seconds: float
    noise: float

    @property
    def noisy(self) -> bool:
        """Whether its noise is heard, so that samples that play in turn differ."""
        return self.noise > _NOISY

    @property
    def is_noise(self) -> bool:
        """Whether noise is the larger part: in crossfades powers are summed, else amplitudes."""
        return self.noise > _MOSTLY_NOISE


def behaviour_of(space: Space, point: np.ndarray, keys: tuple[int, ...], settings: ExportSettings) -> Behaviour:
    """The behaviour of a point (dim,) over keys, MIDI; without keys, without pitch."""
    places = np.linspace(0, len(keys) - 1, min(_KEYS, len(keys)))
    picked = [float(keys[round(place)]) for place in places] or [np.nan]
    longest, rate = float(space.model.decoder.longest), space.config.spectrogram.frame_rate
    decibels = _frames(space, point, picked, torch.arange(max(2, round(longest * rate))) / rate, torch.inf)
    level = _level(space, decibels)  # (keys, frames)
    below = level - level.max(1, keepdims=True)
    count = level.shape[1]
    part = slice(round(0.4 * count), max(round(0.8 * count), round(0.4 * count) + 2))
    slopes = -np.polyfit(np.arange(count)[part] / rate, level[:, part].T, 1)[0]
    slope, last = float(np.median(slopes)), float(np.median(below[:, -1]))
    dies = slope > _DYING or (slope > _FADING and last < _QUIET) or last < _SILENT
    sustained = not dies if settings.loop is None else settings.loop
    pitch = torch.tensor(picked, dtype=torch.float32)
    noise = describe(decibels, space.spectrogram, pitch, ["noisiness"], natural=True)
    share = float(np.median(noise.numpy()))
    if sustained:
        hold = settings.hold or _steady(decibels.numpy(), level, rate)
        return Behaviour(True, hold, 0.0, hold + _AFTER_HOLD, share)
    decay = max(slope, 10.0)
    seconds = min(longest + max(0.0, (_FLOOR + last) / decay), _LONGEST_DECAY)
    return Behaviour(False, settings.hold or longest, decay, seconds, share)


def release_seconds(space: Space, point: np.ndarray, pitch: float | None, velocity: float, at: float) -> float:
    """s in which a note falls by 60 dB after its release `at` s after the onset; from its first 20 dB."""
    rate = space.config.spectrogram.frame_rate
    clock = at + torch.arange(round(0.5 * rate)) / rate
    key = [np.nan if pitch is None else pitch]
    held, released = (_level(space, _frames(space, point, key, clock, end, velocity))[0] for end in (torch.inf, at))
    fallen = np.maximum.accumulate(held[0] - released)
    after = float(np.interp(_RELEASED, fallen, np.arange(len(fallen)))) / rate
    return float(np.clip(after * _FLOOR / _RELEASED, 0.02, 5.0))


def key_levels(space: Space, point: np.ndarray, keys: list[float], velocity: float) -> np.ndarray:
    """Levels, dB (keys,), of the first 1.5 s of notes at keys, MIDI, without the velocity's gain."""
    clock = torch.arange(0.0, _LISTENED, _EVERY)
    power = 10.0 ** (_level(space, _frames(space, point, keys, clock, torch.inf, velocity)) / 10.0)
    return np.asarray(10.0 * np.log10(power.mean(1)))


@torch.no_grad()
def _frames(
    space: Space,
    point: np.ndarray,
    pitches: list[float],
    clock: torch.Tensor,
    release: float,
    velocity: float = _VELOCITY,
) -> torch.Tensor:
    """Decoded frames (pitches, bins, frames), dB, at times `clock` (frames,), s."""
    pitch = torch.tensor(pitches, dtype=torch.float32)
    z = torch.from_numpy(np.tile(point.astype(np.float32), (len(pitch), 1)))
    conditions = Conditions(pitch, torch.full_like(pitch, velocity), torch.full_like(pitch, release))
    return space.model.decoder(space.model.latent(z, pitch), conditions, clock)


def _level(space: Space, decibels: torch.Tensor) -> np.ndarray:
    """Levels (notes, frames), dB."""
    return 10.0 * torch.log10(space.spectrogram.magnitude(decibels).square().sum(1) + 1e-12).numpy()


def _steady(decibels: np.ndarray, level: np.ndarray, rate: float) -> float:
    """s from which all notes stay as they are at the end, within what is heard."""
    weight = 10.0 ** (decibels[..., -1:] / 20.0)
    bands = (np.abs(decibels - decibels[..., -1:]) * weight).sum(1) / weight.sum(1)
    away = (np.abs(level - level[:, -1:]) > _STEADY_DB) | (bands > _STEADY_BANDS_DB)
    frames = np.flatnonzero(away.any(0))
    return float(np.clip(((frames[-1] + 1) if len(frames) else 0) / rate, 0.25, _LONGEST_HOLD))
