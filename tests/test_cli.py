"""The commands, on real notes and on what people really type."""

import contextlib
import functools
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from trees_named import put
from trees_named import run as chromatic

import timbre
from timbre.__main__ import main
from timbre.data.split import Division
from timbre.training.folder import claimed

ROOT = Path(__file__).resolve().parents[1]

INSTRUMENTS = ("marimba", "oboe", "piano", "trumpet", "violin")
SMALL = """
[spectrogram]
n_fft = 512
hop_length = 128
n_mels = 64
[data]
duration = 0.5
transpose = 0
[model]
dim = 3
flows = 2
encoder_channels = 8
decoder_channels = 16
decoder_blocks = 1
[training]
epochs = 2
batch_size = 8
threads = 1
"""


class Trained(NamedTuple):
    """A small space as `timbre train` left it: its folder, the notes and the settings given, and what was printed."""

    folder: Path
    notes: Path
    settings: Path
    printed: str


@pytest.fixture(scope="module")
def few_notes(tmp_path_factory):
    """A folder of 20 real notes, four of each of five instruments, labelled by their names alone."""
    folder = tmp_path_factory.mktemp("notes")
    for instrument in INSTRUMENTS:
        files = sorted((ROOT / "datasets" / "orchestra" / instrument).iterdir())
        (folder / instrument).mkdir()
        for file in files[:: max(1, len(files) // 4)][:4]:
            shutil.copy(file, folder / instrument)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, few_notes):
    """A space learned for two epochs: it sounds of nothing, but it has all the parts."""
    place = tmp_path_factory.mktemp("trained")
    settings = place / "small.toml"
    settings.write_text(SMALL, encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["train", str(few_notes), str(place / "space"), "--config", str(settings)]) == 0
    return Trained(place / "space", few_notes, settings, printed.getvalue())


@pytest.fixture(scope="module", autouse=True)
def load_once():
    """Read each space once in this process: building its tables takes a second, and there are many commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timbre, "load", functools.cache(timbre.load))
        yield


@pytest.fixture
def run(capsys):
    """Run a command in this process: its exit status, and what it wrote to stdout and stderr."""

    def runner(*words):
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return runner


@pytest.fixture
def refused(run):
    """Run a command that must be refused with one line on stderr, and return that line."""

    def runner(*words, status=1):
        found, _, err = run(*words)
        lines = [line for line in re.split(r"[\r\n]+", err) if line.startswith("timbre: ")]
        assert (found, len(lines)) == (status, 1), err
        assert "Traceback" not in err
        return lines[0]

    return runner


class TestScan:
    @pytest.fixture(autouse=True)
    def _elsewhere(self, tmp_path, monkeypatch):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")

    def test_it_lists_the_instruments_and_writes_what_it_found(self, run, few_notes, tmp_path):
        status, out, _ = run("scan", few_notes)
        assert status == 0
        assert "20 found, 20 kept, 0 dropped" in out
        assert re.search(r"^oboe +woodwinds +4 ", out, re.MULTILINE)
        assert "split by file, 10% valid, 10% test, seed 0: 16 train, 2 valid, 2 test" in out
        written = tmp_path / "here" / f"{few_notes.name}-scan"
        assert sorted(path.name for path in written.iterdir()) == ["library.json", "report.html"]
        library = timbre.scan(written / "library.json")
        assert library.notes == timbre.scan(few_notes).divided().notes
        assert run("scan", few_notes, "--page", "md")[0] == 2
        run("scan", few_notes, "--page", "none", "--split-by", "instrument", "--split-seed", "3")
        assert timbre.scan(written / "library.json").division == Division("instrument", 0.1, 0.1, 3)

    def test_json_holds_every_note_and_every_dropped_file(self, run, few_notes, tmp_path):
        shutil.copytree(few_notes, tmp_path / "notes")
        (tmp_path / "notes" / "oboe" / "oboe_C4.wav").write_bytes(b"RIFF, but not much more")
        status, out, _ = run("scan", tmp_path / "notes", "--json", tmp_path / "notes.json")
        found = json.loads((tmp_path / "notes.json").read_text(encoding="utf-8"))
        assert status == 0
        assert "20 kept, 1 dropped" in out
        assert (found["found"], found["kept"], found["reader"]) == (21, 20, "folders")
        assert [item["file"] for item in found["dropped"]] == ["oboe/oboe_C4.wav"]
        assert {note["name"] for note in found["notes"]} == {note.name for note in timbre.scan(few_notes)}
        assert all((tmp_path / "notes" / note["file"]).is_file() for note in found["notes"])
        keys = {"file", "instrument", "pitch", "velocity", "dynamics", "articulation", "flags"}
        assert all(keys <= set(note) for note in found["notes"])
        assert not list((tmp_path / "here").iterdir())

    def test_a_report_may_go_to_a_new_folder_and_the_library_elsewhere(self, run, few_notes, tmp_path):
        assert run("scan", few_notes, "--json", "notes.json", "--out", "new")[0] == 0
        assert sorted(path.name for path in (tmp_path / "here").glob("**/*.*")) == ["notes.json", "report.html"]

    def test_one_recording_of_many_notes_is_scanned_without_a_split(self, run, refused, tmp_path):
        put(tmp_path / "runs" / "Cello.arco.ff.sulA.C4B4.aiff", chromatic(60, 12, 44100))
        status, out, _ = run("scan", tmp_path / "runs")
        assert (status, "12 kept" in out) == (0, True)
        assert "not split: The library has 1 file to split by" in out
        assert not any(note.split for note in timbre.scan("runs-scan/library.json"))
        assert "1 file to split by" in refused("scan", tmp_path / "runs", "--split-by", "file")
        assert "share must be a number from 0 to below 0.5" in refused("scan", tmp_path / "runs", "--valid", "0.7")

    def test_names_are_read_as_told(self, run, few_notes, tmp_path):
        for file in sorted((few_notes / "oboe").iterdir()):
            shutil.copy(file, tmp_path / "here" / f"{file.stem.split('_')[1]}+x{file.suffix}")
        run("scan", ".", "--pattern", "{note}+{instrument}", "--octave", "C3", "--json", "a.json", "--no-measure")
        library = timbre.scan("a.json")
        truth = sorted(note.pitch for note in timbre.scan(few_notes / "oboe"))
        assert library.instruments == ("x",)
        assert sorted(note.pitch for note in library) == [pitch + 12 for pitch in truth]
        assert all(note.measured is None for note in library)
        assert "octaves: C3 = 60, as given" in library.report.remarks

    def test_strict_makes_flags_errors_after_the_account(self, run, refused, few_notes, tmp_path):
        notes = tmp_path / "notes"
        shutil.copytree(few_notes, notes)
        first, second = sorted((notes / "oboe").iterdir())[:2]
        shutil.copy(first, second)
        assert run("scan", few_notes, "--strict", "--leave-out", "dc")[0] == 0
        line = refused("scan", notes, "--strict", "--out", tmp_path / "found")
        assert "flag" in line
        assert (tmp_path / "found" / "library.json").is_file()
        assert run("scan", notes)[0] == 0
        assert run("scan", notes, "--strict", "--leave-out", "dc,octave,duplicate")[0] == 0
        assert "kind of a flag must be one of pitch" in refused("scan", notes, "--leave-out", "colour")

    def test_refusals(self, refused, tmp_path, few_notes):
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").touch()
        assert "contains no sound files" in refused("scan", tmp_path / "empty")
        assert "There is no folder" in refused("scan", tmp_path / "none")
        assert "there is no folder" in refused("scan", few_notes, "--json", tmp_path / "none" / "notes.json")
        assert "there is no folder" in refused("scan", few_notes, "--out", tmp_path / "none" / "x")
        assert "The format must be one of tinysol, " in refused("scan", few_notes, "--format", "zither")
        assert "give one of them" in refused("scan", few_notes, "--format", "sfz", "--pattern", "{note}")
        assert "first:last:step" in refused("scan", few_notes, "--pitches", "60:50:1")
        assert "got 'x'" in refused("scan", few_notes, "--velocities", "x")
        assert "valid share must be a number from 0 to below 0.5" in refused("scan", few_notes, "--valid", "0.7")
        assert not list((tmp_path / "here").iterdir())


class TestTrain:
    def test_it_says_what_it_learns_from_and_what_came_of_it(self, trained):
        assert "20 notes kept, 0 dropped, 5 instruments" in trained.printed
        assert "16 notes for training, 2 for validation, 2 for the test" in trained.printed
        assert "(held out by file, 10% valid, 10% test, seed 0)" in trained.printed
        assert re.search(r"^device (cpu|cuda)", trained.printed, re.MULTILINE)
        assert re.search(r"^  test_l1_db +\d+\.\d+$", trained.printed, re.MULTILINE)
        assert f"timbre synth {trained.folder} --at " in trained.printed

    def test_the_settings_are_those_of_the_file(self, trained):
        config = timbre.load(trained.folder).config
        assert config == timbre.Config.from_toml(trained.settings)

    def test_the_same_command_again_uses_what_is_there(self, run, trained):
        before = (trained.folder / "model.safetensors").stat().st_mtime_ns
        status, out, _ = run("train", trained.notes, trained.folder, "--config", trained.settings)
        assert status == 0
        finished = f"{trained.folder} was finished before and is used as it is; nothing was trained.\n"
        assert out.replace(f"\n{finished}", "") == trained.printed
        assert finished in out
        assert (trained.folder / "model.safetensors").stat().st_mtime_ns == before

    def test_refusals(self, refused, trained, tmp_path):
        same = ("train", trained.notes, trained.folder, "--config", trained.settings)
        assert "model.dim" in refused(*same, "--model.dim", "4")
        assert "Did you mean --model.dim?" in refused(*same, "--model.dims", "4", status=2)
        assert "model.dim must be 1 to 1024, got 0" in refused(*same, "--model.dim", "0")
        assert "--model.dim" in refused(*same, "--model.dim", "four", status=2)
        assert "cannot be read" in refused("train", trained.notes, tmp_path / "out", "--config", tmp_path / "none.toml")
        assert "There is no folder" in refused("train", tmp_path / "none", tmp_path / "out")
        (tmp_path / "file").touch()
        for notes in (trained.notes, tmp_path / "none"):  # before the scan
            assert "cannot be made" in refused("train", notes, tmp_path / "file" / "out")
            assert "other files (such as file)" in refused("train", notes, tmp_path)
            with claimed(tmp_path / "out" / "resume"):
                assert f"into by process {os.getpid()};" in refused("train", notes, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_one_note_is_not_a_library(self, refused, few_notes, tmp_path):
        (tmp_path / "one").mkdir()
        shutil.copy(next((few_notes / "oboe").iterdir()), tmp_path / "one")
        assert "1 note" in refused("train", tmp_path / "one", tmp_path / "out")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_ctrl_c_and_sigterm_save_and_say_so(self, trained, tmp_path, number):
        words = [sys.executable, "-m", "timbre", "train", str(trained.notes), str(tmp_path / "out")]
        words += ["--config", str(trained.settings), "--training.epochs", "20000"]
        log = tmp_path / "stderr.txt"
        with log.open("w") as stderr:
            process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr)
            deadline = time.monotonic() + 240
            while not (tmp_path / "out" / "logs").exists() and time.monotonic() < deadline:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            process.send_signal(number)
            assert process.wait(120) == 130, log.read_text()
        assert log.read_text().splitlines()[-2:] == ["Run the same command again to continue.", "timbre: stopped."]
        assert "Traceback" not in log.read_text()
        assert [path.name for path in (tmp_path / "out" / "resume").iterdir()] == ["state.pt"]


class TestSynth:
    @pytest.fixture
    def place(self, trained, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        return trained.folder

    def test_the_same_coordinates_and_seed_give_the_same_file(self, run, place):
        common = ("--duration", 0.3, "--inverter", "griffin_lim", "-o")
        for name, point, seed in (
            ("a", "-0.1,0.2,.3", 0),
            ("b", "-0.1,0.2,.3", 0),
            ("c", "-0.1,0.2,.3", 1),
            ("d", "2,2,2", 0),
        ):
            assert run("synth", place, "--at", point, "--seed", seed, *common, f"{name}.wav")[0] == 0
        a, b, c, d = (timbre.read(f"{name}.wav") for name in "abcd")
        assert np.array_equal(a.samples, b.samples)
        assert not np.array_equal(a.samples, c.samples)
        assert not np.array_equal(a.samples, d.samples)
        assert a.duration == pytest.approx(0.3, abs=1e-3)

    def test_it_writes_what_python_decodes(self, run, place):
        name = next(iter(timbre.load(place).atlas))
        status, out, _ = run(
            "synth", place, "--at", name, "--pitch", "A4", "--velocity", 0.5, "--duration", 0.3, "-o", "a.flac"
        )
        space = timbre.load(place)
        wanted = space.decode(space.atlas[name], pitch=69, velocity=0.5, duration=0.3)
        assert status == 0
        assert out.startswith("a.flac")
        assert np.allclose(timbre.read("a.flac").samples, wanted.samples, atol=2**-22)

    def test_a_morph_is_one_sound_or_several(self, run, place, trained):
        start, *_, end = timbre.load(place).atlas
        file = next((trained.notes / "piano").iterdir())
        common = ("--duration", 0.3, "--pitch", 69.5)
        assert run("synth", place, "--from", start, "--to", end, *common, "-o", "morph.wav")[0] == 0
        assert run("synth", place, "--from", start, "--to", file, "--steps", 3, *common, "-o", "steps.wav")[0] == 0
        assert timbre.read("morph.wav").duration == pytest.approx(0.3, abs=1e-3)
        steps = [timbre.read(f"steps-{number}.wav").samples for number in (1, 2, 3)]
        space = timbre.load(place)
        assert np.allclose(steps[0], space.decode(space.atlas[start], pitch=69.5, duration=0.3).samples, atol=2**-22)
        assert not np.array_equal(steps[0], steps[2])

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ("", "--at POINT"),
            ("--at 1,2,3 --to 1,2,3", "--at POINT"),
            ("--from 1,2,3", "--at POINT"),
            ("--at 1,2,3 --steps 3", "--at POINT"),
            ("--from 1,2,3 --to 3,2,1 --steps 1", "--steps must be 2 or more, got 1"),
            ("--at 1,2", "must have 3 coordinates, got 2 in '1,2'"),
            ("--at 1", "must have 3 coordinates, got 1 in '1'"),
            ("--at 1,,3", "got '' in '1,,3'"),
            ("--at 1,nan,3", "got 'nan' in '1,nan,3'"),
            ("--at obbo-A4", "a library note, an instrument or a file, got 'obbo-A4'; similar"),
            ("--at 1,2,3 --pitch H4", "got 'H4'"),
            ("--at 1,2,3 --pitch 300", "got '300'"),
            ("--at 1,2,3 --velocity 80", "--velocity must be 0 to 1, got 80.0"),
            ("--at 1,2,3 --duration 0", "s or more, got 0.0 s"),
            ("--at 1,2,3 --duration nan", "s or more, got nan s"),
            ("--at 1,2,3 --inverter magic", "'magic'"),
            ("--at 1,2,3 -o none/out.wav", "there is no folder none"),
            ("--at 1,2,3 -o out.xyz", "must end in .wav"),
            ("--at 1,2,3 -o .", "is a folder"),
        ],
    )
    def test_refusals(self, refused, place, tmp_path, words, sentence):
        assert sentence in refused("synth", place, *words.split())
        assert not list(tmp_path.iterdir())

    def test_a_space_that_is_not_there_or_damaged(self, refused, place, tmp_path):
        assert "does not exist" in refused("synth", tmp_path / "none", "--at", "1,2,3")
        shutil.copytree(place, tmp_path / "damaged")
        weights = tmp_path / "damaged" / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        assert "is damaged" in refused("synth", tmp_path / "damaged", "--at", "1,2,3")
        weights.unlink()
        assert "has no model.safetensors" in refused("inspect", tmp_path / "damaged")


class TestEncode:
    def test_json_holds_the_points_that_python_gives(self, run, trained):
        files = sorted((trained.notes / "oboe").iterdir())[:2]
        status, out, _ = run("encode", trained.folder, *files)
        space = timbre.load(trained.folder)
        rows = json.loads(out)
        assert status == 0
        assert [row["file"] for row in rows] == [str(file) for file in files]
        for row, file in zip(rows, files, strict=True):
            note = next(note for note in timbre.scan(trained.notes) if note.file == file)
            assert row["pitch"] == note.pitch
            assert np.allclose(row["point"], space.encode(timbre.read(file), note.pitch, note.velocity), atol=1e-6)

    def test_a_given_pitch_decides_over_the_name(self, run, trained):
        file = next((trained.notes / "oboe").iterdir())
        pitches = [
            json.loads(run("encode", trained.folder, file, "--pitch", pitch)[1])[0]["pitch"]
            for pitch in ("Bb3", "unknown")
        ]
        assert pitches == [58.0, None]

    def test_refining_moves_the_point(self, run, trained):
        file = next((trained.notes / "oboe").iterdir())
        plain, refined = (
            json.loads(run("encode", trained.folder, file, "--refine", steps)[1])[0]["point"] for steps in (0, 3)
        )
        assert plain != refined

    def test_csv_goes_on_after_a_bad_file(self, run, trained, tmp_path):
        good = sorted((trained.notes / "piano").iterdir())[:2]
        bad = tmp_path / "bad.wav"
        bad.write_bytes(b"not a sound")
        out = tmp_path / "points.csv"
        status, _, err = run("encode", trained.folder, good[0], bad, good[1], "--format", "csv", "-o", out)
        lines = out.read_text(encoding="utf-8").splitlines()
        assert status == 1
        assert err.count("timbre: ") == err.count(str(bad)) == 1
        assert lines[0] == "file,pitch,velocity,z1,z2,z3"
        assert [line.split(",")[0] for line in lines[1:]] == [str(file) for file in good]

    def test_refusals(self, refused, trained, tmp_path):
        file = next((trained.notes / "oboe").iterdir())
        assert "--refine must be 0 or more, got -1" in refused("encode", trained.folder, file, "--refine", "-1")
        assert "got 'X1'" in refused("encode", trained.folder, file, "--pitch", "X1")
        assert "there is no folder" in refused("encode", trained.folder, file, "-o", tmp_path / "none" / "a.json")
        assert "--format" in refused("encode", trained.folder, file, "--format", "xml", status=2)


def test_inspect_tells_the_parts_of_a_space(run, trained):
    status, out, _ = run("inspect", trained.folder)
    assert status == 0
    assert "3 dimensions, 20 library notes" in out
    assert "oboe 4" in out
    assert "n_mels 64" in out
    assert "held out by file, 10% valid, 10% test, seed 0" in out
    assert re.search(r"^  test_l1_db +\d", out, re.MULTILINE)
    assert "model.safetensors" in out
    names = list(timbre.load(trained.folder).atlas)
    assert run("inspect", trained.folder, "--names")[1].splitlines()[-20:] == [f"  {name}" for name in names]


def test_info_names_what_a_bug_report_needs(run):
    import torch

    status, out, _ = run("info")
    assert status == 0
    for line in (
        f"timbre +{timbre.__version__}",
        f"torch +{re.escape(torch.__version__)}",
        "torchaudio +2",
        "device +c",
        "sound +.",
        r"fluidsynth +(2\.|Rendering)",
    ):
        assert re.search(f"^{line}", out, re.MULTILINE), line


class TestDemo:
    def test_it_shows_what_the_space_has_learned(self, run, trained, tmp_path):
        out = tmp_path / "demo"
        status, printed, _ = run("demo", trained.folder, trained.notes, out)
        assert status == 0
        atlas = timbre.load(trained.folder).atlas
        unseen = [name for name, part in zip(atlas, atlas.splits, strict=True) if part == "test"]
        sounds = {f"{name}.{kind}.wav" for name in unseen for kind in ("original", "decoded")}
        assert {file.name for file in (out / "reconstructions").iterdir()} == sounds
        for file in (out / "space.png", out / "spectrograms.png"):
            assert file.read_bytes().startswith(b"\x89PNG")
        assert timbre.read(out / "morph.wav").duration == pytest.approx(4.0)
        assert re.search(r"Mean error on 2 held-out notes: \d+\.\d\d dB", printed)
        # The coordinates it states give the new sound again.
        point = re.search(r"a C4 at (\S+), between", printed)[1]
        run("synth", trained.folder, f"--at={point}", "-o", out / "again.wav")
        new, again = timbre.read(out / "new-sound.wav").samples, timbre.read(out / "again.wav").samples
        assert np.corrcoef(new[0], again[0])[0, 1] > 0.999999

    def test_other_notes_are_refused(self, refused, trained, tmp_path):
        shutil.copytree(trained.notes / "oboe", tmp_path / "notes" / "kazoo")
        assert "no held-out notes of this space" in refused(
            "demo", trained.folder, tmp_path / "notes", tmp_path / "demo"
        )
