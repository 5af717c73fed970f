"""Rendering on one core: what each stage costs, how many times faster than real time, how steady a morph's loudness is.

    benchmarks/rendering.py SPACE [--quick] [--json FILE] [--before FILE]

All times are processor time, medians. --before takes the --json file of an earlier run and adds ratios, earlier / now.
Stages: those of a morph of 4 s at a constant pitch, of one at a gliding pitch, and of a held point, with "pghi+8"; and
of live play, per hop of one and of eight voices. At the rate of the space, and at 44,100 Hz with an untrained model of
24 dimensions and 384 bands, whose weights do not matter to the cost of decoding. What is inverted there is a sound of
the space at twice its speed, which fills the band ("sound"), and the untrained decoder's noise ("noise"): nearly every
bin of it is loud, so that its phases cost the most they can.
Speed: a morph of 4 s (8 s streamed in blocks), decoder and inverter together, the median of several; and librosa's
Griffin-Lim with 32 iterations on the same spectrograms. Steadiness: morphs between random pairs of library notes with a
hold, with and without the gain of `steady`; the loudness of every frame of the rendered sound, in doublings (descriptor
`loudness`), times 10 dB; the 90th percentile of its distance from the median.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import Row, add_arguments, finish

import timbre
from timbre.config import SpectrogramConfig
from timbre.models.vae import VAE
from timbre.playback.engine.frames import frame_decoder
from timbre.space import Atlas, NoteControls, Space
from timbre.spectral.descriptors import describe_frames
from timbre.synth import render, render_blocks
from timbre.synth.loudness import steady_gain

FULL_RATE = SpectrogramConfig(sample_rate=44100, n_fft=2560, hop_length=640, n_mels=384)
SECONDS, HOLD = 4.0, 0.5


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
        return list(render_blocks(space, path, NoteControls(pitch, duration=8.0, hold=0.5, inverter="rtpghi")))

    def whole(inverter: str) -> Callable[..., Any]:
        return lambda path, pitch: render(space, path, pitch, inverter=inverter, **settings)

    methods = {name: (whole(name), 4.0) for name in ("pghi+8", "pghi", "rtpghi")}
    methods |= {"rtpghi in blocks": (streamed, 8.0), "librosa-32": (librosa_32, 4.0)}
    rows = []
    for name, (method, seconds) in methods.items():
        took = [timed(method, *pair) for pair in pairs(space, count + 1)][1:]  # the first one compiles
        rows.append({"inverter": name, "x_real_time": seconds / float(np.median(took)), "sounds": count})
    return [row | {"x_librosa_32": row["x_real_time"] / rows[-1]["x_real_time"]} for row in rows]


def stages(
    space: Space, path: timbre.Path, pitch: float, repeats: int, content: str, inverted: torch.Tensor | None = None
) -> Iterator[Row]:
    """What each stage of a sound costs, ms for a second of sound; `inverted` is the spectrogram to invert instead."""
    renderer, rate = space.renderer, space.config.spectrogram.sample_rate
    count, length = renderer.frames(SECONDS), round(SECONDS * rate)
    points, glide = path.at(np.linspace(0, 1, count)), np.linspace(pitch, pitch + 5.0, count)
    controls = NoteControls(pitch, 0.8, SECONDS, HOLD, inverter="pghi+8")
    decoded = renderer.spectrum(points, controls) if inverted is None else inverted
    waveform = renderer.invert(decoded, pitch, length, inverter="pghi+8")

    def cost(method: Callable[[], Any]) -> float:
        method()
        return 1000.0 / SECONDS * float(np.median([timed(method) for _ in range(repeats)]))

    def by(inverter: str) -> float:
        return cost(lambda: renderer.invert(decoded, pitch, length, inverter=inverter))

    sharpened = cost(lambda: space.spectrogram.magnitude(decoded[None]))
    phases, refined = by("pghi"), by("pghi+8")
    parts = {
        "decoder": cost(lambda: renderer.spectrum(points, controls)),
        "steady loudness": cost(lambda: steady_gain(space, points, controls)),
        "bands to magnitudes": sharpened, "phases (pghi)": phases - sharpened, "8 iterations": refined - phases,
        "gain, fade, limiter": cost(lambda: list(renderer._finished([waveform], controls, 1.0))),
    }  # fmt: skip
    total = sum(parts.values())
    for name, ms in parts.items():
        yield {"stage": name, "rate": rate, "content": content, "ms_a_second": ms, "share": ms / total}
    whole = {"ms_a_second": total, "share": 1.0, "x_real_time": 1000.0 / total}
    yield {"stage": "all", "rate": rate, "content": content, **whole}
    if content == "noise":
        return
    beside = {
        "decoder, gliding pitch": lambda: renderer.spectrum(points, replace(controls, pitch=glide)),
        "decoder, one point": lambda: renderer.spectrum(points[:1], controls),
    }
    for name, method in beside.items():
        yield {"stage": name, "rate": rate, "ms_a_second": cost(method)}
    for voices in (1, 8):
        yield {"stage": f"live, {voices} voices", "rate": rate, **live(space, path, pitch, voices, repeats)}


def live(space: Space, path: timbre.Path, pitch: float, voices: int, repeats: int) -> Row:
    """What a hop of samples of held voices costs: the frames of all by torch, and an inverter for each."""
    frames, _ = frame_decoder(space, "torch")
    streams = [space.renderer.stream("rtpghi", seed) for seed in range(voices)]
    points = path.at(np.linspace(0, 1, voices)).astype(np.float32)
    lines = [np.full(voices, value, np.float32) for value in (pitch, 0.8, HOLD, 1e9)]

    def hop() -> None:
        for stream, magnitude in zip(streams, frames(points, *lines), strict=True):
            stream.push(magnitude)

    hops = [timed(hop) for _ in range(40 * repeats)][20:]
    decoding = [timed(lambda: frames(points, *lines)) for _ in range(40 * repeats)][20:]
    ms, rate = 1000.0 * float(np.median(hops)), space.config.spectrogram.frame_rate
    return {"ms_a_second": ms * rate, "ms_a_hop": ms, "decoder_ms_a_hop": 1000.0 * float(np.median(decoding))}


def at_full_rate(space: Space) -> Space:
    """An untrained space at 44,100 Hz."""
    torch.manual_seed(0)
    config = replace(space.config, spectrogram=FULL_RATE, model=replace(space.config.model, dim=24))
    return Space(config, VAE(config).eval(), Atlas.empty(24), {})


def compared(rows: list[Row], before: Path) -> None:
    """Add to rows the ratio between their times in an earlier run and now."""
    key = lambda row: tuple(row.get(name) for name in ("stage", "rate", "content", "inverter"))  # noqa: E731
    earlier = {key(row): row for row in json.loads(before.read_text())}
    for row in rows:
        if old := earlier.get(key(row)):
            now, then = ((r.get("ms_a_second") or 1.0 / r.get("x_real_time", np.nan)) for r in (row, old))
            row["times_faster"] = then / now


def timed(method: Callable[..., Any], *arguments: Any) -> float:
    """Processor time, s."""
    start = time.process_time()
    method(*arguments)
    return time.process_time() - start


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
    parser.add_argument("--before", type=Path, metavar="FILE", help="--json file of an earlier run, to compare with")
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    space = timbre.load(args.space)
    repeats = 3 if args.quick else 9
    path, pitch = next(pairs(space, 1))
    full, ends = at_full_rate(space), np.random.default_rng(0).normal(size=(2, 24))
    sound = render(space, path, pitch, 0.8, 2 * SECONDS, hold=2 * HOLD).samples[:, : round(SECONDS * 44100)]
    fast = full.spectrogram(torch.from_numpy(sound.copy()))[0]
    rows = list(stages(space, path, pitch, repeats, "sound"))
    for content, inverted in (("sound", fast), ("noise", None)):
        rows += stages(full, full.path(*ends), pitch, repeats, content, inverted)
    rows += speeds(space, 2 if args.quick else 9) + steadiness(space, 3 if args.quick else 30)
    if args.before:
        compared(rows, args.before)
    finish(rows, args, "Speed, and steadiness of loudness along morphs")


if __name__ == "__main__":
    main()
