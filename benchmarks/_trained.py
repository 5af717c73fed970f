"""Tables of small models trained for them: what `ablation.py` and `latent.py` share."""

import argparse
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from _table import add_arguments, write_json

import timbre
from timbre.config import Config
from timbre.data import Library
from timbre.data.readers import Options

Values = dict[str, Any]
Measure = Callable[[str, int, Path, argparse.Namespace], Values]
"""Trains the model of a row (its name, a seed) into a folder, and returns its figures."""


def add_training_arguments(parser: argparse.ArgumentParser, out: str, names: list[str]) -> None:
    """Add the arguments of tables whose rows are trained models with these names."""
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    parser.add_argument("--soundfont", type=Path, help="SoundFont whose presets are rendered at six pitches")
    parser.add_argument("--ratings", type=Path, help="folder of studies, with a sounds.csv that names their files")
    parser.add_argument("--out", type=Path, default=Path(out), help="where the models are kept")
    parser.add_argument("--variants", nargs="+", choices=names, help="rows; default: all")
    parser.add_argument("--seeds", type=int, help="models for each row")
    parser.add_argument("--epochs", type=int, help="of training for each model, on one core")
    parser.add_argument("--workers", type=int, default=2, help="models trained at a time")
    add_arguments(parser)


def small(values: Values, seed: int, epochs: int) -> Config:
    """Settings with these values, of any table, and a spectrogram and network with which a table takes hours."""
    config = Config()
    usual: dict[str, Values] = {
        "spectrogram": {"n_mels": 128},
        "data": {"valid": 0.1, "test": 0.15, "transpose": 0, "shorten": 0.5},
        "model": {"dim": 16, "encoder_channels": 96, "decoder_channels": 128, "decoder_blocks": 2},
        "regularization": {},
        "training": {"epochs": epochs, "batch_size": 32, "learning_rate": 3e-3, "threads": 1, "seed": seed},
    }
    tables = {}
    for table, others in usual.items():
        old = getattr(config, table)
        own = {key: value for key, value in values.items() if hasattr(old, key)}
        tables[table] = replace(old, **others | own)
    return replace(config, **tables)


def library(args: argparse.Namespace) -> Library:
    """The notes with a pitch of the folder and the SoundFont."""
    notes = [note for note in timbre.scan(args.folder) if note.pitch is not None]
    if args.quick:
        notes = notes[:: max(1, len(notes) // 60)]
    if args.soundfont:
        options = Options(pitches=(38, 46, 54, 62, 70, 78), velocities=(60, 110))
        notes += [note for note in timbre.scan(args.soundfont, options=options) if note.pitch is not None]
    return Library(notes, args.folder)


def measured(names: list[str], measure: Measure, args: argparse.Namespace) -> Iterator[Values]:
    """The figures of each row and seed, the first seed of all rows first; from their files if a run was stopped."""
    jobs = [(name, seed, args) for seed in range(args.seeds) for name in names]
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(_one, measure), jobs)


def folder_of(name: str, seed: int, args: argparse.Namespace) -> Path:
    """The folder of a row's model."""
    return Path(args.out) / f"{'quick' if args.quick else 'full'}-{name.replace(' ', '_')}-seed{seed}"


def _one(measure: Measure, job: tuple[str, int, argparse.Namespace]) -> Values:
    import torch

    name, seed, args = job
    torch.set_num_threads(1)
    folder = folder_of(name, seed, args)
    done = folder / f"{measure.__name__}.json"
    if done.exists():
        return dict(json.loads(done.read_text()))
    row = {"variant": name, "seed": seed} | measure(name, seed, folder, args)
    write_json(done, row)
    return row


class Labels:
    """Labels of rows of features, with the attributes of an atlas."""

    def __init__(self, notes: Library, table: Any, rows: np.ndarray) -> None:
        self.pitches, self.splits = table.pitch[rows], table.split[rows]
        self.instruments = [notes[int(number)].instrument for number in table.note[rows]]


def probes(points: np.ndarray, known: Any, heard: np.ndarray | None = None) -> dict[str, float]:
    """Probes fitted on training notes and measured on held-out ones: pitch, which points should not contain, and the
    instrument of the nearest training note, which they should; by distances of `heard`, default: the points. `known` is
    an atlas or :class:`Labels`."""
    from timbre.evaluation.metrics.latent import neighbour_accuracy, residual_pitch
    from timbre.evaluation.metrics.probes import probe_r2

    splits, instruments = np.array(known.splits), np.array(known.instruments)
    residual = residual_pitch(known.pitches, instruments, splits == "train")
    train, test = ((splits == part) & np.isfinite(residual) for part in ("train", "test"))
    parts = points[train], residual[train], points[test], residual[test]
    near = points if heard is None else heard
    accuracy = neighbour_accuracy(near[test], instruments[test], near[train], instruments[train])
    return {f"r2_{kind}": probe_r2(*parts, kind=kind) for kind in ("linear", "mlp")} | {"instrument": accuracy}


def summaries(rows: list[Values], figures: dict[str, int], *keys: str) -> list[Values]:
    """Means over the seeds of the rows with equal `keys`, with standard deviations; `figures` has their digits."""
    groups: dict[tuple[Any, ...], list[Values]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    out = []
    for names, found in groups.items():
        line: Values = dict(zip(keys, names, strict=True)) | {"n_seeds": len(found)}
        for figure, digits in figures.items():
            values = [row[figure] for row in found if row.get(figure) is not None]
            line[figure] = round(float(np.mean(values)), digits) if values else None
            line[f"{figure}_sd"] = round(float(np.std(values, ddof=1)), digits + 1) if len(values) > 1 else None
        out.append(line)
    return out
