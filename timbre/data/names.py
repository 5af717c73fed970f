"""Vocabulary of sample libraries: note names, dynamics, articulations, instruments and their families."""

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from timbre.errors import LibraryError

_PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SYLLABLES = {"do": 0, "ut": 0, "re": 2, "ré": 2, "mi": 4, "fa": 5, "sol": 7, "la": 9, "si": 11, "ti": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_ENGLISH_SIGNS = _SIGNS | {"s": 1, "sharp": 1, "flat": -1}
_ENDINGS = _SIGNS | {"is": 1, "es": -1}
_ROMANCE_SIGNS = _SIGNS | {"dièse": 1, "diese": 1, "diesis": 1, "sostenido": 1, "sharp": 1, "s": 1}
_ROMANCE_SIGNS |= {"bémol": -1, "bemol": -1, "bemolle": -1, "flat": -1}
_NOTE = re.compile(r"(.{1,14}?)(?:([-−]?\d)|(['’′]{1,5}))")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _named(steps: Mapping[str, int], signs: Mapping[str, int]) -> dict[str, int]:
    return {letter + sign: step + shift for letter, step in steps.items() for sign, shift in signs.items()}


_DUTCH = _named(_STEPS, _ENDINGS) | {"es": 3, "as": 8}
SPELLINGS = {
    "English": _named(_STEPS, _ENGLISH_SIGNS),
    "German": {name: step for name, step in _DUTCH.items() if name[0] != "b"}
    | _named({"h": 11}, _ENDINGS)
    | dict.fromkeys(("b", "bb", "b♭"), 10),
    "Dutch": _DUTCH,
    "solfège": _named(_SYLLABLES, _ROMANCE_SIGNS),
}
"""Semitones above C of the names of notes, without their octaves: B is 11 in English and 10 in German."""
_GERMAN_ONLY = _words("cis dis eis fis gis ais his ces des ges fes hes bes ees aes")
_ENGLISH_ONLY = _words("cs ds fs gs bs csharp dsharp fsharp gsharp asharp dflat eflat gflat aflat bflat")


DYNAMICS = {"ppp": 12, "pp": 24, "p": 40, "mp": 56, "mf": 72, "f": 96, "ff": 120, "fff": 127}
"""MIDI velocity of each dynamic mark."""

_DYNAMIC_WORDS = {
    "pianississimo": "ppp",
    "pianissimo": "pp",
    "piano": "p",
    "moltopianissimo": "ppp",
    "mezzopiano": "mp",
    "mezzoforte": "mf",
    "forte": "f",
    "fortissimo": "ff",
    "fortississimo": "fff",
    "moltofortissimo": "fff",
}

ARTICULATIONS = _words(
    "arco bowed col detache dry glissando harmonic harmonics hit key legato long martele muted mute natural nonvib "
    "nonvibrato normal novib ord ordinario pizz pizzicato plain pluck plucked rel release roll sfz short slap sord "
    "sordino spic spiccato stac stacc staccatissimo staccato sul sus sustain sustained susvib tenuto tongue trem "
    "tremolo trill vib vibrato"
)
"""Words that are read as articulations in file names; no other word is."""

_FAMILIES = {
    "strings": "strings string bowed violin viola cello violoncello contrabass double_bass violin_section "
    "viola_section cello_section double_bass_section fiddle erhu gamba",
    "brass": "brass trumpet cornet flugelhorn french_horn f_horn horn trombone tenor_trombone bass_trombone "
    "tuba bass_tuba euphonium",
    "woodwinds": "woodwinds woodwind winds wind flute piccolo alto_flute bass_flute oboe english_horn cor_anglais "
    "clarinet bb_clarinet eb_clarinet bass_clarinet bassoon contrabassoon saxophone sax soprano_sax alto_sax tenor_sax "
    "baritone_sax alto_saxophone tenor_saxophone recorder ocarina",
    "keyboard": "keyboard keyboards piano upright_piano grand_piano electric_piano harpsichord clavichord organ "
    "harmonium accordion celesta",
    "plucked": "plucked plucked_strings guitar guitar_nylon guitar_steel guitar_acoustic guitar_electric "
    "acoustic_guitar electric_guitar distorted_electric_guitar bass_guitar banjo mandolin harp "
    "lute ukulele dulcimer sitar koto",
    "pitched_percussion": "pitched_percussion mallets marimba xylophone vibraphone glockenspiel tubular_bells bells "
    "timpani crotale crotales steel_drum kalimba",
    "percussion": "percussion drums drum snare snare_drum kick bass_drum tom toms cymbal hihat hi_hat tambourine "
    "triangle woodblock claves conga bongo marching_snare marching_tenor agogo anvil bell_tree cabasa cajon castanets "
    "claps cowbell darbuka djembe finger_cymbal gong guiro maracas mark_tree ratchet shaker slapstick sleigh_bells "
    "vibraslap",
    "synth": "synth synthesizer synth_lead synth_pad synth_bass",
    "voice": "voice vocal vocals singer female_singer male_singer choir soprano alto tenor baritone",
}
_KITS = _words("kit kits drumkit drumkits drums percussion perc beatbox")
_TUNED = _words("steel tongue tank pan hang")  # drums with pitches
_DRUMS = _words(
    "bassdrum bd kick kickdrum snare sd hat hats hh hihat openhat closedhat clap claps handclap rim rimshot sidestick "
    "tom toms crash ride cymbal china splash cowbell conga bongo shaker tambourine tamb clave claves maracas cabasa "
    "guiro timbale agogo stick sticks woodblock triangle snap"
)
_FAMILY_OF = {word: family for family, words in _FAMILIES.items() for word in words.split()}
_FAMILY_FOLDERS = _words(
    "strings string brass woodwinds woodwind winds wind keyboard keyboards plucked plucked_strings pitched_percussion "
    "mallets percussion drums voice vocals"
)


def note_name(midi: float) -> str:
    """Name of a MIDI pitch, rounded to a semitone: 69 is A4, 60 is C4, 61 is C#4."""
    number = round(midi)
    return f"{_PITCH_CLASSES[number % 12]}{number // 12 - 1}"


@lru_cache(maxsize=4096)
def pitch_of_name(text: str, spelling: str = "English") -> int | None:
    """MIDI pitch, of any size, of a note name in one of the :data:`SPELLINGS` (C4 and c' are 60); None: it is none."""
    match = _NOTE.fullmatch(re.sub(r"[\s_]+", "", unicodedata.normalize("NFKC", text)).casefold())
    if match is None or (step := SPELLINGS[spelling].get(match[1])) is None:
        return None
    return 12 * (4 + len(match[3]) if match[3] else int(match[2].replace("−", "-")) + 1) + step


def spelling_of(names: Iterable[str]) -> str:
    """The spelling of :data:`SPELLINGS` in which note names (all of a library) are written; English if all fit.

    German and Dutch have endings (Cis, Es); H is German, Bes is Dutch.
    """
    folded = {unicodedata.normalize("NFKC", name).casefold() for name in names}
    stems = [match[1] for name in folded if (match := _NOTE.fullmatch(name))]
    romance = sum(stem in SPELLINGS["solfège"] for stem in stems)
    letters = set(stems) - SPELLINGS["solfège"].keys()
    if romance > len(stems) - romance:
        return "solfège"
    english = not letters.isdisjoint(_ENGLISH_ONLY)
    german = not letters.isdisjoint(_GERMAN_ONLY) or ("h" in letters and len(letters) > 2)
    if english or not (german or ("es" in letters and len(letters) > 2)):
        return "English"
    return "Dutch" if letters & {"bes", "ees", "aes"} and "h" not in letters else "German"


def parse_note(text: str | float, spelling: str = "English") -> float:
    """MIDI pitch (0 to 127) of a note name (A#3, As3, Bb3, asharp3; C4 is 60) or of a MIDI number (57, "57", 57.5).

    Raises:
        LibraryError: if it is neither.
    """
    named = pitch_of_name(str(text), spelling)
    midi = -1.0 if named is None else float(named)
    if named is None:
        with contextlib.suppress(ValueError):
            midi = float(text)
    if not 0 <= midi <= 127:
        raise LibraryError(
            f"A pitch must be a note name such as A#3 or Bb3, or a MIDI number from 0 to 127, got {text!r}."
        )
    return midi


def parse_dynamics(text: str) -> str | None:
    """Dynamic mark (ppp to fff) of a mark or an Italian word such as mezzo-forte; None for anything else."""
    word = re.sub(r"[\s_\-]", "", text.lower())
    return word if word in DYNAMICS else _DYNAMIC_WORDS.get(word)


def velocity_of(dynamics: str | None) -> float | None:
    """Velocity (0 to 1) of a dynamic mark, from :data:`DYNAMICS`."""
    return None if dynamics is None else DYNAMICS[dynamics] / 127


def _encodable(text: str) -> str:
    """Text with question marks for what UTF-8 cannot encode, such as raw bytes in the names of files."""
    return text.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """A name in lower case with its words joined by underscores, as timbre compares names: AltoSax is alto_sax."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", unicodedata.normalize("NFC", _encodable(text)))
    return re.sub(r"[\s_\-]+", "_", unicodedata.normalize("NFC", text.strip().lower())).strip("_")


def family_of(instrument: str) -> str | None:
    """Family of an instrument (strings, brass, woodwinds ...); None if its name is unknown."""
    return _FAMILY_OF.get(plain(instrument))


def is_kit(name: str) -> bool:
    """Whether a name is that of several drums: a kit, drums, percussion."""
    words = plain(name).split("_")
    return not _KITS.isdisjoint(words) and _TUNED.isdisjoint(words) and family_of(name) in (None, "percussion")


def drum_in(name: str) -> str | None:
    """The drum in the name of a sound (kick in 808_Kick_01); None if there is none, or the name of an instrument."""
    words = [word.rstrip("0123456789") for word in plain(name).split("_")]
    return next((word for word in words if word in _DRUMS), None)


def family_folder(text: str) -> str | None:
    """Family that the name of a folder or column means (Winds is woodwinds); None if it means none."""
    return _FAMILY_OF[plain(text)] if plain(text) in _FAMILY_FOLDERS else None
