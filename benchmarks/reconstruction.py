"""Reconstruction error on held-out notes: PCA and the VAE, with and without planar flows.

    python benchmarks/reconstruction.py FOLDER --out runs/reconstruction --json reconstruction.json

Every method sees the same training notes and is measured on the same held-out ones (split by file, or by --split-by),
as mean absolute and root mean square error of the log spectrogram in dB; `audible_l1_db` counts what is within 60 dB of
the note's peak, and further columns say what it is made of (`_errors.py`). The VAEs are trained here, two at a time on
one core each, in folders under --out; the same command continues a stopped run. "encoder" is the point from one pass of
the encoder; "refined" is that point moved by gradient steps on the note's evidence bound, as PCA's projection is the
best one by construction.
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _errors import parts
from _table import add_arguments, finish

import timbre
from timbre.config import Config
from timbre.data.features.table import Features, features
from timbre.models.conditions import Conditions
from timbre.models.refinement import refined
from timbre.models.vae import VAE
from timbre.training.batches import Batch, Batches

FLOWS = {"vae": 0, "vae+planar8": 8}


def main() -> None:
    args = parse()
    library = timbre.scan(args.folder)
    stride = max(1, len(library) // 120) if args.quick else 1
    library = library[::stride]
    config = base_config(args)
    table = features(library, config, progress=True)
    rows = pca_rows(table, config, args.dims, args.seed)
    finish(rows, args, "PCA")
    jobs = [(args.folder, stride, method, dim, config, args) for dim in args.dims for method in FLOWS]
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        for found in pool.map(vae_rows, jobs):
            rows += found
            finish(rows, args, "so far")
    finish(sorted(rows, key=lambda row: (row["dim"], row["method"])), args, f"{len(table.rows('test'))} held-out notes")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    parser.add_argument("--out", type=Path, default=Path("runs/reconstruction"), help="where the models are kept")
    parser.add_argument("--dims", type=int, nargs="+", help="latent dimensions")
    parser.add_argument("--epochs", type=int, help="of training for each model, on one core")
    parser.add_argument("--refine", type=int, help="steps for the refined points")
    parser.add_argument("--workers", type=int, default=2, help="models trained at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split-by", default="file", choices=["file", "pitch", "instrument", "source"])
    add_arguments(parser)
    args = parser.parse_args()
    args.dims = args.dims or ([8] if args.quick else [16, 8, 32, 64])
    args.epochs = args.epochs or (3 if args.quick else 12)
    args.refine = args.refine if args.refine is not None else (5 if args.quick else 40)
    return args


def base_config(args: argparse.Namespace) -> Config:
    config = Config()
    training = replace(config.training, epochs=args.epochs, threads=1, seed=args.seed)
    copies = 0 if args.quick else 2
    data = replace(config.data, valid=0.1, test=0.15, split_by=args.split_by, transpose=copies, transpose_range=2.0)
    return replace(config, training=training, data=data)


def pca_rows(table: Features, config: Config, dims: list[int], seed: int) -> list[dict[str, Any]]:
    """Principal components of the training notes' spectrograms; levels below the floor are raised to it."""
    from sklearn.decomposition import PCA

    train, test = (
        table.spectrograms[rows].reshape(len(rows), -1).astype(np.float32)
        for rows in map(table.rows, ("train", "test"))
    )
    pca = PCA(max(dims), svd_solver="full").fit(train)
    points, rows = pca.transform(test), []
    for dim in dims:
        decoded = np.maximum(points[:, :dim] @ pca.components_[:dim] + pca.mean_, test.min())
        shape = (len(test), config.spectrogram.bins, -1)
        found = parts([(decoded.reshape(shape), test.reshape(shape))], config.spectrogram.frame_rate)
        rows.append(row("pca", dim, "projection", found, seed))
    return rows


def vae_rows(job: tuple[Path, int, str, int, Config, argparse.Namespace]) -> list[dict[str, Any]]:
    """Train one model, or load it from its folder, and measure it."""
    folder, stride, method, dim, config, args = job
    torch.set_num_threads(1)
    library = timbre.scan(folder)[::stride]
    config = replace(config, model=replace(config.model, dim=dim, flows=FLOWS[method]))
    begun = time.monotonic()
    kind = "quick" if args.quick else "full"
    space = timbre.train(library, config, args.out / f"{kind}-{method}-{dim}-seed{args.seed}", progress=False)
    spent = time.monotonic() - begun
    table = features(library, config)
    held_out = Batches(table, table.rows("test"), 64, 0, torch.device("cpu"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    more = {"steps": space.report["steps"], "train_minutes": round(space.report["train_minutes"], 2)}
    more |= {
        "notes_per_s": round(space.report["notes_per_s"], 1),
        "peak_memory_mib": round(memory),
        "wall_s": round(spent),
    }
    out = []
    for encoding, encode in (("encoder", None), ("refined", partial(refine, space.model, args.refine))):
        found = parts(decoded_notes(space.model, held_out, encode), config.spectrogram.frame_rate)
        out.append(row(method, dim, encoding, found, args.seed) | more)
    return out


@torch.no_grad()
def decoded_notes(
    model: VAE, notes: Batches, encode: Callable[[Batch], torch.Tensor] | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of decoded and recorded notes, dB."""
    for batch in notes.in_order():
        z = encode(batch) if encode else model.posterior(batch.spectrogram, batch.conditions).center
        yield model.decode(z, batch.conditions).numpy(), batch.spectrogram.numpy()


def refine(model: VAE, steps: int, found: Batch) -> torch.Tensor:
    """Points (batch, dim), each refined on its note's evidence bound."""
    points = []
    for number in range(len(found.rows)):
        note, controls = found.spectrogram[number, None], found.conditions
        own = Conditions(*(getattr(controls, name)[number, None] for name in ("pitch", "velocity", "release")))
        points.append(refined(model, note, own, model.posterior(note, own), steps).posterior.center)
    return torch.cat(points)


def row(method: str, dim: int, encoding: str, found: dict[str, float], seed: int) -> dict[str, Any]:
    figures = {name: round(value, 3) for name, value in found.items()}
    return {"method": method, "dim": dim, "encoding": encoding, **figures, "seed": seed}


if __name__ == "__main__":
    main()
