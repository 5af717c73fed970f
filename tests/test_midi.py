"""MIDI: real messages to controls and to sound; mappings and their files."""

from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mido import Message
from recorder import Recorder, cents_off, loudest, some_presets, with_brightness

from timbre.errors import ConfigError
from timbre.playback.engine.engine import Engine
from timbre.playback.inputs.mapping import Control, Mapping, default_mapping, default_range, read_mapping, write_mapping
from timbre.playback.inputs.midi import MidiInput
from timbre.space import Space
from timbre.synth.axis_curve import AxisCurve
from timbre.synth.shaping import NoteControl

CONTROLS = st.builds(
    Control,
    st.sampled_from([cc for cc in range(120) if cc not in (6, 38, 64, 98, 99, 100, 101)]),
    st.sampled_from(["brightness", 0, 1, 2]),
    st.floats(-100, 100),
    st.floats(-100, 100),
    st.floats(0.1, 10),
)
NOTE_CONTROLS = st.builds(
    NoteControl,
    st.sampled_from(["slide", "pressure", "bend", "release", "velocity", 1, 2, 119]),
    st.sampled_from(["brightness", 0, 1, 2, "towards:still", "bend", "gain"]),
    st.floats(-2, 2),
    st.floats(-2, 2),
    st.floats(0.1, 10),
    st.sampled_from(["absolute", "relative"]),
)


@pytest.fixture(scope="module")
def named(tiny_space: Space) -> Space:
    return with_brightness(tiny_space)


@pytest.fixture
def recorder(named: Space) -> Recorder:
    return Recorder(named, some_presets(named))


def played(recorder: Recorder, *messages: Message, **settings: object) -> MidiInput:
    midi = MidiInput(recorder, **settings)  # type: ignore[arg-type]
    for message in messages:
        midi.handle(message)
    return midi


def cc(number: int, value: int, channel: int = 0) -> Message:
    return Message("control_change", control=number, value=value, channel=channel)


@given(st.integers(12, 127), st.integers(1, 127), st.integers(0, 15))
def test_a_note_is_let_go_by_its_own_key(named: Space, note: int, velocity: int, channel: int):
    recorder = Recorder(named)
    played(recorder, Message("note_on", note=note, velocity=velocity, channel=channel))
    played(recorder, Message("note_off", note=note, velocity=9, channel=channel))
    played(recorder, Message("note_on", note=note, velocity=0, channel=channel))
    (_, on), (first, off), (second, again) = recorder.events
    assert (on["pitch"], on["velocity"]) == (note, velocity / 127)
    assert first == second == "note_off"
    assert off["key"] == again["key"] == on["key"]


def test_the_same_note_of_two_channels_has_two_keys(recorder: Recorder):
    played(recorder, *(Message("note_on", note=60, velocity=9, channel=channel) for channel in (0, 1)))
    assert len({event["key"] for event in recorder.named("note_on")}) == 2


def test_a_note_too_low_is_left_out_and_remarked(recorder: Recorder):
    midi = played(recorder, Message("note_on", note=11, velocity=9), Message("note_on", note=12, velocity=9))
    assert [event["pitch"] for event in recorder.named("note_on")] == [12]
    assert midi.problems.count == 1
    assert "12 to 127" in midi.problems.last


def held(channel: int = 0, note: int = 60) -> Message:
    return Message("note_on", channel=channel, note=note, velocity=99)


def bends(recorder: Recorder) -> list[float]:
    return [event["bend"] for event in recorder.named("shape")]


@given(st.integers(-8192, 8191), st.integers(0, 96))
def test_bend_reaches_as_far_as_parameter_0_says(named: Space, position: int, semitones: int):
    recorder, wheel = Recorder(named), Message("pitchwheel", pitch=position)
    played(
        recorder, held(), wheel, cc(101, 0), cc(100, 0), cc(6, semitones), cc(101, 127), cc(100, 127), cc(6, 99), wheel
    )
    share = position / (8191 if position > 0 else 8192)
    assert bends(recorder) == pytest.approx(
        [2 * share, *([semitones * share] if position else []), semitones * share]  # a new range counts at once
    )


def test_bend_range_has_cents_belongs_to_its_channel_and_ends_at_96(recorder: Recorder):
    wheels = [Message("pitchwheel", pitch=8191, channel=channel) for channel in (3, 4)]
    ranged = [held(3), held(4), cc(101, 0, 3), cc(100, 0, 3), cc(6, 12, 3), cc(38, 50, 3)]
    midi = played(recorder, *ranged, *wheels, cc(6, 97, 3), wheels[0], cc(99, 0, 3), cc(6, 5, 3), wheels[0])
    assert bends(recorder) == [12.5, 2.0, 12.5, 12.5]
    assert midi.problems.count == 1
    assert "at most 96 semitones" in midi.problems.last


def test_the_pedal_of_a_channel_sustains_its_notes(recorder: Recorder):
    def ended() -> list[str]:
        return [event["key"] for event in recorder.named("note_off")]

    off = [Message("note_off", channel=channel, note=60) for channel in (0, 1)]
    midi = played(recorder, cc(64, 63), held(), off[0], cc(64, 64), held(), held(1), *off)
    assert ended() == ["midi-0-60", "midi-1-60"]
    midi.handle(cc(64, 127))
    midi.handle(cc(64, 0))
    assert ended() == ["midi-0-60", "midi-1-60", "midi-0-60"]


def test_panic_and_reset(recorder: Recorder):
    wheel = Message("pitchwheel", pitch=8191)
    midi = played(recorder, wheel, held(), cc(64, 127), Message("note_off", note=60), cc(121, 0))
    assert len(recorder.named("note_off")) == 1  # the pedal is up
    midi.handle(held())
    assert bends(recorder) == [2.0]
    for message in (wheel, cc(64, 127), cc(120, 0), held()):
        midi.handle(message)
    assert len(recorder.named("panic")) == 1
    assert bends(recorder) == [2.0, 2.0]  # the bend is 0 after it


def test_program_changes_go_to_presets_and_a_missing_one_is_remarked(recorder: Recorder):
    midi = played(recorder, *(Message("program_change", program=number) for number in (0, 1, 2)))
    assert [name for name, _ in recorder.events] == ["at", "path"]
    assert recorder.named("at")[0]["point"] == recorder.space.atlas.points[0].tolist()
    assert midi.problems.count == 1
    assert "preset number must be below 2" in midi.problems.last


def test_one_channel_is_heard_where_one_is_chosen(recorder: Recorder):
    notes = [Message("note_on", note=60, velocity=9, channel=channel) for channel in range(16)]
    played(recorder, *notes, channel=10)
    assert [event["key"] for event in recorder.named("note_on")] == ["midi-9-60"]
    for wrong in ({"channel": 0}, {"channel": 17}, {"bend_range": 49}):
        with pytest.raises(ConfigError):
            MidiInput(recorder, **wrong)  # type: ignore[arg-type]


def test_the_default_mapping_runs_through_the_known_sounds(recorder: Recorder, named: Space):
    low, high = np.percentile(named.atlas.points, (2, 98), axis=0)
    for number, dimension in ((70, 0), (71, 1), (72, 2)):
        played(recorder, cc(number, 0))
        assert recorder.point[dimension] == pytest.approx(low[dimension], abs=1e-3)
        played(recorder, cc(number, 127))
        assert recorder.point[dimension] == pytest.approx(high[dimension], abs=1e-3)
    assert list(default_mapping(named).controls) == [1, 7, 70, 71, 72]
    assert default_range(named, "brightness") == (-2.0, 2.0)


def test_a_named_axis_moves_the_sound_and_a_dimension_goes_alone(recorder: Recorder, named: Space):
    before = recorder.point.copy()
    played(recorder, cc(1, 127))
    np.testing.assert_allclose(recorder.point, AxisCurve(named, "brightness", before, 60).at(2.0), atol=1e-5)
    before = recorder.point.copy()
    played(recorder, cc(71, 127))
    assert np.flatnonzero(recorder.point != before).tolist() == [1]


def test_volume_is_that_of_general_midi(recorder: Recorder):
    values = (0, 1, 32, 64, 127)
    played(recorder, *(cc(7, value) for value in values))
    wanted = [-100.0, *(40 * np.log10(value / 127) for value in values[1:])]
    assert [event["decibels"] for event in recorder.named("gain")] == pytest.approx(wanted)


def test_the_bend_range_can_be_mapped(recorder: Recorder):
    mapping = Mapping([Control(20, "bend_range", 0.0, 12.0)])
    played(recorder, held(), cc(20, 127), Message("pitchwheel", pitch=-8192), cc(21, 3), mapping=mapping)
    assert bends(recorder) == [-12.0]


@given(CONTROLS, st.floats(0, 1), st.floats(0, 1))
def test_a_control_runs_from_low_to_high_and_never_turns_back(control: Control, a: float, b: float):
    low, high = sorted((control.low, control.high))
    assert (control.value(0.0), control.value(1.0)) == pytest.approx((control.low, control.high))
    assert low - 1e-9 <= control.value(a) <= high + 1e-9
    assert control.value(a) == pytest.approx(control.low + a**control.curve * (control.high - control.low))
    way = (control.value(max(a, b)) - control.value(min(a, b))) * (control.high - control.low)
    assert way >= -1e-9


def test_learning_binds_the_next_controller_that_moves(recorder: Recorder, named: Space):
    start = recorder.point
    midi = played(recorder, cc(33, 5))
    midi.learn("brightness", high=1.5)
    assert midi.learning
    for message in (cc(64, 127), cc(101, 0), cc(33, 5), cc(21, 127), cc(22, 0)):  # 33 says again what it said
        midi.handle(message)
    assert not midi.learning
    assert midi.mapping.controls[21] == Control(21, "brightness", default_range(named, "brightness")[0], 1.5)
    assert 1 not in midi.mapping.controls  # what moved it so far
    assert set(midi.mapping.controls) == {7, 21, 70, 71, 72}
    wanted = AxisCurve(named, "brightness", start, 60).at(1.5)
    np.testing.assert_allclose(recorder.point, wanted, atol=1e-5)


def test_learning_can_be_given_up_and_refuses_what_is_not_there(recorder: Recorder):
    midi = played(recorder)
    midi.learn(1)
    midi.learn(None)
    midi.handle(cc(21, 9))
    assert 21 not in midi.mapping.controls
    for wrong in ("darkness", 3, -1):
        with pytest.raises(ConfigError, match="no axis"):
            midi.learn(wrong)
    with pytest.raises(ConfigError, match="between"):
        midi.learn(0, low=-1000.0)
    assert not midi.learning


@given(
    st.lists(CONTROLS, max_size=20, unique_by=lambda control: control.cc),
    st.lists(NOTE_CONTROLS, max_size=6, unique_by=lambda control: (control.follows, control.to)),
)
def test_a_mapping_survives_its_file(
    named: Space, tmp_path_factory: pytest.TempPathFactory, controls: list[Control], notes: list[NoteControl]
):
    file = tmp_path_factory.mktemp("mapping") / "knobs.toml"
    write_mapping(file, Mapping(controls, notes))
    assert read_mapping(file, named).controls == Mapping(controls).controls
    assert read_mapping(file, named).notes == tuple(notes)
    assert [path.name for path in file.parent.iterdir()] == ["knobs.toml"]


def test_what_a_file_leaves_open_is_as_by_default(named: Space, tmp_path: Path):
    (tmp_path / "m.toml").write_text(
        HEAD + '[[control]]\ncc = 1\nto = "brightness"\n[[control]]\ncc = 7\nto = "gain"\n'
    )
    usual = default_mapping(named).controls
    assert read_mapping(tmp_path / "m.toml", named).controls == {1: usual[1], 7: usual[7]}
    assert read_mapping(tmp_path / "m.toml", named).notes == default_mapping(named).notes
    (tmp_path / "m.toml").write_text(HEAD + '[[note]]\nsource = "pressure"\nto = "bend"\n')
    assert read_mapping(tmp_path / "m.toml", named).notes == (NoteControl("pressure", "bend", 0.0, 2.0),)
    (tmp_path / "m.toml").write_text(HEAD + "note = []\n")
    assert read_mapping(tmp_path / "m.toml", named).notes == ()


HEAD = 'format = "timbre-mapping"\nversion = 1\n'
ONE, NOTE = HEAD + "[[control]]\n", HEAD + "[[note]]\n"


WRONG = [
    ("[control", "not valid TOML"),
    ("", "format"),
    ('format = "timbre-mapping"\nversion = 2\n', "version must be one of 1, got 2"),
    (HEAD + "channel = 3\n", "Unknown setting"),
    (ONE + "cc = 1\naxis = 0\n", "Unknown setting"),
    (ONE + 'cc = "one"\nto = 0\n', "a whole number"),
    (ONE + "cc = true\nto = 0\n", "a whole number"),
    (ONE + "cc = 1\nto = 0.5\n", "a text or a whole number"),
    (ONE + "cc = 1\n", "to must be given"),
    (ONE + "to = 0\n", "cc must be given"),
    (ONE + 'cc = 1\nto = "darkness"\n', "no axis 'darkness'"),
    (ONE + "cc = 1\nto = 3\n", "no axis 3"),
    (ONE + "cc = 64\nto = 0\n", "got 64"),
    (ONE + "cc = 120\nto = 0\n", "got 120"),
    (ONE + "cc = 1\nto = 0\nlow = nan\n", "nan"),
    (ONE + "cc = 1\nto = 0\nhigh = 101\n", "101"),
    (ONE + 'cc = 1\nto = "gain"\nhigh = 25\n', "gain between -100 and 24"),
    (ONE + 'cc = 1\nto = "bend_range"\nlow = -1\n', "between 0 and 48"),
    (ONE + "cc = 1\nto = 0\ncurve = 0\n", "curve"),
    (ONE + "cc = 1\nto = 0\n[[control]]\ncc = 1\nto = 1\n", "one entry"),
    (NOTE + 'source = "slide"\n', "to must be given"),
    (NOTE + "to = 0\n", "source must be given"),
    (NOTE + 'source = "breath"\nto = 0\n', "slide, pressure, bend, release, velocity, or the number"),
    (NOTE + "source = 64\nto = 0\n", "got 64"),
    (NOTE + "source = 120\nto = 0\n", "got 120"),
    (NOTE + 'source = "slide"\nto = "darkness"\n', "got 'darkness'"),
    (NOTE + 'source = "slide"\nto = 3\n', "got 3"),
    (NOTE + 'source = "slide"\nto = "bend"\nhigh = 97\n', "bend between -96 and 96"),
    (NOTE + 'source = "slide"\nto = "towards:still"\nhigh = 3\n', "between -2 and 2"),
    (NOTE + 'source = "slide"\nto = "towards:nowhere"\n', "no preset 'nowhere'"),
    (NOTE + 'source = "slide"\nto = 0\nstyle = "wild"\n', "style must be one of absolute, relative"),
    (NOTE + 'source = "slide"\nto = 0\ncurve = 11\n', "curve"),
    (NOTE + 'source = "slide"\nto = 0\n[[note]]\nsource = 74\nto = 0\n', "one entry"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_wrong_mapping_is_refused_by_name(named: Space, tmp_path: Path, text: str, words: str):
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_mapping(tmp_path / "wrong.toml", named, some_presets(named))
    assert "wrong.toml" in str(caught.value)


def test_a_mapping_that_cannot_be_read_or_written_is_refused(named: Space, tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_mapping(tmp_path / "none.toml", named)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_mapping(tmp_path / "none" / "m.toml", Mapping())


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_no_stream_of_bytes_raises(named: Space, parts: list[bytes]):
    midi, parser = MidiInput(Recorder(named)), mido.Parser()
    for part in parts:
        parser.feed(part)
    for message in parser:
        midi.handle(message)


def test_an_engine_survives_a_flood_of_messages(tiny_space: Space):
    engine = Engine(tiny_space, some_presets(tiny_space))
    midi, parser, generator = MidiInput(engine), mido.Parser(), np.random.default_rng(0)
    bytes_ = generator.integers(0, 256, 20000)
    parser.feed(np.where(generator.random(20000) < 0.7, bytes_ % 128, bytes_).astype(np.uint8).tobytes())
    for number, message in enumerate(parser):
        midi.handle(message)
        if number % 400 == 0:
            assert np.isfinite(engine.render(64)).all()
    assert number > 1000
    midi.handle(cc(120, 0))
    engine.render(4000)
    assert loudest(engine) == 0.0


def test_a_note_by_midi_sounds_at_its_pitch_and_bend(harmonic_space: Space):
    engine = Engine(harmonic_space)
    midi = MidiInput(engine)
    midi.handle(Message("note_on", note=67, velocity=100))
    assert cents_off(engine, 67.0) < 15
    midi.handle(Message("pitchwheel", pitch=8191))
    assert cents_off(engine, 69.0) < 15
    midi.handle(cc(7, 0))
    loudest(engine)
    assert loudest(engine) < 1e-4
    midi.handle(cc(7, 127))
    midi.handle(Message("note_off", note=67))
    engine.render(3 * engine.sample_rate)
    assert loudest(engine) < 1e-4
