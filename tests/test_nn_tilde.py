"""The TorchScript file for nn~: played as the hosts do, and compared with what the space decodes."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import timbre
from timbre.__main__ import main
from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.errors import ConfigError
from timbre.space import Space

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # of loading; hosts use C++

BUFFERS = (256, 512, 1024, 2048, 4096, 8192)
RATE = 44100


@pytest.fixture(scope="module")
def file(harmonic_space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("nn") / "space.ts"
    timbre.export(harmonic_space, None, "nn~", target)
    return target


class Host:
    """What the backend of nn~ does with a file."""

    def __init__(self, file: Path) -> None:
        self.model = torch.jit.load(str(file)).eval()

    def perform(self, inputs: np.ndarray, method: str, buffer: int) -> np.ndarray:
        """A buffer of signals (voices, channels, samples)."""
        in_channels, in_ratio, out_channels, out_ratio = getattr(self.model, f"{method}_params").tolist()
        assert buffer % max(in_ratio, out_ratio) == 0
        assert inputs.shape[1:] == (in_channels, buffer)
        given = torch.from_numpy(np.ascontiguousarray(inputs, np.float32))
        given = given.reshape(len(inputs), in_channels, -1, in_ratio).select(-1, -1)
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # which takes seconds at the first calls
            out = getattr(self.model, method)(given)
        assert out.dtype == torch.float32
        assert out.shape == (len(inputs), out_channels, buffer // out_ratio)
        return out.repeat_interleave(out_ratio, -1).numpy()

    def play(self, inputs: np.ndarray, buffers: Iterable[int], method: str = "decode") -> np.ndarray:
        out, at = [], 0
        for buffer in itertools.cycle(buffers):
            if at + buffer > inputs.shape[2]:
                return np.concatenate(out, 2)
            out.append(self.perform(inputs[:, :, at : at + buffer], method, buffer))
            at += buffer
        raise AssertionError


def controls(space: Space, notes: list[list[tuple[int, int, float]]], samples: int) -> np.ndarray:
    """Signals (voices, 2 + dim, samples) of notes: samples from and to, and pitch; each voice has a point."""
    signals = np.zeros((len(notes), 2 + space.dim, samples), np.float32)
    for voice, line in enumerate(notes):
        signals[voice, 2:] = space.atlas.points[voice][:, None]
        signals[voice, 0] = 60.0
        for start, end, pitch in line:
            signals[voice, 0, start:], signals[voice, 1, start:end] = pitch, 0.8
    return signals


NOTES = [
    [(256, 8000, 50.0), (9000, 20000, 62.0)], [(0, 30000, 45.5)], [(4096, 4352, 70.0), (4700, 24000, 71.0)],
    [(2000, 12000, 0.0)],
]  # fmt: skip


@pytest.mark.parametrize("voices", [1, 4])
@pytest.mark.parametrize("buffers", [(256,), (2048, 256, 512, 4096, 1024)])
def test_a_stream_is_the_whole(file: Path, harmonic_space: Space, voices: int, buffers: tuple[int, ...]) -> None:
    signals = controls(harmonic_space, NOTES[:voices], 4 * 8192)
    whole, parts = Host(file).play(signals, (8192,)), Host(file).play(signals, buffers)
    count = parts.shape[2]
    np.testing.assert_allclose(parts, whole[:, :, :count], rtol=0, atol=1e-5)
    assert all(np.abs(whole[voice]).max() > 1e-3 for voice in range(min(voices, 3)))  # the last has no pitch


def test_voices_are_independent(file: Path, harmonic_space: Space) -> None:
    signals = controls(harmonic_space, NOTES, 2 * 8192)
    together = Host(file).play(signals, (4096,))
    alone = Host(file).play(signals[:1], (4096,))
    np.testing.assert_allclose(together[:1], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_pitch_and_level_are_those_of_the_space(file: Path, harmonic_space: Space, rate: int) -> None:
    host = Host(file)
    assert host.model.set_sample_rate(rate) == 0
    signals = controls(harmonic_space, [[(0, rate, 57.3)]], rate // 8192 * 8192)
    sound = host.play(signals, (2048,))[0, 0]
    expected = harmonic_space.decode(signals[0, 2:, 0], 57.3, 0.8, 1.0)
    measured = measure_pitch(Audio(sound[None], rate), 57.3)
    assert measured is not None
    assert 100.0 * abs(measured - 57.3) < 5.0
    levels = [
        10.0 * np.log10(np.mean(np.square(one[: int(0.6 * its)])))
        for one, its in ((sound, rate), (expected.samples[0], expected.sample_rate))
    ]
    assert abs(levels[0] - levels[1]) < 1.0


def test_notes_begin_where_velocity_rises_and_end_in_silence(file: Path, harmonic_space: Space) -> None:
    signals = controls(harmonic_space, [[(2560, 12800, 60.0)]], 10 * 8192)
    sound = Host(file).play(signals, (1024,))[0, 0]
    assert not sound[:2560].any()
    assert np.abs(sound[2560:2816]).max() > 0.0
    assert not sound[12800 + int(1.35 * RATE) :].any()  # it fades out 1.3 s after its release
    steps = np.abs(np.diff(sound))
    assert steps[2500:2700].max() <= 1.05 * steps[3000:].max()  # no click


def test_a_note_that_starts_over_another_does_not_click(file: Path, harmonic_space: Space) -> None:
    signals = controls(harmonic_space, [[(0, 8192, 48.0)]], 2 * 8192)
    signals[0, 1, 8192:8448], signals[0, 1, 8448:] = 0.0, 0.8
    steps = np.abs(np.diff(Host(file).play(signals, (512,))[0, 0]))
    assert steps[8400:9000].max() <= 1.5 * steps[1000:8000].max()


def test_attributes(file: Path, harmonic_space: Space) -> None:
    model = Host(file).model
    assert model.get_attributes() == ["hold", "release", "reset"]
    assert [getattr(model, f"{name}_params").tolist() for name in model.get_attributes()] == [[2], [2], [0]]
    assert model.get_hold() == [0.0]
    assert model.set_hold(0.25) == 0
    assert model.get_hold() == [0.25]
    assert model.set_hold(-1.0) == -1
    assert model.set_release(3.0) == 0
    assert model.get_release() == [3.0]
    assert model.set_release(0.0) == -1
    assert model.set_sample_rate(100) == -1
    signals = controls(harmonic_space, [[(0, 16384, 60.0)]], 3 * 8192)
    host = Host(file)
    host.play(signals[:, :, :8192], (8192,))
    host.model.set_reset(True)
    assert not host.play(np.zeros_like(signals[:, :, :8192]), (8192,)).any()


def test_a_hold_freezes_the_sound(file: Path, tiny_space: Space) -> None:
    host, signals = Host(file), controls(tiny_space, [[(0, 9 * 8192, 57.0)]], 8 * 8192)
    host.model.set_hold(0.2)
    sound = host.play(signals, (2048,))[0, 0, RATE // 2 :]
    power = np.square(sound[: len(sound) // 4410 * 4410]).reshape(-1, 4410).mean(1)
    assert np.ptp(10.0 * np.log10(power)) < 0.5


def test_a_longer_release_is_longer(file: Path, harmonic_space: Space) -> None:
    signals, lengths = controls(harmonic_space, [[(0, 8192, 57.0)]], 16 * 8192), []
    for factor in (1.0, 2.0):
        host = Host(file)
        host.model.set_release(factor)
        lengths.append(int(np.flatnonzero(host.play(signals, (8192,))[0, 0])[-1]) - 8192)
    assert 1.9 < lengths[1] / lengths[0] < 2.1


def test_the_map_plays_the_points_that_it_gives(file: Path, harmonic_space: Space) -> None:
    host = Host(file)
    pad = np.zeros((1, 2, 2048), np.float32)
    pad[0, 0], pad[0, 1] = 0.5, -0.3
    point = host.perform(pad, "place", 2048)
    assert (point == point[:, :, :1]).all()
    signals = np.concatenate([np.full((1, 1, 2048), 60.0), np.full((1, 1, 2048), 0.8), pad], 1)
    by_map = host.perform(signals, "play_map", 2048)
    by_point = Host(file).perform(np.concatenate([signals[:, :2], point], 1), "decode", 2048)
    np.testing.assert_allclose(by_map, by_point, rtol=0, atol=1e-5)
    corners = np.stack([host.perform(np.full((1, 2, 256), x), "place", 256)[0, :, 0] for x in (-1.0, 1.0)])
    away = np.linalg.norm(harmonic_space.atlas.points - corners.mean(0), axis=1)
    assert np.linalg.norm(corners[1] - corners[0]) < 4.0 * away.max()


def test_labels_and_channels_agree(file: Path, harmonic_space: Space) -> None:
    model = Host(file).model
    for name in model.get_methods():
        inputs, ratio, outputs, out_ratio = getattr(model, f"{name}_params").tolist()
        assert len(getattr(model, f"{name}_input_labels")) == inputs
        assert len(getattr(model, f"{name}_output_labels")) == outputs
        assert all(value & (value - 1) == 0 and value <= 256 for value in (ratio, out_ratio))
    assert model.decode_params.tolist() == [2 + harmonic_space.dim, 256, 1, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_impossible_inputs_do_not_last(file: Path, harmonic_space: Space, value: float) -> None:
    host, signals = Host(file), controls(harmonic_space, [[(0, 8192, 57.0)]], 8192)
    for channel in range(signals.shape[1]):
        broken = signals.copy()
        broken[0, channel, 1000:3000] = value
        assert np.isfinite(host.play(broken, (2048,))).all()
    host.model.set_reset(True)
    expected = Host(file).play(signals, (2048,))
    assert abs(np.square(host.play(signals, (2048,))).mean() / np.square(expected).mean() - 1.0) < 0.1


def test_midi_velocities_are_understood(file: Path, harmonic_space: Space) -> None:
    signals = controls(harmonic_space, [[(0, 8192, 57.0)]], 8192)
    expected = Host(file).play(signals, (2048,))
    signals[0, 1] *= 127.0
    np.testing.assert_allclose(Host(file).play(signals, (2048,)), expected, rtol=0, atol=1e-4)


LOADS = """
import sys, torch
sys.modules["timbre"] = None  # cannot be imported
model = torch.jit.load(sys.argv[1])
signals = torch.zeros(2, model.decode_params[0], 8)
signals[:, 0], signals[:, 1] = 60.0, 0.8
sound = model.decode(signals)
assert sound.shape == (2, 1, 2048) and sound.abs().max() > 1e-3
"""


def test_the_file_loads_without_timbre(file: Path, tmp_path: Path) -> None:
    command: list[Any] = [sys.executable, "-W", "ignore", "-I", "-c", LOADS, file]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0


def test_wrong_requests_are_refused(
    tiny_folder: Path, tiny_space: Space, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.ts, got \.pt"):
        timbre.export(tiny_space, None, "nn~", tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="nn~ must get no point or path"):
        timbre.export(tiny_space, tiny_space.atlas.points[0], "nn~", tmp_path / "a.ts")
    with pytest.raises(ConfigError, match="wav must get a point or path"):
        timbre.export(tiny_space, None, "wav", tmp_path / "a")
    with pytest.raises(ConfigError, match="rate must be 8000 to 192000 Hz, got 100"):
        timbre.export(tiny_space, None, "nn~", tmp_path / "a.ts", rate=100)
    assert main(["export", str(tiny_folder), "--to", "nn~", "--at", "flute-C4", "-o", str(tmp_path / "a.ts")]) == 1
    assert "leave --at out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_writes_the_file(tiny_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.ts"
    assert main(["export", str(tiny_folder), "--to", "nn~", "--rate", "48000", "-o", str(target)]) == 0
    assert Host(target).model.get_methods()[0] == "forward"


def test_help_patches_have_no_loose_ends() -> None:
    folder = Path(__file__).parents[1] / "docs" / "patches"
    patcher = json.loads((folder / "timbre.maxpat").read_text())["patcher"]
    boxes = {one["box"]["id"]: one["box"] for one in patcher["boxes"]}
    for line in patcher["lines"]:
        (source, outlet), (target, inlet) = line["patchline"]["source"], line["patchline"]["destination"]
        assert outlet < boxes[source]["numoutlets"]
        assert inlet < boxes[target]["numinlets"]
    objects = [line for line in (folder / "timbre.pd").read_text().splitlines() if line.startswith("#X")]
    wires = [line.rstrip(";").split()[2:] for line in objects if line.startswith("#X connect")]
    assert wires
    for source, _, target, _ in wires:
        assert max(int(source), int(target)) < len(objects) - len(wires)
    for name in ("timbre.maxpat", "timbre.pd", "timbre.scd"):
        assert "play_map" in (folder / name).read_text()
