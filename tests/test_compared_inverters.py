"""Inverters that are compared in the benchmarks only, ADMM and SPSI: laws, references, real notes."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import timbre
from timbre.data import Library
from timbre.evaluation.metrics.sounds import spectral_convergence_db
from timbre.spectral import STFT
from timbre.spectral.inversion.griffin_lim import random_spectrum
from timbre.spectral.inversion.inverters import Inverter

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _admm import admm
from _spsi import follow_peaks, spsi

RATE, N_FFT, HOP = 22050, 1024, 256
TRANSFORM = STFT(N_FFT, HOP)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def convergence(magnitude: Tensor, result: Tensor, stft: STFT = TRANSFORM) -> float:
    return spectral_convergence_db(magnitude, stft(result).abs())


def test_admm_without_iterations_is_the_random_start() -> None:
    magnitude = TRANSFORM(noise(1, 5000)).abs()
    expected = TRANSFORM.inverse(random_spectrum(magnitude, 2), 5000)
    assert torch.equal(admm(magnitude, TRANSFORM, 5000, 2, iterations=0), expected)


@pytest.mark.parametrize("slack", [0.0, 0.25])
def test_admm_comes_nearer_with_iterations(slack: float) -> None:
    magnitude = TRANSFORM(noise(1, RATE)).abs()
    found = [convergence(magnitude, admm(magnitude, TRANSFORM, RATE, 0, n, slack)) for n in (1, 8, 64)]
    assert found[0] > found[1] > found[2]


@given(st.floats(200.0, 10000.0), st.sampled_from([(1024, 256), (1024, 128), (2048, 512), (512, 200)]))
@settings(max_examples=30)
def test_spsi_gives_a_steady_partial_back_all_but_exactly(hz: float, size: tuple[int, int]) -> None:
    stft = STFT(*size)
    magnitude = stft(
        0.5 * torch.sin(2 * math.pi * hz * torch.arange(8192, dtype=torch.float64) / RATE).float()[None]
    ).abs()
    result = spsi(magnitude, stft, 8192, 0)
    steady = slice(8, -8)  # at its ends it is no partial
    assert spectral_convergence_db(magnitude[..., steady], stft(result).abs()[..., steady]) < -30.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 99))
def test_every_bin_follows_the_peak_uphill(row: list[float], seed: int) -> None:
    magnitude = np.array([row], np.float32)
    start = np.random.default_rng(seed).uniform(0, 6, len(row)).astype(np.float32)
    phase = np.full_like(magnitude, np.nan)
    follow_peaks(magnitude, 0.0, start, phase)
    for bin_ in range(len(row)):
        peak = bin_
        while True:
            if peak and magnitude[0, peak - 1] >= magnitude[0, peak]:
                peak -= 1
            elif peak + 1 < len(row) and magnitude[0, peak + 1] > magnitude[0, peak]:
                peak += 1
            else:
                break
        assert abs(math.sin(phase[0, bin_] - start[peak])) < 1e-3  # the same but for half turns


@pytest.mark.parametrize("method", [admm, spsi])
@pytest.mark.parametrize("size", [(64, 17), (256, 64), (2048, 512)])
def test_works_at_other_sizes(method: Inverter, size: tuple[int, int]) -> None:
    stft, waveform = STFT(*size), noise(1, 5000)
    result = method(stft(waveform).abs(), stft, 5000, 0)
    assert convergence(stft(waveform).abs(), result, stft) < -5.0


def test_where_they_stand_on_real_notes(orchestra: Library) -> None:
    notes = orchestra.filter(instrument=["flute", "clarinet", "trumpet", "violin", "oboe"])[::24]
    sounds = [timbre.read(note.file, RATE, mono=True).trim(tail=False).fit(1.0) for note in notes]
    magnitudes = [TRANSFORM(torch.from_numpy(sound.samples / sound.peak)).abs() for sound in sounds]
    for method, bound in ((spsi, -12.0), (admm, -18.0)):
        results = [convergence(magnitude, method(magnitude, TRANSFORM, RATE, 0)) for magnitude in magnitudes]
        assert np.mean(results) < bound
