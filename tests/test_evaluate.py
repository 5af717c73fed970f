"""Evaluating a space: a small trained one, real notes, and studies of ratings made here from known distances."""

import csv
import json
import math
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import ORCHESTRA

import timbre
from timbre.__main__ import main
from timbre.audio import Audio
from timbre.audio.pitch import estimate_pitch
from timbre.data import Library, save_library
from timbre.errors import ConfigError, LibraryError, TimbreError
from timbre.evaluation import decoding
from timbre.evaluation.evaluate import evaluate
from timbre.evaluation.figures import ALWAYS, FIGURES, by_part, describe, shown
from timbre.evaluation.movement import SHIFTS, STEPS, Sweep, sweeps
from timbre.evaluation.notes import prepare_notes
from timbre.evaluation.studies import combined, rate
from timbre.models.regularizers.axes import find_axes
from timbre.report.evaluation_page import write_figures, write_page
from timbre.space import Atlas, Space

PITCHES = {"flute": 72, "clarinet": 67, "trumpet": 69, "violin": 64, "oboe": 70}


def with_splits(space, splits, **report):
    """The space as if its training had held out other notes."""
    return Space(space.config, space.model, replace(space.atlas, splits=tuple(splits)), space.report | report)


@pytest.fixture(scope="module")
def space(tiny_space):
    """The small space, with two notes in five held out, so that there is something to measure on."""
    parts = ["train", "test", "train", "test", "train"]
    count = len(tiny_space.atlas)
    played = replace(tiny_space.atlas, velocities=np.linspace(0.2, 1.0, count, dtype=np.float32))
    whole = Space(tiny_space.config, tiny_space.model, played, tiny_space.report)
    return with_splits(whole, [parts[number % 5] for number in range(count)])


@pytest.fixture(scope="module")
def others(orchestra):
    """Notes of an instrument that the space has never heard, and of one that it has."""
    return Library([*orchestra.filter(instrument="oboe")[:5], *orchestra.filter(instrument="marimba")[:3]], ORCHESTRA)


@pytest.fixture(scope="module")
def rated(orchestra):
    """One note of each of five instruments, by instrument."""
    chosen = {}
    for name, pitch in PITCHES.items():
        chosen[name] = min(orchestra.filter(instrument=name), key=lambda note: abs(note.pitch - pitch))
    return chosen


@pytest.fixture(scope="module")
def distances(space, rated):
    """Dissimilarities in the space of those notes."""
    points = np.stack([space.encode(note.audio(), pitch=note.pitch) for note in rated.values()])
    return space.hearing.dissimilarities(points, np.array([note.pitch for note in rated.values()]))


def write_rows(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def write_study(folder, rated, dissimilarities, name="made", pitches=True):
    """A folder of one study of notes, written as WAV files."""
    (folder / "ratings").mkdir(parents=True, exist_ok=True)
    (folder / "audio").mkdir(exist_ok=True)
    sounds = []
    for instrument, note in rated.items():
        timbre.write(folder / "audio" / f"{instrument}.wav", note.audio())
        sounds.append([name, instrument, instrument, f"audio/{instrument}.wav", note.pitch if pitches else ""])
    write_rows(folder / "sounds.csv", ["study", "sound", "instrument", "file", "pitch"], sounds)
    names = list(rated)
    pairs = [[name, a, b, dissimilarities[i, j]] for i, a in enumerate(names) for j, b in enumerate(names) if i < j]
    write_rows(folder / "ratings" / f"{name}.csv", ["study", "sound_a", "sound_b", "dissimilarity"], pairs)
    return folder / "ratings"


@pytest.fixture(scope="module")
def study(tmp_path_factory, rated, distances):
    """A study whose listeners hear what the space says."""
    return write_study(tmp_path_factory.mktemp("study"), rated, distances)


@pytest.fixture(scope="module")
def found(space, some_notes, study, others):
    return evaluate(space, some_notes, [study], [others], quick=True, progress=False)


@pytest.fixture(scope="module")
def nothing(space, some_notes):
    """The evaluation of a space that held nothing out."""
    return evaluate(with_splits(space, ["train"] * len(space.atlas)), some_notes, quick=True, progress=False)


class TestFigures:
    def test_every_one_is_there_and_none_is_nan(self, found):
        assert set(ALWAYS) <= set(found.figures)
        for name, value in found.figures.items():
            assert value is None or (isinstance(value, int | float) and math.isfinite(value)), name
            assert describe(name).meaning.endswith(".")

    def test_what_can_be_measured_is(self, found):
        unknown = {name for name in ALWAYS if found.figures[name] is None}
        # Of so few held-out notes no two of an instrument lie within a semitone; none decays in its first half second.
        assert unknown == {
            "axes_monotonicity", "axes_dci_disentanglement", "axes_dci_completeness", "axes_dci_informativeness",
            "axes_sap", "axes_mig",  # it has no named axes
            "rating_spearman_trained", "instrument_silhouette_within_pitch",
            "decoded_decay_ratio", "decoded_decay_error_percent", "decoded_decay_within_15_percent_share",
            "source_out_instrument",  # all sources have training notes
            "generalisation_instrument_accuracy",  # and none of those instruments
        }  # fmt: skip

    def test_the_error_is_that_of_the_training_report(self, tiny_space, some_notes):
        again = evaluate(tiny_space, some_notes, quick=True, progress=False)
        assert again.figures["reconstruction_l1_db"] == pytest.approx(tiny_space.report["test_l1_db"], abs=0.01)
        assert again.figures["reconstruction_rmse_db"] == pytest.approx(tiny_space.report["test_rmse_db"], abs=0.01)
        assert again.facts["held out"].startswith("4 of 4 test notes")

    def test_they_are_the_same_again_and_leave_the_random_numbers_alone(self, found, space, some_notes, study, others):
        import torch

        before = torch.get_rng_state()
        again = evaluate(space, some_notes, [study], [others], quick=True, progress=False)
        assert again.figures == found.figures
        assert torch.equal(torch.get_rng_state(), before)

    def test_bounds_are_in_order(self, found):
        figures = found.figures
        assert figures["iwae_nats"] <= figures["elbo_nats"]
        assert figures["reconstruction_l1_db"] <= figures["reconstruction_rmse_db"]
        assert figures["pitch_probe_r2"] == max(figures["pitch_probe_linear_r2"], figures["pitch_probe_mlp_r2"])
        assert 0 <= figures["active_units"] <= figures["dimensions"] == 3
        assert 0 < figures["trajectory_straightness"] <= 1

    def test_a_collapsed_space_raises_the_alarm(self, space, some_notes):
        still = replace(space.atlas, points=np.zeros_like(space.atlas.points))
        flat = Space(space.config, space.model, still, space.report)
        found = evaluate(flat, some_notes, quick=True, progress=False)
        assert found.figures["active_units"] == 0
        assert found.alarm

    def test_without_test_notes_the_validation_notes_stand_in(self, space, some_notes):
        parts = ["valid" if part == "test" else "train" for part in space.atlas.splits]
        found = evaluate(with_splits(space, parts), some_notes, quick=True, progress=False)
        assert "validation" in found.facts["held out"]
        assert found.figures["reconstruction_l1_db"] > 0

    def test_without_held_out_notes_there_is_nothing_to_say(self, nothing):
        known = {name for name, value in nothing.figures.items() if value is not None}
        prior = {name for name in ALWAYS if describe(name).group == "Prior"}  # that is about the points alone
        assert known == {"dimensions", "active_units"} | prior
        assert nothing.facts["held out"].startswith("none")

    def test_sounds_without_pitch_have_no_figures_of_pitch(self, space, some_notes):
        unpitched = Library([replace(note, pitch=None) for note in some_notes], some_notes.root)
        atlas = replace(space.atlas, pitches=np.full(len(space.atlas), np.nan, np.float32))
        still = Space(space.config, space.model, atlas, space.report)
        found = evaluate(still, unpitched, quick=True, progress=False).figures
        for name in ("pitch_probe_r2", "cross_pitch_consistency", "decoded_cents_median"):
            assert found[name] is None
        assert found["reconstruction_l1_db"] > 0
        assert found["instrument_accuracy"] is not None


class TestRatings:
    def test_listeners_who_hear_the_space_agree_with_it(self, found):
        assert found.figures["rating_spearman"] == pytest.approx(1.0)
        assert found.figures["rating_triplets"] == 1.0
        assert found.figures["rating_spearman_made"] == pytest.approx(1.0)
        assert found.figures["rating_studies"] == 1
        assert found.studies[0].part == "no"

    def test_those_who_hear_the_opposite_do_not(self, tmp_path, space, rated, distances):
        figures = combined(rate(space, write_study(tmp_path, rated, distances.max() - distances), []))
        assert figures["rating_spearman"] == pytest.approx(-1.0)
        assert figures["rating_triplets"] == 0.0

    def test_each_sound_has_its_own_point(self, tmp_path, space, rated, distances):
        """Sounds are read by name, not by their order: other sounds under the same names have other distances."""
        turned = {name: rated[other] for name, other in zip(rated, [*rated][1:] + [*rated][:1], strict=True)}
        (study,) = rate(space, write_study(tmp_path, turned, distances), [])
        order = np.roll(np.arange(len(rated)), -1)
        assert study.sounds == tuple(rated)
        np.testing.assert_allclose(study.distances, distances[order][:, order], atol=0.01 * distances.max())

    def test_ratings_that_were_trained_on_are_no_evidence(self, space, study):
        told = with_splits(space, space.atlas.splits, ratings={"studies": ["made"], "items": ["flute"]})
        (found,) = rate(told, study, [])
        figures = combined([found])
        assert figures["rating_spearman"] is None
        assert figures["rating_spearman_trained"] == pytest.approx(1.0)
        assert found.part == "yes"

    def test_instruments_that_were_rated_in_training_are_counted(self, space, study):
        told = with_splits(space, space.atlas.splits, ratings={"studies": ["another"], "items": ["flute", "tuba"]})
        (found,) = rate(told, study, [])
        assert combined([found])["rating_spearman"] == pytest.approx(1.0)
        assert found.part == "1 of 5 instruments"

    def test_a_matrix_of_instruments_is_held_against_their_middles(self, tmp_path, space):
        names = sorted(set(space.atlas.instruments))
        middles = [space.atlas.points[np.array(space.atlas.instruments) == name].mean(0) for name in names]
        rows = [[name, *row] for name, row in zip(names, space.hearing.dissimilarities(np.stack(middles)), strict=True)]
        write_rows(tmp_path / "matrix.csv", ["instrument", *names], rows)
        (found,) = rate(space, tmp_path / "matrix.csv", [])
        assert found.agreement.spearman == pytest.approx(1.0)
        assert sorted(found.sounds) == names

    def test_instruments_that_the_space_does_not_know_are_left_out_by_name(self, tmp_path, space):
        names, remarks = ["clarinet", "flute", "trumpet", "violin", "Glass Harmonica"], []
        rows = [[name, *(abs(i - j) for j in range(5))] for i, name in enumerate(names)]
        write_rows(tmp_path / "matrix.csv", ["instrument", *names], rows)
        (found,) = rate(space, tmp_path / "matrix.csv", remarks)
        assert found.sounds == tuple(names[:4])
        assert remarks == ["matrix: left out, as the space has no such instruments: Glass Harmonica"]

    def test_sounds_that_are_neither_files_nor_instruments_are_refused(self, tmp_path, space, rated, distances):
        renamed = {f"sound {number}": note for number, note in enumerate(rated.values())}
        folder = write_study(tmp_path, renamed, distances)
        (tmp_path / "sounds.csv").unlink()
        with pytest.raises(LibraryError, match=r"rates sound 0, sound 1, sound 2 \.\.\.: its sounds must have files"):
            rate(space, folder, [])

    def test_sounds_of_unknown_pitch_are_measured(self, tmp_path, space, rated, distances):
        (found,) = rate(space, write_study(tmp_path, rated, distances, pitches=False), [])
        sounds = [note.audio() for note in rated.values()]
        pitches = [estimate_pitch(sound) for sound in sounds]
        points = np.stack([space.encode(sound, pitch=pitch) for sound, pitch in zip(sounds, pitches, strict=True)])
        expected = space.hearing.dissimilarities(points, np.array(pitches))
        np.testing.assert_allclose(found.distances, expected, atol=0.01 * distances.max())

    def test_ratings_without_sounds_are_refused(self, tmp_path, space, rated, distances):
        folder = write_study(tmp_path, rated, distances)
        shutil.rmtree(tmp_path / "audio")
        with pytest.raises(TimbreError, match=r"\.wav"):
            rate(space, folder, [])


class TestParts:
    def test_unseen_instruments_are_counted(self, found, others):
        (part,) = found.parts
        assert (part.name, part.figures["notes"], part.unseen) == ("orchestra", 8, 8)
        assert found.figures["generalisation_reconstruction_l1_db"] == part.figures["reconstruction_l1_db"] > 0
        assert 0 <= part.figures["family_accuracy"] <= 1  # the oboes': the marimba's family is not in the space

    def test_every_figure_of_a_part_is_in_the_list(self, found):
        (part,) = by_part(found.figures).values()
        assert part == found.parts[0].figures
        assert {"audible_l1_db", "decoded_brightness_ratio", "decoded_decay_ratio", "texture_db"} < set(part)
        assert set(part) < set(ALWAYS)

    def test_one_note_is_enough(self, space, some_notes, others):
        found = evaluate(space, some_notes, held_out=[others[:1], others[5:6]], quick=True, progress=False)
        first, second = (part.figures for part in found.parts)
        assert first["notes"] == second["notes"] == 1
        assert second["family_accuracy"] is None
        assert found.figures["generalisation_family_accuracy"] == first["family_accuracy"]

    def test_library_files_have_their_own_names(self, tmp_path, space, some_notes, others):
        for name, notes in (("winds", others[:5]), ("bars", others[5:])):
            save_library(Library(notes, ORCHESTRA), tmp_path / f"{name}.json")
        files = [tmp_path / "winds.json", tmp_path / "bars.json"]
        found = evaluate(space, some_notes, held_out=files, quick=True, progress=False)
        assert list(by_part(found.figures)) == ["winds", "bars"]

    def test_held_out_notes_of_sources_without_training_notes_are_measured_by_themselves(self, space, some_notes):
        """Of the 16 held-out notes, two come from a source of their own: the error of all is the mean of both."""
        tests = [name for name, part in zip(space.atlas.names, space.atlas.splits, strict=True) if part == "test"]
        moved = [replace(note, source="elsewhere") if note.name in tests[:2] else note for note in some_notes]
        found = evaluate(space, Library(moved, some_notes.root), quick=True, progress=False)
        parts = by_part(found.figures)
        assert list(parts) == ["own_sources", "left_out_sources"]
        assert [part["notes"] for part in parts.values()] == [14, 2]
        mean = np.average([part["reconstruction_l1_db"] for part in parts.values()], weights=[14, 2])
        assert found.figures["reconstruction_l1_db"] == pytest.approx(mean, rel=1e-5)
        assert found.parts[1].figures["instrument_accuracy"] == found.figures["source_out_instrument"]

    def test_without_such_notes_there_are_no_parts(self, nothing):
        assert nothing.parts == []

    def test_notes_that_took_part_in_training_are_left_out(self, space, some_notes, others):
        mixed = Library([*some_notes, *others], ORCHESTRA)
        with pytest.raises(LibraryError, match="All 2 notes of orchestra were trained on"):
            evaluate(space, some_notes, held_out=[others, some_notes[2:5:2]], quick=True, progress=False)
        found = evaluate(space, some_notes, held_out=[mixed], quick=True, progress=False)
        assert found.parts[0].figures["notes"] == 16 + 8
        assert found.remarks == ["orchestra: 24 of its 48 notes were trained on; left out"]


class TestLibrary:
    def test_another_library_is_refused_by_name(self, space, others):
        with pytest.raises(LibraryError, match="40 of the 40 notes of the space are not in it, such as "):
            evaluate(space, others, progress=False)

    def test_a_library_of_one_note_is_too(self, space, some_notes):
        with pytest.raises(LibraryError, match="39 of the 40 notes"):
            evaluate(space, some_notes[:1], progress=False)

    def test_a_space_without_notes_is_refused(self, space, some_notes):
        empty = Space(space.config, space.model, Atlas.empty(3), space.report)
        with pytest.raises(LibraryError, match="its atlas is empty"):
            evaluate(empty, some_notes, progress=False)


class TestPitchMeters:
    @pytest.mark.parametrize("meter", [decoding.pitch_meter()[1], decoding._pyin])
    def test_they_find_a_tone_and_nothing_in_noise(self, meter):
        time = np.arange(22050) / 22050
        tone = sum(np.sin(2 * np.pi * 220.0 * n * time) / n for n in range(1, 8)) * 0.1
        noise = np.random.default_rng(0).normal(size=22050) * 0.1
        assert meter(Audio(tone.astype(np.float32), 22050), 57.0) == pytest.approx(57.0, abs=0.1)
        assert meter(Audio(noise.astype(np.float32), 22050), 57.0) is None

    @pytest.mark.parametrize("pitch", [12.0, 120.0])
    def test_a_pitch_beyond_the_range_of_pyin_is_no_fault(self, pitch):
        tone = 0.1 * np.sin(2 * np.pi * 440.0 * 2.0 ** ((pitch - 69.0) / 12.0) * np.arange(22050) / 22050)
        found = decoding._pyin(Audio(tone.astype(np.float32), 22050), pitch)
        assert found is None or math.isfinite(found)

    def test_octaves_are_errors_and_missing_pitches_count(self):
        own = np.array([0.0, -10.0, 1200.0, np.nan])
        found = decoding._in_tune(own, np.array([0.0, 0.0, 60.0, np.nan]))
        assert found["decoded_cents_median"] == 10.0
        assert found["decoded_beyond_50_cents_share"] == 0.5
        assert found["recorded_beyond_50_cents_share"] == 0.5
        assert 10.0 < found["decoded_cents_p95"] <= 1200.0
        assert found["decoded_sure_cents_p95"] < 10.0  # of the first two


class TestCharacter:
    """Of sounds that are changed by known amounts."""

    def noise(self, decay, seed=0):
        time = np.arange(22050) / 22050
        return np.random.default_rng(seed).normal(size=22050) * 10.0 ** (-3.0 * time / decay)

    def test_the_median_note_counts(self):
        note, longer = self.noise(0.5), self.noise(0.6)
        found = decoding._character([note] * 3, [note, longer, 0.5 * longer], 22050)
        assert found["decoded_decay_ratio"] == pytest.approx(1.2, rel=0.03)
        assert found["decoded_decay_error_percent"] == pytest.approx(20.0, abs=3.0)
        assert found["decoded_decay_within_15_percent_share"] == pytest.approx(1 / 3)
        assert found["decaying_notes"] == 3
        assert found["decoded_brightness_ratio"] == pytest.approx(1.0, abs=0.02)

    def test_a_note_that_rings_on_is_no_match_and_one_that_is_held_does_not_count(self):
        held = np.sin(np.arange(22050) * 0.1)
        found = decoding._character([self.noise(0.5), held], [held, held], 22050)
        assert found["decoded_decay_ratio"] == pytest.approx(3.0 / 0.5, rel=0.03)  # the longest of 1 s of sound
        assert found["decoded_decay_within_15_percent_share"] == 0.0
        assert found["decaying_notes"] == 1

    def test_silence_is_no_match(self):
        note = self.noise(0.5)
        found = decoding._character([note], [0.0 * note], 22050)
        assert found["decoded_brightness_ratio"] == 0.0
        assert found["decoded_level_error_db"] is None


class TestTimes:
    def test_a_delayed_note_is_late_by_its_delay(self):
        note = np.concatenate([np.zeros(500), np.random.default_rng(0).normal(size=20000)])
        found = decoding._on_time([note, note], [np.concatenate([np.zeros(441), note[:-441]]), note], 22050)
        assert found["decoded_onset_worst_ms"] == pytest.approx(20.0, abs=0.01)
        assert found["decoded_onset_median_ms"] == pytest.approx(10.0, abs=0.01)
        assert found["decoded_onset_within_10_ms_share"] == 0.5

    def test_clicks_are_counted(self):
        time = np.arange(22050) / 22050
        note = 0.5 * np.sin(2 * np.pi * 330.0 * time)
        clicked = note + 0.2 * (time > 0.5)
        assert decoding._clicks([(note, note), (note, clicked)], 22050)["decoded_clicks"] == 1
        assert decoding._clicks([(clicked, clicked)], 22050) == {"decoded_clicks": 0, "decoded_click_worst_db": 0.0}


class TestSweep:
    def test_an_axis_that_keeps_its_promise(self):
        shifts = np.linspace(-1.5, 1.5, STEPS)
        kept = Sweep("brightness", shifts, np.stack([shifts, 0.5 * shifts])).figures()
        assert kept["axis_brightness_monotonicity"] == pytest.approx(1.0)
        assert kept["axis_brightness_slope"] == pytest.approx(0.75)
        assert Sweep("attack", shifts, -shifts[None]).figures()["axis_attack_monotonicity"] == pytest.approx(-1.0)

    def test_steps_that_no_sound_could_take_do_not_count(self):
        shifts = np.array(SHIFTS)
        kept = Sweep("attack", shifts, np.maximum(shifts, 0.0)[None], shifts[None] >= 0.0).figures()
        assert kept["axis_attack_slope"] == kept["axis_attack_kept"] == pytest.approx(1.0)
        all_counted = Sweep("attack", shifts, np.maximum(shifts, 0.0)[None]).figures()
        assert all_counted["axis_attack_slope"] == all_counted["axis_attack_kept"] == pytest.approx(0.5)

    def test_a_note_that_does_not_change_has_no_order(self):
        shifts = np.linspace(-1.5, 1.5, STEPS)
        found = Sweep("attack", shifts, np.stack([shifts, 0.0 * shifts])).figures()
        assert found["axis_attack_monotonicity"] == pytest.approx(0.5)
        assert found["axis_attack_slope"] == pytest.approx(0.5)

    def test_the_notes_of_a_space_move_along_their_axes(self, space, some_notes):
        """The axes of a space that was not taught any: what counts is that each is measured."""
        told = Space(space.config, space.model, space.atlas, space.report, find_axes(["brightness", "attack"]))
        heard = prepare_notes(told, some_notes[:3])
        first, second = sweeps(told, heard, heard.points(told))
        assert (first.axis, second.axis) == ("brightness", "attack")
        assert first.changes.shape == first.possible.shape == (3, len(SHIFTS))
        assert (first.changes[:, SHIFTS.index(0.0)] == 0.0).all()
        assert np.ptp(first.changes) > 0.0

    def test_an_axis_that_no_note_has(self):
        none = Sweep("odd_even", np.linspace(-1.5, 1.5, STEPS), np.zeros((0, STEPS))).figures()
        assert set(none.values()) == {None}


class _Outline(HTMLParser):
    """What a page consists of: open elements are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        if tag not in ("meta", "path", "use", "image"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path", "use", "image"):
            assert self.open.pop() == tag


class TestPage:
    def test_a_page_has_every_figure_and_its_pictures(self, tmp_path, found, space):
        shifts = np.linspace(-1.5, 1.5, STEPS)
        more = replace(found, sweeps=[Sweep("centroid", shifts, np.stack([shifts, shifts**2]))])
        text = write_page(more, space, tmp_path / "page.html", "tiny").read_text(encoding="utf-8")
        outline = _Outline()
        outline.feed(re.sub(r"<svg.*?</svg>", "<figure></figure>", text, flags=re.DOTALL))
        assert outline.open == []
        assert text.count("<svg") == 5  # notes, ratings, map, probes, axes
        for name in ALWAYS:
            assert f">{name}<" in text
        assert "made" in text

    def test_an_empty_evaluation_has_a_page_too(self, tmp_path, space, nothing):
        assert write_page(nothing, space, tmp_path / "page.html").read_text(encoding="utf-8").count("<svg") == 1

    def test_figures_are_one_flat_object(self, tmp_path, found):
        read = json.loads(write_figures(found, tmp_path / "figures.json").read_text(encoding="utf-8"))
        assert read == found.figures
        assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]

    def test_another_kind_of_page_is_refused(self, tmp_path, found, space):
        with pytest.raises(ConfigError, match=r"must be an HTML file, got .*page\.md; give a name that ends in \.html"):
            write_page(found, space, tmp_path / "page.md")


class TestTable:
    def test_names_of_studies_and_axes_stand_in_titles(self):
        assert describe("rating_spearman_Made_2").title == "rank correlation: Made_2"
        assert describe("rating_spearman_trained") is FIGURES["rating_spearman_trained"]
        assert describe("axis_odd_even_slope").title == "slope along odd_even"
        assert describe("audible_l1_db@strings") is FIGURES["audible_l1_db"]

    def test_what_is_no_figure_is_refused(self):
        with pytest.raises(KeyError):
            describe("rating")

    def test_numbers_are_shown_by_their_unit(self):
        assert [shown(None), shown(3), shown(0.12345), shown(12.345, "nats per note")] == ["–", "3", "0.123", "12.3"]


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path, tiny_folder, some_notes, monkeypatch):
        """A space in a folder whose notes are remembered."""

        monkeypatch.chdir(tmp_path)
        shutil.copytree(
            tiny_folder, tmp_path / "mine", ignore=shutil.ignore_patterns("logs", "resume", "checkpoints", "run.json")
        )
        save_library(some_notes, tmp_path / "notes.json")
        return tmp_path / "mine"

    def test_it_writes_a_page_and_the_figures(self, folder, capsys, study):
        (folder / "run.json").write_text(json.dumps({"library": str(folder.parent / "notes.json")}), encoding="utf-8")
        assert main(["evaluate", str(folder), "--quick", "--ratings", str(study), "--embedding", "mfcc"]) == 0
        printed = capsys.readouterr().out
        assert "mine-evaluation.html" in printed
        assert "rating_spearman " in printed
        read = json.loads((folder.parent / "mine-evaluation.json").read_text(encoding="utf-8"))
        assert read["reconstruction_l1_db"] > 0
        assert read["rating_spearman"] is not None
        assert "Sets of sounds need 20 or more" in (folder.parent / "mine-evaluation.html").read_text(encoding="utf-8")
        assert "<svg" in (folder.parent / "mine-evaluation.html").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["mine"], "give their folder: timbre evaluate mine LIBRARY"),
            (["nothing"], "nothing"),
            (["mine", "notes.json", "--out", "page.md"], "ends in .html"),
            (["mine", "notes.json", "--out", "no/page.html"], "there is no folder no"),
            (["mine", "notes.json", "--ratings", "empty"], "empty"),
            (["mine", "notes.json", "--held-out", "empty"], "empty"),
            (["mine", "empty"], "empty"),
            (["mine", "notes.json", "--embedding", "clap"], "auditory, mfcc, style, or a file"),
        ],
    )
    def test_it_refuses_in_one_sentence(self, folder, capsys, words, sentence):
        (folder.parent / "empty").mkdir()
        assert main(["evaluate", *words, "--quick"]) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("timbre: ")]
        assert sentence in line

    def test_a_checkpoint_of_a_run_is_no_space(self, tiny_folder, capsys):
        assert main(["evaluate", str(tiny_folder / "checkpoints" / "best")]) == 1
        assert "no atlas" in capsys.readouterr().err
