"""Reader of SFZ instruments, such as VSCO-2-CE and VCSL."""

import itertools
from collections import Counter
from collections.abc import Iterator
from functools import cached_property, partial

from timbre.data.filenames import BARE_NUMBERS, Choice, parse_names
from timbre.data.readers._preset import PresetLabels, preset_of, shown
from timbre.data.readers._reader import Options, Reader, Reading, attempt, separate
from timbre.data.readers._sampler import LARGEST, Opcodes, SampleZone, key_in, number_in, read_zones, zones_of
from timbre.data.readers._sfz_text import Region, Sfz
from timbre.data.report import Dropped
from timbre.data.sounds import root_key
from timbre.data.tree import Tree


def _read(tree: Tree, options: Options) -> Reading:
    parsed, dropped = separate(
        one
        for file in tree.named(".sfz")
        for one in attempt(file, tree.root / file, lambda file: [Sfz(tree, file)], file)
    )
    included = {file for sfz in parsed for file in sfz.included if file != sfz.file}
    instruments = [sfz for sfz in parsed if sfz.file not in included] or parsed
    outcomes: list[SampleZone | Dropped] = [*dropped]
    for sfz in instruments:
        _leave_default(sfz)
        zones = zones_of(tree, preset_of(sfz.file, tree.root.name), _samples(sfz.regions), partial(_zone, _Names(tree)))
        outcomes += [*sfz.dropped, *zones, *_without_recording(sfz)]
    return read_zones(tree, outcomes, ".sfz region", tree.chosen or f"{len(instruments)} .sfz files")


def _plays_recording(region: Region) -> bool:
    """Whether a region has a sample, and not a built-in waveform such as *sine."""
    return bool(region.get("sample")) and not region["sample"].startswith("*")


def _samples(regions: list[Region]) -> Iterator[tuple[str, Region]]:
    """References to sound files, each with its region."""
    for region in filter(_plays_recording, regions):
        yield region.get("default_path", "") + region["sample"], region


def _without_recording(sfz: Sfz) -> Iterator[Dropped]:
    """One entry for each kind of region that plays no sound file."""
    silent = itertools.filterfalse(_plays_recording, sfz.regions)
    for kind, count in Counter(shown(region.get("sample", "")) or "no sample" for region in silent).items():
        yield Dropped(sfz.file, f"{count} region{'s' * (count > 1)} without a recording ({kind})")


def _leave_default(sfz: Sfz) -> None:
    """Take the center of regions without one from their files, if these are several: the default is one pitch."""
    without = [region for region in filter(_plays_recording, sfz.regions) if "pitch_keycenter" not in region]
    if len({region["sample"] for region in without}) > 1:
        for region in without:
            region["pitch_keycenter"] = "sample"


class _Names:
    """The pitches that files say in their headers, or else in their names."""

    def __init__(self, tree: Tree) -> None:
        self._root, self._files = tree.root, tree.sounds

    @cached_property
    def _named(self) -> dict[str, float]:
        chosen = Choice(parse_names(self._files)).chosen
        return {file: one.pitch for file, one in chosen.items() if one.position[0] not in BARE_NUMBERS}

    def pitch(self, file: str) -> float | None:
        key = root_key(self._root / file)
        return self._named.get(file) if key is None else key


def _zone(names: _Names, preset: PresetLabels, region: Opcodes, file: str) -> SampleZone:
    center = _center(names, region, file)
    low, high = key_in(region, "lokey", 0.0), key_in(region, "hikey", 127.0)
    softest, hardest = _velocities(region)
    playable = low <= high and high >= 0 and softest <= hardest and number_in(region, "end", 0.0) != -1
    return SampleZone(
        preset=preset,
        file=file,
        pitch=_pitch(region, center),
        central=center is not None and low <= center <= high,
        softest=softest,
        hardest=hardest,
        first=number_in(region, "offset", 0.0),
        last=number_in(region, "end", LARGEST),
        take=_take(region),
        labels=tuple(region[name] for name in ("region_label", "group_label", "master_label") if name in region),
        switch=region.get("sw_label", ""),
        problem=_problem(preset, region, playable),
    )


def _center(names: _Names, region: Opcodes, file: str) -> float | None:
    """The key at which a sample sounds as recorded, before control offsets; default: 60.

    A center of "sample" is the key in the file's header, else the pitch in its name.
    """
    if region.get("pitch_keycenter", "").lower() != "sample":
        return key_in(region, "pitch_keycenter", 60.0)
    return names.pitch(file)


def _pitch(region: Opcodes, center: float | None) -> float | None:
    """MIDI pitch of the recording; None if it does not follow the keys."""
    if center is None or number_in(region, "pitch_keytrack", 100.0) == 0:
        return None
    if region.get("pitch_keycenter", "").lower() != "sample":
        center += number_in(region, "note_offset", 0.0) + 12 * number_in(region, "octave_offset", 0.0)
    pitch = center - number_in(region, "transpose", 0.0) - number_in(region, "tune", 0.0) / 100
    return pitch if 0 <= pitch <= 127 else None


def _velocities(region: Opcodes) -> tuple[float, float]:
    """Lowest and highest velocity of a region; crossfades end at their middle."""
    rise = (number_in(region, "xfin_lovel", 0.0) + number_in(region, "xfin_hivel", 0.0)) / 2
    fall = (number_in(region, "xfout_lovel", 127.0) + number_in(region, "xfout_hivel", 127.0)) / 2
    return max(number_in(region, "lovel", 0.0), rise), min(number_in(region, "hivel", 127.0), fall)


def _take(region: Opcodes) -> int | None:
    """Which of several takes a region plays, in turn or at random; None if there is only one."""
    turn, turns = number_in(region, "seq_position", 1.0), number_in(region, "seq_length", 1.0)
    if max(turn, turns) > 1:
        return max(1, int(turn))
    low, high = number_in(region, "lorand", 0.0), number_in(region, "hirand", 1.0)
    return 1 + max(0, round(low / (high - low))) if 1e-3 < high - low < 1 else None


def _problem(preset: PresetLabels, region: Opcodes, playable: bool) -> str | None:
    """Why a region plays no note; None if it plays one."""
    if region.get("trigger", "attack").lower().startswith("release") or preset.releases:
        return f"{preset.file} plays it when a key is released"
    if "on_cc" in region:
        return f"{preset.file} plays it when a controller moves"
    if not playable:
        return f"{preset.file} names it, but no key or velocity plays it"
    if region.get("loop_mode", "").startswith("loop") and number_in(region, "pitch_keytrack", 100.0) == 0:
        return f"{preset.file} plays it as looped noise at every key"
    return None


READER = Reader("sfz", lambda tree: bool(tree.named(".sfz")), _read)
