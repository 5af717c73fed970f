"""Maps of a space: what they cost, how smooth they are, and how far the views for looking can be trusted.

    python benchmarks/maps.py SPACE --json maps.json

The plane is that of the known sounds' two principal components. Everything runs on one core.

- map: six descriptors at 50 x 50 places, from the same decoded notes; `every frame` the same with all frames decoded
- step, step_unit: mean absolute difference of neighbouring places, on the descriptor's natural scale
- step_of_spread: the same over the map's standard deviation; geary: Geary's contiguity ratio, 0 smooth, 1 random
- frames_error_of_spread: mean difference between the two maps over the standard deviation
- perceptual step: distance of the auditory pictures of neighbours; its unevenness is their coefficient of variation
- evidence: share of the map's places that have it, and of the half where the projected notes are densest; distances are
  those of the space, in all dimensions
- view: seconds without what is compiled at the first call; trustworthiness with 8 neighbours
"""

import argparse
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
from timbre.spectral.descriptors import DESCRIPTORS

_OCTAVES = {"Hz": "octaves", "sone": "doublings"}
_FIRST = 64  # sounds of a first call, in which UMAP is compiled


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
    rows += [_view(space, view) for view in (("pca", "tsne") if args.quick else VIEWS)]
    finish(rows, args, f"maps of {args.space.name}: {len(space.atlas)} known sounds, {space.dim} dimensions")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path, help="folder of a trained space")
    add_arguments(parser)
    return parser.parse_args()


def _cost(what: str, found: Topology, descriptors: int) -> dict[str, Any]:
    places = found.nearest.size
    return {
        "what": what,
        "descriptors": descriptors,
        "places": places,
        "frames": found.frames[0],
        "seconds": found.seconds,
        "places_per_second": places / found.seconds,
    }


def _smooth(name: str, some: Topology, every: Topology) -> dict[str, Any]:
    smooth, unit = some.smoothness(name), DESCRIPTORS[name].unit
    ours, all_frames = (natural(name, found.values[name]) for found in (some, every))
    return {
        "what": name,
        "step": smooth.step,
        "step_unit": _OCTAVES.get(unit, unit),
        "step_of_spread": smooth.relative,
        "geary": smooth.geary,
        "frames_error_of_spread": float(abs(ours - all_frames).mean() / all_frames.std()),
    }


def _evidence(space: timbre.Space, found: Topology) -> dict[str, Any]:
    points = space.atlas.points
    off = space.atlas.nearest(points, 2).distances[:, 1]
    crowded = found.density >= np.quantile(found.density, 0.5)
    return {
        "what": "evidence",
        "share_of_places": float(found.evidence.mean()),
        "share_of_crowded_half": float(found.evidence[crowded].mean()),
        "place_to_nearest_note_median": float(np.median(found.nearest)),
        "note_to_nearest_note_median": float(np.median(off)),
        "note_to_plane_median": float(np.median(found.plane.distance(points))),
    }


def _view(space: timbre.Space, view: str) -> dict[str, Any]:
    points = space.atlas.points
    embed(points[:_FIRST], view)
    begun = time.perf_counter()
    seen = embed(points, view)
    return {"what": f"view {view}", "seconds": time.perf_counter() - begun, "trustworthiness": trust(points, seen)}


if __name__ == "__main__":
    main()
