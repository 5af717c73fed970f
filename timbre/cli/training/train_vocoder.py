"""`timbre train-vocoder`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.training.evaluate import remembered
from timbre.config import VocoderConfig
from timbre.errors import ConfigError

RIVAL = "pghi+8"  # what a vocoder has to beat

if TYPE_CHECKING:
    from timbre.vocoder.trained import TrainedVocoder


def train_vocoder(
    space: str,
    library: Path | None = None,
    /,
    *,
    config: Path | None = None,
    out: Path | None = None,
    settings: Annotated[VocoderConfig, Parameter(name="*")] = VocoderConfig(),  # noqa: B008  (frozen)
) -> None:
    """Teach a space a vocoder of its own: a network that turns what it decodes into sound.

    It learns from the notes that the space was trained on, as the space decodes them. In the end it is compared with
    pghi+8 on notes that neither has seen; where it is better, the space uses it from then on, and otherwise by
    --inverter vocoder. The same command again continues a run that was stopped.

    Parameters
    ----------
    space
        Folder of a saved space, in which the vocoder is kept; or the name of one (`timbre inspect` lists the names),
        with --out.
    library
        The notes that it was trained on, as given to `timbre train`. Remembered by the space unless given.
    config
        TOML file of settings. Options decide over it.
    out
        Folder for a copy of the space that has the vocoder; the space itself is then left as it is.
    """
    folder = out or own_folder(space)
    fitted = timbre.load(space)
    notes = timbre.scan(library or remembered(space), progress=True)
    from timbre.evaluation.inverters import beats, compare, unseen
    from timbre.vocoder.trained import learn_vocoder

    heard = unseen(fitted, notes)  # refuses other notes before any work is done
    try:
        fitted.vocoder = learn_vocoder(fitted.model, fitted.config, notes, settings, folder / "vocoder", progress=True)
    except KeyboardInterrupt:
        print("\nThe same command goes on from here.", file=sys.stderr)
        raise
    figures = compare(fitted, heard, ("vocoder", RIVAL))
    fitted.vocoder.is_default = beats(figures, "vocoder", RIVAL)
    fitted.vocoder.report |= {"compared_notes": len(heard), "compared": figures}
    fitted.save(folder)
    _print(fitted.vocoder, folder)


def own_folder(space: str) -> Path:
    """The folder of a space that was given by its path.

    Raises:
        ConfigError: it was given by its name.
    """
    from timbre.space.names import is_path

    if not is_path(space):
        raise ConfigError(f"The space called {space} is left as it is; say with --out which folder gets the vocoder.")
    return Path(space).expanduser()


def _print(vocoder: "TrainedVocoder", space: Path) -> None:
    report = vocoder.report
    print(f"{report['parameters']:,} weights, {report['steps']} steps on {report['notes']} notes in ", end="")
    print(f"{report['train_minutes']:.0f} minutes\n\n{report['compared_notes']} notes that were held out, as decoded:")
    names = list(report["compared"])
    print(f"  {'':<28}" + "".join(f"{name:>12}" for name in names))
    for figure in report["compared"][names[0]]:
        print(f"  {figure:<28}" + "".join(f"{report['compared'][name][figure]:12.3f}" for name in names))
    if vocoder.is_default:
        print(f"\nThe vocoder is better, and is how {space} sounds from now on.")
    else:
        print(f"\nThe vocoder is not better in all of this; {space} keeps {RIVAL}, and --inverter vocoder asks")
        print("for it.")
