"""Spaces: coordinates and sounds, saving and loading, damage and refusals; on real notes."""

import json
import shutil
from itertools import pairwise
from pathlib import Path as FilePath

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.data import Library
from timbre.errors import AudioError, CheckpointError, ConfigError
from timbre.paths import Path
from timbre.space import NoteControls, Space


def tone(pitch: float = 60.0, seconds: float = 0.6, rate: int = 22050) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    hertz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    partials = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 8))
    return Audio((0.3 * partials * np.exp(-time)).astype(np.float32), rate)


class TestEncoding:
    """From sound to point."""

    def test_the_atlas_holds_what_encoding_gives(self, tiny_space: Space, some_notes: Library) -> None:
        for note in some_notes[:5]:
            point = tiny_space.encode(timbre.read(note.file), note.pitch, note.velocity)
            assert point.shape == (tiny_space.dim,)
            np.testing.assert_allclose(point, tiny_space.atlas[note.name], atol=0.02)  # features are float16

    def test_loudness_is_not_a_place(self, tiny_space: Space) -> None:
        np.testing.assert_allclose(tiny_space.encode(tone(), 60), tiny_space.encode(tone().gain(-25), 60), atol=1e-3)

    def test_channels_rate_and_leading_silence_do_not_matter(self, tiny_space: Space) -> None:
        sound = tone()
        wide = Audio(np.repeat(sound.resample(96000).samples, 2, axis=0), 96000)
        late = Audio(np.concatenate([np.zeros(2205, np.float32), sound.samples[0]]), 22050)
        seen = tiny_space.observe(sound, 60)[0]
        audible = seen > seen.max() - 40.0
        for other in (wide, late):
            change = (tiny_space.observe(other, 60)[0] - seen).abs()
            assert float(change[audible].max()) < 1.0  # dB, of a range of 80
            assert float(change.mean()) < 0.2

    def test_unknown_pitch_and_refining_work(self, tiny_space: Space) -> None:
        plain = tiny_space.encode(tone())
        refined = tiny_space.encode(tone(), refine=5)
        assert np.isfinite(plain).all()
        assert np.abs(plain - refined).max() > 0

    @pytest.mark.parametrize(
        ("sound", "match"),
        [(Audio(np.zeros(9000, np.float32), 22050), "silent"), (tone(seconds=0.01), "20 ms or longer, got 10 ms")],
    )
    def test_what_is_not_a_note_is_refused(self, tiny_space: Space, sound: Audio, match: str) -> None:
        with pytest.raises(AudioError, match=match):
            tiny_space.encode(sound, 60)


class TestDecoding:
    """From point to sound."""

    def test_length_rate_and_determinism(self, tiny_space: Space) -> None:
        z = [0.1, 0.2, -0.3]
        sounds = [tiny_space.decode(z, 57.5, 0.6, 0.77, seed, "griffin_lim") for seed in (1, 1, 2)]
        assert sounds[0].samples.shape == (1, round(0.77 * 22050))
        np.testing.assert_array_equal(sounds[0].samples, sounds[1].samples)
        assert np.abs(sounds[0].samples - sounds[2].samples).max() > 1e-6
        assert sounds[0].peak <= 1.0

    @pytest.mark.parametrize("inverter", ["pghi", "pghi+2", "griffin_lim", "fast_griffin_lim"])
    def test_every_inverter(self, tiny_space: Space, inverter: str) -> None:
        assert tiny_space.decode(np.zeros(3), duration=0.3, inverter=inverter).peak > 0

    def test_velocity_is_loudness(self, tiny_space: Space) -> None:
        def level(velocity: float) -> float:
            sound = tiny_space.decode(np.zeros(3), velocity=velocity, duration=0.5)
            return float(np.sqrt(np.mean(np.square(sound.samples))))

        assert level(0.2) < level(0.5) < level(0.9)
        assert level(0.0) == 0.0

    def test_ends_without_a_step(self, tiny_space: Space) -> None:
        samples = tiny_space.decode(np.zeros(3), duration=0.5).samples[0]
        assert abs(samples[-1]) < 1e-3
        assert np.abs(samples[-50:]).max() < 0.05 * np.abs(samples).max()

    def test_frames_in_blocks_equal_the_whole(self, tiny_space: Space) -> None:
        count = tiny_space.renderer.frames(1.0)
        points = np.random.default_rng(0).normal(size=(count, 3))
        pitch, velocity = np.linspace(50, 62, count), np.linspace(0.2, 0.9, count)
        whole = tiny_space.spectrum(points, pitch, velocity, 1.0)
        controls, edges = NoteControls(pitch, velocity, 1.0), [0, 1, 17, 40, count]
        blocks = [tiny_space.renderer.spectrum(points, controls, a, b) for a, b in pairwise(edges)]
        torch.testing.assert_close(torch.cat(blocks, 1), whole, rtol=1e-5, atol=1e-3)

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            ({"z": [0.0, 1.0]}, "must have 3 numbers"),
            ({"z": [0.0, 1.0, float("nan")]}, "finite coordinates"),
            ({"pitch": 300}, "MIDI number from 12 to 127"),
            ({"velocity": 1.5}, "from 0 to 1"),
            ({"duration": -1.0}, "got -1.0 s"),
            ({"duration": float("nan")}, "got nan s"),
            ({"inverter": "magic"}, "magic"),
        ],
    )
    def test_bad_arguments_are_refused(self, tiny_space: Space, arguments: dict[str, object], match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            tiny_space.decode(**({"z": [0.0, 0.0, 0.0]} | arguments))  # type: ignore[arg-type]


class TestPaths:
    """Paths and rendering."""

    @given(st.floats(0, 1), st.integers(0, 1000), st.sampled_from(["line", "slerp"]))
    def test_paths_pass_through_their_points_and_stay_between_their_lengths(
        self, time: float, seed: int, kind: str
    ) -> None:
        points = np.random.default_rng(seed).normal(size=(3, 4))
        path = Path(points, np.array([0.0, 0.4, 1.0]), kind)
        np.testing.assert_allclose(path.at(path.times), points, atol=1e-9)
        length = np.linalg.norm(path.at(np.array([time]))[0])
        lengths = np.linalg.norm(points, axis=1)
        assert length <= lengths.max() + 1e-9
        assert kind == "line" or length >= lengths.min() - 1e-9

    def test_slerp_turns_evenly(self) -> None:
        path = Path(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.0, 1.0]), "slerp")
        x, y = path.at(np.array([1 / 3]))[0]
        assert np.degrees(np.arctan2(y, x)) == pytest.approx(30.0)
        assert np.hypot(x, y) == pytest.approx(4 / 3)

    @pytest.mark.parametrize("kind", ["line", "slerp"])
    def test_equal_and_opposite_ends(self, kind: str) -> None:
        a = np.array([0.5, 1.0])
        for b in (a, -a, 0 * a):
            assert np.isfinite(Path(np.stack([a, b]), np.array([0.0, 1.0]), kind).at(np.linspace(0, 1, 9))).all()

    def test_a_path_of_one_point_is_a_note(self, tiny_space: Space) -> None:
        z = [0.1, 0.5, 0.2]
        rendered = timbre.render(tiny_space, tiny_space.path(z), pitch=55, velocity=0.7, duration=0.5)
        np.testing.assert_array_equal(rendered.samples, tiny_space.decode(z, 55, 0.7, 0.5).samples)

    def test_a_path_that_stands_still_is_a_note(self, tiny_space: Space) -> None:
        z = [0.1, 0.5, 0.2]
        still = timbre.render(tiny_space, tiny_space.path(z, z), pitch=55, velocity=0.7, duration=0.5)
        np.testing.assert_allclose(still.samples, tiny_space.decode(z, 55, 0.7, 0.5).samples, atol=1e-3)

    def test_pitch_and_velocity_lines(self, known_space: Space) -> None:
        path = known_space.path(np.zeros(3), np.ones(3), kind="slerp")
        audio = timbre.render(known_space, path, pitch=np.array([48, 60]), velocity=np.array([0.2, 0.9]), duration=1.0)
        first, last = np.array_split(audio.samples[0][:20000], 2)
        assert np.square(first).mean() < np.square(last).mean()

    def test_bad_paths_are_refused(self, tiny_space: Space) -> None:
        with pytest.raises(ConfigError, match="must be one of line, slerp"):
            tiny_space.path(np.zeros(3), kind="loop")
        with pytest.raises(ConfigError, match="one point or more"):
            tiny_space.path()
        with pytest.raises(ConfigError, match=r"the space.s 3 dimensions, got 2"):
            timbre.render(tiny_space, Path(np.zeros((2, 2)), np.array([0.0, 1.0])))
        with pytest.raises(ConfigError, match="rise from 0 to 1"):
            Path(np.zeros((2, 2)), np.array([1.0, 0.0]))
        with pytest.raises(ConfigError, match="control line"):
            timbre.render(tiny_space, tiny_space.path(np.zeros(3)), pitch=np.zeros((2, 2)))


class TestAtlas:
    """Known sounds."""

    def test_it_is_a_mapping_of_all_notes(self, tiny_space: Space, some_notes: Library) -> None:
        atlas = tiny_space.atlas
        assert list(atlas) == [note.name for note in some_notes]
        assert set(atlas.splits) == {"train", "valid", "test"}
        assert atlas.points.shape == (len(some_notes), 3)

    def test_an_unknown_name_is_answered_with_close_ones(self, tiny_space: Space) -> None:
        name = tiny_space.atlas.names[0]
        with pytest.raises(ConfigError, match=f"similar names: {name}"):
            tiny_space.atlas[name + "x"]


class TestFolder:
    """Saving and loading."""

    def test_saving_and_loading_changes_nothing(self, tiny_space: Space, tmp_path: FilePath) -> None:
        again = timbre.load(tiny_space.save(tmp_path / "copy"))
        assert again.config == tiny_space.config
        assert again.report == tiny_space.report
        np.testing.assert_array_equal(again.atlas.pitches, tiny_space.atlas.pitches)
        np.testing.assert_array_equal(again.decode(np.zeros(3)).samples, tiny_space.decode(np.zeros(3)).samples)
        assert sorted(p.name for p in (tmp_path / "copy").iterdir()) == [
            "README.md", "atlas.json", "atlas.safetensors", "config.json", "model.safetensors",
        ]  # fmt: skip

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors", "atlas.json", "atlas.safetensors"])
    @pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
    def test_a_flipped_byte_is_found(self, tiny_folder: FilePath, tmp_path: FilePath, name: str, place: float) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(tiny_folder, copy)
        content = bytearray((copy / name).read_bytes())
        content[int(place * len(content))] ^= 1
        (copy / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=r"damaged|not the config"):
            timbre.load(copy)

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors", "atlas.json", "README.md"])
    def test_a_missing_file_is_named(self, tiny_folder: FilePath, tmp_path: FilePath, name: str) -> None:
        shutil.copytree(tiny_folder, tmp_path / "copy")
        (tmp_path / "copy" / name).unlink()
        with pytest.raises(CheckpointError, match=name):
            timbre.load(tmp_path / "copy")

    def test_a_newer_format_is_refused_with_its_version(self, tiny_folder: FilePath, tmp_path: FilePath) -> None:
        shutil.copytree(tiny_folder, tmp_path / "copy")
        head = json.loads((tmp_path / "copy" / "config.json").read_text())
        (tmp_path / "copy" / "config.json").write_text(json.dumps(head | {"format_version": 99}))
        with pytest.raises(CheckpointError, match=r"format version 99.*Update timbre"):
            timbre.load(tmp_path / "copy")

    def test_a_checkpoint_of_a_run_is_not_a_space(self, tiny_folder: FilePath) -> None:
        with pytest.raises(CheckpointError, match="folder of the finished run"):
            timbre.load(tiny_folder / "checkpoints" / "best")

    def test_what_is_not_a_space_is_refused(self, tmp_path: FilePath) -> None:
        with pytest.raises(CheckpointError, match="does not exist"):
            timbre.load(tmp_path / "nowhere")
        (tmp_path / "config.json").write_text('{"format": "cake"}')
        with pytest.raises(CheckpointError, match="not the config of a timbre space"):
            timbre.load(tmp_path)

    def test_an_unwritable_folder_is_refused_and_a_failed_write_leaves_nothing(
        self, tiny_space: Space, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(CheckpointError, match="cannot be written"):
            tiny_space.save(tmp_path / "file" / "space")

        def full(self: FilePath, body: bytes) -> int:
            self.open("wb").close()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(FilePath, "write_bytes", full)
        with pytest.raises(CheckpointError, match="No space left on device"):
            tiny_space.save(tmp_path / "full")
        assert not any((tmp_path / "full").iterdir())


def test_decoded_notes_have_the_requested_pitch(harmonic_space: Space) -> None:
    """The harmonic part is decoded at the pitch itself, whatever the space has learned."""
    point = harmonic_space.atlas[harmonic_space.atlas.names[0]]
    for pitch in (57.0, 64.3, 69.0):
        measured = measure_pitch(harmonic_space.decode(point, pitch=pitch, duration=1.5), near=pitch)
        assert measured == pytest.approx(pitch, abs=0.1)
