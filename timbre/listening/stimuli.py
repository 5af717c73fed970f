"""The sounds of a listening test: recordings, anchors and reconstructions, of one length, rate and loudness."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timbre.audio import Audio
from timbre.audio.loudness import momentary
from timbre.data import Library, Note
from timbre.errors import AudioError, ConfigError
from timbre.space import Space
from timbre.space.controls import RELEASE, NoteControls

LOUDNESS = -23.0  # LUFS of the loudest 0.4 s of every sound, unless a peak would be too high
_PEAK = 0.9  # of full scale
_FADE = 0.1  # s at the end of a note that is cut
_ANCHOR = 3500.0  # Hz: the low anchor of ITU-R BS.1534-3
_SHORTEST = 0.2  # s of a note in a test
_NEAR = 6.0  # semitones from the asked pitch
_SAME, _NEAREST = 0.17, 8  # dissimilarity of copies of a recording; neighbours that may be copies


@dataclass(frozen=True, eq=False)
class System:
    """What makes the stimuli of a condition: a space and an inverter (None: the space's own)."""

    name: str
    space: Space
    inverter: str | None = None


def was_trained_on(space: Space, note: Note) -> bool:
    """Whether a space was trained on a note: on one of its name, or on one that sounds the same, whatever its name.

    Other copies of a recording (another format, rate or level) lie within .16 of it in dissimilarity, and different
    recordings are .18 or more apart (measured on 32 notes in the space "orchestra"); .17 decides.

    Raises:
        AudioError: if its sound cannot be used.
    """
    atlas = space.atlas
    if note.name in atlas:
        return atlas.splits[atlas.index(note.name)] == "train"
    if not len(atlas):
        return False
    pitch = np.nan if note.pitch is None else note.pitch
    near = space.nearest(space.encode(note.audio(), note.pitch, note.velocity), _NEAREST, pitch)
    return any(
        distance < _SAME and atlas.splits[index] == "train"
        for distance, index in zip(near.distances, near.indices, strict=True)
    )


def in_order(library: Library, pitch: float | None, seed: int) -> list[Note]:
    """The usable notes, of different instruments first; of each the one nearest to the pitch (default: C4) first.

    Args:
        library: where they come from.
        pitch: MIDI; notes that are not within six semitones of it are left out. Default: none are.
        seed: of the order of the instruments.
    """
    usable = [note for note in library if not 0 < note.duration < _SHORTEST]
    if pitch is not None:
        usable = [note for note in usable if note.pitch is not None and abs(note.pitch - pitch) <= _NEAR]
    target, random = 60.0 if pitch is None else pitch, np.random.default_rng(seed)
    rows: dict[str, list[Note]] = {}
    for note in sorted(usable, key=lambda note: (abs((note.pitch or target) - target), note.name)):
        rows.setdefault(note.instrument, []).append(note)
    order = [sorted(rows)[index] for index in random.permutation(len(rows))]
    deepest = max(map(len, rows.values()), default=0)
    return [rows[name][turn] for turn in range(deepest) for name in order if turn < len(rows[name])]


def recording(note: Note, rate: int, seconds: float) -> Audio:
    """A note as recorded, one channel from its onset on, of `seconds` at most; AudioError if it cannot be used."""
    sound = note.audio().mono().high_pass().resample(rate).trim(tail=False)
    return _cut(sound.samples[0], rate, seconds)


def reconstruction(note: Note, system: System, rate: int, seconds: float, seed: int) -> Audio:
    """A note as a space encodes and decodes it, released when the recording is."""
    space, audio = system.space, note.audio()
    point = space.encode(audio, note.pitch, note.velocity)
    _, conditions = space.observe(audio, note.pitch, note.velocity)
    measured, release = float(conditions.pitch), float(conditions.release)
    length = seconds + 2 * RELEASE if release >= seconds else max(release + RELEASE, 2 * RELEASE)
    controls = NoteControls(
        None if np.isnan(measured) else measured, 0.8 if note.velocity is None else note.velocity, length, None, seed,
        system.inverter,
    )  # fmt: skip
    return _cut(space.renderer.sound(point[None], controls).resample(rate).samples[0], rate, seconds)


def anchor(sound: Audio) -> Audio:
    """A sound without what is above 3.5 kHz."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(8, min(_ANCHOR, 0.45 * sound.sample_rate), fs=sound.sample_rate, output="sos")
    return Audio(sosfiltfilt(sections, sound.samples[0].astype(np.float64)), sound.sample_rate)


def matched(sounds: Sequence[Audio], seconds: float) -> list[Audio]:
    """Sounds of one loudness, filled with silence to one length, so that the files do not even differ in size.

    The loudest 0.4 s of each has the same loudness (ITU-R BS.1770-5): -23 LUFS, or less if a peak would exceed 0.9.

    Raises:
        AudioError: if a sound is silent.
    """
    levels = np.array([momentary(sound.samples[0], sound.sample_rate).max() for sound in sounds])
    if levels.min() < -100.0:
        raise AudioError("A sound of a listening test must not be silent; leave the note out.")
    gains = 10.0 ** ((LOUDNESS - levels) / 20.0)
    highest = max(gain * sound.peak for gain, sound in zip(gains, sounds, strict=True))
    gains *= min(1.0, _PEAK / highest)
    return [_filled(sound, gain, seconds) for sound, gain in zip(sounds, gains, strict=True)]


def systems(spaces: Sequence[tuple[str, Space]], inverters: Sequence[str]) -> list[System]:
    """Every space with every inverter; default: its own.

    Raises:
        ConfigError: if two have the same name.
    """
    own = [
        System(f"{name} {inverter}".strip(), space, inverter or None)
        for name, space in spaces
        for inverter in inverters or [""]
    ]
    names = [one.name for one in own]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"The spaces and inverters of a test must differ, got {twice} twice; leave one out.")
    return own


def _cut(samples: np.ndarray, rate: int, seconds: float) -> Audio:
    length, fade = round(seconds * rate), round(_FADE * rate)
    if len(samples) > length:
        samples = samples[:length] * np.minimum(1.0, np.arange(length, 0, -1) / fade)
    return Audio(samples, rate)


def _filled(sound: Audio, gain: float, seconds: float) -> Audio:
    length = round(seconds * sound.sample_rate)
    samples = gain * sound.samples[0][:length]
    return Audio(np.pad(samples, (0, length - len(samples))), sound.sample_rate)
