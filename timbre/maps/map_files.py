"""Map files: a CSV file with a row for each point or note, and a JSON file that describes the columns.

cells = numpy.genfromtxt("map.csv", delimiter=",", names=True)
header = json.load(open("map.json"))
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from timbre.files import write_text
from timbre.maps.maps import Topology
from timbre.maps.planes import Plane
from timbre.shapes.number_files import write_table
from timbre.space.atlas import Atlas
from timbre.spectral.descriptors import DESCRIPTORS

FORMAT, VERSION = "timbre-map", 1


def write_map(folder: Path, topology: Topology) -> list[Path]:
    """Write map.csv and map.json; each appears complete or not at all.

    The columns of map.csv are u and v, then a column for each descriptor with its unit, then `change` (mean perceptual
    distance to the neighbours), `density`, `nearest`, `log_likelihood [nats]` and `evidence` (1 or 0), as in
    :class:`~timbre.maps.maps.Topology`; the rows go from the lowest v up, and within it from the lowest u.

    Returns:
        The two files. A ConfigError is raised if they cannot be written.
    """
    u, v = np.meshgrid(topology.u, topology.v)
    columns = {"u": u, "v": v}
    columns |= {named(name): values for name, values in topology.values.items()}
    columns |= {"change": changes(topology), "density": topology.density, "nearest": topology.nearest}
    columns |= {"log_likelihood [nats]": topology.likelihood, "evidence": topology.evidence.astype(int)}
    files = [folder / "map.csv", folder / "map.json"]
    write_table(files[0], columns, zip(*(values.ravel().tolist() for values in columns.values()), strict=True))
    write_text(files[1], json.dumps(_header(topology, list(columns)), indent=1, allow_nan=False) + "\n")
    return files


def write_sounds(file: Path, atlas: Atlas, coordinates: np.ndarray, plane: Plane | None = None) -> Path:
    """Write the library notes in a view as CSV: name, instrument, family, pitch, u, v, and the distance from a plane.

    `coordinates` are u and v of the notes (n, 2); the plane is given if the view is one. Returns the file.
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
    write_table(file, columns, zip(*columns.values(), strict=True))
    return file


def changes(topology: Topology) -> np.ndarray:
    """Mean perceptual distance of each point to its two, three or four neighbours (rows, columns).

    Like the U-matrix of Ultsch and Siemon (1990), it shows where the sound changes fast.
    """
    total, count = np.zeros(topology.nearest.shape), np.full(topology.nearest.shape, 4.0)
    total[:, :-1] += topology.right
    total[:, 1:] += topology.right
    total[:-1] += topology.up
    total[1:] += topology.up
    count[[0, -1]] -= 1
    count[:, [0, -1]] -= 1
    return np.asarray(total / count)


def named(name: str) -> str:
    """The name of a descriptor's column: "centroid [Hz]"."""
    unit = DESCRIPTORS[name].unit
    return f"{name} [{unit}]" if unit else name


def _header(topology: Topology, columns: list[str]) -> dict[str, object]:
    plane, steps = topology.plane, topology.steps
    return {
        "format": FORMAT,
        "version": VERSION,
        "columns": columns,
        "resolution": len(topology.u),
        "pitch_midi": topology.pitch,
        "velocity": topology.velocity,
        "frames_decoded": topology.frames[0],
        "frames_of_a_note": topology.frames[1],
        "seconds": topology.seconds,
        "least_log_likelihood_nats": topology.least,
        "smoothness": {name: topology.smoothness(name)._asdict() for name in topology.values},
        "perceptual_step_mean": float(steps.mean()),
        "perceptual_step_variation": float(steps.std() / max(float(steps.mean()), 1e-12)),
        "plane": {
            name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(plane).items()
        },
    }
