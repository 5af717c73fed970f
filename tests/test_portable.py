"""The portable inverter: pitch, level and noise by measurement; streams, batches and scripts equal to the whole."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig
from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.space import Space
from timbre.space.controls import NoteControls
from timbre.spectral import Spectrogram, find_inverter
from timbre.spectral.inversion.portable import LOWEST, Keyframes, Phases, Portable, white_noise
from timbre.spectral.inversion.portable_stream import PortableStream
from timbre.synth.rendering import render, render_blocks

CONFIG = SpectrogramConfig()
AT_44100 = SpectrogramConfig(sample_rate=44100, n_fft=2560, hop_length=640, n_mels=384)
BANDS, PARTIALS = CONFIG.bins, 8
QUIET = -200.0


def stream_of(
    pitch: np.ndarray, partials: float, envelope: float, noise: torch.Tensor | float, config: SpectrogramConfig = CONFIG
) -> np.ndarray:
    """A sound whose frames have the same levels (dB); `noise` may be (bands,)."""
    count, stream = len(pitch), PortableStream(config)
    levels = torch.as_tensor(noise).expand(count, config.bins)
    rows = (torch.full((count, PARTIALS), partials), torch.full((count, config.bins), envelope), levels.float())
    return np.concatenate([stream.push(np.float32(pitch), *rows), stream.flush()])


def read(sound: np.ndarray, config: SpectrogramConfig = CONFIG) -> np.ndarray:
    """Mean levels (bands,), dB, of a sound but for its ends."""
    quiet = Spectrogram(replace(config, floor_db=-150.0))
    return quiet(torch.tensor(sound.tolist())[None])[0, :, 8:-8].mean(1).numpy()


@given(st.floats(36.0, 96.0))
@settings(max_examples=8)
def test_the_pitch_is_that_asked_for(pitch: float) -> None:
    sound = stream_of(np.full(100, pitch), -20.0, -60.0, QUIET)
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    phase = np.exp(-2j * np.pi * hz * np.arange(len(sound)) / 22050)
    window = 4096
    first, last = (np.sum((sound * phase)[at : at + window] * np.hanning(window)) for at in (2000, 16000))
    turned = np.angle(last / first) / (2.0 * np.pi)  # of a partial that is out of tune
    assert abs(1200.0 * math.log2(1.0 + turned / (14000 / 22050) / hz)) < 0.05


def test_a_partial_has_its_amplitude() -> None:
    sound = stream_of(np.full(60, 69.0), -20.0, QUIET, QUIET)
    spectrum = np.abs(np.fft.rfft(sound[2205:13230])) / (11025 / 2)  # whole periods of 440 Hz
    np.testing.assert_allclose(20.0 * np.log10(spectrum[220 : 220 * PARTIALS + 1 : 220]), -20.0, atol=0.05)


@pytest.mark.parametrize("config", [CONFIG, AT_44100, SpectrogramConfig(kind="linear")], ids=["mel", "44.1", "linear"])
def test_noise_reads_the_levels_asked_for(config: SpectrogramConfig) -> None:
    slope = torch.linspace(-20.0, -55.0, config.bins)
    hz = Spectrogram(config).centers.numpy().clip(1.0)
    less = 2.51 * np.clip(np.log(1000.0 / hz) / np.log(4.0), 0.0, 1.0)  # of what is steady: its mean in dB is its power
    off = read(stream_of(np.full(200, np.nan), QUIET, QUIET, slope, config), config) - (slope.numpy() - less)
    middle = off[8:-8]
    assert abs(middle.mean()) < 0.3
    assert np.abs(middle).max() < 3.0


def test_many_partials_in_a_band_read_the_level_of_the_decoder(harmonic_space: Space) -> None:
    """Bands that are wider than the distance of the partials sum their magnitudes, not powers."""
    controls = NoteControls(40.0, 1.0, 1.0, hold=0.2, inverter="portable")
    point = harmonic_space.atlas.points[:1]
    decoded = harmonic_space.renderer.spectrum(point, controls)[:, 40].numpy()
    found = read(harmonic_space.renderer.sound(point, controls).samples[0])
    assert abs(np.mean((found - decoded)[150:250])) < 1.0


def test_a_narrow_peak_of_the_noise_is_a_tone() -> None:
    levels, band = torch.full((BANDS,), -70.0), 120
    levels[band - 1 : band + 2] = torch.tensor([-36.0, -30.0, -36.0])
    sound = stream_of(np.full(120, np.nan), QUIET, QUIET, levels)
    spectrum = np.abs(np.fft.rfft(sound[4096:20480] * np.hanning(16384)))
    peak = int(spectrum.argmax())
    centers = Spectrogram(CONFIG).centers
    assert abs(peak * 22050 / 16384 - float(centers[band])) < float(centers[band + 1] - centers[band])
    around = spectrum[peak - 3 : peak + 4]
    assert np.square(around).sum() > 0.95 * np.square(spectrum).sum()  # noise would fill the band
    assert abs(read(sound)[band] + 30.0) < 1.0


def test_a_sound_begins_and_ends_without_a_click() -> None:
    sound = stream_of(np.full(40, 45.0), -20.0, -40.0, -60.0)
    steps = np.abs(np.diff(np.concatenate([[0.0], sound])))
    assert steps[:66].max() <= 1.01 * steps[2000:8000].max()
    assert abs(sound[0]) < 1e-3


def test_a_glide_has_no_steps() -> None:
    sound = stream_of(np.linspace(50.0, 60.0, 80), -20.0, -40.0, QUIET)
    bends = np.abs(np.diff(sound, 3))
    assert bends[2000:].max() < 2.0 * np.percentile(bends[2000:], 99.5)


def test_lowest_and_highest_pitches_stay_in_the_band() -> None:
    for pitch in (LOWEST, 127.0):
        sound = stream_of(np.full(40, pitch), -40.0, -60.0, QUIET)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() < 1.0


# --- streams, batches, scripts


def random_frames(rows: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    pitch = 40.0 + 40.0 * torch.rand(rows, generator=draw)
    pitch[::5] = torch.nan
    levels = (torch.randn(rows, width, generator=draw) * 12.0 - 50.0 for width in (PARTIALS, BANDS, BANDS))
    return (pitch, *levels)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
@settings(max_examples=10)
def test_a_stream_does_not_depend_on_how_it_is_divided(parts: list[int]) -> None:
    frames = random_frames(sum(parts))
    whole, pieces = PortableStream(CONFIG, 3), PortableStream(CONFIG, 3)
    expected = np.concatenate([whole.push(frames[0].numpy(), *frames[1:]), whole.flush()])
    found, at = [], 0
    for count in parts:
        pitch, *levels = (part[at : at + count] for part in frames)
        found.append(pieces.push(pitch.numpy(), *levels))
        at += count
    np.testing.assert_allclose(np.concatenate([*found, pieces.flush()]), expected, rtol=0, atol=1e-6)


class Whole(torch.nn.Module):
    """Three hops of sounds, from frames before and after."""

    def __init__(self, inverter: Portable) -> None:
        super().__init__()
        self.inverter = inverter

    def forward(
        self, pitch: torch.Tensor, partials: torch.Tensor, envelope: torch.Tensor, noise: torch.Tensor,
        pitch2: torch.Tensor, partials2: torch.Tensor, envelope2: torch.Tensor, noise2: torch.Tensor,
        seed: torch.Tensor,
    ) -> list[torch.Tensor]:  # fmt: skip
        before = self.inverter.prepare(pitch, partials, envelope, noise)
        after = self.inverter.prepare(pitch2, partials2, envelope2, noise2)
        phases, out = self.inverter.begin(seed.shape[0]), []
        for _ in range(3):
            out.append(self.inverter.render(before, after, phases, seed))
            phases = self.inverter.advance(before, after, phases)
        return out


def rendered(inverter: Portable, before: Keyframes, after: Keyframes, seed: torch.Tensor) -> list[torch.Tensor]:
    phases = inverter.begin(len(seed))
    out = []
    for _ in range(3):
        out.append(inverter.render(before, after, phases, seed))
        phases = inverter.advance(before, after, phases)
    return out


def test_rows_are_independent_and_a_script_computes_the_same() -> None:
    inverter = Portable(CONFIG, 256)
    ends = [inverter.prepare(*random_frames(6, seed)) for seed in (0, 1)]
    seeds = torch.arange(6)
    together = rendered(inverter, *ends, seeds)
    alone = rendered(inverter, *(Keyframes(*(part[2:3] for part in end)) for end in ends), seeds[2:3])
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[2:3], other, rtol=0, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.script(Whole(inverter))
    for one, other in zip(together, script(*random_frames(6, 0), *random_frames(6, 1), seeds), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_another_rate_is_the_same_sound() -> None:
    pitch, *levels = (part[1:2] for part in random_frames(2))
    levels[2] = torch.linspace(-30.0, -60.0, BANDS)[None]
    spectra = []
    for rate, hop in ((22050, 256), (44100, 512), (48000, 512)):
        inverter = Portable(CONFIG, hop, rate)
        frame, phases, seed = inverter.prepare(pitch, *levels), inverter.begin(1), torch.zeros(1, dtype=torch.int64)
        hops = []
        for _ in range(3 * rate // hop):
            hops.append(inverter.render(frame, frame, phases, seed))
            phases = inverter.advance(frame, frame, phases)
        sound = torch.cat(hops, 1)[0, rate // 10 :].numpy()
        power = np.square(np.abs(np.fft.rfft(sound * np.hanning(len(sound))))) / np.square(len(sound))
        hz = np.fft.rfftfreq(len(sound), 1.0 / rate)
        spectra.append([power[(hz > low) & (hz < 2 * low)].sum() for low in (300, 600, 1200, 2400, 5000)])
        assert power[hz > 11300].sum() < 1e-6 * power.sum()
    levels_db = 10.0 * np.log10(spectra)
    assert np.abs(levels_db - levels_db[0]).max() < 1.0


def test_white_noise_is_white() -> None:
    noise = white_noise(torch.arange(1 << 16), torch.tensor(5)).numpy()
    assert abs(noise.mean()) < 0.02
    assert abs(noise.var() - 1.0) < 0.02
    others = white_noise(torch.arange(1 << 16), torch.tensor(6)).numpy()
    correlation = np.fft.irfft(np.fft.rfft(noise) * np.conj(np.fft.rfft(others))) / len(noise)
    assert np.abs(correlation).max() < 6.0 / math.sqrt(len(noise))
    itself = np.fft.irfft(np.square(np.abs(np.fft.rfft(noise)))) / len(noise)
    assert np.abs(itself[1:]).max() < 6.0 / math.sqrt(len(noise))


# --- spaces


def test_a_space_decodes_by_it(harmonic_space: Space) -> None:
    for pitch in (48.0, 69.5):
        sound = harmonic_space.decode(harmonic_space.atlas.points[0], pitch, duration=1.0, inverter="portable")
        measured = measure_pitch(sound, pitch)
        assert measured is not None
        assert 100.0 * abs(measured - pitch) < 1.0


def test_blocks_are_the_whole(tiny_space: Space) -> None:
    path = Path(tiny_space.atlas.points[:2].astype(float), np.array([0.0, 1.0]))
    pitch = np.linspace(50.0, 62.0, 30)
    controls = NoteControls(pitch, 0.8, 4.0, seed=2, inverter="portable")
    blocks = np.concatenate(list(render_blocks(tiny_space, path, controls, block=1000)))
    whole = render(tiny_space, path, pitch, 0.8, 4.0, 2, "portable").samples[0]
    np.testing.assert_allclose(blocks, whole, rtol=0, atol=1e-5)


def test_the_level_is_that_of_decode() -> None:
    space, apart = timbre.load("orchestra-22k"), []
    for row in np.linspace(0, len(space.atlas) - 1, 9).astype(int):
        pitch = None if np.isnan(space.atlas.pitches[row]) else float(np.clip(space.atlas.pitches[row], 12, 127))
        sounds = (space.decode(space.atlas.points[row], pitch, 0.8, 1.0, 0, name) for name in ("portable", None))
        one, other = (np.square(sound.samples).mean() for sound in sounds)
        apart.append(10.0 * np.log10(one / other))
    assert abs(np.median(apart)) < 0.7
    assert np.abs(apart).max() < 3.0


def test_magnitudes_alone_are_refused(tiny_space: Space) -> None:
    with pytest.raises(ConfigError, match="use it with the points of a space"):
        find_inverter("portable")
    spectrum = tiny_space.spectrum(tiny_space.atlas.points[:1], duration=0.3)
    with pytest.raises(ConfigError, match="must get the sources of frames"):
        tiny_space.renderer.invert(spectrum, 60.0, 1000, inverter="portable")


def test_phases_begin_at_zero() -> None:
    phases = Portable(CONFIG, 256).begin(2)
    assert all(torch.count_nonzero(part) == 0 for part in Phases(*phases))
