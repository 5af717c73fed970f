"""The samples of an instrument: rendered, with equal phases over the timbre knob, looped or faded out."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from timbre.exporting.request import ExportSettings
from timbre.exporting.samplers.behaviour import key_levels, release_seconds
from timbre.exporting.samplers.loops import Bands, Grid, make_grid, seam_db, spliced
from timbre.exporting.samplers.plan import Instrument, Zone
from timbre.space import NoteControls, Space

AFTER = 64  # samples behind a loop that repeat its beginning, for players that interpolate
_FADE, _SETTLING, _MARGIN = 0.3, 0.06, 0.1  # s: of the crossfade, before it, and after the end
_UNHEARD = 0.4  # s that are rendered after a note's last sample, so that its release is not in it
_END = 0.05  # s of the fade at the end of a sound that dies away
_MOST_TRIM = 12.0  # dB
_RELEASED_AT = 0.5  # s, of a sound that dies away, to measure its release


class Recording(NamedTuple):
    """A rendered sample.

    Attributes:
        zone: what plays it.
        samples: float32 (n,), at most 1.
        pitch: MIDI.
        loop: first sample, and the one after the last; None without a loop.
        trims: gains, dB, that give each of the zone's keys, from low to high, the level at which the space decodes it;
            () without pitch.
        release: s in which it falls by 60 dB after the key.
        seam_db: level of the loop's seam, see :func:`~timbre.exporting.samplers.loops.seam_db`; None without a loop.
    """

    zone: Zone
    samples: np.ndarray
    pitch: float
    loop: tuple[int, int] | None
    trims: tuple[float, ...]
    release: float
    seam_db: float | None


def record(space: Space, instrument: Instrument, settings: ExportSettings) -> Iterator[Recording]:
    """The recordings of an instrument, in the order of its zones; those of one key are in memory at a time."""
    for key, zones in itertools.groupby(instrument.zones, lambda zone: zone.key):
        yield from _of_key(space, instrument, settings, key, list(zones))


def _of_key(
    space: Space, instrument: Instrument, settings: ExportSettings, key: int, zones: list[Zone]
) -> Iterator[Recording]:
    rate = space.renderer.sample_rate
    grid = make_grid(key if instrument.keys else None, rate)
    middle = instrument.layers[len(instrument.layers) // 2].velocity / 127
    releases = [_release(space, instrument, step, key, middle) for step in range(len(instrument.points))]
    pitch = grid.pitch if instrument.keys else float(key)
    trims = [_trims(space, instrument, one, zones[0], middle) for one in instrument.points]
    sounds = [_render(space, instrument, settings, zone, grid) for zone in zones]
    phases = None
    if len(instrument.points) > 1 and instrument.keys:
        phases = _common_phases(sounds, grid, min(one.hold for one in instrument.behaviours))
    for zone, sound in zip(zones, sounds, strict=True):
        behaviour = instrument.behaviours[zone.step]
        if not behaviour.sustained:
            samples, loop = _dying(_aligned(sound, grid, phases), behaviour.decay, space, behaviour.seconds), None
        else:
            samples, loop = _looped(sound, grid, phases, behaviour.hold)
        over = max(1.0, float(np.abs(samples).max()))  # a loop may exceed full scale a little
        raised = tuple(trim + 20.0 * float(np.log10(over)) for trim in trims[zone.step])
        seam = None if loop is None else seam_db(samples, *loop, rate)
        yield Recording(zone, samples / np.float32(over), pitch, loop, raised, releases[zone.step], seam)


def _release(space: Space, instrument: Instrument, step: int, key: int, velocity: float) -> float:
    behaviour = instrument.behaviours[step]
    at = behaviour.hold if behaviour.sustained else min(_RELEASED_AT, behaviour.hold)
    return release_seconds(space, instrument.points[step], key if instrument.keys else None, velocity, at)


def _trims(space: Space, instrument: Instrument, point: np.ndarray, zone: Zone, velocity: float) -> tuple[float, ...]:
    if not instrument.keys:
        return ()
    keys = [float(key) for key in range(zone.low, zone.high + 1)]
    levels = key_levels(space, point, keys, velocity)
    return tuple((levels - levels[zone.key - zone.low]).clip(-_MOST_TRIM, _MOST_TRIM).tolist())


def _render(space: Space, instrument: Instrument, settings: ExportSettings, zone: Zone, grid: Grid) -> np.ndarray:
    """The sound of a zone without the velocity's gain, which samplers apply."""
    behaviour, rate = instrument.behaviours[zone.step], grid.sample_rate
    if behaviour.sustained:
        seconds = behaviour.hold + _SETTLING + _FADE + _MARGIN + grid.length / rate
    else:
        seconds = behaviour.seconds
    velocity = zone.layer.velocity / 127
    controls = NoteControls(
        grid.pitch if grid.pitched else None, velocity, seconds + _UNHEARD,
        behaviour.hold if behaviour.sustained else None, settings.seed + zone.take, settings.inverter,
    )  # fmt: skip
    point = instrument.points[zone.step].astype(np.float32)[None]
    return space.renderer.sound(point, controls, 1.0 / velocity**2).samples[0][: round(seconds * rate)]


def _common_phases(sounds: list[np.ndarray], grid: Grid, hold: float) -> np.ndarray:
    """The mean phase of each partial over sounds (bands,), complex."""
    end = min(round(hold * grid.sample_rate), min(map(len, sounds)))
    return np.sum([Bands(sound, grid).phases(0.3 * end, end) for sound in sounds], axis=0)


def _aligned(sound: np.ndarray, grid: Grid, phases: np.ndarray | None) -> np.ndarray:
    """A sound whose clear partials have the given phases."""
    if phases is None:
        return sound
    bands = Bands(sound, grid)
    clear = bands.phases(0.1 * len(sound), 0.5 * len(sound)) != 0
    bands.turn(np.where(clear, phases, 0), 0)
    return bands.sound()


def _looped(
    sound: np.ndarray, grid: Grid, phases: np.ndarray | None, hold: float
) -> tuple[np.ndarray, tuple[int, int]]:
    """A sound up to the end of its loop and a little more, and the loop."""
    rate, fade = grid.sample_rate, round(_FADE * grid.sample_rate)
    settled = round((hold + _SETTLING) * rate)
    start, end = settled + fade, settled + fade + grid.length
    bands = Bands(sound, grid)
    if grid.pitched:
        clear = bands.phases(settled, end) != 0
        bands.turn(
            np.where(clear, bands.at(settled) if phases is None else phases, 0), settled if phases is None else 0
        )
    bands.close(end, fade)
    return spliced(bands.sound((end, fade)), start, end, rate, AFTER), (start, end)


def _dying(sound: np.ndarray, decay: float, space: Space, seconds: float) -> np.ndarray:
    """A sound that goes on to die away, by `decay` dB/s after the last frame that the space has learned, to its end."""
    rate = space.renderer.sample_rate
    late = np.maximum(np.arange(len(sound)) / rate - float(space.model.decoder.longest), 0.0)
    fade = min(round(_END * rate), len(sound))
    gain = 10.0 ** (-decay * late / 20.0)
    gain[len(sound) - fade :] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, fade))
    return (sound * gain).astype(np.float32)
