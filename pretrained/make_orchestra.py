"""Make the space `orchestra`: gather its notes, train it and its vocoder, and write the shipped folder.

    python pretrained/make_orchestra.py NOTES --soundfont FluidR3_GM.sf2 --out FOLDER [--target pretrained/orchestra]

NOTES is a folder of recorded notes; the SoundFont's orchestral presets are rendered in addition, at every second
semitone and three velocities. FOLDER gets `orchestra.json` (all notes, with their split), `recorded.json` and
`rendered.json` (the two parts, for `timbre evaluate --only`), `space/`, and `findings.json` (measurements). TARGET gets
the space with float16 weights, presets, maps and its card. An interrupted run continues.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from _finish import finish, run

import timbre
from timbre.data import Library, Note
from timbre.data.storage import save_library
from timbre.files import write_text

HERE = Path(__file__).parent
DOUBTFUL = ("pitch", "octave", "duplicate")  # the decoder uses the pitch: wrong ones blur its output

# Presets as timbre names them, and their instruments; recorded notes of the same name are the same instrument.
PRESETS = {
    "yamaha_grand_piano": "piano", "harpsichord": "harpsichord", "celesta": "celesta", "glockenspiel": "glockenspiel",
    "music_box": "music_box", "vibraphone": "vibraphone", "marimba": "marimba", "xylophone": "xylophone",
    "tubular_bells": "tubular_bells", "dulcimer": "dulcimer", "church_organ": "organ", "reed_organ": "reed_organ",
    "accordian": "accordion", "harmonica": "harmonica", "nylon_string_guitar": "guitar_nylon",
    "steel_string_guitar": "guitar_steel", "jazz_guitar": "guitar_jazz", "acoustic_bass": "double_bass_plucked",
    "violin": "violin", "viola": "viola", "cello": "cello", "contrabass": "double_bass", "tremolo": "strings_tremolo",
    "pizzicato_section": "strings_pizzicato", "harp": "harp", "timpani": "timpani", "strings": "string_section",
    "ahh_choir": "choir_ahh", "ohh_voices": "choir_ooh", "trumpet": "trumpet", "trombone": "trombone", "tuba": "tuba",
    "muted_trumpet": "trumpet_muted", "french_horns": "french_horn_section", "brass_section": "brass_section",
    "soprano_sax": "soprano_sax", "alto_sax": "alto_sax", "tenor_sax": "tenor_sax", "baritone_sax": "baritone_sax",
    "oboe": "oboe", "english_horn": "english_horn", "bassoon": "bassoon", "clarinet": "clarinet",
    "piccolo": "piccolo", "flute": "flute", "recorder": "recorder", "pan_flute": "pan_flute",
    "shakuhachi": "shakuhachi", "banjo": "banjo", "koto": "koto", "kalimba": "kalimba", "steel_drums": "steel_drum",
}  # fmt: skip


def gather(notes: Path, soundfont: Path, out: Path) -> Path:
    """Scan both sources, combine them, split them, and write the three library files."""
    together = out / "orchestra.json"
    if together.exists():
        return together
    recorded = timbre.scan(notes, progress=True)
    rendered = timbre.scan(soundfont, progress=True)
    chosen = [replace(note, instrument=PRESETS[note.instrument], name="") for note in rendered
              if note.instrument in PRESETS]  # fmt: skip
    missing = set(PRESETS) - {note.instrument for note in rendered}
    if missing:
        raise SystemExit(f"{soundfont} has no {', '.join(sorted(missing))}; give FluidR3_GM.sf2.")
    whole = Library(_sound(recorded) + _sound(chosen), recorded.root).divided()
    parts = {"recorded": [note for note in whole if note.file != soundfont],
             "rendered": [note for note in whole if note.file == soundfont]}  # fmt: skip
    for name, part in parts.items():
        save_library(Library(part, whole.root, division=whole.division), out / f"{name}.json")
    return save_library(whole, together)


def _sound(notes: Iterable[Note]) -> list[Note]:
    return [note for note in notes if not any(flag.partition(":")[0] in DOUBTFUL for flag in note.flags)]


def train(library: Path, out: Path) -> None:
    """Train the space and then its vocoder with timbre's commands; finished parts are not trained again."""
    space = str(out / "space")
    run("train", str(library), space, "--config", str(HERE / "orchestra.toml"), "--ratings", "orchestra")
    if timbre.load(space).vocoder is None:
        run("train-vocoder", space, str(library), "--config", str(HERE / "orchestra-vocoder.toml"))


def origin(out: Path, commit: str | None, machine: str | None) -> tuple[str, str]:
    """Commit and machine of the training, as given or as they were when it started; stored in origin.json."""
    file = out / "origin.json"
    stored = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    values = {
        "commit": commit or stored.get("commit") or _commit(),
        "machine": machine or stored.get("machine") or _machine(),
    }
    write_text(file, json.dumps(values) + "\n")
    return values["commit"], values["machine"]


def _commit() -> str:
    command = ["git", "-C", str(HERE), "rev-parse", "HEAD"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip() or "unknown"


def _machine() -> str:
    import torch

    cores = os.cpu_count() or 1
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{cores} core{'s' * (cores != 1)}, {device}"


def main() -> None:
    """Gather, train, finish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--soundfont", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--target", type=Path, default=HERE / "orchestra", help="the shipped folder")
    parser.add_argument("--ratings", type=Path, action="append", default=[], help="listeners' studies to evaluate")
    parser.add_argument("--commit", help="commit of the training (default: this checkout)")
    parser.add_argument("--machine", help="machine of the training, in words")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    commit, machine = origin(args.out, args.commit, args.machine)
    library = gather(args.notes.resolve(), args.soundfont.resolve(), args.out)
    train(library, args.out)
    finish(args.out, args.target, args.ratings, commit, machine)


if __name__ == "__main__":
    main()
