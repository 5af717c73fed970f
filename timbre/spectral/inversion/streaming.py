"""Causal inverters: from STFT magnitudes to sound, frame by frame."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from timbre.errors import AudioError, ConfigError
from timbre.spectral.inversion._causal import acceptable
from timbre.spectral.inversion.overlap_add import OverlapAdd
from timbre.spectral.inversion.rtpghi import RTPGHI
from timbre.spectral.stft import STFT

_SEEDS = 2**64
PORTABLE = "portable"  # the inverter of what sounds in frames, which needs more than magnitudes
REMOVED_STREAMS = dict.fromkeys(("rtisi", "rtisi-0", "rtisi-1", "rtisi-2", "rtisi-3"), "rtpghi-1")
"""Causal inverters of timbre 0.1 by name, with what to use instead."""


class PhaseMethod(Protocol):
    """Finds the phases of one frame after another."""

    spectrum: np.ndarray
    """Complex (bins,), of the last frame that was settled."""
    arrays: dict[str, np.ndarray]
    """Everything that the next phases depend on, by name; zeros at first."""

    def advance(self, magnitude: np.ndarray | None, seed: np.uint64, frame: int) -> None:
        """Take the magnitudes (bins,) of one more frame, or None after the last, and settle `frame`.

        `frame` is the index of the frame taken minus the look-ahead; below 0 there is nothing to settle yet.
        """


class CausalInverter(NamedTuple):
    """A causal inverter."""

    name: str
    """Unique; it is part of a stream's state."""
    look_ahead: int
    """Frames that come before one is settled."""
    method: Callable[[STFT, OverlapAdd], PhaseMethod]
    """Makes the object that finds the phases, from the transform and the output so far."""


def _rtpghi(look_ahead: int) -> CausalInverter:
    return CausalInverter(
        f"rtpghi-{look_ahead}", look_ahead, lambda stft, _: RTPGHI(stft.n_fft, stft.hop_length, look_ahead)
    )


STREAMS = {"rtpghi": _rtpghi(0), "rtpghi-0": _rtpghi(0), "rtpghi-1": _rtpghi(1)}
"""The causal inverters by name."""


def check_causal(inverter: str, known: Iterable[str] = STREAMS) -> None:
    """Raise a ConfigError unless `inverter` is one of the `known` causal inverters."""
    if inverter in (names := list(known)):
        return
    if inverter in REMOVED_STREAMS:
        raise removed(inverter, REMOVED_STREAMS[inverter])
    raise ConfigError(f"The causal inverter must be one of {', '.join(names)}, got {inverter!r}.")


def removed(inverter: str, instead: str) -> ConfigError:
    """The error for an inverter that timbre no longer has."""
    return ConfigError(f"The inverter {inverter!r} is no longer part of timbre (0.1 had it); use {instead!r} instead.")


class StreamingInverter:
    """Turns STFT magnitudes into sound as they come: one hop of samples for every frame.

    The samples equal those of ``invert(magnitude, stft, length, inverter, seed)`` to the bit, however the frames are
    grouped into calls. Input and output are numpy arrays, float32. One object is one sound; it runs in the caller's
    thread. Everything is compiled and allocated at construction; afterwards a push takes about the same time whatever
    the spectrum.

    Args:
        stft: the transform that the magnitudes belong to.
        inverter: a name in :data:`STREAMS`, whose number is that of the frames of look-ahead (``rtpghi`` is
            ``rtpghi-0``), or a :class:`CausalInverter`.
        seed: of the phases that are drawn at random.

    Attributes:
        inverter: the name, with its number.
        look_ahead: frames that come before one is settled.
        hop_length: samples per frame.
        latency: samples by which the output is late: its sample k is the sound's sample ``k - latency``, and the sound
            begins at the centre of the first frame. ``n_fft // 2 + look_ahead * hop_length``.
        seed: as given, or as restored.

    Raises:
        ConfigError: there is no such causal inverter, or the hop is longer than half a window.
    """

    def __init__(self, stft: STFT, inverter: str | CausalInverter = "rtpghi", seed: int = 0) -> None:
        if isinstance(inverter, str):
            check_causal(inverter)
            inverter = STREAMS[inverter]
        if not 1 <= stft.hop_length <= stft.n_fft // 2:
            raise ConfigError(
                f"hop_length must be between 1 and half a window, {stft.n_fft // 2}, got {stft.hop_length}."
            )
        self.inverter, self.look_ahead, self.seed, self.hop_length = *inverter[:2], seed, stft.hop_length
        self._n_fft, self._bins = stft.n_fft, stft.n_fft // 2 + 1
        self._gain = np.float32(1.0 / stft.scale)
        self._row = np.zeros((1, self._bins), np.float32)
        self._output = OverlapAdd(stft, self.look_ahead)
        self.latency = self._output.latency
        self._method = inverter.method(stft, self._output)
        self._arrays = self._output.arrays | self._method.arrays
        self.push(self._row[0])  # compiles what is not compiled yet
        self.flush()

    def push(
        self, magnitude: np.ndarray | Tensor, out: np.ndarray | None = None, pitch: float | np.ndarray = 0.0
    ) -> np.ndarray:
        """Return one hop of samples for every frame.

        Args:
            magnitude: linear STFT magnitudes, as ``stft(waveform).abs()`` gives them: one frame (bins,), or several
                (bins, frames). Tensors on any device are converted; a float32 array is not copied.
            out: where to write the samples; default: a new array.
            pitch: ignored; the stream of a vocoder needs it.

        Returns:
            (hop_length * frames,), float32: `out`, if it was given.

        Raises:
            AudioError: the shape or type is wrong, a magnitude is negative or not finite, or `out` does not fit. The
                stream is then unchanged.
        """
        rows = as_rows(magnitude, self._bins, self._gain, self._row)  # without the scale of the transform
        samples = _checked(out, len(rows) * self.hop_length)
        for row, hop in zip(rows, samples.reshape(-1, self.hop_length), strict=True):
            self._advance(row, hop)
        return samples

    def flush(self) -> np.ndarray:
        """Return the last `latency` samples (float32) and reset the stream.

        Beyond the last frame there is silence. All pushes and the flush make ``hop_length * frames + latency`` samples.
        """
        samples = np.zeros(self.latency, np.float32)
        if self._output.given:
            ahead = self.look_ahead * self.hop_length
            for hop in samples[:ahead].reshape(-1, self.hop_length):
                self._advance(None, hop)
            self._output.take(samples[ahead:])
        self.reset()
        return samples

    def reset(self) -> None:
        """Forget everything that was pushed."""
        for array in self._arrays.values():
            array[...] = 0

    def state(self) -> dict[str, np.ndarray]:
        """Copies of everything that the next samples depend on; ``numpy.savez(file, **state)`` saves it."""
        return self._identity() | {name: array.copy() for name, array in self._arrays.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue where the stream that gave `state` was, with its seed.

        Args:
            state: the result of :meth:`state`, or ``numpy.load`` of the file.

        Raises:
            ConfigError: the state belongs to another inverter or transform, or is damaged. The stream is then
                unchanged.
        """
        given = {name: np.asarray(array) for name, array in state.items()}
        own = self._identity() | self._arrays
        if given.keys() != own.keys() or any(not np.array_equal(given[k], own[k]) for k in ("inverter", "transform")):
            raise ConfigError(
                f"The state must be one of {self.inverter} with windows of {self._n_fft} and a hop of "
                f"{self.hop_length} samples, got one of another stream."
            )
        for name, array in self._arrays.items():
            one = given[name]
            if one.shape != array.shape or one.dtype != array.dtype or not np.isfinite(one).all():
                raise ConfigError(f"The state's {name!r} is damaged; save it again from a stream of the same settings.")
        if given["given"][0] < 0 or given["given"][0] % self.hop_length:
            raise ConfigError("The state ends within a hop; save it again from a stream of the same settings.")
        for name, array in self._arrays.items():
            array[...] = given[name]
        self.seed = int(given["seed"])

    def _identity(self) -> dict[str, np.ndarray]:
        return {
            "inverter": np.array(self.inverter),
            "transform": np.array([self._n_fft, self.hop_length]),
            "seed": np.array(self.seed % _SEEDS, np.uint64),
        }

    def _advance(self, magnitude: np.ndarray | None, out: np.ndarray) -> None:
        """Take one more frame, or None after the last, and write the next hop of samples."""
        frame = self._output.frame
        self._method.advance(magnitude, np.uint64(self.seed % _SEEDS), frame)
        if frame >= 0:
            self._output.add(self._method.spectrum)
        self._output.take(out)


def as_rows(
    magnitude: np.ndarray | Tensor, bins: int, gain: float | np.float32 = 1.0, row: np.ndarray | None = None
) -> np.ndarray:
    """Magnitudes (bins,) or (bins, frames), times `gain`, as rows (frames, bins), float32.

    A single frame is written to `row` (1, bins), if it is given.

    Raises:
        AudioError: the shape or type is wrong, or a magnitude is negative or not finite.
    """
    values = magnitude.detach().cpu().numpy() if isinstance(magnitude, Tensor) else np.asarray(magnitude)
    if values.ndim not in (1, 2) or values.shape[0] != bins or values.dtype.kind not in "fiu":
        raise AudioError(
            f"Magnitudes must be real numbers of shape ({bins},) or ({bins}, frames), "
            f"got {values.dtype} of shape {values.shape}."
        )
    frames = values.reshape(bins, -1).T
    rows = row if row is not None and len(frames) == 1 else np.empty(frames.shape, np.float32)
    with np.errstate(over="ignore"):
        np.multiply(frames, gain, out=rows, casting="unsafe")
    if not acceptable(rows.reshape(-1)):
        raise AudioError("Magnitudes must be 0 or more and finite, got others that are negative or not finite.")
    return rows


def _checked(out: np.ndarray | None, length: int) -> np.ndarray:
    """`out`, if it has that length and fits; a new array for None."""
    if out is None:
        return np.empty(length, np.float32)
    if out.shape != (length,) or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
        raise AudioError(f"out must be a writable, contiguous float32 array ({length},), got {out.dtype} {out.shape}.")
    return out


def stream_whole(
    magnitude: Tensor, stft: STFT, length: int, seed: int, inverter: str | CausalInverter = "rtpghi"
) -> Tensor:
    """Push whole spectrograms through a :class:`StreamingInverter`, on the CPU; other arguments as in `invert`."""
    stream = StreamingInverter(stft, inverter, seed)
    waveforms = torch.zeros(len(magnitude), length)
    for sound, one in zip(waveforms, magnitude.detach().cpu().numpy(), strict=True):
        samples = np.concatenate([stream.push(one), stream.flush()])[stream.latency :][:length]
        sound[: samples.size] = torch.from_numpy(samples)
    return waveforms.to(magnitude.device)
