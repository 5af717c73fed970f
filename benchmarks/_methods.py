"""Inverters to compare: those of timbre, those that only benchmarks have, and those of other packages."""

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from _admm import admm
from _rtisi import rtisi
from _spsi import spsi
from torch import Tensor

from timbre.errors import ConfigError
from timbre.spectral import STFT, find_inverter, invert
from timbre.spectral.inversion.inverters import Inverter
from timbre.spectral.inversion.pghi import pghi
from timbre.spectral.inversion.streaming import STREAMS, CausalInverter, StreamingInverter, stream_whole
from timbre.spectral.torchaudio_compat import torchaudio

COMPARED: dict[str, Inverter | CausalInverter] = {
    "admm": admm,
    "spsi": spsi,
    "pghi-formula": partial(pghi, learned=False),
    **{f"rtisi-{frames}": rtisi(frames) for frames in range(4)},
}
"""Inverters that are not part of the package timbre."""

OURS = (
    *("griffin_lim", "fast_griffin_lim", "admm", "spsi", "pghi-formula", "pghi", "pghi+8", "pghi+32"),
    *("rtpghi", "rtpghi-1", "rtisi-0", "rtisi-1", "rtisi-2", "rtisi-3"),
)
SHORT = ("fast_griffin_lim", "pghi", "pghi+8", "rtpghi", "librosa.griffinlim 32")
"""Inverters for the rarer front ends: enough to compare them."""

Invert = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Method:
    """An inverter to compare.

    Attributes:
        name: its name in the table.
        invert: from magnitudes (1, bins, frames) and a length to a waveform (1, length).
        latency: samples from a sample's arrival to its return; None if the whole sound must be known.
        own: from a waveform (1, samples) to magnitudes of its own transform; None if it uses those of the STFT.
    """

    name: str
    invert: Invert
    latency: int | None = None
    own: Callable[[Tensor], Tensor] | None = None


def methods(names: Iterable[str], stft: STFT) -> list[Method]:
    """The methods of these names; those that are not installed are left out with a printed line."""
    known = []
    for name in names:
        try:
            known.append(PEERS[name](stft) if name in PEERS else _own(name, stft))
        except (ConfigError, ModuleNotFoundError) as error:
            print(f"left out {name}: {error}")
    return known


def _own(name: str, stft: STFT) -> Method:
    method = COMPARED.get(name) or STREAMS.get(name) or find_inverter(name)
    if isinstance(method, CausalInverter):
        latency = StreamingInverter(stft, method).latency
        method = partial(stream_whole, inverter=method)
    else:
        latency = None
    return Method(name, lambda magnitude, length: invert(magnitude, stft, length, method), latency)


def _librosa(iterations: int) -> Callable[[STFT], Method]:
    def method(stft: STFT) -> Method:
        import librosa

        def back(magnitude: Tensor, length: int) -> Tensor:
            shape = {"n_fft": stft.n_fft, "hop_length": stft.hop_length, "length": length}
            given = magnitude[0].numpy() / stft.scale
            return torch.from_numpy(librosa.griffinlim(given, n_iter=iterations, random_state=0, **shape))[None]

        return Method(f"librosa.griffinlim {iterations}", back)

    return method


def _torchaudio(stft: STFT) -> Method:
    def back(magnitude: Tensor, length: int) -> Tensor:
        transform = torchaudio.transforms.GriffinLim(
            stft.n_fft, 32, hop_length=stft.hop_length, power=1.0, length=length
        )
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            return transform(magnitude / stft.scale)

    return Method("torchaudio.GriffinLim 32", back)


def _lws(name: str, **settings: int) -> Callable[[STFT], Method]:
    """Le Roux et al. 2010, with the iterations of its mode for music. It asks for symmetric windows; with the periodic
    Hann window of all other methods its results are as good as with its own (measured)."""

    def method(stft: STFT) -> Method:
        import lws

        with contextlib.redirect_stdout(io.StringIO()):
            solver = lws.lws(stft.window.double().numpy(), stft.hop_length, nofuture_iterations=1, **settings)

        def back(magnitude: Tensor, length: int) -> Tensor:
            spectrum = solver.run_lws(magnitude[0].mT.contiguous().double().numpy())
            return stft.inverse(torch.from_numpy(spectrum.T[None]).to(torch.complex64), length)

        online = settings["batch_iterations"] == 0
        return Method(name, back, stft.n_fft // 2 + solver.look_ahead * stft.hop_length if online else None)

    return method


def _pghipy(stft: STFT) -> Method:
    """PGHI as published, on its own transform: it works with a Gaussian window only."""
    import pghipy

    shape = (stft.n_fft, stft.hop_length)
    window, gamma = pghipy.get_default_window(stft.n_fft)
    synthesis = pghipy.calculate_synthesis_window(*shape, window)

    def analyse(waveform: Tensor) -> Tensor:
        return torch.from_numpy(np.abs(pghipy.stft(waveform[0].double().numpy(), *shape, window)))

    def back(magnitude: Tensor, length: int) -> Tensor:
        given = magnitude.numpy()
        spectrum = given * np.exp(1j * pghipy.pghi(given, *shape, gamma))
        return torch.from_numpy(pghipy.istft(spectrum, *shape, window, synthesis, length)).float()[None]

    return Method("pghipy", back, own=analyse)


PEERS: dict[str, Callable[[STFT], Method]] = {
    "librosa.griffinlim 32": _librosa(32),
    "librosa.griffinlim 64": _librosa(64),
    "torchaudio.GriffinLim 32": _torchaudio,
    "lws": _lws("lws", online_iterations=10, batch_iterations=100),
    "lws online": _lws("lws online", online_iterations=10, batch_iterations=0),
    "pghipy": _pghipy,
}
"""Other packages; lws and pghipy are left out if they are not installed.

    pip install pghipy
    pip install cython numpy setuptools wheel && LWS_USE_CYTHON=1 pip install --no-build-isolation lws

(lws 1.2.8 has no wheels, needs numpy while it is built, and its C++ file is too old for Python 3.11.)
"""

FULL = (*OURS, *PEERS)
