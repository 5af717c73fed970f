"""Reader of SFZ instruments, among them VSCO-2-CE and VCSL."""

import posixpath
from collections import Counter

from timbre.data.names import parse_note
from timbre.data.readers._preset import PresetLabels, preset_of, shown
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.readers._sampler import LARGEST, SampleZone, key_in, notes_of, number_in
from timbre.data.readers._sfz_text import Region, Sfz, parse_sfz
from timbre.data.report import Dropped
from timbre.data.sounds import root_key
from timbre.data.tree import Tree
from timbre.errors import LibraryError


def _read(tree: Tree, options: Options) -> Reading:
    presets, dropped = _parse(tree)
    zones: list[SampleZone] = []
    for file, sfz in presets.items():
        there, lacking = _zones(tree, preset_of(file, tree.root.name), sfz)
        zones += there
        dropped += sfz.dropped + lacking
    notes, unplayed = notes_of(zones, tree.root)
    dropped += unplayed
    if tree.chosen is None:
        named = {zone.file for zone in zones} | {file for file, _ in dropped}
        dropped += [Dropped(file, "no .sfz region plays it") for file in tree.sounds if file not in named]
    return Reading(notes, dropped, tree.chosen or f"{len(presets)} .sfz files")


def _parse(tree: Tree) -> tuple[dict[str, Sfz], list[Dropped]]:
    """The instruments: SFZ files that no other one includes; and those that cannot be read."""
    presets: dict[str, Sfz] = {}
    dropped = []
    for file in tree.named(".sfz"):
        try:
            presets[file] = parse_sfz(tree, file)
        except LibraryError as error:
            dropped.append(Dropped(file, str(error).removeprefix(f"{tree.root / file} ").rstrip(".")))
    included = {part for file, sfz in presets.items() for part in sfz.included if part != file}
    return {file: sfz for file, sfz in presets.items() if file not in included} or presets, dropped


def _zones(tree: Tree, preset: PresetLabels, sfz: Sfz) -> tuple[list[SampleZone], list[Dropped]]:
    """The regions that play a file of the tree; of the others, one entry for each file or kind of sound they name."""
    zones: list[SampleZone] = []
    lacking: dict[str, str] = {}
    silent: Counter[str] = Counter()
    beside = posixpath.dirname(preset.file)
    for region in sfz.regions:
        sample = region.get("sample", "")
        reference = region.get("default_path", "") + sample
        if not sample or sample.startswith("*"):
            silent[shown(sample) or "no sample"] += 1
        elif file := tree.find(reference, beside):
            zones.append(_zone(tree, preset, region, file))
        else:
            lacking[shown(reference)] = f"{preset.file} plays it, but it {tree.missing(reference, beside)}"
    others = [
        Dropped(preset.file, f"{count} region{'s' * (count > 1)} without a recording ({what})")
        for what, count in silent.items()
    ]
    return zones, [Dropped(reference, why) for reference, why in lacking.items()] + others


def _zone(tree: Tree, preset: PresetLabels, region: Region, file: str) -> SampleZone:
    center = _center(tree, region, file)
    low, high = key_in(region, "lokey", 0.0), key_in(region, "hikey", 127.0)
    softest, hardest = _velocities(region)
    last = number_in(region, "end", LARGEST)
    return SampleZone(
        preset=preset,
        file=file,
        member=None,
        pitch=_pitch(region, center),
        central=center is not None and low <= center <= high,
        softest=softest,
        hardest=hardest,
        first=number_in(region, "offset", 0.0),
        last=last,
        take=_take(region),
        labels=tuple(region[name] for name in ("region_label", "group_label", "master_label") if name in region),
        switch=region.get("sw_label", ""),
        problem=_problem(
            preset, region, low <= high and high >= 0 and softest <= hardest and number_in(region, "end", 0.0) != -1
        ),
    )


def _center(tree: Tree, region: Region, file: str) -> float | None:
    """The key at which a sample sounds as recorded, before control offsets; 60 where nothing is said."""
    if region.get("pitch_keycenter", "").lower() != "sample":
        return key_in(region, "pitch_keycenter", 60.0)
    stated = root_key(tree.root / file)
    return _named_key(file) if stated is None else stated


def _named_key(file: str) -> float | None:
    """The first word of a file's name that is a note name."""
    for word in posixpath.splitext(posixpath.basename(file))[0].replace("-", " ").replace("_", " ").split():
        try:
            if not word[0].isdigit():
                return parse_note(word)
        except LibraryError:
            continue
    return None


def _pitch(region: Region, center: float | None) -> float | None:
    """MIDI pitch of the recording, if it sounds in tune at the keys that it is mapped to."""
    if center is None or number_in(region, "pitch_keytrack", 100.0) == 0:
        return None
    if region.get("pitch_keycenter", "").lower() != "sample":
        center += number_in(region, "note_offset", 0.0) + 12 * number_in(region, "octave_offset", 0.0)
    pitch = center - number_in(region, "transpose", 0.0) - number_in(region, "tune", 0.0) / 100
    return pitch if 0 <= pitch <= 127 else None


def _velocities(region: Region) -> tuple[float, float]:
    """Velocities that play a region; crossfades count to their middle."""
    rise = (number_in(region, "xfin_lovel", 0.0) + number_in(region, "xfin_hivel", 0.0)) / 2
    fall = (number_in(region, "xfout_lovel", 127.0) + number_in(region, "xfout_hivel", 127.0)) / 2
    return max(number_in(region, "lovel", 0.0), rise), min(number_in(region, "hivel", 127.0), fall)


def _take(region: Region) -> int | None:
    """Which of several takes a region plays, in turn or at random; None for the only one."""
    turn, turns = number_in(region, "seq_position", 1.0), number_in(region, "seq_length", 1.0)
    if max(turn, turns) > 1:
        return max(1, int(turn))
    low, high = number_in(region, "lorand", 0.0), number_in(region, "hirand", 1.0)
    return 1 + max(0, round(low / (high - low))) if 1e-3 < high - low < 1 else None


def _problem(preset: PresetLabels, region: Region, playable: bool) -> str | None:
    """Why a region plays no note."""
    if region.get("trigger", "attack").lower().startswith("release") or preset.releases:
        return f"{preset.file} plays it when a key is let go"
    if "on_cc" in region:
        return f"{preset.file} plays it when a controller moves"
    if not playable:
        return f"{preset.file} names it, but no key or velocity plays it"
    if region.get("loop_mode", "").startswith("loop") and number_in(region, "pitch_keytrack", 100.0) == 0:
        return f"{preset.file} plays it as a looped noise under every key"
    return None


READER = Reader("sfz", "SFZ instruments, VSCO-2-CE, VCSL", lambda tree: bool(tree.named(".sfz")), _read)
