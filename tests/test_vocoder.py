"""The vocoder: its pulses, its stream, its score, its training, and a space that has one."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import timbre
from timbre.__main__ import main
from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig, VocoderConfig
from timbre.data import Library
from timbre.data.storage import save_library
from timbre.errors import AudioError, CheckpointError, ConfigError, LibraryError, TrainingError
from timbre.evaluation._notes import hear
from timbre.evaluation.inverters import DECIDING, beats, compare, unseen
from timbre.evaluation.metrics import log_mel_l1
from timbre.models import _vocoding
from timbre.models.vocoder import Mix, Vocoder, make_vocoder, mixed
from timbre.models.vocoding import VocoderStream, whole
from timbre.playback.controls import middle
from timbre.playback.engine import Engine
from timbre.space import Path as Way
from timbre.space import Space
from timbre.space.vocoder import learn_vocoder
from timbre.spectral import STFT
from timbre.spectral.pulses import FADE, NEAR, advance, hann_lobe, pulse_spectrum
from timbre.synth import render, render_blocks
from timbre.training.energy import EnergyDistance, phase_distance
from timbre.training.vocoder import VocoderRun, fit_vocoder
from timbre.training.vocoder_notes import DecodedNotes, decoded_notes

RATE, SIZE, HOP = 22050, 1024, 256
FRONT = SpectrogramConfig()
SMALL = VocoderConfig(channels=16, blocks=2, kernel=3, steps=6, batch_size=3, frames=16, notes=24, threads=1)


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
    phase = torch.tensor(2.0 * math.pi * (hz * 12 * HOP / RATE % 1.0))
    found, comb = pulse_spectrum(torch.tensor(hz), phase, SIZE, RATE)
    below = slice(0, int((count - 4) * hz / RATE * SIZE))
    assert (found[below] - reference[below]).norm() < 0.005 * reference[below].norm()
    assert comb.max() <= 2.0


def test_without_a_pitch_there_are_no_pulses():
    found, comb = pulse_spectrum(torch.tensor([math.nan, 220.0]), torch.zeros(2), SIZE, RATE)
    assert not found[0].abs().any()
    assert not comb[0].any()
    assert comb[1].any()


def test_a_lobe_is_that_of_the_window():
    spectrum = torch.fft.rfft(torch.hann_window(64, dtype=torch.float64), n=6400) / 32.0  # a hundredth of a bin each
    assert torch.allclose(hann_lobe(torch.arange(800) / 100.0).double().abs(), spectrum[:800].abs(), atol=1e-3)


@given(
    widths=st.lists(st.one_of(st.floats(0.6, 400.0), st.just(math.nan)), min_size=1, max_size=4),
    phase=st.floats(0.0, 6.28),
)
@settings(max_examples=40)
def test_compiled_pulses_are_the_same(widths: list[float], phase: float):
    bins = np.array(widths)
    spectra = np.empty((len(bins), SIZE // 2 + 1), np.complex64)
    lobes = np.empty(spectra.shape, np.float32)
    _vocoding.pulse_rows(bins, np.full(len(bins), phase), NEAR, FADE, spectra, lobes)
    hz = torch.from_numpy(bins * RATE / SIZE).float()
    expected = pulse_spectrum(hz, torch.full((len(bins),), phase), SIZE, RATE)
    # Phases of a few hundredth partials in float32 are some thousandths of a radian off.
    assert np.abs(spectra - expected[0].numpy()).max() < 5e-3
    assert np.abs(lobes - expected[1].numpy()).max() < 5e-3


def test_compiled_mixing_is_the_same():
    generator = torch.Generator().manual_seed(0)
    shape = (1, SIZE // 2 + 1, 1)
    magnitude, *shares = torch.rand(4, *shape, generator=generator)
    residual = torch.randn(shape, generator=generator)
    pulses, tones, noise = torch.randn(3, *shape, dtype=torch.complex64, generator=generator)
    mix = Mix(shares[0], residual, shares[1], shares[2])
    expected = mixed(magnitude, mix, pulses, tones / tones.abs(), noise)[0, :, 0].numpy()
    found = np.empty(shape[1], np.complex64)
    rows = [part[0, :, 0].numpy() for part in (residual, pulses, tones, noise)]
    amplitudes = np.stack([share[0, :, 0].numpy() for share in shares])
    _vocoding.mix_rows(magnitude[0, :, 0].numpy(), amplitudes, *rows, found)
    assert np.allclose(found, expected, atol=1e-6)


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
            mix, state = net.step(magnitude[..., first:stop], comb[..., first:stop], state)
            found.append(mix)
    for number, expected in enumerate(at_once):
        assert torch.allclose(torch.cat([mix[number] for mix in found], -1)[..., 2:], expected[..., :-2], atol=1e-5)


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
    _, comb = pulse_spectrum(torch.tensor(hz), torch.tensor(0.0), SIZE, RATE)
    frame = 0.1 * comb.numpy() / (1.0 + np.arange(SIZE // 2 + 1) / 20.0)
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


@pytest.fixture(scope="module")
def decoded(tiny_space: Space, some_notes: Library) -> DecodedNotes:
    return decoded_notes(some_notes, tiny_space.model, tiny_space.config, 24, "test")


def test_decoded_notes_are_what_the_space_decodes(decoded: DecodedNotes, tiny_space: Space, some_notes: Library):
    assert decoded.magnitude.shape == decoded.tones.shape == (24, tiny_space.config.note_frames, SIZE // 2 + 1)
    assert 0 < decoded.held_out.sum() < 24
    first = next(n for n, p in zip(some_notes, some_notes.parts(tiny_space.config.data), strict=True) if p != "test")
    heard = hear(tiny_space, [first])
    assert float(heard.conditions.pitch) == decoded.pitch[0]
    made = tiny_space.model.decode_points(torch.from_numpy(heard.points(tiny_space)), heard.conditions)
    expected = tiny_space.front.magnitude(made)[0].detach().numpy()
    assert np.allclose(decoded.magnitude[0].T, expected, atol=1e-4, rtol=0.01)
    assert np.allclose(decoded.audio[0], heard.samples[0], atol=1e-3)


def test_decoded_notes_are_made_once(decoded: DecodedNotes, tiny_space: Space, some_notes: Library):
    again = decoded_notes(some_notes, tiny_space.model, tiny_space.config, 24, "test")
    assert again.audio.filename == decoded.audio.filename


def test_too_few_notes_are_refused(tiny_space: Space, some_notes: Library):
    with pytest.raises(LibraryError, match="8 or more"):
        decoded_notes(some_notes[:6], tiny_space.model, tiny_space.config, 24, "few")


def test_training_lowers_the_score_and_goes_on_where_it_was(decoded: DecodedNotes, tmp_path: Path):
    plan = replace(SMALL, steps=40)
    straight, report = fit_vocoder(decoded, FRONT, plan, tmp_path / "a", "x")
    run = VocoderRun(decoded, FRONT, plan, tmp_path / "b", "x", False)
    before = run.best
    run._look()
    assert report["score"] < run.best < before
    for _ in range(17):
        run._take_step()
    run.save()
    run.journal.close()
    resumed, _ = fit_vocoder(decoded, FRONT, plan, tmp_path / "b", "x")
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_run_of_other_settings_is_not_continued(decoded: DecodedNotes, tmp_path: Path):
    fit_vocoder(decoded, FRONT, replace(SMALL, steps=1), tmp_path, "x")
    with pytest.raises(CheckpointError, match="channels was 16, is 8"):
        fit_vocoder(decoded, FRONT, replace(SMALL, steps=1, channels=8), tmp_path, "x")
    with pytest.raises(CheckpointError, match="other notes"):
        fit_vocoder(decoded, FRONT, replace(SMALL, steps=1), tmp_path, "y")


def test_a_loss_that_is_no_number_ends_the_run(decoded: DecodedNotes):
    broken = replace(decoded, audio=np.full_like(decoded.audio, np.nan))
    with pytest.raises(TrainingError, match=r"step 1\. Try a lower"):
        fit_vocoder(broken, FRONT, SMALL, None, "x")


def test_ctrl_c_keeps_the_state(decoded: DecodedNotes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    steps = iter(range(3))

    def interrupted(self: VocoderRun) -> None:
        self.step += 1
        if next(steps, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(VocoderRun, "_take_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_vocoder(decoded, FRONT, SMALL, tmp_path, "x")
    assert VocoderRun(decoded, FRONT, SMALL, tmp_path, "x", False).step == 4


@pytest.mark.parametrize("wrong", [{"channels": 4}, {"look_ahead": 9}, {"randomness": 1.5}, {"frames": 3}])
def test_impossible_settings_are_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigError, match=f"vocoder.{next(iter(wrong))}"):
        VocoderConfig(**wrong)


@pytest.fixture(scope="module")
def vocal(tiny_folder: Path, some_notes: Library) -> Space:
    """The small space with a vocoder that has hardly learned."""
    space = timbre.load(tiny_folder)
    space.vocoder = learn_vocoder(space, some_notes, SMALL)
    return space


def test_a_space_keeps_its_vocoder(vocal: Space, tmp_path: Path):
    vocal.vocoder.is_default = True
    try:
        again = timbre.load(vocal.save(tmp_path / "space"))
        assert again.inverter == "vocoder"
        assert again.vocoder.settings == SMALL
        z, note = middle(vocal), (60.0, 0.8, 0.7, 3)
        expected = vocal.decode(z, *note)
        assert np.array_equal(again.decode(z, *note).samples, expected.samples)
        assert not np.array_equal(again.decode(z, *note, inverter="pghi+8").samples, expected.samples)
        half = timbre.load(vocal.save(tmp_path / "half", half=True))
        assert np.abs(half.decode(z, *note).samples - expected.samples).max() < 0.05
        assert (tmp_path / "half/vocoder.safetensors").stat().st_size < 0.6 * sum(
            4 * value.numel() for value in vocal.vocoder.network.state_dict().values()
        )
    finally:
        vocal.vocoder.is_default = False
    assert vocal.inverter == "pghi+8"


def test_a_damaged_vocoder_is_refused(vocal: Space, tmp_path: Path):
    folder = vocal.save(tmp_path / "space")
    (folder / "vocoder.safetensors").write_bytes(b"none")
    with pytest.raises(CheckpointError, match="damaged"):
        timbre.load(folder)


def test_a_space_without_a_vocoder_says_so(tiny_space: Space):
    with pytest.raises(ConfigError, match="train one with"):
        tiny_space.decode(middle(tiny_space), inverter="vocoder")
    with pytest.raises(ConfigError, match="No causal inverter"):
        tiny_space.stream("pghi+8")


def test_a_space_with_one_names_it_among_the_causal_inverters(vocal: Space):
    with pytest.raises(ConfigError, match="there are vocoder, rtpghi"):
        vocal.stream("pghi+8")


def test_blocks_are_the_whole(vocal: Space):
    way = Way(np.stack([middle(vocal), vocal.atlas.points[3]]), np.array([0.0, 1.0]))
    settings_ = {"pitch": np.array([60.0, 64.0]), "duration": 1.3, "inverter": "vocoder"}
    expected = render(vocal, way, **settings_).samples[0]
    found = np.concatenate(list(render_blocks(vocal, way, block=777, **settings_)))
    assert np.abs(found - expected).max() < 1e-4


def test_a_live_note_is_what_is_rendered_offline(vocal: Space):
    live = Engine(vocal, inverter="vocoder")
    live.note_on(64.3, 0.7)
    sound = live.render(RATE)[round(live.look_ahead * RATE) :]
    offline = vocal.sound(middle(vocal)[None], 64.3, 0.7, 3.0, seed=1, inverter="vocoder").samples[0]
    expected = 0.5 * offline[: len(sound)]
    assert np.sqrt(np.mean((sound - expected) ** 2) / np.mean(expected**2)) < 0.01


def test_what_beats_another_is_worse_in_nothing():
    good = dict.fromkeys(DECIDING, 1.0)
    better, mixed_ = good | {"texture_db": 0.5}, good | {"texture_db": 0.5, "log_mel_l1_db": 1.1}
    figures = {"a": good, "b": better, "c": mixed_, "d": better | {"pitch_over_5_cents_share": math.nan}}
    assert beats(figures, "b", "a")
    assert beats(figures, "d", "a")  # of drums there is no pitch to compare
    assert not any(beats(figures, *pair) for pair in ("ab", "aa", "ca", "ac"))


def test_inverters_are_compared_on_notes_that_were_held_out(vocal: Space, some_notes: Library):
    heard = unseen(vocal, some_notes)
    assert {vocal.atlas.splits[vocal.atlas.names.index(note.name)] for note in heard.notes} == {"test"}
    found = compare(vocal, heard, ("vocoder", "rtpghi"))
    assert set(found["rtpghi"]) == {*DECIDING, "pitch_error_cents"}
    assert found["rtpghi"] != found["vocoder"]
    note, own = heard.notes[0], heard.points(vocal)
    made = vocal.model.decode_points(torch.from_numpy(own[:1]), heard.take(np.array([0])).conditions)[0]
    sound = vocal.invert(made, float(heard.conditions.pitch[0]), RATE // 2, inverter="rtpghi")
    alone = compare(vocal, heard.take(np.array([0])), ("rtpghi",))["rtpghi"]
    assert alone["log_mel_l1_db"] == pytest.approx(20.0 * log_mel_l1(heard.samples[0][: RATE // 2], sound, RATE)), note


@pytest.fixture(scope="module")
def command_space(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command") / "space"
    timbre.load(tiny_folder).save(folder)
    return folder


def test_the_command_trains_compares_and_keeps(
    command_space: Path, some_notes: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    library = save_library(some_notes, tmp_path / "library.json")
    plan = tmp_path / "plan.toml"
    plan.write_text("channels = 16\nblocks = 1\nsteps = 2\nframes = 16\n")
    words = ["train-vocoder", str(command_space), str(library), "--config", str(plan), "--batch-size", "2"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "2 steps" in said
    assert "log_mel_l1_db" in said
    kept = timbre.load(command_space).vocoder
    assert kept.settings == VocoderConfig(channels=16, blocks=1, steps=2, frames=16, batch_size=2)
    assert kept.is_default == beats(kept.report["compared"], "vocoder", "pghi+8")
    z = ["--at", "0,0,0", "--duration", "0.5", "--inverter", "vocoder"]
    assert main(["synth", str(command_space), *z, "-o", str(tmp_path / "a.wav")]) == 0
    assert np.abs(timbre.read(tmp_path / "a.wav").samples).max() > 0.001
    assert main(["train-vocoder", str(command_space), str(library), "--config", str(plan)]) == 1  # another batch size
    assert "batch_size was 2, is 8" in capsys.readouterr().err


def test_the_command_refuses_what_cannot_be(command_space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plan = tmp_path / "plan.toml"
    plan.write_text("chanels = 16\n")
    assert main(["train-vocoder", str(command_space), "--config", str(plan)]) == 1
    assert "did you mean vocoder.channels" in capsys.readouterr().err
    assert main(["train-vocoder", str(command_space)]) == 1
    assert "does not say which notes" in capsys.readouterr().err
    assert main(["train-vocoder", str(tmp_path / "none")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["train-vocoder", "orchestra"]) == 1
    assert "--out" in capsys.readouterr().err


def test_it_is_played_from_the_command_line(vocal: Space, tmp_path: Path):
    folder, record = vocal.save(tmp_path / "space"), tmp_path / "played.wav"
    words = ["--no-audio", "--seconds", "0.6", "--chord", "C4", "--inverter", "vocoder", "--record", str(record)]
    assert main(["play", str(folder), *words]) == 0
    assert np.abs(timbre.read(record).samples).max() > 0.001
