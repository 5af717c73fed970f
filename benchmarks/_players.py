"""Small players of SFZ and Decent Sampler instruments, made from the descriptions of the formats alone.

They know what exports use: ranges of keys and velocities, loops, round robins, gains, and crossfades by a controller.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as Xml

import numpy as np
import soundfile
import soxr


class Region(NamedTuple):
    """A sample that sounds at a key, velocity and position of the knob."""

    file: Path
    transposed: float  # semitones
    gain: float
    loop: tuple[int, int] | None  # first and last sample
    turn: int  # in a round robin, from 1


def sfz_regions(file: Path, key: int, velocity: int, controllers: dict[int, int] | None = None) -> Iterator[Region]:
    """The regions of an SFZ file that sound."""
    levels: dict[str, dict[str, str]] = {}
    order = ("control", "global", "master", "group", "region")
    text = re.sub(r"//[^\n]*", "", file.read_text(encoding="utf-8"))
    for header, body in re.findall(r"<(\w+)>([^<]*)", text):
        found = {
            name: value.strip() for name, value in re.findall(r"(\w+)=((?:(?!\s+\w+=).)*)", body.replace("\n", " "))
        }
        levels = {name: levels.get(name, {}) for name in order[: order.index(header)]} | {header: found}
        opcodes = {name: value for level in levels.values() for name, value in level.items()}
        if header == "region" and (region := _sfz_region(file.parent, opcodes, key, velocity, controllers or {})):
            yield region


def _sfz_region(
    folder: Path, opcodes: dict[str, str], key: int, velocity: int, controllers: dict[int, int]
) -> Region | None:
    number = lambda name, default: float(opcodes.get(name, default))  # noqa: E731
    if not number("lokey", 0) <= key <= number("hikey", 127) or not number("lovel", 1) <= velocity <= number(
        "hivel", 127
    ):
        return None
    track = number("amp_veltrack", 100) / 100
    gain = 10 ** (number("volume", 0) / 20) * (1 - track + track * (velocity / 127) ** 2)
    for name in (name for name in opcodes if name.startswith(("xfin_locc", "xfout_locc"))):
        cc = name.partition("locc")[2]
        low, high = number(name, 0), number(name.replace("locc", "hicc"), 0)
        value = controllers.get(int(cc), int(number(f"set_cc{cc}", 0)))
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        share = share if name.startswith("xfin") else 1.0 - share
        gain *= share if opcodes.get("xf_cccurve", "power") == "gain" else math.sqrt(share)
    loop = None
    if opcodes.get("loop_mode") in ("loop_continuous", "loop_sustain"):
        loop = int(number("loop_start", 0)), int(number("loop_end", 0))
    semitones = (key - number("pitch_keycenter", 60)) * number("pitch_keytrack", 100) / 100 + number("tune", 0) / 100
    path = folder / (opcodes.get("default_path", "") + opcodes["sample"])
    return Region(path, semitones, gain, loop, int(number("seq_position", 1)))


def decent_regions(file: Path, key: int, velocity: int, knob: float = 0.0) -> Iterator[Region]:
    """The samples of a Decent Sampler preset that sound; the knob is its first, from 0 to 1."""
    root = Xml.parse(file).getroot()
    volumes = {}
    for binding in root.iterfind("ui/tab/labeled-knob/binding"):
        pairs = [tuple(map(float, pair.split(","))) for pair in binding.attrib["translationTable"].split(";")]
        volumes[binding.attrib["identifier"]] = float(np.interp(knob, *zip(*pairs, strict=True)))
    groups = root.find("groups")
    assert groups is not None
    for group in groups:
        for sample in group:
            values = {**groups.attrib, **group.attrib, **sample.attrib}
            low, high = int(values.get("loNote", 0)), int(values.get("hiNote", 127))
            if not low <= key <= high or not int(values["loVel"]) <= velocity <= int(values["hiVel"]):
                continue
            track = float(values.get("ampVelTrack", 1))
            gain = _amplitude(sample.attrib.get("volume", "1")) * (1 - track + track * velocity / 127)
            gain *= math.prod(volumes.get(tag, 1.0) for tag in values.get("tags", "").split(","))
            loop = None
            if values.get("loopEnabled") == "true":
                loop = int(values["loopStart"]), int(values["loopEnd"])
            semitones = (key - float(values["rootNote"])) * float(values.get("pitchKeyTrack", 1))
            turn = int(values.get("seqPosition", 1))
            yield Region(file.parent / values["path"], semitones, gain, loop, turn)


def _amplitude(volume: str) -> float:
    """A volume of Decent Sampler: linear, or in dB."""
    return 10 ** (float(volume[:-2]) / 20) if volume.endswith("dB") else float(volume)


def play(regions: Iterator[Region], seconds: float, turn: int = 1) -> tuple[np.ndarray, int]:
    """The sum of the regions of one turn, held, and its sample rate (Hz)."""
    sound, rate = np.zeros(0), 0
    for region in regions:
        if region.turn != turn:
            continue
        samples, rate = soundfile.read(region.file)
        ratio = 2 ** (region.transposed / 12)
        count = round(seconds * rate)
        samples = looped(samples, region.loop, math.ceil(count * ratio) + 64)
        part = region.gain * soxr.resample(samples, rate * ratio, rate, "VHQ")[:count]
        sound = np.pad(sound, (0, max(0, len(part) - len(sound))))
        sound[: len(part)] += part
    return sound, rate


def looped(samples: np.ndarray, loop: tuple[int, int] | None, count: int) -> np.ndarray:
    """`count` samples of a recording, whose loop repeats; without a loop, as many as it has."""
    if loop is None:
        return samples[:count]
    first, last = loop
    return samples[[index if index <= last else first + (index - first) % (last + 1 - first) for index in range(count)]]


def seam_db(samples: np.ndarray, loop: tuple[int, int], rate: int) -> float:
    """The level, dB, of what the loop's end and the sound before its start differ by in their last 10 ms."""
    first, after, width = loop[0], loop[1] + 1, round(0.01 * rate)
    before, again = samples[after - width : after], samples[first - width : first]
    return float(10 * np.log10((np.mean((before - again) ** 2) + 1e-20) / (np.mean(again**2) + 1e-20)))
