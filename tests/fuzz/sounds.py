"""Sound files of every format that libsndfile reads."""

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import soundfile

import timbre
from fuzz import _mutations as mutations
from fuzz._target import lay_out, packed, target
from fuzz._tiny import RATE, sound, tiny_space, tone
from timbre.audio.files import begin, probe, read
from timbre.audio.wavetables import read_wavetable
from timbre.data.sounds import extent, root_key
from timbre.errors import AudioError
from timbre.exporting.wavetables.files import wav_file, wt_file

_DOORS = ("timbre.audio.files:read", "timbre.audio.files:begin", "timbre.audio.files:probe")
_SMPL = struct.pack("<15I", 0, 0, 125_000, 60, 1 << 31, 0, 0, 1, 0, 0, 0, 10, 300, 0, 0)
_INST = struct.pack(">bbbbbbhhhhhhh", 60, 10, 0, 127, 1, 127, 0, 0, 0, 0, 0, 0, 0)


def _chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)


def _with_chunks(data: bytes, *chunks: bytes, order: str = "<") -> bytes:
    data += b"".join(chunks)
    return data[:4] + struct.pack(f"{order}I", len(data) - 8) + data[8:]


@cache
def seeds(kind: str) -> tuple[bytes, ...]:
    """Valid sounds of a format, in its sample formats."""
    wav = sound("WAV")
    made: dict[str, list[bytes]] = {
        "wav": [
            wav, sound("WAV", "PCM_24"), sound("WAV", "FLOAT", channels=2), sound("WAVEX", "DOUBLE"),
            _with_chunks(wav, _chunk(b"smpl", _SMPL), _chunk(b"LIST", b"INFOINAM\4\0\0\0name"), _chunk(b"cue ",
            bytes(28))),
            b"RIFX" + wav[4:],
        ],
        "wav-coded": [sound("WAV", subtype) for subtype in ("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610",
        "PCM_U8")],
        "aiff": [
            _with_chunks(sound("AIFF"), _chunk(b"INST", _INST, ">"), order=">"), sound("AIFF", "PCM_24", channels=2),
            sound("AIFF", "FLOAT"), sound("AIFF", "ULAW"),
        ],
        "w64": [sound("W64"), sound("W64", "FLOAT"), sound("RF64"), sound("RF64", "PCM_24"),
        b"BW64" + sound("RF64")[4:]],
        "caf": [sound("CAF"), sound("CAF", "FLOAT"), sound("CAF", "ALAC_16")],
        "flac": [sound("FLAC"), sound("FLAC", "PCM_24", channels=2)],
        "ogg": [sound("OGG", "VORBIS", rate=RATE), sound("OGG", "OPUS", rate=48000, seconds=0.02)],
        "mp3": [sound("MP3", "MPEG_LAYER_III")],
        "other": [sound(name) for name in ("AU", "NIST", "IRCAM", "VOC", "PAF", "SVX", "MAT4", "MAT5", "PVF", "XI",
        "HTK", "SDS", "AVR", "WVE", "MPC2K") if name in _OTHERS],
    }  # fmt: skip
    return tuple(made[kind])


_OTHERS = [name for name in soundfile.available_formats() if soundfile.check_format(name, "PCM_16")]


def _from(kind: str) -> Callable[[Random], bytes]:
    """An input of a format: bytes or chunks changed, and the checksums of OGG's pages made again."""
    order = {"wav": "<", "wav-coded": "<", "aiff": ">"}.get(kind)

    def make(random: Random) -> bytes:
        own = seeds(kind)
        data = random.choice(own)
        share = random.random()
        if order and share < 0.5:
            data = mutations.some_chunks(random, data, order)
        else:
            data = mutations.some_bytes(random, data, own)
        return _with_sums(data) if kind == "ogg" and share < 0.8 else data

    return make


def _read(data: bytes, place: Path) -> None:
    file = place / "a.wav"
    file.write_bytes(data)
    extent(file)
    root_key(file)
    refused = None
    try:
        audio = read(file)
    except timbre.errors.TimbreError as error:
        refused = error
    try:
        part, all_of_it = begin(file, 0.01)
        found = probe(file)
    except timbre.errors.TimbreError:
        assert refused, "a file that is read whole is refused in blocks"
        raise
    if refused:
        raise refused
    assert found == all_of_it
    assert abs(found.duration - audio.duration) < 1e-6
    assert np.isfinite(audio.samples).all()
    assert part.samples.shape[0] == audio.channels
    audio.mono().trim()


for _kind in ("wav", "wav-coded", "aiff", "w64", "caf", "flac", "ogg", "mp3", "other"):
    target(f"sound-{_kind}", _from(_kind), *_DOORS, "timbre.data.sounds:extent", "timbre.data.sounds:root_key")(_read)


@cache
def _wavetables() -> tuple[bytes, ...]:
    frames = np.sin(2.0 * np.pi * np.arange(2 * 2048).reshape(2, 2048) / 2048).astype(np.float32)
    return wav_file(frames, "a"), wt_file(frames[:, ::64], "a"), struct.pack("<4sIHH", b"vawt", 32, 1, 4) + bytes(64)


def _wavetable(random: Random) -> bytes:
    own = _wavetables()
    data = random.choice(own)
    chunks = data[:4] == b"RIFF" and random.random() < 0.5
    return mutations.some_chunks(random, data, "<") if chunks else mutations.some_bytes(random, data, own)


@target("wavetable", _wavetable, "timbre.audio.wavetables:read_wavetable")
def _read_wavetable(data: bytes, place: Path) -> None:
    file = place / "a.wav"
    file.write_bytes(data)
    with suppress(AudioError):
        assert np.isfinite(read(file).samples).all()
    frames = read_wavetable(file)
    assert frames.ndim == 2
    assert frames.size
    assert np.isfinite(frames).all()


def _with_sums(data: bytes) -> bytes:
    """OGG pages with right checksums, so that what is in them is read."""
    pages, at = bytearray(data), data.find(b"OggS")
    while 0 <= at <= len(pages) - 27:
        stop = pages.find(b"OggS", at + 4)
        stop = len(pages) if stop < 0 else stop
        pages[at + 22 : at + 26] = bytes(4)
        pages[at + 22 : at + 26] = struct.pack("<I", _crc(bytes(pages[at:stop])))
        at = stop if stop < len(pages) else -1
    return bytes(pages)


@cache
def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        crc = value << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
        table.append(crc)
    return table


def _crc(data: bytes) -> int:
    crc, table = 0, _crc_table()
    for byte in data:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ table[(crc >> 24) ^ byte]
    return crc


def _samples(random: Random) -> bytes:
    """A sound of floats with samples that no recording has."""
    samples = np.array(tone(random.choice((36.0, 60.0, 90.0)), random.choice((0.02, 0.05, 0.2))), np.float32)
    samples = np.stack([samples, samples * random.choice((1.0, -1.0, 0.0, 1e-20))][: random.choice((1, 1, 2))], 1)
    kind = random.randrange(7)
    at = random.randrange(len(samples))
    if kind == 0:
        samples *= random.choice((0.0, 1e-30, 1e-10, 1e-4, 100.0, 1e10, 1e37, 3e38))
    elif kind == 1:
        samples += random.choice((1e-3, 0.5, 1.0, 1e6, -1e30))
    elif kind == 2:
        samples[at:] = random.choice((0.0, 1.0, -1.0, np.nan, np.inf, 3e38))
    elif kind == 3:
        samples[at] = np.float32(min(max(random.choice(mutations.FLOATS), -3.4e38), 3.4e38))
    elif kind == 4:
        samples[::2] *= -1.0
    elif kind == 5:
        samples = samples[: random.choice((1, 2, 3, 10, 100, 160, 161))]
    else:
        samples = np.sign(samples)
    data = samples.astype("<f4").tobytes()
    rate = random.choice((RATE, RATE, 1, 50, 400, 11025, 44100, 192_000, 384_000, 2**31 - 1))
    width = samples.shape[1]
    form = struct.pack("<HHIIHH", 3, width, rate, min(rate * 4 * width, 2**32 - 1), 4 * width, 32)
    return _with_chunks(b"RIFF\0\0\0\0WAVE", _chunk(b"fmt ", form), _chunk(b"data", data))


@target("sound-samples", _samples, "timbre.data.scanning:scan", "timbre.space.space:Space.encode")
def _scan_sound(data: bytes, place: Path) -> None:
    file = place / "flute-C4.wav"
    file.write_bytes(data)
    library = timbre.scan(place)
    note = library[0]
    assert note.measured is not None
    point = tiny_space().encode(note.audio(), note.pitch, note.velocity)
    assert np.isfinite(point).all()


def _pair(random: Random) -> bytes:
    make = random.choice([_from(kind) for kind in ("wav", "aiff", "flac", "ogg", "mp3")])
    return packed({"flute-C4.wav": sound(), "flute-D4.wav": make(random), "flute-E4.flac": make(random)})


@target("sound-scanned", _pair, "timbre.data.scanning:scan")
def _scan_three(data: bytes, place: Path) -> None:
    lay_out(data, place)
    library = timbre.scan(place)
    assert library.report.kept + len(library.report.dropped) == 3
    assert all(found.duration > 0 for found in library)
    library.report.table()
