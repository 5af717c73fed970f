"""Pictures of notes beside their reconstructions: the best, the median and the worst of a library.

    python pretrained/_pairs.py SPACE NOTES OUT [--notes 10]

NOTES is a folder or library file of notes that the space was not trained on. OUT gets a PNG file for each pair, and
`pairs.json`. Write what you see in a picture into its `seen` there: a new run keeps it as long as the picture is the
same, and the card shows it.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import timbre
from timbre.data import Library
from timbre.evaluation.decoding import decode_sounds, reconstruction
from timbre.evaluation.notes import FULL, EvaluatedNotes, prepare_notes, sample
from timbre.files import replacing, write_text
from timbre.report.evaluation_pictures import draw_pair
from timbre.report.pictures import save_png
from timbre.space import Space

FILE = "pairs.json"
LARGEST = 120_000  # bytes of a picture
Pair = dict[str, Any]
"""A pair of pictures: file, note, instrument, source, group, rank, of, audible_l1_db, digest, seen."""


def make_pairs(space: Space, library: Library, out: Path, count: int = 10, seed: int = 0) -> list[Pair]:
    """Write the pictures and `pairs.json` into a folder; return the pairs, the best first.

    At most 600 notes of the library are measured. Of each group an instrument is shown once, if there are enough.

    Raises:
        SystemExit: if no note can be used, or a picture is larger than 120 kB.
    """
    chosen = sample(np.arange(len(library)), FULL.held_out, seed)
    notes = prepare_notes(space, [library[int(index)] for index in chosen])
    if not len(notes):
        raise SystemExit(f"None of the {len(library)} notes can be measured; give others.")
    points = notes.points(space)
    error = np.array([_error(space, notes, points, np.array([row])) for row in range(len(notes))])
    rows = _groups(error, [note.instrument for note in notes.notes], count)
    order = np.array([row for group in rows.values() for row in group])
    decoded = decode_sounds(space, notes.take(order), points[order], seed, examples=len(order)).examples
    by_name = {one.name: one for one in decoded}
    out.mkdir(parents=True, exist_ok=True)
    seen, pairs = _seen(out), []
    ranks = np.argsort(np.argsort(error, kind="stable"))
    for group, members in rows.items():
        for number, row in enumerate(members, 1):
            pair = _pair(notes, row, group, int(ranks[row]) + 1, float(error[row]))
            pair["file"] = f"{group}-{number}.png"
            title = f"{pair['note']}: audible error {pair['audible_l1_db']:.1f} dB ({pair['rank']} of {pair['of']})"
            _save(draw_pair(by_name[pair["note"]], space.config.spectrogram, title), out / pair["file"])
            pair["digest"] = hashlib.sha256((out / pair["file"]).read_bytes()).hexdigest()[:16]
            pairs.append(pair | {"seen": seen.get(pair["digest"], "")})
    write_text(out / FILE, json.dumps(pairs, indent=1, ensure_ascii=False) + "\n")
    return pairs


def pairs_section(pairs: list[Pair], folder: str) -> str:
    """Markdown of the pictures in a folder beside the page, with what was seen in them."""
    parts = [
        f"![{pair['note']}, recorded and decoded]({folder}/{pair['file']})\n\n"
        f"{pair['group'].capitalize()}: {pair['note']} of {pair['source'] or 'an unknown source'}, "
        f"{pair['audible_l1_db']:.1f} dB. {pair['seen'] or '(Not described yet.)'}\n"
        for pair in pairs
    ]
    return "\n".join(parts)


def _error(space: Space, notes: EvaluatedNotes, points: np.ndarray, rows: np.ndarray) -> float:
    return float(reconstruction(space, notes.take(rows), points[rows])["audible_l1_db"] or 0.0)


def _groups(error: np.ndarray, instruments: list[str], count: int) -> dict[str, list[int]]:
    """Rows of the best, the median and the worst notes, each in the order of their errors."""
    order = np.argsort(error, kind="stable")
    middle = order[np.argsort(np.abs(np.arange(len(order)) - (len(order) - 1) / 2), kind="stable")]
    wanted = {
        "best": (order, count // 3),
        "median": (middle, count - 2 * (count // 3)),
        "worst": (order[::-1], count // 3),
    }
    taken: set[int] = set()
    groups = {}
    for group, (ranked, size) in wanted.items():
        free = [int(row) for row in ranked if int(row) not in taken]
        first = {instruments[row]: row for row in reversed(free)}.values()  # the nearest row of each instrument
        rows = sorted(free, key=lambda row: (row not in first, free.index(row)))[:size]
        taken.update(rows)
        groups[group] = sorted(rows, key=lambda row: float(error[row]))
    return groups


def _pair(notes: EvaluatedNotes, row: int, group: str, rank: int, error: float) -> Pair:
    note = notes.notes[row]
    labels = {"note": note.name, "instrument": note.instrument, "source": note.source}
    return labels | {"group": group, "rank": rank, "of": len(notes), "audible_l1_db": round(error, 2)}


def _seen(out: Path) -> dict[str, str]:
    """What was written about the pictures of an earlier run, by their digests."""
    file = out / FILE
    pairs = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return {pair["digest"]: pair["seen"] for pair in pairs}


def _save(figure: Any, file: Path) -> None:
    """Write a picture with as many colours as the largest size of a file allows."""
    for colours in (128, 64, 32, 16):
        save_png(figure, file)
        shrink(file, colours)
        if file.stat().st_size <= LARGEST:
            return
    raise SystemExit(f"{file} must not be larger than {LARGEST // 1000} kB, got {file.stat().st_size // 1000} kB.")


def shrink(file: Path, colours: int = 256) -> None:
    """Reduce a picture to a number of colours: a third of the size or less."""
    from PIL import Image

    with Image.open(file) as image:
        small = image.convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    with replacing(file) as partial:
        small.save(partial, "PNG", optimize=True)


def main() -> None:
    """Make the pairs of a library."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space")
    parser.add_argument("library", metavar="NOTES", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("--notes", type=int, default=10, help="number of pairs")
    args = parser.parse_args()
    for pair in make_pairs(timbre.load(args.space), timbre.scan(args.library), args.out, args.notes):
        print(f"{pair['file']:<14}{pair['audible_l1_db']:>6.2f} dB  {pair['note']} ({pair['source']})")


if __name__ == "__main__":
    main()
