"""The notes of `orchestra`: recordings, and SoundFonts rendered where their presets have sounds of their own."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _fonts import FONTS, RENDERED, Font
from _sources import LEFT_OUT, UNVERIFIED

import timbre
from timbre.config import SpectrogramConfig
from timbre.data import Library, Note
from timbre.data.names import plain
from timbre.data.parts import SoundFontVoice
from timbre.data.readers import Options
from timbre.data.sketches import same_recordings
from timbre.data.soundfonts.soundfont import SoundFontPreset, read_soundfont
from timbre.data.soundfonts.synthesizer import render_voice
from timbre.errors import AudioError
from timbre.spectral.spectrogram import Spectrogram

DOUBTFUL = ("pitch", "octave", "duplicate")  # flags: the decoder uses the pitch, so wrong ones blur its output
RATE = 44_100  # Hz: recordings of a lower rate are left out
HOLD = 6.0  # s: as long as the space's notes, which are not released before
STEPS = (3, 4)  # semitones between rendered notes of one velocity, and of several
SHARE = 0.07  # of the recordings of each instrument for validation, and as many for the test
VELOCITIES = (112, 80, 48)  # MIDI, the first always; another if it sounds otherwise than the one before
DIFFERENT_DB = 1.0  # mean difference of level-normalised spectrograms: less is the same sound, softer
FEW = 80  # notes of a quick try
AUDIBLE_DB = 50.0  # below a spectrogram's peak: softer values are not compared


def gather(notes: Path, soundfonts: list[Path], quick: bool = False) -> tuple[Library, Library]:
    """All notes with their split, and the recordings of unverified licence, which are for measurements only.

    The sources of LEFT_OUT are in the test as a whole; of the others, files are held out. With `quick`, few are used.
    """
    everything = timbre.scan(notes, progress=True)
    recorded = [note for note in sound(everything) if not (note.source or "").startswith(RENDERED)]
    unverified = [note for note in recorded if (note.source or "").startswith(UNVERIFIED)]
    rendered = [note for file in soundfonts for note in sound(render(file.resolve()))]
    usable = Library([note for note in recorded if note not in unverified] + rendered, everything.root).notes
    usable = usable[:: max(1, len(usable) // FEW)] if quick else usable
    left_out = {index for index, note in enumerate(usable) if (note.source or "").startswith(LEFT_OUT)}
    copies = {one for pair in same_recordings(usable) if len(left_out & {*pair}) == 1 for one in pair} - left_out
    own = Library([note for n, note in enumerate(usable) if n not in left_out | copies], everything.root)
    own = own.divided("file", SHARE, SHARE)
    whole = [*own, *(replace(usable[index], split="test") for index in sorted(left_out))]
    print(f"{len(copies)} copies of recordings from left-out sources are not used.")
    return Library(whole, everything.root, division=own.division), Library(unverified, everything.root)


def sound(notes: Iterable[Note]) -> list[Note]:
    """The notes at the full sample rate without a doubt about their pitch."""
    return [
        note
        for note in notes
        if not {*note.flag_kinds} & {*DOUBTFUL} and note.measured and note.measured.sample_rate >= RATE
    ]


def render(file: Path) -> list[Note]:
    """The notes of a SoundFont: presets that one of FONTS names, at the velocities at which their sounds differ."""
    soundfont = read_soundfont(file)
    unknown = FONTS[0]._replace(source="", licence="")
    font = next((font for font in FONTS if soundfont.name.startswith(font.name)), unknown)
    presets = {plain(preset.name): preset for preset in reversed(soundfont.presets) if preset.bank == 0}
    if missing := font.presets.keys() - presets:
        print(f"{file.name} has no {', '.join(sorted(missing))}.")
    groups: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name in font.presets.keys() & presets:
        groups[layers(file, presets[name])].append(name)
    notes: list[Note] = []
    for velocities, names in sorted(groups.items()):
        print(f"{file.name} at {' and '.join(map(str, velocities))}: {', '.join(sorted(names))}", flush=True)
        pitches = tuple(range(21, 109, STEPS[len(velocities) > 1]))
        options = Options(pitches=pitches, velocities=velocities, presets=tuple(sorted(names)), hold=HOLD)
        notes += [labelled(note, font, presets) for note in timbre.scan(file, options=options, progress=True)]
    return notes


def labelled(note: Note, font: Font, presets: dict[str, SoundFontPreset]) -> Note:
    """A rendered note with its instrument, source and licence; notes of one recording are marked in all SoundFonts."""
    assert isinstance(note.part, SoundFontVoice)
    instrument, own = font.presets[note.instrument], font.own.get(note.instrument)
    zones = presets[note.instrument].sounding(note.part.key, note.part.velocity)
    root = min(zones, key=lambda zone: (abs(zone.pitch - note.part.key), zone.sample)).pitch
    return replace(
        note,
        instrument=instrument,
        source=own.source if own else font.source or note.source,
        licence=own.licence if own else font.licence or note.licence,
        recording=None if own else f"{instrument} recorded at {root:.0f}",
        name="",
    )


def layers(file: Path, preset: SoundFontPreset) -> tuple[int, ...]:
    """The velocities at which a preset sounds differently: other recordings or another filter, not only a level."""
    roots = sorted({zone.pitch for zone in preset.zones})
    keys = {round(float(key)) for key in np.quantile(np.clip(roots, 21, 108), (0.25, 0.5, 0.75))}
    kept = [VELOCITIES[0]]
    for velocity in VELOCITIES[1:]:
        away = [difference_db(file, preset, key, kept[-1], velocity) for key in keys]
        if np.mean([db for db in away if db is not None] or [0.0]) > DIFFERENT_DB:
            kept.append(velocity)
    return tuple(kept)


def difference_db(file: Path, preset: SoundFontPreset, key: int, *velocities: int) -> float | None:
    """Mean difference of the spectrograms of two velocities after levelling; None where one is silent."""
    spectrogram = Spectrogram(SpectrogramConfig(sample_rate=RATE, n_fft=2048, hop_length=512, n_mels=64))
    levels = []
    for velocity in velocities:
        try:
            audio = render_voice(file, SoundFontVoice(preset.bank, preset.program, key, velocity), 1.0, 0.0)
        except AudioError:
            return None
        levels.append(spectrogram(torch.tensor(audio.mono().samples / max(audio.peak, 1e-9))).squeeze(0))
    one, other = levels
    audible = torch.maximum(one, other) > torch.maximum(one, other).max() - AUDIBLE_DB
    away = (one - other)[audible]
    return float((away - away.median()).abs().mean())
