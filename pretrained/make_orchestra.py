"""Make the spaces `orchestra` (44,100 Hz) and `orchestra-22k` (22,050 Hz, the same settings otherwise) that ship.

    python pretrained/make_orchestra.py NOTES --soundfont FluidR3_GM.sf2 MuseScore_General_Full.sf2 --out FOLDER

NOTES is a folder of recorded notes with their sources and licences; presets of the SoundFonts are rendered in addition.
FOLDER gets `orchestra.json` (all notes, with their split), `unverified.json` (notes for measurements only), a folder
for the training of each space, and `findings-NAME.json` (measurements). Then the folders pretrained/NAME, docs/audio,
and the figures in docs/pretrained.md are written. Run the same command again to continue: what is done is not done
again.

Steps, in this order: {steps}.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from _docs import document
from _finish import describe, maps, measure, picture, presets, ship
from _gather import gather
from _making import HERE, Making, origin, train, train_vocoder

from timbre.data.storage import save_library

SPACES = ("orchestra", "orchestra-22k")
STEPS: dict[str, Callable[[Making], None]] = {
    "train": train, "vocoder": train_vocoder, "ship": ship, "presets": presets, "maps": maps, "measure": measure,
    "pictures": picture, "card": describe,
}  # fmt: skip
"""What is done for each space, one step for all spaces before the next."""
ALL = ("gather", *STEPS, "docs")


def collect(args: argparse.Namespace) -> None:
    """Write the library files, unless they are there."""
    files = [args.out / "orchestra.json", args.out / "unverified.json"]
    if all(file.exists() for file in files):
        print(f"{args.out} has the libraries.")
        return
    for library, file in zip(gather(args.notes.resolve(), args.soundfont, args.quick), files, strict=True):
        print(f"{save_library(library, file)}  {len(library)} notes, {len(library.instruments)} instruments")


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        SystemExit: if it is wrong.
    """
    text = (__doc__ or "").format(steps=", ".join(ALL))
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path, metavar="NOTES")
    parser.add_argument("--soundfont", type=Path, nargs="+", default=[], metavar="FILE", help="SoundFonts to render")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", default=",".join(ALL), help="only these, such as train,vocoder (default: all)")
    parser.add_argument("--spaces", default=",".join(SPACES), help="only these (default: both)")
    parser.add_argument("--target", type=Path, help="folder of the shipped spaces (default: pretrained)")
    parser.add_argument("--root", type=Path, help="folder of README.md and docs (default: this checkout)")
    parser.add_argument("--ratings", type=Path, action="append", default=[], help="listeners' studies to evaluate")
    parser.add_argument("--processes", type=int, default=1, help="processes that train together (default: 1)")
    parser.add_argument("--commit", help="commit of the training (default: this checkout)")
    parser.add_argument("--machine", help="machine of the training, in words")
    parser.add_argument("--quick", action="store_true", help="make tiny spaces in --out, to try the program")
    args = parser.parse_args(words)
    args.steps, args.spaces = args.steps.split(","), args.spaces.split(",")
    for name, chosen, known in (("--steps", args.steps, ALL), ("--spaces", args.spaces, SPACES)):
        if unknown := [word for word in chosen if word not in known]:
            parser.error(f"{name} must be among {', '.join(known)}, got {unknown[0]}.")
    if args.quick and not (args.target and args.root):
        parser.error("--quick must not write into the checkout; give --target and --root.")
    return args


def main(words: list[str] | None = None) -> None:
    """Do the steps."""
    args = parse(words)
    args.out.mkdir(parents=True, exist_ok=True)
    origin(args.out, args.commit, args.machine)
    if "gather" in args.steps:
        collect(args)
    target, ratings = args.target or HERE, tuple(args.ratings)
    makings = [Making(name, args.out, target / name, ratings, args.processes, args.quick) for name in args.spaces]
    for step, do in STEPS.items():
        for making in makings if step in args.steps else []:
            print(f"== {step}: {making.name}", flush=True)
            do(making)
    if "docs" in args.steps:
        print("== docs", flush=True)
        document(makings, args.root or HERE.parent)


if __name__ == "__main__":
    main()
