"""The sound and the moving picture of README.md: a morph, heard, and seen on the map and as a spectrum.

python docs/_site/moving.py [SPACE]    # writes docs/audio/morph.ogg and docs/morph.gif
"""

import io
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import timbre
from timbre.audio import Audio
from timbre.maps.planes import plane
from timbre.paths import Path as Route
from timbre.report.pictures import BLUE, ORANGE, PALE, new_figure, plain_axes
from timbre.space import Space

sys.path.insert(0, str(Path(__file__).parent))

from gallery import known
from plates import matched

ROOT = Path(__file__).resolve().parents[2]
THROUGH = ("flute", "trumpet", "violin", "clarinet")
PITCH, SECONDS = 60.0, 6.0  # MIDI, s
FRAMES = 60  # pictures
COLOURS, LOWEST = 24, -80.0  # of the pictures, and dB
LARGEST = 400_000  # bytes


def pictures(space: Space, route: Route, sound: Audio) -> list[Image.Image]:
    """The pictures of a path and its sound, in order; they last as long as the sound."""
    overview, times = plane(space), np.linspace(0.0, 1.0, FRAMES)
    notes = overview.coordinates(space.atlas.points)
    path, places = (overview.coordinates(route.at(np.linspace(0.0, 1.0, many))) for many in (200, FRAMES))
    levels = space.spectrogram(torch.tensor(sound.samples))[0].numpy().T
    heard = levels[np.rint(times * (len(levels) - 1)).astype(int)]
    centres = space.spectrogram.centers.numpy()
    return [_picture(notes, path, place, centres, one) for place, one in zip(places, heard, strict=True)]


def _picture(
    notes: np.ndarray, path: np.ndarray, place: np.ndarray, centres: np.ndarray, levels: np.ndarray
) -> Image.Image:
    figure = new_figure(7.6, 2.8)
    space, spectrum = (plain_axes(axes) for axes in figure.subplots(1, 2, width_ratios=(1, 2)))
    space.scatter(*notes.T, s=2, color=PALE, alpha=0.5, linewidths=0)
    space.plot(*path.T, color=BLUE, linewidth=1.2)
    space.plot(*place, "o", color=ORANGE, markersize=8)
    space.set(xticks=[], yticks=[])
    space.set_title("a path through the space", fontsize=8)
    spectrum.fill_between(centres, LOWEST, np.maximum(levels, LOWEST), color=BLUE, linewidth=0)
    spectrum.set(xscale="log", xlim=(80.0, 16000.0), ylim=(LOWEST, 0.0), xlabel="Hz", ylabel="dB")
    spectrum.set_title("the spectrum that is heard there", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    with Image.open(buffer) as image:
        return image.convert("RGB")


def main() -> None:
    """Write the sound and the picture."""
    space = timbre.load(sys.argv[1] if len(sys.argv) > 1 else "orchestra")
    route = space.path(*(z for _, z in known(space, *THROUGH)), kind="spline", even=True, pitch=PITCH)
    sound = matched(timbre.render(space, route, pitch=PITCH, duration=SECONDS, hold=0.5), SECONDS)
    timbre.write(ROOT / "docs" / "audio" / "morph.ogg", sound)
    images, file = pictures(space, route, sound), ROOT / "docs" / "morph.gif"
    palette = images[FRAMES // 2].quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    small = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    step = round(1000 * SECONDS / FRAMES)
    small[0].save(file, save_all=True, append_images=small[1:], duration=step, loop=0, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
    if file.stat().st_size > LARGEST:
        raise SystemExit(f"The picture must not be larger than {LARGEST // 1000} kB; lower FRAMES or COLOURS.")


if __name__ == "__main__":
    main()
