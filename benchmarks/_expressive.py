"""Eight notes of an MPE zone, each gliding and changing its timbre by itself: tuning, faults, and what it costs."""

import time
from collections.abc import Callable, Iterator

import mido
import numpy as np
from _heard import clicks
from _page_client import played_by_page
from _table import Row

import timbre
from timbre.audio.pitch import measure_pitch
from timbre.playback.controls import Controls
from timbre.playback.engine.engine import Engine
from timbre.playback.inputs.midi import MidiInput
from timbre.space import Space

NOTES = 8
_PITCHES, _VELOCITY = (45, 50, 55, 59, 62, 66, 69, 74), 100  # MIDI
_RANGE = 48.0  # semitones, of members
_EVERY = 0.01  # s between the messages of a note
_WINDOW, _SETTLED = 0.1, 1.0  # s: of a measurement of the pitch, and until the first one
_LATEST = 0.06  # s, by which a bend may be late
_WIDTHS, _RATES = (0.5, 2.0), (0.1, 0.3)  # semitones, and Hz, of glides


class Gestures:
    """The glide, slide and pressure of each finger: sines of its own widths, rates and phases."""

    def __init__(self, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        self._width = generator.uniform(*_WIDTHS, NOTES)
        self._rate, self._phase = generator.uniform(*_RATES, (3, NOTES)), generator.uniform(0, 2 * np.pi, (3, NOTES))

    def bend(self, note: int, now: "float | np.ndarray") -> np.ndarray:
        """The bend of a note at some times (s), semitones."""
        return self._width[note] * self._wave(0, note, now)

    def messages(self, now: float) -> Iterator[mido.Message]:
        """What all fingers do at a time."""
        for note in range(NOTES):
            position = round(8192 * float(self.bend(note, now)) / _RANGE)
            yield mido.Message("pitchwheel", channel=note + 1, pitch=position)
            slide = round(64 + 60 * float(self._wave(1, note, now)))
            yield mido.Message("control_change", channel=note + 1, control=74, value=slide)
            yield mido.Message("aftertouch", channel=note + 1, value=round(60 + 60 * float(self._wave(2, note, now))))

    def _wave(self, which: int, note: int, now: "float | np.ndarray") -> np.ndarray:
        return np.sin(2 * np.pi * self._rate[which, note] * np.asarray(now) + self._phase[which, note])


def begin(controls: Controls, gestures: Gestures) -> MidiInput:
    """Start the notes in a zone; the input that shapes them."""
    midi = MidiInput(controls, members=15)
    controls.hold(0.5)
    for message in gestures.messages(0.0):
        midi.handle(message)
    for number, pitch in enumerate(_PITCHES):
        midi.handle(mido.Message("note_on", channel=number + 1, note=pitch, velocity=_VELOCITY))
    return midi


def in_real_time(midi: MidiInput, seconds: float, wait: Callable[[float], float]) -> list[float]:
    """Shape the notes of an input for a time; the load meanwhile."""
    gestures, loads, begun = Gestures(), list[float](), time.monotonic()
    while (now := time.monotonic() - begun) < seconds:
        for message in gestures.messages(now):
            midi.handle(message)
        loads.append(wait(_EVERY))
    return loads


def rendered(space: Space, seconds: float, heard: int | None = None) -> tuple[np.ndarray, Engine]:
    """The notes without a device; all, or one while the others have no volume."""
    gestures, engine = Gestures(), Engine(space, voices=NOTES)
    midi, blocks = begin(engine, gestures), list[np.ndarray]()
    for note in range(NOTES):
        if heard is not None and note != heard:
            midi.handle(mido.Message("control_change", channel=note + 1, control=7, value=0))
    size = round(_EVERY * engine.sample_rate)
    for block in range(round(seconds / _EVERY)):
        for message in gestures.messages(block * size / engine.sample_rate):
            midi.handle(message)
        blocks.append(engine.render(size))
    assert midi.problems.count == 0, midi.problems.last
    return np.concatenate(blocks), engine


def through_page(space: Space, name: str, seconds: float) -> Row:
    """The notes through `timbre app`: underruns of its page, and the load of its engine."""
    with played_by_page(space, name) as page:
        midi = begin(page, Gestures())
        in_real_time(midi, seconds, lambda every: time.sleep(every) or 0.0)
        return {
            "server": "app", "control": "mpe", "voices": page.last["voices"], "underruns": page.underruns,
            "shed": page.last["shed"], "load": page.last["load"], "rate": page.last["sample_rate"], "seconds": seconds,
        }  # fmt: skip


def tuning(space: Space, seconds: float, measured: int = NOTES) -> Row:
    """Cents between the pitch of some notes and what was asked of them, and clicks of all notes together."""
    sound, engine = rendered(space, seconds)
    rate, errors, late, missed = engine.sample_rate, list[np.ndarray](), list[float](), 0
    for note in range(measured):
        times, pitches = _pitches(rendered(space, seconds, note)[0], rate, note)
        missed += int(np.isnan(pitches).sum())
        times, pitches = times[~np.isnan(pitches)], pitches[~np.isnan(pitches)]
        delays = np.arange(0.0, _LATEST, 0.001)
        off = [100.0 * np.abs(pitches - _PITCHES[note] - Gestures().bend(note, times - delay)) for delay in delays]
        best = int(np.argmin([np.median(one) for one in off]))
        errors.append(off[best])
        late.append(1000.0 * delays[best])
    every = np.concatenate(errors)
    return {
        "server": "none", "control": "mpe, tuning", "voices": NOTES, "cents": float(every.max()),
        "cents_median": float(np.median(every)), "notes": f"{every.size} of {every.size + missed}",
        "latency_ms": float(np.median(late)), "clicks": clicks(sound, rate), "rate": rate, "seconds": seconds,
    }  # fmt: skip


def _pitches(sound: np.ndarray, rate: int, note: int) -> tuple[np.ndarray, np.ndarray]:
    """Middles (s) of windows, and the pitches in them; NaN where none stands out."""
    size, gestures = round(_WINDOW * rate), Gestures()
    starts = np.arange(round(_SETTLED * rate), len(sound) - size, size)
    times = (starts + size / 2) / rate
    near = _PITCHES[note] + gestures.bend(note, times - _LATEST / 2)
    found = [
        measure_pitch(timbre.Audio(sound[start : start + size], rate), float(pitch))
        for start, pitch in zip(starts, near, strict=True)
    ]
    return times, np.array([np.nan if one is None else one for one in found])


def cost(space: Space, seconds: float) -> Iterator[Row]:
    """Share of one processor for notes that are shaped each by itself, and for as many at one moving point."""
    for control in ("mpe, own points", "mpe, one point"):
        gestures, engine = Gestures(), Engine(space, voices=NOTES)
        midi, own = begin(engine, gestures), control == "mpe, own points"
        size, shares = round(_EVERY * engine.sample_rate), list[tuple[float, float]]()
        for block in range(round(2 * seconds / _EVERY)):  # the first half finds the points along the axes
            begun, now = time.process_time(), (block * _EVERY) % seconds
            if own:
                for message in gestures.messages(now):
                    midi.handle(message)
            else:
                engine.bend(float(gestures.bend(0, now)))
                engine.at(engine.point + 0.01 * float(gestures.bend(1, now)))
            between = time.process_time()
            engine.render(size)
            shares.append((time.process_time() - between, between - begun))
        load, messages = np.mean(shares[len(shares) // 2 :], axis=0) / _EVERY
        row: Row = {
            "server": "none",
            "control": control,
            "voices": NOTES,
            "load": float(load),
            "load_messages": float(messages),
        }
        yield row | {"rate": engine.sample_rate, "seconds": seconds}
