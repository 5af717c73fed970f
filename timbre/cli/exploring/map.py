"""`timbre map`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import Pitch, SpaceName, Velocity
from timbre.cli.outputs import filling, table
from timbre.cli.points import find_plane, parse_pitch
from timbre.files import check_writable

if TYPE_CHECKING:
    from timbre.maps.maps import Topology
    from timbre.space import Space


def map(  # noqa: A001, the command's name
    space: SpaceName,
    /,
    *,
    plane: list[str] = ["overview"],  # noqa: B006, it is only read
    descriptors: list[str] | None = None,
    resolution: int = 50,
    pitch: Pitch = "A3",
    velocity: Velocity = 0.8,
    view: list[str] | None = None,
    seed: int = 0,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("map"),
) -> None:
    """Draw a space: its notes on a plane, and how each point of the plane sounds.

    Writes sounds.png and sounds.csv, descriptors.png (or one large picture for a single descriptor), map.csv and
    map.json.

    Args:
        plane: overview (families, heard or pca: the one in which families lie apart best), families (predicts the
            family of a note), heard (shows most of what is heard), pca (the first two principal components of the
            library notes), axes brightness attack (two named axes), dims 0 3 (two dimensions), or points A B C (through
            three points: library notes, instruments, coordinates or sound files; write a space before a minus: '
            -1,0,2').
        descriptors: Descriptors to map; default: those of the paper (centroid, bandwidth, flatness, rolloff, loudness,
            attack).
        resolution: Points along each side of the map, 2 to 1000.
        view: Also draw the library notes in these views: pca, umap, tsne. Their positions cannot be decoded.
        seed: Seed of umap and tsne.
        output: Folder for the files.
    """
    from timbre.maps.embedding import check_views
    from timbre.maps.maps import SIX, topology
    from timbre.report.pictures import check_pictures
    from timbre.space.names import find_space

    check_pictures()
    check_views(view or [])
    check_writable(output)
    midi, fitted, title = parse_pitch(pitch), timbre.load(space), find_space(space).resolve().name
    chosen = find_plane(fitted, plane)
    result = topology(fitted, chosen, tuple(dict.fromkeys(descriptors or SIX)), resolution, midi, velocity)
    _describe(result)
    with filling(output) as folder:
        files = _draw(fitted, result, folder, title)
        for name in dict.fromkeys(view or []):
            files += _draw_view(fitted, name, seed, folder, title)
    print(*(output / file.name for file in files), sep="\n")


def _draw(space: "Space", result: "Topology", folder: Path, name: str) -> list[Path]:
    """Write the pictures and data of a map, and return the files."""
    from timbre.maps.map_files import write_map, write_sounds
    from timbre.report.map_pictures import draw_descriptor, draw_descriptors, draw_sounds
    from timbre.report.pictures import save_png

    plane, atlas, names = result.plane, space.atlas, list(result.values)
    coordinates = plane.coordinates(atlas.points)
    files = [*write_map(folder, result), write_sounds(folder / "sounds.csv", atlas, coordinates, plane)]
    title, isometric = f"{name}: library notes", plane.isometric
    files += [save_png(draw_sounds(coordinates, atlas, plane.labels, title, result, isometric), folder / "sounds.png")]
    if len(names) == 1:
        files += [save_png(draw_descriptor(result, names[0], atlas, f"{name}: "), folder / f"{names[0]}.png")]
    else:
        files += [save_png(draw_descriptors(result, coordinates, f"{name}: descriptors"), folder / "descriptors.png")]
    return files


def _draw_view(space: "Space", view: str, seed: int, folder: Path, title: str) -> list[Path]:
    """Write the picture and data of a view, and return the files."""
    from timbre.maps.embedding import embed, trust
    from timbre.maps.map_files import write_sounds
    from timbre.report.map_pictures import draw_sounds
    from timbre.report.pictures import save_png

    start = time.perf_counter()
    heard = space.hearing.at_middle_c
    coordinates = embed(heard, view, seed=seed)
    seconds, trustworthiness = time.perf_counter() - start, trust(heard, coordinates)
    name = {"pca": "principal component", "umap": "UMAP", "tsne": "t-SNE"}[view]
    labels = (f"{name} 1", f"{name} 2")
    print(f"{name}: {seconds:.1f} s, trustworthiness {trustworthiness:.3f}")
    table_file = write_sounds(folder / f"{view}.csv", space.atlas, coordinates)
    figure = draw_sounds(coordinates, space.atlas, labels, f"{title}: {name}")
    return [table_file, save_png(figure, folder / f"{view}.png")]


def _describe(result: "Topology") -> None:
    """Print time, evidence and smoothness."""
    from timbre.spectral.descriptors import DESCRIPTORS

    count, (decoded, frames), steps = result.nearest.size, result.frames, result.steps
    print(f"{count} points in {result.seconds:.1f} s ({count / result.seconds:.0f} per second),", end=" ")
    print(f"{decoded} of {frames} frames of each note decoded; evidence for {result.evidence.mean():.0%} of the plane")
    rows: list[dict[str, object]] = []
    for name, values in result.values.items():
        smooth = result.smoothness(name)
        span = {"from": f"{values.min():.4g}", "to": f"{values.max():.4g}", "unit": DESCRIPTORS[name].unit}
        rows.append({"descriptor": name, **span, "step / std": smooth.relative, "Geary": smooth.geary})
    print(table(rows), end="")
    print(f"perceptual step to a neighbour {steps.mean():.4f}, unevenness {steps.std() / max(steps.mean(), 1e-12):.2f}")
