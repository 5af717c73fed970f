"""`timbre place`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import labels_of, parse_pitch
from timbre.cli.outputs import check_target, table
from timbre.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from timbre.space.locating import Location, Locator

_SHOWN = 5  # neighbours and instruments of each sound


def locate(
    space: str,
    /,
    *files: Path,
    pitch: str | None = None,
    refine: int = 0,
    json_: Annotated[Path | None, Parameter(name="--json")] = None,
) -> int:
    """Find where new sounds lie: their neighbours, predicted dissimilarities, and whether they are strangers.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    files
        Sound files, each with one note. One that cannot be used is named on stderr and left out; the exit status is
        then 1.
    pitch
        Pitch of the notes: a note name (A4), a MIDI number (69.5) or "unknown". Without it, the pitch that a file's
        name gives is used, and where it gives none, pitch is measured.
    refine
        Steps by which to move each point to where the sound is more likely; 40 take about a second.
    json_
        Write all that was found to this file too.
    """
    if not files:
        raise ConfigError("No sound files were given; name one or more.")
    if refine < 0:
        raise ConfigError(f"--refine is {refine}; 0 steps or more are wanted.")
    if json_:
        check_target(json_)
    given = {} if pitch is None else {"pitch": parse_pitch(pitch)}
    from timbre.space.locating import Locator

    placer = Locator(timbre.load(space))
    found: list[dict[str, Any]] = []
    for file in files:
        try:
            placement = _placed(placer, file, refine, given)
        except AudioError as error:
            named = "" if str(file) in str(error) else f"{file}: "
            print(f"timbre: left out: {named}{error}", file=sys.stderr)
            continue
        found.append({"file": str(file)} | placement.to_dict())
        print(_page(file, placement, placer, refine))
    if json_:
        from timbre.files import write_text

        write_text(json_, json.dumps(found, indent=1) + "\n")
    return int(len(found) < len(files))


def _placed(placer: "Locator", file: Path, refine: int, given: dict[str, float | None]) -> "Location":
    note = labels_of(file)
    pitch = given.get("pitch", note.pitch)
    unpitched = float("nan") if given and pitch is None else pitch
    return placer(timbre.read(file), pitch=unpitched, velocity=note.velocity, refine=refine)


def _page(file: Path, found: "Location", placer: "Locator", refine: int) -> str:
    """What is told of one sound."""
    from timbre.data.names import note_name

    atlas = placer.space.atlas
    pitch = "without pitch" if found.pitch != found.pitch else f"{note_name(found.pitch)} ({found.pitch:.2f} MIDI)"
    near = [{"sound": name, "distance": value} for name, value in list(found.neighbours.items())[:_SHOWN]]
    unlike = [
        {"instrument": name, "dissimilarity": value} for name, value in list(found.dissimilarities.items())[:_SHOWN]
    ]
    lines = [
        f"{file}: {pitch}",
        "  at " + ",".join(f"{value:.3f}" for value in found.point),
        f"  {_verdict(found, placer)}",
    ]
    if found.elbo:
        lines.append(
            f"  refined in {refine} steps: bound {found.elbo[0]:.1f} to {found.elbo[1]:.1f} nats, "
            f"error {found.error_db:.2f} to {found.error_refined_db:.2f} dB"
        )
    if atlas.spreads is None or atlas.errors is None:
        lines.append("  The space was saved without its notes' spreads and errors, so places alone are judged.")
    scale = f"  Dissimilarity: {found.scale.sentence}."
    return "\n".join([*lines, "", _indented(table(near)), _indented(table(unlike)) + scale, ""])


def _verdict(found: "Location", placer: "Locator") -> str:
    left_out = placer.aggregate.left_out
    place = f"likelier than {found.percentile:.1f}% of known notes with their {left_out} left out"
    error = f"error {found.error_db:.2f} dB"
    if found.error_percentile is not None:
        error += f", and {found.error_percentile:.1f}% of held-out notes have as much or more"
    return f"{'A STRANGER' if found.stranger else 'Familiar'}: {place}; {error}."


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
