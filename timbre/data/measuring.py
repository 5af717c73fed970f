"""Measurements of one note."""

import hashlib

import numpy as np

from timbre.audio import Audio
from timbre.audio.files import Probe
from timbre.audio.pitch import estimate_pitch
from timbre.data.note import Measured

MEASURED_SECONDS = 30.0  # longest stretch that is measured, from the beginning of a sound
_LOUDEST = 0.4  # s, the window of momentary loudness in EBU R 128
_STEP = 2.0**-15  # of 16-bit samples
_LOWEST = 1e-10  # replaces a level of 0, which has no logarithm


def measure(audio: Audio, whole: Probe | None = None) -> Measured:
    """Measure the first 30 seconds of a note; `whole` is its duration and peak if `audio` is only its beginning."""
    duration, peak = (audio.duration, audio.peak) if whole is None else (whole.duration, whole.peak)
    part = Audio(audio.samples[:, : round(MEASURED_SECONDS * audio.sample_rate)], audio.sample_rate)
    pitch = estimate_pitch(part)
    return Measured(
        duration=duration,
        sample_rate=audio.sample_rate,
        peak_db=round(_db(peak), 2),
        loudness_db=round(_db(np.sqrt(part.loudest_power(_LOUDEST))), 2),
        silence=round(part.duration - part.trim(tail=False).duration, 3),
        clipped=_longest_plateau(part.samples),
        pitch=None if pitch is None else round(pitch, 3),
        digest=_digest(part, duration),
    )


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
    """Hash of the mean of the channels in 16 bits, so that lossless copies in any format have the same one."""
    samples = np.rint(np.clip(audio.mono().samples[0], -1.0, 1.0) / _STEP).astype("<i4")
    head = f"{audio.sample_rate} {round(duration * audio.sample_rate)} "
    return hashlib.blake2b(head.encode() + samples.tobytes(), digest_size=16).hexdigest()
