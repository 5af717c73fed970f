"""Small synthetic libraries of formats with tables or file names, for the contract test and the benchmarks.

Names of files, headers and fields are those of the real libraries; the sounds are harmonic tones at the labelled
pitches, at the libraries' sample rates and word lengths. Every tree has some broken entries, and where a format can
refer to a file, one that lies outside: `../outside/secret.wav`.
"""

import csv
import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from timbre.audio.pitch import midi_to_hz
from timbre.data.readers import Options

OUTSIDE = "../outside/secret.wav"


@dataclass(frozen=True)
class BuiltTree:
    """A library on the disk, and the expected result of a scan."""

    root: Path
    format: str
    """The reader."""
    notes: list[tuple[str, float | None]]
    """File and pitch of each note kept, in the library's order."""
    dropped: int
    """Files and entries left out."""
    options: Options = field(default_factory=Options)
    description: str | None = None
    """The file that describes the library, relative to the root."""

    @property
    def kept(self) -> int:
        return len(self.notes)

    @property
    def found(self) -> int:
        return self.kept + self.dropped


def tone(pitch: float, rate: int, seconds: float = 0.4) -> np.ndarray:
    """Six partials that fall by 6 dB an octave, with short fades."""
    time = np.arange(round(seconds * rate)) / rate
    partials = [k for k in range(1, 7) if k * midi_to_hz(pitch) < 0.45 * rate]
    sound = sum((np.sin(2 * np.pi * k * midi_to_hz(pitch) * time) / k for k in partials), np.zeros_like(time))
    fade = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.01)
    return 0.3 * fade * sound


def put(path: Path, samples: np.ndarray, rate: int = 44100, subtype: str | None = "PCM_16") -> None:
    """Write a sound; the suffix names the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".aif": "AIFF", ".aiff": "AIFF"}.get(path.suffix, path.suffix[1:].upper())
    soundfile.write(path, samples, rate, None if kind == "MP3" else subtype, format=kind)


def note(path: Path, pitch: float, rate: int = 44100, subtype: str | None = "PCM_16", seconds: float = 0.4) -> None:
    put(path, tone(pitch, rate, seconds), rate, subtype)


def write_table(path: Path, header: str, rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file with that header, verbatim."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(header + "\n")
        csv.writer(file, lineterminator="\n").writerows(rows)


def folders(root: Path) -> BuiltTree:
    """A plain folder with several forms of names; a run, an empty file, a text and a format that cannot be read."""
    named = {
        "127_110.00000.wav": 45.0,
        "Brass/F Horn/sus/MOHorn_sus_A#2_v1_1.wav": 46.0,
        "Brass/F Horn/sus/MOHorn_sus_A#2_v2_1.wav": 46.0,
        "violin/A4.wav": 69.0,
        "violin/As3_rr2.flac": 58.0,
        "violin/Bb3_pp.ogg": 58.0,
        "violin/asharp4 forte.wav": 70.0,
        "ヴァイオリン/60.wav": 60.0,
    }
    for file, pitch in named.items():
        note(root / file, pitch, 22050, None)
    note(root / "violin" / "Horn_ff_Bb2B2.wav", 46, 22050)
    (root / "violin" / "C5.wav").touch()
    (root / "violin" / "D5.wav").write_text("text")
    (root / "violin" / "E5.m4a").write_text("text")
    (root / "violin" / "notes.txt").write_text("text")
    return BuiltTree(root, "folders", list(named.items()), dropped=4)


def table(root: Path) -> BuiltTree:
    """A CSV table next to its sounds."""
    named = {"flute/a.wav": 72.5, "oboe/b.flac": 69.0, "horn/c.ogg": 53.0}
    for file, pitch in named.items():
        note(root / file, pitch, 22050, None)
    note(root / "unlisted.wav", 60, 22050)
    header = "file,instrument,family,midi_pitch,velocity_or_dynamics,velocity,articulation,source,licence,take,split"
    rows = [
        (file, file.split("/")[0], "", pitch, "mf", 72, "ordinario", "here", "CC0-1.0", 1, "train")
        for file, pitch in named.items()
    ]
    write_table(root / "metadata.csv", header, [*rows, (OUTSIDE, "oboe"), ("gone.wav", "oboe"), ("", "oboe"), rows[0]])
    return BuiltTree(root, "table", list(named.items()), dropped=5, description="metadata.csv")


def table_list(root: Path) -> BuiltTree:
    """A JSON list of objects."""
    note(root / "sounds/a.wav", 60, 22050)
    note(root / "sounds/b.wav", 61, 22050)
    entries = [
        {"file": "sounds\\a.wav", "instrument": "Oboe", "pitch": "C4", "velocity": 0.5},
        {"file": "sounds/b.wav", "instrument": "Oboe", "pitch": 61, "velocity": 1, "take": 2},
        {"file": OUTSIDE, "instrument": "oboe"},
        "sounds/c.wav",
    ]
    (root / "metadata.json").write_text(json.dumps(entries))
    return BuiltTree(root, "table", [("sounds/a.wav", 60.0), ("sounds/b.wav", 61.0)], 2, description="metadata.json")


def table_object(root: Path) -> BuiltTree:
    """A JSON object that names a file for each of its entries."""
    note(root / "a.wav", 60, 22050)
    note(root / "b.wav", 48, 22050)
    entries = {
        "b.wav": {"instrument": "tuba", "midi": 48, "dynamics": "ff"},
        "a.wav": {"instrument": "tuba", "note": "C4"},
    }
    (root / "metadata.json").write_text(json.dumps(entries | {OUTSIDE: {}}))
    return BuiltTree(root, "table", [("b.wav", 48.0), ("a.wav", 60.0)], dropped=1, description="metadata.json")


def pattern(root: Path) -> BuiltTree:
    """Names that need a pattern."""
    named = {
        "Bass Clarinet/E3_mezzo-forte_rr1.wav": 52.0,
        "Bass Clarinet/Eb3_ff_rr12.wav": 51.0,
        "oboe/Bb4_p_rr2.wav": 70.0,
    }
    for file, pitch in named.items():
        note(root / file, pitch, 22050)
    note(root / "oboe/B4.wav", 71, 22050)
    note(root / "oboe/more/B4_p_rr1.wav", 71, 22050)
    options = Options(pattern="{instrument}/{note}_{dynamics}_rr{take}.wav")
    return BuiltTree(root, "pattern", list(named.items()), dropped=2, options=options)


def nsynth(root: Path) -> BuiltTree:
    """Three splits with their examples.json; 16 kHz, mono."""
    named: list[tuple[str, float | None]] = []
    for split, instrument, family, source, pitch in (
        ("test", "organ_electronic_001", "organ", "electronic", 60),
        ("train", "bass_synthetic_033", "bass", "synthetic", 45),
        ("train", "mallet_acoustic_047", "mallet", "acoustic", 84),
        ("valid", "vocal_acoustic_000", "vocal", "acoustic", 67),
    ):
        name = f"{instrument}-{pitch:03d}-127"
        folder = root / f"nsynth-{split}"
        note(folder / f"audio/{name}.wav", pitch, 16000)
        examples = folder / "examples.json"
        content = json.loads(examples.read_text()) if examples.exists() else {}
        content[name] = nsynth_entry(name, instrument, family, source, pitch, 127, ["bright", "percussive"])
        examples.write_text(json.dumps(content))
        named.append((f"nsynth-{split}/audio/{name}.wav", float(pitch)))
    content["gone_acoustic_000-060-100"] = content[name]
    content["../../" + OUTSIDE.removesuffix(".wav")] = content[name]
    content["flute_acoustic_002-300-100"] = content[name] | {"pitch": 300}
    examples.write_text(json.dumps(content))
    note(folder / "audio/flute_acoustic_002-300-100.wav", 60, 16000)
    note(folder / "audio/unlisted_acoustic_000-060-100.wav", 60, 16000)
    return BuiltTree(root, "nsynth", named, dropped=4, description="nsynth-valid/examples.json")


def nsynth_entry(
    name: str, instrument: str, family: str, source: str, pitch: int, velocity: int, qualities: list[str]
) -> dict[str, object]:
    """An entry of examples.json, with all of its fields."""
    return {
        "note": 1,
        "note_str": name,
        "instrument": 1,
        "instrument_str": instrument,
        "pitch": pitch,
        "velocity": velocity,
        "sample_rate": 16000,
        "qualities": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        "qualities_str": qualities,
        "instrument_family": 0,
        "instrument_family_str": family,
        "instrument_source": 0,
        "instrument_source_str": source,
    }


TINYSOL = (
    "Path,Fold,Family,Instrument (abbr.),Instrument (in full),Technique (abbr.),Technique (in full),Pitch,Pitch ID,"
    "Dynamics,Dynamics ID,Instance ID,String ID (if applicable),Needed digital retuning"
)


def tinysol(root: Path) -> BuiltTree:
    """Sounds and table in folders of their own, as loaders of data sets lay them out; 44.1 kHz, 16 bit, mono."""
    rows = [
        ("Strings/Contrabass/ordinario/Cb-ord-A2-mf-2c-N.wav",
         1, "Strings", "Cb", "Contrabass", "ord", "ordinario", "A2", 45, "mf", 2, 1, "2.0", "FALSE"),
        ("Winds/Flute/ordinario/Fl-ord-C4-mf-N-T14d.wav",
         0, "Winds", "Fl", "Flute", "ord", "ordinario", "C4", 60, "mf", 2, 0, "", "TRUE"),
        ("Keyboards/Accordion/ordinario/Acc-ord-B4-ff-alt2-N.wav",
         3, "Keyboards", "Acc", "Accordion", "ord", "ordinario", "B4", 71, "ff", 4, 2, "", "FALSE"),
        ("Brass/Trumpet_C/ordinario/TpC-ord-F#4-pp-N-T9u_R100d.wav",
         2, "Brass", "TpC", "Trumpet in C", "ord", "ordinario", "F#4", 66, "pp", 0, 0, "", "TRUE"),
    ]  # fmt: skip
    for row in rows:
        note(root / "audio" / str(row[0]), float(row[8]), 44100)
    note(root / "audio/Winds/Oboe/ordinario/Ob-ord-A4-mf-N-N.wav", 69)
    misfits = [("Winds/Oboe/ordinario/Ob-ord-B4-mf-N-N.wav", *rows[1][1:]), (OUTSIDE, *rows[1][1:])]
    write_table(root / "annotation" / "TinySOL_metadata.csv", TINYSOL, [*rows, *misfits])
    kept = [(f"audio/{row[0]}", float(row[8])) for row in rows]
    return BuiltTree(root, "tinysol", kept, dropped=3, description="annotation/TinySOL_metadata.csv")


ORCHIDEASOL = (
    "Path,Fold,Family (abbr.),Family (in full),Instrument (abbr.),Instrument (in full),Mute (abbr.),Mute (in full),"
    "Technique (abbr.),Technique (in full),Pitch Name,Pitch ID (if applicable),Dynamics,Dynamics ID (if applicable),"
    "Instance ID,String ID (if applicable),Needed digital retuning"
)


def orchideasol(root: Path) -> BuiltTree:
    """A release next to its table; mutes, a noise and a multiphonic without a pitch; 44.1 kHz, 24 bit, mono."""
    rows = [
        ("Strings/Contrabass+sordina/tremolo/Cb+S-trem-A2-mf-1c-N.wav", 2, "Strings", "Strings", "Cb", "Contrabass",
         "S", "Sordina", "trem", "tremolo", "A2", "45.0", "mf", "2.0", 0, "1.0", "FALSE"),
        ("Strings/Violoncello/pizzicato_l_vib/Vc-pizz_lv-D3-mf-2c-N.wav", 3, "Strings", "Strings", "Vc", "Violoncello",
         "N", "None", "pizz_lv", "pizzicato_l_vib", "D3", "50.0", "mf", "2.0", 1, "2.0", "FALSE"),
        ("Winds/Flute/jet_whistle/Fl-jet_wh-N-N-N-N.wav", 2, "Winds", "Woodwinds", "Fl", "Flute",
         "N", "None", "jet_wh", "jet_whistle", "N", "", "N", "", 0, "", "FALSE"),
        ("Winds/Clarinet_Bb/multiphonics/ClBb-mul-N-N-mph10.wav", 0, "Winds", "Woodwinds", "ClBb", "Clarinet in B-flat",
         "N", "None", "mul", "multiphonics", "mph10", "", "N", "", 9, "", "FALSE"),
    ]  # fmt: skip
    folder = "_OrchideaSOL2020_release/OrchideaSOL2020"
    pitches = [45.0, 50.0, None, None]
    for row, pitch in zip(rows, pitches, strict=True):
        note(root / folder / str(row[0]), pitch or 60.0, 44100, "PCM_24")
    write_table(root / "OrchideaSOL_metadata.csv", ORCHIDEASOL, [*rows, ("Winds/Flute/gone.wav", *rows[2][1:])])
    kept = [(f"{folder}/{row[0]}", pitch) for row, pitch in zip(rows, pitches, strict=True)]
    return BuiltTree(root, "orchideasol", kept, dropped=1, description="OrchideaSOL_metadata.csv")


def philharmonia(root: Path) -> BuiltTree:
    """MP3 files in a folder for each instrument; a phrase, an empty file (there is one) and a name without parts."""
    named = {
        "cello/cello_As2_05_forte_arco-normal.mp3": 46.0,
        "clarinet/clarinet_D4_1_fortissimo_normal.mp3": 62.0,
        "percussion/snare drum/snare-drum__025_forte_with-snares.mp3": None,
        "violin/violin_A4_15_molto-pianissimo_arco-normal.mp3": 69.0,
        "violin/violin_G3_very-long_cresc-decresc_arco-normal.mp3": 55.0,
    }
    for file, pitch in named.items():
        note(root / file, pitch or 60.0)
    note(root / "violin/violin_A4_phrase_mezzo-forte_arco-legato.mp3", 69)
    note(root / "violin/violin 1.mp3", 69)
    (root / "viola").mkdir()
    (root / "viola/viola_D6_05_piano_arco-normal.mp3").touch()
    return BuiltTree(root, "philharmonia", list(named.items()), dropped=3)


def run(low: int, count: int, rate: int, lengths: tuple[float, float] = (0.35, 0.4)) -> np.ndarray:
    """Notes of a chromatic run with silences, with the noise of a room."""
    sound, silence = lengths
    pieces = [np.pad(tone(low + i, rate, sound), round(silence * rate / 2)) for i in range(count)]
    samples = np.concatenate(pieces)
    return samples + 1e-4 * np.random.default_rng(0).standard_normal(samples.size)


def iowa(root: Path) -> BuiltTree:
    """Runs and single notes, mono and stereo, 16 and 24 bit; a run with a note too few."""
    put(root / "Brass/Horn.ff.Bb1B1.aiff", run(34, 2, 44100, (0.6, 0.4)))
    put(root / "Strings/Cello.arco.ff.sulA.C4B4.aiff", run(60, 12, 44100))
    put(root / "Woodwinds/AltoSax.NoVib.ff.C5Ab5.wav", run(72, 9, 44100))
    put(root / "Woodwinds/flute.nonvib.pp.C4Eb4.aiff", run(60, 3, 44100))
    note(root / "Piano/Piano.ff.Eb4.aiff", 63)
    stereo = np.stack([tone(40, 44100, 0.6)] * 2, axis=1)
    put(root / "Strings/Bass.arco.ff.sulE.E2.stereo.aif", stereo, 44100, "PCM_24")
    note(root / "Percussion/Rubber.aif", 60)
    kept: list[tuple[str, float | None]] = [("Brass/Horn.ff.Bb1B1.aiff", 34.0 + i) for i in range(2)]
    kept += [("Piano/Piano.ff.Eb4.aiff", 63.0), ("Strings/Bass.arco.ff.sulE.E2.stereo.aif", 40.0)]
    kept += [("Strings/Cello.arco.ff.sulA.C4B4.aiff", 60.0 + i) for i in range(12)]
    kept += [("Woodwinds/AltoSax.NoVib.ff.C5Ab5.wav", 72.0 + i) for i in range(9)]
    return BuiltTree(root, "iowa", kept, dropped=2)


GOOD_SOUNDS = """
CREATE TABLE packs (id INTEGER PRIMARY KEY, name TEXT, description TEXT);
CREATE TABLE ratings (id INTEGER PRIMARY KEY, mark INTEGER, type TEXT, created_at TEXT, comments TEXT,
 sound_id INTEGER, rater TEXT);
CREATE TABLE sounds (id INTEGER PRIMARY KEY, instrument TEXT, note TEXT, octave INTEGER, dynamics TEXT,
 recorded_at TEXT, location TEXT, player TEXT, bow_velocity TEXT, bridge_position TEXT, string TEXT, csv_file INTEGER,
 csv_id INTEGER, pack_filename TEXT, pack_id INTEGER, attack INTEGER, decay INTEGER, sustain INTEGER, release INTEGER,
 offset INTEGER, reference INTEGER, klass TEXT, comments TEXT, semitone INTEGER, pitch_reference INTEGER);
CREATE TABLE takes (id INTEGER PRIMARY KEY, microphone TEXT, filename TEXT, original_filename TEXT,
 freesound_id INTEGER, sound_id INTEGER, goodsound_id INTEGER);
INSERT INTO packs VALUES (1, 'flute_almudena_reference', 'Play reference notes'), (2, 'saxo_bad', NULL);
"""


def good_sounds(root: Path) -> BuiltTree:
    """A database with good and bad notes, two microphones and a scale; 48 kHz, 32 bit, mono."""
    folder = "sound_files/flute_almudena_reference"
    tuned = 60.0 + 12 * float(np.log2(442 / 440))
    named: dict[str, float] = {
        f"{folder}/akg/0000.wav": tuned,
        f"{folder}/neumann/0000.wav": tuned,
        "sound_files/saxo_bad/iphone/0007.wav": 57.0,
    }
    for file, pitch in named.items():
        note(root / file, pitch, 48000, "PCM_32")
    note(root / "sound_files/saxo_bad/iphone/0008.wav", 57, 48000)
    note(root / "sound_files/saxo_bad/iphone/0009.wav", 57, 48000)
    with closing(sqlite3.connect(root / "database.sqlite")) as database, database:
        database.executescript(GOOD_SOUNDS)
        sound = (
            "INSERT INTO sounds (id, instrument, note, octave, dynamics, pack_id, klass, semitone, pitch_reference) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        database.executemany(sound, [
            (1, "flute", "C", 4, "mf", 1, "good-sound", 48, 442),
            (2, "sax_alto", "A", 3, None, 2, "bad-dynamics-stability-tremolo", 45, 440),
            (3, "sax_alto", "A", 3, None, 2, "scale-good-staccato", 45, 440),
        ])  # fmt: skip
        takes = [
            (1, "akg", f"{folder}/akg/0000.wav", 1),
            (2, "neumann", f"{folder}/neumann/0000.wav", 1),
            (3, "iphone", "sound_files/saxo_bad/iphone/0007.wav", 2),
            (4, "iphone", "sound_files/saxo_bad/iphone/0008.wav", 3),
            (5, "iphone", "sound_files/saxo_bad/iphone/9999.wav", 2),
            (6, "iphone", OUTSIDE, 2),
        ]
        database.executemany("INSERT INTO takes (id, microphone, filename, sound_id) VALUES (?, ?, ?, ?)", takes)
    return BuiltTree(root, "good-sounds", list(named.items()), dropped=4, description="database.sqlite")


def medley(root: Path) -> BuiltTree:
    """Clips of solos, without pitches; 44.1 kHz, 16 bit, mono."""
    rows = [
        ("training", "piano", 4, 0, "0e4371ac-1c6a-51ab-fdb7-f8abd5fbf1a3"),
        ("validation", "flute", 3, 210, "d07b1fc0-567d-52c2-fef4-239f31c9d40e"),
        ("test", "female singer", 2, 233, "33383119-fd64-59c1-f596-d1a23e8a0eff"),
    ]
    names = [f"Medley-solos-DB_{subset}-{number}_{uuid}.wav" for subset, _, number, _, uuid in rows]
    for name in names:
        note(root / "audio" / name, 60, 44100)
    header = "subset,instrument,instrument_id,song_id,uuid4"
    misfit = ("test", "violin", 7, 1, "../" * 3 + "outside/secret")
    write_table(root / "annotation" / "Medley-solos-DB_metadata.csv", header, [*rows, misfit])
    kept: list[tuple[str, float | None]] = [(f"audio/{name}", None) for name in names]
    return BuiltTree(root, "medley", kept, dropped=1, description="annotation/Medley-solos-DB_metadata.csv")


TREES: dict[str, Callable[[Path], BuiltTree]] = {
    builder.__name__: builder
    for builder in (
        folders,
        table,
        table_list,
        table_object,
        pattern,
        nsynth,
        tinysol,
        orchideasol,
        philharmonia,
        iowa,
        good_sounds,
        medley,
    )
}
"""Builders by name; each fills an empty folder."""
