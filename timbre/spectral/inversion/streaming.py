"""From STFT magnitudes to sound, frame by frame as they come: the causal inverters.

An object of :class:`StreamingInverter` takes frames and gives hops; :func:`rtpghi` and :func:`rtisi` push whole
spectrograms through such an object, so that the two ways give the same samples.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from timbre.errors import AudioError, ConfigError
from timbre.spectral.inversion.rtisi import RTISI
from timbre.spectral.inversion.rtpghi import RTPGHI
from timbre.spectral.stft import STFT

STREAMS = {"rtpghi": ("rtpghi", 0), "rtpghi-0": ("rtpghi", 0), "rtpghi-1": ("rtpghi", 1), "rtisi": ("rtisi", 3)} | {
    f"rtisi-{frames}": ("rtisi", frames) for frames in range(4)
}
"""The causal inverters by name: method and frames of look-ahead."""

_SEEDS = 2**64


def check_causal(inverter: str, known: Iterable[str]) -> None:
    """Raise a ConfigError if a name is none of the known causal inverters'."""
    names = list(known)
    if inverter not in names:
        raise ConfigError(f"No causal inverter is called {inverter!r}: there are {', '.join(names)}.")


class _Method(Protocol):
    """Settles the phases of one frame after another."""

    spectrum: np.ndarray
    arrays: dict[str, np.ndarray]

    def advance(self, magnitude: np.ndarray | None, seed: np.uint64, frame: int) -> None: ...


class StreamingInverter:
    """Turns STFT magnitudes into sound as they come: one hop of samples for every frame.

    The samples are those of ``invert(magnitude, stft, length, inverter, seed)`` to the bit, however the frames are
    dealt out. Numpy inside and out: float32, one sound per object, no thread but the caller's. Everything is compiled
    and allocated at construction; afterwards a push takes about the same time whatever the spectrum.

    Args:
        stft: the transform that the magnitudes belong to.
        inverter: ``rtpghi`` (that is ``rtpghi-0``), ``rtpghi-1``, ``rtisi`` (that is ``rtisi-3``) or ``rtisi-0`` to
            ``rtisi-3``; the number is that of the frames of look-ahead.
        seed: of the phases that are drawn at random.

    Attributes:
        inverter: the name, with its number.
        look_ahead: frames seen before one is settled.
        hop_length: samples per frame.
        latency: samples by which the output is late: its sample k is the sound's sample ``k - latency``, the sound
            beginning at the centre of the first frame. ``n_fft // 2 + look_ahead * hop_length``.
        seed: as given, or as restored.

    Raises:
        ConfigError: there is no such causal inverter, or the hop is longer than half a window.
    """

    def __init__(self, stft: STFT, inverter: str = "rtpghi", seed: int = 0) -> None:
        check_causal(inverter, STREAMS)
        if not 1 <= stft.hop_length <= stft.n_fft // 2:
            raise ConfigError(
                f"A hop of {stft.hop_length} samples came with windows of {stft.n_fft}; up to half a window is wanted."
            )
        from timbre.spectral.inversion import _causal

        method, self.look_ahead = STREAMS[inverter]
        self.inverter, self.seed, self.hop_length = f"{method}-{self.look_ahead}", seed, stft.hop_length
        self.latency = stft.n_fft // 2 + self.look_ahead * stft.hop_length
        self._acceptable, self._overlap, self._shift = _causal.acceptable, _causal.overlap, _causal.shift
        self._n_fft, self._bins = stft.n_fft, stft.n_fft // 2 + 1
        self._gain = np.float32(1.0 / stft.scale)
        self._window = stft.window.cpu().numpy().copy()
        self._settled = np.zeros((2, stft.n_fft + self.look_ahead * stft.hop_length), np.float32)
        self._row = np.zeros((1, self._bins), np.float32)
        self._frame: np.ndarray = np.zeros(stft.n_fft, np.float32)
        self._given = np.zeros(1, np.int64)
        self._method: _Method
        if method == "rtisi":
            self._method = RTISI(stft.n_fft, self.hop_length, self.look_ahead, self._settled, self._window)
        else:
            self._method = RTPGHI(stft.n_fft, self.hop_length, self.look_ahead)
        self._arrays: dict[str, np.ndarray] = {"given": self._given, "settled": self._settled, **self._method.arrays}
        self.push(self._row[0])  # whatever is not compiled yet is compiled now
        self.flush()

    def push(
        self, magnitude: np.ndarray | Tensor, out: np.ndarray | None = None, pitch: "float | np.ndarray" = 0.0
    ) -> np.ndarray:
        """One hop of samples for every frame.

        Args:
            magnitude: linear STFT magnitudes, as ``stft(waveform).abs()`` gives them: one frame (bins,), or several
                (bins, frames). A tensor will do, on any device; a float32 array costs no copy.
            out: where to write the samples; a new array by default.
            pitch: what a vocoder's stream would want to know; no matter here.

        Returns:
            (hop_length * frames,), float32: `out`, if it was given.

        Raises:
            AudioError: the shape or type is wrong, a magnitude is negative or not finite, or `out` does not fit. The
                stream is then as it was.
        """
        rows = self._rows(magnitude)
        samples = self._output(out, len(rows) * self.hop_length)
        for number, row in enumerate(rows):
            self._advance(row, samples[number * self.hop_length : (number + 1) * self.hop_length])
        return samples

    def flush(self) -> np.ndarray:
        """The last `latency` samples (float32), after which the stream is as new: all that was pushed has come out.

        Beyond the last frame there is silence. With the frames pushed they make ``hop_length * frames + latency``.
        """
        samples = np.zeros(self.latency, np.float32)
        if self._given[0]:
            ahead = self.look_ahead * self.hop_length
            for start in range(0, ahead, self.hop_length):
                self._advance(None, samples[start : start + self.hop_length])
            self._take(samples[ahead:])
        self.reset()
        return samples

    def reset(self) -> None:
        """Forget all that was pushed."""
        for array in self._arrays.values():
            array[...] = 0

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all that the next samples depend on; ``numpy.savez(file, **state)`` keeps it without pickle."""
        return self._identity() | {name: array.copy() for name, array in self._arrays.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on where the stream that gave `state` was; its seed comes along.

        Args:
            state: what :meth:`state` returned, or ``numpy.load`` of the file.

        Raises:
            ConfigError: it belongs to another inverter or transform, or is damaged. The stream is then as it was.
        """
        given = {name: np.asarray(array) for name, array in state.items()}
        known = self._identity() | self._arrays
        if set(given) != set(known) or any(
            not np.array_equal(given[name], known[name]) for name in ("inverter", "transform")
        ):
            raise ConfigError(f"This state is of another stream; one of {self._description()} is wanted.")
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

    def _description(self) -> str:
        return f"{self.inverter} with windows of {self._n_fft} and a hop of {self.hop_length} samples"

    def _rows(self, magnitude: np.ndarray | Tensor) -> np.ndarray:
        """Magnitudes (frames, bins) of spectra without the transform's scale; they may lie in the stream's own row."""
        values = magnitude.detach().cpu().numpy() if isinstance(magnitude, Tensor) else np.asarray(magnitude)
        if values.ndim not in (1, 2) or values.shape[0] != self._bins or values.dtype.kind not in "fiu":
            raise AudioError(
                f"Magnitudes of shape {values.shape} and type {values.dtype} came;"
                f" real ones of shape ({self._bins},) or ({self._bins}, frames) are wanted."
            )
        frames = values.reshape(self._bins, -1).T
        rows = self._row if len(frames) == 1 else np.empty(frames.shape, np.float32)
        with np.errstate(over="ignore"):
            np.multiply(frames, self._gain, out=rows, casting="unsafe")
        if not self._acceptable(rows.reshape(-1)):
            raise AudioError("A frame has magnitudes that are negative or not finite; mend it before it is pushed.")
        return rows

    def _output(self, out: np.ndarray | None, length: int) -> np.ndarray:
        if out is None:
            return np.empty(length, np.float32)
        if out.shape != (length,) or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
            raise AudioError(f"An `out` that does not fit came; a contiguous float32 array ({length},) is wanted.")
        return out

    def _advance(self, magnitude: np.ndarray | None, out: np.ndarray) -> None:
        """Take one more frame, or none after the last, and write the next hop of samples."""
        frame = int(self._given[0]) // self.hop_length - self.look_ahead
        self._method.advance(magnitude, np.uint64(self.seed % _SEEDS), frame)
        if frame >= 0:
            np.fft.irfft(self._method.spectrum, self._n_fft, out=self._frame)
            self._overlap(self._frame, self._window, self._settled)
        self._take(out)

    def _take(self, out: np.ndarray) -> None:
        """Write the next samples; those before the sound begins are zero."""
        self._shift(self._settled, out)
        early = self.latency - int(self._given[0])
        if early > 0:
            out[:early] = 0.0
        self._given += out.size


def rtpghi(magnitude: Tensor, stft: STFT, length: int, seed: int, look_ahead: int = 0) -> Tensor:
    """What a stream of ``rtpghi-0`` or ``rtpghi-1`` gives; arguments as of an inverter."""
    return _offline(magnitude, stft, length, seed, f"rtpghi-{look_ahead}")


def rtisi(magnitude: Tensor, stft: STFT, length: int, seed: int, look_ahead: int = 3) -> Tensor:
    """What a stream of ``rtisi-0`` to ``rtisi-3`` gives; arguments as of an inverter."""
    return _offline(magnitude, stft, length, seed, f"rtisi-{look_ahead}")


def _offline(magnitude: Tensor, stft: STFT, length: int, seed: int, name: str) -> Tensor:
    """Waveforms (batch, length) on the device of `magnitude`; each sound in a stream of its own, on the CPU."""
    stream = StreamingInverter(stft, name, seed)
    waveforms = torch.zeros(len(magnitude), length)
    for sound, one in zip(waveforms, magnitude.detach().cpu().numpy(), strict=True):
        samples = np.concatenate([stream.push(one), stream.flush()])[stream.latency :][:length]
        sound[: samples.size] = torch.from_numpy(samples)
    return waveforms.to(magnitude.device)
