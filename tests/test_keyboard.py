"""The computer's keyboard as an instrument, and reading keys from a real terminal."""

import itertools
import os
import pty
import termios
from typing import Any

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timbre.paths import Path
from timbre.playback import Engine
from timbre.playback.controls import Controls, State
from timbre.playback.inputs.keyboard import SEMITONES, TAP, Keyboard
from timbre.playback.inputs.keys import Key, KeyReader, parse
from timbre.playback.inputs.midi import MidiInput
from timbre.playback.view import bar, pointer, view
from timbre.shapes.presets import Preset, Presets
from timbre.space import Space

SENT = {
    "z": Key("z"), "Z": Key("z"), ",": Key(","), "\t": Key("tab"), "\x03": Key("ctrl+c"), "é": Key("é"),
    "\x1b[A": Key("up"), "\x1bOB": Key("down"), "\x1b[C": Key("right"), "\x1b[1;2D": Key("shift+left"),
    "\x1b[5~": Key("pageup"), "\x1b[6~": Key("pagedown"), "\x1bOP": Key("f1"), "\x1b[15~": Key("f5"),
    "\x1b[24~": Key("f12"), "\x1b[[B": Key("f2"),
    "\x1b[122u": Key("z", 1), "\x1b[122;1:2u": Key("z", 2), "\x1b[122;1:3u": Key("z", 3),
    "\x1b[121::122;1:1u": Key("z", 1), "\x1b[90;2u": Key("z", 1), "\x1b[27u": Key("escape", 1),
    "\x1b[9;1:1u": Key("tab", 1), "\x1b[99;5u": Key("ctrl+c", 1), "\x1b[99;69u": Key("ctrl+c", 1),
    "\x1b[1;1:3A": Key("up", 3), "\x1b[1;2:2C": Key("shift+right", 2), "\x1b[13;1:1~": Key("f3", 1),
    "\x1bz": None, "\x1b[122;3u": None, "\x1b[122;5u": None, "\x1b[?15u": None, "\x1b[57441;2u": None,
    "\x1b[<0;3;4M": None, "\x1b[Z": None, "\x1b[200~": None,
}  # fmt: skip


@pytest.mark.parametrize("text", SENT, ids=repr)
def test_what_a_terminal_sends_is_a_key(text: str) -> None:
    assert parse(text) == ([SENT[text]] if SENT[text] else [], "")


@given(texts=st.lists(st.sampled_from(list(SENT)), max_size=12), cuts=st.lists(st.integers(0, 80), max_size=4))
def test_keys_do_not_depend_on_how_they_are_cut(texts: list[str], cuts: list[int]) -> None:
    whole, rest, keys = "".join(texts), "", []
    for a, b in itertools.pairwise([0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]):
        found, rest = parse(rest + whole[a:b])
        keys += found
    assert keys == [SENT[text] for text in texts if SENT[text]]
    assert rest == ""


@given(text=st.text(st.one_of(st.characters(), st.sampled_from("\x1b[O;:?~0123456789uAZ"))))
def test_no_text_upsets_the_reading(text: str) -> None:
    keys, rest = parse(text)
    assert text.endswith(rest)
    assert not rest or rest[0] == "\x1b"
    assert len(keys) <= len(text)


class Heard(Controls):
    """Controls that remember what they were asked for."""

    def __init__(self, space: Space, presets: Presets | None = None) -> None:
        super().__init__(space, presets)
        self.events: list[tuple[str, dict[str, Any]]] = []

    def _send(self, name: str, **values: Any) -> None:
        self.events.append((name, values))

    def state(self) -> State:
        return Engine(self.space, point=self.point).state()

    def struck(self) -> list[float]:
        return [values["pitch"] for name, values in self.events if name == "note_on"]

    def sounding(self) -> set[Any]:
        held = set()
        for name, values in self.events:
            if name == "note_on":
                held.add(values["key"])
            elif name == "note_off":
                held.discard(values["key"])
            elif name == "panic":
                held.clear()
        return held


def hold(keyboard: Keyboard, name: str, begin: float, end: float, delay: float = 0.5, every: float = 0.033) -> None:
    """A key that stays down, as a terminal reports it, with the ticks in between."""
    due = [begin, *np.arange(begin + delay, end, every)]
    for now in np.arange(begin, end, 0.01):
        while due and due[0] <= now:
            keyboard.press(Key(name), due.pop(0))
        keyboard.tick(now)


def wait(keyboard: Keyboard, begin: float, end: float) -> None:
    for now in np.arange(begin, end, 0.01):
        keyboard.tick(now)


def test_two_rows_are_a_piano(tiny_space: Space) -> None:
    heard = Heard(tiny_space)
    keyboard = Keyboard(heard)
    for name in "zsxdcvgbhnjmq2w3er5t6y7ui":
        keyboard.press(Key(name), 0.0)
    assert heard.struck() == [*range(60, 72), *range(72, 85)]
    keyboard.press(Key("="), 1.0)
    keyboard.press(Key("z"), 1.0)
    assert heard.struck()[-1] == 72
    assert SEMITONES[","] == SEMITONES["q"] == 12


def test_a_tap_sounds_for_a_while(tiny_space: Space) -> None:
    heard = Heard(tiny_space)
    keyboard = Keyboard(heard)
    keyboard.press(Key("z"), 10.0)
    keyboard.tick(10.0 + TAP - 0.01)
    assert heard.sounding() == {"key z"}
    keyboard.tick(10.0 + TAP + 0.01)
    assert heard.sounding() == set()


@pytest.mark.parametrize("delay", [0.2, 0.375, 0.5, 0.66, 1.0])
def test_a_key_that_stays_down_strikes_once(tiny_space: Space, delay: float) -> None:
    heard = Heard(tiny_space)
    keyboard = Keyboard(heard)
    hold(keyboard, "z", 0.0, 3.0, delay)
    assert len(heard.struck()) == 2  # nothing is known of the delay yet
    assert heard.sounding() == {"key z"}
    wait(keyboard, 3.0, 3.5 + delay)
    assert heard.sounding() == set()
    for begin, name in ((10.0, "x"), (20.0, "z")):
        before = len(heard.struck())
        hold(keyboard, name, begin, begin + 3.0, delay)
        assert len(heard.struck()) == before + 1
        assert heard.sounding() == {f"key {name}"}
        wait(keyboard, begin + 3.0, begin + 4.5)
        assert heard.sounding() == set()


def test_a_finger_may_be_as_fast_as_it_likes(tiny_space: Space) -> None:
    heard = Heard(tiny_space)
    keyboard = Keyboard(heard)
    for number in range(10):
        keyboard.press(Key("z"), 0.15 * number)
    assert len(heard.struck()) == 10
    hold(keyboard, "x", 5.0, 7.0)
    for number in range(4):  # as slow as the keyboard's own first repeat: they come a tenth of a second late
        keyboard.press(Key("c"), 10.0 + 0.5 * number)
        wait(keyboard, 10.0 + 0.5 * number, 10.45 + 0.5 * number)
    assert heard.struck()[-4:] == [64.0] * 4


def test_latch_holds_until_the_key_comes_again(tiny_space: Space) -> None:
    heard = Heard(tiny_space)
    keyboard = Keyboard(heard)
    keyboard.press(Key("tab"), 0.0)
    for number, held in enumerate([{"key z"}, set(), {"key z"}]):
        keyboard.press(Key("z"), 1.5 * number)
        wait(keyboard, 1.5 * number, 1.5 * number + 1.4)
        assert heard.sounding() == held
    for begin in (20.0, 30.0):
        hold(keyboard, "c", begin, begin + 2.0)
        wait(keyboard, begin + 2.0, begin + 5.0)
        assert ("key c" in heard.sounding()) == (begin == 20.0)
    keyboard.press(Key("tab"), 50.0)
    assert heard.sounding() == set()


def test_where_key_up_is_told_notes_last_as_long_as_their_keys(tiny_space: Space) -> None:
    heard = Heard(tiny_space)
    keyboard = Keyboard(heard)
    for name in "zcb":
        keyboard.press(Key(name, 1), 0.0)
    for now in np.arange(0.5, 5.0, 0.03):
        keyboard.press(Key("b", 2), now)
        keyboard.tick(now)
    assert heard.sounding() == {"key z", "key c", "key b"}
    assert len(heard.struck()) == 3
    keyboard.press(Key("="), 5.0)
    keyboard.press(Key("c", 3), 5.0)  # the note that it began, whatever the octave is now
    assert heard.sounding() == {"key z", "key b"}
    keyboard.press(Key(" ", 1), 6.0)
    assert heard.sounding() == set()
    keyboard.press(Key("z", 3), 7.0)
    assert heard.events[-1][0] == "panic"


keys = st.builds(
    Key,
    st.sampled_from([*SEMITONES, "-", "=", "up", "down", "left", "shift+right", "pageup", "pagedown", " ", "tab", "p",
                     "a", "[", "]", "f1", "f12", "x", "unknown"]),
    st.integers(0, 3),
)  # fmt: skip


@given(pressed=st.lists(st.tuples(keys, st.floats(0, 1)), max_size=30))
def test_no_keys_upset_it_and_no_note_is_left_hanging(tiny_space: Space, pressed: list[tuple[Key, float]]) -> None:
    heard = Heard(tiny_space)
    heard.state = lambda: type("At", (), {"point": heard.point})()  # type: ignore[method-assign, assignment]
    keyboard, now = Keyboard(heard), 0.0
    for key, pause in pressed:
        now += pause
        assert keyboard.press(key, now)
        keyboard.tick(now)
    if keyboard.latch:
        keyboard.press(Key("tab"), now)
    for name in SEMITONES:
        keyboard.press(Key(name, 3), now)
    for later in (1.0, 3.0):
        keyboard.tick(now + later)
    assert heard.sounding() == set()
    assert all(12 <= pitch <= 127 for pitch in heard.struck())


def test_octave_and_velocity_have_ends(tiny_space: Space) -> None:
    heard = Heard(tiny_space)
    keyboard = Keyboard(heard)
    for _ in range(20):
        keyboard.press(Key("-"), 0.0)
        keyboard.press(Key("pagedown"), 0.0)
    keyboard.press(Key("z"), 0.0)
    assert heard.events[-1][1] == {"key": "key z", "pitch": 12.0, "velocity": 0.1}
    for _ in range(20):
        keyboard.press(Key("="), 0.0)
        keyboard.press(Key("pageup"), 0.0)
    keyboard.press(Key("x"), 0.0)
    assert heard.events[-1][1] == {"key": "key x", "pitch": 110.0, "velocity": 1.0}
    keyboard.press(Key("0"), 0.0)
    assert "127" in keyboard.message


def test_arrows_move_along_an_axis_from_where_the_sound_is(tiny_space: Space) -> None:
    engine = Engine(tiny_space)
    keyboard, start = Keyboard(engine), engine.point.copy()
    keyboard.press(Key("down"), 0.0)
    for _ in range(3):
        keyboard.press(Key("right"), 0.0)
    keyboard.press(Key("shift+left"), 0.0)
    np.testing.assert_allclose(engine.point, start + np.array([0, -0.2, 0]), atol=1e-6)
    keyboard.press(Key("up"), 0.0)
    keyboard.press(Key("up"), 0.0)
    assert keyboard.axis == 2
    engine.path(Path(np.stack([start, start + 4.0]), np.array([0.0, 1.0])), 0.5)
    engine.note_on(60)
    engine.render(22050)
    keyboard.press(Key("left"), 9.0)
    np.testing.assert_allclose(engine.point, start + np.array([4.0, 4.0, 3.9]), atol=1e-3)


def test_presets_are_gone_to_and_kept(tiny_space: Space) -> None:
    points = np.eye(3)
    known = Presets([Preset(f"p{n}", Path(points[n][None], np.zeros(1))) for n in range(3)])
    kept: list[np.ndarray] = []
    heard = Heard(tiny_space, known)
    keyboard = Keyboard(heard, lambda point: kept.append(point) or "point 1")  # type: ignore[func-returns-value]
    for name, number in (("f2", 1), ("]", 2), ("]", 0), ("[", 2), ("f1", 0)):
        keyboard.press(Key(name), 0.0)
        np.testing.assert_array_equal(heard.point, points[number])
        assert keyboard.message == f"p{number}"
    keyboard.press(Key("f9"), 0.0)
    assert "must be below 3" in keyboard.message
    keyboard.press(Key("p"), 0.0)
    assert keyboard.message == "Saved as point 1."
    np.testing.assert_array_equal(kept, [points[0]])
    bare = Keyboard(Heard(tiny_space))
    for name, said in (("f1", "no presets yet"), ("p", "has none"), ("a", "no MIDI")):
        bare.press(Key(name), 0.0)
        assert said in bare.message


def test_a_controller_learns_the_axis_that_is_chosen(tiny_space: Space) -> None:
    engine = Engine(tiny_space)
    midi = MidiInput(engine)
    keyboard = Keyboard(engine, learn=midi.learn)
    keyboard.press(Key("down"), 0.0)
    keyboard.press(Key("a"), 0.0)
    before = engine.point.copy()
    midi.handle(mido.Message("control_change", control=21, value=100))
    midi.handle(mido.Message("control_change", control=21, value=127))
    assert list(np.flatnonzero(engine.point != before)) == [1]


def test_escape_leaves_and_ctrl_c_interrupts(tiny_space: Space) -> None:
    keyboard = Keyboard(Heard(tiny_space))
    assert keyboard.press(Key("z"), 0.0)
    assert not keyboard.press(Key("escape"), 0.0)
    with pytest.raises(KeyboardInterrupt):
        keyboard.press(Key("ctrl+c", 1), 0.0)


@pytest.mark.parametrize(("width", "height"), [(200, 60), (80, 24), (40, 12), (20, 3)])
def test_the_view_fits_the_screen_and_tells(tiny_space: Space, width: int, height: int) -> None:
    from rich.console import Console

    engine = Engine(tiny_space, Presets([Preset("dark", Path(np.zeros((1, 3)), np.zeros(1)))]))
    keyboard = Keyboard(engine)
    for name in ("z", "g", "down"):
        keyboard.press(Key(name), 0.0)
    engine.note_on(None, key="x")
    engine.note_on(60.5, key="y")
    engine.render(4096)
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as written:
        console.print(view(engine.state(), keyboard, "tiny", width, height, ["a note"]), end="")
    lines = written.get().split("\n")
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    if height >= 24:
        for wanted in ("C4", "C4+50", "F#4", "noise", "4 of 8", "F1 dark", "▸ z1", "  z2", "a note", "Esc  quit"):
            assert wanted in text, wanted
        assert f"{engine.state().point[1]:+7.2f}" in text


def test_bars_and_pointers_stay_within() -> None:
    for share in (-9.0, 0.0, 0.5, 1.0, 9.0):
        assert len(bar(share)) == len(pointer(share)) == 24
    assert bar(0.5) == "█" * 12 + "░" * 12
    assert (pointer(-0.1)[0], pointer(0.0)[0], pointer(1.0)[-1], pointer(1.1)[-1]) == ("◀", "●", "●", "▶")


@pytest.fixture
def terminal() -> Any:
    """The two ends of a terminal: the one that is typed at, and the one that a program reads."""
    typed, read = pty.openpty()
    yield typed, read
    for file in (typed, read):
        try:
            os.close(file)
        except OSError:
            continue  # the test did


def test_keys_are_read_from_a_terminal_which_is_mended_afterwards(terminal: tuple[int, int]) -> None:
    typed, read = terminal
    before = termios.tcgetattr(read)
    with KeyReader(read, read) as reader:
        assert os.read(typed, 100) == b"\x1b[>15u"
        assert not termios.tcgetattr(read)[3] & (termios.ICANON | termios.ECHO)
        assert reader.read(0.0) == []
        os.write(typed, "zé".encode()[:2])  # an é that comes in two parts
        assert reader.read(1.0) == [Key("z")]
        os.write(typed, "é".encode()[1:] + b"\x1b[A\x1b[1")
        os.write(typed, b";2C")
        assert reader.read(1.0) == [Key("é"), Key("up"), Key("shift+right")]
        os.write(typed, b"\x1b")
        assert reader.read(1.0) == [Key("escape")]
        os.write(typed, b"\x1b[")  # cut off: not kept for what comes later
        assert reader.read(1.0) == []
        os.write(typed, b"z")
        assert reader.read(1.0) == [Key("z")]
        os.write(typed, b"unread")
    assert termios.tcgetattr(read) == before
    assert os.read(typed, 100) == b"\x1b[<u"


def test_a_terminal_is_mended_after_an_exception_and_may_go_away(terminal: tuple[int, int]) -> None:
    typed, read = terminal
    before = termios.tcgetattr(read)
    with pytest.raises(KeyboardInterrupt), KeyReader(read):
        raise KeyboardInterrupt
    assert termios.tcgetattr(read) == before
    with KeyReader(read, read) as reader:
        os.close(typed)
        assert reader.read(1.0) == [Key("escape")]
