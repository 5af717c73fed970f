"""What is measured of a point: over which keys it is in tune, even and free of clicks; and along a path."""

from typing import Any, NamedTuple

import numpy as np

from timbre.audio import Audio
from timbre.audio.loudness import momentary
from timbre.audio.pitch import measure_pitch
from timbre.evaluation.metrics.sounds import crests_db
from timbre.paths import Path
from timbre.paths.uniformity import uniformity
from timbre.space import Space
from timbre.synth.rendering import render

IN_TUNE = 10.0  # cents
CLICK = 12.0  # dB
SPREAD = 7.0  # LU between the loudest and the softest of keys and velocities
DROPOUT = 6.0  # LU below the median of a path
UNEVEN = 0.1  # coefficient of variation of the perceptual steps of a path
NARROWEST = 17.0  # semitones: keys of a preset, an octave and a half
HOLD = 0.5  # s after which a path is frozen, as the page does
VELOCITY, _VELOCITIES = 0.8, (0.4, 1.0)
_KEYS = 7  # over the range of a candidate
_SECONDS = 1.5


class PointMeasures(NamedTuple):
    """Measures of a point, over the keys at which all of them are good, or over all where too few are.

    Attributes:
        pitches: lowest and highest of these keys, MIDI; None without pitch.
        cents: largest error of the pitch; NaN where a key has no clear pitch or there is none.
        spread_lu: loudest minus softest of keys and velocities, LU, without the velocity's gain.
        click_db: largest crest of 50 ms minus the note's median, dB.
        lufs: momentary loudness of the middle key.
        sustain_lu: loudness of its last 0.4 s before the release relative to the loudest.
        fault: what is wrong; "" where nothing is.
    """

    pitches: tuple[float, float] | None
    cents: float
    spread_lu: float
    click_db: float
    lufs: float
    sustain_lu: float
    fault: str


def measured(space: Space, point: np.ndarray, keys: tuple[float, float] | None) -> PointMeasures:
    """Decode a point (dim,) at seven keys from the lowest to the highest, and at two other velocities.

    Without keys it is decoded without pitch. The result is about the most neighbouring keys that are good together.
    """
    pitches = [None] if keys is None else [float(key) for key in np.unique(np.round(np.linspace(*keys, _KEYS)))]
    notes = [_note(space, point, pitch) for pitch in pitches]
    low, high = _longest(notes)
    enough = high >= low and (keys is None or float(pitches[high] or 0) - float(pitches[low] or 0) >= NARROWEST)
    low, high = (low, high) if enough else (0, len(notes) - 1)
    used, middle = notes[low : high + 1], (low + high) // 2
    others = [_note(space, point, pitches[middle], velocity) for velocity in _VELOCITIES]
    figures = {
        "cents": float(np.max([abs(note.cents) for note in used])),
        "spread_lu": float(np.ptp([note.lufs for note in (*used, *others)])),
        "click_db": max(note.click_db for note in (*used, *others)),
    }
    good = enough and figures["spread_lu"] <= SPREAD and figures["click_db"] <= CLICK
    return PointMeasures(
        None if keys is None else (float(pitches[low] or 0), float(pitches[high] or 0)), **figures,
        lufs=notes[middle].lufs, sustain_lu=notes[middle].sustain_lu,
        fault="" if good else _fault(figures, keys is not None),
    )  # fmt: skip


def _longest(notes: list["_Note"]) -> tuple[int, int]:
    """The first and last of the most neighbouring notes that are good together; (0, -1) if there are none."""
    best = 0, -1
    for low in range(len(notes)):
        for high in range(low, len(notes)):
            part = notes[low : high + 1]
            even = np.ptp([note.lufs for note in part]) <= SPREAD
            if even and all(note.good for note in part) and high - low > best[1] - best[0]:
                best = low, high
    return best


def _fault(figures: dict[str, float], pitched: bool) -> str:
    """The worst of the measures, in words."""
    cents = figures["cents"]
    faults = {
        "no clear pitch": pitched and np.isnan(cents),
        f"{cents:.0f} cents out of tune": cents > IN_TUNE,
        f"clicks ({figures['click_db']:.0f} dB)": figures["click_db"] > CLICK,
        f"uneven loudness ({figures['spread_lu']:.0f} LU)": True,
    }
    return next(text for text, true in faults.items() if true)


class _Note(NamedTuple):
    """Measures of one decoded note; its loudness is without the velocity's gain."""

    pitched: bool
    cents: float
    lufs: float
    sustain_lu: float
    click_db: float

    @property
    def good(self) -> bool:
        """Whether it is in tune, if it has a pitch, and does not click."""
        return self.click_db <= CLICK and (not self.pitched or abs(self.cents) <= IN_TUNE)


def _note(space: Space, point: np.ndarray, pitch: float | None, velocity: float = VELOCITY) -> _Note:
    sound = space.decode(point, pitch, velocity, _SECONDS)
    levels = momentary(sound.samples[0], sound.sample_rate)
    last = levels[max(0, len(levels) - 3)]  # the last two contain the release
    return _Note(
        pitch is not None, cents_off(sound, pitch), float(levels.max() - 40.0 * np.log10(velocity / VELOCITY)),
        float(last - levels.max()), stands_out_db(sound),
    )  # fmt: skip


def cents_off(sound: Audio, pitch: float | None) -> float:
    """Measured minus requested pitch (MIDI), cents; NaN if there is none, or no clear pitch within 60 cents."""
    found = None if pitch is None else measure_pitch(sound, pitch)
    return float("nan") if found is None or pitch is None else 100.0 * (found - pitch)


def stands_out_db(sound: Audio) -> float:
    """Highest crest of any 50 ms after the attack minus the median one, dB."""
    crests = crests_db(sound.samples[0], sound.sample_rate)
    return float(crests.max() - np.median(crests)) if crests.size else 0.0


def measured_path(space: Space, path: Path, seconds: float, pitch: float | None) -> dict[str, Any]:
    """Measures of a path that is played once: `cents`, `click_db`, `dropout_lu` (softest moment below the median),
    `spread_lu`, `unevenness` and its `fault`."""
    sound = render(space, path, pitch, VELOCITY, seconds, hold=HOLD)
    levels = momentary(sound.samples[0], sound.sample_rate)
    levels = levels[2:-2] if len(levels) > 6 else levels  # without the attack and the release
    steps = uniformity(space.listening(pitch), path, 16)
    row = {
        "cents": abs(cents_off(sound, pitch)),
        "spread_lu": float(np.ptp(levels)),
        "click_db": stands_out_db(sound),
        "dropout_lu": float(np.median(levels) - levels.min()),
        "unevenness": steps.unevenness,
    }
    faults = {
        f"clicks ({row['click_db']:.0f} dB)": row["click_db"] > CLICK,
        f"a dropout of {row['dropout_lu']:.0f} LU": row["dropout_lu"] > DROPOUT,
        f"uneven ({row['unevenness']:.2f})": row["unevenness"] > UNEVEN,
        f"{row['cents']:.0f} cents out of tune": row["cents"] > IN_TUNE,
    }
    return row | {"fault": next((text for text, true in faults.items() if true), "")}
