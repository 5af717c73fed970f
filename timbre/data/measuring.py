"""Measurements of one note."""

import hashlib

import numpy as np

from timbre.audio import Audio
from timbre.audio.files import Probe
from timbre.audio.onset import find_onset
from timbre.audio.pitch import estimate_pitch
from timbre.data.note import Measured
from timbre.data.sketches import sketch

MEASURED_SECONDS = 30.0  # longest stretch that is measured, from the beginning of a sound
TRIM_DB = -50.0  # of the onset, as in the settings' default
_LEAST_NOISE = 0.039  # s: four windows of the onset
_LOUDEST = 0.4  # s, the window of momentary loudness in EBU R 128
_STEP = 2.0**-15  # of 16-bit samples
_LOWEST = 1e-10  # replaces a level of 0, which has no logarithm


def measure(audio: Audio, whole: Probe | None = None) -> Measured:
    """Measure the first 30 seconds of a note; `whole` is its duration and peak if `audio` is only its beginning."""
    duration, peak = (audio.duration, audio.peak) if whole is None else (whole.duration, whole.peak)
    rate = audio.sample_rate
    part = Audio(audio.samples[:, : round(MEASURED_SECONDS * rate)], rate)
    sound = part.mono()
    heard = sound.high_pass()
    note = find_onset(heard.samples, rate, TRIM_DB)
    noise = heard.samples[0, note.noise_start : note.noise_end]
    pitch = estimate_pitch(sound)
    return Measured(
        duration=duration,
        sample_rate=rate,
        peak_db=round(_db(peak), 2),
        loudness_db=round(min(_db(np.sqrt(heard.loudest_power(_LOUDEST))), _db(peak)), 2),
        silence=round(note.start / rate, 3),
        clipped=_longest_plateau(part.samples),
        pitch=None if pitch is None else round(pitch, 3),
        digest=_digest(sound, duration),
        constant=round(max(map(_constant, part.samples)), 5),
        noise_db=_noise_db(noise, rate),
        rise=round((note.loud - note.start) / rate, 3),
        channels=part.mixdown.reason if part.channels > 1 else "",
        sketch=sketch(heard.samples[0, note.start :], rate),
    )


def _noise_db(noise: np.ndarray, rate: int) -> float | None:
    """RMS of noise (n,) in dB; None if it is silent or too short to be more than an attack."""
    if noise.size < _LEAST_NOISE * rate or not np.any(noise):
        return None
    return round(_db(float(np.sqrt(np.mean(np.square(noise, dtype=np.float64))))), 1)


def _constant(samples: np.ndarray) -> float:
    """Magnitude of the constant part of a channel: the least mean of its thirds, 0 if they differ in sign.

    The means have Hann windows, so that the periods of a low note need not be whole.
    """
    thirds = [part for part in np.array_split(samples, 3) if part.size]
    weights = [np.hanning(part.size + 2)[1:-1] for part in thirds]
    means = [float(part @ weight / weight.sum()) for part, weight in zip(thirds, weights, strict=True)]
    return min(map(abs, means)) if len({mean > 0 for mean in means}) == 1 else 0.0


def _db(level: float) -> float:
    return float(20.0 * np.log10(max(level, _LOWEST)))


def _longest_plateau(samples: np.ndarray) -> int:
    """Length of the longest run of samples, in any channel, within a 16-bit step of the largest magnitude."""
    level = np.abs(samples)
    longest = 0
    for at_peak in level >= level.max() - _STEP:
        breaks = np.flatnonzero(~at_peak)
        longest = max(longest, int(np.diff(breaks, prepend=-1, append=at_peak.size).max()) - 1)
    return longest


def _digest(audio: Audio, duration: float) -> str:
    """Hash of a sound of one channel in 16 bits, so that lossless copies in any format have the same one."""
    samples = np.rint(np.clip(audio.samples[0], -1.0, 1.0) / _STEP).astype("<i4")
    head = f"{audio.sample_rate} {round(duration * audio.sample_rate)} "
    return hashlib.blake2b(head.encode() + samples.tobytes(), digest_size=16).hexdigest()
