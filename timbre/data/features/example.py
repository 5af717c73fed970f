"""From a sound to what the model sees of it: the one way, for training and for encoding alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import Config
from timbre.errors import AudioError
from timbre.spectral import Spectrogram

LEVEL_DB = -12.0  # RMS of the loudest 50 ms of every note: loudness is a control, not a place
_LEVEL_WINDOW = 0.05  # s
_SHORTEST = 0.02  # s of sound that make a note


@dataclass(frozen=True)
class Example:
    """One note as the model sees it.

    Attributes:
        spectrogram: dB, float32 (bins, frames); the note starts at its onset and has a standard level.
        pitch: MIDI as measured, NaN if unknown or unpitched.
        velocity: 0..1, NaN if unknown.
        release: s after the onset at which the note was let go; infinity if it still sounds at the end.
    """

    spectrogram: np.ndarray
    pitch: float
    velocity: float
    release: float


@dataclass(frozen=True)
class Prepared:
    """One note before its transform.

    Attributes:
        samples: float32 (samples,), as many as :func:`transform` wants; from the onset on, at the standard level.
        duration: s of sound after the onset, before it was cut or padded.
        pitch, velocity: as in :class:`Example`.
    """

    samples: np.ndarray
    duration: float
    pitch: float
    velocity: float


def example(
    audio: Audio,
    spectrogram: Spectrogram,
    config: Config,
    pitch: float | None = None,
    velocity: float | None = None,
) -> Example:
    """Prepare a note: mono, resampled, cut at its onset, brought to a standard level, transformed.

    Args:
        audio: the note.
        spectrogram: the front end of `config`.
        config: the settings.
        pitch: labelled pitch, MIDI; the pitch measured within 60 cents of it is used, where one can be measured.
        velocity: 0..1.

    Raises:
        AudioError: if the sound is silent or shorter than 20 ms.
    """
    note = prepare(audio, config, pitch, velocity)
    return complete(note, transform([note], spectrogram, config)[0], config)


def prepare(audio: Audio, config: Config, pitch: float | None = None, velocity: float | None = None) -> Prepared:
    """The first step of :func:`example`, of one note on the CPU; its arguments and errors are the same."""
    rate = config.spectrogram.sample_rate
    measured = None if pitch is None else measure_pitch(audio, near=pitch)
    sound = audio.mono().resample(rate).trim(config.data.trim_db, tail=False)
    true_pitch = np.nan if pitch is None else (pitch if measured is None else measured)
    return Prepared(
        _fitted(_levelled(sound).samples[0], config),
        sound.duration,
        float(true_pitch),
        np.nan if velocity is None else float(velocity),
    )


def transform(notes: Sequence[Prepared], spectrogram: Spectrogram, config: Config) -> np.ndarray:
    """The second step, of any number of notes at once where the front end is: dB, float32 (notes, bins, frames)."""
    samples = torch.from_numpy(np.stack([note.samples for note in notes]))
    with torch.no_grad():
        return spectrogram(samples.to(spectrogram.centers.device))[:, :, : config.note_frames].cpu().numpy()


def complete(note: Prepared, spectrogram: np.ndarray, config: Config) -> Example:
    """The last step: what only the spectrogram (bins, frames) tells of the note."""
    release = _release(spectrogram, note.duration, config)
    return Example(spectrogram, note.pitch, note.velocity, release)


def _levelled(sound: Audio) -> Audio:
    """The sound with the loudest 50 ms at the standard level."""
    if sound.duration < _SHORTEST:
        raise AudioError(
            f"The sound is {1000 * sound.duration:.0f} ms long; at least {1000 * _SHORTEST:.0f} ms make a note."
        )
    window = min(round(_LEVEL_WINDOW * sound.sample_rate), sound.samples.shape[1])
    energy = np.cumsum(np.concatenate([[0.0], np.square(sound.samples[0], dtype=np.float64)]))
    power = (energy[window:] - energy[:-window]).max() / window
    if power < 1e-12:
        raise AudioError("The sound is silent; a note is wanted.")
    return sound.gain(LEVEL_DB - 10.0 * np.log10(power))


def _fitted(samples: np.ndarray, config: Config) -> np.ndarray:
    """As many samples as the frames that are kept see; padded with silence, never cut inside a window."""
    length = (config.note_frames - 1) * config.spectrogram.hop_length + config.spectrogram.n_fft
    padded = np.zeros(length, np.float32)
    kept = min(length, samples.size)
    padded[:kept] = samples[:kept]
    return padded


def _release(spectrogram: np.ndarray, duration: float, config: Config) -> float:
    """When a note was let go (s): the last time its level follows its own straight decay (in dB) to within 10 dB.

    A sound that fades by itself follows its line to the end; one that is damped leaves it. The line goes through the
    medians of the first and last third of the frames between the peak and 50 dB below it (Tukey's resistant line).
    """
    if duration >= config.data.duration:
        return np.inf
    level = 10.0 * np.log10(np.sum(10.0 ** (spectrogram.astype(np.float64) / 10.0), 0))
    peak = int(np.argmax(level))
    frames = np.arange(peak, int(np.flatnonzero(level > level.max() - 50.0)[-1]) + 1)
    third = len(frames) // 3
    if third < 2:
        return float(frames[-1] / config.spectrogram.frame_rate)
    first, last = frames[:third], frames[-third:]
    slope = min(0.0, (np.median(level[last]) - np.median(level[first])) / (last.mean() - first.mean()))
    above = level[frames] - np.median(level[first]) - slope * (frames - first.mean()) > -10.0
    return float(frames[np.flatnonzero(above)[-1]] / config.spectrogram.frame_rate)
