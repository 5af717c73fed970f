"""Reader of Decent Sampler presets, in folders and in .dslibrary archives."""

import posixpath
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.parsers import expat

from timbre.data.readers._preset import PresetLabels, preset_of, shown
from timbre.data.readers._reader import Options, Reader, Reading, attempt, separate
from timbre.data.readers._sampler import LARGEST, Opcodes, SampleZone, key_in, number_in, read_zones, zones_of
from timbre.data.report import Dropped
from timbre.data.sounds import LARGEST_MEMBER, UNPACKING, unpacked
from timbre.data.tree import FOREIGN, SOUND, Listing, Tree, decoded
from timbre.errors import LibraryError

_NAMES = """
    path rootnote lonote hinote lovel hivel start end tuning grouptuning globaltuning pitchkeytrack trigger oncc
    seqmode seqposition name
"""
_ATTRIBUTES = frozenset(_NAMES.split())
_ON_CONTROLLER = re.compile(r"on(lo|hi)cc\d+")
_LARGEST = 1 << 24  # bytes of a preset
_LONGEST = 4096  # characters of an attribute; no path is longer
_MOST_SAMPLES = 100_000
_MOST_MEMBERS = 200_000
_NEVER = {"release": "when a key is released", "continuous": "all the time"}

Sample = dict[str, str]
"""The attributes of a sample and of the groups that contain it, in lower case."""


class _Archive(Listing):
    """The files in a .dslibrary; those whose names lead out of it, or that are too large, are refused.

    Raises LibraryError if it is not a zip archive, or contains more files than any library.
    """

    outside = "lies outside the archive and is refused"

    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
        except UNPACKING as error:
            raise LibraryError(f"{path} is damaged or not a .dslibrary file: {str(error).rstrip('.')}.") from error
        if len(members) > _MOST_MEMBERS:
            raise LibraryError(f"{path} must contain at most {_MOST_MEMBERS} files, got {len(members)}.")
        self.path = path
        self.refused = {member.filename: why for member in members if (why := _refusal(member))}
        self.files = sorted({member.filename for member in members} - self.refused.keys())
        super().__init__(self.files)


def _refusal(member: zipfile.ZipInfo) -> str | None:
    name = member.filename.replace("\\", "/")
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        return "its name leads out of the archive and is refused"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA takes the memory that it asks for
        return "is compressed by a method that Decent Sampler does not know and is refused"
    if member.file_size > LARGEST_MEMBER:
        return f"unpacks to {member.file_size} bytes and is refused; no note is that long"
    return None


def _read(tree: Tree, options: Options) -> Reading:
    files = tree.named(".dspreset", ".dslibrary")
    outcomes = (one for file in files for one in attempt(file, tree.root / file, _read_file, tree, file))
    return read_zones(tree, outcomes, ".dspreset", tree.chosen or f"{len(files)} Decent Sampler files")


def _read_file(tree: Tree, file: str) -> list[SampleZone | Dropped]:
    if file.lower().endswith(".dslibrary"):
        return _read_archive(_Archive(tree.root / file), file)
    return _read_preset(tree, tree.text(file, _LARGEST), preset_of(file, tree.root.name))


def _read_archive(archive: _Archive, file: str) -> list[SampleZone | Dropped]:
    """The zones of the presets in an archive; unused and unreadable files are dropped."""

    def read_member(member: str) -> list[SampleZone | Dropped]:
        preset = preset_of(member.replace("\\", "/"), Path(file).stem)
        return _read_preset(archive, decoded(unpacked(archive.path, member, _LARGEST)), preset)

    visible = [member for member in archive.files if not re.search(r"(^|/)(\.|__MACOSX)", member)]
    presets = [member for member in visible if member.lower().endswith(".dspreset")]
    zones, dropped = separate(
        one
        for member in presets
        for one in attempt(f"{file}/{member}", f"{archive.path}: {member}", read_member, member)
    )
    dropped += [Dropped(shown(f"{file}/{member}"), reason) for member, reason in archive.refused.items()]
    mentioned = {zone.file for zone in zones}
    sounds = [member for member in visible if posixpath.splitext(member)[1].lower() in SOUND | FOREIGN]
    dropped += [Dropped(f"{file}/{one}", "no .dspreset plays it") for one in sounds if one not in mentioned]
    return [*(replace(zone, file=file, member=zone.file) for zone in zones), *dropped]


def _read_preset(listing: Listing, text: str, preset: PresetLabels) -> list[SampleZone | Dropped]:
    references = ((sample.get("path", ""), sample) for sample in _samples(text, preset.file))
    return zones_of(listing, preset, references, _zone)


def _zone(preset: PresetLabels, sample: Opcodes, file: str) -> SampleZone:
    low, high = key_in(sample, "lonote", 0.0), key_in(sample, "hinote", 127.0)
    root = key_in(sample, "rootnote", -1.0)
    softest, hardest = number_in(sample, "lovel", 0.0), number_in(sample, "hivel", 127.0)
    has_takes = "seqposition" in sample and sample.get("seqmode", "always").lower() != "always"
    return SampleZone(
        preset=preset,
        file=file,
        pitch=_pitch(sample, root),
        central=low <= root <= high,
        softest=softest,
        hardest=hardest,
        first=number_in(sample, "start", 0.0),
        last=number_in(sample, "end", LARGEST),
        take=max(1, int(number_in(sample, "seqposition", 1.0))) if has_takes else None,
        labels=(sample["name"],) if "name" in sample else (),
        problem=_problem(preset, sample, low <= high and softest <= hardest),
    )


def _pitch(sample: Opcodes, root: float) -> float | None:
    """MIDI pitch of the recording; None if it does not follow the keys."""
    if root < 0 or number_in(sample, "pitchkeytrack", 1.0) == 0:
        return None
    pitch = root - sum(number_in(sample, name, 0.0) for name in ("tuning", "grouptuning", "globaltuning"))
    return pitch if 0 <= pitch <= 127 else None


def _problem(preset: PresetLabels, sample: Opcodes, playable: bool) -> str | None:
    """Why a sample is not played as a note; None if it is."""
    trigger = "release" if preset.releases else sample.get("trigger", "attack").lower()
    if when := "when a controller moves" if "oncc" in sample else _NEVER.get(trigger):
        return f"{preset.file} plays it {when}"
    return None if playable else f"{preset.file} names it, but no key or velocity plays it"


def _samples(text: str, file: str) -> list[Sample]:
    """The samples of a preset, in order.

    Raises LibraryError if it is not well-formed XML, declares a document type (its entities could grow without bound or
    read files), or contains more samples than any instrument.
    """
    samples: list[Sample] = []
    groups: dict[str, Sample] = {"groups": {}, "group": {}}

    def start(element: str, attributes: dict[str, str]) -> None:
        own: Sample = {}
        for name, value in attributes.items():
            name = "oncc" if _ON_CONTROLLER.fullmatch(name.lower()) else name.lower()
            own |= {name: value[:_LONGEST]} if name in _ATTRIBUTES else {}
        if element.lower() in groups:
            groups[element.lower()] = own
        elif element.lower() == "sample":
            if len(samples) >= _MOST_SAMPLES:
                raise LibraryError(f"{file} has more than {_MOST_SAMPLES} samples; no instrument has that many.")
            samples.append(groups["groups"] | groups["group"] | own)

    def end(element: str) -> None:
        if element.lower() in groups:
            groups[element.lower()] = {}

    def refuse(*_: object) -> None:
        raise LibraryError(f"{file} must not declare a document type (DOCTYPE); remove it.")

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, refuse
    try:
        parser.Parse(text.strip().encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise LibraryError(f"{file} is not well-formed XML: {error}.") from error
    return samples


READER = Reader("decent", lambda tree: bool(tree.named(".dspreset", ".dslibrary")), _read)
