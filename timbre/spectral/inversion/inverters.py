"""From STFT magnitudes to waveforms: every inverter by name."""

import difflib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from timbre.errors import AudioError, ConfigError
from timbre.spectral.inversion.griffin_lim import fast_griffin_lim, griffin_lim
from timbre.spectral.inversion.pghi import pghi
from timbre.spectral.inversion.streaming import PORTABLE, REMOVED_STREAMS, STREAMS, removed, stream_whole
from timbre.spectral.stft import STFT

Inverter = Callable[[Tensor, STFT, int, int], Tensor]
"""(magnitude (batch, n_fft // 2 + 1, frames), stft, length, seed) -> waveforms (batch, length)."""

INVERTERS: dict[str, Inverter] = {
    "pghi+8": partial(pghi, iterations=8),
    "pghi": pghi,
    "rtpghi": stream_whole,
    "rtpghi-1": partial(stream_whole, inverter="rtpghi-1"),
    "fast_griffin_lim": fast_griffin_lim,
    "griffin_lim": griffin_lim,
}
"""The inverters by name, the default first. More names: ``pghi+N`` with any N, and ``rtpghi-0`` for ``rtpghi``."""

_REMOVED = REMOVED_STREAMS | {"spsi": "pghi", "admm": "pghi+8", "pghi-formula": "pghi"}


def find_inverter(name: str) -> Inverter:
    """The inverter called `name`; a ConfigError lists the names if there is none."""
    if name in INVERTERS:
        return INVERTERS[name]
    if match := re.fullmatch(r"pghi\+(\d{1,4})", name):
        return partial(pghi, iterations=int(match[1]))
    if name in STREAMS:
        return partial(stream_whole, inverter=name)
    if name == PORTABLE:
        raise ConfigError(
            f"The inverter {PORTABLE} needs more than magnitudes; use it with the points of a space, as in "
            f"space.decode(point, inverter='{PORTABLE}')."
        )
    if name in _REMOVED:
        raise removed(name, _REMOVED[name])
    close = difflib.get_close_matches(name, INVERTERS, n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    known = f"vocoder (if the space has one), {PORTABLE}, {', '.join(INVERTERS)}, pghi+N and rtpghi-N"
    raise ConfigError(f"The inverter must be one of {known}, got {name!r}{hint}")


@torch.no_grad()
def invert(
    magnitude: Tensor, stft: STFT, length: int | None = None, inverter: str | Inverter = "pghi+8", seed: int = 0
) -> Tensor:
    """Waveforms whose STFT has about the given magnitudes.

    Args:
        magnitude: (batch, n_fft // 2 + 1, frames), linear, as ``stft(waveform).abs()`` gives it.
        stft: the transform that the magnitudes belong to.
        length: samples; default: ``hop_length * (frames - 1)``, or one hop for a single frame. Beyond the frames there
            is silence.
        inverter: a name in :data:`INVERTERS`, or a function (:data:`Inverter`).
        seed: of the phases that are drawn at random; the same in every sound of the batch.

    Returns:
        (batch, length), float32, on the device of `magnitude`. A sound does not depend on the others in the batch: to
        the bit on a CPU, to rounding elsewhere.

    Raises:
        AudioError: the shape is wrong, a magnitude is negative or not finite, or the length is negative.
        ConfigError: there is no such inverter.
    """
    method = find_inverter(inverter) if isinstance(inverter, str) else inverter
    _check(magnitude, stft, length)
    frames = magnitude.shape[-1]
    natural = stft.hop_length * max(1, frames - 1)
    length = natural if length is None else length
    working = max(length, natural)
    silent = max(0, 1 + working // stft.hop_length - frames)
    framewise = torch.nn.functional.pad(magnitude.float(), (0, silent)).mT.contiguous().mT  # the layout of the STFT
    # One by one on a CPU: it is faster, and the last bit of a result would depend on the size of the batch.
    parts = framewise.split(1) if framewise.device.type == "cpu" else (framewise,)
    return torch.cat(_in_threads(lambda part: method(part, stft, working, seed)[:, :length], parts))


def _in_threads(method: Callable[[Tensor], Tensor], parts: tuple[Tensor, ...]) -> list[Tensor]:
    """Results of `method` for each part, from as many threads as torch may use: loops and FFTs release the GIL."""
    threads = torch.get_num_threads()
    if threads == 1 or len(parts) == 1:
        return [method(part) for part in parts]

    # Gradients and torch's number of threads are set per thread; the last bit of a product may depend on the latter.
    with ThreadPoolExecutor(min(threads, len(parts)), initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        return list(pool.map(torch.no_grad()(method), parts))


def _check(magnitude: Tensor, stft: STFT, length: int | None) -> None:
    bins = stft.n_fft // 2 + 1
    if magnitude.ndim != 3 or magnitude.shape[1] != bins or 0 in magnitude.shape:
        raise AudioError(f"Magnitudes must be a tensor (batch, {bins}, frames), got {tuple(magnitude.shape)}.")
    if not torch.isfinite(magnitude).all() or (magnitude < 0).any():
        raise AudioError("Magnitudes must be 0 or more and finite, got others that are negative or not finite.")
    if length is not None and length < 0:
        raise AudioError(f"length must be 0 or more, got {length} samples.")
