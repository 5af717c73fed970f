"""The presets of the space `orchestra`: places by named notes, halfway places, moves along named axes, and paths.

An instrument's place is that of its *middle note*: of its training notes within an octave of the preset's pitch, the
one nearest to their mean. So each place is one that a real note has, and not an average of ways to play.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.data.measuring import measure
from timbre.data.names import note_name
from timbre.evaluation.metrics.sounds import crests_db
from timbre.shapes.presets import Preset, Presets
from timbre.space import Space

IN_TUNE = 10.0  # cents, at each of three pitches
CLICK = 12.0  # dB by which the crest of 50 ms may stand above that of the note's other ones
EVEN = 12.0  # dB about the median of all presets: bars and strings that are struck ring for less than 0.4 s
APART = 1.0  # mean distance of the beginnings of two presets' spectrograms, in errors of the decoder
BEGINNING = 0.5  # s: what is struck and gone differs in no more
PITCHES = (-7, 0, 7)  # semitones about the preset's pitch at which it is measured
SECONDS, VELOCITY = 2.0, 0.8


@dataclass(frozen=True)
class Place:
    """A candidate: halfway between instruments (or at the only one), moved along named axes."""

    name: str
    of: tuple[str, ...]
    pitch: int
    """MIDI, in the middle of where it is played."""
    moves: tuple[tuple[str, float], ...] = ()


PLACES = (
    Place("Flute", ("flute",), 74), Place("Oboe", ("oboe",), 72), Place("Clarinet", ("clarinet",), 65),
    Place("Alto sax", ("alto_sax",), 62), Place("Trumpet", ("trumpet",), 67),
    Place("French horns", ("french_horn_section",), 57), Place("Violin", ("violin",), 72),
    Place("Cello", ("cello",), 52), Place("Strings", ("string_section",), 62), Place("Choir", ("choir_ahh",), 62),
    Place("Organ", ("organ",), 60),
    Place("Harp", ("harp",), 62), Place("Guitar", ("guitar_nylon",), 57), Place("Koto", ("koto",), 67),
    Place("Vibraphone", ("vibraphone",), 67), Place("Marimba", ("marimba",), 62),
    Place("Music box", ("music_box",), 74), Place("Piano", ("piano",), 60),
    Place("Flute-violin", ("flute", "violin"), 72), Place("Oboe-trumpet", ("oboe", "trumpet"), 69),
    Place("Cello-sax", ("cello", "tenor_sax"), 55), Place("Choir-strings", ("choir_ahh", "string_section"), 62),
    Place("Harp-vibraphone", ("harp", "vibraphone"), 65),
    Place("Dark trumpet", ("trumpet",), 67, (("brightness", -1.0),)),
    Place("Bright strings", ("string_section",), 62, (("brightness", 1.0),)),
    Place("Breathy flute", ("flute",), 74, (("noisiness", 1.0),)),
    Place("Swelling horns", ("french_horn_section",), 57, (("attack", 1.0),)),
    Place("Hollow strings", ("string_section",), 62, (("odd_even", 1.0),)),
)  # fmt: skip

PATHS = (  # name, places, kind, seconds, loop
    ("Woodwind round", ("Flute", "Oboe", "Clarinet", "Alto sax", "Flute"), "line", 12.0, True),
    ("Strings breathe", ("Strings", "Choir", "Strings"), "line", 8.0, True),
    ("Trumpet opens", ("Dark trumpet", "Trumpet", "Dark trumpet"), "line", 6.0, True),
    ("Bow to brass", ("Violin", "Oboe-trumpet", "Trumpet"), "line", 6.0, False),
)


def make(space: Space, error_db: float) -> tuple[Presets, list[dict[str, Any]]]:
    """The presets that are fit to be played, and what was measured of every candidate (`fault` says what is wrong).

    Places are in tune at three pitches, do not click, are about as loud as the others, and differ from each one before
    them by more than the decoder's own error; paths go through places that are kept.

    Args:
        space: with the instruments of :data:`PLACES`.
        error_db: mean absolute error, dB, of decoded held-out notes.
    """
    rows = [_measured(space, place) for place in PLACES if set(place.of) <= set(space.atlas.instruments)]
    _judge(rows, error_db)
    points = {row["name"]: row.pop("point") for row in rows if not row["fault"]}
    level = {row["name"]: row["loudness_db"] for row in rows}
    kept = [Preset(name, space.path(point)) for name, point in points.items()]
    for name, through, kind, seconds, loop in PATHS:
        if set(through) <= set(points):
            way = Preset(name, space.path(*(points[one] for one in through), kind=kind), seconds, loop)
            rows.append(_travelled(space, way, through, [level[one] for one in through]))
            kept += [way] if not rows[-1]["fault"] else []
    for row in rows:
        row.pop("point", None)
        row.pop("picture", None)
    return Presets(kept), rows


def middle_note(space: Space, instrument: str, pitch: float) -> str:
    """Name of the training note that is in the middle of an instrument's, near a pitch."""
    atlas = space.atlas
    own = np.array(atlas.instruments) == instrument
    near = own & (np.array(atlas.splits) == "train") & (np.abs(atlas.pitches - pitch) <= 12.0)
    numbers = np.flatnonzero(near if near.any() else own)
    away = np.linalg.norm(atlas.points[numbers] - atlas.points[numbers].mean(0), axis=1)
    return atlas.names[int(numbers[np.argmin(away)])]


def _measured(space: Space, place: Place) -> dict[str, Any]:
    known = {axis.name for axis in space.axes}
    notes = [middle_note(space, instrument, place.pitch) for instrument in place.of]
    moves = {axis: step for axis, step in place.moves if axis in known}
    point = space.move(np.mean([space.atlas[note] for note in notes], 0), **moves)
    sounds = [space.decode(point, place.pitch + step, VELOCITY, SECONDS) for step in PITCHES]
    beginning = round(BEGINNING * space.config.spectrogram.frame_rate)
    picture = space.spectrum(point[None], place.pitch, VELOCITY, SECONDS, stop=beginning)
    cents = [cents_off(sound, place.pitch + step) for sound, step in zip(sounds, PITCHES, strict=True)]
    return {
        "name": place.name,
        "where": " and ".join(notes) + "".join(f", {axis} {step:+g}" for axis, step in moves.items()),
        "pitch": note_name(place.pitch),
        "cents": cents,
        "click_db": max(stands_out_db(sound) for sound in sounds),
        "loudness_db": measure(sounds[1]).loudness_db,
        "point": point,
        "picture": picture,
        "fault": "" if len(moves) == len(place.moves) else "the space has no such axis",
    }


def _judge(rows: list[dict[str, Any]], error_db: float) -> None:
    """Say of each place what is wrong with it."""
    usual = float(np.median([row["loudness_db"] for row in rows])) if rows else 0.0
    kept: list[dict[str, Any]] = []
    for row in rows:
        same = [one["name"] for one in kept if _distance_db(row, one) < APART * error_db]
        faults = {
            f"out of tune ({', '.join(_shown(value) for value in row['cents'])} cents)": any(
                value is None or abs(value) > IN_TUNE for value in row["cents"]
            ),
            f"clicks ({row['click_db']:.1f} dB)": row["click_db"] > CLICK,
            f"{row['loudness_db'] - usual:+.1f} dB beside the others": abs(row["loudness_db"] - usual) > EVEN,
            f"hardly differs from {', '.join(same)}": bool(same),
        }
        row["fault"] = _named({row["fault"]: bool(row["fault"]), **faults})
        kept += [row] if not row["fault"] else []


def _travelled(space: Space, way: Preset, through: tuple[str, ...], levels: list[float]) -> dict[str, Any]:
    sound = timbre.render(space, way.path, pitch=62, velocity=VELOCITY, duration=way.duration)
    excess, level = stands_out_db(sound), measure(sound).loudness_db
    louder = max(level - max(levels), min(levels) - level)
    return {
        "name": way.name,
        "where": " to ".join(through) + f", {way.path.kind}, {way.duration:g} s" + (", looped" if way.loop else ""),
        "pitch": note_name(62),
        "cents": [],
        "click_db": excess,
        "loudness_db": level,
        "fault": _named({
            f"clicks ({excess:.1f} dB)": excess > CLICK,
            f"{louder:.1f} dB beyond its places": louder > EVEN,
        }),
    }  # fmt: skip


def _named(faults: dict[str, bool]) -> str:
    return "; ".join(text for text, there in faults.items() if there)


def cents_off(sound: Audio, pitch: float) -> float | None:
    """Measured pitch minus the one asked for, cents; None where there is no clear pitch within 60 cents."""
    found = measure_pitch(sound, pitch)
    return None if found is None else 100.0 * (found - pitch)


def stands_out_db(sound: Audio) -> float:
    """How far the highest crest of any 50 ms after the attack stands above the median one, dB."""
    crests = crests_db(sound.samples[0], sound.sample_rate)
    return float(crests.max() - np.median(crests)) if crests.size else 0.0


def _distance_db(one: dict[str, Any], other: dict[str, Any]) -> float:
    return float((one["picture"] - other["picture"]).abs().mean())


def _shown(value: float | None) -> str:
    return "no pitch" if value is None else f"{value:+.1f}"
