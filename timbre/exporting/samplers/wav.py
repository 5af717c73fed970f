"""WAV files, one for each note, with root keys and loops in their headers, and a table."""

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from timbre.errors import ConfigError
from timbre.exporting.request import ExportPlan, Request
from timbre.exporting.samplers.libraries import (
    README,
    estimated,
    refuse_ending,
    text_sizes,
    write_readme,
    write_samples,
)
from timbre.exporting.samplers.plan import make_instruments, planned
from timbre.shapes.number_files import write_table

_TABLE = "metadata.csv"
_COLUMNS = ("file", "instrument", "midi_pitch", "velocity", "loop_start", "loop_end", "release")
_HOW = (
    "Notes for samplers that import WAV files. Each has its root key and its loop in its header (chunk smpl), and is "
    "as loud as at full velocity. metadata.csv lists the keys (MIDI), velocities (0 to 1), loops (first and last "
    "sample) and releases (seconds for 60 dB)."
)


def plan_wav(request: Request) -> ExportPlan:
    """Plan a folder of WAV files."""
    refuse_ending(request, ".wav", ".flac")
    if request.settings.flac:
        raise ConfigError("FLAC files have no chunk for loops; use --flac with sfz or decent.")
    instruments = make_instruments(request, takes=True)
    files = text_sizes([README, _TABLE]) | estimated(request, instruments, "")

    def write(folder: FilePath, step: Callable[[], object]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        table: list[list[object]] = []
        for one in instruments:
            for sample in write_samples(request, one, folder, "", step, rows):
                zone, loop = sample.zone, sample.loop
                name = one.stem.lower() + (f"_t{zone.step + 1}" if len(one.points) > 1 else "")
                ends: list[object] = ["", ""] if loop is None else [loop[0], loop[1] - 1]
                key = zone.key if one.keys else ""
                table.append(
                    [sample.file, name, key, round(zone.layer.velocity / 127, 4), *ends, f"{sample.release:.3f}"]
                )
        write_table(folder / _TABLE, _COLUMNS, table)
        write_readme(request, folder, instruments, _HOW)
        return rows

    return planned(instruments, files, write)
