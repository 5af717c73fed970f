"""Random libraries of file names in many naming schemes, with the pitch that each name means."""

import random
from collections.abc import Callable
from dataclasses import dataclass

_TABLES = """
    C C# D D# E F F# G G# A A# B
    C Db D Eb E F Gb G Ab A Bb B
    C Cis D Es E F Fis G As A B H
    Do Do# Re Re# Mi Fa Fa# Sol Sol# La La# Si
"""
SHARPS, FLATS, GERMAN, SOLFEGE = (line.split() for line in _TABLES.strip().splitlines())


def octave(midi: int) -> int:
    return midi // 12 - 1


def named(table: list[str], change: Callable[[str], str] = str) -> Callable[[int], str]:
    return lambda midi: change(table[midi % 12]) + str(octave(midi))


SPELLINGS: dict[str, Callable[[int], str]] = {
    "C#4": named(SHARPS), "Db4": named(FLATS), "Cs4": named(SHARPS, lambda n: n.replace("#", "s")),
    "c#4": named(SHARPS, str.lower), "C♯4": named(SHARPS, lambda n: n.replace("#", "♯")),
    "Csharp4": named(SHARPS, lambda n: n.replace("#", "sharp")), "Cis4": named(GERMAN), "Do#4": named(SOLFEGE),
    "C sharp 4": lambda midi: f"{SHARPS[midi % 12].replace('#', ' sharp')} {octave(midi)}",
    "60": str, "060": lambda midi: f"{midi:03d}", "440.00Hz": lambda midi: f"{440 * 2 ** ((midi - 69) / 12):.2f}Hz",
    "n60": lambda midi: f"n{midi}",
}  # fmt: skip
_KNOWN = "Flute Oboe Cello Piano Clarinet Trumpet Horn Viola Accordion Flöte Geige"
_UNKNOWN = "Blorp Zither Warmpad Mellotron Theremin Glassy Gadulka Rhodes SuperSaw Strx Нота ヴァイオリン"
MODELS = ["B3", "D6", "C7", "E2 Bass", "B3 Organ", "DX7", "Juno 106", "SH-101", "TR 808", "A2 Reed", "Korg M1", "OB-8"]
KNOWN, UNKNOWN = tuple(_KNOWN.split()), tuple(_UNKNOWN.split())
_EXTRAS = "serial take v vel dyn rr rate 48k bits bpm year mic sus note"
EXTRAS = tuple(_EXTRAS.split())


@dataclass(frozen=True)
class Scheme:
    """How a library is named."""

    spelling: str
    instruments: list[str]
    pitches: list[int]
    layout: str
    separator: str
    extras: list[str]
    glued: bool

    def files(self) -> dict[str, int]:
        """The MIDI pitch of each file."""
        found: dict[str, int] = {}
        serial = 0
        for instrument in self.instruments:
            for midi in self.pitches:
                for layer in range(1, 4 if {"v", "vel", "dyn", "rr"} & set(self.extras) else 2):
                    serial += 1
                    found[self._file(instrument, SPELLINGS[self.spelling](midi), serial, layer)] = midi
        return found

    def _file(self, instrument: str, note: str, serial: int, layer: int) -> str:
        extras = {
            "serial": f"{serial:03d}", "take": f"take {serial}", "v": f"v{layer}", "vel": f"vel{30 * layer + 7}",
            "dyn": ("p", "mf", "ff")[layer - 1], "rr": f"rr{layer}", "rate": "44100", "48k": "48k", "bits": "24bit",
            "bpm": "120bpm", "year": "2019", "mic": "mic2", "sus": "sus", "note": "long tone",
        }  # fmt: skip
        before = [extras[extra] for extra in self.extras if extra in ("serial", "year")]
        after = [extras[extra] for extra in self.extras if extra not in ("serial", "year")]
        prefix = instrument if self.layout != "folder" else ""
        gap = "" if self.glued else self.separator
        body = f"{prefix}{gap if prefix else ''}{note}"
        name = self.separator.join([*before, body, *after])
        folder = {"flat": "", "folder": f"{instrument}/", "both": f"{instrument}/", "deep": f"Bank/{instrument}/sus/"}
        return f"{folder[self.layout]}{name}.wav"


def scheme(seed: int) -> Scheme:
    """The scheme of the library with this number."""
    draw = random.Random(seed)
    words = draw.choice([KNOWN, UNKNOWN, KNOWN + UNKNOWN, MODELS])
    low, step, count = draw.randint(28, 72), draw.choice([1, 1, 2, 3, 4, 5]), draw.randint(3, 24)
    pitches = [midi for midi in range(low, low + step * count, step) if midi <= 105]
    if draw.random() < 0.3:
        pitches = sorted(draw.sample(range(28, 100), draw.randint(4, 20)))
    extras = draw.sample(EXTRAS, draw.choice([0, 0, 1, 1, 2, 3]))
    spelling = draw.choice([*SPELLINGS, "C#4", "C#4", "Db4", "60"])
    glued = draw.random() < 0.2 and spelling not in ("C sharp 4", "440.00Hz", "60", "060", "n60")
    layout = draw.choice(["flat", "folder", "both", "deep"])
    instruments, separator = draw.sample(words, draw.randint(1, 3)), draw.choice("_-.__ ")
    return Scheme(spelling, instruments, pitches, layout, separator, extras, glued)
