"""MIDI Polyphonic Expression: the duties of a receiver, one by one; what shapes a note, live, by OSC and in files."""

import io
import time
from collections.abc import Iterable

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mido import Message
from recorder import Recorder, cents_off, some_presets, with_brightness

from timbre.errors import ConfigError
from timbre.playback.engine.engine import Engine
from timbre.playback.inputs._osc_addresses import Addresses
from timbre.playback.inputs.mapping import Control, Mapping, default_mapping
from timbre.playback.inputs.midi import MidiInput
from timbre.space import Space
from timbre.synth.axis_curve import AxisCurve, NoteAxes
from timbre.synth.score import parse_midi, perform
from timbre.synth.shaping import NoteControl, usual_note_controls
from timbre.synth.zones import Zones

WHEEL = 8191  # the whole range
PLAIN = Mapping([], [NoteControl("slide", 0, -2.0, 2.0, style="relative"), NoteControl("pressure", "gain", 0.0, 6.0)])


@pytest.fixture(scope="module")
def named(tiny_space: Space) -> Space:
    return with_brightness(tiny_space)


def cc(number: int, value: int, channel: int) -> Message:
    return Message("control_change", control=number, value=value, channel=channel - 1)


def on(channel: int, note: int = 60, velocity: int = 100) -> Message:
    return Message("note_on", note=note, velocity=velocity, channel=channel - 1)


def off(channel: int, note: int = 60, velocity: int = 64) -> Message:
    return Message("note_off", note=note, velocity=velocity, channel=channel - 1)


def bend(channel: int, position: int = WHEEL) -> Message:
    return Message("pitchwheel", pitch=position, channel=channel - 1)


def press(channel: int, value: int) -> Message:
    return Message("aftertouch", value=value, channel=channel - 1)


def parameter(channel: int, number: int, value: int) -> list[Message]:
    return [cc(101, 0, channel), cc(100, number, channel), cc(6, value, channel)]


def zone(manager: int = 1, members: int = 15) -> list[Message]:
    return parameter(manager, 6, members)


class Player(MidiInput):
    """An input, and what the notes that it holds have by now: bend, gain, first dimension."""

    def __init__(self, space: Space, *messages: Message, mapping: Mapping = PLAIN, **settings: int) -> None:
        self.recorder = Recorder(space, some_presets(space))
        super().__init__(self.recorder, mapping=mapping, **settings)
        self.play(*messages)

    def play(self, *messages: Message) -> "Player":
        for message in messages:
            self.handle(message)
        assert self.problems.count == 0, self.problems.last
        return self

    @property
    def held(self) -> dict[str, tuple[float, float, float]]:
        held, shapes = dict[str, tuple[float, float, float]](), dict[str, tuple[float, float, float]]()
        for name, values in self.recorder.events:
            key = values.get("key", "").removeprefix("midi-")
            if name == "shape":
                shapes[key] = values["bend"], values["gain"], values["offset"][0]
            elif name == "note_on":
                held[key] = (0.0, 0.0, 0.0)
            elif name in ("note_off", "panic"):
                for one in [key] if key else list(held):
                    held.pop(one, None)
                    shapes.pop(one, None)
        return {key: shapes.get(key, nothing) for key, nothing in held.items()}

    @property
    def bends(self) -> dict[str, float]:
        return {key: round(values[0], 6) for key, values in self.held.items()}


def managers(space: Space, *messages: Message) -> list[int]:
    player = Player(space, *messages)
    return [player.zones.manager(number) + 1 for number in range(16)]


ALONE = list(range(1, 17))


# The configuration of zones


@pytest.mark.parametrize("members", range(1, 16))
def test_a_configuration_message_makes_a_zone_of_so_many_members(tiny_space: Space, members: int):
    assert managers(tiny_space, *zone(1, members)) == [1] * (members + 1) + ALONE[members + 1 :]
    assert managers(tiny_space, *zone(16, members)) == ALONE[: 15 - members] + [16] * (members + 1)


@pytest.mark.parametrize("channel", range(2, 16))
def test_on_any_other_channel_it_is_ignored(tiny_space: Space, channel: int):
    assert managers(tiny_space, *zone(channel, 5)) == ALONE


def test_the_newest_zone_takes_channels_from_the_other(tiny_space: Space):
    assert managers(tiny_space, *zone(1, 10), *zone(16, 7)) == [1] * 8 + [16] * 8
    assert managers(tiny_space, *zone(16, 7), *zone(1, 10)) == [1] * 11 + [16] * 5
    assert managers(tiny_space, *zone(16, 7), *zone(1, 15)) == [1] * 16
    assert managers(tiny_space, *zone(16, 7), *zone(1, 14)) == [1] * 15 + [16]


def test_no_members_in_either_zone_end_mpe(tiny_space: Space):
    assert managers(tiny_space, *zone(1, 5), *zone(16, 5), *zone(1, 0)) == ALONE[:10] + [16] * 6
    assert managers(tiny_space, *zone(1, 5), *zone(16, 5), *zone(1, 0), *zone(16, 0)) == ALONE


@given(st.lists(st.tuples(st.sampled_from([0, 15]), st.integers(0, 127)), max_size=8))
def test_zones_never_overlap_and_the_last_has_what_it_wanted(changes: list[tuple[int, int]]):
    zones = Zones()
    for channel, count in changes:
        zones.configure(channel, count)
        members = [number for number in range(16) if zones.manager(number) == channel != number]
        assert len(members) == min(count, 15)
        assert set(members) <= set(zones.group(channel))


def test_a_new_zone_ends_its_notes_and_resets_its_channels(tiny_space: Space):
    player = Player(tiny_space, *zone(1, 5), *parameter(3, 0, 12), bend(3), press(3, 127), on(3), on(9))
    player.play(*zone(1, 4), on(3))
    assert player.held == {"8-60": (0.0, 0.0, 0.0), "2-60": (0.0, 0.0, 0.0)}
    assert player.play(bend(3)).bends["2-60"] == 48.0


# Bend ranges


def test_members_bend_by_48_semitones_and_the_manager_by_2(tiny_space: Space):
    assert Player(tiny_space, *zone(), on(4), bend(4)).bends == {"3-60": 48.0}
    assert Player(tiny_space, *zone(), on(4), bend(1)).bends == {"3-60": 2.0}
    assert Player(tiny_space, *zone(16, 3), on(14), bend(14), bend(16)).bends == {"13-60": 50.0}


@pytest.mark.parametrize("semitones", [0, 1, 24, 96])
def test_the_range_of_one_member_is_that_of_all(tiny_space: Space, semitones: int):
    player = Player(tiny_space, *zone(1, 7), *parameter(5, 0, semitones), on(3), bend(3), on(12), bend(12))
    assert player.bends == {"2-60": semitones, "11-60": 2.0}
    assert player.play(bend(1)).bends == {"2-60": min(semitones + 2.0, 96.0), "11-60": 2.0}


def test_the_range_of_the_manager_is_its_own(tiny_space: Space):
    assert Player(tiny_space, *zone(), *parameter(1, 0, 7), on(2), bend(1)).bends == {"1-60": 7.0}


# Notes and what shapes them


def test_each_member_bends_its_own_note_with_14_bits(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), on(3), bend(2, 1), bend(3, -8192))
    assert player.held["1-60"][0] == pytest.approx(48.0 / 8191)
    assert player.held["2-60"][0] == -48.0


def test_pressure_and_slide_are_those_of_the_member(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), on(3), press(2, 127), cc(74, 127, 3), cc(74, 0, 2))
    assert player.held == {"1-60": (0.0, 6.0, -2.0), "2-60": (0.0, 0.0, 2.0)}


def test_what_came_before_the_note_is_there_when_it_begins(tiny_space: Space):
    player = Player(tiny_space, *zone(), bend(2), press(2, 127), cc(74, 127, 2), on(2))
    assert [name for name, _ in player.recorder.events] == ["shape", "note_on"]
    assert player.held == {"1-60": (48.0, 6.0, 2.0)}


def test_after_the_release_a_member_does_not_shape_its_note(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), off(2))
    count = len(player.recorder.events)
    player.play(bend(2), press(2, 9), cc(74, 9, 2))
    assert len(player.recorder.events) == count
    player.play(cc(64, 127, 1), on(3), bend(3), off(3), bend(3, 0), press(3, 99))
    assert player.bends == {"2-60": 48.0}  # sustained
    assert player.play(bend(1)).bends == {"2-60": 50.0}  # by the manager as well


def test_two_notes_of_one_member_follow_it_both(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2, 60), on(2, 64), bend(2), press(2, 127))
    assert player.held == {"1-60": (48.0, 6.0, 0.0), "1-64": (48.0, 6.0, 0.0)}


def test_the_manager_adds_to_all_notes_of_its_zone_and_to_no_other(tiny_space: Space):
    player = Player(tiny_space, *zone(1, 6), *zone(16, 6), on(2), on(3), on(15), on(8), bend(3), bend(1))
    assert player.bends == {"1-60": 2.0, "2-60": 50.0, "14-60": 0.0, "7-60": 0.0}
    player.play(cc(74, 127, 1), press(1, 127), cc(74, 32, 2))
    assert player.held["1-60"] == (2.0, 6.0, pytest.approx(2.0 * 31 / 63))
    assert player.held["14-60"] == player.held["7-60"] == (0.0, 0.0, 0.0)


def test_notes_on_the_manager_sound_and_have_polyphonic_pressure(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(1, 60), on(1, 64), on(2, 67))
    player.play(*(Message("polytouch", channel=channel, note=note, value=127) for channel, note in ((0, 60), (1, 67))))
    assert {key: values[1] for key, values in player.held.items()} == {"0-60": 6.0, "0-64": 0.0, "1-67": 0.0}


def test_the_pedal_of_the_manager_sustains_its_zone(tiny_space: Space):
    player = Player(tiny_space, *zone(1, 6), on(2), on(9), cc(64, 127, 1), off(2), off(9))
    assert set(player.held) == {"1-60"}
    assert not player.play(cc(64, 0, 1)).held


def test_123_on_the_manager_obeys_the_pedal_and_120_does_not(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), on(3), cc(123, 0, 1))
    assert not player.held
    player.play(cc(64, 127, 1), on(2), on(3), cc(123, 0, 1))
    assert set(player.held) == {"1-60", "2-60"}
    assert not player.play(cc(120, 0, 1)).held
    assert not player.play(on(2), off(2)).held  # the pedal is up


def test_121_on_the_manager_resets_its_zone(tiny_space: Space):
    player = Player(tiny_space, *zone(), on(2), bend(2), bend(1), press(2, 9), cc(74, 9, 2), cc(64, 99, 1))
    assert player.play(cc(121, 0, 1)).held == {"1-60": (0.0, 0.0, 0.0)}
    assert not player.play(off(2)).held


def test_programs_are_changed_by_the_manager_only(tiny_space: Space):
    change = [Message("program_change", channel=channel, program=0) for channel in (1, 0)]
    player = Player(tiny_space, *zone(), change[0])
    assert not player.recorder.events
    assert player.play(change[1]).recorder.named("at")


def test_controllers_of_the_manager_move_all_and_those_of_members_do_not(tiny_space: Space):
    mapping = Mapping([Control(20, 1, -1.0, 1.0)], PLAIN.notes)
    player = Player(tiny_space, *zone(), on(2), cc(20, 127, 2), mapping=mapping)
    assert not player.recorder.named("at")
    assert player.play(cc(20, 127, 1)).recorder.named("at")


def test_velocity_0_is_a_release_of_velocity_64(tiny_space: Space):
    mapping = Mapping([], [NoteControl("release", "gain", -12.0, 12.0, style="relative")])
    for message, gain in ((on(2, velocity=0), 0.0), (off(2, velocity=127), 12.0), (off(2, velocity=0), -12.0)):
        player = Player(tiny_space, *zone(), on(2), message, mapping=mapping)
        assert not player.held
        assert [event["gain"] for event in player.recorder.named("shape")] == [gain]


def test_a_controller_may_leave_out_the_configuration(tiny_space: Space):
    assert Player(tiny_space, on(2), bend(2), members=15).bends == {"1-60": 48.0}
    with pytest.raises(ConfigError, match="MPE members must be a number from 0 to 15, got 16"):
        Player(tiny_space, members=16)


def test_plain_midi_is_the_case_of_no_members(tiny_space: Space):
    player = Player(tiny_space, on(1), on(2), bend(1), press(2, 127), cc(74, 127, 1))
    assert player.held == {"0-60": (2.0, 0.0, 0.0), "1-60": (0.0, 6.0, 0.0)}  # slide is a controller as others


# What is mapped


@pytest.mark.parametrize("source", ["slide", "pressure", "bend", "velocity", "release"])
def test_every_source_reaches_every_target(named: Space, source: str):
    moves = {"slide": cc(74, 127, 2), "pressure": press(2, 127), "bend": bend(2)}.get(source, press(3, 0))
    for to, high in (("brightness", 1.0), (1, 1.5), ("towards:still", 1.0), ("gain", 3.0), ("bend", 5.0)):
        mapping = Mapping([], [NoteControl(source, to, 0.0, high)])
        messages = [*zone(), on(2, velocity=127), moves, off(2, velocity=127)]
        player = Player(named, *messages, mapping=mapping)
        shape = player.recorder.named("shape")[-1]
        point, preset = player.recorder.point, some_presets(named)["still"].path.points[0]
        wanted = (high if to == "bend" else 0.0, high if to == "gain" else 0.0, 0.0 if to == "towards:still" else 1.0)
        place = {1: [0.0, 1.5, 0.0], "towards:still": preset}.get(to, [0.0] * 3)
        place = bright(named, point, 1.0) if to == "brightness" else place
        for name, value in zip(("bend", "gain", "keep", "offset"), (*wanted, place), strict=True):
            np.testing.assert_allclose(shape[name], value, atol=1e-5, err_msg=f"{source} to {to}: {name}")


def bright(space: Space, point: np.ndarray, step: float) -> np.ndarray:
    curve = AxisCurve(space, "brightness", point, 60.0)
    return curve.at(curve.value + step) - point


@given(
    st.floats(-2, 2), st.floats(-2, 2), st.floats(0.1, 10), st.sampled_from(["absolute", "relative"]),
    st.floats(0, 127), st.floats(0, 127),
)  # fmt: skip
def test_a_source_runs_from_low_to_high_or_through_nothing(
    low: float, high: float, curve: float, style: str, a: float, b: float
):
    control = NoteControl("slide", 0, low, high, curve, style)  # type: ignore[arg-type]
    assert float(control.value(0.0)) == pytest.approx(low)
    assert float(control.value(127.0)) == pytest.approx(high)
    if style == "relative":
        assert float(control.value(64.0)) == 0.0
        assert abs(control.value(a)) <= max(abs(low), abs(high)) + 1e-9
    else:
        assert (control.value(max(a, b)) - control.value(min(a, b))) * (high - low) >= -1e-9


def test_the_usual_way_is_brightness_by_slide_and_level_by_pressure(named: Space, tiny_space: Space):
    assert [(one.source, one.to, one.low, one.high, one.style) for one in usual_note_controls(named)] == [
        ("slide", "brightness", -2.0, 2.0, "relative"), ("pressure", "gain", 0.0, 6.0, "absolute"),
    ]  # fmt: skip
    assert usual_note_controls(tiny_space)[0].to == 0
    assert default_mapping(named).notes == usual_note_controls(named)


@pytest.mark.parametrize(
    ("moves", "source"),
    [
        ([cc(74, 64, 2), cc(74, 110, 2)], "slide"),
        ([press(2, 0), press(2, 50)], "pressure"),
        ([bend(2, 100), bend(2, 8000)], "bend"),
        ([off(2, velocity=120)], "release"),
    ],
)
def test_what_moves_far_on_a_member_is_learned_for_notes(named: Space, moves: list[Message], source: str):
    player = Player(named, *zone(), on(2))
    player.learn("brightness", high=1.5)
    still = [cc(74, 60, 2), press(2, 5), bend(2, 90)]
    player.play(*still)
    assert player.learning
    player.play(*moves)
    assert not player.learning
    learned = {(one.follows if source == "slide" else one.source): one for one in player.mapping.notes}
    assert learned[74 if source == "slide" else source].to == "brightness"
    assert learned[74 if source == "slide" else source].high == 1.5
    assert player.mapping.controls == PLAIN.controls


def test_a_mapping_that_names_what_is_not_there_is_refused(tiny_space: Space):
    for to, words in (("towards:nowhere", "no preset 'nowhere'"), ("brightness", "got 'brightness'")):
        with pytest.raises(ConfigError, match=words):
            Player(tiny_space, mapping=Mapping([], [NoteControl("slide", to, 0.0, 1.0)]))


# The sound


def test_notes_of_a_zone_sound_at_their_own_pitches(harmonic_space: Space):
    engine = Engine(harmonic_space)
    engine.hold(0.3)
    midi = MidiInput(engine, members=15)
    for message in (on(2, 60), on(3, 60)):
        midi.handle(message)
    midi.handle(bend(2, round(WHEEL * 7 / 48)))
    midi.handle(cc(7, 0, 3))  # the other note is silent
    engine.render(engine.sample_rate // 4)
    assert cents_off(engine, 67.0) < 15
    midi.handle(cc(7, 127, 3))
    midi.handle(off(2, 60))
    engine.render(2 * engine.sample_rate)
    assert cents_off(engine, 60.0) < 15


def test_a_shaped_note_is_what_a_plain_note_is_at_its_place(known_space: Space):
    a, b = known_space.atlas.points[[3, 30]]
    one, other = Engine(known_space, point=a, runtime="torch"), Engine(known_space, point=b, runtime="torch")
    one.note_on(58, key="x", values={"bend": 2.0, **{n: float(v) for n, v in enumerate(b - a)}})
    other.note_on(60, key="x")
    np.testing.assert_allclose(one.render(8000), other.render(8000), atol=2e-3)


def test_a_note_moves_alone_and_without_a_click(known_space: Space):
    def roughest(sound: np.ndarray) -> float:
        return float(np.abs(np.diff(sound, 2)).max())

    engines = [Engine(known_space, point=known_space.atlas.points[0], runtime="torch") for _ in range(2)]
    for engine in engines:
        engine.hold(0.3)
        engine.note_on(48, key="a")
        engine.note_on(60, key="b")
        engine.render(11025)
    still = engines[1].render(22050)
    engines[0].express("a", {"gain": -100.0})
    engines[0].express("b", {"gain": -100.0})
    quiet = engines[0].render(22050)
    assert np.abs(quiet[8000:]).max() < 1e-4
    assert roughest(quiet) <= 1.2 * roughest(still)


def test_what_waits_is_forgotten_by_panic_and_bounded(tiny_space: Space):
    engine = Engine(tiny_space, voices=2)
    for number in range(2000):
        engine.express(number, {"bend": 1.0})
        engine.note_off(number // 2)
    assert len(engine._shaped) <= 256
    assert len(engine._shapes._keys) <= 256
    engine.panic()
    assert not engine._shaped
    assert not engine._shapes._keys


def test_points_that_are_not_known_yet_come_later(named: Space):
    found = list[int]()
    later, now = NoteAxes(named, lambda: found.append(1)), NoteAxes(named)
    point = named.atlas.points[0]
    assert not later.offset("brightness", point, 60.0, 1.0).any()
    for _ in range(2000):
        if found:
            break
        time.sleep(0.005)
    steps = np.array([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(
        later.offset("brightness", point, 60.0, 1.0), now.offset("brightness", point, 60.0, 1.0)
    )
    np.testing.assert_array_equal(
        now.offset("brightness", point, 60.0, steps)[2], now.offset("brightness", point, 60.0, 1.0)
    )


# OSC


@pytest.mark.parametrize(
    ("address", "values", "shape"),
    [
        ("/note/a/bend", [1.5], {"bend": 1.5}),
        ("/note/a/gain", [-6], {"gain": -6.0}),
        ("/note/a/axis/1", [0.5], {"offset": [0.0, 0.5, 0.0]}),
        ("/note/a/axis", [1, 0.5], {"offset": [0.0, 0.5, 0.0]}),
        ("/note", ["a", "bend", 2], {"bend": 2.0}),
        ("/note/a/towards/still", [1.0], {"keep": 0.0}),
        ("/note/a/towards", [0, 0.25], {"keep": 0.75}),
    ],
)
def test_osc_shapes_one_note(named: Space, address: str, values: list[object], shape: dict[str, object]):
    recorder = Recorder(named, some_presets(named))
    osc = Addresses(recorder, None)
    osc("/note/a/60", [0.5])
    osc(address, values)
    plain = {"key": "a", "bend": 0.0, "gain": 0.0, "keep": 1.0, "offset": [0.0, 0.0, 0.0]}
    (event,) = recorder.named("shape")
    assert event == plain | shape | ({"offset": event["offset"]} if "keep" in shape else {})
    osc("/note/a/bend", [3.0])
    assert recorder.named("shape")[-1] == event | {"bend": 3.0}  # the rest stays


@pytest.mark.parametrize(
    ("address", "values", "words"),
    [
        ("/note/a/bend", [97], "bend of a note must be a number from -96 to 96, got 97"),
        ("/note/a/bend", [], "/note/KEY/bend SEMITONES, got 0"),
        ("/note/a/gain", ["x"], "gain of a note must be"),
        ("/note/a/axis", [1.0], "/note/KEY/axis/NAME VALUE, got 1"),
        ("/note/a/axis/darkness", [1.0], "got 'darkness'"),
        ("/note/a/axis/9", [1.0], "got 9"),
        ("/note/a/axis/0", [float("nan")], "got nan"),
        ("/note/a/towards/nowhere", [1.0], "no preset 'nowhere'"),
        ("/note/a/towards/7", [1.0], "must be below 2"),
        ("/note/a/60/1/2", [1.0], "must be sent as"),
    ],
)
def test_wrong_osc_is_a_sentence_and_shapes_nothing(named: Space, address: str, values: list[object], words: str):
    recorder = Recorder(named, some_presets(named))
    with pytest.raises(ConfigError, match=words):
        Addresses(recorder, None)(address, values)
    assert not recorder.events


# Files


def song(*messages: Message) -> bytes:
    """Messages a second from each other."""
    content = io.BytesIO()
    tempo = mido.MetaMessage("set_tempo", tempo=10**6)
    mido.MidiFile(ticks_per_beat=1, tracks=[mido.MidiTrack([tempo, *(one.copy(time=1) for one in messages)])]).save(
        file=content
    )
    return content.getvalue()


def test_files_follow_the_same_messages(tiny_space: Space):
    head = [*zone(), bend(3, WHEEL)]
    content = song(
        *head, on(3), bend(3, 0), bend(1), press(3, 127), cc(74, 0, 3), off(3, velocity=9), bend(3), on(4), off(4)
    )
    tone = parse_midi(content)[0]
    assert tone.bends == ((0.0, 48.0), (1.0, 0.0), (2.0, 2.0))
    assert tone.positions("pressure") == ((0.0, 0.0), (3.0, 127.0))
    assert tone.positions(74) == ((0.0, 64.0), (4.0, 0.0))
    assert tone.positions("release") == ((0.0, 64.0), (5.0, 9.0))
    assert parse_midi(content)[1].bends == ((0.0, 2.0),)
    assert parse_midi(song(on(3), bend(3), off(3)), members=15)[0].bends[-1] == (1.0, 48.0)
    sustained = song(*zone(), cc(64, 127, 1), on(3), off(3), bend(3), bend(1), cc(64, 0, 1))
    assert parse_midi(sustained)[0].bends == ((0.0, 0.0), (3.0, 2.0))


def test_a_note_of_a_file_is_moved_as_live(harmonic_space: Space):
    a, b = harmonic_space.atlas.points[:2]
    mapping = [NoteControl("slide", n, 0.0, float(v)) for n, v in enumerate(b - a)]

    def sound(point: np.ndarray, shaping: Iterable[NoteControl], *messages: Message) -> np.ndarray:
        tones = parse_midi(song(*messages, on(2), off(2)), members=15)
        return perform(harmonic_space, harmonic_space.path(point), tones, steady=False, shaping=tuple(shaping)).samples

    moved, there = sound(a, mapping, cc(74, 127, 2)), sound(b, [], cc(74, 127, 2))
    size = min(moved.shape[1], there.shape[1])
    assert np.abs(there).max() > 0.01
    np.testing.assert_allclose(moved[:, -size:], there[:, -size:], atol=1e-3)
    louder = sound(a, [NoteControl("pressure", "gain", 0.0, -20.0)], press(2, 127))
    assert np.abs(louder).max() == pytest.approx(0.1 * np.abs(sound(a, [], press(2, 127))).max(), rel=0.02)
