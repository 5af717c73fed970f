"""Listening tests: pages that reveal nothing, planted opinions that come back, and results that are refused."""

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from listeners import OPINIONS, pairs_test, quality_test, rate_pairs, rate_quality, write_results
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

import timbre
from timbre.__main__ import main
from timbre.audio.loudness import momentary
from timbre.data import Library
from timbre.data.ratings import check, read_ratings
from timbre.errors import AudioError, ConfigError, LibraryError
from timbre.listening import (
    ListeningTest,
    Stimulus,
    Trial,
    make_test,
    rated,
    read_answers,
    score,
    was_trained_on,
    write_study,
)
from timbre.listening.scores import mixed_model, resampled
from timbre.space import Space
from timbre.training.regularization import note_labels

SYSTEMS = ("good", "middling", "poor")


@pytest.fixture(scope="module")
def made(tiny_space: Space, some_notes: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("listen") / "study"
    spaces = [("tiny", tiny_space)]
    make_test(folder, spaces, some_notes, inverters=("rtpghi", "portable"), notes=2, seconds=0.5, title="<b>Ä & co</b>")
    return folder


def test_the_page_reveals_nothing(made: Path):
    test = ListeningTest.load(made)
    assert {one.system for one in test.stimuli.values()} == {"reference", "anchor", "tiny rtpghi", "tiny portable"}
    sounds = sorted((made / "page" / "sounds").iterdir())
    assert {file.stem for file in sounds} == set(test.stimuli)
    assert len({file.stat().st_size for file in sounds}) == 1
    page = "".join(file.read_text("utf-8") for file in (made / "page").iterdir() if file.is_file())
    for one in test.stimuli.values():
        for secret in (one.note, one.instrument, one.system.split()[-1] if " " in one.system else one.note, one.file):
            assert secret not in page
    shown = json.loads(re.search(r"window.TEST = (.*);", page)[1])
    assert {trial["id"] for trial in shown["trials"]} == set(test.trials)
    assert "http://" not in page
    assert "https://" not in page  # nothing is loaded from elsewhere


def test_every_sound_has_the_same_loudness_and_the_reference_is_hidden(made: Path):
    test = ListeningTest.load(made)
    sounds = {file.stem: timbre.read(file) for file in (made / "page" / "sounds").iterdir()}
    levels = [momentary(sound.samples[0], sound.sample_rate).max() for sound in sounds.values()]
    assert np.ptp(levels) < 0.1
    for trial in test.trials.values():
        hidden = [number for number in trial.sounds if test.stimuli[number].system == "reference"]
        assert len(hidden) == 1
        np.testing.assert_array_equal(sounds[hidden[0]].samples, sounds[trial.reference].samples)
        assert trial.reference not in trial.sounds


def test_notes_of_the_training_are_left_out(tiny_space: Space, some_notes: Library, made: Path):
    trained = {
        name for name, part in zip(tiny_space.atlas.names, tiny_space.atlas.splits, strict=True) if part == "train"
    }
    assert trained
    assert not trained & {one.note for one in ListeningTest.load(made).stimuli.values()}


def test_training_notes_are_known_by_their_sound_under_any_name(tiny_space: Space, some_notes: Library):
    atlas = tiny_space.atlas
    trained = [name for name, part in zip(atlas.names, atlas.splits, strict=True) if part == "train"]
    assert all(was_trained_on(tiny_space, replace(some_notes[name], name="other")) for name in trained[:4])
    held = set(atlas.names) - set(trained)
    assert not any(was_trained_on(tiny_space, some_notes[name]) for name in held)


@pytest.mark.parametrize("task", ["pairs", "sorting"])
def test_pairs_and_sorting_present_recordings_or_what_the_space_makes_of_them(
    tiny_space: Space, some_notes: Library, tmp_path: Path, task: str
):
    made = [
        make_test(
            tmp_path / str(decoded), [("tiny", tiny_space)], some_notes, task, decoded=decoded, notes=4, seconds=0.3
        )
        for decoded in (False, True)
    ]
    assert [{one.system for one in test.stimuli.values()} for test in made] == [{"reference"}, {"tiny"}]
    assert len(made[0].trials) == (6 + 3 if task == "pairs" else 1)
    with pytest.raises(ConfigError, match="5,000 trials or fewer, got 19,903"):
        make_test(tmp_path / "many", [("tiny", tiny_space)], some_notes, "pairs", notes=200)
    with pytest.raises(ConfigError, match="has a listening test already"):
        make_test(tmp_path / "True", [("tiny", tiny_space)], some_notes, task)


def test_tests_of_other_sounds_have_other_numbers(tiny_space: Space, some_notes: Library, tmp_path: Path):
    """Or else the results of one would be read as those of another."""
    spaces = [("tiny", tiny_space)]
    first, again, other = (
        make_test(tmp_path / name, spaces, some_notes, "sorting", decoded=decoded, notes=4, seconds=0.3)
        for name, decoded in (("first", False), ("again", False), ("other", True))
    )
    assert first == again
    assert first.id != other.id
    assert not set(first.stimuli) & set(other.stimuli)


def test_a_test_that_cannot_be_written_leaves_nothing(
    tiny_space: Space, some_notes: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import timbre.listening.making as making

    write, written = making.write, list[Path]()

    def some(file: Path, *given: object) -> None:
        if len(written) == 3:
            raise AudioError(f"{file} cannot be written: the disk may be full; make room on it.")
        written.append(file)
        write(file, *given)

    monkeypatch.setattr(making, "write", some)
    with pytest.raises(AudioError, match=r"study/page/sounds/\w+\.wav cannot"):
        make_test(tmp_path / "study", [("tiny", tiny_space)], some_notes, "sorting", notes=4, seconds=0.3)
    assert [file.name for file in (tmp_path / "study").iterdir()] == ["results"]
    assert len(written) == 3
    monkeypatch.undo()
    make_test(tmp_path / "study", [("tiny", tiny_space)], some_notes, "sorting", notes=4, seconds=0.3)


def test_planted_opinions_come_back_with_their_intervals(tmp_path: Path):
    test = quality_test()
    rate_quality(test, tmp_path, people=14, deaf=2)
    answers = read_answers(test, tmp_path)
    found = score(test, answers)
    assert found.excluded == ("p12", "p13")
    assert (found.participants, found.notes) == (12, 8)
    assert sorted(SYSTEMS, key=lambda name: -found.systems[name].value) == list(SYSTEMS)
    for (a, b), one in found.differences.items():
        assert one.low < OPINIONS[a] - OPINIONS[b] < one.high
        assert one.low * one.high > 0  # it is found to differ
    assert score(test, answers, screen=False).participants == 14


def test_the_mixed_model_finds_planted_differences(tmp_path: Path):
    pytest.importorskip("statsmodels", reason="statsmodels is not installed")
    test = quality_test()
    rate_quality(test, tmp_path, people=10)
    effects = mixed_model(test, read_answers(test, tmp_path))
    for name in ("middling", "poor"):
        one = effects[name]
        assert abs(one.value - (OPINIONS[name] - OPINIONS["good"])) < 3 * one.error
        assert one.p < 1e-4


def test_ratings_that_are_all_one_have_no_model(tmp_path: Path):
    pytest.importorskip("statsmodels", reason="statsmodels is not installed: pip install 'timbre[listen]'")
    test = quality_test(2)
    for person in "ab":
        rows = [(name, sound, "", 100.0) for name, trial in test.trials.items() for sound in trial.sounds]
        write_results(tmp_path / f"{person}.csv", test, person, rows)
    with pytest.raises(LibraryError, match="ratings that differ, got 100 everywhere"):
        mixed_model(test, read_answers(test, tmp_path))


def test_intervals_cover_at_their_level():
    """Of 200 experiments with equal systems, that listeners and notes favour at random, few intervals leave out 0."""
    random, missed = np.random.default_rng(0), 0
    for _ in range(200):
        cube = random.normal(50, 10, (10, 8, 2)) + random.normal(0, 6, (10, 1, 1))
        cube = cube + random.normal(0, 6, (1, 8, 2)) + random.normal(0, 6, (10, 1, 2))
        _, draws = resampled(cube, random, 300)
        low, high = np.quantile(draws[:, 0] - draws[:, 1], [0.025, 0.975])
        missed += not low < 0 < high
    assert missed <= 24  # 10 are expected of exact intervals; without draws of notes or of listeners, some 50


def test_a_mean_over_missing_trials_is_that_of_what_was_rated():
    cube = np.array([[[10.0], [np.nan]], [[20.0], [30.0]]])
    means, draws = resampled(cube, np.random.default_rng(0), 100)
    assert means[0] == 20.0
    assert 10.0 <= draws.min() <= draws.max() <= 30.0


@pytest.mark.parametrize(("task", "least"), [("pairs", 0.9), ("sorting", 0.7)])
def test_planted_dissimilarities_give_back_their_order_and_are_ratings(tmp_path: Path, task: str, least: float):
    places = np.random.default_rng(3).random((10, 2))
    distances = squareform(pdist(places))
    distances /= distances.max()
    test = pairs_test(10, task)
    rate_pairs(test, tmp_path, distances, people=16, deaf=1 if task == "pairs" else 0)
    found = rated(test, read_answers(test, tmp_path))
    assert found.excluded == (("p15",) if task == "pairs" else ())
    assert found.agreement > 0.5 if task == "pairs" else found.agreement > 0.2
    ratings = read_ratings(write_study(found.study, tmp_path / "ratings"))
    study = ratings.parts[0]
    first, second, values = study.pairs()
    assert len(values) == 45
    at = [int(item.removeprefix("note-")) for item in study.items]
    assert spearmanr(values, distances[np.take(at, first), np.take(at, second)]).statistic > least
    assert study.stems[:2] == ["note-0", "note-1"]
    assert study.instruments[:2] == ("instrument_0", "instrument_1")
    assert study.pitches["note-3"] == 63.0
    assert not any(one.doubtful for one in check(ratings))


def test_a_training_finds_the_rated_notes(some_notes: Library, tmp_path: Path):
    notes = some_notes[::10]
    numbers = [f"{at:08x}" for at in range(len(notes))]
    stimuli = {
        number: Stimulus(note.name, note.instrument, "reference", str(note.file), note.pitch)
        for number, note in zip(numbers, notes, strict=True)
    }
    trials = {f"{at:07x}f": Trial(pair) for at, pair in enumerate(combinations(numbers, 2))}
    test = ListeningTest("0000cafe", "pairs", stimuli, trials)
    rate_pairs(test, tmp_path, squareform(pdist(np.random.default_rng(0).random((len(notes), 2)))), people=4)
    study = rated(test, read_answers(test, tmp_path)).study
    labels = note_labels(
        some_notes, np.array(["train"] * len(some_notes)), read_ratings(write_study(study, tmp_path / "r"))
    )
    assert {note.name for note, item in zip(some_notes, labels.item, strict=True) if item >= 0} == {
        n.name for n in notes
    }
    assert np.isfinite(labels.dissimilarity).all()


def refused(test: ListeningTest, tmp_path: Path, text: bytes) -> str:
    (tmp_path / "answers.csv").write_bytes(text)
    with pytest.raises(LibraryError) as error:
        read_answers(test, tmp_path)
    assert "\n" not in str(error.value)
    return str(error.value)


HEADER = b"test,participant,trial,order,sound,other,value,plays,seconds\n"
GOOD = b"0000cafe,p1,0000000f,1,00000000,00000001,40,2,3.5\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "columns"),
        (b"a,b\n1,2\n", "columns"),
        (HEADER, "1 to"),
        (HEADER + 10_000 * GOOD, "1 to"),
        (b"\xff\xfe\x00", "UTF-8"),
        (HEADER + b'"0000cafe,p1', "CSV"),
        (HEADER + GOOD.replace(b"0000cafe", b"0000beef"), "answer of the test 0000cafe"),
        (HEADER + GOOD.replace(b"p1", b"=cmd()"), "name a participant"),
        (HEADER + GOOD.replace(b"00000001", b"00000007"), "sounds of its trial"),
        (HEADER + GOOD.replace(b"00000001", b""), "sounds of its trial"),
        (HEADER + GOOD.replace(b"00000000,00000001", b"00000001,00000001"), "sounds of its trial"),
        (HEADER + GOOD.replace(b",40,", b",101,"), "0 to 100"),
        (HEADER + GOOD.replace(b",40,", b",nan,"), "0 to 100"),
        (HEADER + GOOD.replace(b",40,", b",-1,"), "0 to 100"),
        (HEADER + GOOD.replace(b",2,3.5", b""), "answer of the test"),
        (HEADER + GOOD + GOOD, "once"),
        (HEADER + GOOD + GOOD.replace(b"p1", b"p2"), "one participant"),
        (HEADER + b"x" * (1 << 22), "2 MiB"),
    ],
)
def test_results_that_are_not_of_the_test_are_refused(tmp_path: Path, text: bytes, why: str):
    assert why in refused(pairs_test(), tmp_path, text)


def test_a_bad_file_is_left_out_and_named_and_the_longer_of_two_is_read(tmp_path: Path):
    test = pairs_test(4)
    rate_pairs(test, tmp_path, 1 - np.eye(4), people=2)
    (tmp_path / "odd.csv").write_text("nonsense")
    first = (tmp_path / "p00.csv").read_text().splitlines()
    (tmp_path / "early.csv").write_text("\n".join(first[:3]) + "\n")
    answers = read_answers(test, tmp_path)
    assert answers.participants == ("p00", "p01")
    assert len(answers.answers) == 2 * len(test.trials)
    assert len(answers.left_out) == 2
    assert "odd.csv" in " ".join(answers.left_out)


def test_a_sound_is_judged_once_in_a_trial(tmp_path: Path):
    test = quality_test(1)
    ((name, trial),) = test.trials.items()
    write_results(tmp_path / "a.csv", test, "a", [(name, trial.sounds[0], "", 95.0)] * len(trial.sounds))
    with pytest.raises(LibraryError, match="once"):
        read_answers(test, tmp_path)


def test_a_sound_stands_in_its_own_column(tmp_path: Path):
    test = quality_test(1)
    ((name, trial),) = test.trials.items()
    rows = [(name, sound, "", 95.0) for sound in trial.sounds[1:]]
    write_results(tmp_path / "a.csv", test, "a", [*rows, (name, "", trial.sounds[0], 95.0)])
    with pytest.raises(LibraryError, match="sounds of its trial"):
        read_answers(test, tmp_path)


def test_unfinished_trials_do_not_count(tmp_path: Path):
    test = quality_test(2)
    trials = list(test.trials.items())
    rows = [(name, sound, "", 95.0) for name, trial in trials for sound in trial.sounds][:-1]
    write_results(tmp_path / "a.csv", test, "a", rows)
    assert {answer.trial for answer in read_answers(test, tmp_path).answers} == {trials[0][0]}


@pytest.mark.parametrize("change", [{"task": "x"}, {"version": 9}, {"trials": {}}, {"stimuli": {}}, {"id": "../x"}])
def test_a_damaged_key_is_refused(tmp_path: Path, change: dict[str, object]):
    quality_test(2).save(tmp_path)
    content = json.loads((tmp_path / "key.json").read_text())
    (tmp_path / "key.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(LibraryError, match="damaged"):
        ListeningTest.load(tmp_path)


def test_the_command_makes_a_test_and_analyses_it(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], orchestra: Library
):
    notes = str(orchestra.root / "oboe")
    folder = str(tmp_path / "study")
    made = ["listen", str(tiny_folder), notes, "-o", folder, "--notes", "1", "--seconds", "0.4", "--inverter", "rtpghi"]
    assert main(made) == 0
    assert "1 trial, 4 sounds" in capsys.readouterr().out
    assert main(["listen", "--results", folder]) == 1
    assert "must have 1 to 2,000 CSV files" in capsys.readouterr().err
    quality_test().save(tmp_path)
    rate_quality(quality_test(), tmp_path, people=6, deaf=1)
    assert main(["listen", "--results", str(tmp_path), "--json", str(tmp_path / "scores.json")]) == 0
    printed = capsys.readouterr().out
    assert "5 participants; left out by the screening: p05" in printed
    assert "intervals over participants and notes" in printed
    assert "good - poor" in printed
    assert json.loads((tmp_path / "scores.json").read_text())["participants"] == 5
    assert main(["listen"]) == 1


def test_ratings_of_the_command_are_read_by_the_ratings_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    test = pairs_test(8)
    test.save(tmp_path)
    rate_pairs(test, tmp_path, squareform(pdist(np.random.default_rng(0).random((8, 2)))), people=5)
    assert main(["listen", "--results", str(tmp_path)]) == 0
    assert "28 rated pairs\nagreement 0." in capsys.readouterr().out
    assert main(["ratings", str(tmp_path / "ratings")]) == 0
    assert "listeners: 8 sounds or instruments, 28 rated pairs" in capsys.readouterr().out


def test_one_listener_agrees_with_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    test = pairs_test(4)
    test.save(tmp_path)
    rate_pairs(test, tmp_path, 1 - np.eye(4), people=1)
    assert main(["listen", "--results", str(tmp_path), "--json", str(tmp_path / "found.json")]) == 0
    assert "nan" not in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text(), parse_constant=pytest.fail)  # NaN is not JSON
    assert found["agreement"] is None
