"""Notes that are shaped each by itself: what is mapped, how it sounds, by OSC and in files."""

import io
import time
from collections.abc import Iterable

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mido import Message
from mpe import PLAIN, WHEEL, Player, bend, cc, off, on, press, zone
from recorder import Recorder, cents_off, some_presets, with_brightness

from timbre.errors import ConfigError
from timbre.playback.engine.engine import Engine
from timbre.playback.inputs._osc_addresses import Addresses
from timbre.playback.inputs.mapping import Mapping, default_mapping
from timbre.playback.inputs.midi import MidiInput
from timbre.space import Space
from timbre.synth.axis_curve import AxisCurve, NoteAxes
from timbre.synth.score import parse_midi, perform
from timbre.synth.shaping import NoteControl, usual_note_controls


@pytest.fixture(scope="module")
def named(tiny_space: Space) -> Space:
    return with_brightness(tiny_space)


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


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (5, "values by their targets, got 5"),
        ({1.5: 1.0}, "got 1.5"),
        ({True: 1.0}, "got True"),
        ({None: 1.0}, "got None"),
        ({-1: 1.0}, "got -1"),
        ({"gain": 25.0}, "gain of a note must be a number from -100 to 24, got 25"),
        ({"bend": None}, "got None"),
        ({"towards:still": 2.5}, "from -2 to 2, got 2.5"),
    ],
)
def test_wrong_values_are_refused(named: Space, values: object, words: str):
    recorder = Recorder(named, some_presets(named))
    for call in (lambda: recorder.express("a", values), lambda: recorder.note_on(60, 0.5, "a", values)):  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=words):
            call()
    assert not recorder.events


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


def test_points_that_are_not_known_yet_are_estimated_and_come_later(named: Space):
    found = list[int]()
    later, now = NoteAxes(named, lambda: found.append(1)), NoteAxes(named)
    point = named.atlas.points[0]
    usual = named.axis_controls.directions[[axis.name for axis in named.axes].index("brightness")]
    np.testing.assert_allclose(later.offset("brightness", point, 60.0, -0.5), -0.5 * usual, rtol=1e-6)
    for _ in range(2000):
        if found:
            break
        time.sleep(0.005)
    steps = np.array([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(
        later.offset("brightness", point, 60.0, -0.5), now.offset("brightness", point, 60.0, -0.5)
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
