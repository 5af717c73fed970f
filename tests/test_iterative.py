"""Griffin-Lim and its relatives: laws, references, real notes."""

import itertools
from collections.abc import Callable

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
from timbre.spectral.inversion._restoration import accelerate, cut, overlap_add, restore
from timbre.spectral.inversion.griffin_lim import fast_griffin_lim, random_spectrum, refine
from timbre.spectral.torchaudio_compat import torchaudio

RATE, N_FFT, HOP = 22050, 1024, 256
TRANSFORM = STFT(N_FFT, HOP)
Method = Callable[[Tensor, STFT, int, int], Tensor]

sizes = st.sampled_from([(1024, 256), (256, 64), (64, 17), (64, 1), (32, 16)])


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def convergence(magnitude: Tensor, result: Tensor, stft: STFT = TRANSFORM) -> float:
    return spectral_convergence_db(magnitude, stft(result).abs())


def plain_refine(
    spectrum: Tensor,
    magnitude: Tensor,
    stft: STFT,
    length: int,
    iterations: int,
    alpha: float,
    beta: float,
    gamma: float,
) -> Tensor:
    """Nenov, Nguyen, Balazs and Bot 2023 as it stands in the paper, on spectra; the first projection starts it off."""
    c = d = t = stft(stft.inverse(spectrum, length))
    for _ in range(iterations - 1):
        before = t
        t = (1 - gamma) * d + gamma * stft(stft.inverse(restore_phases(c, magnitude), length))
        c, d = t + alpha * (t - before), t + beta * (t - before)
    return restore_phases(c, magnitude)


# --- refinement


@given(sizes, st.integers(1, 3000), st.integers(1, 6), st.floats(0, 1.1), st.floats(0.5, 1.3), st.integers(0, 99))
@settings(max_examples=60)
def test_refinement_is_the_published_algorithm(
    size: tuple[int, int], length: int, iterations: int, momentum: float, relaxation: float, seed: int
) -> None:
    stft = STFT(*size).double()
    magnitude = stft(noise(2, length, seed=seed).double()).abs()
    spectrum = random_spectrum(magnitude, seed)
    ours = refine(spectrum, magnitude, stft, length, iterations, momentum, relaxation)
    theirs = plain_refine(spectrum, magnitude, stft, length, iterations, momentum, momentum, relaxation)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_without_extras_it_is_torchaudios_griffin_lim() -> None:
    """From the same phases and with frames reflected or padded alike, which silence at both ends makes sure of."""
    waveform = torch.nn.functional.pad(noise(1, 12 * HOP), (4 * HOP, 4 * HOP))
    length, start = waveform.shape[1], 6
    magnitude = TRANSFORM(waveform).abs()
    torch.manual_seed(start)
    drawn = torch.rand((1, *magnitude.shape[1:]), dtype=torch.complex64)  # what torchaudio starts from
    torch.manual_seed(start)
    theirs = torchaudio.functional.griffinlim(
        magnitude / TRANSFORM.scale, TRANSFORM.window, N_FFT, HOP, N_FFT, 1.0, 5, 0.0, length, True
    )
    ours = TRANSFORM.inverse(refine(magnitude * drawn, magnitude, TRANSFORM, length, 5, 0.0, 1.0), length)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)
    assert (ours - theirs).norm() < 0.01 * theirs.norm()


@given(st.integers(0, 50), st.floats(0, 1.2), st.floats(0.2, 1.3))
@settings(max_examples=10)
def test_the_true_spectrum_stays_what_it_is(seed: int, momentum: float, relaxation: float) -> None:
    spectrum = TRANSFORM(noise(1, 4000, seed=seed))
    refined = refine(spectrum, spectrum.abs(), TRANSFORM, 4000, 6, momentum, relaxation)
    torch.testing.assert_close(refined, spectrum, rtol=0, atol=1e-5)


@given(st.integers(0, 50), st.floats(0.1, 1.9))
@settings(max_examples=15)
def test_relaxation_alone_never_makes_it_worse(seed: int, relaxation: float) -> None:
    """Griffin and Lim 1984 prove it for 1; the bound that they use falls for every step between 0 and 2."""
    stft = STFT(256, 64)
    magnitude = stft(noise(1, 3000, seed=seed)).abs()
    spectrum = refine(random_spectrum(magnitude, seed), magnitude, stft, 3000, 1)
    waveform, errors = stft.inverse(spectrum, 3000), []
    for _ in range(8):
        errors.append(float((stft(waveform).abs() - magnitude).norm()))
        # Two iterations from the spectrum of a waveform: the first finds that waveform, the second steps from it.
        guess = stft(waveform)
        restored = refine(guess, magnitude, stft, 3000, 1)
        nearest = stft.inverse(restored, 3000)
        waveform = torch.lerp(waveform, nearest, relaxation)
        expected = refine(guess, magnitude, stft, 3000, 2, 0.0, relaxation)
        torch.testing.assert_close(restore_phases(stft(waveform), magnitude), expected, rtol=0, atol=1e-4)
    assert all(after <= before * (1 + 1e-4) for before, after in itertools.pairwise(errors))


def restore_phases(spectrum: Tensor, magnitude: Tensor) -> Tensor:
    return magnitude * torch.sgn(spectrum)


@pytest.mark.parametrize("iterations", [8, 100])
def test_the_defaults_beat_fast_griffin_lim_and_do_not_diverge(iterations: int) -> None:
    magnitude = TRANSFORM(noise(1, RATE)).abs()
    start = random_spectrum(magnitude, 0)
    found = [
        convergence(magnitude, TRANSFORM.inverse(refine(start, magnitude, TRANSFORM, RATE, iterations, *pace), RATE))
        for pace in ((), (0.99, 1.0), (0.0, 1.0))
    ]
    assert found[0] < found[2] - 0.3
    assert iterations == 100 or found[0] < found[1]


def test_magnitudes_are_kept_and_no_iterations_change_nothing() -> None:
    magnitude = torch.rand(2, N_FFT // 2 + 1, 9, generator=torch.Generator().manual_seed(0))
    start = random_spectrum(magnitude, 1)
    torch.testing.assert_close(refine(start, magnitude, TRANSFORM, 8 * HOP, 3).abs(), magnitude, rtol=1e-5, atol=1e-7)
    assert torch.equal(refine(start, magnitude, TRANSFORM, 8 * HOP, 0), start)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_goes_the_same_way() -> None:
    magnitude = TRANSFORM(noise(3, RATE)).abs()
    start, there = random_spectrum(magnitude, 0), STFT(N_FFT, HOP).cuda()
    refined = refine(start.cuda(), magnitude.cuda(), there, RATE, 4)
    torch.testing.assert_close(refined.cpu(), refine(start, magnitude, TRANSFORM, RATE, 4), rtol=0, atol=1e-3)


# --- its compiled loops


def test_restoring_gives_silence_silence_and_the_softest_their_level() -> None:
    spectrum = np.array([3 + 4j, 0, 1e-15j, 2], np.complex64)
    restore(spectrum.view(np.float32), np.array([10, 1, 0.5, 0], np.float32))
    np.testing.assert_allclose(spectrum, [6 + 8j, 0, 0.5j, 0], rtol=1e-6)


def test_frames_are_cut_and_added_up_again() -> None:
    waveform, window = np.arange(20.0), np.array([1.0, 2.0, 2.0, 1.0])
    frames, total = np.empty((9, 4)), np.empty(20)
    cut(waveform, window, 2, frames)
    np.testing.assert_array_equal(frames[3], waveform[6:10] * window)
    overlap_add(frames, 1.0 / window, 2, total)
    np.testing.assert_allclose(total[2:18], 2.0 * waveform[2:18])
    np.testing.assert_allclose(total[[0, 1, 18, 19]], waveform[[0, 1, 18, 19]])


def test_a_step_relaxes_and_then_runs_on() -> None:
    last, ahead = np.array([1.0]), np.array([2.0])
    accelerate(np.array([8.0]), np.array([0.5]), last, ahead, 1.5, 0.5)
    assert last[0] == 5.0  # 2 + 1.5 (4 - 2)
    assert ahead[0] == 7.0  # 5 + 0.5 (5 - 1)


# --- fast Griffin-Lim


@pytest.mark.parametrize("method", [fast_griffin_lim])
class TestContract:
    def test_same_seed_same_sound_and_other_seed_another(self, method: Method) -> None:
        magnitude = TRANSFORM(noise(1, 6000)).abs()
        first, again, other = (method(magnitude, TRANSFORM, 6000, seed) for seed in (3, 3, 4))
        assert first.shape == (1, 6000)
        assert first.dtype == torch.float32
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_a_sound_is_the_same_whatever_the_batch(self, method: Method) -> None:
        magnitude = TRANSFORM(noise(4, 6000)).abs()
        together = method(magnitude, TRANSFORM, 6000, 0)
        for number in range(4):
            one = method(magnitude[number : number + 1], TRANSFORM, 6000, 0)[0]
            torch.testing.assert_close(one, together[number], rtol=0, atol=1e-3)

    def test_silence_stays_silent(self, method: Method) -> None:
        assert torch.count_nonzero(method(torch.zeros(2, 513, 12), TRANSFORM, 11 * HOP, 0)) == 0

    @pytest.mark.parametrize("size", [(64, 17), (256, 64), (2048, 512)])
    def test_works_at_other_sizes(self, method: Method, size: tuple[int, int]) -> None:
        stft, waveform = STFT(*size), noise(1, 5000)
        result = method(stft(waveform).abs(), stft, 5000, 0)
        assert convergence(stft(waveform).abs(), result, stft) < -5.0


# --- real notes


def test_where_they_stand_on_real_notes(orchestra: Library) -> None:
    notes = orchestra.filter(instrument=["flute", "clarinet", "trumpet", "violin", "oboe"])[::24]
    sounds = [timbre.read(note.file, RATE, mono=True).trim(tail=False).fit(1.0) for note in notes]
    found: dict[str, list[float]] = {"fast": [], "accelerated": []}
    for sound in sounds:
        magnitude = TRANSFORM(torch.from_numpy(sound.samples / sound.peak)).abs()
        start = random_spectrum(magnitude, 0)
        results = {
            "fast": fast_griffin_lim(magnitude, TRANSFORM, RATE, 0),
            "accelerated": TRANSFORM.inverse(refine(start, magnitude, TRANSFORM, RATE, 32), RATE),
        }
        for name, result in results.items():
            found[name].append(convergence(magnitude, result))
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    assert mean["accelerated"] < mean["fast"] - 0.5
