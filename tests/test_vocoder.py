"""The vocoder: its pulses, its network, its stream and its score."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig, VocoderConfig
from timbre.errors import AudioError
from timbre.spectral import STFT
from timbre.vocoder import _loops as _vocoding
from timbre.vocoder.energy import EnergyDistance, phase_distance
from timbre.vocoder.network import CLEAR, LOUDER, NOISE, Vocoder, make_vocoder, mix_of, mixed
from timbre.vocoder.pulses import FADE, NEAR, advance, pulse_spectrum
from timbre.vocoder.streaming import VocoderStream, VocoderStreams, whole

RATE, SIZE, HOP = 22050, 1024, 256
FRONT = SpectrogramConfig()
SMALL = VocoderConfig(channels=16, blocks=2, kernel=3)


def untrained(look_ahead: int = 1) -> Vocoder:
    """A network whose weights are large enough to make a difference everywhere."""
    torch.manual_seed(0)
    net = make_vocoder(FRONT, replace(SMALL, look_ahead=look_ahead))
    with torch.no_grad():
        net.head.weight.mul_(5.0)
    return net.eval()


def stream(look_ahead: int = 1, seed: int = 0) -> VocoderStream:
    return VocoderStream(untrained(look_ahead), STFT(SIZE, HOP), RATE, seed)


def levels(frames: int, seed: int = 0) -> np.ndarray:
    """Magnitudes of a sound that decays."""
    rough = np.random.default_rng(seed).random((SIZE // 2 + 1, frames))
    return (0.1 * rough * np.linspace(1.0, 0.1, frames)).astype(np.float32)


@given(pitch=st.floats(30.0, 96.0))
@settings(max_examples=25)
def test_pulses_have_the_spectrum_of_a_sum_of_cosines(pitch: float):
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    count, time = int((1.0 - FADE) * RATE / 2 / hz), np.arange(6 * SIZE) / RATE
    train = sum(np.cos(2.0 * np.pi * hz * number * time) for number in range(1, count + 1))
    reference = STFT(SIZE, HOP).double()(torch.from_numpy(train)[None])[0, :, 12]
    phase = np.array(2.0 * math.pi * (hz * 12 * HOP / RATE % 1.0))
    found, comb = pulse_spectrum(np.array(hz), phase, SIZE, RATE)
    reference = reference.numpy()
    below = slice(0, int((count - 4) * hz / RATE * SIZE))
    assert np.linalg.norm(found[below] - reference[below]) < 0.005 * np.linalg.norm(reference[below])
    assert comb.max() <= 2.0


def test_without_a_pitch_there_are_no_pulses():
    found, comb = pulse_spectrum(np.array([math.nan, 220.0]), np.zeros(2), SIZE, RATE)
    assert not found[0].any()
    assert not comb[0].any()
    assert comb[1].any()


@given(
    widths=st.lists(st.one_of(st.floats(0.6, 400.0), st.just(math.nan)), min_size=1, max_size=4),
    phase=st.floats(0.0, 6.28),
)
@settings(max_examples=40)
def test_pulses_are_lobes_of_the_window_around_their_partials(widths: list[float], phase: float):
    bins, top = np.arange(SIZE // 2 + 1), SIZE / 2
    spectra, lobes = pulse_spectrum(np.array(widths) * RATE / SIZE, np.full(len(widths), phase), SIZE, RATE)
    for width, spectrum, lobe in zip(widths, spectra, lobes, strict=True):
        total, power = np.zeros(len(bins), complex), np.zeros(len(bins))
        for number in range(1, 0 if math.isnan(width) else int(top / width) + 1):
            first = np.floor(bins / width) - (NEAR // 2 - 1)  # the nearest partials alone
            d = np.where((number >= first) & (number < first + NEAR), bins - number * width, np.inf)
            part = np.zeros(len(bins))
            near = np.isfinite(d) & (np.abs(1.0 - d**2) > 1e-4)
            part[near] = np.sinc(d[near]) / (1.0 - d[near] ** 2)
            part[np.abs(1.0 - d**2) <= 1e-4] = 0.5
            part *= np.clip((top - number * width) / (FADE * top), 0.0, 1.0)
            total += part * np.exp(1j * number * phase)
            power += part**2
        assert np.abs(spectrum - total * (1.0 - 2.0 * (bins % 2))).max() < 1e-3
        assert np.abs(lobe - np.sqrt(power)).max() < 1e-3


def test_a_lobe_is_the_transform_of_the_window():
    """One partial alone, of 100 Hz spacing above and below what is looked at."""
    hz = 5000.0
    _, lobes = pulse_spectrum(np.array(hz), np.array(0.0), SIZE, RATE)
    transform = np.abs(np.fft.rfft(np.hanning(SIZE + 1)[:-1], 100 * SIZE)) / (SIZE / 2)  # a hundredth of a bin each
    distance = np.abs(np.arange(SIZE // 2 + 1) - hz * SIZE / RATE)
    near = distance < 8.0
    assert np.allclose(lobes[near], transform[np.round(100 * distance[near]).astype(int)], atol=0.02)


def test_compiled_mixing_is_the_same():
    generator = torch.Generator().manual_seed(0)
    frames, bins = 3, SIZE // 2 + 1
    magnitude, comb = torch.rand(2, 1, bins, frames, generator=generator)
    outputs = 2.0 * torch.randn(1, frames, 4, bins, generator=generator)
    outputs[0, 0, 0, :5], outputs[0, 1, 2, :5], outputs[0, 2, 3, :5] = 60.0, 60.0, -60.0  # far beyond what is usual
    pulses, tones, noise = torch.randn(3, 1, bins, frames, dtype=torch.complex64, generator=generator)
    mix = mix_of(outputs, comb)
    whole = mixed(magnitude, mix, pulses, tones / tones.abs(), noise)[0].T.numpy()
    own = mixed(magnitude, mix._replace(tones=torch.zeros(()), noise=torch.zeros(())), pulses, tones, noise)
    plain = own * mix.pulses.square().add(mix.tones.square()).add(mix.noise.square()).rsqrt()  # without gains
    plain = (plain * torch.polar(torch.ones_like(mix.residual), -mix.residual))[0].T.numpy()
    own = own[0].T.numpy()
    found = np.empty((frames, bins), np.complex64)
    lines = [np.ascontiguousarray(line[0].T.numpy()) for line in (magnitude, comb, pulses, tones, noise)]
    _vocoding.mix_rows(lines[0], outputs[0].numpy(), lines[1], (CLEAR, NOISE, LOUDER), *lines[2:], found)
    made, due = (around(np.square(np.abs(windowed(part)))) for part in (own, plain))
    share = np.clip(np.log10(due / due.max(1, keepdims=True)) + 3.0, 0.0, 1.0)
    expected = whole + own * (np.minimum(due / made, 100.0) ** (0.5 * share) - 1.0)
    assert np.allclose(found, expected, atol=1e-4, rtol=1e-3)


def windowed(spectra: np.ndarray) -> np.ndarray:
    """Spectra (frames, bins) after another Hann window, whose centre is half a window late."""
    wide = np.pad(spectra, ((0, 0), (1, 1)))
    return 2.0 * wide[:, 1:-1] - wide[:, :-2] - wide[:, 2:]


def around(power: np.ndarray) -> np.ndarray:
    """Sums over four bins on both sides."""
    return np.stack([np.convolve(row, np.ones(9), "same") for row in power])


def test_the_phase_advances_by_the_mean_frequency():
    assert advance(0.0, 100.0, 200.0, 147, RATE) == pytest.approx(2.0 * math.pi * 150.0 * 147 / RATE % (2.0 * math.pi))
    assert advance(1.0, math.nan, math.nan, 256, RATE) == 1.0
    assert advance(0.0, math.nan, 50.0, 441, RATE) == pytest.approx(2.0 * math.pi)  # a pitch that begins


@given(cuts=st.lists(st.integers(1, 12), min_size=1, max_size=12), look_ahead=st.sampled_from([0, 1, 3]))
@settings(max_examples=15)
def test_a_stream_gives_the_same_however_frames_are_dealt_out(cuts: list[int], look_ahead: int):
    frames = sum(cuts)
    magnitude, pitch = levels(frames), np.linspace(50.0, 62.0, frames)
    pitch[frames // 3 : frames // 2] = np.nan
    one = stream(look_ahead)
    expected = whole(one, magnitude, pitch, frames * HOP)
    parts, start = [], 0
    for count in cuts:
        part = slice(start, start + count)
        parts.append(one.push(magnitude[:, part], pitch=pitch[part]))
        start += count
    found = np.concatenate([*parts, one.flush()])[one.latency :][: frames * HOP]
    assert np.abs(found - expected[: len(found)]).max() < 1e-5 * np.abs(expected).max() + 1e-7


def test_the_network_in_steps_is_the_network_at_once():
    net, frames = untrained(look_ahead=2), 20
    magnitude = torch.from_numpy(levels(frames))[None]
    comb = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(1))
    around = torch.nn.functional.pad
    with torch.no_grad():
        at_once = net(around(magnitude, (net.past, 2)), around(comb, (net.past, 2)))
        state, found = net.silent_state(), []
        for first, stop in ((0, 3), (3, 4), (4, 20)):
            outputs, state = net.step(magnitude.mT[:, first:stop], comb.mT[:, first:stop], state)
            found.append(outputs)
    mix = mix_of(torch.cat(found, 1)[:, 2:], comb[..., :-2])
    for part, expected in zip(mix, at_once, strict=True):
        assert torch.allclose(part, expected[..., :-2], atol=1e-5)


@given(starts=st.lists(st.integers(0, 9), min_size=2, max_size=5), look_ahead=st.sampled_from([0, 1, 2]))
@settings(max_examples=12)
def test_sounds_of_a_batch_are_those_of_a_sound_by_itself(starts: list[int], look_ahead: int):
    """To the bit, whenever the others begin and end, and also in a place that was used before."""
    net, transform, lengths = untrained(look_ahead), STFT(SIZE, HOP), [4 + 3 * number for number in range(len(starts))]
    sounds = [np.ascontiguousarray(levels(frames, seed).T) for seed, frames in enumerate(lengths)]
    pitches = [np.linspace(50.0 + seed, 60.0, frames) for seed, frames in enumerate(lengths)]
    together, parts = VocoderStreams(net, transform, RATE, len(starts) + 1), [list[np.ndarray]() for _ in starts]
    together.push([1, 0], np.ones((2, 3, SIZE // 2 + 1), np.float32), np.full((2, 3), 64.0))
    for now in range(max(starts) + max(lengths)):
        sounding = [n for n, start in enumerate(starts) if start <= now < start + lengths[n]]
        for number in (n for n in sounding if starts[n] == now):
            together.begin(number, number)
        if sounding:
            frame = np.stack([sounds[n][now - starts[n]] for n in sounding])[:, None]
            pitch = np.array([[pitches[n][now - starts[n]]] for n in sounding])
            for number, hop in zip(sounding, together.push(sounding, frame, pitch), strict=True):
                parts[number].append(hop)
        for number in (n for n in sounding if starts[n] + lengths[n] == now + 1):
            parts[number].append(together.flush(number))
    for number, (rows, pitch) in enumerate(zip(sounds, pitches, strict=True)):
        alone = VocoderStream(net, transform, RATE, number)
        expected = [alone.push(row, pitch=each) for row, each in zip(rows, pitch, strict=True)]
        assert np.array_equal(np.concatenate(parts[number]), np.concatenate([*expected, alone.flush()]))


def test_what_is_yet_to_come_does_not_matter_beyond_the_look_ahead():
    magnitude, pitch = levels(40), np.full(40, 60.0)
    other = magnitude.copy()
    other[:, 30:] = 0.0
    one = stream(look_ahead=2)
    first, second = (whole(one, each, pitch, 40 * HOP) for each in (magnitude, other))
    settled = (30 - 2) * HOP - SIZE // 2
    assert np.array_equal(first[:settled], second[:settled])
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("pitch", [43.0, 57.3, 76.0])
def test_a_held_frame_holds_the_pitch(pitch: float):
    """Without any training: the phases are those of the pulses."""
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    _, comb = pulse_spectrum(np.array(hz), np.array(0.0), SIZE, RATE)
    frame = 0.1 * comb / (1.0 + np.arange(SIZE // 2 + 1) / 20.0)
    torch.manual_seed(1)
    plain = VocoderStream(make_vocoder(FRONT, SMALL).eval(), STFT(SIZE, HOP), RATE)
    sound = whole(plain, np.repeat(frame[:, None], 172, 1).astype(np.float32), np.full(172, pitch), 172 * HOP)
    found = measure_pitch(Audio(sound[None], RATE), pitch)
    assert found is not None
    assert abs(found - pitch) < 0.02


def test_noise_is_as_loud_as_it_should_be_and_begins_at_once():
    net = untrained()
    with torch.no_grad():  # all of every bin is noise
        net.head.weight.zero_()
        net.head.bias.zero_()
        net.head.bias[2 * net.bins : 3 * net.bins] = 20.0
    one = VocoderStream(net, STFT(SIZE, HOP), RATE)
    sound = whole(one, np.full((SIZE // 2 + 1, 173), 0.01, np.float32), np.full(173, np.nan), 172 * HOP)
    again = STFT(SIZE, HOP)(torch.from_numpy(sound)[None])[0, 2:-2, 4:-4].abs().square().mean().sqrt()
    assert float(again) == pytest.approx(0.01, rel=0.05)
    assert np.sqrt(np.mean(sound[:400] ** 2)) == pytest.approx(np.sqrt(np.mean(sound**2)), rel=0.3)
    assert abs(np.corrcoef(sound[:-1], sound[1:])[0, 1]) < 0.05


def test_noise_follows_the_seed():
    sounds = [whole(stream(seed=seed), levels(20), np.full(20, np.nan), 19 * HOP) for seed in (0, 0, 1)]
    assert np.array_equal(sounds[0], sounds[1])
    assert not np.allclose(sounds[0], sounds[2], atol=1e-3)


def test_silence_stays_silent_and_nothing_comes_before_a_sound():
    one = stream()
    assert not whole(one, np.zeros((SIZE // 2 + 1, 10), np.float32), np.full(10, 60.0), 9 * HOP).any()
    samples = one.push(levels(10), pitch=60.0)
    assert not samples[: one.latency].any()
    assert samples[one.latency :].any()


@pytest.mark.parametrize(
    "frames", [np.zeros((5, 3)), np.zeros((SIZE // 2 + 1, 2, 2)), -levels(3), np.full((SIZE // 2 + 1, 2), np.nan)]
)
def test_a_stream_refuses_what_is_no_magnitude(frames: np.ndarray):
    with pytest.raises(AudioError):
        stream().push(frames)


def noise(seed: int, scale: float = 0.1, count: int = 4) -> Tensor:
    return scale * torch.randn(count, 12000, generator=torch.Generator().manual_seed(seed))


def test_the_score_prefers_what_is_as_random_as_the_recordings():
    """A proper score: neither a duller sound nor a rougher or louder one does better on average."""
    score = EnergyDistance(RATE, SIZE)
    smooth = score(*_smoothed(noise(1), noise(2)), noise(3))
    true, louder, softer = (score(noise(1, level), noise(2, level), noise(3)) for level in (0.1, 0.14, 0.07))
    assert true < smooth
    assert true < louder
    assert true < softer
    same = noise(5)
    assert float(score(same, same, same)) == pytest.approx(0.0, abs=1e-6)


def _smoothed(*sounds: Tensor) -> tuple[Tensor, ...]:
    """The same long-term spectra with levels that do not fluctuate, the same in both draws: a chirp."""
    time = torch.arange(sounds[0].shape[-1]) / RATE
    chirp = torch.sin(2.0 * math.pi * (RATE / 4.0 / time[-1]) * time.square())
    return tuple(0.14 * chirp.expand_as(sound) for sound in sounds)


def test_phases_are_compared_by_their_steps():
    time = torch.arange(8000) / RATE
    tone = torch.sin(2.0 * math.pi * 440.0 * time)[None]
    shifted = torch.sin(2.0 * math.pi * 440.0 * time + 1.0)[None]
    detuned = torch.sin(2.0 * math.pi * 455.0 * time)[None]
    assert float(phase_distance(tone, tone, SIZE, HOP)) == pytest.approx(0.0, abs=1e-3)
    assert phase_distance(shifted, tone, SIZE, HOP) < 0.05 < phase_distance(detuned, tone, SIZE, HOP)
