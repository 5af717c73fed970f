"""Maps as files: CSV, a row for each place or sound, and JSON beside it that says what the columns are.

cells = numpy.genfromtxt("map.csv", delimiter=",", names=True)
header = json.load(open("map.json"))
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from timbre.files import write_text
from timbre.maps.maps import Topology
from timbre.maps.planes import Plane
from timbre.space.atlas import Atlas
from timbre.spectral.descriptors import DESCRIPTORS

FORMAT, VERSION = "timbre-map", 1


def write_map(folder: Path, found: Topology) -> list[Path]:
    """Write map.csv and map.json; each appears whole or not at all.

    The columns of map.csv are u and v, then a column for each descriptor with its unit, then `change` (mean perceptual
    distance to the neighbours), `density`, `nearest`, `log_likelihood [nats]` and `evidence` (1 or 0), as in
    :class:`~timbre.maps.maps.Topology`; rows of the map from the lowest v up, each from the lowest u.

    Returns:
        The two files.

    Raises:
        ConfigError: if they cannot be written.
    """
    u, v = np.meshgrid(found.u, found.v)
    columns = {"u": u, "v": v}
    columns |= {named(name): values for name, values in found.values.items()}
    columns |= {"change": changes(found), "density": found.density, "nearest": found.nearest}
    columns |= {"log_likelihood [nats]": found.likelihood, "evidence": found.evidence.astype(int)}
    files = [folder / "map.csv", folder / "map.json"]
    _write_csv(files[0], {name: values.ravel().tolist() for name, values in columns.items()})
    write_text(files[1], json.dumps(_header(found, list(columns)), indent=1, allow_nan=False) + "\n")
    return files


def write_sounds(file: Path, atlas: Atlas, coordinates: np.ndarray, plane: Plane | None = None) -> Path:
    """Write where the known sounds are in a view: name, instrument, family, pitch, u, v, and their distance from the
    plane, if it is one.

    Raises:
        ConfigError: if the file cannot be written.
    """
    pitches = ["" if np.isnan(pitch) else float(pitch) for pitch in atlas.pitches]
    columns: dict[str, Sequence[object]] = {
        "name": atlas.names,
        "instrument": atlas.instruments,
        "family": atlas.families,
        "pitch [MIDI]": pitches,
        "u": coordinates[:, 0].tolist(),
        "v": coordinates[:, 1].tolist(),
    }
    if plane is not None:
        columns["distance_from_plane"] = plane.distance(atlas.points).tolist()
    _write_csv(file, columns)
    return file


def changes(found: Topology) -> np.ndarray:
    """Mean perceptual distance of each place to its two, three or four neighbours (rows, columns).

    As the U-matrix of Ultsch and Siemon (1990) does, it shows where the sound changes fast.
    """
    total, count = (np.zeros(found.nearest.shape) for _ in range(2))
    for steps, first, second in (
        (found.right, np.s_[:, :-1], np.s_[:, 1:]),
        (found.up, np.s_[:-1], np.s_[1:]),
    ):
        for side in (first, second):
            total[side] += steps
            count[side] += 1
    return np.asarray(total / count)


def named(name: str) -> str:
    """A descriptor with its unit, as a column is called."""
    unit = DESCRIPTORS[name].unit
    return f"{name} [{unit}]" if unit else name


def _header(found: Topology, columns: list[str]) -> dict[str, object]:
    plane, steps = found.plane, found.steps
    return {
        "format": FORMAT,
        "version": VERSION,
        "columns": columns,
        "resolution": len(found.u),
        "pitch_midi": found.pitch,
        "velocity": found.velocity,
        "frames_decoded": found.frames[0],
        "frames_of_a_note": found.frames[1],
        "seconds": found.seconds,
        "least_log_likelihood_nats": found.least,
        "smoothness": {name: found.smoothness(name)._asdict() for name in found.values},
        "perceptual_step_mean": float(steps.mean()),
        "perceptual_step_variation": float(steps.std() / max(float(steps.mean()), 1e-12)),
        "plane": {
            "kind": plane.kind,
            "labels": plane.labels,
            "origin": plane.origin.tolist(),
            "directions": plane.directions.tolist(),
            "readout": plane.readout.tolist(),
            "extent": plane.extent.tolist(),
        },
    }


def _write_csv(file: Path, columns: Mapping[str, Sequence[object]]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(zip(*columns.values(), strict=True))
    write_text(file, text.getvalue())
