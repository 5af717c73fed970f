"""`timbre map`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import timbre
from timbre.cli.arguments import find_point, parse_pitch
from timbre.cli.outputs import make_folder
from timbre.errors import ConfigError

if TYPE_CHECKING:
    from timbre.maps.maps import Topology
    from timbre.maps.planes import Plane
    from timbre.space import Space

_WORDS = {"pca": 0, "axes": 2, "dims": 2, "places": 3}  # and how many follow


def map(  # noqa: A001, the command's name
    space: str,
    /,
    *,
    plane: list[str] = ["pca"],  # noqa: B006, it is only read
    descriptors: list[str] | None = None,
    resolution: int = 50,
    pitch: str = "A3",
    velocity: float = 0.8,
    view: list[str] | None = None,
    seed: int = 0,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("map"),
) -> None:
    """Draw a space: its sounds in a plane, and what every place of the plane sounds like.

    Writes sounds.png and sounds.csv, descriptors.png (or a large picture, where one descriptor is asked for), map.csv
    and map.json.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    plane
        pca (the first two principal components of the known sounds), axes brightness attack (two named axes), dims 0 3
        (two dimensions), or places A B C (through three: known sounds,
        instruments, coordinates or sound files; a place that begins with a minus takes a space before it, ' -1,0,2').
    descriptors
        Which to map: the paper's centroid, bandwidth, flatness, rolloff, loudness and attack unless said, or any that
        timbre knows.
    resolution
        Places along each side of the map, 2 to 1000.
    pitch
        Note name or MIDI number at which places are heard, or "unknown".
    velocity
        How hard the notes are played, 0 to 1.
    view
        Draw the known sounds otherwise as well: pca, umap or tsne; for looking only, with no way back to sound.
    seed
        Of umap and tsne.
    output
        Folder for the files.
    """
    from timbre.maps.embedding import check_views
    from timbre.maps.maps import SIX, topology
    from timbre.report.pictures import check_pictures
    from timbre.space.names import find_space

    check_pictures()
    check_views(view or [])
    midi, fitted, title = parse_pitch(pitch), timbre.load(space), find_space(space).resolve().name
    chosen = _plane(fitted, plane)
    make_folder(output)
    found = topology(fitted, chosen, tuple(dict.fromkeys(descriptors or SIX)), resolution, midi, velocity)
    _describe(found)
    _draw(fitted, found, output.expanduser(), title)
    for name in dict.fromkeys(view or []):
        _view(fitted, name, seed, output.expanduser(), title)


def _plane(space: "Space", words: list[str]) -> "Plane":
    """The plane that words mean; two without a word before them are two axes, as in `timbre path --plane`."""
    from timbre.maps.planes import plane, plane_through
    from timbre.shapes.arithmetic import library_point

    kind, rest = (words[0], words[1:]) if words[0] in _WORDS else ("axes", words)
    if len(rest) != _WORDS[kind]:
        raise ConfigError(
            f"--plane {' '.join(words)} was asked for; pca, axes A B, dims I J or places A B C is wanted."
        )
    if kind == "places":
        played = space.atlas.instruments
        found = [library_point(space, word) if word in played else find_point(space, word) for word in rest]
        return plane_through(space, found, [Path(word).stem for word in rest])
    return plane(space, [f"z{word.removeprefix('z')}" for word in rest] if kind == "dims" else rest)


def _draw(space: "Space", found: "Topology", folder: Path, name: str) -> None:
    """Pictures and data of a map."""
    from timbre.maps.map_files import write_map, write_sounds
    from timbre.report.map_pictures import draw_descriptor, draw_descriptors, draw_sounds
    from timbre.report.pictures import save_png

    plane, atlas, names = found.plane, space.atlas, list(found.values)
    seen = plane.coordinates(atlas.points)
    files = [*write_map(folder, found), write_sounds(folder / "sounds.csv", atlas, seen, plane)]
    title, isometric = f"{name}: known sounds", plane.isometric
    files += [save_png(draw_sounds(seen, atlas, plane.labels, title, found, isometric), folder / "sounds.png")]
    if len(names) == 1:
        files += [save_png(draw_descriptor(found, names[0], atlas, f"{name}: "), folder / f"{names[0]}.png")]
    else:
        files += [save_png(draw_descriptors(found, seen, f"{name}: descriptors"), folder / "descriptors.png")]
    print(*files, sep="\n")


def _view(space: "Space", name: str, seed: int, folder: Path, title: str) -> None:
    """Picture and data of a view for looking."""
    from timbre.maps.embedding import embed, trust
    from timbre.maps.map_files import write_sounds
    from timbre.report.map_pictures import draw_sounds
    from timbre.report.pictures import save_png

    begun = time.perf_counter()
    seen = embed(space.atlas.points, name, seed=seed)
    spent, kept = time.perf_counter() - begun, trust(space.atlas.points, seen)
    words = {"pca": "principal component", "umap": "UMAP", "tsne": "t-SNE"}[name]
    print(f"{words}: {spent:.1f} s, trustworthiness {kept:.3f}")
    print(write_sounds(folder / f"{name}.csv", space.atlas, seen))
    figure = draw_sounds(seen, space.atlas, (f"{words} 1", f"{words} 2"), f"{title}: {words}")
    print(save_png(figure, folder / f"{name}.png"))


def _describe(found: "Topology") -> None:
    """Time, smoothness, evidence."""
    import numpy as np

    from timbre.spectral.descriptors import DESCRIPTORS

    count, (decoded, whole), steps = found.nearest.size, found.frames, found.steps
    print(f"{count} places in {found.seconds:.1f} s ({count / found.seconds:.0f} a second),", end=" ")
    print(f"{decoded} of {whole} frames of each note decoded; evidence for {np.mean(found.evidence):.0%} of the plane")
    print(f"{'descriptor':<20}{'from':>10}{'to':>10} {'unit':<10}{'step / spread':>14}{'Geary':>8}")
    for name, values in found.values.items():
        smooth, unit = found.smoothness(name), DESCRIPTORS[name].unit
        print(f"{name:<20}{values.min():>10.4g}{values.max():>10.4g} {unit:<10}", end="")
        print(f"{smooth.relative:>14.3f}{smooth.geary:>8.4f}")
    print(f"perceptual step to a neighbour {steps.mean():.4f}, unevenness {steps.std() / max(steps.mean(), 1e-12):.2f}")
