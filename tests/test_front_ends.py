"""The front ends: one contract for every kind, laws and references of the transforms beneath them."""

import math
import sys
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.config import Config, SpectrogramConfig
from timbre.data import Library
from timbre.errors import AudioError, ConfigError
from timbre.evaluation.metrics.sounds import spectral_convergence_db
from timbre.spectral import STFT, Spectrogram
from timbre.spectral.filterbank import band_edges, cq_edges, erb_to_hz, filterbank, hz_to_erb
from timbre.spectral.lapped import DCT
from timbre.spectral.nsgt import NSGT
from timbre.spectral.stft import hann_main_lobe

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _mdct import MDCT, mdct_spectrogram, sine_lobe

RATE = 22050
KINDS = (*get_args(get_type_hints(SpectrogramConfig)["kind"]), "mdct")  # the last one is given as a transform
REAL = ("dct", "mdct")  # coefficients that follow the phase
# What a real note keeps of its magnitudes (spectral convergence, dB) through a kind and pghi+8, at worst.
BARS = {"linear": -38, "mel": -30, "erb": -29, "nsgt_mel": -25, "nsgt_erb": -23, "nsgt_cq": -18, "dct": -28, "mdct": -7}


@cache
def spectrogram(kind: str, **options: Any) -> Spectrogram:
    if kind == "mdct":
        return mdct_spectrogram(SpectrogramConfig(**options))
    return Spectrogram(SpectrogramConfig(kind=kind, **options))  # type: ignore[arg-type]


def small(kind: str) -> Spectrogram:
    sizes = {"n_fft": 32, "hop_length": 8, "n_mels": 12, "bins_per_octave": 3, "fmin": 1000.0}
    return spectrogram.__wrapped__(kind, **sizes).double()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sine(hz: float, samples: int = RATE, phase: float = 0.0) -> torch.Tensor:
    return torch.sin(2 * math.pi * hz * torch.arange(samples, dtype=torch.float64) / RATE + phase).float()[None]


def error_db(waveform: torch.Tensor, result: torch.Tensor) -> float:
    return 20 * math.log10(max(float((waveform - result).norm() / waveform.norm()), 1e-20))


# --- the contract of every kind


@pytest.mark.parametrize("kind", KINDS)
class TestContract:
    @given(samples=st.integers(1, 5000), batch=st.integers(1, 2))
    @settings(max_examples=10)
    def test_shape_floor_and_type(self, kind: str, samples: int, batch: int) -> None:
        spec = spectrogram(kind)(noise(batch, samples))
        assert spec.shape == (batch, spectrogram(kind).config.bins, 1 + samples // 256)
        assert spec.dtype == torch.float32
        assert torch.isfinite(spec).all()
        assert spec.min() >= -80.0 - 1e-4

    @given(samples=st.integers(1, 3000), seed=st.integers(0, 99))
    @settings(max_examples=10)
    def test_transform_beneath_is_perfectly_inverted(self, kind: str, samples: int, seed: int) -> None:
        for transform, kept in ((spectrogram(kind).transform, torch.float32), (small(kind).transform, torch.float64)):
            waveform = noise(2, samples, seed=seed).to(kept)
            assert error_db(waveform, transform.inverse(transform(waveform), samples)) < -120.0

    def test_inverse_beyond_the_frames_is_silence(self, kind: str) -> None:
        transform = spectrogram(kind).transform
        result = transform.inverse(transform(noise(1, 1000)), 9000)
        assert result.shape == (1, 9000)
        assert result[:, 3000:].abs().max() == 0.0

    def test_silence_reads_the_floor_and_comes_back(self, kind: str) -> None:
        spec = spectrogram(kind)(torch.zeros(1, 4000))
        torch.testing.assert_close(spec, torch.full_like(spec, -80.0))
        assert torch.count_nonzero(spectrogram(kind).magnitude(spec)) == 0
        assert torch.count_nonzero(spectrogram(kind).inverse(spec)) == 0

    def test_batch_equals_one_by_one(self, kind: str) -> None:
        waveforms = noise(3, 9000)
        for one, spec in zip(waveforms, spectrogram(kind)(waveforms), strict=True):
            torch.testing.assert_close(spectrogram(kind)(one[None])[0], spec, rtol=0, atol=1e-2)

    def test_gain_shifts_every_band(self, kind: str) -> None:
        loud = spectrogram(kind, floor_db=-200.0)(noise(1, 9000))
        soft = spectrogram(kind, floor_db=-200.0)(0.01 * noise(1, 9000))
        audible = soft > -150.0  # what lies lower is what single precision leaves
        assert audible.float().mean() > 0.9
        torch.testing.assert_close((loud - soft)[audible], torch.full_like(loud[audible], 40.0), rtol=0, atol=0.02)

    @given(hz=st.floats(60.0, 10500.0))
    @settings(max_examples=8)
    def test_response_is_what_a_steady_sine_reads(self, kind: str, hz: float) -> None:
        claimed = spectrogram(kind).response(torch.tensor([hz]))[0]
        assert claimed.shape == (spectrogram(kind).config.bins,)
        phases = torch.cat([sine(hz, 8192, math.pi * number / 8) for number in range(8)])
        measured = (10.0 ** (spectrogram(kind)(phases)[..., 16] / 20.0)).max(0).values
        strong = claimed > 0.2
        assert strong.any()
        # The lobes beyond a window's main one, some .03 high, are no part of what is claimed.
        torch.testing.assert_close(measured[strong], claimed[strong], rtol=0.04, atol=0.05)
        assert (claimed[measured > 0.25] > 0.15).all()

    def test_a_full_scale_sine_reads_zero_db_at_its_band(self, kind: str) -> None:
        centers = spectrogram(kind).centers
        assert centers.shape == (spectrogram(kind).config.bins,)
        assert (centers.diff() > 0).all()
        band = int((centers - 3000.0).abs().argmin())
        phases = torch.cat([sine(float(centers[band]), phase=math.pi * number / 8) for number in range(8)])
        spec = spectrogram(kind)(phases)[..., 20:60]
        loudest = spec.amax((0, 2))
        assert abs(int(loudest.argmax()) - band) <= 1
        if kind in ("mel", "erb"):  # a triangle adds up the bins of a lobe, from one to two of them in all
            assert -1.5 < loudest[band] < 6.1
        else:
            assert loudest[band] == pytest.approx(0.0, abs=0.1)
        if kind not in REAL:
            assert spec[:, band].min() == pytest.approx(float(loudest[band]), abs=0.05)

    def test_gradients_are_right(self, kind: str) -> None:
        spectrogram, waveform = small(kind), noise(1, 50).double().requires_grad_()
        assert torch.autograd.gradcheck(spectrogram, (waveform,), atol=1e-4)
        spec = spectrogram(waveform.detach()).requires_grad_()
        assert torch.autograd.gradcheck(spectrogram.magnitude, (spec,), atol=1e-4)

    def test_gradients_of_silence_are_finite(self, kind: str) -> None:
        waveform = torch.zeros(1, 2000, requires_grad=True)
        spec = spectrogram(kind)(waveform)
        spectrogram(kind).magnitude(spec).sum().backward()
        assert torch.isfinite(waveform.grad).all()

    def test_nothing_is_saved_with_a_model(self, kind: str) -> None:
        assert spectrogram(kind).state_dict() == {}

    def test_real_notes_come_back(self, kind: str, notes: torch.Tensor) -> None:
        stft, results = STFT(1024, 256), spectrogram(kind).inverse(spectrogram(kind)(notes), notes.shape[1])
        pairs = zip(notes.split(1), results.split(1), strict=True)
        assert np.mean([spectral_convergence_db(stft(a).abs(), stft(b).abs()) for a, b in pairs]) < BARS[kind]

    @pytest.mark.parametrize("shape", [(100,), (1, 2, 100), (1, 0)])
    def test_refuses_what_is_no_batch_of_waveforms(self, kind: str, shape: tuple[int, ...]) -> None:
        with pytest.raises(AudioError, match=r"\(batch, samples\)"):
            spectrogram(kind)(torch.zeros(shape))

    def test_refuses_spectrograms_of_other_bins(self, kind: str) -> None:
        bins = spectrogram(kind).config.bins
        with pytest.raises(AudioError, match=rf"\(batch, {bins}, frames\)"):
            spectrogram(kind).magnitude(torch.zeros(1, bins + 1, 5))

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_gpu_agrees(self, kind: str) -> None:
        waveform, there = noise(2, RATE), spectrogram.__wrapped__(kind).cuda()
        torch.testing.assert_close(there(waveform.cuda()).cpu(), spectrogram(kind)(waveform), rtol=0, atol=0.05)
        back = there.transform.inverse(there.transform(waveform.cuda()), RATE)
        assert back.is_cuda
        assert error_db(waveform, back.cpu()) < -110.0
        assert there.inverse(there(waveform.cuda()), RATE).is_cuda


@pytest.fixture(scope="module")
def notes(orchestra: Library) -> torch.Tensor:
    """Waveforms of four held notes (4, samples)."""
    chosen = orchestra.filter(instrument=["flute", "clarinet", "trumpet", "violin", "oboe", "viola"])
    held = [note for note in chosen if note.pitch and 48 <= note.pitch <= 84 and note.duration > 1.0]
    audio = [timbre.read(note.file, RATE, mono=True).trim(tail=False).fit(1.0) for note in held[:: len(held) // 4][:4]]
    return torch.cat([torch.from_numpy(a.samples / a.peak) for a in audio])


# --- NSGT

BANKS = {
    "cq24": cq_edges(RATE, 32.7, 24, 201),
    "cq48": cq_edges(RATE, 32.7, 48, 403),
    "mel": band_edges(RATE, 166, "mel"),
    "erb": band_edges(RATE, 166, "erb"),
    "two": np.array([0.0, RATE / 2]),
}


@given(st.sampled_from(sorted(BANKS)), st.integers(1, 30000), st.sampled_from([0.0, 43.0, 500.0, 20000.0]))
@settings(max_examples=25)
def test_nsgt_is_perfectly_inverted_in_both_precisions(bank: str, samples: int, min_width: float) -> None:
    for kept in (torch.float32, torch.float64):
        transform = NSGT(BANKS[bank], RATE, 256, min_width).to(kept)
        waveform = noise(1, samples).to(kept)
        coefficients = transform(waveform)
        frames = scipy.fft.next_fast_len(-(-samples // transform.hop_length), real=True)
        assert coefficients.shape == (1, len(BANKS[bank]), frames)
        bar = -120.0 if kept == torch.float32 else -250.0
        assert error_db(waveform, transform.inverse(coefficients, samples)) < bar


@pytest.mark.parametrize(("samples", "hop"), [(96, 8), (63, 8), (45, 3), (7, 16)])
def test_nsgt_inverse_is_the_least_squares_one(samples: int, hop: int) -> None:
    transform = NSGT(band_edges(RATE, 14, "erb"), RATE, hop, 600.0).double()
    whole = transform.hop_length * scipy.fft.next_fast_len(-(-samples // transform.hop_length), real=True)
    matrix = torch.view_as_real(transform(torch.eye(whole, dtype=torch.float64))).flatten(1).T
    coefficients = noise(1, 16, whole // transform.hop_length, 2).double()
    expected = torch.linalg.lstsq(matrix, coefficients.flatten()[:, None]).solution[:, 0]
    found = transform.inverse(torch.view_as_complex(coefficients), whole)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("bank", ["cq24", "cq48", "mel", "erb"])
def test_nsgt_hop_is_the_largest_painless_divisor(bank: str) -> None:
    centers = BANKS[bank]
    widest = np.max(np.r_[np.diff(centers)[:-1] + np.diff(centers)[1:]])
    hop = NSGT(centers, RATE, 256).hop_length
    assert hop * widest < RATE <= 2 * hop * widest
    assert 256 % hop == 0


@pytest.mark.parametrize("centers", [[0.0], [0.0, 100.0], [10.0, RATE / 2], [0.0, 50.0, 50.0, RATE / 2]])
def test_nsgt_refuses_bands_that_leave_gaps(centers: list[float]) -> None:
    with pytest.raises(ConfigError, match="rise from 0 to 11025 Hz"):
        NSGT(np.array(centers), RATE, 256)


def test_nsgt_coefficients_are_the_filtered_signal() -> None:
    """A band's coefficients are samples of the analytic signal behind its filter, here by an FFT of the whole."""
    transform, waveform = NSGT(BANKS["mel"], RATE, 256).double(), noise(1, 3200).double()
    spectrum = torch.fft.fft(waveform[0])
    spectrum[1601:] = 0.0
    weights = transform.response(torch.arange(1601) * RATE / 3200)[:, 100]
    spectrum[:1601] *= 2.0 * weights
    expected = torch.fft.ifft(spectrum)[:: transform.hop_length]
    torch.testing.assert_close(transform(waveform)[0, 100], expected, rtol=0, atol=1e-12)


# --- cosine transforms


@pytest.mark.parametrize(("n_fft", "hop"), [(64, 16), (64, 25)])
def test_dct_is_scipys(n_fft: int, hop: int) -> None:
    transform, waveform = DCT(n_fft, hop).double(), noise(1, 500).double()
    frame = waveform[0, 6 * hop - n_fft // 2 :][:n_fft].numpy() * scipy.signal.windows.hann(n_fft, sym=False)
    np.testing.assert_allclose(transform(waveform)[0, :, 6], scipy.fft.dct(frame) * 2 / n_fft, atol=1e-7)


@pytest.mark.parametrize("hop", [16, 7])
def test_mdct_is_its_formula(hop: int) -> None:
    transform, waveform = MDCT(hop).double(), noise(1, 300).double()
    n, k = np.arange(2 * hop), np.arange(hop)[:, None]
    basis = np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5)) * np.sin(np.pi / (2 * hop) * (n + 0.5))
    expected = basis @ waveform[0, 4 * hop : 6 * hop].numpy()
    np.testing.assert_allclose(transform(waveform)[0, :, 5] / transform.scale, expected, atol=1e-7)


@given(st.integers(1, 70), st.integers(1, 2000))
@settings(max_examples=25)
def test_mdct_keeps_the_energy(hop: int, samples: int) -> None:
    """Princen and Bradley's windows make it an orthogonal transform."""
    transform, waveform = MDCT(hop), noise(1, samples).double()
    energy = transform.double()(waveform).square().sum() / transform.scale**2 * 2 / hop
    assert float(energy) == pytest.approx(float(waveform.square().sum()), rel=1e-6)


def test_lobes_are_the_windows_transforms() -> None:
    offset = torch.linspace(-1.4, 1.4, 29, dtype=torch.float64)
    place = torch.arange(4096, dtype=torch.float64) + 0.5
    turns = torch.polar(torch.ones(()).double(), 2 * math.pi / 4096 * offset[:, None] * place)
    sine_window = torch.sin(math.pi / 4096 * place)
    for lobe, window in ((hann_main_lobe, sine_window.square()), (sine_lobe, sine_window)):
        expected = (turns @ window.to(turns.dtype)).abs() / window.sum()
        torch.testing.assert_close(lobe(offset), expected, rtol=0, atol=1e-5)


# --- ERB


@pytest.mark.parametrize(("hz", "width"), [(100.0, 35.5), (1000.0, 132.6), (4000.0, 456.5), (10000.0, 1104.1)])
def test_an_erb_number_is_one_bandwidth_of_glasberg_and_moore(hz: float, width: float) -> None:
    numbers = hz_to_erb(np.array([hz - width / 2, hz + width / 2]))
    assert numbers[1] - numbers[0] == pytest.approx(1.0, abs=0.1)
    slope = (hz_to_erb(np.array(hz + 0.01)) - hz_to_erb(np.array(hz - 0.01))) / 0.02
    assert 1 / slope == pytest.approx(width, rel=0.005)


@given(st.floats(0, 20000))
def test_erbs_there_and_back(hz: float) -> None:
    assert erb_to_hz(hz_to_erb(np.array(hz))) == pytest.approx(hz, abs=1e-6)


@given(st.sampled_from([8000, 22050, 48000]), st.sampled_from([64, 512, 1024]), st.integers(1, 512))
@settings(max_examples=20)
def test_no_erb_band_is_empty(rate: int, n_fft: int, n_bands: int) -> None:
    bank = filterbank(rate, n_fft, min(n_bands, n_fft // 2), "erb")
    assert ((bank >= 0) & (bank <= 1)).all()
    assert (bank.max(axis=1) > 0.2).all()


# --- settings


@pytest.mark.parametrize("bins_per_octave", [1, 12, 24, 48, 96])
@pytest.mark.parametrize(("rate", "fmin"), [(22050, 32.7), (44100, 27.5), (8000, 2000.0)])
def test_constant_q_bands_fill_the_octaves(bins_per_octave: int, rate: int, fmin: float) -> None:
    config = SpectrogramConfig("nsgt_cq", sample_rate=rate, fmin=fmin, bins_per_octave=bins_per_octave)
    centers = Spectrogram(config).centers
    assert len(centers) == config.bins
    assert centers[1] == pytest.approx(fmin)
    ratio = 2 ** (1 / bins_per_octave)
    if config.bins > 3:
        torch.testing.assert_close(centers[2:-1] / centers[1:-2], torch.full((config.bins - 3,), ratio))
    assert 1 <= rate / 2 / float(centers[-2]) * ratio**0.5 <= ratio * ratio**0.5001 * ratio


def test_the_mdct_of_older_configs_is_no_longer_a_kind() -> None:
    with pytest.raises(ConfigError, match=r"spectrogram.kind 'mdct' is no longer part of timbre.*use 'dct'"):
        Config.from_dict({"spectrogram": {"kind": "mdct"}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "nsgt_cq", "fmin": 0.0}, r"fmin must be .*, got 0.0"),
        ({"kind": "nsgt_cq", "fmin": 6000.0}, "sample_rate / 4"),
        ({"kind": "nsgt_cq", "bins_per_octave": 0}, "bins_per_octave must be 1 to 96, got 0"),
        ({"kind": "nsgt_mel", "n_mels": 1}, "n_mels must be 2 or more for nsgt_mel, got 1"),
        ({"kind": "erb", "n_mels": 600}, r"n_mels must be .*, got 600"),
    ],
)
def test_settings_that_make_no_bands_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpectrogramConfig(**options)
