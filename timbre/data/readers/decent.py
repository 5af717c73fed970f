"""Reader of Decent Sampler presets, in folders and in .dslibrary archives."""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.parsers import expat

from timbre.data.readers._preset import PresetLabels, preset_of, shown
from timbre.data.readers._reader import Options, Reader, Reading
from timbre.data.readers._sampler import LARGEST, SampleZone, key_in, notes_of, number_in
from timbre.data.report import Dropped
from timbre.data.sounds import LARGEST_MEMBER, UNPACKING, unpacked
from timbre.data.tree import FOREIGN, SOUND, Listing, Tree, decoded
from timbre.errors import AudioError, LibraryError

_TELLING = """
    path rootnote lonote hinote lovel hivel start end tuning grouptuning globaltuning pitchkeytrack trigger oncc
    seqmode seqposition name
"""
_ATTRIBUTES = frozenset(_TELLING.split())
_ON_CONTROLLER = re.compile(r"on(lo|hi)cc\d+")
_LARGEST = 1 << 24  # bytes of a preset
_LONGEST = 4096  # characters of an attribute; no path is longer
_MOST_SAMPLES = 100_000
_MOST_MEMBERS = 200_000
_NEVER = {"release": "when a key is let go", "continuous": "all the time"}

Sample = dict[str, str]
"""The attributes of a sample, in lower case, with those of the groups around it."""


class _Archive(Listing):
    """The files in a .dslibrary, of which those with names that lead out of it, or that unpack too large, are refused.

    Raises:
        LibraryError: if it is no zip archive, or holds more files than any library.
    """

    outside = "lies outside the archive and is refused"

    def __init__(self, path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
        except UNPACKING as error:
            raise LibraryError(f"{path} is damaged or no .dslibrary: {str(error).rstrip('.')}.") from error
        if len(members) > _MOST_MEMBERS:
            raise LibraryError(f"{path} holds {len(members)} files; at most {_MOST_MEMBERS} are wanted.")
        self.path = path
        self.refused = {member.filename: why for member in members if (why := _refusal(member))}
        self.files = sorted({member.filename for member in members} - self.refused.keys())
        super().__init__(self.files)

    def text(self, member: str) -> str:
        """The text of a preset inside. Raises LibraryError if it cannot be unpacked."""
        try:
            return decoded(unpacked(self.path, member, _LARGEST))
        except AudioError as error:
            raise LibraryError(str(error).removeprefix(f"{self.path}: {member} ")) from error


def _refusal(member: zipfile.ZipInfo) -> str | None:
    name = member.filename.replace("\\", "/")
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        return "its name leads out of the archive and is refused"
    if member.file_size > LARGEST_MEMBER:
        return f"unpacks to {member.file_size} bytes and is refused; no note is that long"
    return None


def _read(tree: Tree, options: Options) -> Reading:
    zones: list[SampleZone] = []
    dropped: list[Dropped] = []
    named = tree.named(".dspreset", ".dslibrary")
    for file in named:
        try:
            if file.lower().endswith(".dslibrary"):
                _read_archive(tree, file, zones, dropped)
            else:
                _read_preset(tree, file, tree.text(file, _LARGEST), preset_of(file, tree.root.name), zones, dropped)
        except LibraryError as error:
            dropped.append(Dropped(file, str(error).removeprefix(f"{tree.root / file} ").rstrip(".")))
    notes, unplayed = notes_of(zones, tree.root)
    dropped += unplayed
    if tree.chosen is None:
        played = {zone.file for zone in zones} | {file for file, _ in dropped}
        dropped += [Dropped(file, "no .dspreset plays it") for file in tree.sounds if file not in played]
    return Reading(notes, dropped, tree.chosen or f"{len(named)} Decent Sampler files")


def _read_archive(tree: Tree, file: str, zones: list[SampleZone], dropped: list[Dropped]) -> None:
    """Add what the presets of an archive play, and what they leave alone."""
    archive = _Archive(tree.root / file)
    inside: list[SampleZone] = []
    for member in archive.files:
        if member.lower().endswith(".dspreset") and not _hidden(member):
            try:
                name = member.replace("\\", "/")
                _read_preset(archive, name, archive.text(member), preset_of(name, Path(file).stem), inside, dropped)
            except LibraryError as error:
                dropped.append(Dropped(f"{file}/{member}", str(error).rstrip(".")))
    played = {zone.file for zone in inside}
    sounds = [member for member in archive.files if posixpath.splitext(member)[1].lower() in SOUND | FOREIGN]
    dropped += [Dropped(shown(f"{file}/{member}"), why) for member, why in archive.refused.items()]
    dropped += [
        Dropped(f"{file}/{member}", "no .dspreset plays it")
        for member in sounds
        if member not in played and not _hidden(member)
    ]
    zones += [replace(zone, file=file, member=zone.file) for zone in inside]


def _hidden(member: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in member.split("/"))


def _read_preset(
    place: Listing, file: str, text: str, preset: PresetLabels, zones: list[SampleZone], dropped: list[Dropped]
) -> None:
    """Add the samples of a preset, and those of them that are not there."""
    beside = posixpath.dirname(file)
    lacking: dict[str, str] = {}
    for sample in _samples(text, file):
        reference = sample.get("path", "")
        if found := place.find(reference, beside):
            zones.append(_zone(preset, sample, found))
        else:
            lacking[shown(reference) or file] = f"{file} plays it, but it {place.missing(reference, beside)}"
    dropped += [Dropped(reference, why) for reference, why in lacking.items()]


def _zone(preset: PresetLabels, sample: Sample, file: str) -> SampleZone:
    low, high = key_in(sample, "lonote", 0.0), key_in(sample, "hinote", 127.0)
    root = key_in(sample, "rootnote", -1.0)
    softest, hardest = number_in(sample, "lovel", 0.0), number_in(sample, "hivel", 127.0)
    in_turn = "seqposition" in sample and sample.get("seqmode", "always").lower() != "always"
    return SampleZone(
        preset=preset,
        file=file,
        member=None,
        pitch=_pitch(sample, root),
        central=low <= root <= high,
        softest=softest,
        hardest=hardest,
        first=number_in(sample, "start", 0.0),
        last=number_in(sample, "end", LARGEST),
        take=max(1, int(number_in(sample, "seqposition", 1.0))) if in_turn else None,
        labels=(sample["name"],) if "name" in sample else (),
        switch="",
        problem=_problem(preset, sample, low <= high and softest <= hardest),
    )


def _pitch(sample: Sample, root: float) -> float | None:
    """MIDI pitch of the recording, if it sounds in tune at the keys that it is mapped to."""
    if root < 0 or number_in(sample, "pitchkeytrack", 1.0) == 0:
        return None
    pitch = root - sum(number_in(sample, name, 0.0) for name in ("tuning", "grouptuning", "globaltuning"))
    return pitch if 0 <= pitch <= 127 else None


def _problem(preset: PresetLabels, sample: Sample, playable: bool) -> str | None:
    """Why a sample is played as no note."""
    when = _NEVER.get(sample.get("trigger", "attack").lower())
    when = "when a controller moves" if "oncc" in sample else _NEVER["release"] if preset.releases else when
    if when:
        return f"{preset.file} plays it {when}"
    return None if playable else f"{preset.file} names it, but no key or velocity plays it"


def _samples(text: str, file: str) -> Iterator[Sample]:
    """The samples of a preset, in order.

    Raises:
        LibraryError: if it is not well-formed XML, declares a document type (entities could grow or read files), or
            holds more samples than any instrument.
    """
    found: list[Sample] = []
    groups: dict[str, Sample] = {"groups": {}, "group": {}}

    def start(element: str, attributes: dict[str, str]) -> None:
        own: Sample = {}
        for name, value in attributes.items():
            name = "oncc" if _ON_CONTROLLER.fullmatch(name.lower()) else name.lower()
            own |= {name: value[:_LONGEST]} if name in _ATTRIBUTES else {}
        if element.lower() in groups:
            groups[element.lower()] = own
        elif element.lower() == "sample":
            if len(found) >= _MOST_SAMPLES:
                raise LibraryError(f"{file} holds more than {_MOST_SAMPLES} samples; no instrument has as many.")
            found.append(groups["groups"] | groups["group"] | own)

    def end(element: str) -> None:
        if element.lower() in groups:
            groups[element.lower()] = {}

    def refuse(*_: object) -> None:
        raise LibraryError(f"{file} declares a document type, which no preset needs; it is refused unread.")

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, refuse
    try:
        parser.Parse(text.strip().encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise LibraryError(f"{file} is not well-formed XML: {error}.") from error
    yield from found


READER = Reader(
    "decent", "Decent Sampler presets and libraries", lambda tree: bool(tree.named(".dspreset", ".dslibrary")), _read
)
