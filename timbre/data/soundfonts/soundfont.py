"""SoundFonts (sf2 and sf3): their presets and their recordings."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from timbre.audio import Audio
from timbre.audio.files import LONGEST, decode
from timbre.data.soundfonts._riff import Chunks, Generators, clean_text, read_chunks, read_zones
from timbre.errors import AudioError, LibraryError
from timbre.files import expanded

# Codes of generators in the SoundFont Technical Specification 2.04, section 8.1.
_INSTRUMENT, _KEYS, _VELOCITIES, _COARSE, _FINE, _SAMPLE, _ROOT = 41, 43, 44, 51, 52, 53, 58
_RIGHT, _LEFT, _COMPRESSED, _ROM = 2, 4, 0x10, 0x8000  # bits of `Sample.kind`
_MOST_ZONES = 1 << 18  # FluidR3 has 17,000; a damaged file may have up to 2**32
_RATES = range(400, 400_000)  # Hz


class MidiRange(NamedTuple):
    """MIDI keys or velocities, both ends included."""

    low: int
    high: int

    def common(self, other: "MidiRange") -> "MidiRange":
        """The intersection; `low` is above `high` if it is empty."""
        return MidiRange(max(self.low, other.low), min(self.high, other.high))


class SoundFontZone(NamedTuple):
    """A recording, and the keys and velocities of a preset at which it sounds."""

    sample: int  # index of the recording
    keys: MidiRange
    velocities: MidiRange
    pitch: float  # key (MIDI, with cents) at which the recording is not transposed
    instrument: str  # name of the SoundFont's instrument that the preset uses; in drum kits, often the drum


@dataclass(frozen=True)
class SoundFontPreset:
    """A preset: what players select."""

    bank: int  # MIDI; 128 contains the drum kits
    program: int  # MIDI, 0 to 127
    name: str
    zones: tuple[SoundFontZone, ...]  # in the order of the file; zones of presets and instruments are joined

    def sounding(self, key: int, velocity: int) -> list[SoundFontZone]:
        """The zones that sound at a key and velocity."""
        return [
            zone
            for zone in self.zones
            if zone.keys.low <= key <= zone.keys.high and zone.velocities.low <= velocity <= zone.velocities.high
        ]


class Sample(NamedTuple):
    """The header of a recording."""

    name: str
    start: int  # first 16-bit frame, or first byte if it is compressed, from the beginning of all samples
    end: int  # one after the last
    loop_start: int
    loop_end: int
    rate: int  # Hz
    key: int  # MIDI key at which it was recorded, unless a zone overrides it; 255 is unpitched
    correction: int  # cents to add for it to be in tune
    link: int  # index of the other channel of a stereo recording
    kind: int  # 1 mono, 2 right, 4 left, 8 linked; plus 16 for an OGG stream, and 32768 if it is not in the file


@dataclass(frozen=True)
class SoundFont:
    """The contents of a SoundFont, without the sound."""

    file: Path
    name: str  # INAM; default: the file's name
    copyright: str  # ICOP
    comment: str  # ICMT
    presets: tuple[SoundFontPreset, ...]  # by bank and program
    samples: tuple[Sample, ...]
    sound: tuple[int, int]  # first byte and size of the samples in the file
    other_channels: dict[int, int]  # for each channel of a stereo recording, the index of the other

    def pair(self, number: int) -> tuple[int, ...]:
        """The indices of both channels of a stereo recording, left first; the index itself for a mono one."""
        other = self.other_channels.get(number)
        if other is None:
            return (number,)
        return (number, other) if self.samples[number].kind & _LEFT else (other, number)


def read_soundfont(path: str | os.PathLike[str]) -> SoundFont:
    """Presets and sample headers of an sf2 or sf3 file; of the sound itself nothing is read.

    Raises:
        LibraryError: if it cannot be read, is not a SoundFont, is truncated or contradicts itself.
    """
    path = expanded(path, LibraryError)
    try:
        status = path.stat()
    except OSError as error:
        raise LibraryError(f"{path} cannot be read: {error.strerror}.") from error
    return _parsed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _parsed(path: Path, changed: int, size: int) -> SoundFont:
    """Cached, since recordings are read one by one; a file that was replaced is read again."""
    chunks = read_chunks(path)
    samples = tuple(Sample(clean_text(record[0]), *record[1:]) for record in chunks.tables["shdr"][:-1])
    try:
        presets = tuple(sorted(_presets(chunks, samples), key=lambda preset: (preset.bank, preset.program)))
    except LibraryError as error:
        raise LibraryError(f"{path} is a damaged SoundFont: {error}") from error
    name, holder, comment = (chunks.texts[key] for key in ("INAM", "ICOP", "ICMT"))
    return SoundFont(path, name or path.stem, holder, comment, presets, samples, chunks.sound, _pairs(samples))


def _pairs(samples: tuple[Sample, ...]) -> dict[int, int]:
    """The other channel of every stereo recording: by the links, or by names if those are missing, as in FluidR3."""
    lefts = [number for number, sample in enumerate(samples) if sample.kind & _LEFT]
    rights = {_stem(sample): number for number, sample in enumerate(samples) if sample.kind & _RIGHT}
    others: dict[int, int] = {}
    for left in lefts:
        sample = samples[left]
        linked = samples[sample.link] if sample.link < len(samples) else None
        mutual = linked is not None and linked.kind & _RIGHT and linked.link == left and linked.rate == sample.rate
        right = sample.link if mutual else rights.get(_stem(sample))
        if right is not None and right not in others:
            others |= {left: right, right: left}
    return others


def _stem(sample: Sample) -> tuple[str, int]:
    """What both channels have in common: "Piano A0" of "Piano A0(L)" and "Piano A0(R)", and the rate."""
    return re.sub(r"[\s_(-]*[LR]\)?$", "", sample.name), sample.rate


def read_sample(path: str | os.PathLike[str], number: int) -> Audio:
    """A recording, unprocessed, with both channels if it is stereo; only 16 of 24 bits are read.

    Raises an AudioError if the file cannot be read, or the recording is missing or damaged.
    """
    try:
        font = read_soundfont(path)
    except LibraryError as error:
        raise AudioError(str(error)) from error
    if not 0 <= number < len(font.samples):
        raise AudioError(f"The sample of {font.file} must be from 0 to {len(font.samples) - 1}, got {number}.")
    channels = [_recording(font, channel) for channel in font.pair(number)]
    length = min(channel.samples.shape[1] for channel in channels)
    return Audio(np.concatenate([channel.samples[:1, :length] for channel in channels]), channels[0].sample_rate)


def _recording(font: SoundFont, number: int) -> Audio:
    sample = font.samples[number]
    name = f"{font.file}: sample {number} ({sample.name})"
    if sample.kind & _ROM:
        raise AudioError(f"{name} is in the ROM of a sound card, not in the file.")
    if sample.rate not in _RATES:
        raise AudioError(f"{name} is damaged: it has {sample.rate} Hz.")
    width = 1 if sample.kind & _COMPRESSED else 2
    if not 0 <= sample.start < sample.end <= font.sound[1] // width:
        raise AudioError(f"{name} is damaged: it lies from {sample.start} to {sample.end}, outside the samples.")
    if sample.end - sample.start > LONGEST:
        raise AudioError(f"{name} must have {LONGEST} samples or fewer, got {sample.end - sample.start}.")
    try:
        with font.file.open("rb") as file:
            file.seek(font.sound[0] + width * sample.start)
            content = file.read(width * (sample.end - sample.start))
    except OSError as error:
        raise AudioError(f"{name} cannot be read: {error.strerror}.") from error
    if width == 1:
        return decode(content, name)
    return Audio((np.frombuffer(content, "<i2") / 32768).astype(np.float32), sample.rate)


def _presets(chunks: Chunks, samples: tuple[Sample, ...]) -> Iterator[SoundFontPreset]:
    tables = chunks.tables
    names = [clean_text(record[0]) for record in tables["inst"]]
    instruments = read_zones([r[1] for r in tables["inst"]], tables["ibag"], tables["igen"], _SAMPLE, len(samples))
    bags = read_zones([r[3] for r in tables["phdr"]], tables["pbag"], tables["pgen"], _INSTRUMENT, len(instruments))
    count = 0
    for record, zones in zip(tables["phdr"], bags, strict=False):
        count += sum(len(instruments[zone[_INSTRUMENT]]) for zone in zones)
        if count > _MOST_ZONES:
            raise LibraryError(f"its presets have more than {_MOST_ZONES} zones.")
        joined = [
            _join(outer, inner, samples[inner[_SAMPLE]], names[outer[_INSTRUMENT]])
            for outer in zones
            for inner in instruments[outer[_INSTRUMENT]]
        ]
        audible = (zone for zone in joined if zone.keys.low <= zone.keys.high)
        audible = (zone for zone in audible if zone.velocities.low <= zone.velocities.high)
        yield SoundFontPreset(record[2], record[1], clean_text(record[0]), tuple(audible))


def _join(outer: Generators, inner: Generators, sample: Sample, instrument: str) -> SoundFontZone:
    """The zone of an instrument inside a zone of a preset: ranges intersect, tunings add up."""
    coarse, fine = (_signed(outer.get(number, 0)) + _signed(inner.get(number, 0)) for number in (_COARSE, _FINE))
    root = inner.get(_ROOT, sample.key)
    root = root if root <= 127 else sample.key if sample.key <= 127 else 60  # as in the specification
    return SoundFontZone(
        inner[_SAMPLE],
        _range(outer, _KEYS).common(_range(inner, _KEYS)),
        _range(outer, _VELOCITIES).common(_range(inner, _VELOCITIES)),
        root - coarse - (fine + sample.correction) / 100,
        instrument,
    )


def _range(zone: Generators, number: int) -> MidiRange:
    amount = zone.get(number, 127 << 8)
    return MidiRange(amount & 0xFF, min(amount >> 8, 127))


def _signed(amount: int) -> int:
    return amount - (1 << 16) if amount & 0x8000 else amount
