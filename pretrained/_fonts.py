"""SoundFonts that are rendered for `orchestra`: their presets, and the instruments by which musicians know them."""

from typing import NamedTuple


class Own(NamedTuple):
    """Origin of a preset whose samples are not those of the rest of its SoundFont."""

    source: str
    licence: str


class Font(NamedTuple):
    """A SoundFont."""

    name: str
    """Beginning of the name that it states."""
    source: str
    licence: str
    presets: dict[str, str]
    """Instruments by the names of presets, as timbre writes them; recordings of an instrument have the same name."""
    own: dict[str, Own]
    """Presets of another origin."""


FLUID = Font(
    "Fluid R3 GM", "Fluid R3 GM", "MIT",
    {
        "yamaha_grand_piano": "piano", "rhodes_ep": "electric_piano", "harpsichord": "harpsichord",
        "clavinet": "clavinet", "celesta": "celesta", "glockenspiel": "glockenspiel", "music_box": "music_box",
        "vibraphone": "vibraphone", "marimba": "marimba", "xylophone": "xylophone", "tubular_bells": "tubular_bells",
        "dulcimer": "dulcimer", "drawbar_organ": "organ_drawbar", "church_organ": "organ", "reed_organ": "reed_organ",
        "accordian": "accordion", "harmonica": "harmonica", "bandoneon": "bandoneon",
        "nylon_string_guitar": "guitar_nylon", "steel_string_guitar": "guitar_steel", "jazz_guitar": "guitar_jazz",
        "acoustic_bass": "double_bass_plucked", "fingered_bass": "electric_bass", "fretless_bass": "fretless_bass",
        "violin": "violin", "viola": "viola", "cello": "cello", "contrabass": "double_bass",
        "tremolo": "strings_tremolo", "pizzicato_section": "strings_pizzicato", "harp": "harp", "timpani": "timpani",
        "strings": "string_section", "ahh_choir": "choir_ahh", "ohh_voices": "choir_ooh", "trumpet": "trumpet",
        "trombone": "trombone", "tuba": "tuba", "muted_trumpet": "trumpet_muted",
        "french_horns": "french_horn_section", "brass_section": "brass_section", "soprano_sax": "soprano_sax",
        "alto_sax": "alto_sax", "tenor_sax": "tenor_sax", "baritone_sax": "baritone_sax", "oboe": "oboe",
        "english_horn": "english_horn", "bassoon": "bassoon", "clarinet": "clarinet", "piccolo": "piccolo",
        "flute": "flute", "recorder": "recorder", "pan_flute": "pan_flute", "shakuhachi": "shakuhachi",
        "ocarina": "ocarina", "sitar": "sitar", "banjo": "banjo", "shamisen": "shamisen", "koto": "koto",
        "kalimba": "kalimba", "bag_pipe": "bagpipe", "steel_drums": "steel_drum",
    },
    {},
)  # fmt: skip

MUSESCORE = Font(  # most samples are Fluid's; these presets have their own, or a filter that follows the velocity
    "MuseScore_General", "MuseScore_General", "MIT",
    {
        "fm_electric_piano": "electric_piano_fm", "reed_organ": "reed_organ", "accordion": "accordion",
        "harmonica": "harmonica", "bandoneon": "bandoneon", "nylon_string_guitar": "guitar_nylon",
        "steel_string_guitar": "guitar_steel", "acoustic_bass": "double_bass_plucked", "harp": "harp",
        "strings_tremolo": "strings_tremolo", "strings_pizzicato": "strings_pizzicato",
        "strings_slow": "string_section", "trumpet": "trumpet", "trombone": "trombone",
        "harmon_mute_trumpet": "trumpet_muted",
        "french_horns": "french_horn_section", "brass_section": "brass_section", "soprano_sax": "soprano_sax",
        "alto_sax": "alto_sax", "tenor_sax": "tenor_sax", "baritone_sax": "baritone_sax", "clarinet": "clarinet",
        "pan_flute": "pan_flute",
    },
    {
        "fm_electric_piano": Own("MuseScore_General electric piano", "MIT"),
        **dict.fromkeys(("strings_tremolo", "strings_pizzicato", "strings_slow"),
                        Own("VSCO-2-CE string sections in MuseScore_General", "CC0-1.0")),
    },
)  # fmt: skip

FONTS = (FLUID, MUSESCORE)
"""A SoundFont of another name is read by the presets of the first."""
RENDERED = "FluidR3_GM.sf2"
"""Beginning of the source of recordings that are samples of a SoundFont in FONTS: the rendered notes replace them."""
