"""Cost of training (notes per second, memory) and of decoding (multiples of real time).

    python benchmarks/speed.py [FOLDER] [--quick] [--json FILE]

Training runs the default model in a process of its own for each number of threads. Decoding makes four notes of two
seconds on one thread; librosa's Griffin-Lim inverts the same decoded spectrograms in the same run.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from _table import add_arguments, finish

SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    add_arguments(parser)
    args = parser.parse_args()
    minutes = 0.1 if args.quick else 1.0
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        rows = [pool.apply(train_row, (args.folder, threads, minutes)) for threads in (1, 2)]
        rows += pool.apply(decode_rows, (2 if args.quick else 10,))
    finish(rows, args, "training on the default model; decoding on one thread")


def train_row(folder: Path, threads: int, minutes: float) -> dict[str, Any]:
    """Train for some minutes; the peak memory is that of the whole process."""
    import timbre
    from timbre.config import Config

    config = Config()
    training = replace(config.training, epochs=100_000, max_minutes=minutes, threads=threads, device="cpu")
    space = timbre.train(timbre.scan(folder), replace(config, training=training), progress=False)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speed = round(space.report["notes_per_s"], 1)
    return {"what": "train", "threads": threads, "notes_per_s": speed, "peak_memory_mib": round(memory)}


def decode_rows(repeats: int) -> list[dict[str, Any]]:
    """Decode points of the prior with an untrained model: the cost does not depend on the weights."""
    import librosa
    import torch

    from timbre.config import Config
    from timbre.models.vae import VAE
    from timbre.space import Atlas, Space

    torch.set_num_threads(1)
    config = Config()
    space = Space(config, VAE(config).eval(), Atlas.empty(config.model.dim), {})
    points = np.random.default_rng(0).normal(size=(4, config.model.dim))

    def magnitudes() -> list[np.ndarray]:
        frames = [space.spectrum(point[None], 60.0, 0.8, SECONDS) for point in points]
        return [space.spectrogram.magnitude(one[None])[0].numpy() for one in frames]

    hop = config.spectrogram.hop_length
    methods: dict[str, Callable[[], Any]] = {
        "decode only": lambda: [space.spectrum(point[None], 60.0, 0.8, SECONDS) for point in points],
        "decode + pghi": lambda: [space.decode(point, 60.0, 0.8, SECONDS, inverter="pghi") for point in points],
        "decode + pghi+8": lambda: [space.decode(point, 60.0, 0.8, SECONDS) for point in points],
        "decode + librosa 32": lambda: [librosa.griffinlim(one, n_iter=32, hop_length=hop) for one in magnitudes()],
    }
    rows = []
    for what, method in methods.items():
        method()
        speed = statistics.median(len(points) * SECONDS / timed(method) for _ in range(repeats))
        rows.append({"what": what, "threads": 1, "x_realtime": round(speed, 1)})
    return rows


def timed(method: Callable[[], Any]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    method()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
