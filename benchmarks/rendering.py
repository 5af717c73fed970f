"""Rendering on one core: how many times faster than real time, and how steady the loudness of a morph is.

    benchmarks/rendering.py SPACE [--quick] [--json FILE]

Speed: a morph of 4 s (8 s streamed in blocks), decoder and inverter together, the median of several; and librosa's
Griffin-Lim with 32 iterations on the same spectrograms. Steadiness: morphs between random pairs of library notes with a
hold, with and without the gain of `steady`; the loudness of every frame of the rendered sound, in doublings (descriptor
`loudness`), times 10 dB; the 90th percentile of its distance from the median.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import Row, add_arguments, finish

import timbre
from timbre.space import NoteControls, Space
from timbre.spectral.descriptors import describe_frames
from timbre.synth import render, render_blocks


def pairs(space: Space, count: int) -> Iterator[tuple[timbre.Path, float]]:
    """Lines between random library notes of two instruments, each with a pitch that suits both."""
    generator, atlas = np.random.default_rng(0), space.atlas
    pitched = np.flatnonzero(np.isfinite(atlas.pitches))
    while count:
        a, b = generator.choice(pitched, 2, replace=False)
        if atlas.instruments[a] != atlas.instruments[b]:
            count -= 1
            yield space.path(atlas.points[a], atlas.points[b]), float(np.clip(atlas.pitches[a], 48, 72))


def speeds(space: Space, count: int) -> list[Row]:
    from librosa import griffinlim

    transform, settings = space.config.spectrogram, {"duration": 4.0, "hold": 0.5}

    def librosa_32(path: timbre.Path, pitch: float) -> Any:
        points = path.at(np.linspace(0, 1, space.renderer.frames(4.0)))
        spectrogram = space.spectrum(points, pitch, 0.8, 4.0, hold=0.5)
        magnitude = space.spectrogram.magnitude(spectrogram[None])[0].numpy()
        return griffinlim(magnitude, n_iter=32, hop_length=transform.hop_length, n_fft=transform.n_fft, random_state=0)

    def streamed(path: timbre.Path, pitch: float) -> Any:
        return list(render_blocks(space, path, NoteControls(pitch, duration=8.0, hold=0.5)))

    def whole(inverter: str) -> Callable[..., Any]:
        return lambda path, pitch: render(space, path, pitch, inverter=inverter, **settings)

    methods = {name: (whole(name), 4.0) for name in ("pghi+8", "pghi", "rtpghi")}
    methods |= {"rtpghi in blocks": (streamed, 8.0), "librosa-32": (librosa_32, 4.0)}
    rows = []
    for name, (method, seconds) in methods.items():
        took = [timed(method, *pair) for pair in pairs(space, count + 1)][1:]  # the first one compiles
        rows.append({"inverter": name, "x_real_time": seconds / float(np.median(took)), "sounds": count})
    return [row | {"x_librosa_32": row["x_real_time"] / rows[-1]["x_real_time"]} for row in rows]


def timed(method: Callable[..., Any], *arguments: Any) -> float:
    start = time.perf_counter()
    method(*arguments)
    return time.perf_counter() - start


def steadiness(space: Space, count: int) -> list[Row]:
    rows = []
    for steady in (False, True):
        deviations = []
        for path, pitch in pairs(space, count):
            sound = render(space, path, pitch, 0.8, 4.0, steady=steady, hold=0.5).samples[0]
            decibels = space.spectrogram(torch.from_numpy(sound.copy())[None])
            loudness = describe_frames(decibels, space.spectrogram, torch.tensor([pitch]), ["loudness"], natural=True)[
                0, 0
            ]
            level = 10.0 * loudness.numpy()[int(0.5 * space.config.spectrogram.frame_rate) : -20]
            deviations.append(float(np.quantile(np.abs(level - np.median(level)), 0.9)))
        rows.append({
            "steady": "yes" if steady else "no", "deviation_db": float(np.median(deviations)),
            "worst_deviation_db": float(np.max(deviations)), "morphs": count,
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path, help="folder of a trained space")
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    space = timbre.load(args.space)
    fast, even = speeds(space, 2 if args.quick else 9), steadiness(space, 3 if args.quick else 30)
    finish(fast + even, args, "Speed, and steadiness of loudness along morphs")


if __name__ == "__main__":
    main()
