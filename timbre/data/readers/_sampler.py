"""Notes from the zones of samplers' presets: recordings mapped to keys and velocities."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from timbre.data.names import drum_in, is_kit, velocity_of
from timbre.data.note import Note
from timbre.data.parts import Excerpt
from timbre.data.readers._preset import PresetLabels, family_around, known_in, manner_in, mark_in, shown
from timbre.data.readers._reader import Reading, pitch_or_none, separate, unlisted
from timbre.data.report import Dropped
from timbre.data.sounds import extent
from timbre.data.tree import Listing, Tree

_SAME = 0.1  # seconds: presets trim the start of one recording differently; notes lie further apart
_LONGEST_LABEL = 200
LARGEST = 1e9
"""Largest magnitude of a number in a preset."""
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(?![A-Za-z#\d.])", re.ASCII)

Opcodes = Mapping[str, str]
"""The settings of a zone by name."""


@dataclass(frozen=True, kw_only=True)
class SampleZone:
    """A recording, and the keys and velocities at which a preset plays it."""

    preset: PresetLabels
    file: str
    """The sound, or the archive that contains it, relative to the library's folder."""
    member: str | None = None
    """The sound inside the archive."""
    pitch: float | None
    """MIDI pitch of the recording itself."""
    central: bool
    """Whether its keys include the one at which it sounds as recorded."""
    softest: float
    hardest: float
    """MIDI velocities."""
    first: float
    last: float
    """Frames of the sound, both included; LARGEST is its end."""
    take: int | None
    labels: tuple[str, ...] = ()
    """Names of the groups that contain it, the innermost first."""
    switch: str = ""
    """Name of the key switch that turns it on, or empty."""
    problem: str | None
    """Why it is not a note; None if it is one."""


def zones_of(
    listing: Listing,
    preset: PresetLabels,
    samples: Iterable[tuple[str, Opcodes]],
    zone: Callable[[PresetLabels, Opcodes, str], SampleZone],
) -> list[SampleZone | Dropped]:
    """A zone for each reference to a sound with its settings; references without a file are dropped, each once."""
    base = posixpath.dirname(preset.file)
    zones: list[SampleZone | Dropped] = []
    missing: dict[str, Dropped] = {}
    for reference, opcodes in samples:
        if file := listing.find(reference, base):
            zones.append(zone(preset, opcodes, file))
        else:
            name, problem = shown(reference) or preset.file, listing.missing(reference, base)
            missing[name] = Dropped(name, f"{preset.file} plays it, but it {problem}")
    return [*zones, *missing.values()]


def read_zones(tree: Tree, outcomes: Iterable[SampleZone | Dropped], kind: str, labels: str) -> Reading:
    """The notes of all zones; sounds that no `kind` of preset mentions are dropped."""
    zones, dropped = separate(outcomes)
    notes, without_note = _notes_of(zones, tree.root)
    dropped += without_note
    mentioned = {zone.file for zone in zones} | {file for file, _ in dropped}
    return Reading(notes, dropped + unlisted(tree, mentioned, f"no {kind} plays it"), labels)


def number_in(opcodes: Opcodes, name: str, default: float) -> float:
    """The number at the beginning of a value, limited to plus or minus LARGEST."""
    match = _NUMBER.match(opcodes.get(name, "")[:64])
    return max(-LARGEST, min(LARGEST, float(match[0]))) if match else default


def key_in(opcodes: Opcodes, name: str, default: float) -> float:
    """The MIDI key of a value that is a number or a note name (C4 is 60); -1 means no key."""
    text = opcodes.get(name, "")
    key = None if _NUMBER.match(text[:64]) else pitch_or_none(text)
    return number_in(opcodes, name, default) if key is None else key


def _notes_of(zones: list[SampleZone], root: Path) -> tuple[list[Note], list[Dropped]]:
    """One note for each stretch of a recording that a zone plays, labelled by the first preset that plays it.

    Among several zones of one preset, the one whose keys include the recording's own counts. Recordings that no zone
    plays as a note are dropped with the reason of their first zone. If a zone starts late or ends early, the header of
    its sound is read.
    """
    kits = _kits(zones)
    header = cache(lambda file, member: extent(root / file, member))
    order = {preset: number for number, preset in enumerate(dict.fromkeys(zone.preset.file for zone in zones))}
    notes: dict[int, Note] = {}
    taken: dict[tuple[str, str | None], set[tuple[int, int]]] = {}
    problems: dict[tuple[str, str | None], str] = {}
    for number, zone in sorted(enumerate(zones), key=lambda pair: (order[pair[1].preset.file], not pair[1].central)):
        sound = (zone.file, zone.member)
        part = zone.problem or _part(zone, header)
        if isinstance(part, str):
            problems.setdefault(sound, part)
        elif _is_new(part, taken.setdefault(sound, set())):
            notes[number] = _note(zone, part, root, zone.preset.file in kits)
    dropped = [Dropped("/".join(filter(None, sound)), why) for sound, why in problems.items() if not taken.get(sound)]
    return [notes[number] for number in sorted(notes)], dropped


def _kits(zones: Iterable[SampleZone]) -> set[str]:
    """The presets that are drum kits: by their names, or because most of their sounds are named after drums."""
    sounds: dict[str, dict[str, bool]] = defaultdict(dict)
    for zone in zones:
        stem = PurePosixPath(zone.member or zone.file).stem
        sounds[zone.preset.file][stem] = is_kit(zone.preset.instrument) or drum_in(stem) is not None
    return {file for file, drums in sounds.items() if 2 * sum(drums.values()) > len(drums)}


def _note(zone: SampleZone, part: Excerpt | None, root: Path, of_kit: bool) -> Note:
    preset = zone.preset
    instrument, family = preset.instrument, preset.family
    switch, *labels = (label[:_LONGEST_LABEL] for label in (zone.switch, *zone.labels))
    known = next(filter(None, map(known_in, labels)), None)
    if known and family in (None, "percussion"):  # in banks and drum kits, the groups say more than the preset
        instrument, family = known
    elif of_kit:
        instrument, family = drum_in(PurePosixPath(zone.member or zone.file).stem) or instrument, "percussion"
    family = family or family_around(str(PurePosixPath(zone.member or zone.file).parent))
    dynamics = _first(*map(mark_in, labels), preset.dynamics)
    is_layer = zone.softest > 1 or zone.hardest < 127
    return Note(
        file=root / zone.file,
        instrument=instrument,
        family=family,
        pitch=None if family == "percussion" else zone.pitch,
        velocity=min(max((zone.softest + zone.hardest) / 254, 0.0), 1.0) if is_layer else velocity_of(dynamics),
        dynamics=dynamics,
        articulation=_first(manner_in(switch, certain=True), *map(manner_in, labels), preset.articulation),
        part=part,
        take=zone.take,
    )


def _first(*values: str | None) -> str | None:
    return next(filter(None, values), None)


def _part(zone: SampleZone, header: Callable[[str, str | None], tuple[int, int] | None]) -> Excerpt | str | None:
    """The stretch that a zone plays, None for a whole file, or why it plays nothing."""
    start, end = 0.0, None
    if zone.first > 0 or zone.last < LARGEST:
        rate, frames = header(zone.file, zone.member) or (0, 0)
        if rate and (zone.first >= frames or zone.last < zone.first):
            return f"{zone.preset.file} plays it from frame {zone.first:.0f}, which is after its end"
        if rate:
            start = max(0.0, zone.first) / rate
            end = None if zone.last + 1 >= frames else (zone.last + 1) / rate
    return Excerpt(start, end, zone.member) if start or end is not None or zone.member else None


def _is_new(part: Excerpt | None, taken: set[tuple[int, int]]) -> bool:
    """Whether no stretch in `taken` starts and ends near this one; adds it."""
    start = int((part.start if part else 0.0) / _SAME)
    end = -2 if part is None or part.end is None else int(part.end / _SAME)
    near = {(start + early, end + late) for early in (-1, 0, 1) for late in (-1, 0, 1)}
    new = taken.isdisjoint(near)
    taken.add((start, end))
    return new
