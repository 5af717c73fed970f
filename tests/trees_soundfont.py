"""Small SoundFonts, written byte by byte, for the contract test and the benchmarks.

The recordings are periodic tones that loop seamlessly, so that a synthesizer can sustain them in tune. Their headers
are incomplete, as in real files: the flute's root key is in generator 58 only, the violin's follows from its tuning,
and one channel of a stereo recording is identified by its name.
"""

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from trees_named import BuiltTree

from timbre.audio.pitch import midi_to_hz
from timbre.data.readers import Options

MONO, RIGHT, LEFT, ROM = 1, 2, 4, 0x8001
PAN, INSTRUMENT, KEYS, VELOCITIES, COARSE, FINE, SAMPLE, MODE, ROOT = 17, 41, 43, 44, 51, 52, 53, 54, 58
PERIOD = 84  # frames of every tone; its rate is chosen to fit
GAP = 46  # frames of silence behind a sample, which the specification wants

Zone = list[tuple[int, int]]
"""Generators and their amounts, in order; ranges are (number, low + 256 * high)."""


@dataclass(frozen=True)
class Recorded:
    """A sample: its header and its sound."""

    name: str
    frames: np.ndarray
    rate: int
    key: int = 60
    correction: int = 0
    link: int = 0
    kind: int = MONO


@dataclass(frozen=True)
class Contents:
    """The content of a SoundFont; instruments and presets are names (with bank and program) and zones."""

    samples: Sequence[Recorded]
    instruments: Sequence[tuple[str, list[Zone]]]
    presets: Sequence[tuple[str, int, int, list[Zone]]]
    texts: dict[str, bytes] = field(default_factory=lambda: {"INAM": b"Tiny"})
    compressed: bool = False
    padded: bool = True
    """Whether odd chunks are padded, as they should be."""


def span(low: int, high: int) -> int:
    """The amount of a range's generator."""
    return low + 256 * high


def periodic(pitch: float, seconds: float = 0.5, level: float = 1.0) -> tuple[np.ndarray, int]:
    """Frames of a steady tone with six partials, whole periods long, and its rate."""
    turns = 2 * np.pi * np.arange(PERIOD) / PERIOD
    period = sum((np.sin(k * turns) / k for k in range(1, 7)), np.zeros(PERIOD))
    rate = round(PERIOD * midi_to_hz(pitch))
    return np.tile(0.4 * level * period, round(seconds * rate / PERIOD)), rate


def chunk(name: str, content: bytes, padded: bool = True) -> bytes:
    """A RIFF chunk."""
    return name.encode() + struct.pack("<I", len(content)) + content + b"\0" * (padded * len(content) % 2)


def build(contents: Contents) -> bytes:
    """The bytes of an sf2 or sf3 file."""
    version = struct.pack("<HH", 3 if contents.compressed else 2, 1)
    texts = b"".join(chunk(name, text + b"\0" * (2 - len(text) % 2)) for name, text in contents.texts.items())
    sound, headers = _sound(contents)
    tables = {
        **_tables("p", [(n, zones) for n, _, _, zones in contents.presets]),
        **_tables("i", contents.instruments),
        "shdr": headers,
    }
    tables["phdr"] = b"".join(
        struct.pack("<20sHHHIII", name.encode(), program, bank, bag, 0, 0, 0)
        for (name, bank, program), bag in zip(
            [*(preset[:3] for preset in contents.presets), ("EOP", 0, 0)], _first_bags(contents.presets), strict=True
        )
    )
    order = ("phdr", "pbag", "pmod", "pgen", "inst", "ibag", "imod", "igen", "shdr")
    lists = [
        b"INFO" + chunk("ifil", version) + texts,
        b"sdta" + chunk("smpl", sound, contents.padded),
        b"pdta" + b"".join(chunk(name, tables[name]) for name in order),
    ]
    return chunk(
        "RIFF", b"sfbk" + b"".join(chunk("LIST", content, contents.padded) for content in lists), contents.padded
    )


def _first_bags(entries: Sequence[tuple]) -> list[int]:
    return np.cumsum([0, *(len(entry[-1]) for entry in entries)]).tolist()


def _tables(kind: str, entries: Sequence[tuple[str, list[Zone]]]) -> dict[str, bytes]:
    """Headers (of instruments), zones, modulators and generators, each with its terminal record."""
    zones = [zone for _, zones in entries for zone in zones]
    starts = np.cumsum([0, *map(len, zones)])
    names = [*(name.encode() for name, _ in entries), b"EOI"]
    return {
        "inst": b"".join(struct.pack("<20sH", *pair) for pair in zip(names, _first_bags(entries), strict=True)),
        f"{kind}bag": b"".join(struct.pack("<HH", start, 0) for start in starts),
        f"{kind}mod": bytes(10),
        f"{kind}gen": b"".join(struct.pack("<HH", n, value & 0xFFFF) for zone in zones for n, value in zone) + bytes(4),
    }


def _sound(contents: Contents) -> tuple[bytes, bytes]:
    """The samples, one behind the other, and their headers."""
    sound, headers = b"", b""
    for sample in contents.samples:
        loop = np.array([PERIOD, len(sample.frames) - PERIOD])
        if contents.compressed:
            start, kind = len(sound), sample.kind | 0x10
            sound += _ogg(sample)
            end = len(sound)
        else:
            start, kind = len(sound) // 2, sample.kind
            end = start + len(sample.frames)
            loop += start
            sound += (32767 * np.append(sample.frames, np.zeros(GAP))).astype("<i2").tobytes()
        named = sample.name.encode(), start, end, *loop, sample.rate
        headers += struct.pack("<20sIIIIIBbHH", *named, sample.key, sample.correction, sample.link, kind)
    if contents.compressed and len(sound) % 2 == 0:
        sound += b"\0"  # odd, as real ones are
    return sound, headers + struct.pack("<20sIIIIIBbHH", b"EOS", *[0] * 9)


def _ogg(sample: Recorded) -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, sample.frames, sample.rate, format="OGG", subtype="VORBIS")
    return memory.getvalue()


def _drum(name: str, seed: int) -> Recorded:
    noise = np.random.default_rng(seed).standard_normal(8000) * np.exp(-np.arange(8000) / 1500)
    return Recorded(name, 0.2 * noise, 44100)


TINY = Contents(
    samples=[
        Recorded("Flute soft", *periodic(72, level=0.3)),
        Recorded("Flute C5(L)", *periodic(72), kind=LEFT),
        Recorded("Flute C5(R)", *periodic(72, level=0.8), kind=RIGHT),
        Recorded("Violin", *periodic(66.7), correction=30),
        _drum("Kick", 0),
        _drum("Snare", 1),
        Recorded("In ROM", np.zeros(100), 44100, kind=ROM),
    ],
    instruments=[
        (
            "Flute",
            [
                [(ROOT, 72), (MODE, 1)],  # global: what the others leave open
                [(VELOCITIES, span(0, 63)), (SAMPLE, 0)],
                [(VELOCITIES, span(64, 127)), (PAN, -500), (SAMPLE, 1)],
                [(VELOCITIES, span(64, 127)), (PAN, 500), (SAMPLE, 2)],
            ],
        ),
        ("Violin", [[(KEYS, span(55, 103)), (COARSE, -6), (FINE, -50), (MODE, 1), (SAMPLE, 3)]]),
        ("Kick", [[(KEYS, span(36, 36)), (ROOT, 36), (SAMPLE, 4)]]),
        ("Snare", [[(KEYS, span(38, 38)), (ROOT, 38), (SAMPLE, 5)]]),
    ],
    presets=[
        ("Flute", 0, 73, [[(KEYS, span(48, 96)), (INSTRUMENT, 0)]]),
        ("Violin", 0, 40, [[(COARSE, -1), (FINE, 50)], [(FINE, 50), (COARSE, -1), (INSTRUMENT, 1)]]),
        ("Slow Violin", 8, 40, [[(INSTRUMENT, 1)]]),
        ("Nothing", 0, 1, []),
        ("Kit", 128, 0, [[(INSTRUMENT, 2)], [(INSTRUMENT, 3)]]),
        ("Other Kit", 128, 8, [[(INSTRUMENT, 2)]]),
    ],
    texts={"INAM": b"Tiny Test", "ICOP": b"2026  nobody\n", "ICMT": b"Public domain. For tests."},
)
"""Two instruments and a kit; three presets that are left out."""

_OPTIONS = Options(pitches=(40, 57, 72, 84), velocities=(30, 110))
_RENDERED: list[float | None] = [57, 57, 72, 72, 84, 84, *[None] * 4]
_VIOLIN_FIRST = [*_RENDERED[:6], *_RENDERED]
_DAMAGED = b"RIFF\x10\0\0\0sfbkLIST\xff\xff\xff\x7f"


def sf2(root: Path) -> BuiltTree:
    """An sf2 file next to a damaged one, rendered."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "tiny.sf2").write_bytes(build(TINY))
    (root / "damaged.SF2").write_bytes(_DAMAGED)
    kept = [("tiny.sf2", pitch) for pitch in _VIOLIN_FIRST]
    return BuiltTree(root, "soundfont", kept, dropped=4, options=_OPTIONS, description="tiny.sf2")


def sf3(root: Path) -> BuiltTree:
    """The same with compressed samples in a chunk of odd size that is not padded."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "tiny.sf3").write_bytes(build(COMPRESSED))
    kept = [("tiny.sf3", pitch) for pitch in _VIOLIN_FIRST]
    return BuiltTree(root, "soundfont", kept, dropped=3, options=_OPTIONS, description="tiny.sf3")


def raw(root: Path) -> BuiltTree:
    """The recordings of both, one of which no preset plays."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "a.sf2").write_bytes(build(TINY))
    (root / "b.sf3").write_bytes(build(COMPRESSED))
    pitches = [72.0, 72.0, 66.7, None, None]
    kept = [(file, pitch) for file in ("a.sf2", "b.sf3") for pitch in pitches]
    return BuiltTree(root, "soundfont", kept, dropped=2, options=Options(raw=True), description="a.sf2")


TREES: dict[str, Callable[[Path], BuiltTree]] = {"soundfont_sf2": sf2, "soundfont_sf3": sf3, "soundfont_raw": raw}
"""Builders by name; each fills an empty folder."""

COMPRESSED = replace(TINY, compressed=True, padded=False)
"""TINY as an sf3 file."""


def write(folder: Path, contents: Contents | bytes = TINY, name: str = "made.sf2") -> Path:
    """Write a SoundFont into a folder."""
    path = folder / name
    path.write_bytes(contents if isinstance(contents, bytes) else build(contents))
    return path


FLUID = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
MUSESCORE = Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3")
DEBIAN = (FLUID, MUSESCORE, FLUID.with_name("TimGM6mb.sf2"))
"""SoundFonts of Debian, if installed."""


def installed() -> list[Any]:
    """Debian's SoundFonts as parameters of a test, which skips missing ones."""
    import pytest

    return [
        pytest.param(path, id=path.name, marks=pytest.mark.skipif(not path.exists(), reason=f"{path} is not installed"))
        for path in DEBIAN
    ]
