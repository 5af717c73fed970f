"""The front end: laws, references (librosa, torchaudio), refusals."""

import subprocess
import sys

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.config import SpectrogramConfig
from timbre.data import Library
from timbre.errors import AudioError
from timbre.spectral import STFT, Spectrogram
from timbre.spectral.filterbank import band_edges, bank_inverse, filterbank, hz_to_mel, mel_to_hz
from timbre.spectral.torchaudio_compat import BUILD, torchaudio

RATE = 22050
DEFAULT = Spectrogram(SpectrogramConfig())
LINEAR = Spectrogram(SpectrogramConfig(kind="linear"))

sizes = st.sampled_from([(32, 16), (64, 17), (64, 1), (256, 64), (1024, 256), (2048, 1024)])


def noise(*shape: int, seed: int = 0, level: float = 0.1) -> torch.Tensor:
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- the transform beneath


@given(sizes, st.integers(1, 5000), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_perfect_phase_gives_perfect_reconstruction(size: tuple[int, int], length: int, seed: int) -> None:
    stft, waveform = STFT(*size).double(), noise(2, length, seed=seed).double()
    spectrum = stft(waveform)
    assert spectrum.shape == (2, size[0] // 2 + 1, 1 + length // size[1])
    torch.testing.assert_close(stft.inverse(spectrum, length), waveform, rtol=0, atol=1e-9)


@given(sizes, st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=30, deadline=None)
def test_stft_is_linear(size: tuple[int, int], a: float, b: float) -> None:
    stft, x, y = STFT(*size), noise(1, 3000, seed=1), noise(1, 3000, seed=2)
    torch.testing.assert_close(stft(a * x + b * y), a * stft(x) + b * stft(y), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 256), (2048, 512), (512, 100), (64, 32)])
def test_stft_is_librosas(n_fft: int, hop: int) -> None:
    stft, waveform = STFT(n_fft, hop), noise(1, 7001)
    theirs = librosa.stft(waveform[0].numpy(), n_fft=n_fft, hop_length=hop, pad_mode="constant") * 4.0 / n_fft
    np.testing.assert_allclose(stft(waveform)[0].numpy(), theirs, atol=2e-6)
    back = librosa.istft(theirs * n_fft / 4.0, hop_length=hop, length=7001)
    np.testing.assert_allclose(stft.inverse(stft(waveform), 7001)[0].numpy(), back, atol=2e-6)


def test_frames_that_reach_nothing_are_silence() -> None:
    stft = STFT(64, 16)
    waveform = stft.inverse(stft(noise(1, 100)), 400)
    assert waveform.shape == (1, 400)
    assert torch.count_nonzero(waveform[:, 160:]) == 0


# --- levels


@pytest.mark.parametrize("kind", ["mel", "linear"])
def test_a_full_scale_sine_reads_zero_db(kind: str) -> None:
    spectrogram = LINEAR if kind == "linear" else Spectrogram(SpectrogramConfig(n_mels=40))
    hz = 200 * RATE / 1024
    spec = spectrogram(torch.sin(2 * torch.pi * hz * torch.arange(RATE) / RATE)[None])
    middle = spec[0, :, 20:60]
    if kind == "linear":
        assert middle[200].min() > -0.01
        assert middle.max() < 0.01
    else:  # a wide triangle adds up the three bins of the main lobe: at most 1 + 2 x 1/2
        assert -0.01 < middle.max() < 6.03


@given(st.sampled_from(["mel", "linear"]), st.floats(-30, 6), st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_gain_shifts_decibels(kind: str, gain: float, seed: int) -> None:
    spectrogram = DEFAULT if kind == "mel" else LINEAR
    waveform = noise(1, 6000, seed=seed)
    plain, louder = spectrogram(waveform), spectrogram(waveform * 10 ** (gain / 20))
    clear = (plain > -79) & (plain + gain > -79)
    assert clear.any()
    torch.testing.assert_close(louder[clear], plain[clear] + gain, rtol=0, atol=2e-3)


@pytest.mark.parametrize("spectrogram", [DEFAULT, LINEAR], ids=["mel", "linear"])
def test_silence_lies_at_the_floor_and_comes_back_as_zero(spectrogram: Spectrogram) -> None:
    spec = spectrogram(torch.zeros(2, 3000))
    assert spec.unique().tolist() == [-80.0]
    assert torch.count_nonzero(spectrogram.magnitude(spec)) == 0


@given(st.integers(1, 4000), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_shape_and_type(samples: int, batch: int) -> None:
    spec = DEFAULT(noise(batch, samples))
    assert spec.shape == (batch, DEFAULT.config.bins, DEFAULT.config.frames(samples))
    assert spec.dtype == torch.float32


def test_batch_equals_one_by_one() -> None:
    waveforms = noise(5, 9000)
    together = DEFAULT(waveforms)
    for one, spec in zip(waveforms, together, strict=True):
        torch.testing.assert_close(DEFAULT(one[None])[0], spec, rtol=0, atol=1e-4)


def test_linear_magnitudes_come_back_exactly() -> None:
    waveform = noise(1, 8000)
    torch.testing.assert_close(LINEAR.magnitude(LINEAR(waveform)), LINEAR.stft(waveform).abs(), rtol=1e-4, atol=1.01e-4)


# --- references


@pytest.mark.parametrize("n_mels", [40, 80])
def test_mel_spectrogram_is_librosas_and_torchaudios(n_mels: int) -> None:
    spectrogram = Spectrogram(SpectrogramConfig(n_mels=n_mels, floor_db=-120.0))
    waveform = noise(1, RATE)
    ours = spectrogram(waveform)[0].numpy()
    options = {"n_fft": 1024, "hop_length": 256, "n_mels": n_mels, "power": 1.0, "pad_mode": "constant", "norm": None}
    theirs = librosa.feature.melspectrogram(y=waveform[0].numpy(), sr=RATE, **options)
    np.testing.assert_allclose(ours, 20 * np.log10(theirs * 4 / 1024), atol=1e-3)
    transform = torchaudio.transforms.MelSpectrogram(sample_rate=RATE, mel_scale="slaney", **options)
    np.testing.assert_allclose(ours, 20 * np.log10(transform(waveform)[0].numpy() * 4 / 1024), atol=1e-2)


@pytest.mark.parametrize(("rate", "n_fft"), [(22050, 1024), (44100, 2048), (16000, 512)])
def test_forty_bands_are_librosas(rate: int, n_fft: int) -> None:
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=40, norm=None)
    np.testing.assert_allclose(filterbank(rate, n_fft, 40), theirs, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Empty filters detected")  # librosa's, which ours are not
@pytest.mark.parametrize(("rate", "n_fft", "n_mels"), [(22050, 1024, 256), (44100, 2048, 512), (22050, 1024, 128)])
def test_bands_wider_than_a_bin_are_librosas(rate: int, n_fft: int, n_mels: int) -> None:
    ours, theirs = (
        filterbank(rate, n_fft, n_mels),
        librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, norm=None),
    )
    edges = mel_to_hz(np.linspace(0, hz_to_mel(np.array(rate / 2)), n_mels + 2))
    wide = np.minimum(np.diff(edges)[:-1], np.diff(edges)[1:]) >= rate / n_fft
    assert wide.sum() >= n_mels // 2
    np.testing.assert_allclose(ours[wide], theirs[wide], atol=1e-6)


@given(st.floats(0, 20000))
def test_mels_there_and_back(hz: float) -> None:
    assert mel_to_hz(hz_to_mel(np.array(hz))) == pytest.approx(hz, abs=1e-6)
    assert hz_to_mel(np.array(hz)) == pytest.approx(librosa.hz_to_mel(hz), rel=1e-9)


# --- the filterbank's own laws


@given(st.sampled_from([8000, 22050, 48000]), st.sampled_from([64, 512, 1024]), st.integers(1, 512))
@settings(max_examples=40, deadline=None)
def test_no_band_is_empty(rate: int, n_fft: int, n_mels: int) -> None:
    bank = filterbank(rate, n_fft, min(n_mels, n_fft // 2))
    assert (bank >= 0).all()
    assert (bank <= 1).all()
    assert (bank.max(axis=1) > 0.2).all()


def test_a_narrow_band_interpolates_between_its_two_bins() -> None:
    bank = filterbank(RATE, 1024, 256)[:90]
    np.testing.assert_allclose(bank.sum(axis=1), 1.0, atol=1e-6)
    assert (np.count_nonzero(bank, axis=1) <= 2).all()
    np.testing.assert_allclose(bank @ np.arange(513) * RATE / 1024, band_edges(RATE, 256)[1:91], rtol=1e-5)


@pytest.mark.parametrize(("n_fft", "n_mels"), [(1024, 256), (1024, 80), (2048, 512), (256, 64)])
def test_bank_inverse_is_a_generalised_inverse(n_fft: int, n_mels: int) -> None:
    bank = filterbank(RATE, n_fft, n_mels)
    np.testing.assert_allclose(bank @ bank_inverse(bank) @ bank, bank, atol=1e-4)


def test_low_bins_come_back_exactly_and_high_ones_nearer_than_by_the_pseudo_inverse(orchestra: Library) -> None:
    better = []
    for note in orchestra.filter(instrument=["oboe", "violin", "flute"])[::6]:
        waveform = torch.from_numpy(timbre.read(note.file, RATE, mono=True).fit(1.0).samples.copy())
        truth = DEFAULT.stft(waveform).abs()
        bands = DEFAULT.filterbank @ truth
        plain = (torch.linalg.pinv(DEFAULT.filterbank) @ bands).clamp(min=0)
        ours = DEFAULT.magnitude(20 * torch.log10(bands.clamp(min=1e-30)))
        torch.testing.assert_close(ours[:, :60], truth[:, :60], rtol=0, atol=2.5e-4)  # the floor is 1e-4
        better.append(float((ours - truth).norm() / (plain - truth).norm()))
    assert np.mean(better) < 0.8


# --- torch citizenship


@pytest.mark.parametrize("kind", ["mel", "linear"])
def test_gradients_are_right(kind: str) -> None:
    spectrogram = Spectrogram(SpectrogramConfig(kind=kind, n_fft=32, hop_length=8, n_mels=12)).double()  # type: ignore[arg-type]
    waveform = noise(2, 50).double().requires_grad_()
    assert torch.autograd.gradcheck(spectrogram, (waveform,), atol=1e-4)
    spec = spectrogram(waveform.detach()).requires_grad_()
    assert torch.autograd.gradcheck(spectrogram.magnitude, (spec,), atol=1e-4)


def test_nothing_is_saved_with_a_model() -> None:
    assert DEFAULT.state_dict() == {}
    assert LINEAR.filterbank is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees() -> None:
    waveform = noise(3, RATE)
    there = Spectrogram(SpectrogramConfig()).cuda()
    torch.testing.assert_close(there(waveform.cuda()).cpu(), DEFAULT(waveform), rtol=0, atol=0.05)
    assert there.inverse(there(waveform.cuda()), RATE).is_cuda


# --- refusals


@pytest.mark.parametrize("shape", [(100,), (1, 2, 100), (1, 0), ()])
def test_forward_refuses_what_is_no_batch_of_waveforms(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match=r"\(batch, samples\)"):
        DEFAULT(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(256, 10), (1, 255, 10), (1, 513, 10)])
def test_magnitude_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match=r"\(batch, 256, frames\)"):
        DEFAULT.magnitude(torch.zeros(shape))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e4])
def test_inverse_refuses_what_is_not_finite(value: float) -> None:
    for spectrogram in (DEFAULT, LINEAR):
        spec = spectrogram(noise(1, 2000))
        spec[0, 3, 2] = value
        with pytest.raises(AudioError, match="not finite"):
            spectrogram.inverse(spec)


# --- the door to torchaudio


def test_the_build_of_torchaudio_is_told() -> None:
    assert BUILD.startswith(torchaudio.__version__)


def test_torchaudio_works_without_its_extension() -> None:
    code = (
        "import sys\n"
        "from timbre.spectral.torchaudio_compat import _no_extension\n"
        "for name in [n for n in sys.modules if n.startswith('torchaudio')]: del sys.modules[name]\n"
        "sys.modules['torchaudio._extension'] = _no_extension()\n"
        "import torch, torchaudio\n"
        "print(torchaudio.transforms.GriffinLim(64, 2)(torch.rand(33, 20)).shape[0])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str(19 * 32)


@pytest.mark.parametrize(
    "settings",
    [{}, {"sample_rate": 44100, "n_fft": 2048, "hop_length": 512, "n_mels": 512}, {"kind": "erb"}, {"n_mels": 40}],
)
def test_compiled_magnitudes_are_those_of_the_matrices(settings: dict[str, object]):
    spectrogram = Spectrogram(SpectrogramConfig(**settings))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    spec = torch.from_numpy(rng.uniform(-90.0, 0.0, (2, spectrogram.config.bins, 11)).astype(np.float32))
    compiled, matrices = spectrogram.magnitude(spec), spectrogram.magnitude(spec.clone().requires_grad_())
    np.testing.assert_allclose(compiled.numpy(), matrices.detach().numpy(), rtol=2e-3, atol=1e-6)
    bands, magnitude = (half[1].T.contiguous().numpy() for half in spectrogram.unsharpened(spec))
    assert spectrogram.sharpener is not None
    for first, last in ((0, 1), (1, 6), (6, 11)):  # a frame does not depend on the others
        spectrogram.sharpener(bands[first:last], magnitude[first:last])
    np.testing.assert_array_equal(magnitude, compiled[1].T.numpy())
