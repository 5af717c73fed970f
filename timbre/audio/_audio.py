"""`Audio`: a sound in memory, which cannot hold anything that is not a sound."""

from dataclasses import dataclass

import numpy as np

from timbre.errors import AudioError

_WINDOW = 0.01  # seconds over which trim() measures level: shorter than any attack, longer than most periods


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound. Its samples are read-only; every method returns a new sound.

    Attributes:
        samples: float32 array (channels, n), n >= 1, all finite, full scale at +-1. A flat array is one channel.
        sample_rate: Hz.

    Raises:
        AudioError: for another shape, for integers or complex numbers, no samples, NaN or infinite ones, or a rate
            that is not a positive whole number.
    """

    samples: np.ndarray
    sample_rate: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", _checked_samples(self.samples))
        object.__setattr__(self, "sample_rate", _checked_rate(self.sample_rate))

    def __repr__(self) -> str:
        return f"Audio({self.duration:.3f} s, {self.channels} ch, {self.sample_rate} Hz, peak {self.peak:.3f})"

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.sample_rate)

    @property
    def peak(self) -> float:
        """Largest magnitude of any sample; full scale is 1."""
        return float(np.max(np.abs(self.samples)))

    def mono(self) -> "Audio":
        """The mean of the channels."""
        if self.channels == 1:
            return self
        return Audio(self.samples.mean(axis=0, dtype=np.float64).astype(np.float32), self.sample_rate)

    def resample(self, sample_rate: int) -> "Audio":
        """The same sound at another rate (Hz), band-limited by soxr's high quality filter; no delay, same duration."""
        rate = _checked_rate(sample_rate)
        if rate == self.sample_rate:
            return self
        import soxr

        samples = soxr.resample(self.samples.T, self.sample_rate, rate, quality="HQ").T
        return Audio(_exactly(samples, max(1, round(self.samples.shape[1] * rate / self.sample_rate))), rate)

    def trim(self, threshold_db: float = -50.0, *, tail: bool = True) -> "Audio":
        """Cut the silence before the sound and, unless `tail` is False, after it.

        Level is the RMS over 10 ms windows, all channels together; a window is silent when it lies more than
        -`threshold_db` dB below the loudest one. A sound that is silent throughout comes back as it is.

        Raises:
            AudioError: if `threshold_db` is not below 0 dB.
        """
        if not threshold_db < 0:
            raise AudioError(
                f"The trim threshold is {threshold_db} dB; it is relative to the loudest part, so below 0."
            )
        size = max(1, round(_WINDOW * self.sample_rate))
        power = _window_power(self.samples, size)
        loud = np.flatnonzero(power > power.max() * 10.0 ** (threshold_db / 10.0))
        if loud.size == 0:
            return self
        stop = (loud[-1] + 1) * size if tail else None
        return Audio(self.samples[:, loud[0] * size : stop], self.sample_rate)

    def fit(self, seconds: float, fade: float = 0.01) -> "Audio":
        """Exactly `seconds` of the sound: cut with a raised-cosine fade-out of `fade` seconds, or padded with silence.

        Raises:
            AudioError: if `seconds` is shorter than one sample or `fade` is negative.
        """
        if not (np.isfinite(seconds) and round(seconds * self.sample_rate) >= 1):
            raise AudioError(
                f"A length of {seconds} s was asked for; at least one sample (1/{self.sample_rate} s) is wanted."
            )
        if not 0 <= fade < np.inf:
            raise AudioError(f"A fade of {fade} s was asked for; 0 or more is wanted.")
        length = round(seconds * self.sample_rate)
        samples = _exactly(self.samples, length)
        if length < self.samples.shape[1]:
            count = min(round(fade * self.sample_rate), length)
            samples[:, length - count :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, count + 1) / (count + 1))
        return Audio(samples, self.sample_rate)

    def gain(self, db: float) -> "Audio":
        """The sound made louder by `db` decibels (negative: softer)."""
        return Audio(self.samples * np.float32(10.0 ** (db / 20.0)), self.sample_rate)


def _exactly(samples: np.ndarray, length: int) -> np.ndarray:
    """A copy cut or padded with zeros at its end to `length` samples."""
    out = np.zeros((samples.shape[0], length), np.float32)
    kept = min(length, samples.shape[1])
    out[:, :kept] = samples[:, :kept]
    return out


def _window_power(samples: np.ndarray, size: int) -> np.ndarray:
    """Mean square of consecutive windows; the last may be shorter. Windows do not overlap, so trim() is idempotent."""
    starts = np.arange(0, samples.shape[1], size)
    sums = np.add.reduceat(np.square(samples, dtype=np.float64).mean(axis=0), starts)
    return sums / np.diff(np.append(starts, samples.shape[1]))


def _checked_rate(value: object) -> int:
    try:
        rate = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        rate = 0
    if rate < 1 or rate != value:
        raise AudioError(f"The sample rate is {value!r}; a whole number of hertz above 0 is wanted.")
    return rate


def _checked_samples(values: object) -> np.ndarray:
    """A read-only float32 copy of shape (channels, n), so that the caller's later changes cannot reach the sound."""
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise AudioError(f"Samples of type {array.dtype} were given; floats with full scale at +-1 are wanted.")
    if array.ndim not in (1, 2):
        raise AudioError(f"Samples of shape {array.shape} were given; (channels, n) or (n,) is wanted.")
    if array.size == 0:
        raise AudioError(f"Samples of shape {array.shape} were given: there is no sound in them.")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
        samples = np.array(np.atleast_2d(array), dtype=np.float32, order="C")
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=0))
    if bad.size:
        raise AudioError(f"{bad.size} of {samples.shape[1]} samples are NaN or infinite, the first at sample {bad[0]}.")
    samples.flags.writeable = False
    return samples
