"""Reader of SoundFonts: presets rendered at the requested pitches and velocities, or the raw recordings.

It reads the melodic presets of bank 0 (of all banks if bank 0 has none) and the first drum kit. In a SoundFont that
follows General MIDI, sound effects (programs 120 to 127) are left out.
"""

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from timbre.data.names import ARTICULATIONS, family_of, is_kit, plain
from timbre.data.note import Note
from timbre.data.parts import Excerpt, Part, SoundFontVoice
from timbre.data.readers._reader import Options, Reader, Reading, attempt, separate, unlisted
from timbre.data.report import Dropped
from timbre.data.soundfonts.soundfont import SoundFont, SoundFontPreset, SoundFontZone, read_soundfont
from timbre.data.tree import Tree
from timbre.errors import LibraryError
from timbre.wording import listed

_SUFFIXES = (".sf2", ".sf3")
_DRUMS = 128  # the bank of the drum kits
_EFFECTS = range(120, 128)
_HITS = range(115, 120)  # woodblock, taiko, tom, synth drum, reverse cymbal: one note, at its own pitch
_GENERAL = 96  # a SoundFont with this many programs in bank 0 follows General MIDI
_KEYS = (21, 108)  # a piano's
_STRETCH = 12  # largest transposition of a recording in semitones; doubled if there are only one or two
_STEP = 2  # semitones between rendered notes
_LICENCE = re.compile(r"\b(licen[cs]ed?|MIT|BSD|CC0|CC[ -]BY|GPL|LGPL|PD|public domain|royalty)\b", re.IGNORECASE)
_LONGEST_LICENCE = 200  # characters

# First program of each group and its family; synthesizers that imitate strings or brass count as synth.
_FAMILIES = {
    0: "keyboard", 8: "pitched_percussion", 15: "plucked", 16: "keyboard", 22: "woodwinds", 23: "keyboard",
    24: "plucked", 38: "synth", 40: "strings", 46: "plucked", 47: "pitched_percussion", 48: "strings", 50: "synth",
    52: "voice", 54: "synth", 56: "brass", 62: "synth", 64: "woodwinds", 80: "synth", 104: "plucked",
    108: "pitched_percussion", 109: "woodwinds", 110: "strings", 111: "woodwinds", 112: "pitched_percussion",
    115: "percussion",
}  # fmt: skip
_DRUM_WORDS = (
    "acoustic_bass_drum bass_drum side_stick acoustic_snare hand_clap electric_snare low_floor_tom closed_hi_hat "
    "high_floor_tom pedal_hi_hat low_tom open_hi_hat low_mid_tom high_mid_tom crash_cymbal high_tom ride_cymbal "
    "chinese_cymbal ride_bell tambourine splash_cymbal cowbell crash_cymbal_2 vibraslap ride_cymbal_2 high_bongo "
    "low_bongo mute_high_conga open_high_conga low_conga high_timbale low_timbale high_agogo low_agogo cabasa maracas "
    "short_whistle long_whistle short_guiro long_guiro claves high_wood_block low_wood_block mute_cuica open_cuica "
    "mute_triangle open_triangle"
)
_DRUM_NAMES = dict(enumerate(_DRUM_WORDS.split(), start=35))  # by key


@dataclass(frozen=True)
class _Source:
    """A SoundFont, and the labels that its notes share."""

    font: SoundFont
    file: str
    """Relative to the library's folder."""
    chosen: tuple[str, ...] | None = None
    """Names of the presets that are read, of any bank; None: those of bank 0 and the first drum kit."""

    @cached_property
    def general(self) -> bool:
        """Whether its programs are those of General MIDI."""
        return len({preset.program for preset in self.font.presets if preset.bank == 0}) >= _GENERAL

    @cached_property
    def main(self) -> list[SoundFontPreset]:
        """The presets that are read."""
        playable = [preset for preset in self.font.presets if preset.zones and preset.program <= 127]
        first = {(preset.bank, preset.program): preset for preset in reversed(playable)}
        presets = [first[number] for number in sorted(first)]
        if self.chosen is not None:
            named = {plain(preset.name): preset for preset in reversed(presets)}
            return [named[name] for name in dict.fromkeys(map(plain, self.chosen)) if name in named]
        melodic = [preset for preset in presets if preset.bank != _DRUMS]
        melodic = [preset for preset in melodic if preset.bank == 0] or melodic
        kits = [preset for preset in presets if preset.bank == _DRUMS]
        return [preset for preset in melodic if not self.is_effect(preset)] + kits[:1]

    def is_effect(self, preset: SoundFontPreset) -> bool:
        return self.general and preset.bank != _DRUMS and preset.program in _EFFECTS

    def why_not(self, preset: SoundFontPreset) -> str:
        """Why a preset is not read."""
        reasons = {
            "has no sound": not preset.zones,
            "is not among the requested presets": self.chosen is not None,
            f"its program must be at most 127, got {preset.program}": preset.program > 127,
            "a sound effect": self.is_effect(preset),
            "another drum kit; only the first is read": preset.bank == _DRUMS,
            "a variation; another preset with this program is read": True,
        }
        return next(reason for reason, holds in reasons.items() if holds)

    def is_pitched(self, preset: SoundFontPreset) -> bool:
        return not self.is_kit(preset) and not (self.general and preset.program in _HITS)

    def is_kit(self, preset: SoundFontPreset) -> bool:
        """Whether a preset has a drum at every key: all of bank 128, and those that are called kits."""
        return preset.bank == _DRUMS or is_kit(preset.name)

    def family(self, preset: SoundFontPreset) -> str | None:
        """The family by the preset's name, by General MIDI, or by a word of the name."""
        if self.is_kit(preset):
            return "percussion"
        if self.general:
            return family_of(preset.name) or _FAMILIES[max(first for first in _FAMILIES if first <= preset.program)]
        names = [preset.name, *reversed(plain(preset.name).split("_"))]
        return next(filter(None, map(family_of, names)), None)

    def drum(self, preset: SoundFontPreset, zone: SoundFontZone, key: int) -> str:
        """The name of a drum in General MIDI, or else in the SoundFont."""
        if self.general and key in _DRUM_NAMES:
            return _DRUM_NAMES[key]
        ranges = {other.keys for other in preset.zones if other.instrument == zone.instrument}
        name = zone.instrument if len(ranges) == 1 else self.font.samples[zone.sample].name
        return plain(re.sub(r"\W*\b[LR]\b\W*$", "", name)) or "drum"

    def note(self, preset: SoundFontPreset, zone: SoundFontZone, key: int, part: Part, **labels: Any) -> Note:
        is_drum = self.is_kit(preset)
        words = plain(preset.name).split("_")
        return Note(
            file=self.font.file,
            instrument=self.drum(preset, zone, key) if is_drum else plain(preset.name) or f"program_{preset.program}",
            family=self.family(preset),
            articulation=None if is_drum else "-".join(word for word in words if word in ARTICULATIONS) or None,
            licence=_licence(self.font),
            source=self.font.name,
            part=part,
            **labels,
        )


def _licence(font: SoundFont) -> str | None:
    """The copyright, after the first words of the comment if they name a licence."""
    head = re.split(r"[:.]", font.comment, maxsplit=1)[0].strip()
    texts = [head if _LICENCE.search(head) else "", font.copyright]
    return "; ".join(text for text in texts if text)[:_LONGEST_LICENCE].strip() or None


def _voices(source: _Source, options: Options) -> Iterator[Note | Dropped]:
    """The rendered notes of the presets that are read; the other presets are dropped."""
    taken = list(map(id, source.main))
    for preset in (*source.main, *(preset for preset in source.font.presets if id(preset) not in taken)):
        is_read = id(preset) in taken
        notes: list[Note | Dropped] = list(_voices_of(source, preset, options)) if is_read else []
        why = "is silent at all requested pitches and velocities" if is_read else source.why_not(preset)
        name = f"{source.file}, preset {preset.bank}:{preset.program} {preset.name}"
        yield from notes or [Dropped(name, why)]


def _voices_of(source: _Source, preset: SoundFontPreset, options: Options) -> Iterator[Note]:
    pitched = source.is_pitched(preset)
    for key in _keys(source, preset, options):
        for velocity in options.velocities:
            if zones := preset.sounding(key, velocity):
                # Of recordings that sound together, the least transposed one represents all.
                zone = min(zones, key=lambda zone: (abs(zone.pitch - key), zone.sample))
                number = source.font.pair(zone.sample)[0]
                sample = f"{number} {source.font.samples[number].name}"
                voice = SoundFontVoice(preset.bank, preset.program, key, velocity, sample, options.hold)
                pitch = float(key) if pitched else None
                yield source.note(preset, zone, key, voice, pitch=pitch, velocity=velocity / 127)


def _keys(source: _Source, preset: SoundFontPreset, options: Options) -> list[int]:
    """The keys at which a preset is rendered: the requested ones within an octave of its recordings."""
    if source.is_kit(preset):
        return sorted({key for zone in preset.zones for key in range(zone.keys.low, zone.keys.high + 1)})
    if not source.is_pitched(preset):
        return [min(range(128), key=lambda key: min(abs(zone.pitch - key) for zone in preset.zones))]
    natural = {zone.pitch for zone in preset.zones}
    stretch = _STRETCH if len(natural) > 2 else 2 * _STRETCH
    low = max(_KEYS[0], math.ceil(min(natural)) - stretch, min(zone.keys.low for zone in preset.zones))
    high = min(_KEYS[1], math.floor(max(natural)) + stretch, max(zone.keys.high for zone in preset.zones))
    keys = range(low, high + 1, _STEP) if options.pitches is None else sorted(set(options.pitches))
    return [key for key in keys if low <= key <= high]


def _recordings(source: _Source) -> Iterator[Note | Dropped]:
    """A note for each recording (one for both channels of a stereo one); unused recordings are dropped."""
    uses: dict[int, list[tuple[SoundFontPreset, SoundFontZone]]] = {}
    for preset in (*source.main, *source.font.presets):  # those that are read come first: they name the recordings
        for zone in preset.zones:
            uses.setdefault(source.font.pair(zone.sample)[0], []).append((preset, zone))
    for number, sample in enumerate(source.font.samples):
        if source.font.pair(number)[0] != number:
            continue
        why = "a sound effect" if number in uses else "no preset plays it"
        played = [(preset, zone) for preset, zone in uses.get(number, []) if not source.is_effect(preset)]
        unused = Dropped(f"{source.file}, sample {number} {sample.name}", why)
        yield _recording(source, number, played) if played else unused


def _recording(source: _Source, number: int, uses: list[tuple[SoundFontPreset, SoundFontZone]]) -> Note:
    """A recording, named after the first preset that plays it, at the pitch that most presets give it."""
    preset, zone = uses[0]
    pitch = Counter(zone.pitch for _, zone in uses).most_common(1)[0][0]
    layers = [zone.velocities for user, zone in uses if user is preset]
    softest, loudest = min(layer.low for layer in layers), max(layer.high for layer in layers)
    velocity = (softest + loudest) / 254 if loudest - softest < 126 else None
    pitched = source.is_pitched(preset) and 0 <= pitch <= 127
    part = Excerpt(member=str(number))
    return source.note(preset, zone, zone.keys.low, part, pitch=pitch if pitched else None, velocity=velocity)


def _read_file(path: Path, file: str, options: Options, every: bool) -> Iterator[Note | Dropped]:
    """The notes of a SoundFont, which must have `every` requested preset, or else one of them."""
    source = _Source(read_soundfont(path), file, None if options.raw else options.presets)
    names = [plain(preset.name) for preset in source.font.presets]
    absent = [name for name in source.chosen or () if plain(name) not in names]
    if absent and (every or len(absent) == len(source.chosen or ())):
        near = difflib.get_close_matches(plain(absent[0]), names) or names
        raise LibraryError(f"{path} must have the preset {absent[0]!r}; it has {listed(near)}.")
    return _recordings(source) if options.raw else _voices(source, options)


def _read(tree: Tree, options: Options) -> Reading:
    for name, values, least in (("pitch", options.pitches or (), 0), ("velocity", options.velocities, 1)):
        if wrong := [value for value in values if not least <= value <= 127]:
            raise LibraryError(f"Each {name} must be a MIDI number from {least} to 127, got {wrong[0]}.")
    files = tree.named(*_SUFFIXES)
    if not files:
        raise LibraryError(f"{tree.root} must contain an .sf2 or .sf3 file; it has none.")
    outcomes: list[Note | Dropped] = []
    first: dict[Path, str] = {}
    for file in files:
        path = tree.root / file
        if (original := first.setdefault(path.resolve(), file)) != file:
            outcomes.append(Dropped(file, f"the same file as {original}"))
        elif tree.chosen:
            outcomes += _read_file(path, file, options, every=True)
        else:
            outcomes += attempt(file, path, _read_file, path, file, options, False)
    outcomes += unlisted(tree, (), "not in a SoundFont")
    return Reading(*separate(outcomes), ", ".join(first.values()))


def _suits(tree: Tree) -> bool:
    """Whether a SoundFont was chosen, or is in a folder without other sounds."""
    return bool(tree.named(*_SUFFIXES)) and (tree.chosen is not None or not tree.sounds)


READER = Reader("soundfont", _suits, _read)
