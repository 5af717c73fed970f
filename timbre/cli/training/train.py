"""`timbre train`."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import ConfigFile
from timbre.cli.info import device_name, program
from timbre.config import Config
from timbre.files import expanded
from timbre.training.interrupts import terminations_as_interrupts
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.data import Library
    from timbre.space import Space


@terminations_as_interrupts()
def train(
    library: Path,
    out: Path,
    /,
    *,
    config: ConfigFile | None = None,
    ratings: str | None = None,
    without: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    settings: Annotated[Config, Parameter(name="*")] = Config(),  # noqa: B008  (frozen)
) -> None:
    """Learn a timbre space from a folder of notes.

    Args:
        library: Folder of notes, an instrument file (.sfz, .sf2 ...), or the library.json that `timbre scan` wrote.
        out: Folder for the space and its run. Run the same command again to continue a stopped run; a finished one is
            used as it is.
        ratings: Listeners' dissimilarity ratings to follow: a CSV file, a folder of studies, or "orchestra" for those
            that come with timbre. `timbre ratings` describes them; --regularization.perceptual sets how the space
            follows them.
        without: Rated instruments to leave out, such as those that are not in the library.
    """
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts, one prints
    finished = first and _is_finished(expanded(out))
    notes = timbre.scan(library, progress=first)
    if first:
        _print_start(notes, settings)
    rated = None
    if ratings is not None:
        from timbre.data.ratings import read_ratings

        rated = read_ratings(ratings).without(instruments=without)
    try:
        space = timbre.train(notes, settings, out, ratings=rated)
    except KeyboardInterrupt:
        if first:
            print("\nRun the same command again to continue.", file=sys.stderr)
        raise
    if first:
        if finished:
            print(f"\n{out} was finished before and is used as it is; nothing was trained.")
        _print_end(space, library, out)


def _is_finished(out: Path) -> bool:
    """Whether there is a finished space in the folder of a run; refuses, before the scan, one that cannot be used."""
    from timbre.space.fitting import check_run
    from timbre.training.folder import claimed

    check_run(out)
    with claimed(out / "resume"):
        return (out / "config.json").exists()


def _print_end(space: "Space", library: Path, out: Path) -> None:
    """Print the figures of a trained space, and commands to try."""
    for name, reason in space.report.get("dropped", {}).items():
        print(f"left out: {name}: {reason}")
    print_figures(space)
    known, command = next(iter(space.atlas)), program()
    print(f"""
Try next:
  {command} inspect {out}
  {command} synth {out} --at {known} --pitch A4 -o note.wav
  {command} demo {out} {library} demo
  {command.removesuffix("timbre")}tensorboard --logdir {out}/logs""")


def _print_start(notes: "Library", settings: Config) -> None:
    """Print what the space is trained on, and where."""
    parts = Counter(notes.parts(settings.data).tolist())
    kept, dropped = len(notes), len(notes.report.dropped)
    instruments = counted(len(notes.instruments), "instrument")
    print(f"{notes.root}: {counted(kept, 'note')} kept, {dropped} dropped, {instruments}")
    if flagged := len(notes.report.flagged):
        print(f"{counted(flagged, 'note')} {'is' if flagged == 1 else 'are'} doubtful; `timbre scan` says why")
    print(
        f"{counted(parts['train'], 'note')} for training, {parts['valid']} for validation, {parts['test']} for the test"
        f" (held out {notes.held_out(settings.data)})"
    )
    device = settings.training.device
    print(f"device {device_name() if device == 'auto' else device}", flush=True)


def print_figures(space: "Space") -> None:
    """Print the numbers of a space's report."""
    print("\nFigures:")
    for name, value in space.report.items():
        if isinstance(value, int | float):
            print(f"  {name:<20}{value:.3f}" if isinstance(value, float) else f"  {name:<20}{value}")
