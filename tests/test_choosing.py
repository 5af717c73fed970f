"""Presets chosen by measure: loudness and pitch against references, laws of the choice, names, and the command."""

import json
import shutil
from itertools import combinations
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pretrained import CHOSEN

from timbre.__main__ import main
from timbre.audio import Audio
from timbre.audio.loudness import k_weighting, momentary
from timbre.choosing import ChosenPresets, choose
from timbre.choosing.candidates import hybrids, middles, others, shared
from timbre.choosing.measures import CLICK, IN_TUNE, NARROWEST, SPREAD, cents_off, measured, stands_out_db
from timbre.choosing.naming import TRAITS, group_of, labels, spoken, traits, unique
from timbre.errors import ConfigError
from timbre.evaluation.metrics.sounds import click_excess_db, crests_db
from timbre.shapes.presets import FILE, MOST, Preset, Presets, read_presets, write_presets
from timbre.space import Space


class TestMeasures:
    def test_the_weighting_is_that_of_the_recommendation(self) -> None:
        """ITU-R BS.1770-5, tables 1 and 2."""
        shelf, high_pass = k_weighting(48000)
        np.testing.assert_allclose(shelf[:3], [1.53512485958697, -2.69169618940638, 1.19839281085285], atol=1e-10)
        np.testing.assert_allclose(shelf[4:], [-1.69065929318241, 0.73248077421585], atol=1e-10)
        np.testing.assert_allclose(high_pass[[0, 1, 2]], [1.0, -2.0, 1.0])
        np.testing.assert_allclose(high_pass[4:], [-1.99004745483398, 0.99007225036621], atol=1e-10)

    @pytest.mark.parametrize("rate", [22050, 44100, 48000])
    def test_a_full_scale_sine_has_three_below_zero(self, rate: int) -> None:
        sine = np.sin(2.0 * np.pi * 997.0 * np.arange(2 * rate) / rate)
        np.testing.assert_allclose(momentary(sine, rate)[1:], -3.01, atol=0.05)
        np.testing.assert_allclose(momentary(0.1 * sine, rate)[1:], -23.01, atol=0.05)
        assert momentary(sine[:1000], rate).shape == (1,)
        assert momentary(np.zeros(1000), rate)[0] < -100.0

    def test_detuning_and_clicks_are_heard(self) -> None:
        time = np.arange(44100) / 22050
        tone = sum(np.sin(2 * np.pi * 220.0 * n * time) / n for n in range(1, 6)) * 0.1
        clicked = tone.copy()
        clicked[22050:] += 0.1
        plain = Audio(tone.astype(np.float32), 22050)
        assert cents_off(plain, 57.0) == pytest.approx(0.0, abs=0.2)
        assert cents_off(plain, 57.2) == pytest.approx(-20.0, abs=0.5)
        assert np.isnan(cents_off(plain, None))
        assert stands_out_db(plain) < 1.0
        assert stands_out_db(Audio(clicked.astype(np.float32), 22050)) > CLICK
        assert click_excess_db(tone, clicked, 22050) > 10.0
        assert click_excess_db(tone, 0.1 * tone, 22050) == pytest.approx(0.0, abs=1e-6)
        assert crests_db(np.zeros(100), 22050).size == 0
        ended = tone * ((1.5 - time) / 0.01).clip(0.0, 1.0) + 1e-5 * np.random.default_rng(0).standard_normal(time.size)
        assert crests_db(ended, 22050).max() < crests_db(tone, 22050).max() + 5.0  # a note's end is no click

    def test_faults_end_the_range_or_the_preset(self, harmonic_space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
        point, keys = harmonic_space.atlas.points[0], (48.0, 72.0)
        decode = type(harmonic_space).decode

        def broken(self: Space, z: Any, pitch: float | None = 60, *more: Any) -> Audio:
            sound = decode(self, z, pitch, *more)
            wrong = pitch is not None and pitch in faults
            return Audio(sound.samples * 10.0 ** (-0.5 * wrong), sound.sample_rate)  # 10 LU softer

        monkeypatch.setattr(type(harmonic_space), "decode", broken)
        faults: set[float] = set()
        whole = measured(harmonic_space, point, keys)
        assert not whole.fault
        assert whole.pitches == keys
        assert whole.cents <= IN_TUNE
        assert whole.spread_lu <= SPREAD
        faults = {48.0}
        assert measured(harmonic_space, point, keys).pitches == (52.0, 72.0)
        faults = {48.0, 60.0}
        assert "uneven loudness" in measured(harmonic_space, point, keys).fault
        faults = set()
        assert measured(harmonic_space, point, None).pitches is None


class TestNames:
    @settings(max_examples=50)
    @given(st.lists(st.sampled_from("ab"), min_size=1, max_size=9))
    def test_names_are_unique(self, wished: list[str]) -> None:
        taken: set[str] = set()
        for name in wished:
            taken.add(unique([name], taken))
        assert len(taken) == len(wished)
        assert unique(["a", "c"], {"a"}) == "c"

    @pytest.mark.parametrize(
        ("instrument", "family", "group"),
        [("strings_pizzicato", "strings", "Plucked"), ("cello", "strings", "Bowed"), ("Alto Sax", "woodwinds", "Reed"),
         ("flute", "woodwinds", "Wind"), ("marimba", "pitched_percussion", "Struck"), ("organ", "keyboard", "Keys"),
         ("choir", "voice", "Voice-like"), ("thing", "glass_things", "Glass things"), ("thing", "", "Other")],
    )  # fmt: skip
    def test_groups(self, instrument: str, family: str, group: str) -> None:
        assert group_of(instrument, family) == group

    def test_the_largest_difference_comes_first(self) -> None:
        differences = np.zeros(len(TRAITS))
        differences[[0, 2, 4]] = -1.0, 2.0, -9.0  # less odd partials have no word
        assert traits(differences, "Wind")[:2] == ["breathy", "warm"]
        assert traits(differences, "Struck")[0] == "noisy"
        assert traits(np.full(len(TRAITS), np.nan), "Wind")

    def test_plucked_notes_of_bowed_instruments(self) -> None:
        assert labels("cello_section", "strings", "cello_section-E2-p-pizzicato-2") == (
            "Cello section pizzicato", "Plucked",
        )  # fmt: skip
        assert labels("cello_section", "strings", "cello_section-E2-p-arco") == ("Cello section", "Bowed")

    def test_instruments_in_words(self) -> None:
        assert spoken("french_horn_section") == "french horn section"
        assert spoken("") == "sound"


class TestCandidates:
    def test_middles_and_others_are_training_notes_of_their_instrument(self, tiny_space: Space) -> None:
        atlas, known = tiny_space.atlas, [rivals[0] for rivals in middles(tiny_space)]
        assert {one.names[0].lower().replace(" ", "_") for one in known} <= set(atlas.instruments)
        for one in [*known, *others(tiny_space, known)]:
            number = atlas.index(one.of[0])
            assert atlas.splits[number] == "train"
            np.testing.assert_array_equal(one.point, atlas.points[number])
            assert one.names[0].lower().replace(" ", "_").startswith(atlas.instruments[number])
            assert one.keys is not None
            assert 0.0 <= one.keys[0] <= one.keys[1] - NARROWEST

    def test_hybrids_lie_half_way_and_are_no_notes(self, tiny_space: Space) -> None:
        known = [rivals[0] for rivals in middles(tiny_space)]
        for one in hybrids(tiny_space, known, 0.1):
            a, b = (tiny_space.atlas[name] for name in one.of)
            sides = tiny_space.dissimilarity(one.point, np.stack([a, b]))
            assert abs(sides[0] - sides[1]) < 0.2 * tiny_space.dissimilarity(a, b)
            assert tiny_space.hearing.neighbours(one.point[None]).distances[0, 0] >= 0.1
        assert hybrids(tiny_space, known, 1e6) == []

    def test_shared_keys(self) -> None:
        assert shared((40.0, 70.0), (50.0, 80.0)) == (50.0, 70.0)
        assert shared(None, (50.0, 80.0)) == (50.0, 80.0)
        assert shared(None, None) is None


@pytest.fixture(scope="module")
def made(harmonic_space: Space) -> ChosenPresets:
    """A choice in a space whose notes have a pitch."""
    return choose(harmonic_space, 4, 2, taken=["Flute"])


class TestChoice:
    def test_presets_are_those_without_fault_and_far_apart(self, harmonic_space: Space, made: ChosenPresets) -> None:
        kept = [row for row in made.rows if not row["fault"]]
        assert sorted(row["name"] for row in kept) == sorted(made.presets)
        points = [preset for preset in made.presets.values() if len(preset.path.points) == 1]
        assert 1 <= len(points) <= 4
        assert all(row.keys() == CHOSEN.keys() for row in made.rows)  # which the card shows
        for a, b in combinations(points, 2):
            assert harmonic_space.dissimilarity(a.path.points[0], b.path.points[0]) >= 0.3 - 1e-5
        for preset in points:
            assert preset.group
            assert preset.pitches is not None
            assert preset.pitches[1] - preset.pitches[0] >= NARROWEST
            lowest = harmonic_space.decode(preset.path.points[0], preset.pitches[0])
            assert abs(cents_off(lowest, preset.pitches[0])) <= IN_TUNE
        assert "Flute" not in made.presets

    def test_paths_join_presets(self, made: ChosenPresets) -> None:
        points = [preset.path.points[0] for preset in made.presets.values() if len(preset.path.points) == 1]
        for preset in made.presets.values():
            if len(preset.path.points) > 1:
                for end in preset.path.points[[0, -1]]:
                    assert any(np.allclose(end, point) for point in points)
                assert preset.loop == np.array_equal(preset.path.points[0], preset.path.points[-1])

    def test_it_is_the_same_again(self, harmonic_space: Space, made: ChosenPresets) -> None:
        again = choose(harmonic_space, 4, 2, taken=["Flute"])
        assert again.rows == made.rows
        assert list(again.presets) == list(made.presets)

    @pytest.mark.parametrize(("count", "paths"), [(0, 1), (1, -1), (MOST, 1)])
    def test_counts_out_of_range(self, harmonic_space: Space, count: int, paths: int) -> None:
        with pytest.raises(ConfigError, match=r"Presets must be|presets or fewer"):
            choose(harmonic_space, count, paths)

    def test_a_space_without_notes_is_refused(self, harmonic_space: Space) -> None:
        space = harmonic_space
        empty = Space(space.config, space.model, space.atlas.take(np.arange(1)), space.report)
        with pytest.raises(ConfigError, match="3 training notes"):
            choose(empty, 4, 2)


@pytest.fixture
def folder(tiny_folder: FilePath, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> FilePath:
    monkeypatch.chdir(tmp_path)
    return FilePath(shutil.copytree(tiny_folder, tmp_path / "space"))


class TestCommand:
    def test_it_keeps_ones_own_and_replaces_earlier_choices(
        self, folder: FilePath, tiny_space: Space, capsys: pytest.CaptureFixture[str]
    ) -> None:
        own = Preset("mine", tiny_space.path(tiny_space.atlas.points[0]))
        write_presets(folder, Presets([Preset("earlier", own.path, group="Wind"), own]), tiny_space)
        assert main(["preset", "space", "--choose", "2", "--paths", "1", "--json", "m.json"]) == 0
        kept = read_presets(folder, tiny_space)
        assert list(kept)[-1] == "mine"
        assert "earlier" not in kept
        rows = json.loads(FilePath("m.json").read_text(encoding="utf-8"))
        assert sorted(row["name"] for row in rows if not row["fault"]) == sorted(set(kept) - {"mine"})
        assert "Measured and left out" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [(["--paths", "3"], "need --choose"), (["--json", "m.json"], "need --choose"),
         (["--choose", "3", "--remove", "a"], "either --choose"), (["--choose", "100", "--paths", "29"], "or fewer")],
    )  # fmt: skip
    def test_it_refuses(
        self, folder: FilePath, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
    ) -> None:
        assert main(["preset", "space", *options]) == 1
        assert sentence in capsys.readouterr().err
        assert not (folder / FILE).exists()
