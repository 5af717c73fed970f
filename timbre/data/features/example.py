"""Preparation of notes for the model, the same for training and for encoding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.noise import without_noise
from timbre.audio.onset import find_onset
from timbre.audio.pitch import measure_pitch
from timbre.config import Config
from timbre.errors import AudioError
from timbre.spectral import Spectrogram

LEVEL_DB = -12.0
"""Level of every note, as the RMS of its loudest 50 ms: loudness is a control, not a property of a point."""
_LEVEL_WINDOW = 0.05  # s
_HEARD = 53.0  # dB below the loudest frame of a note, to which its decay is followed
_SHORTEST = 0.02  # s of sound in a note


@dataclass(frozen=True)
class Example:
    """Input of the model for one note."""

    spectrogram: np.ndarray  # dB, float32 (bins, seen frames), from the onset on, at a standard level
    pitch: float  # measured, MIDI; NaN if unknown or unpitched
    velocity: float  # 0..1, NaN if unknown
    release: float  # time of the release, s after the onset; infinity if the note still sounds at the end


@dataclass(frozen=True)
class Prepared:
    """One note before its transform, with the pitch and velocity of its example."""

    samples: np.ndarray  # float32 (n,), from the onset on, at the standard level, for all frames of an example
    duration: float  # of the sound after the onset, before it was cut or padded, s
    pitch: float
    velocity: float


def example(
    audio: Audio, spectrogram: Spectrogram, config: Config, pitch: float | None = None, velocity: float | None = None
) -> Example:
    """One channel of a note without rumble, resampled, cut at its onset, brought to the standard level and transformed.

    Steady noise that precedes the onset is subtracted (:mod:`timbre.audio.noise`).

    A labelled pitch (MIDI) is replaced by the pitch measured within 60 cents of it, if there is one. An AudioError is
    raised if the sound is silent or shorter than 20 ms.
    """
    return examples([prepare(audio, config, pitch, velocity)], spectrogram, config)[0]


def prepare(audio: Audio, config: Config, pitch: float | None = None, velocity: float | None = None) -> Prepared:
    """A note ready for the transform, computed on the CPU; arguments and errors as in :func:`example`."""
    rate = config.spectrogram.sample_rate
    audio = audio.mono().high_pass()
    measured = None if pitch is None else measure_pitch(audio, near=pitch)
    true_pitch = np.nan if pitch is None else (pitch if measured is None else measured)
    sound = audio.resample(rate)
    note = find_onset(sound.samples, rate, config.data.trim_db)
    samples, noise = sound.samples[0, note.start :], sound.samples[0, note.noise_start : note.noise_end]
    seen = _gain(Audio(samples, rate)) * without_noise(samples[: _length(config)], noise, rate)
    padded = np.pad(seen.astype(np.float32), (0, _length(config) - seen.size))
    return Prepared(padded, samples.size / rate, float(true_pitch), np.nan if velocity is None else float(velocity))


def examples(notes: Sequence[Prepared], spectrogram: Spectrogram, config: Config) -> list[Example]:
    """The examples of prepared notes, transformed together on the device of the spectrogram."""
    if not notes:
        return []
    samples = torch.from_numpy(np.stack([note.samples for note in notes]))
    with torch.no_grad():
        levels = spectrogram(samples.to(spectrogram.centers.device))[:, :, : config.all_frames].cpu().numpy()
    return [
        Example(level[:, config.frame_numbers], note.pitch, note.velocity, _release(level, note.duration, config))
        for note, level in zip(notes, levels, strict=True)
    ]


def _gain(note: Audio) -> float:
    """Factor that brings the loudest 50 ms of a note to the standard level."""
    if note.duration < _SHORTEST:
        given = f"{1000 * note.duration:.0f} ms of sound"
        raise AudioError(f"A note must be {1000 * _SHORTEST:.0f} ms or longer, got {given}.")
    power = note.loudest_power(_LEVEL_WINDOW)
    if power < 1e-12:
        raise AudioError("A note must not be silent.")
    return float(10.0 ** (LEVEL_DB / 20.0) / np.sqrt(power))


def _length(config: Config) -> int:
    """Number of samples in the windows of a note's frames."""
    return (config.all_frames - 1) * config.spectrogram.hop_length + config.spectrogram.n_fft


def _release(spectrogram: np.ndarray, duration: float, config: Config) -> float:
    """Time of the release (s): the last at which the level is within 10 dB of its own linear decay (in dB).

    A sound that decays freely follows its line to the end; a damped one leaves it. The line goes through the medians of
    the first and last third of the frames between the peak and 53 dB below it (Tukey's resistant line).
    """
    if duration >= config.data.duration:
        return np.inf
    power = np.where(
        spectrogram > config.spectrogram.floor_db + 1e-3, 10.0 ** (spectrogram.astype(np.float64) / 10.0), 0.0
    )
    level = 10.0 * np.log10(np.maximum(power.sum(axis=0), 1e-20))  # without the bands at the floor, which are silent
    peak = int(np.argmax(level))
    frames = np.arange(peak, int(np.flatnonzero(level > level.max() - _HEARD)[-1]) + 1)
    third = len(frames) // 3
    if third < 2:
        return float(frames[-1] / config.spectrogram.frame_rate)
    first, last = frames[:third], frames[-third:]
    slope = min(0.0, (np.median(level[last]) - np.median(level[first])) / (last.mean() - first.mean()))
    above = level[frames] - np.median(level[first]) - slope * (frames - first.mean()) > -10.0
    return float(frames[np.flatnonzero(above)[-1]] / config.spectrogram.frame_rate)
