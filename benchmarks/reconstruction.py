"""Reconstruction error on held-out notes: PCA and the VAE, with and without planar flows.

    python benchmarks/reconstruction.py FOLDER --out runs/reconstruction --json reconstruction.json
    python benchmarks/reconstruction.py FOLDER --space SPACE --held-out NOTES --dims 16 64 --json components.json

Every method sees the same training notes and is measured on the same held-out ones (split by file, or by --split-by),
as mean absolute and root mean square error of the log spectrogram in dB; `audible_l1_db` counts what is within 60 dB of
the note's peak, and further columns say what it is made of (`_errors.py`). The VAEs are trained here, two at a time on
one core each, in folders under --out; the same command continues a stopped run. "encoder" is the point from one pass of
the encoder; "refined" is that point moved by gradient steps on the note's evidence bound, as PCA's projection is the
best one by construction.

With --space nothing is trained: a space that was trained on FOLDER is measured beside the principal components of its
training notes, on the notes that `timbre evaluate SPACE FOLDER --held-out NOTES` measures, in the same parts.
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
from tqdm import tqdm

import timbre
from timbre.config import Config
from timbre.data import Note
from timbre.data.features.table import features
from timbre.evaluation.figures import plain_key
from timbre.evaluation.notes import FULL, QUICK, by_source, held_out, match, prepare_notes, sample
from timbre.models.conditions import Conditions
from timbre.models.refinement import note_posterior, refined
from timbre.models.vae import VAE
from timbre.space import Space
from timbre.training.batches import Batch, Batches, NoteBatches

FLOWS = {"vae": 0, "vae+planar8": 8}


def main() -> None:
    args = parse()
    if args.space:
        finish(space_rows(args), args, f"{args.space} and the principal components of its training notes")
        return
    library = timbre.scan(args.folder)
    stride = max(1, len(library) // 120) if args.quick else 1
    library = library[::stride]
    config = base_config(args)
    table = features(library, config, progress=True)
    train, test = (table.spectrograms[table.rows(part)].astype(np.float32) for part in ("train", "test"))
    times = np.array(config.frame_numbers) / config.spectrogram.frame_rate
    rows = pca_rows(train, {"test": test}, times, args.dims, args.seed)
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
    parser.add_argument("--space", help="a space that was trained on FOLDER, beside PCA of its training notes")
    parser.add_argument("--held-out", type=Path, action="append", default=[], help="notes that --space does not know")
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


def space_rows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of a space and of principal components for each part of the notes, as `timbre evaluate` divides them."""
    space, effort = timbre.load(args.space), QUICK if args.quick else FULL
    notes, splits = match(space.atlas, timbre.scan(args.folder)), np.array(space.atlas.splits)
    known = [notes[row] for row in np.flatnonzero(splits == "train")[:: 40 if args.quick else 1]]
    chosen = sample(held_out(space.atlas)[1], effort.held_out, args.seed)
    own = prepare_notes(space, [notes[row] for row in chosen])
    tests = {name.replace("own sources", "own notes"): own.take(rows) for name, rows in by_source(own, known).items()}
    tests = tests or {"own notes": own}
    for folder in args.held_out:
        unknown = timbre.scan(folder)
        rows = sample(np.arange(len(unknown)), effort.held_out, args.seed)
        tests[folder.name.removesuffix(".json")] = prepare_notes(space, [unknown[int(row)] for row in rows])
    tests = {plain_key(name).replace("_", " "): test for name, test in tests.items()}
    train = np.stack([one for note in tqdm(known, "training notes", disable=None) for one in spectrograms(space, note)])
    times = space.model.clock.numpy()
    recorded = {part: test.spectrogram.numpy() for part, test in tests.items()}
    out = pca_rows(train, recorded, times, args.dims, args.seed)
    for part, test in tests.items():
        found = parts(decoded_notes(space.model, test, None), times)
        out.append(row("space", part, space.dim, "encoder", found, args.seed))
    return out


def spectrograms(space: Space, note: Note) -> list[np.ndarray]:
    """The spectrogram (bins, frames), dB, of a note as the space sees it; none if the note cannot be used."""
    return list(prepare_notes(space, [note]).spectrogram.numpy())


def pca_rows(
    train: np.ndarray, tests: dict[str, np.ndarray], times: np.ndarray, dims: list[int], seed: int
) -> list[dict[str, Any]]:
    """Principal components of spectrograms (notes, bins, frames), dB; levels below the floor are raised to it."""
    from sklearn.decomposition import PCA

    pca = PCA(max(dims), svd_solver="arpack", random_state=0).fit(train.reshape(len(train), -1))
    rows = []
    for part, test in tests.items():
        points = pca.transform(test.reshape(len(test), -1))
        for dim in dims:
            decoded = np.maximum(points[:, :dim] @ pca.components_[:dim] + pca.mean_, test.min())
            found = parts([(decoded.reshape(test.shape), test)], times)
            rows.append(row("pca", part, dim, "projection", found, seed))
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
    tested = Batches(table, table.rows("test"), 64, 0, torch.device("cpu"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    more = {"steps": space.report["steps"], "train_minutes": round(space.report["train_minutes"], 2)}
    more |= {
        "notes_per_s": round(space.report["notes_per_s"], 1),
        "peak_memory_mib": round(memory),
        "wall_s": round(spent),
    }
    out = []
    for encoding, encode in (("encoder", None), ("refined", partial(refine, space.model, args.refine))):
        found = parts(decoded_notes(space.model, tested, encode), space.model.clock.numpy())
        out.append(row(method, "test", dim, encoding, found, args.seed) | more)
    return out


@torch.no_grad()
def decoded_notes(
    model: VAE, notes: NoteBatches, encode: Callable[[Batch], torch.Tensor] | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of decoded and recorded notes, dB."""
    for batch in notes.in_order():
        z = encode(batch) if encode else note_posterior(model, batch.spectrogram, batch.conditions).center
        yield model.decode(z, batch.conditions).numpy(), batch.spectrogram.numpy()


def refine(model: VAE, steps: int, found: Batch) -> torch.Tensor:
    """Points (batch, dim), each refined on its note's evidence bound."""
    points = []
    for number in range(len(found.rows)):
        note, controls = found.spectrogram[number, None], found.conditions
        own = Conditions(*(getattr(controls, name)[number, None] for name in ("pitch", "velocity", "release")))
        points.append(refined(model, note, own, model.posterior(note, own), steps).posterior.center)
    return torch.cat(points)


def row(method: str, part: str, dim: int, encoding: str, found: dict[str, float], seed: int) -> dict[str, Any]:
    figures = {name: round(value, 3) for name, value in found.items()}
    return {"method": method, "part": part, "dim": dim, "encoding": encoding, **figures, "seed": seed}


if __name__ == "__main__":
    main()
