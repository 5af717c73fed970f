"""Sets of sounds: distances against known answers, embeddings, files of networks, and figures of a small space."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from timbre.data import Library
from timbre.errors import ConfigError
from timbre.evaluation import sets
from timbre.evaluation.embeddings import NAMES, SECONDS, SoundEmbedding, embed, find_embedding, find_embeddings
from timbre.evaluation.figures import describe
from timbre.evaluation.metrics.distributions import (
    copying,
    frechet,
    frechet_unbounded,
    half_sample_interval,
    kernel_distance,
)
from timbre.evaluation.notes import QUICK, prepare_notes
from timbre.space import Space

RATE = 22050


def normal(count: int, dim: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim))


class TestFrechetWithoutBound:
    def test_it_is_the_known_distance_of_two_gaussians_where_the_plain_one_is_too_large(self) -> None:
        """N(0, I) and N(m, 4 I) in 8 dimensions with |m|^2 = 2 are 2 + 8 (2 - 1)^2 = 10 apart."""
        shift = np.full(8, 0.5)
        pairs = [(normal(60, 8, n), 2.0 * normal(80, 8, 100 + n) + shift) for n in range(25)]
        plain, corrected = (np.mean([f(*pair) for pair in pairs]) for f in (frechet, frechet_unbounded))
        assert plain > 10.6
        assert corrected == pytest.approx(10.0, abs=0.35)

    def test_two_sets_of_one_distribution_are_about_0_apart(self) -> None:
        found = [frechet_unbounded(normal(60, 8, n), normal(80, 8, 100 + n)) for n in range(25)]
        assert (
            abs(np.mean(found)) < 0.15 < np.mean([frechet(normal(60, 8, n), normal(80, 8, 100 + n)) for n in range(25)])
        )

    def test_equal_sets_are_0_apart(self) -> None:
        assert frechet_unbounded(normal(40), normal(40)) == pytest.approx(0.0, abs=1e-9)


class TestKernelDistance:
    def test_it_is_the_estimator_of_the_paper(self) -> None:
        x, y = normal(12), 1.5 * normal(9, seed=1) + 0.4
        width = np.median(pdist(x))

        def k(a: np.ndarray, b: np.ndarray) -> float:
            return float(np.exp(-np.square(a - b).sum() / (2 * width**2)))

        within = [
            sum(k(p[i], p[j]) for i in range(len(p)) for j in range(len(p)) if i != j) / (len(p) * (len(p) - 1))
            for p in (x, y)
        ]
        between = sum(k(a, b) for a in x for b in y) / (12 * 9)
        assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * between)

    def test_it_is_that_of_two_gaussians_whatever_the_sizes(self) -> None:
        """E k(x, y) = (s^2 / (s^2 + 2))^(d / 2) exp(-|m|^2 / 2 (s^2 + 2)) for N(0, I) and N(m, I)."""
        found, wanted = [], []
        for n in range(30):
            x, y = normal(70, 2, n), normal(30 + n, 2, 100 + n) + 1.0
            s2 = np.median(pdist(x)) ** 2
            found.append(kernel_distance(x, y))
            wanted.append(2 * s2 / (s2 + 2) * (1 - np.exp(-2 / (2 * (s2 + 2)))))
        assert np.mean(found) == pytest.approx(np.mean(wanted), rel=0.08)

    def test_sets_of_one_distribution_are_0_apart_on_both_sides(self) -> None:
        found = np.array([kernel_distance(normal(20, 3, n), normal(20, 3, 100 + n)) for n in range(40)])
        assert abs(found.mean()) < 0.01
        assert (found < 0).any()

    def test_pairs_that_are_equal_do_not_count_against_it(self) -> None:
        assert kernel_distance(normal(40), normal(40)) == pytest.approx(0.0, abs=1e-12)
        assert np.isnan(kernel_distance(np.ones((4, 2)), normal(5, 2)))


class TestCopying:
    def test_copies_have_no_distance_and_are_always_nearer(self) -> None:
        assert copying(normal(30), normal(20, seed=1), normal(30)) == (0.0, 1.0)
        assert copying(normal(20, seed=1), normal(20, seed=1), normal(30)) == (1.0, 0.5)
        ratio, share = copying(normal(20, seed=1), normal(30), normal(30))
        assert np.isnan(ratio)
        assert share == 0.0

    @settings(max_examples=15)
    @given(st.integers(0, 99), st.floats(0.1, 10.0))
    def test_new_points_are_as_near_as_held_out_ones_at_every_scale(self, seed: int, scale: float) -> None:
        new, held, known = (scale * normal(300, 3, 3 * seed + n) for n in range(3))
        ratio, share = copying(new, held, known)
        assert ratio == pytest.approx(1.0, abs=0.3)
        assert share == pytest.approx(0.5, abs=0.12)


def test_an_interval_is_that_of_a_mean() -> None:
    found = [half_sample_interval(lambda x: float(x.mean()), normal(100, 1, n), seed=n) for n in range(100)]
    assert np.mean([one.high - one.low for one in found]) == pytest.approx(2 * 1.96 / 10, rel=0.1)
    assert 0.85 <= np.mean([one.low <= 0.0 <= one.high for one in found]) <= 1.0
    assert found[0].value == normal(100, 1, 0).mean()


def tones(count: int = 6, rate: int = RATE, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return np.stack([0.3 * np.sin(2 * np.pi * 220 * (n + 1) * time) * np.exp(-n * time) for n in range(count)])


class TestEmbeddings:
    @pytest.mark.parametrize("name", NAMES)
    def test_each_sound_has_its_vector_whatever_the_others_and_the_rate(self, tiny_space: Space, name: str) -> None:
        embedding = find_embedding(name, tiny_space)
        (found,) = embed([embedding], tones(20), RATE)
        np.testing.assert_allclose(embed([embedding], tones(20)[17:18], RATE)[0][0], found[17], atol=1e-4)
        (other,) = embed([embedding], tones(20, 2 * RATE), 2 * RATE)
        spread = np.median(pdist(found))
        assert np.median(np.linalg.norm(other - found, axis=1)) < 0.3 * spread

    def test_sizes(self, tiny_space: Space) -> None:
        found = embed([find_embedding(name, tiny_space) for name in NAMES], tones(3), RATE)
        assert [one.shape for one in found] == [(3, 416), (3, 40), (3, 528)]
        np.testing.assert_allclose(np.linalg.norm(found[2][:, :], axis=1), 1.0, atol=1e-5)

    def test_auditory_features_and_mfcc_ignore_the_level(self, tiny_space: Space) -> None:
        both = [find_embedding(name, tiny_space) for name in ("auditory", "mfcc")]
        for loud, soft in zip(embed(both, tones(), RATE), embed(both, 0.5 * tones(), RATE), strict=True):
            assert np.linalg.norm(loud - soft, axis=1).max() < 0.2 * np.median(pdist(loud))

    def test_no_sounds(self, tiny_space: Space) -> None:
        assert len(embed([find_embedding("mfcc", tiny_space)], [], RATE)[0]) == 0


class Moments(torch.nn.Module):
    """A network of two values: the mean and the largest sample."""

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return torch.stack([sound.mean(1), sound.amax(1)], 1)


class Broken(torch.nn.Module):
    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return sound.sum() * torch.nan * torch.ones(1, 3)


class Enormous(torch.nn.Module):
    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return sound.double().mean(1, keepdim=True) * 1e300


class Growing(torch.nn.Module):
    """A network whose vectors have a size that depends on the sound."""

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return torch.ones(1, 1 + int(sound.amax() > 0.9))


class Flat(torch.nn.Module):
    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return sound.sum()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestTorchScript:
    def write(self, folder: Path, network: torch.nn.Module) -> Path:
        file = folder / "my net.ts"
        torch.jit.save(torch.jit.script(network), str(file))
        return file

    def test_it_takes_a_waveform_at_its_rate(self, tmp_path: Path, tiny_space: Space) -> None:
        embedding = find_embedding(f"{self.write(tmp_path, Moments())}@11025", tiny_space)
        assert (embedding.name, embedding.sample_rate) == ("my_net", 11025)
        (found,) = embed([embedding], tones(), RATE)
        np.testing.assert_allclose(found[:, 1], 0.3, atol=0.02)

    @pytest.mark.parametrize(("network", "said"), [(Broken(), "NaN"), (Flat(), "shape"), (Enormous(), "NaN or above")])
    def test_other_results_are_refused_before_any_work(
        self, tmp_path: Path, tiny_space: Space, network: torch.nn.Module, said: str
    ) -> None:
        with pytest.raises(ConfigError, match=said):
            find_embedding(f"{self.write(tmp_path, network)}@22050", tiny_space)

    def test_vectors_of_other_sizes_later_are_refused(self, tmp_path: Path, tiny_space: Space) -> None:
        embedding = find_embedding(f"{self.write(tmp_path, Growing())}@{RATE}", tiny_space)
        sounds = [*np.zeros((16, 100)), *np.ones((3, 100))]
        with pytest.raises(ConfigError, match="vectors of 1 and 2 values"):
            embed([embedding], sounds, RATE)

    def test_its_rate_must_be_known(self, tmp_path: Path, tiny_space: Space) -> None:
        with pytest.raises(ConfigError, match="@48000"):
            find_embedding(str(self.write(tmp_path, Moments())), tiny_space)


class TestOnnx:
    def write(self, folder: Path, inputs: int = 1, said: bool = True, samples: int | str = "samples") -> Path:
        from onnx import TensorProto, helper

        values = [helper.make_tensor_value_info(f"x{n}", TensorProto.FLOAT, [1, samples]) for n in range(inputs)]
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])
        nodes = [helper.make_node("ReduceMax", ["x0"], ["y"], axes=[1], keepdims=1)]
        graph = helper.make_graph(nodes, "largest", values, [result])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        if said:
            helper.set_model_props(model, {"sample_rate": "16000"})
        file = folder / "net.onnx"
        file.write_bytes(model.SerializeToString())
        return file

    @pytest.mark.parametrize("samples", ["samples", 900])
    def test_it_takes_a_waveform_at_the_rate_of_its_metadata(
        self, tmp_path: Path, tiny_space: Space, samples: int | str
    ) -> None:
        embedding = find_embedding(str(self.write(tmp_path, samples=samples)), tiny_space)
        assert (embedding.name, embedding.sample_rate) == ("net", 16000)
        np.testing.assert_allclose(embed([embedding], tones(), RATE)[0], 0.3, atol=0.02)

    def test_onnxruntime_keeps_no_device_id_and_sends_nothing(self, tmp_path: Path) -> None:
        code = "import sys; from timbre.evaluation.embeddings import find_embedding; find_embedding(sys.argv[1], None)"
        home = tmp_path / "home"
        home.mkdir()
        kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        words = [sys.executable, "-c", code, str(self.write(tmp_path))]
        subprocess.run(words, check=True, env={**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home)}, timeout=120)
        assert [file.name for file in home.rglob("*") if "icrosoft" in file.name] == []

    @pytest.mark.parametrize(("inputs", "said", "match"), [(2, True, "one input"), (1, False, "sample rate")])
    def test_others_are_refused(self, tmp_path: Path, tiny_space: Space, inputs: int, said: bool, match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            find_embedding(str(self.write(tmp_path, inputs, said)), tiny_space)


@pytest.mark.parametrize("name", ["clap", "none.wav", "gone.onnx@48000", "gone.ts@48000", "@3", "gone.onnx@1"])
def test_what_is_no_embedding_is_refused(tiny_space: Space, name: str) -> None:
    with pytest.raises(ConfigError):
        find_embedding(name, tiny_space)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_files_of_one_name_are_refused(tmp_path: Path, tiny_space: Space) -> None:
    torch.jit.save(torch.jit.script(Moments()), str(tmp_path / "mfcc.ts"))
    with pytest.raises(ConfigError, match="two called mfcc"):
        find_embeddings(["mfcc", f"{tmp_path / 'mfcc.ts'}@22050", "mfcc"], tiny_space)


@pytest.mark.parametrize("name", ["junk.onnx", "junk.ts"])
def test_junk_is_refused_in_a_sentence(tmp_path: Path, tiny_space: Space, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing" * 20)
    with pytest.raises(ConfigError, match=name) as caught:
        find_embedding(f"{tmp_path / name}@22050", tiny_space)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def found(tiny_space: Space, some_notes: Library, orchestra: Library) -> sets.Figures:
    others = [note for note in orchestra if note not in list(some_notes)][:20]
    held = prepare_notes(tiny_space, others)
    effort = QUICK._replace(sets=20, places=2, keys=40)
    points = held.points(tiny_space)
    return sets.set_figures(tiny_space, list(some_notes), held, points, [find_embedding("mfcc", tiny_space)], effort, 0)


class TestFigures:
    def test_each_has_a_value_and_a_meaning(self, found: sets.Figures) -> None:
        assert len(found) == 3 * 4 * 3 + 2 + 2
        for name, value in found.items():
            assert describe(name).group == "Sounds as sets"
            assert isinstance(value, float)
            assert np.isfinite(value)

    def test_values_lie_in_their_intervals(self, found: sets.Figures) -> None:
        for kind in ("halves", "decoded", "drawn"):
            for key in ("frechet_share", "kernel_mmd2", "density", "coverage_share"):
                start = f"set_{kind}_{key}"
                low, value, high = (found[f"{start}{end}_mfcc"] or 0.0 for end in ("_low", "", "_high"))
                assert low <= value <= high

    def test_their_summary_has_a_line_for_each(self, found: sets.Figures) -> None:
        lines = list(sets.summary(found))
        assert len(lines) == 1 + 3 * 4 + 2 + 2
        assert sum("(" in line for line in lines) == 12

    def test_few_notes_have_none(self, tiny_space: Space, some_notes: Library) -> None:
        held = prepare_notes(tiny_space, list(some_notes)[:5])
        assert sets.set_figures(tiny_space, list(some_notes), held, held.points(tiny_space), [], QUICK, 0) == {}

    def test_a_set_beside_itself(self) -> None:
        found = sets.compared("x", normal(40), normal(40), 0)
        assert found["x_frechet_share"] == pytest.approx(0.0, abs=1e-9)
        assert found["x_kernel_mmd2"] == pytest.approx(0.0, abs=1e-9)
        assert found["x_coverage_share"] == 1.0
        far = sets.compared("x", normal(40), normal(40, seed=1) + 9.0, 0)
        assert far["x_coverage_share"] == far["x_density"] == 0.0
        assert far["x_frechet_share"] > 20.0


class TestConsistency:
    def test_one_sound_everywhere_has_0_and_keys_that_differ_as_points_do_1(self) -> None:
        points = np.repeat(normal(5, 4)[:, None], 30, 1)
        assert sets.consistency(points) == 0.0
        assert sets.consistency(normal(5 * 30, 4).reshape(5, 30, 4)) == pytest.approx(1.0, abs=0.1)
        assert sets.consistency(points[:1]) is None

    def test_recorded_instruments_that_sound_alike_at_all_pitches_have_0(self, orchestra: Library) -> None:
        kinds = sorted(orchestra.instruments)
        place = np.array([[float(kinds.index(note.instrument))] for note in orchestra])
        assert sets.recorded_consistency(sets.TrainingSounds(place, list(orchestra)), 0) == 0.0
        pitch = np.array([[float(note.pitch or 0)] for note in orchestra])
        assert (sets.recorded_consistency(sets.TrainingSounds(pitch, list(orchestra)), 0) or 0) > 10


def test_sounds_of_every_length_are_two_seconds_long() -> None:
    lengths: list[int] = []

    def seen(sounds: np.ndarray) -> np.ndarray:
        lengths.append(sounds.shape[1])
        return sounds[:, :1]

    embed([SoundEmbedding("first", RATE, seen)], [np.ones(9), np.ones(9 * RATE)], RATE)
    assert lengths == [round(SECONDS * RATE)]
