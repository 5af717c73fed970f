"""Laws of rendering: blocks, seeds, lengths, loudness, control lines, MIDI files, grids and folders of notes."""

import contextlib
import io
from pathlib import Path as FilePath

import mido
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.__main__ import main
from timbre.audio.files import write_blocks
from timbre.audio.limiter import CEILING, Limiter
from timbre.data.names import parse_note
from timbre.errors import AudioError, ConfigError
from timbre.paths import Path
from timbre.space import NoteControls, Space
from timbre.synth import render, render_blocks
from timbre.synth.instruments import grid, pitches_of
from timbre.synth.lines import read_line
from timbre.synth.loudness import loudness_of, steady_gain
from timbre.synth.score import Tone, perform, read_midi


@pytest.fixture(scope="module")
def way(tiny_space: Space) -> Path:
    return tiny_space.path(tiny_space.atlas["flute-C4"], tiny_space.atlas["violin-A3"])


@pytest.fixture(scope="module")
def known_way(known_space: Space) -> Path:
    """A path whose sound changes by a known amount: 15 dB of tilt, and 7 dB of level."""
    return known_space.path([-0.3, 0.2, -1.0], [0.3, -0.2, 1.0])


class TestLimiter:
    @given(seed=st.integers(0, 99), loud=st.floats(0.5, 20.0), cut=st.integers(1, 700))
    @settings(max_examples=20)
    def test_nothing_passes_the_ceiling_and_blocks_equal_the_whole(self, seed, loud, cut):
        sound = loud * np.random.default_rng(seed).standard_normal(900) * np.linspace(0, 1, 900) ** 4
        whole, parts = Limiter(8000), Limiter(8000)
        once = np.concatenate([whole.push(sound), whole.flush()])[whole.latency :]
        blocks = [parts.push(sound[start : start + cut]) for start in range(0, 900, cut)]
        assert np.abs(once).max() <= CEILING + 1e-12
        np.testing.assert_allclose(np.concatenate([*blocks, parts.flush()])[parts.latency :], once, atol=1e-12)

    def test_what_is_within_passes_to_the_bit(self):
        sound, limiter = np.sin(np.arange(9000.0)) * CEILING, Limiter(22050)
        np.testing.assert_array_equal(np.concatenate([limiter.push(sound), limiter.flush()])[limiter.latency :], sound)

    def test_the_gain_comes_back(self):
        sound, limiter = np.full(22050, 0.5), Limiter(22050)
        sound[2000] = 2.0
        heard = np.concatenate([limiter.push(sound), limiter.flush()])[limiter.latency :]
        assert heard[2000] == pytest.approx(CEILING, rel=1e-6)
        assert heard[2001] < 0.3
        assert heard[-1] > 0.4999


class TestRender:
    @given(block=st.integers(1, 5000), duration=st.floats(0.1, 1.2), hold=st.sampled_from([None, 0.2]))
    @settings(max_examples=8)
    def test_blocks_equal_the_whole(self, tiny_space, way, block, duration, hold):
        pitch = np.array([60.0, 67.0])
        whole = render(tiny_space, way, pitch, 0.9, duration, 3, "rtpghi", hold=hold).samples[0]
        controls = NoteControls(pitch, 0.9, duration, hold, 3, "rtpghi")
        parts = list(render_blocks(tiny_space, way, controls, block=block))
        assert {len(part) for part in parts[:-1]} <= {block}
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)

    def test_a_seed_decides_the_sound(self, tiny_space, way):
        one, same, other = (
            render(tiny_space, way, duration=0.4, inverter="griffin_lim", seed=s).samples for s in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert np.abs(one - other).max() > 1e-3

    def test_a_note_of_one_place_is_what_the_space_decodes(self, tiny_space):
        point = tiny_space.atlas["flute-C4"]
        rendered = render(tiny_space, tiny_space.path(point), 65, 0.7, 0.5)
        np.testing.assert_array_equal(rendered.samples, tiny_space.decode(point, 65, 0.7, 0.5).samples)

    @pytest.mark.parametrize("hold", [None, 0.3])
    def test_twice_as_long_a_note_has_the_same_attack(self, known_space, hold):
        way, attack = known_space.path(known_space.atlas["violin-A3"]), round(0.2 * 22050)

        def begun(inverter):
            notes = (render(known_space, way, 60, 0.8, seconds, 0, inverter, hold=hold) for seconds in (1.0, 2.0))
            return [note.samples[0][:attack] for note in notes]

        np.testing.assert_array_equal(*begun("rtpghi"))  # its phases know nothing of what comes later
        short, long = (known_space.spectrogram(torch.tensor(sound)[None])[0].numpy() for sound in begun("pghi+8"))
        assert np.abs(long - short)[short > short.max() - 40].mean() < 1.0

    def test_a_held_sound_stands_still_until_its_release(self, tiny_space):
        point, rate, longer = tiny_space.atlas["violin-A3"][None], tiny_space.config.spectrogram.frame_rate, 100
        plain = tiny_space.spectrum(point, 60, 0.8, 0.45).numpy()  # released after 0.3 s
        frames = tiny_space.spectrum(point, 60, 0.8, 0.45 + longer / rate, hold=0.3).numpy()
        held, released = int(np.ceil(0.3 * rate)), plain.shape[1] - 2  # the last frames see the end
        np.testing.assert_allclose(frames[:, :held], plain[:, :held], atol=1e-3)
        assert np.abs(frames[:, held : held + longer] - frames[:, held : held + 1]).max() < 1e-3
        np.testing.assert_allclose(frames[:, held + longer : released + longer], plain[:, held:released], atol=1e-3)

    def test_a_morph_has_no_clicks(self, known_space, known_way):
        paths = [known_way, *(Path(point, [0.0]) for point in known_way.points)]
        morph, *ends = (render(known_space, path, 60, 0.8, 1.0, hold=0.2).samples[0][4000:-2000] for path in paths)
        assert np.abs(np.diff(morph, 2)).max() < 1.5 * max(np.abs(np.diff(end, 2)).max() for end in ends)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"hold": 0.0}, "hold must .* got 0.0"),
            ({"duration": 0.001}, "duration must .* got 0.001"),
            ({"pitch": 200}, "pitch must .* got 200"),
        ],
    )
    def test_what_cannot_be_is_refused(self, tiny_space, way, arguments, said):
        with pytest.raises(ConfigError, match=said):
            render(tiny_space, way, **arguments)

    def test_blocks_of_nothing_and_other_inverters_are_refused(self, tiny_space, way):
        with pytest.raises(ConfigError, match="1 sample or more, got 0"):
            next(render_blocks(tiny_space, way, NoteControls(), block=0))
        with pytest.raises(ConfigError, match="The causal inverter must be one of"):
            next(render_blocks(tiny_space, way, NoteControls(inverter="pghi+8")))


class TestLoudness:
    def test_steps_of_loudness_are_evened_out(self, known_space, known_way):
        count = known_space.renderer.frames(1.0)
        points, velocity = known_way.at(np.linspace(0, 1, count)), np.linspace(0.2, 1.0, count)
        gain = steady_gain(known_space, points, NoteControls(60, velocity, 1.0))
        doublings = loudness_of(known_space, points, np.full(count, 60.0), velocity)
        even = doublings + 20 * np.log10(gain) / 10
        assert np.ptp(even) < 0.2 * np.ptp(doublings)

    def test_what_stands_still_is_left_alone(self, tiny_space, way):
        still = np.repeat(way.points[:1], tiny_space.renderer.frames(1.0), 0)
        assert steady_gain(tiny_space, way.points[:1], NoteControls(60, 0.8, 1.0)) == 1.0
        assert steady_gain(tiny_space, still, NoteControls(None, 0.8, 1.0)) == 1.0


class TestLines:
    def test_steps_and_glides(self):
        line = read_line("C4 C4:C5 60", parse_note, 3.0, 301)
        assert isinstance(line, np.ndarray)
        assert set(line[:100]) == {60.0}
        np.testing.assert_allclose(line[100:200], 60 + 12 * np.arange(100) / 100)
        assert set(line[200:]) == {60.0}
        assert read_line("A4", parse_note, 1.0, 5) == 69.0

    def test_a_file(self, tmp_path):
        (tmp_path / "line.csv").write_text("time,value\n0,C4\n1,72\n")
        np.testing.assert_allclose(read_line(str(tmp_path / "line.csv"), parse_note, 2.0, 5), [60, 66, 72, 72, 72])

    @pytest.mark.parametrize("text", ["", "C4:", "C4:E4:G4", "C4 H9", "missing.csv"])
    def test_nonsense_is_refused(self, text):
        with pytest.raises(timbre.TimbreError):
            read_line(text, parse_note, 1.0, 5)

    @pytest.mark.parametrize("rows", ["", "time,value\n", "a,b\n0,1\n", "time,value\n1,2\n0,2\n", "time,value\nx,2\n"])
    def test_broken_files_are_refused(self, tmp_path, rows):
        (tmp_path / "line.csv").write_text(rows)
        with pytest.raises(ConfigError, match=r"line\.csv"):
            read_line(str(tmp_path / "line.csv"), float, 1.0, 5)


def piece(file: FilePath, *messages: mido.Message) -> FilePath:
    song = mido.MidiFile(ticks_per_beat=100)
    song.tracks.append(mido.MidiTrack(messages))
    song.save(file)
    return file


class TestMidi:
    def test_tempo_pedal_and_bends_are_followed(self, tmp_path):
        file = piece(
            tmp_path / "a.mid",
            mido.MetaMessage("set_tempo", tempo=1_000_000),
            mido.Message("control_change", control=64, value=127),
            mido.Message("note_on", note=60, velocity=127),
            mido.Message("note_off", note=60, time=100),
            mido.Message("pitchwheel", pitch=4096, time=0),
            mido.Message("note_on", note=64, velocity=64, time=0),
            mido.MetaMessage("set_tempo", tempo=500_000),
            mido.Message("pitchwheel", pitch=0, time=100),
            mido.Message("control_change", control=64, value=0, time=100),
            mido.Message("note_on", note=64, velocity=0, time=100),
        )
        first, second = read_midi(file)
        assert (first.start, first.duration, first.pitch, first.velocity) == (0.0, 2.0, 60.0, 1.0)
        assert (second.start, second.duration) == (1.0, 1.5)
        assert second.bends == ((0.0, 2.0 * 4096 / 8191), (0.5, 0.0))  # as live: 8191 is the whole range

    def test_a_note_that_never_ends_ends_with_the_piece(self, tmp_path):
        file = piece(
            tmp_path / "a.mid",
            mido.Message("note_on", note=60, velocity=9),
            mido.Message("note_on", note=62, velocity=9, time=100),
            mido.Message("note_off", note=62, time=100),
        )
        assert [(tone.pitch, tone.duration) for tone in read_midi(file)] == [(60.0, 1.0), (62.0, 0.5)]

    @pytest.mark.parametrize(
        "content", [b"", b"MThd", b"not midi at all", b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\x09x"]
    )
    def test_broken_files_are_refused(self, tmp_path, content):
        (tmp_path / "a.mid").write_bytes(content)
        with pytest.raises(ConfigError, match=r"a\.mid"):
            read_midi(tmp_path / "a.mid")

    def test_a_file_without_notes_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="must have notes"):
            read_midi(piece(tmp_path / "a.mid", mido.Message("note_off", note=60)))

    def test_notes_begin_and_sound_where_they_should(self, harmonic_space, way):
        tones = [Tone(0.1, 0.3, 69, 0.9), Tone(0.9, 0.3, 57, 0.9)]
        heard = perform(harmonic_space, way, tones)
        sound, rate = heard.samples[0], heard.sample_rate
        assert heard.duration == pytest.approx(1.2 + 0.15, abs=0.01)
        quiet = np.abs(sound[int(0.7 * rate) : int(0.88 * rate)]).max()
        assert quiet < 0.02 * np.abs(sound).max()
        for tone in tones:
            part = sound[int((tone.start + 0.1) * rate) : int((tone.start + 0.3) * rate)]
            spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 15))
            peaks = 440 * 2 ** ((tone.pitch - 69) / 12) * np.arange(1, 5)
            near = [spectrum[int(f * (1 << 15) / rate) - 6 : int(f * (1 << 15) / rate) + 7].max() for f in peaks]
            assert max(near) > 0.9 * spectrum.max()

    def test_many_at_once_do_not_clip(self, tiny_space, way):
        heard = perform(tiny_space, way, [Tone(0.0, 0.2, 48 + step, 1.0) for step in range(6)])
        assert np.abs(heard.samples).max() <= CEILING + 1e-6


class TestFolders:
    def test_corners_of_a_grid_are_its_corners(self):
        corners = [np.array(corner, float) for corner in ([0, 0], [1, 0], [0, 1], [3, 3])]
        places = grid(corners, 5, 4)
        assert places.shape == (4, 5, 2)
        for corner, place in zip(corners, (places[0, 0], places[0, -1], places[-1, 0], places[-1, -1]), strict=True):
            np.testing.assert_array_equal(place, corner)
        np.testing.assert_allclose(grid(corners[:3], 2, 2)[1, 1], [1, 1])

    @pytest.mark.parametrize(("corners", "columns", "rows"), [(2, 2, 2), (1, 2, 1), (3, 0, 1), (4, 500, 500)])
    def test_grids_that_cannot_be_are_refused(self, corners, columns, rows):
        with pytest.raises(ConfigError, match="grid must have"):
            grid([np.zeros(2)] * corners, columns, rows)

    @pytest.mark.parametrize("text", ["C4", "C5:C4", "C4:C5:0", "C4:C5:-1", "C4:H5"])
    def test_pitches_that_cannot_be_are_refused(self, text):
        with pytest.raises(timbre.TimbreError):
            pitches_of(text)

    def test_a_folder_of_notes_scans_as_it_was_meant(self, tiny_folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        command = ["--at", "flute-C4", "--notes", "B3:C#4:2", "--velocities", "0.4", "0.8", "--duration", "0.4"]
        assert run(tiny_folder, *command, "--name", "mine", "-o", "mine") == 0
        notes = timbre.scan(tmp_path / "mine")
        found = sorted((note.instrument, note.pitch, round(note.velocity or 0, 2)) for note in notes)
        assert found == [("mine", 59.0, 0.4), ("mine", 59.0, 0.8), ("mine", 61.0, 0.4), ("mine", 61.0, 0.8)]


def run(folder: FilePath, *words: str) -> int:
    with contextlib.redirect_stdout(io.StringIO()):
        return main(["render", str(folder), *words])


class TestCommand:
    def test_a_long_sound_comes_in_blocks(self, tiny_folder, tiny_space, tmp_path):
        file = tmp_path / "long.wav"
        command = ["--at", "flute-C4", "--duration", "61", "--hold", "0.3", "--sample-rate", "8000"]
        assert run(tiny_folder, *command, "-o", str(file)) == 0
        heard = timbre.read(file)
        assert (heard.sample_rate, heard.samples.shape) == (8000, (1, 61 * 8000))
        level = np.sqrt(np.square(heard.samples[0][: 60 * 8000].reshape(60, -1)).mean(1))
        assert level.min() > 0.5 * level[1:].max()  # the first second contains the attack
        assert level[1:].min() > 0.7 * level[1:].max()

    def test_a_stream_that_breaks_leaves_no_file(self, tmp_path):
        def blocks():
            yield np.zeros(9, np.float32)
            raise AudioError("no more")

        with pytest.raises(AudioError, match="no more"):
            write_blocks(tmp_path / "a.wav", blocks(), 8000)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["--from", "flute-C4"],
            ["--at", "flute-C4", "--path", "p.json"],
            ["--at", "flute-C4", "--grid", "2x2"],
            ["--grid", "2x2"],
            ["--grid", "2x2", "--plane", "dims", "0"],
            ["--grid", "2by2", "--corner", "flute-C4", "--corner", "violin-A3"],
            ["--at", "flute-C4", "--midi", "none.mid"],
            ["--at", "flute-C4", "--midi", "none.mid", "--notes", "C4:C5"],
            ["--at", "flute-C4", "--notes", "C4:C5", "--name", "../x"],
            ["--at", "flute-C4", "--velocity", "loud"],
            ["--at", "flute-C4", "-o", "nowhere/a.wav"],
        ],
    )
    def test_what_cannot_be_is_one_sentence(self, tiny_folder, tmp_path, monkeypatch, capsys, words):
        monkeypatch.chdir(tmp_path)
        assert main(["render", str(tiny_folder), *words]) == 1
        assert capsys.readouterr().err.count("\n") == 1
        assert not [file for file in tmp_path.rglob("*") if file.is_file()]
