"""Presets of the space `orchestra`: instruments, mixtures of two, moves along named axes, and paths.

The point of an instrument is that of its *middle note*: the training note within an octave of the preset's pitch that
is nearest to the mean of those notes. So each point belongs to a real note and is not an average of ways of playing.
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
CLICK = 12.0  # dB: largest crest of 50 ms minus the median of the note
EVEN = 12.0  # dB from the median of all presets: struck bars and strings ring for less than 0.4 s
APART = 1.0  # mean distance of the beginnings of two presets' spectrograms, in multiples of the decoder's error
BEGINNING = 0.5  # s: short struck sounds differ only there
PITCHES = (-7, 0, 7)  # semitones from the preset's pitch, at which it is measured
SECONDS, VELOCITY = 2.0, 0.8


@dataclass(frozen=True)
class Candidate:
    """A candidate for a preset: the mean of instruments, moved along named axes."""

    name: str
    of: tuple[str, ...]
    pitch: int
    """MIDI, in the middle of the playing range."""
    moves: tuple[tuple[str, float], ...] = ()


CANDIDATES = (
    Candidate("Flute", ("flute",), 74), Candidate("Oboe", ("oboe",), 72), Candidate("Clarinet", ("clarinet",), 65),
    Candidate("Alto sax", ("alto_sax",), 62), Candidate("Trumpet", ("trumpet",), 67),
    Candidate("French horns", ("french_horn_section",), 57), Candidate("Violin", ("violin",), 72),
    Candidate("Cello", ("cello",), 52), Candidate("Strings", ("string_section",), 62),
    Candidate("Choir", ("choir_ahh",), 62), Candidate("Organ", ("organ",), 60),
    Candidate("Harp", ("harp",), 62), Candidate("Guitar", ("guitar_nylon",), 57), Candidate("Koto", ("koto",), 67),
    Candidate("Vibraphone", ("vibraphone",), 67), Candidate("Marimba", ("marimba",), 62),
    Candidate("Music box", ("music_box",), 74), Candidate("Piano", ("piano",), 60),
    Candidate("Flute-violin", ("flute", "violin"), 72), Candidate("Oboe-trumpet", ("oboe", "trumpet"), 69),
    Candidate("Cello-sax", ("cello", "tenor_sax"), 55), Candidate("Choir-strings", ("choir_ahh", "string_section"), 62),
    Candidate("Harp-vibraphone", ("harp", "vibraphone"), 65),
    Candidate("Dark trumpet", ("trumpet",), 67, (("brightness", -1.0),)),
    Candidate("Bright strings", ("string_section",), 62, (("brightness", 1.0),)),
    Candidate("Breathy flute", ("flute",), 74, (("noisiness", 1.0),)),
    Candidate("Swelling horns", ("french_horn_section",), 57, (("attack", 1.0),)),
    Candidate("Hollow strings", ("string_section",), 62, (("odd_even", 1.0),)),
)  # fmt: skip

PATHS = (  # name, points, kind, seconds, loop
    ("Woodwind round", ("Flute", "Oboe", "Clarinet", "Alto sax", "Flute"), "line", 12.0, True),
    ("Strings breathe", ("Strings", "Choir", "Strings"), "line", 8.0, True),
    ("Trumpet opens", ("Dark trumpet", "Trumpet", "Dark trumpet"), "line", 6.0, True),
    ("Bow to brass", ("Violin", "Oboe-trumpet", "Trumpet"), "line", 6.0, False),
)


def make(space: Space, error_db: float) -> tuple[Presets, list[dict[str, Any]]]:
    """The presets that are good enough to play, and measurements of every candidate (`fault` says what is wrong).

    Points are in tune at three pitches, do not click, are about as loud as the others, and differ from each earlier one
    by more than the decoder's own error; paths go through points that are kept.

    Args:
        space: with the instruments of :data:`CANDIDATES`.
        error_db: mean absolute error, dB, of decoded held-out notes.
    """
    instruments = set(space.atlas.instruments)
    rows = [_measure(space, candidate) for candidate in CANDIDATES if set(candidate.of) <= instruments]
    _judge(rows, error_db)
    points = {row["name"]: row.pop("point") for row in rows if not row["fault"]}
    level = {row["name"]: row["loudness_db"] for row in rows}
    kept = [Preset(name, space.path(point)) for name, point in points.items()]
    for name, through, kind, seconds, loop in PATHS:
        if set(through) <= set(points):
            preset = Preset(name, space.path(*(points[one] for one in through), kind=kind), seconds, loop)
            rows.append(_measure_path(space, preset, through, [level[one] for one in through]))
            kept += [preset] if not rows[-1]["fault"] else []
    for row in rows:
        row.pop("point", None)
        row.pop("spectrogram", None)
    return Presets(kept), rows


def middle_note(space: Space, instrument: str, pitch: float) -> str:
    """Name of the training note of an instrument nearest to the mean of those within an octave of a pitch."""
    atlas = space.atlas
    own = np.array(atlas.instruments) == instrument
    near = own & (np.array(atlas.splits) == "train") & (np.abs(atlas.pitches - pitch) <= 12.0)
    indices = np.flatnonzero(near if near.any() else own)
    away = np.linalg.norm(atlas.points[indices] - atlas.points[indices].mean(0), axis=1)
    return atlas.names[int(indices[np.argmin(away)])]


def _measure(space: Space, candidate: Candidate) -> dict[str, Any]:
    axes = {axis.name for axis in space.axes}
    notes = [middle_note(space, instrument, candidate.pitch) for instrument in candidate.of]
    moves = {axis: step for axis, step in candidate.moves if axis in axes}
    point = space.move(np.mean([space.atlas[note] for note in notes], 0), **moves)
    sounds = [space.decode(point, candidate.pitch + step, VELOCITY, SECONDS) for step in PITCHES]
    beginning = round(BEGINNING * space.config.spectrogram.frame_rate)
    return {
        "name": candidate.name,
        "where": " and ".join(notes) + "".join(f", {axis} {step:+g}" for axis, step in moves.items()),
        "pitch": note_name(candidate.pitch),
        "cents": [cents_off(sound, candidate.pitch + step) for sound, step in zip(sounds, PITCHES, strict=True)],
        "click_db": max(stands_out_db(sound) for sound in sounds),
        "loudness_db": measure(sounds[1]).loudness_db,
        "point": point,
        "spectrogram": space.spectrum(point[None], candidate.pitch, VELOCITY, SECONDS)[:, :beginning],
        "fault": "" if len(moves) == len(candidate.moves) else "the space has no such axis",
    }


def _judge(rows: list[dict[str, Any]], error_db: float) -> None:
    """Write the faults of each row."""
    median = float(np.median([row["loudness_db"] for row in rows])) if rows else 0.0
    kept: list[dict[str, Any]] = []
    for row in rows:
        cents, relative = row["cents"], row["loudness_db"] - median
        similar = [one["name"] for one in kept if _distance_db(row, one) < APART * error_db]
        row["fault"] = _listed({
            row["fault"]: bool(row["fault"]),
            f"out of tune ({', '.join(map(_shown, cents))} cents)": any(c is None or abs(c) > IN_TUNE for c in cents),
            f"clicks ({row['click_db']:.1f} dB)": row["click_db"] > CLICK,
            f"{relative:+.1f} dB relative to the others": abs(relative) > EVEN,
            f"too similar to {', '.join(similar)}": bool(similar),
        })  # fmt: skip
        kept += [row] if not row["fault"] else []


def _measure_path(space: Space, preset: Preset, through: tuple[str, ...], levels: list[float]) -> dict[str, Any]:
    sound = timbre.render(space, preset.path, pitch=62, velocity=VELOCITY, duration=preset.duration)
    excess, level = stands_out_db(sound), measure(sound).loudness_db
    beyond = max(level - max(levels), min(levels) - level)
    route = f"{' to '.join(through)}, {preset.path.kind}, {preset.duration:g} s"
    return {
        "name": preset.name,
        "where": route + (", looped" if preset.loop else ""),
        "pitch": note_name(62),
        "cents": [],
        "click_db": excess,
        "loudness_db": level,
        "fault": _listed({
            f"clicks ({excess:.1f} dB)": excess > CLICK,
            f"{beyond:.1f} dB beyond its points": beyond > EVEN,
        }),
    }  # fmt: skip


def _listed(faults: dict[str, bool]) -> str:
    return "; ".join(text for text, there in faults.items() if there)


def cents_off(sound: Audio, pitch: float) -> float | None:
    """Measured minus requested pitch, cents; None if there is no clear pitch within 60 cents."""
    measured = measure_pitch(sound, pitch)
    return None if measured is None else 100.0 * (measured - pitch)


def stands_out_db(sound: Audio) -> float:
    """Highest crest of any 50 ms after the attack minus the median one, dB."""
    crests = crests_db(sound.samples[0], sound.sample_rate)
    return float(crests.max() - np.median(crests)) if crests.size else 0.0


def _distance_db(one: dict[str, Any], other: dict[str, Any]) -> float:
    return float((one["spectrogram"] - other["spectrogram"]).abs().mean())


def _shown(value: float | None) -> str:
    return "no pitch" if value is None else f"{value:+.1f}"
