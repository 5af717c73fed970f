"""The training of a vocoder, and a space that has one."""

import itertools
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import pytest
import torch

import timbre
from timbre.__main__ import main
from timbre.config import SpectrogramConfig, VocoderConfig
from timbre.data import Library
from timbre.data.storage import save_library
from timbre.errors import CheckpointError, ConfigError, DeviceError, LibraryError, TrainingError
from timbre.evaluation.inverters import DECIDING, beats, compare, unseen
from timbre.evaluation.metrics.sounds import log_mel_l1
from timbre.evaluation.notes import prepare_notes
from timbre.paths import Path
from timbre.playback.controls import central_point
from timbre.playback.engine.engine import Engine
from timbre.space import NoteControls, Space
from timbre.synth import render, render_blocks
from timbre.training.run import Run
from timbre.vocoder.notes import DecodedNotes, decoded_notes
from timbre.vocoder.trained import learn_vocoder
from timbre.vocoder.training import VocoderTask

RATE, SIZE, FRONT = 22050, 1024, SpectrogramConfig()
SMALL = VocoderConfig(channels=16, blocks=2, kernel=3, steps=6, batch_size=3, frames=16, notes=24, threads=1)


@pytest.fixture(scope="module")
def decoded(tiny_space: Space, some_notes: Library) -> DecodedNotes:
    return decoded_notes(some_notes, tiny_space.model, tiny_space.config, 24, "test")


def test_decoded_notes_are_what_the_space_decodes(decoded: DecodedNotes, tiny_space: Space, some_notes: Library):
    assert decoded.magnitude.shape == decoded.tones.shape == (24, tiny_space.config.note_frames, SIZE // 2 + 1)
    assert 0 < decoded.held_out.sum() < 24
    first = next(n for n, p in zip(some_notes, some_notes.parts(tiny_space.config.data), strict=True) if p != "test")
    heard = prepare_notes(tiny_space, [first])
    assert float(heard.conditions.pitch) == decoded.pitch[0]
    made = tiny_space.model.decode_points(torch.from_numpy(heard.points(tiny_space)), heard.conditions)
    expected = tiny_space.spectrogram.magnitude(made)[0].detach().numpy()
    assert np.allclose(decoded.magnitude[0].T, expected, atol=1e-4, rtol=0.01)
    assert np.allclose(decoded.audio[0], heard.samples[0], atol=1e-3)


def test_decoded_notes_are_made_once(decoded: DecodedNotes, tiny_space: Space, some_notes: Library):
    again = decoded_notes(some_notes, tiny_space.model, tiny_space.config, 24, "test")
    assert again.audio.filename == decoded.audio.filename


def test_too_few_notes_are_refused(tiny_space: Space, some_notes: Library):
    with pytest.raises(LibraryError, match="8 notes or more"):
        decoded_notes(some_notes[:6], tiny_space.model, tiny_space.config, 24, "few")


def test_training_goes_on_where_it_was(decoded: DecodedNotes, tmp_path: FilePath):
    plan = replace(SMALL, steps=40)
    straight, resumed = (VocoderTask(decoded, FRONT, plan, tmp_path / folder, "x") for folder in "ab")
    straight.fit()
    run = Run(VocoderTask(decoded, FRONT, plan, tmp_path / "b", "x"))
    run.validate()
    assert run.error < math.inf
    for batch in itertools.islice(run.task.batches(0, 0), 17):
        run.take_step(batch)
        run.batch += 1
    run.save()
    run.journal.close()
    resumed.fit()
    for name, value in straight.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name


def test_the_gradient_of_a_step_is_that_of_the_objective(decoded: DecodedNotes):
    """Along the gradient g, a small step t changes the objective, with the same noise, by t |g|^2."""
    task = VocoderTask(decoded, FRONT, SMALL, None, "x")
    batch, parameters = next(task.batches(0, 0)), list(task.net.parameters())

    def value() -> torch.Tensor:
        return task.objective(batch, 0, 0.0)(task.net)["objective"]

    gradients = torch.autograd.grad(value(), parameters)
    square = float(sum(gradient.square().sum() for gradient in gradients))
    size, ends = 0.01 / square, []
    for t in (size, -2.0 * size):
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter += t * gradient
        ends.append(float(value().detach()))
    assert (ends[0] - ends[1]) / (2.0 * size) == pytest.approx(square, rel=0.05)


def test_a_run_of_other_settings_is_not_continued(decoded: DecodedNotes, tmp_path: FilePath):
    VocoderTask(decoded, FRONT, replace(SMALL, steps=1), tmp_path, "x").fit()
    with pytest.raises(CheckpointError, match="channels was 16, is 8"):
        VocoderTask(decoded, FRONT, replace(SMALL, steps=1, channels=8), tmp_path, "x").fit()
    with pytest.raises(CheckpointError, match="other notes"):
        VocoderTask(decoded, FRONT, replace(SMALL, steps=1), tmp_path, "y").fit()


def test_a_loss_that_is_no_number_ends_the_run(decoded: DecodedNotes):
    broken = replace(decoded, audio=np.full_like(decoded.audio, np.nan))
    with pytest.raises(TrainingError, match=r"step 1 \(epoch 1\)\. Try a lower vocoder\.learning_rate"):
        VocoderTask(broken, FRONT, SMALL, None, "x").fit()


def test_ctrl_c_keeps_the_state(decoded: DecodedNotes, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch):
    steps = iter(range(3))

    def interrupted(self: Run, _batch: object) -> None:
        self.step += 1
        if next(steps, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "take_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        VocoderTask(decoded, FRONT, SMALL, tmp_path, "x").fit()
    assert Run(VocoderTask(decoded, FRONT, SMALL, tmp_path, "x")).step == 4


@pytest.mark.parametrize("wrong", [{"channels": 4}, {"look_ahead": 9}, {"randomness": 1.5}, {"frames": 3}])
def test_impossible_settings_are_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigError, match=f"vocoder.{next(iter(wrong))}"):
        VocoderConfig(**wrong)


def test_a_device_that_is_not_there_is_refused_before_any_note_is_decoded(
    tiny_space: Space, some_notes: Library, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path))
    with pytest.raises(DeviceError, match=r"vocoder\.device must be .* got cuda"):
        learn_vocoder(tiny_space.model, tiny_space.config, some_notes, replace(SMALL, device="cuda"))
    assert not (tmp_path / "vocoder").exists()


@pytest.fixture(scope="module")
def vocal(tiny_folder: FilePath, some_notes: Library) -> Space:
    """The small space with a vocoder that has hardly learned."""
    space = timbre.load(tiny_folder)
    space.vocoder = learn_vocoder(space.model, space.config, some_notes, SMALL)
    return space


def test_a_space_keeps_its_vocoder(vocal: Space, tmp_path: FilePath):
    vocal.vocoder.is_default = True
    try:
        again = timbre.load(vocal.save(tmp_path / "space"))
        assert again.inverter == "vocoder"
        assert again.vocoder.settings == SMALL
        z, note = central_point(vocal), (60.0, 0.8, 0.7, 3)
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


def test_a_damaged_vocoder_is_refused(vocal: Space, tmp_path: FilePath):
    folder = vocal.save(tmp_path / "space")
    (folder / "vocoder.safetensors").write_bytes(b"none")
    with pytest.raises(CheckpointError, match="damaged"):
        timbre.load(folder)


def test_a_space_without_a_vocoder_says_so(tiny_space: Space):
    with pytest.raises(ConfigError, match="train one with"):
        tiny_space.decode(central_point(tiny_space), inverter="vocoder")
    with pytest.raises(ConfigError, match="The causal inverter must be one of"):
        tiny_space.renderer.stream("pghi+8")


def test_a_space_with_one_names_it_among_the_causal_inverters(vocal: Space):
    with pytest.raises(ConfigError, match="one of vocoder, rtpghi"):
        vocal.renderer.stream("pghi+8")


def test_blocks_are_the_whole(vocal: Space):
    way = Path(np.stack([central_point(vocal), vocal.atlas.points[3]]), np.array([0.0, 1.0]))
    settings_ = {"pitch": np.array([60.0, 64.0]), "duration": 1.3, "inverter": "vocoder"}
    expected = render(vocal, way, **settings_).samples[0]
    found = np.concatenate(list(render_blocks(vocal, way, NoteControls(**settings_), block=777)))
    assert np.abs(found - expected).max() < 1e-4


def test_a_live_note_is_what_is_rendered_offline(vocal: Space):
    live = Engine(vocal, inverter="vocoder")
    live.note_on(64.3, 0.7)
    sound = live.render(RATE)[round(live.look_ahead * RATE) :]
    offline = vocal.decode(central_point(vocal), 64.3, 0.7, 3.0, 1, "vocoder").samples[0]
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
    sound = vocal.renderer.invert(made, float(heard.conditions.pitch[0]), RATE // 2, inverter="rtpghi")
    alone = compare(vocal, heard.take(np.array([0])), ("rtpghi",))["rtpghi"]
    assert alone["log_mel_l1_db"] == pytest.approx(20.0 * log_mel_l1(heard.samples[0][: RATE // 2], sound, RATE)), note


@pytest.fixture(scope="module")
def command_space(tiny_folder: FilePath, tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    folder = tmp_path_factory.mktemp("command") / "space"
    timbre.load(tiny_folder).save(folder)
    return folder


def test_the_command_trains_compares_and_keeps(
    command_space: FilePath, some_notes: Library, tmp_path: FilePath, capsys: pytest.CaptureFixture[str]
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


def test_sigterm_saves_and_says_so(tiny_folder: FilePath, some_notes: Library, tmp_path: FilePath):
    space = timbre.load(tiny_folder).save(tmp_path / "space")
    library = save_library(some_notes, tmp_path / "library.json")
    words = [sys.executable, "-m", "timbre", "train-vocoder", str(space), str(library), "--channels", "8"]
    words += ["--blocks", "1", "--frames", "12", "--batch-size", "2", "--steps", "100000", "--threads", "1"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 240
        while not (tmp_path / "space" / "vocoder" / "logs").exists() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.1)
        process.terminate()
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines()[-2:] == ["Run the same command again to continue.", "timbre: stopped."]
    assert "Traceback" not in said
    assert (tmp_path / "space" / "vocoder" / "state.pt").exists()


def test_the_command_refuses_what_cannot_be(
    command_space: FilePath, tmp_path: FilePath, capsys: pytest.CaptureFixture[str]
):
    plan = tmp_path / "plan.toml"
    plan.write_text("chanels = 16\n")
    assert main(["train-vocoder", str(command_space), "--config", str(plan)]) == 1
    assert "did you mean vocoder.channels" in capsys.readouterr().err
    assert main(["train-vocoder", str(command_space)]) == 1
    assert "does not name its training notes" in capsys.readouterr().err
    assert main(["train-vocoder", str(tmp_path / "none")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["train-vocoder", "orchestra"]) == 1
    assert "--out" in capsys.readouterr().err


def test_it_is_played_from_the_command_line(vocal: Space, tmp_path: FilePath):
    folder, record = vocal.save(tmp_path / "space"), tmp_path / "played.wav"
    words = ["--no-audio", "--seconds", "0.6", "--chord", "C4", "--inverter", "vocoder", "--record", str(record)]
    assert main(["play", str(folder), *words]) == 0
    assert np.abs(timbre.read(record).samples).max() > 0.001
