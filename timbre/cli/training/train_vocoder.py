"""`timbre train-vocoder`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import ConfigFile, SpaceName, TrainingNotes
from timbre.cli.training.evaluate import remembered
from timbre.config import VocoderConfig
from timbre.errors import ConfigError
from timbre.files import expanded
from timbre.training.interrupts import terminations_as_interrupts

RIVAL = "pghi+8"  # the inverter that a vocoder must beat to become the default

if TYPE_CHECKING:
    from timbre.space import Space
    from timbre.vocoder.trained import TrainedVocoder


@terminations_as_interrupts()
def train_vocoder(
    space: Annotated[
        SpaceName, Parameter(help="Folder of a space, to which the vocoder is added; or its name, with --out.")
    ],
    library: TrainingNotes | None = None,
    /,
    *,
    config: ConfigFile | None = None,
    out: Path | None = None,
    settings: Annotated[VocoderConfig, Parameter(name="*")] = VocoderConfig(),  # noqa: B008  (frozen)
) -> None:
    """Train a vocoder for a space: a network that turns decoded spectrograms into sound.

    It learns from the notes that the space was trained on, as the space decodes them. Afterwards it is compared with
    pghi+8 on held-out notes. If it is better, it becomes the space's inverter; otherwise use --inverter vocoder. Run
    the same command again to continue a stopped run.

    Args:
        out: Folder for a copy of the space with the vocoder; the space itself is not changed.
    """
    folder, fitted = _folder(space, out), timbre.load(space)
    if out is not None and (folder / "config.json").exists():
        _require_copy(folder, fitted)
    notes = timbre.scan(library or remembered(space), progress=True)
    from timbre.evaluation.inverters import beats, compare, unseen
    from timbre.vocoder.trained import learn_vocoder

    held_out = unseen(fitted, notes)  # refuses other notes before any work is done
    try:
        fitted.vocoder = learn_vocoder(fitted.model, fitted.config, notes, settings, folder / "vocoder", progress=True)
    except KeyboardInterrupt:
        print("\nRun the same command again to continue.", file=sys.stderr)
        raise
    figures = compare(fitted, held_out, ("vocoder", RIVAL))
    fitted.vocoder.is_default = beats(figures, "vocoder", RIVAL)
    fitted.vocoder.report |= {"compared_notes": len(held_out), "compared": figures}
    fitted.save(folder)
    _print(fitted.vocoder, folder)


def _folder(space: str, out: Path | None) -> Path:
    """The folder to which the space is saved with its vocoder; refuses, before any work, one that cannot be used."""
    from timbre.space.names import find_space, is_path
    from timbre.training.folder import check_run_folder, claimed

    source = find_space(space)  # says so if there is none
    if out is None and not is_path(space):
        raise ConfigError(
            f"The space must be a folder to add a vocoder to it, got the name {space}; give --out FOLDER for a copy."
        )
    folder = expanded(out or source)
    check_run_folder(folder, "config.json", "vocoder")
    with claimed(folder / "vocoder"):
        return folder


def _require_copy(folder: Path, space: "Space") -> None:
    """Refuse a folder that contains another space, which the copy would replace."""
    weights = timbre.load(folder).model.state_dict()
    own = space.model.state_dict()
    if weights.keys() != own.keys() or any(not weights[name].equal(value) for name, value in own.items()):
        raise ConfigError(f"--out {folder} contains another space; choose another folder.")


def _print(vocoder: "TrainedVocoder", space: Path) -> None:
    report = vocoder.report
    print(f"{report['parameters']:,} weights, {report['steps']} steps on {report['notes']} notes in ", end="")
    print(f"{report['train_minutes']:.0f} minutes\n\n{report['compared_notes']} held-out notes, as decoded:")
    names = list(report["compared"])
    print(f"  {'':<28}" + "".join(f"{name:>12}" for name in names))
    for figure in report["compared"][names[0]]:
        print(f"  {figure:<28}" + "".join(f"{report['compared'][name][figure]:12.3f}" for name in names))
    if vocoder.is_default:
        print(f"\nThe vocoder is better: it is now the inverter of {space}.")
    else:
        print(f"\nThe vocoder is not better in every figure: {space} keeps {RIVAL}; use --inverter vocoder to hear it.")
