"""Decent Sampler libraries: a preset (XML) for each instrument, with a page, and its samples as WAV or FLAC."""

import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path as FilePath
from typing import Any
from xml.etree import ElementTree as Xml

from timbre.exporting.names import write_archive
from timbre.exporting.request import ExportPlan, Request
from timbre.exporting.samplers.libraries import (
    README,
    Written,
    estimated,
    families,
    licence,
    maker,
    refuse_ending,
    text_sizes,
    write_readme,
    write_samples,
)
from timbre.exporting.samplers.pictures import HEIGHT, WIDTH, write_picture
from timbre.exporting.samplers.plan import Instrument, Zone, make_instruments, planned
from timbre.files import temporary, write_text
from timbre.version import __version__

_SAMPLES, _IMAGES, _INFO = "Samples", "Images", "DSLibraryInfo.xml"
_RELEASE = 1.3  # of the time of 60 dB, as in SFZ
_RATIO = 1.12  # of velocities in a range: the volume is right within 0.5 dB
_TOLERANCE = 1.0  # dB, of keys that share their volume
_PICTURE, _ELEMENT = 40_000, 240  # bytes of a picture, and of the reference to a sample, about
_FADE = 8  # points of a crossfade that keeps the power
_HOW = (
    "A library for Decent Sampler (decentsamples.com). Open a .dspreset file in it. The folders Samples and Images "
    "must stay beside it."
)


def plan_decent(request: Request) -> ExportPlan:
    """Plan a folder, or an archive (.dslibrary), of Decent Sampler presets."""
    refuse_ending(request, ".dspreset", ".dsbundle")
    instruments = make_instruments(request, takes=True)
    samples = estimated(request, instruments, _SAMPLES)
    files = text_sizes([README, _INFO])
    files |= {f"{one.stem}.dspreset": sum(map(_size, one.zones)) + 2048 for one in instruments}
    files |= text_sizes([f"{_IMAGES}/{one.stem}.png" for one in instruments], _PICTURE)

    def write(folder: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        (folder / _IMAGES).mkdir()
        for one in instruments:
            kept = write_samples(request, one, folder, _SAMPLES, step, rows)
            write_picture(folder / _IMAGES / f"{one.stem}.png", request.space, one)
            write_text(folder / f"{one.stem}.dspreset", _document(_preset(request, one, kept)))
        write_text(folder / _INFO, _document(_library(request, instruments)))
        write_readme(request, folder, instruments, _HOW)
        return rows

    def pack(file: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
        folder = temporary(file.parent)
        folder.mkdir()
        try:
            rows = write(folder, step)
            write_archive(file, folder, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return rows

    packed = request.output.suffix.lower() == ".dslibrary"
    sizes = files | samples
    return planned(instruments, {"": sum(sizes.values())} if packed else sizes, pack if packed else write)


def _document(root: Xml.Element) -> str:
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _preset(request: Request, instrument: Instrument, samples: Sequence[Written]) -> Xml.Element:
    root = Xml.Element("DecentSampler", minVersion="1.0.2")
    for line in (instrument.name, maker(request), licence(request)):
        root.append(Xml.Comment(f" {line.replace('--', '- -')} "))
    _page(root, request, instrument)
    groups = Xml.SubElement(root, "groups", volume="0dB", attack="0", decay="0", sustain="1", ampVelTrack="1")
    key = lambda one: (one.zone.step, one.zone.take)  # noqa: E731
    for (step, take), part in groupby(sorted(samples, key=key), key):
        group = Xml.SubElement(groups, "group", tags=_tag(step), name=f"timbre {step + 1}", ampVelTrack="1")
        if instrument.takes > 1:
            group.attrib |= {"seqMode": "round_robin", "seqLength": str(instrument.takes), "seqPosition": str(take + 1)}
        for one in part:
            for span in one.spans(_TOLERANCE):
                for low, high in _ranges(one.zone.layer.low, one.zone.layer.high):
                    group.append(_sample(instrument, one, span, low, high))
    return root


def _size(zone: Zone) -> int:
    """Bytes of the references to a sample, about: half of its keys have a volume of their own."""
    ranges = len(list(_ranges(zone.layer.low, zone.layer.high)))
    return _ELEMENT * ranges * max(1, (zone.high - zone.low + 1) // 2)


def _sample(instrument: Instrument, sample: Written, span: tuple[int, int, float], low: int, high: int) -> Xml.Element:
    """The reference to a sample at some velocities: the player's gain is the velocity, the volume makes it a square."""
    zone = sample.zone
    volume = 20 * math.log10((low * high) ** 0.5 / 127) + span[2]
    values: dict[str, object] = {
        "path": sample.file, "rootNote": zone.key, "loNote": span[0], "hiNote": span[1], "loVel": low, "hiVel": high,
        "volume": f"{volume:.2f}dB", "release": f"{_RELEASE * sample.release:.3f}",
    }  # fmt: skip
    if not instrument.keys:
        values["pitchKeyTrack"] = 0
    if sample.loop is None:
        values["loopEnabled"] = "false"
    else:
        values |= {"loopEnabled": "true", "loopStart": sample.loop[0], "loopEnd": sample.loop[1] - 1}
    return Xml.Element("sample", {name: str(value) for name, value in values.items()})


def _ranges(low: int, high: int) -> Iterator[tuple[int, int]]:
    """Ranges of velocities, each no wider than the ratio."""
    while low <= high:
        last = min(high, max(low, int(low * _RATIO)))
        yield low, last
        low = last + 1


def _page(root: Xml.Element, request: Request, instrument: Instrument) -> None:
    """The page: a picture of how the sound changes, and the timbre knob, which a controller turns too."""
    picture = f"{_IMAGES}/{instrument.stem}.png"
    page = Xml.SubElement(
        root, "ui", width=str(WIDTH), height=str(HEIGHT), bgImage=picture, coverArt=picture, bgColor="FF101820"
    )
    tab = Xml.SubElement(page, "tab", name="main")
    Xml.SubElement(
        tab, "label", x="20", y="12", width="500", height="30", text=instrument.name, textColor="FFFFFFFF",
        textSize="22", hAlign="left",
    )  # fmt: skip
    steps = len(instrument.points)
    if steps < 2:
        return
    knob = Xml.SubElement(
        tab, "labeled-knob", x="680", y="20", width="110", height="130", label="Timbre", parameterName="Timbre",
        type="float", minValue="0", maxValue="1", value="0", textColor="FFFFFFFF", textSize="18",
    )  # fmt: skip
    for step in range(steps):
        Xml.SubElement(
            knob, "binding", type="amp", level="tag", identifier=_tag(step), parameter="AMP_VOLUME",
            translation="table", translationTable=_table(step, steps, instrument.is_noise),
        )  # fmt: skip
    midi = Xml.SubElement(root, "midi")
    controller = Xml.SubElement(midi, "cc", number=str(request.settings.controller))
    Xml.SubElement(
        controller, "binding", level="ui", type="control", position="1", parameter="VALUE", translation="linear",
        translationOutputMin="0", translationOutputMax="1",
    )  # fmt: skip


def _tag(step: int) -> str:
    return f"step{step + 1}"


def _table(step: int, steps: int, power: bool) -> str:
    """The volume of a position over the knob's values 0 to 1, as pairs: it fades from and to its neighbours."""
    width = 1.0 / (steps - 1)
    shares = [number / _FADE for number in range(_FADE + 1)] if power else [0.0, 1.0]
    exponent = 0.5 if power else 1.0
    rising = [((step - 1 + share) * width, share**exponent) for share in shares] if step else [(0.0, 1.0)]
    falling = [((step + share) * width, (1 - share) ** exponent) for share in shares[1:]]
    pairs = rising + (falling if step + 1 < steps else [])
    first, last = pairs[0], pairs[-1]
    pairs = [(0.0, first[1])] * (first[0] > 0) + pairs + [(1.0, last[1])] * (last[0] < 1)
    return ";".join(f"{place:.4f},{volume:.4f}" for place, volume in pairs)


def _library(request: Request, instruments: Iterable[Instrument]) -> Xml.Element:
    version = ".".join(__version__.split(".")[:3])
    root = Xml.Element("DecentSamplerLibraryInfo", name=request.output.stem, version=version)
    for line in (maker(request), licence(request)):
        root.append(Xml.Comment(f" {line.replace('--', '- -')} "))
    menu = Xml.SubElement(root, "presetMenu")
    for group, part in families(instruments):
        place = Xml.SubElement(menu, "menu", name=group) if group else menu
        for one in part:
            Xml.SubElement(place, "preset", file=f"{one.stem}.dspreset")
    return root
