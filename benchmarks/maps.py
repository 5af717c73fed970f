"""Maps of a space: their cost, their smoothness, and the trustworthiness of the two-dimensional views.

    python benchmarks/maps.py SPACE --json maps.json

The plane is the default one, in which families lie apart best. Everything runs on one core.

- map: six descriptors at 50 x 50 points, from the same decoded notes; `every frame`: the same with all frames decoded
- step, step_unit: mean absolute difference of neighbouring points, on the descriptor's natural scale
- step_of_std: `step` over the map's standard deviation; geary: Geary's contiguity ratio, 0 smooth, 1 random
- frames_error_of_std: mean difference between the two maps over the standard deviation
- perceptual step: distance of the auditory features of neighbours; unevenness is their coefficient of variation
- evidence: share of the map's points that have it, and of the half in which the projected notes are densest; distances
  are those of the space, in all dimensions
- plane: `apart`, the share of notes of left-out instruments that most of their 15 nearest notes in the plane share a
  family with (mean over families); `kept`, Spearman's correlation of distances in the plane with dissimilarities
- view: seconds without compilation at the first call; trustworthiness with 8 neighbours
"""

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import add_arguments, finish

import timbre
from timbre.maps.embedding import VIEWS, embed, trust
from timbre.maps.maps import SIX, Topology, natural, topology
from timbre.maps.planes import plane
from timbre.shapes.components import PredictivePlane
from timbre.shapes.overview import PlaneFigures, measured, overview
from timbre.spectral.descriptors import DESCRIPTORS

_OCTAVES = {"Hz": "octaves", "sone": "doublings"}
_FIRST = 64  # points of a first call, which compiles UMAP


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    space = timbre.load(args.space)
    size = 12 if args.quick else 50
    topology(space, plane(space), resolution=2, progress=False)  # the first call makes tables
    some = topology(space, plane(space), SIX, size, progress=False)
    every = topology(space, plane(space), (*SIX, "flux"), size, progress=False)
    rows = [_cost("map", some, len(SIX)), _cost("map, every frame", every, len(SIX) + 1)]
    rows += [_smooth(name, some, every) for name in SIX]
    steps = some.steps
    rows += [{"what": "perceptual step", "step": float(steps.mean()), "unevenness": float(steps.std() / steps.mean())}]
    rows += [_evidence(space, some)]
    rows += _planes(space)
    rows += [_view(space, view) for view in (("pca", "tsne") if args.quick else VIEWS)]
    finish(rows, args, f"maps of {args.space.name}: {len(space.atlas)} library notes, {space.dim} dimensions")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path, help="folder of a trained space")
    add_arguments(parser)
    return parser.parse_args()


def _cost(what: str, result: Topology, descriptors: int) -> dict[str, Any]:
    points = result.nearest.size
    return {
        "what": what,
        "descriptors": descriptors,
        "points": points,
        "frames": result.frames[0],
        "seconds": result.seconds,
        "points_per_second": points / result.seconds,
    }


def _smooth(name: str, some: Topology, every: Topology) -> dict[str, Any]:
    smooth, unit = some.smoothness(name), DESCRIPTORS[name].unit
    ours, all_frames = (natural(name, result.values[name]) for result in (some, every))
    return {
        "what": name,
        "step": smooth.step,
        "step_unit": _OCTAVES.get(unit, unit),
        "step_of_std": smooth.relative,
        "geary": smooth.geary,
        "frames_error_of_std": float(abs(ours - all_frames).mean() / all_frames.std()),
    }


def _evidence(space: timbre.Space, result: Topology) -> dict[str, Any]:
    points = space.atlas.points
    distances = space.hearing.neighbours(points, 2).distances[:, 1]
    dense = result.density >= np.quantile(result.density, 0.5)
    return {
        "what": "evidence",
        "share_of_points": float(result.evidence.mean()),
        "share_of_dense_half": float(result.evidence[dense].mean()),
        "point_to_nearest_note_median": float(np.median(result.nearest)),
        "note_to_nearest_note_median": float(np.median(distances)),
        "note_to_plane_median": float(np.median(result.plane.distance(points))),
    }


def _planes(space: timbre.Space) -> list[dict[str, Any]]:
    """Figures of the kinds of planes, and of all pairs of named axes."""
    chosen = overview(space)
    rows = [_plane(kind + (", the default" if kind == chosen.kind else ""), f) for kind, f in chosen.figures.items()]
    for pair in itertools.combinations([axis.name for axis in space.axes], 2):
        readout = plane(space, pair).readout
        fixed = PredictivePlane(readout / (space.atlas.points @ readout.T).std(0)[:, None], readout, np.zeros(2))
        rows.append(_plane(" and ".join(pair), measured(space, lambda _, fixed=fixed: fixed)))
    return rows


def _plane(name: str, figures: PlaneFigures) -> dict[str, Any]:
    return {"what": f"plane {name}", "apart": figures.apart, "kept": figures.kept}


def _view(space: timbre.Space, view: str) -> dict[str, Any]:
    heard = space.hearing.at_middle_c
    embed(heard[:_FIRST], view)
    start = time.perf_counter()
    positions = embed(heard, view)
    return {"what": f"view {view}", "seconds": time.perf_counter() - start, "trustworthiness": trust(heard, positions)}


if __name__ == "__main__":
    main()
