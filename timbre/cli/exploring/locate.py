"""`timbre locate`."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import timbre
from timbre.cli.arguments import JsonFile, NotePitch, Refine, SoundFiles, SpaceName
from timbre.cli.exploring._files import Row, require_files, rows_of
from timbre.cli.outputs import formatted, table

if TYPE_CHECKING:
    from timbre.audio import Audio
    from timbre.space.locating import Location, Locator

_SHOWN = 5  # neighbours and instruments of each sound


def locate(
    space: SpaceName,
    /,
    *files: SoundFiles,
    pitch: NotePitch | None = None,
    refine: Refine = 0,
    json_: JsonFile | None = None,
) -> int:
    """Show where new sounds lie: neighbours, similar instruments, and whether they are unfamiliar.

    Without --pitch, and if a file's name does not give one, the pitch is measured.
    """
    from timbre.files import write_text
    from timbre.space.locating import Locator

    require_files(files)
    locator = Locator(timbre.load(space))

    def row(file: Path, audio: "Audio", given: float | None, velocity: float | None) -> Row:
        location = locator(audio, given, velocity, refine)
        print(_page(file, location, locator, refine))
        return location.to_dict()

    rows = rows_of(files, pitch, row)
    if json_:
        write_text(json_, formatted(rows, "json"))
    return int(len(rows) < len(files))


def _page(file: Path, location: "Location", locator: "Locator", refine: int) -> str:
    """The text for one sound."""
    from timbre.data.names import note_name
    from timbre.space.dissimilarity import SCALE

    midi, atlas = location.pitch, locator.space.atlas
    lines = [
        f"{file}: " + ("without pitch" if midi != midi else f"{note_name(midi)} ({midi:.2f} MIDI)"),
        "  point " + ",".join(f"{value:.3f}" for value in location.point),
        f"  {_verdict(location, locator)}",
    ]
    if location.elbo:
        lines.append(
            f"  refined in {refine} steps: evidence bound {location.elbo[0]:.1f} to {location.elbo[1]:.1f} nats, "
            f"error {location.error_db:.2f} to {location.error_refined_db:.2f} dB"
        )
    if atlas.stds is None or atlas.errors is None:
        lines.append("  The space was saved without standard deviations and errors of its notes; only points count.")
    near = _table("sound", "dissimilarity", location.neighbours)
    like = _table("instrument", "dissimilarity", location.dissimilarities)
    return "\n".join([*lines, "", near, f"{like}  Dissimilarity: {SCALE}.", ""])


def _verdict(location: "Location", locator: "Locator") -> str:
    left_out = locator.aggregate.left_out
    point = f"more likely than {location.percentile:.1f}% of training notes with their {left_out} left out"
    error = f"error {location.error_db:.2f} dB"
    if location.error_percentile is not None:
        error += f", as large or larger for {location.error_percentile:.1f}% of held-out notes"
    return f"{'UNFAMILIAR' if location.out_of_distribution else 'Familiar'}: {point}; {error}."


def _table(key: str, value: str, numbers: dict[str, float]) -> str:
    rows = [{key: name, value: number} for name, number in list(numbers.items())[:_SHOWN]]
    return textwrap.indent(table(rows), "  ")
