"""The inverters: one contract for all, laws of each, references, real notes."""

import heapq
import itertools
import math
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import timbre
from timbre.config import SpectrogramConfig
from timbre.data import Library
from timbre.errors import AudioError, ConfigError
from timbre.evaluation.metrics.sounds import pitch_error_cents, spectral_convergence_db
from timbre.spectral import INVERTERS, STFT, Spectrogram, find_inverter, invert
from timbre.spectral.compiled import compiled
from timbre.spectral.inversion._integration import integrate
from timbre.spectral.inversion.griffin_lim import griffin_lim, refine
from timbre.spectral.inversion.inverters import Inverter
from timbre.spectral.inversion.pghi import click_steps, find_phase
from timbre.spectral.inversion.slopes import steady_steps
from timbre.spectral.torchaudio_compat import torchaudio

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _methods import COMPARED

RATE, N_FFT, HOP = 22050, 1024, 256
TRANSFORM = STFT(N_FFT, HOP)
NAMES = [*INVERTERS, "pghi+1", *(pytest.param(COMPARED[name], id=name) for name in ("spsi", "admm", "pghi-formula"))]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sine(hz: float, samples: int = RATE) -> torch.Tensor:
    return 0.5 * torch.sin(2 * math.pi * hz * torch.arange(samples, dtype=torch.float64) / RATE).float()[None]


def convergence(waveform: torch.Tensor, result: torch.Tensor) -> float:
    return spectral_convergence_db(TRANSFORM(waveform).abs(), TRANSFORM(result).abs())


def by(inverter: str | Inverter, waveform: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return invert(TRANSFORM(waveform).abs(), TRANSFORM, waveform.shape[1], inverter, seed)


# --- the contract of every inverter


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    @pytest.mark.parametrize("samples", [1, 100, 256, 1000, 5000])
    def test_gives_the_length_asked_for(self, name: str | Inverter, samples: int) -> None:
        result = by(name, noise(2, samples))
        assert result.shape == (2, samples)
        assert result.dtype == torch.float32
        assert torch.isfinite(result).all()

    def test_own_length_is_whole_hops(self, name: str | Inverter) -> None:
        for frames, samples in ((1, HOP), (2, HOP), (9, 8 * HOP)):
            magnitude = torch.rand(1, N_FFT // 2 + 1, frames, generator=torch.Generator().manual_seed(0))
            assert invert(magnitude, TRANSFORM, inverter=name).shape == (1, samples)

    def test_shorter_and_longer_than_the_frames(self, name: str | Inverter) -> None:
        magnitude = TRANSFORM(noise(1, 4000)).abs()
        assert invert(magnitude, TRANSFORM, 1000, name).shape == (1, 1000)
        longer = invert(magnitude, TRANSFORM, 9000, name)
        assert longer.shape == (1, 9000)
        assert longer[:, 6000:].abs().max() < 0.01 * longer.abs().max()

    def test_same_seed_same_sound_and_other_seed_another(self, name: str | Inverter) -> None:
        waveform = noise(1, 5000)
        waveform[:, 2500:] *= 1e-8  # below the tolerance of PGHI, whose phases are drawn there alone
        first, again, other = (by(name, waveform, seed) for seed in (3, 3, 4))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_a_sound_is_the_same_whatever_the_batch(self, name: str | Inverter) -> None:
        waveforms = noise(5, 6000)
        together = by(name, waveforms)
        for number in range(5):
            assert torch.equal(by(name, waveforms[number : number + 1])[0], together[number])

    def test_leaves_the_callers_random_numbers_alone(self, name: str | Inverter) -> None:
        torch.manual_seed(11)
        expected = torch.rand(3)
        torch.manual_seed(11)
        by(name, noise(1, 3000))
        assert torch.equal(torch.rand(3), expected)

    def test_silence_stays_silent(self, name: str | Inverter) -> None:
        assert torch.count_nonzero(by(name, torch.zeros(2, 3000))) == 0

    def test_gain_passes_through(self, name: str | Inverter) -> None:
        waveform = sine(1234.5, 6000)
        torch.testing.assert_close(by(name, 0.25 * waveform), 0.25 * by(name, waveform), rtol=0, atol=1e-3)

    def test_noise_comes_back_better_than_nothing(self, name: str | Inverter) -> None:
        waveform = noise(1, RATE)
        # spsi takes every frame for a sum of steady partials: of noise that leaves little.
        assert convergence(waveform, by(name, waveform)) < (-4.0 if name is COMPARED["spsi"] else -10.0)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
    def test_refuses_impossible_magnitudes(self, name: str | Inverter, value: float) -> None:
        magnitude = TRANSFORM(noise(1, 3000)).abs()
        magnitude[0, 5, 5] = value
        with pytest.raises(AudioError, match="not finite"):
            invert(magnitude, TRANSFORM, inverter=name)

    @pytest.mark.parametrize("shape", [(513, 4), (1, 512, 4), (1, 513, 0), (0, 513, 4)])
    def test_refuses_other_shapes(self, name: str | Inverter, shape: tuple[int, ...]) -> None:
        with pytest.raises(AudioError, match=r"\(batch, 513, frames\)"):
            invert(torch.zeros(shape), TRANSFORM, inverter=name)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_works_on_a_gpu(self, name: str | Inverter) -> None:
        waveform = sine(440.0)
        transform = STFT(N_FFT, HOP).cuda()
        result = invert(transform(waveform.cuda()).abs(), transform, RATE, name)
        assert result.is_cuda
        assert convergence(waveform, result.cpu()) < -15.0


@pytest.mark.parametrize("name", ["", "pgi", "pghi+", "pghi+-1", "pghi+8.5", "griffin_lim+8", "PGHI", "rtpghi-2"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=r"pghi\+8, pghi, .*, griffin_lim, pghi\+N and rtpghi-N, got"):
        find_inverter(name)
    with pytest.raises(ConfigError):
        invert(torch.zeros(1, 513, 3), TRANSFORM, inverter=name)


@pytest.mark.parametrize(
    ("name", "instead"), [("spsi", "pghi"), ("admm", r"pghi\+8"), ("pghi-formula", "pghi"), ("rtisi-3", "rtpghi-1")]
)
def test_an_inverter_of_timbre_0_1_is_answered_with_what_to_use(name: str, instead: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' is no longer part of timbre.*use '{instead}' instead"):
        find_inverter(name)


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(AudioError, match="length must be 0 or more, got -1"):
        invert(torch.zeros(1, 513, 3), TRANSFORM, -1)


# --- Griffin-Lim


def test_griffin_lim_is_torchaudios() -> None:
    waveform = noise(1, 8 * HOP)
    magnitude = torchaudio.transforms.Spectrogram(N_FFT, hop_length=HOP, power=1.0)(waveform)
    transform = torchaudio.transforms.GriffinLim(N_FFT, hop_length=HOP, power=1.0, length=9 * HOP)
    torch.manual_seed(5)
    theirs = transform(torch.nn.functional.pad(magnitude[0], (0, 1)))
    ours = griffin_lim(magnitude * TRANSFORM.scale, TRANSFORM, 8 * HOP, seed=5)
    torch.testing.assert_close(ours[0], theirs[: 8 * HOP], rtol=0, atol=1e-5)


@given(st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_the_true_spectrum_is_a_fixed_point(seed: int) -> None:
    waveform = noise(1, 4000, seed=seed)
    spectrum = TRANSFORM(waveform)
    torch.testing.assert_close(refine(spectrum, spectrum.abs(), TRANSFORM, 4000, 5), spectrum, rtol=0, atol=1e-5)


@given(st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_without_momentum_the_error_never_grows(seed: int) -> None:
    """Griffin and Lim 1984: each iteration brings the magnitudes of a real signal nearer to those wanted."""
    magnitude = TRANSFORM(noise(1, 4000, seed=seed)).abs()
    spectrum, errors = torch.polar(magnitude, noise(*magnitude.shape, seed=seed) * 30), []
    for _ in range(8):
        consistent = TRANSFORM(TRANSFORM.inverse(spectrum, 4000))
        errors.append(float((consistent.abs() - magnitude).norm()))
        spectrum = refine(spectrum, magnitude, TRANSFORM, 4000, 1, momentum=0.0)
    assert all(after <= before * (1 + 1e-4) for before, after in itertools.pairwise(errors))


# --- PGHI


@given(st.floats(100.0, 10000.0), st.sampled_from([(1024, 256), (1024, 128), (2048, 512), (512, 200)]))
@settings(max_examples=30, deadline=None)
def test_steps_along_time_are_exact_for_a_steady_partial(hz: float, size: tuple[int, int]) -> None:
    transform = STFT(*size)
    spectrum = transform(sine(hz, 8000))[0].T
    along_time = torch.from_numpy(steady_steps(spectrum.abs().clamp(min=1e-9).numpy(), *size))
    frame, peak = 8, round(hz * size[0] / RATE)
    assume(4 < peak < size[0] // 2 - 4)
    truth = torch.angle(spectrum[frame + 1] / spectrum[frame])
    wrong = torch.remainder(along_time[frame] - truth + math.pi, 2 * math.pi) - math.pi
    assert wrong[peak].abs() < 0.02


@given(st.integers(3900, 4200))
@settings(max_examples=30, deadline=None)
def test_steps_along_bins_are_exact_for_a_click(place: int) -> None:
    waveform = torch.zeros(1, 8192)
    waveform[0, place] = 1.0
    spectrum = TRANSFORM(waveform)[0].T
    along_bins = torch.from_numpy(click_steps(spectrum.abs().clamp(min=1e-9).numpy(), N_FFT, HOP))
    frame = round(place / HOP)
    truth = torch.angle(spectrum[frame, 101] / spectrum[frame, 100])
    wrong = torch.remainder(along_bins[frame, 100] - truth + math.pi, 2 * math.pi) - math.pi
    assert wrong.abs() < 0.01


@given(st.integers(0, 200))
@settings(max_examples=20, deadline=None)
def test_a_click_in_the_first_or_last_frame_is_placed_too(place: int) -> None:
    for at in (place, 8192 - place):
        waveform = torch.zeros(1, 8193)
        waveform[0, at] = 1.0
        spectrum = TRANSFORM(waveform)[0].T
        along_bins = torch.from_numpy(click_steps(spectrum.abs().clamp(min=1e-9).numpy(), N_FFT, HOP))
        frame = 0 if at == place else -1
        truth = torch.angle(spectrum[frame, 101] / spectrum[frame, 100])
        wrong = torch.remainder(along_bins[frame, 100] - truth + math.pi, 2 * math.pi) - math.pi
        assert wrong.abs() < 0.01


@given(st.floats(100.0, 9000.0))
@settings(max_examples=10, deadline=None)
def test_a_steady_partial_comes_back_in_tune(hz: float) -> None:
    result = by("pghi", sine(hz))[0, 4096:-4096].numpy()
    power = np.square(np.abs(np.fft.rfft(result * np.hanning(result.size), 1 << 18)))
    peak = int(np.argmax(power))
    left, middle, right = np.log(power[peak - 1 : peak + 2])
    found = (peak + 0.5 * (left - right) / (left - 2 * middle + right)) * RATE / (1 << 18)
    assert abs(1200 * np.log2(found / hz)) < 0.5


def test_a_click_comes_back_where_it_was() -> None:
    waveform = torch.zeros(1, 8192)
    waveform[0, 4000] = 1.0
    result = by("pghi", waveform)
    assert abs(int(result.abs().argmax()) - 4000) <= 1
    assert convergence(waveform, result) < -25.0
    assert int(by(COMPARED["pghi-formula"], waveform).abs().argmax()) == 4000


def integrate_by_heap(rank: np.ndarray, steps: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """The paper's algorithm with a real heap, over pictures (frames, bins); a doubted step waits with softer bins."""
    phase, reached = np.full(rank.shape, np.nan), rank < 0
    offered = np.full(rank.shape, -1)
    for start in sorted(np.ndindex(*rank.shape), key=lambda place: -rank[place]):
        heap, count = [(-int(rank[start]), 0, start, 0.0)] if not reached[start] else [], 0
        while heap:
            _, _, here, value = heapq.heappop(heap)
            if reached[here]:
                continue
            phase[here], reached[here] = value, True
            for axis, way in ((1, 1), (1, -1), (0, 1), (0, -1)):
                there = (here[0] + way * (axis == 0), here[1] + way * (axis == 1))
                if not (0 <= there[0] < rank.shape[0] and 0 <= there[1] < rank.shape[1]) or reached[there]:
                    continue
                # A step is kept at the bin it leads to along time, at the one it starts from along bins.
                edge = (axis, *(max(here, there) if axis == 0 else min(here, there)))
                level = max(0, int(rank[there]) - int(doubt[edge]))
                if level > offered[there]:
                    offered[there], count = level, count - 1
                    heapq.heappush(heap, (-level, count, there, value + way * steps[edge]))
    return phase


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6), st.floats(0, 0.9), st.sampled_from([1, 5, 100]))
@settings(max_examples=60, deadline=None)
def test_integration_goes_the_way_of_the_heap(frames: int, bins: int, seed: int, silent: float, doubts: int) -> None:
    random = np.random.default_rng(seed)
    rank = random.permutation(frames * bins).reshape(frames, bins).astype(np.int16)
    rank[random.random(rank.shape) < silent] = -1
    steps = random.uniform(-3, 3, (2, frames, bins)).astype(np.float32)
    doubt = random.integers(0, doubts, (2, frames, bins)).astype(np.int16)
    expected = integrate_by_heap(rank, steps, doubt)
    ranks, *flat = (
        np.pad(picture, 1, constant_values=-1 if picture is rank else 0).ravel() for picture in (rank, *steps, *doubt)
    )
    phase = np.full(ranks.size, np.nan, np.float32)
    integrate(ranks, bins + 2, *flat, phase)
    np.testing.assert_allclose(phase.reshape(frames + 2, bins + 2)[1:-1, 1:-1], expected, atol=1e-4)
    assert (ranks == -1).all()


def test_only_what_lies_below_the_tolerance_is_drawn() -> None:
    magnitude = torch.full((6, 33), 1e-7)
    magnitude[1:3, 4:9] = 1.0
    one, other = (find_phase(magnitude, STFT(64, 16), seed) for seed in (0, 1))
    loud = magnitude == 1.0
    assert torch.equal(one[loud], other[loud])
    assert (one[~loud] != other[~loud]).all()


def test_code_without_a_file_to_cache_beside_is_compiled_all_the_same() -> None:
    scope: dict[str, object] = {}
    exec("def double(x):\n    return 2 * x", scope)
    assert compiled(scope["double"])(21) == 42  # type: ignore[arg-type]


# --- real notes


@pytest.fixture(scope="module")
def notes(orchestra: Library) -> list[tuple[float, torch.Tensor]]:
    """Pitches and waveforms of sustained notes between C3 and C6."""
    chosen = orchestra.filter(instrument=["flute", "clarinet", "trumpet", "violin", "oboe", "viola"])
    held = [note for note in chosen if note.pitch and 48 <= note.pitch <= 84 and note.duration > 1.0]
    audio = [timbre.read(note.file, RATE, mono=True).trim(tail=False).fit(1.0) for note in held[::4]]
    assert len(audio) >= 6
    return [(n.pitch or 0.0, torch.from_numpy(a.samples / a.peak)) for n, a in zip(held[::4], audio, strict=True)]


@pytest.mark.parametrize(
    ("kind", "inverter", "bar"),
    [("mel", "pghi+8", -25), ("mel", "pghi", -22), ("linear", "pghi+8", -35), ("linear", "pghi", -28)],
)
def test_real_notes_come_back(notes: list[tuple[float, torch.Tensor]], kind: str, inverter: str, bar: float) -> None:
    spectrogram = Spectrogram(SpectrogramConfig(kind=kind))  # type: ignore[arg-type]
    results = [spectrogram.inverse(spectrogram(waveform), waveform.shape[1], inverter) for _, waveform in notes]
    assert np.mean([convergence(note[1], result) for note, result in zip(notes, results, strict=True)]) < bar
    cents = [
        pitch_error_cents(timbre.Audio(waveform.numpy(), RATE), timbre.Audio(result.numpy(), RATE), pitch)
        for (pitch, waveform), result in zip(notes, results, strict=True)
    ]
    measured = np.abs([value for value in cents if value is not None])
    assert len(measured) > 0.7 * len(notes)
    assert np.median(measured) < 0.5


@pytest.fixture(scope="module")
def librosas(notes: list[tuple[float, torch.Tensor]]) -> float:
    """Mean spectral convergence (dB) of librosa's Griffin-Lim on the first notes."""
    found = []
    for _, waveform in notes[:4]:
        magnitude, length = TRANSFORM(waveform).abs()[0].numpy(), waveform.shape[1]
        back = librosa.griffinlim(magnitude, n_iter=32, hop_length=HOP, n_fft=N_FFT, length=length, random_state=0)
        found.append(convergence(waveform, torch.from_numpy(back / TRANSFORM.scale)[None]))
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("inverter", "gain"), [("fast_griffin_lim", -1.5), ("griffin_lim", -2.0), ("pghi", 4.0), ("pghi+8", 10.0)]
)
def test_beside_librosas_griffin_lim(
    notes: list[tuple[float, torch.Tensor]], librosas: float, inverter: str, gain: float
) -> None:
    ours = np.mean([convergence(waveform, by(inverter, waveform)) for _, waveform in notes[:4]])
    assert ours < librosas - gain
