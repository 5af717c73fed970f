"""What an export is made of, and what a format plans to write: the same for every format."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from timbre.shapes.presets import Preset
from timbre.space import Space


@dataclass(frozen=True)
class ExportSettings:
    """Settings of exports; each format uses those that concern it.

    Attributes:
        seed: of the phase of noise.
        inverter: how magnitudes become sound; None is the space's own.
    """

    seed: int = 0
    inverter: str | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """What is exported, and where.

    Attributes:
        space: the space.
        instruments: one or more named points or paths, in their order; those of a grid, row by row.
        output: the file or folder, with "~" expanded; its ending may choose a variant of a format.
        settings: the settings.
        columns: of a grid; 0 if the instruments are no grid.
    """

    space: Space
    instruments: Sequence[Preset]
    output: FilePath
    settings: ExportSettings
    columns: int = 0


class ExportPlan(NamedTuple):
    """What a format will write. Everything in the request that is wrong for it was refused before."""

    files: Mapping[str, int]  # estimated bytes of each file, by its name relative to the output; "": the output itself
    work: int  # steps, of about equal time, for the progress bar
    write: Callable[[FilePath, Callable[[], object]], list[dict[str, Any]]]
    """Writes to a temporary path, a folder that exists or a file that does not, calls the second argument after every
    step, and returns rows of figures."""
    seconds: float = 0.0  # of audio
    notice: str = ""  # what is lost or left out, in one sentence
