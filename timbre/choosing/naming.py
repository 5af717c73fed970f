"""Groups and names of presets, in musicians' words, from the names and families of library notes."""

from collections.abc import Container, Iterable

import numpy as np

from timbre.data.names import plain

HYBRID, PATHS = "Hybrid", "Paths"
ORDER = ("Keys", "Plucked", "Struck", "Bowed", "Wind", "Reed", "Brass", "Voice-like", "Synth")
_BLOWN = ("Wind", "Reed", "Brass", "Voice-like")
_BY_WORD = {  # of the instrument, before its family
    "Plucked": "pizzicato plucked pizz guitar harp banjo koto dulcimer mandolin lute sitar ukulele",
    "Reed": "accordion bandoneon harmonica harmonium melodica reed oboe clarinet bassoon contrabassoon sax saxophone "
    "english anglais bagpipe",
    "Wind": "flute piccolo recorder pan shakuhachi ocarina whistle",
}
_GROUP_OF = {word: group for group, words in _BY_WORD.items() for word in words.split()}
_BY_FAMILY = {
    "strings": "Bowed", "string": "Bowed", "bowed": "Bowed", "keyboard": "Keys", "organ": "Keys", "keys": "Keys",
    "woodwinds": "Wind", "wind": "Wind", "pitched_percussion": "Struck", "percussion": "Struck", "mallet": "Struck",
    "voice": "Voice-like", "vocal": "Voice-like", "synth_lead": "Synth",
}  # fmt: skip
TRAITS = {  # descriptor: less, more
    "centroid": ("warm", "bright"), "attack": ("hard attack", "soft attack"), "noisiness": ("clear", "noisy"),
    "effective_duration": ("short", "long"), "odd_even": ("", "hollow"), "fluctuation": ("", "wavering"),
}  # fmt: skip


def labels(instrument: str, family: str, note: str) -> tuple[str, str]:
    """The name of an instrument, and its group; bowed ones are plucked if the name of the note says so."""
    group, words = group_of(instrument, family), set(plain(note).split("_"))
    name = spoken(instrument)
    if group == "Bowed" and not words.isdisjoint(("pizz", "pizzicato", "plucked")):
        name, group = f"{name} pizzicato", "Plucked"
    return name[:1].upper() + name[1:], group


def group_of(instrument: str, family: str) -> str:
    """The group of an instrument, from its name or else its family; "Other" if it has none."""
    own = next((_GROUP_OF[word] for word in plain(instrument).split("_") if word in _GROUP_OF), None)
    family = plain(family)
    return own or _BY_FAMILY.get(family) or family.replace("_", " ").capitalize()[:60].strip() or "Other"


def spoken(instrument: str) -> str:
    """The name of an instrument inside a sentence: french_horn_section is "french horn section"."""
    return plain(instrument).replace("_", " ")[:24].strip() or "sound"


def traits(differences: np.ndarray, group: str) -> list[str]:
    """Words for differences (traits,) in standard deviations, the largest first."""
    words = []
    for n in np.argsort(-np.abs(np.nan_to_num(differences))):
        word = list(TRAITS.values())[n][int(differences[n] > 0)]
        words += ["breathy" if word == "noisy" and group in _BLOWN else word] if word else []
    return words


def unique(names: Iterable[str], taken: Container[str]) -> str:
    """The first name that is not taken; if all are, the last with a number."""
    name = ""
    for name in names:
        if name not in taken:
            return name
    number = 2
    while f"{name} {number}" in taken:
        number += 1
    return f"{name} {number}"


def lower(name: str) -> str:
    """A name inside a sentence."""
    return name[:1].lower() + name[1:]
