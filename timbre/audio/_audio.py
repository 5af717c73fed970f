"""`Audio`: a sound in memory, checked to be one."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import soxr

from timbre.audio.channels import Mixdown, mixdown
from timbre.audio.onset import find_onset, high_pass
from timbre.errors import AudioError
from timbre.notebook import card, player, waveform

_SHOWN_RATE = 48_000  # Hz, at most, in a notebook
RUMBLE = 25.0  # Hz: below lie constants, wind and traffic; the lowest key of a piano is at 27.5


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound with read-only samples; every method returns a new one.

    Attributes:
        samples: float32 array (channels, n), n >= 1, finite, full scale at +-1. A one-dimensional array is one channel.
        sample_rate: Hz.

    Raises:
        AudioError: if the shape is another, the samples are not floats or not finite, there are none, or the rate is
            not a positive whole number.
    """

    samples: np.ndarray
    sample_rate: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", _checked_samples(self.samples))
        object.__setattr__(self, "sample_rate", _checked_rate(self.sample_rate))

    def __repr__(self) -> str:
        return f"Audio({self.duration:.3f} s, {self.channels} ch, {self.sample_rate} Hz, peak {self.peak:.3f})"

    def _repr_html_(self) -> str:
        sound = self.resample(min(self.sample_rate, _SHOWN_RATE))
        picture = waveform(sound.mono().samples[0])
        return card(self, {}, picture, player(sound.samples, sound.sample_rate))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        """Duration, s."""
        return float(self.samples.shape[1] / self.sample_rate)

    @property
    def peak(self) -> float:
        """Largest magnitude of any sample; full scale is 1."""
        return float(np.max(np.abs(self.samples)))

    @cached_property
    def mixdown(self) -> Mixdown:
        """Which channels :meth:`mono` takes, and why, if these are not all."""
        return mixdown(self.samples, self.sample_rate)

    def mono(self) -> "Audio":
        """The mean of the channels that count, or the loudest if they cancel each other.

        See :func:`timbre.audio.channels.mixdown`. Everything that needs one channel uses this one.
        """
        if self.channels == 1:
            return self
        chosen = self.samples[list(self.mixdown.channels)]
        return Audio(chosen.mean(axis=0, dtype=np.float64).astype(np.float32), self.sample_rate)

    def high_pass(self, hz: float = RUMBLE) -> "Audio":
        """The sound without what is below `hz`: a causal Butterworth filter of order 4, which keeps onsets sharp.

        Raises:
            AudioError: if `hz` is not above 0.
        """
        if not 0 < hz < np.inf:
            raise AudioError(f"The high-pass filter must begin above 0 Hz, got {hz} Hz.")
        return Audio(high_pass(self.samples, self.sample_rate, hz).astype(np.float32), self.sample_rate)

    def resample(self, sample_rate: int) -> "Audio":
        """The sound at another rate (Hz), by soxr's high-quality filter: no delay, same duration."""
        rate = _checked_rate(sample_rate)
        if rate == self.sample_rate:
            return self
        samples = soxr.resample(self.samples.T, self.sample_rate, rate, quality="HQ").T
        return Audio(_exactly(samples, max(1, round(self.samples.shape[1] * rate / self.sample_rate))), rate)

    def trim(self, threshold_db: float = -50.0, *, tail: bool = True) -> "Audio":
        """Cut what precedes the note and, if `tail` is True, what follows it.

        The note begins where its level over 10 ms, in bands above 150 Hz and above steady noise at the beginning of the
        sound, comes within -`threshold_db` dB of its maximum (:func:`timbre.audio.onset.find_onset`), and ends where
        the reversed sound begins. A sound without any level is returned unchanged.

        Raises:
            AudioError: if `threshold_db` is not below 0 dB.
        """
        if not threshold_db < 0:
            raise AudioError(f"The trim threshold must be below 0 dB (the loudest part), got {threshold_db} dB.")
        length = self.samples.shape[1]
        start = find_onset(self.samples, self.sample_rate, threshold_db).start
        after = find_onset(self.samples[:, start:][:, ::-1], self.sample_rate, threshold_db).start if tail else 0
        return Audio(self.samples[:, start : length - after], self.sample_rate) if start or after else self

    def fit(self, seconds: float, fade: float = 0.01) -> "Audio":
        """Exactly `seconds` of the sound: cut with a raised-cosine fade-out of `fade` seconds, or padded with silence.

        Raises:
            AudioError: if `seconds` is shorter than one sample or `fade` is negative.
        """
        if not (np.isfinite(seconds) and round(seconds * self.sample_rate) >= 1):
            raise AudioError(f"The length must be one sample (1/{self.sample_rate} s) or more, got {seconds} s.")
        if not 0 <= fade < np.inf:
            raise AudioError(f"The fade must be 0 s or more, got {fade} s.")
        length = round(seconds * self.sample_rate)
        samples = _exactly(self.samples, length)
        if length < self.samples.shape[1]:
            count = min(round(fade * self.sample_rate), length)
            samples[:, length - count :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, count + 1) / (count + 1))
        return Audio(samples, self.sample_rate)

    def gain(self, db: float) -> "Audio":
        """The sound, louder by `db` decibels (negative: softer)."""
        return Audio(self.samples * np.float32(10.0 ** (db / 20.0)), self.sample_rate)

    def loudest_power(self, seconds: float) -> float:
        """Largest mean square of all channels over `seconds`, or over the whole of a shorter sound."""
        power = np.square(self.samples, dtype=np.float64).mean(axis=0)
        size = min(power.size, max(1, round(seconds * self.sample_rate)))
        energy = np.concatenate([[0.0], np.cumsum(power)])
        return float((energy[size:] - energy[:-size]).max() / size)


def _exactly(samples: np.ndarray, length: int) -> np.ndarray:
    """A copy, cut or padded with zeros at its end to `length` samples."""
    kept = samples[:, :length]
    return np.pad(kept, ((0, 0), (0, length - kept.shape[1])))


def _checked_rate(value: object) -> int:
    try:
        rate = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        rate = 0
    if rate < 1 or rate != value:
        raise AudioError(f"The sample rate must be a whole number of hertz above 0, got {value!r}.")
    return rate


def _checked_samples(values: object) -> np.ndarray:
    """A read-only float32 copy of shape (channels, n), independent of the caller's array."""
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise AudioError(f"Samples must be floats with full scale at +-1, got {array.dtype}.")
    if array.ndim not in (1, 2):
        raise AudioError(f"Samples must have the shape (channels, n) or (n,), got {array.shape}.")
    if array.size == 0:
        raise AudioError(f"A sound must have one sample or more, got the shape {array.shape}.")
    with np.errstate(over="ignore"):  # values beyond float32 become infinite and are refused below
        samples = np.array(np.atleast_2d(array), dtype=np.float32, order="C")
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=0))
    if bad.size:
        raise AudioError(f"{bad.size} of {samples.shape[1]} samples are NaN or infinite, the first at sample {bad[0]}.")
    samples.flags.writeable = False
    return samples
