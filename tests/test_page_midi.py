"""MIDI in the page: its interpreter does what that of Python does, and a controller plays the page."""

# ruff: noqa: F811  (fixtures that are imported)
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mido import Message
from mpe import WHEEL, bend, cc, off, on, parameter, press, zone
from recorder import some_presets, with_brightness
from test_app_browser import (  # noqa: F401
    RATE,
    address,
    browser,
    cents_off,
    folder,
    heard,
    page,
    pytestmark,
    until,
)

from timbre.playback.inputs.mapping import Control, Mapping, default_mapping, read_mapping, write_mapping
from timbre.playback.inputs.midi import MidiInput
from timbre.space import Space
from timbre.synth.shaping import NoteControl

NOTES = [
    NoteControl("slide", "brightness", -2.0, 2.0, style="relative"),
    NoteControl("pressure", "gain", 0.0, 6.0, 2.0),
    NoteControl("release", 1, -1.0, 3.0, style="relative"),
    NoteControl("velocity", "towards:still", 0.0, 1.0),
    NoteControl("bend", "towards:still", -3.0 / 2, 3.0 / 2, style="relative"),
    NoteControl(3, 2, 0.0, 1.0),
]
CONTROLS = [Control(1, "brightness", -2.0, 2.0), Control(70, 1, -1.0, 2.0, 2.0), Control(7, "gain", -100.0, 0.0)]
MAPPINGS = {
    "all sources": Mapping(CONTROLS, NOTES),
    "pitch bend": Mapping([*CONTROLS, Control(11, 2, 0.0, 1.0), Control(3, "bend_range", 0.0, 12.0)], NOTES[:2]),
    "nothing": Mapping(),
}


class Calls:
    """Controls that keep what they are asked for."""

    def __init__(self, space: Space) -> None:
        self.space, self.presets, self.made = space, some_presets(space), list[Any]()

    def note_on(self, pitch: float, velocity: float, key: str, values: dict[Any, float]) -> None:
        self.made.append(["note_on", key, pitch, velocity, values])

    def __getattr__(self, name: str) -> Any:
        return lambda *values: self.made.append([name, *values])


def plain(value: Any) -> Any:
    """A value as JSON has it, with rounded numbers."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return round(float(value), 9) if isinstance(value, int | float) and not isinstance(value, bool) else value


def stream(seed: int, count: int) -> list[Message]:
    """Random messages on few channels and keys, so that they concern each other; zones come and go."""
    draw = random.Random(seed)
    channels = [1, 2, 3, 9, 15, 16]
    makers = [
        *[lambda c: on(c, draw.choice((0, 40, 60, 61)), draw.randrange(128))] * 6,
        *[lambda c: off(c, draw.choice((0, 40, 60, 61)), draw.randrange(128))] * 4,
        *[lambda c: bend(c, draw.choice((-8192, 0, WHEEL, draw.randint(-8192, WHEEL))))] * 3,
        *[lambda c: press(c, draw.randrange(128))] * 2,
        lambda c: Message("polytouch", note=draw.choice((40, 60)), value=draw.randrange(128), channel=c - 1),
        *[lambda c: cc(draw.choice((1, 3, 7, 11, 64, 70, 74)), draw.randrange(128), c)] * 5,
        lambda c: cc(draw.choice((6, 38, 98, 99, 100, 101, 120, 121, 123, 124, 127)), draw.randrange(128), c),
        lambda c: Message("program_change", program=draw.randrange(128), channel=c - 1),
    ]
    messages: list[Message] = []
    while len(messages) < count:
        if draw.random() < 0.02:
            messages += zone(draw.choice((1, 16, 4)), draw.choice((0, 0, 2, 7, 15)))
        elif draw.random() < 0.02:
            messages += parameter(draw.choice(channels), 0, draw.choice((0, 12, 48, 96, 97)))
        else:
            messages.append(draw.choice(makers)(draw.choice(channels)))
    return messages


RUN = """async ({ messages, mapping, members }) => {
  const { MidiInput } = await import("/static/midi.js"), made = [];
  const names = { noteOn: "note_on", noteOff: "note_off" };
  const plain = (value) => value instanceof Map ? Object.fromEntries(value) : value;
  const kept = (name) => (...values) => made.push([names[name] || name, ...values.map(plain)]);
  const controls = new Proxy({}, { get: (_, name) => kept(name) });
  const input = new MidiInput({ axes: [], ranges: [] }, controls, mapping, { members });
  for (const message of messages) input.handle(message);
  const states = input.channels.map(({ parameter, range, bend, pressure, pedal, values }) =>
    [parameter, range, bend, pressure, pedal, Object.fromEntries(values)]);
  const [down, sustained] = [input.down, input.sustained].map((part) => part.map((notes) => [...notes.keys()]));
  return [made, input.zones.managers, states, down, sustained];
}"""


@pytest.mark.parametrize("members", [0, 15])
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_interpreters_agree(page: Any, tiny_space: Space, mapping: str, members: int):
    chosen, messages = MAPPINGS[mapping], stream(len(mapping) + members, 4000)
    calls = Calls(with_brightness(tiny_space))
    own = MidiInput(calls, mapping=chosen, members=members)  # type: ignore[arg-type]
    for message in messages:
        own.handle(message)
    states = [[one.parameter, one.bend_range, one.bend, one.pressure, one.pedal, one.values] for one in own._channels]
    notes = [[list(keys) for keys in part] for part in (own._down, own._sustained)]
    zones = [own.zones.manager(number) for number in range(16)]
    values = {
        "controls": [asdict(one) for one in chosen.controls.values()],
        "notes": [asdict(one) for one in chosen.notes],
    }
    asked = {"messages": [message.bytes() for message in messages], "mapping": values, "members": members}
    made, *rest = page.evaluate(RUN, asked)
    assert len(calls.made) > 2000
    assert plain(made) == plain(calls.made)
    assert plain(rest) == plain([zones, states, *notes])


FAKE = """(names) => {
  const inputs = new Map(), access = { inputs };
  window.plug = (name) => (inputs.set(name, { name, state: "connected" }), access.onstatechange?.());
  window.unplug = (name) => (inputs.delete(name), access.onstatechange?.());
  window.midi = (messages, name = "Fingers") => messages.forEach((data) => inputs.get(name).onmidimessage({ data }));
  navigator.requestMIDIAccess = async () => access;
  names.forEach(window.plug);
}"""


def send(page: Any, *messages: Message) -> None:
    page.evaluate("(messages) => midi(messages)", [message.bytes() for message in messages])


def sounding(page: Any, count: int) -> None:
    until(page, f"document.getElementById('state').innerText.startsWith('{count} of')")


@pytest.fixture
def played(page: Any) -> Any:
    """The page, with an input that sends what a test says."""
    page.evaluate("document.getElementById('midi-connect').closest('details').open = true")
    page.evaluate(FAKE, ["Midi Through", "Fingers"])
    page.click("#midi-connect")
    until(page, "document.getElementById('midi-state').textContent == 'Playing by Fingers.'")
    return page


def test_each_finger_bends_its_own_note_and_the_recording_has_it(played: Any, tmp_path: Path):
    played.click("#record")
    send(played, *zone(1, 15), on(2, 57), bend(2, 2048))  # a quarter of 48 semitones
    until(played, "timbre.sound.ring.played > 11025")
    assert cents_off(heard(played), 69) == pytest.approx(0, abs=5)
    send(played, on(3, 45), bend(3, -683), off(2, 57))  # 4 semitones down
    sounding(played, 1)
    assert cents_off(heard(played), 41) == pytest.approx(0, abs=5)
    send(played, cc(64, 127, 1), off(3, 45))
    assert played.evaluate("timbre.midi.input.sustained[2].size") == 1
    with played.expect_download() as saved:
        played.click("#record")
    saved.value.save_as(tmp_path / "recorded.wav")
    samples, rate = soundfile.read(tmp_path / "recorded.wav", dtype="float32")
    assert rate == RATE
    assert cents_off(samples[-RATE:], 41) == pytest.approx(0, abs=5)
    send(played, cc(120, 0, 1))
    sounding(played, 0)


def test_an_input_that_is_unplugged_leaves_no_note_and_comes_back(played: Any):
    assert played.locator("#midi-port option").all_inner_texts() == ["Midi Through", "Fingers"]
    send(played, on(1))
    sounding(played, 1)
    played.evaluate("unplug('Fingers')")
    assert "was unplugged" in played.inner_text("#midi-state")
    sounding(played, 0)
    played.evaluate("plug('Fingers')")
    assert played.inner_text("#midi-state") == "Playing by Fingers."
    send(played, on(1), cc(7, 40, 1))
    sounding(played, 1)
    assert played.evaluate("timbre.sound.decibels") == pytest.approx(40 * np.log10(40 / 127))
    played.keyboard.press("Escape")
    sounding(played, 0)
    assert played.evaluate("timbre.midi.input.down[0].size") == 0


def test_what_moves_is_learned_and_kept(played: Any, browser: Any, address: str):
    moves = """() => [...document.querySelectorAll('#midi-moves .name')].map((one) => one.textContent)"""
    assert played.evaluate(moves)[0].startswith("Slide: ")
    played.select_option("#midi-target", "1")
    played.click("#midi-learn")
    send(played, *zone(1, 15), on(2), press(2, 20), press(2, 127))
    until(played, "document.getElementById('midi-learn').textContent == 'Learn'")
    assert "Pressure: z1 of each note" in played.evaluate(moves)
    assert played.evaluate("timbre.midi.input.values(timbre.midi.input.down[1].get(60)).get(1)") == 2
    played.reload()
    played.wait_for_selector("html[data-ready]")
    assert "Pressure: z1 of each note" in played.evaluate(moves)
    played.evaluate("localStorage.clear()")


def test_a_mapping_is_saved_and_loaded(played: Any, tiny_space: Space, tmp_path: Path):
    with played.expect_download() as saved:
        played.click("#midi-save")
    assert saved.value.suggested_filename == "mapping.toml"
    usual, found = default_mapping(tiny_space), read_mapping(saved.value.path(), tiny_space)
    assert (found.controls, found.notes) == (usual.controls, usual.notes)
    write_mapping(tmp_path / "mine.toml", Mapping([Control(20, 1, -1.0, 2.0)], [NoteControl("release", 2, 0.0, 1.0)]))
    (tmp_path / "wrong.toml").write_text("format = 1\n")
    ask = "(event) => (event.preventDefault(), (window.asked = true))"
    played.evaluate(f"() => void (document.getElementById('midi-file').onclick = {ask})")
    played.focus("#midi-load")
    played.keyboard.press("Enter")
    until(played, "window.asked")
    said = {"mine.toml": "Loaded mine.toml.", "wrong.toml": "wrong.toml: format must be 'timbre-mapping', got 1; "}
    for name, words in said.items():
        played.set_input_files("#midi-file", tmp_path / name)
        until(played, f"document.getElementById('midi-state').textContent.startsWith({words!r})")
        moves = played.locator("#midi-moves .name").all_text_contents()
        assert moves == ["Release: z2 of each note", "Controller 20: z1"]
    played.evaluate("localStorage.clear()")


def test_a_browser_that_refuses_or_has_no_midi_says_so(page: Any):
    page.evaluate("document.getElementById('midi-connect').closest('details').open = true")
    for access, words in (("async () => { throw new Error('no'); }", "refused MIDI"), ("undefined", "has no Web MIDI")):
        page.evaluate(f"() => void (navigator.requestMIDIAccess = {access})")
        page.click("#midi-connect")
        until(page, f"document.getElementById('midi-state').textContent.includes({words!r})")
