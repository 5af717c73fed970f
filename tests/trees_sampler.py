"""Small synthetic libraries of samplers' formats, for the contract test: SFZ and Decent Sampler.

File names and opcodes are those of real libraries (VSCO-2-CE, VCSL, Splendid Grand Piano, Weresax); the sounds are
harmonic tones at the pitches in the presets. Every library has some entries that are not notes, and a reference to a
file outside: `../outside/secret.wav`.
"""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from trees_named import OUTSIDE, BuiltTree, note, put, tone

RATE = 44100


def write(path: Path, text: str) -> None:
    """Write a text with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def with_root_key(path: Path, pitch: float, key: int, cents: float = 0.0) -> None:
    """A tone in a WAV file whose sampler chunk states a root key."""
    note(path, pitch, RATE)
    chunk = struct.pack("<9I", 0, 0, 10**9 // RATE, key, round(cents / 100 * 2**32), 0, 0, 0, 0)
    content = path.read_bytes() + b"smpl" + struct.pack("<I", len(chunk)) + chunk
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])


def wav(pitch: float, seconds: float = 0.4) -> bytes:
    """The bytes of a WAV file with a tone."""
    content = io.BytesIO()
    soundfile.write(content, tone(pitch, RATE, seconds), RATE, "PCM_16", format="WAV")
    return content.getvalue()


def vsco(root: Path) -> BuiltTree:
    """Two instruments that share a recording, default_path with backslashes, key switches, takes; an unplayed sound."""
    horn = {"A#1_v1_1": 46, "A#1_v3_1": 46, "D4_v1_1": 74}
    for name, pitch in horn.items():
        note(root / f"Brass/F Horn/sus/MOHorn_sus_{name}.wav", pitch)
    write(
        root / "FHornSus.sfz",
        "<control>\n\ndefault_path=Brass\\F Horn\\sus\\\n\n<global>\nampeg_attack=0.001\nvolume=0\n\n"
        "<group> //Begin Group for entire instrument\n"
        "<region>\nsample=MOHorn_sus_A#1_v1_1.wav\nlokey=45\nhikey=47\npitch_keycenter=46\nlovel=0\nhivel=41\n\n"
        "<region>\nsample=MOHorn_sus_A#1_v3_1.wav\nlokey=45\nhikey=47\npitch_keycenter=46\nlovel=84\nhivel=127\n\n"
        "<region>\nsample=MOHorn_sus_D4_v1_1.wav\nlokey=67\nhikey=75\npitch_keycenter=74\nlovel=0\nhivel=127\n"
        f"<region>\nsample=../../{OUTSIDE}\nkey=60\n",
    )
    for folder, name, pitch in (
        ("susNV", "LDFlute_susNV_A3_v1_1", 69),
        ("stac", "LDFlute_stac_A3_v1_rr1", 69),
        ("stac", "LDFlute_stac_A3_v1_rr2", 69),
        ("expvib", "LDFlute_expvib_A3_v1_1", 69),
    ):
        note(root / f"Woodwinds/Flute/{folder}/{name}.wav", pitch)
    write(
        root / "Flute-KS.sfz",
        "<control>\ndefault_path=Woodwinds\\Flute\\susNV\\\n<group>\nsw_lokey=c2\nsw_hikey=d#2\nsw_last=c2\n"
        "sw_label=C2 Sustain Non-Vibrato\n<region>\nsample=LDFlute_susNV_A3_v1_1.wav\nlokey=67\nhikey=70\n"
        "pitch_keycenter=69\nlovel=0\nhivel=62\n"
        "<control>\ndefault_path=Woodwinds\\Flute\\stac\\\n<group>\nsw_last=d#2\nsw_label=D#2 Staccato\n"
        "lorand=0.0 hirand=0.5\ngroup_label=stac_gr_1\n"
        "<region> sample=LDFlute_stac_A3_v1_rr1.wav lokey=65 hikey=70 pitch_keycenter=69 lovel=0 hivel=41\n"
        "<group>\nsw_last=d#2\nsw_label=D#2 Staccato\nlorand=0.5 hirand=1.0\n"
        "<region> sample=LDFlute_stac_A3_v1_rr2.wav lokey=65 hikey=70 pitch_keycenter=69 lovel=0 hivel=41\n",
    )
    write(
        root / "FluteSusNV.sfz",
        "<control>\ndefault_path=Woodwinds\\Flute\\susNV\\\n<region> sample=LDFlute_susNV_A3_v1_1.wav key=69 tune=9\n",
    )
    note(root / "Percussion/BDrumNewhit_v1_rr1_Sum.wav", 36)
    write(
        root / "GM-StylePerc.sfz",
        "<control>\ndefault_path=Percussion\\\n<group>\nseq_length=2\nseq_position=1\n<region>\n"
        "sample=bdrumnewhit_v1_rr1_sum.WAV\nlokey=36\nhikey=36\npitch_keycenter=36\nlovel=0\nhivel=17\n",
    )
    horns = [(f"Brass/F Horn/sus/MOHorn_sus_{name}.wav", float(pitch)) for name, pitch in horn.items()]
    names = ("susNV/LDFlute_susNV_A3_v1_1", "stac/LDFlute_stac_A3_v1_rr1", "stac/LDFlute_stac_A3_v1_rr2")
    flutes = [(f"Woodwinds/Flute/{name}.wav", 69.0) for name in names]
    kept: list[tuple[str, float | None]] = [*horns, *flutes, ("Percussion/BDrumNewhit_v1_rr1_Sum.wav", None)]
    return BuiltTree(root, "sfz", kept, dropped=2, description="FHornSus.sfz")


def vcsl(root: Path) -> BuiltTree:
    """Files next to their presets, offsets and tuning in cents, two forms of releases, a preset of releases."""
    folder = root / "Chordophones/Zithers"
    note(folder / "Upright Piano, Knight/Sustains/Player_vl1_rr1_A3.wav", 57.07)
    note(folder / "Upright Piano, Knight/Sustains/Player_vl2_rr1_A3.wav", 57)
    note(folder / "Upright Piano, Knight/Releases/Player_rel_rr1_A3.wav", 57)
    note(folder / "Upright Piano, Yamaha/Rel/Upright1_Rel_C3_vl1_rr1.wav", 48)
    write(
        folder / "Upright Piano, Knight.sfz",
        "// Generation Options: --volume 12\n<group>\ntrigger=attack\nampeg_attack=0.004000\n\n"
        "<region>\nlovel=0\nhivel=83\nsample=Upright Piano, Knight/Sustains/Player_vl1_rr1_A3.wav\n"
        "pitch_keycenter=57\nlokey=57\nhikey=58\noffset=441\ntune=-7\nvolume=13.726113\n\n"
        "<region>\nlovel=84\nhivel=127\nsample=Upright Piano, Knight/Sustains/Player_vl2_rr1_A3.wav\n"
        "pitch_keycenter=57\nlokey=57\nhikey=58\nvolume=8.1\n\n"
        "<group>\ntrigger=release\nrt_decay=2\n<region>\n"
        "sample=Upright Piano, Knight/Releases/Player_rel_rr1_A3.wav\npitch_keycenter=57\nlokey=57\nhikey=58\n",
    )
    write(
        folder / "Upright Piano, Yamaha - Rel.sfz",
        "<group>\nampeg_attack=0.1\n<region>\nseq_length=2\nseq_position=1\nlovel=0\nhivel=41\n"
        "sample=Upright Piano, Yamaha/Rel/Upright1_Rel_C3_vl1_rr1.wav\npitch_keycenter=48\nlokey=46.0\nhikey=51.0\n",
    )
    piano = "Chordophones/Zithers/Upright Piano, Knight/Sustains/Player_vl"
    kept: list[tuple[str, float | None]] = [(f"{piano}1_rr1_A3.wav", 57.07), (f"{piano}2_rr1_A3.wav", 57.0)]
    return BuiltTree(root, "sfz", kept, dropped=2)


def aria(root: Path) -> BuiltTree:
    """Regions in included .txt files, #define in names and paths, a folder above the preset's, generators."""
    for mark, pitch in (("PP", 60), ("FF", 60.25)):
        note(root / f"Samples/{mark} C3.flac", pitch)
        note(root / f"Samples/{mark} C#5.flac", pitch + 25)
    write(
        root / "Programs/Splendid Grand Piano.sfz",
        "#define $EXT flac\n#define $DIR Data\n#define $DYNA wrong\n<control>\ndefault_path=../Samples/\n"
        "label_cc7=Vol\n<global>\nampeg_release=0.1 /* a comment\nkey=10 over two lines */\n"
        "<curve>curve_index=11\nv000=0\n<group>\nlovel=1\nhivel=40\n#define $DYN PP\ngroup_label=P$DYN\n"
        '#include "$DIR\\$DYN.txt"\n<group>\nlovel=101\nhivel=127\n#define $DYN FF\ngroup_label=$DYN\n'
        '#include "Data/FF.txt"\n#include "Data/noise.sfz"\n#include "/etc/passwd"\n'
        f'#include "../{OUTSIDE}"\n#include "gone.txt"\n',
    )
    write(
        root / "Programs/Data/PP.txt",
        "<region> region_label=23 lokey=060 hikey=061 pitch_keycenter=060 sample=PP C3.$EXT\n"
        "<region> region_label=39 lokey=084 hikey=085 pitch_keycenter=085 ampeg_release=0.1 sample=PP C#5.$EXT",
    )
    write(
        root / "Programs/Data/FF.txt",
        "<region> lokey=b3 hikey=c#4 pitch_keycenter=c4 tune=-25 sample=FF C3.$EXT\n"
        "<region> key=84 transpose=-1 pitch=-25 sample=FF C#5.$EXT",
    )
    write(root / "Programs/Data/noise.sfz", "<group>\n<region>\nsample=*noise\nlokey=49\n<region> sample=*silence\n")
    kept: list[tuple[str, float | None]] = [
        ("Samples/PP C3.flac", 60.0),
        ("Samples/PP C#5.flac", 85.0),
        ("Samples/FF C3.flac", 60.25),
        ("Samples/FF C#5.flac", 85.25),
    ]
    return BuiltTree(root, "sfz", kept, dropped=5)


def sliced(root: Path) -> BuiltTree:
    """Several notes in one file by offset and end, a root key in the file, an octave offset, unpitched zones."""
    put(root / "scale.wav", np.concatenate([tone(60, RATE), tone(62, RATE)]), RATE)
    with_root_key(root / "stated.wav", 64.5, 64, cents=50)
    note(root / "sampled_D#4.wav", 63)
    note(root / "low.wav", 60)
    note(root / "stick.wav", 70)
    note(root / "hum.wav", 40)
    note(root / "pedal.wav", 40)
    note(root / "off.wav", 40)
    (root / "broken.wav").write_bytes(b"RIFF")
    frames = len(tone(60, RATE))
    write(
        root / "Marimba.sfz",
        f"<region> sample=scale.wav end={frames - 1} key=60\n<region> sample=scale.wav offset={frames} key=62\n"
        f"<region> sample=scale.wav offset={frames + 9} lokey=63 hikey=63 pitch_keycenter=62\n"
        "<group> pitch_keycenter=sample\n<region> sample=stated.wav lokey=60 hikey=70\n"
        "<region> sample=sampled_D#4.wav lokey=60 hikey=70\n"
        "<group> pitch_keytrack=0\n<region> sample=stick.wav key=70\n"
        "<region> sample=hum.wav loop_mode=loop_continuous\n"
        "<group>\n<region> sample=pedal.wav on_locc64=1 on_hicc64=127\n<region> sample=off.wav key=40 end=-1\n"
        "<region> sample=broken.wav key=40\n"
        "<control> octave_offset=-1 note_offset=2\n<region> sample=low.wav key=c#5 transpose=3",
    )
    kept: list[tuple[str, float | None]] = [
        ("scale.wav", 60.0),
        ("scale.wav", 62.0),
        ("stated.wav", 64.5),
        ("sampled_D#4.wav", 63.0),
        ("stick.wav", None),
        ("low.wav", 60.0),
    ]
    return BuiltTree(root, "sfz", kept, dropped=4, description="Marimba.sfz")


PRESET = """<?xml version="1.0" encoding="UTF-8"?>
<DecentSampler minVersion="1.0.0">
  <ui><tab name="main"><labeled-knob x="1" label="Tone"><binding type="effect"/></labeled-knob></tab></ui>
  <groups attack="0.001" volume="3dB" seqMode="round_robin" globalTuning="0.5">
    <group name="Sustain mf" loVel="1" hiVel="63" groupTuning="-0.25">
      <sample path="Samples/Cello C2.wav" rootNote="36" loNote="36" hiNote="37" seqPosition="1"/>
      <sample path="Samples\\Cello C2 rr2.wav" rootNote="C2" loNote="36" hiNote="37" seqPosition="2" tuning="-0.25"/>
    </group>
    <group name="ff" loVel="64">
      <sample path="samples/cello c2 loud.wav" rootNote="36" start="4410" end="13229"/>
    </group>
    <group trigger="release"><sample path="Samples/thud.wav" rootNote="36"/></group>
    <group pitchKeyTrack="0"><sample path="Samples/knock.wav" rootNote="40" seqMode="always"/></group>
    <group>
      <sample path="OUTSIDE" rootNote="60"/><sample path="C:\\secret.wav" rootNote="60"/><sample rootNote="1"/>
    </group>
  </groups>
</DecentSampler>
"""
_CELLO = {"Cello C2": 35.75, "Cello C2 rr2": 36.0, "Cello C2 loud": 35.5, "knock": None}


def decent(root: Path) -> BuiltTree:
    """A preset next to its samples."""
    for name, pitch in (_CELLO | {"thud": 36, "impulse": 60}).items():
        note(root / f"Samples/{name}.wav", pitch or 40)
    write(root / "Cello.dspreset", PRESET.replace("OUTSIDE", OUTSIDE))
    kept = [(f"Samples/{name}.wav", pitch) for name, pitch in _CELLO.items()]
    return BuiltTree(root, "decent", kept, dropped=5, description="Cello.dspreset")


def decent_library(root: Path) -> BuiltTree:
    """The same in an archive, with members whose names lead out of it."""
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "Cello.dslibrary", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Cello/Cello.dspreset", PRESET.replace("OUTSIDE", OUTSIDE))
        for name, pitch in (_CELLO | {"thud": 36, "impulse": 60}).items():
            archive.writestr(f"Cello/Samples/{name}.wav", wav(pitch or 40))
        archive.writestr("../secret.wav", wav(60))
        archive.writestr("__MACOSX/Cello/Samples/._thud.wav", b"fork")
    kept = [("Cello.dslibrary", pitch) for pitch in _CELLO.values()]
    return BuiltTree(root, "decent", kept, dropped=6, description="Cello.dslibrary")


TREES: dict[str, Callable[[Path], BuiltTree]] = {
    "sfz_vsco": vsco,
    "sfz_vcsl": vcsl,
    "sfz_aria": aria,
    "sfz_sliced": sliced,
    "decent": decent,
    "decent_library": decent_library,
}
"""Builders by name; each fills an empty folder."""
