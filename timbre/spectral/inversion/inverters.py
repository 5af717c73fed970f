"""From STFT magnitudes to waveforms: every method by its name."""

import difflib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from torch import Tensor

from timbre.errors import AudioError, ConfigError
from timbre.spectral.inversion.admm import admm
from timbre.spectral.inversion.griffin_lim import fast_griffin_lim, griffin_lim
from timbre.spectral.inversion.pghi import pghi
from timbre.spectral.inversion.spsi import spsi
from timbre.spectral.inversion.streaming import STREAMS, rtisi, rtpghi
from timbre.spectral.stft import STFT

Inverter = Callable[[Tensor, STFT, int, int], Tensor]
"""(magnitude (batch, n_fft // 2 + 1, frames), stft, length, seed) -> waveforms (batch, length)."""

INVERTERS: dict[str, Inverter] = {
    "pghi+8": partial(pghi, iterations=8),
    "pghi": pghi,
    "pghi-formula": partial(pghi, learned=False),
    "rtpghi": rtpghi,
    "rtpghi-1": partial(rtpghi, look_ahead=1),
    "rtisi": rtisi,
    "spsi": spsi,
    "admm": admm,
    "fast_griffin_lim": fast_griffin_lim,
    "griffin_lim": griffin_lim,
}
"""The inverters by name, the default first.

``pghi+N`` with any other N is known too, and so are the frames of look-ahead of the causal ones: ``rtpghi-0`` (that is
``rtpghi``), ``rtpghi-1``, ``rtisi-0`` to ``rtisi-3`` (``rtisi``).
"""


def find_inverter(name: str) -> Inverter:
    """The inverter called `name`.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name in INVERTERS:
        return INVERTERS[name]
    if match := re.fullmatch(r"pghi\+(\d{1,4})", name):
        return partial(pghi, iterations=int(match[1]))
    if name in STREAMS:
        method, look_ahead = STREAMS[name]
        return partial(rtisi if method == "rtisi" else rtpghi, look_ahead=look_ahead)
    close = difflib.get_close_matches(name, INVERTERS, n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    raise ConfigError(
        f"No inverter is called {name!r}: there are {', '.join(INVERTERS)}, pghi+N, rtpghi-N and rtisi-N{hint}"
    )


@torch.no_grad()
def invert(magnitude: Tensor, stft: STFT, length: int | None = None, inverter: str = "pghi+8", seed: int = 0) -> Tensor:
    """Waveforms whose STFT has about the given magnitudes.

    Args:
        magnitude: (batch, n_fft // 2 + 1, frames), linear, as ``stft(waveform).abs()`` gives it.
        stft: the transform that the magnitudes belong to.
        length: samples wanted; ``hop_length * (frames - 1)`` by default (one hop for a single frame).
            Beyond the frames there is silence.
        inverter: a name in :data:`INVERTERS`.
        seed: of the phases that are drawn at random; the same in every sound of the batch.

    Returns:
        (batch, length), float32, on the device of `magnitude`. A sound comes out the same whatever the batch around
        it: to the bit on a CPU, to rounding elsewhere.

    Raises:
        AudioError: the shape is wrong, a magnitude is negative or not finite, or the length is negative.
        ConfigError: there is no such inverter.
    """
    method = find_inverter(inverter)
    _check(magnitude, stft, length)
    frames = magnitude.shape[-1]
    natural = stft.hop_length * max(1, frames - 1)
    length = natural if length is None else length
    working = max(length, natural)
    silent = max(0, 1 + working // stft.hop_length - frames)
    framewise = torch.nn.functional.pad(magnitude.float(), (0, silent)).mT.contiguous().mT  # the layout of the STFT
    # On a CPU one by one: it is faster, and the last bit of a result would depend on how the batch falls into vectors.
    parts = framewise.split(1) if framewise.device.type == "cpu" else (framewise,)
    return torch.cat(_side_by_side(lambda part: method(part, stft, working, seed)[:, :length], parts))


def _side_by_side(method: Callable[[Tensor], Tensor], parts: tuple[Tensor, ...]) -> list[Tensor]:
    """What `method` makes of each part, in as many threads as torch may use: loops and FFTs let go of the GIL."""
    threads = torch.get_num_threads()
    if threads == 1 or len(parts) == 1:
        return [method(part) for part in parts]

    def one(part: Tensor) -> Tensor:
        with torch.no_grad():  # which holds for a thread
            return method(part)

    # A thread starts with its own count of torch's threads, on which the last bit of a product may depend.
    with ThreadPoolExecutor(min(threads, len(parts)), initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        return list(pool.map(one, parts))


def _check(magnitude: Tensor, stft: STFT, length: int | None) -> None:
    bins = stft.n_fft // 2 + 1
    if magnitude.ndim != 3 or magnitude.shape[1] != bins or 0 in magnitude.shape:
        wanted = f"(batch, {bins}, frames)"
        raise AudioError(f"The magnitudes come as {tuple(magnitude.shape)}; a tensor {wanted} is wanted.")
    if not torch.isfinite(magnitude).all() or (magnitude < 0).any():
        raise AudioError(
            "The spectrogram has values that are not finite, or negative magnitudes; mend it before inverting."
        )
    if length is not None and length < 0:
        raise AudioError(f"A length of {length} samples was asked for; 0 or more is wanted.")
