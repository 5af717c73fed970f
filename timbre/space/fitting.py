"""`train`: from a library of notes to a space."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch
from torch import nn

from timbre.config import Config
from timbre.data import Library, Note
from timbre.data.features.table import Features, features, require_enough
from timbre.data.fingerprint import fingerprint
from timbre.data.ratings import Ratings, read_ratings
from timbre.errors import CheckpointError, ConfigError
from timbre.files import write_text
from timbre.models.conditions import Conditions
from timbre.models.refinement import posterior_std
from timbre.models.regularizers.axes import find_axes
from timbre.models.vae import VAE, Posterior
from timbre.space.atlas import Atlas
from timbre.space.space import Space, load
from timbre.training.batches import Batches
from timbre.training.pitch_flow import fit_pitch_flow
from timbre.training.ranks import Ranks, join
from timbre.training.regularization import note_labels
from timbre.training.resume import differences
from timbre.training.vae import fit_vae

RUN = "run.json"
"""Beside a space: where its notes are on this machine."""
_CONTROLS = ("pitch", "velocity", "release")


def train(
    library: Library,
    config: Config | None = None,
    out: str | FilePath | None = None,
    *,
    ratings: Ratings | str | FilePath | None = None,
    regularizers: Mapping[str, nn.Module] | None = None,
    progress: bool = True,
) -> Space:
    """Learn a timbre space from a library.

    Under `torchrun` the processes train one space together. Each makes and reads only its own shards of the features,
    in a cache that need not be shared; the library must be the same for all, and `out` a folder that all see.

    Args:
        library: the notes, as :func:`timbre.scan` finds them.
        config: settings; the defaults if None.
        out: folder of the run. A run that was broken off there goes on; one that is finished is loaded. None keeps
            everything in memory.
        ratings: listeners' dissimilarities, or where :func:`~timbre.data.ratings.read_ratings` finds some; for the
            forms of `regularization.perceptual` that need them.
        regularizers: terms of your own by name, see :class:`~timbre.training.regularization.Regularizers`.
        progress: whether to show progress on stderr.

    Returns:
        The space, with the weights that did best on the validation notes. Its `report` has `test_l1_db`, the mean
        absolute error (dB) on notes that were never seen.

    Raises:
        LibraryError: if fewer than 8 notes can be used.
        CheckpointError: if `out` was started with other settings or notes, or cannot be written.
        TrainingError: if the loss stops being a number.
    """
    config = config or Config()
    folder = FilePath(out).expanduser() if out is not None else None
    found = _ratings(ratings, config)
    mark = fingerprint(library) + (f"-{found.digest}" if found else "")
    if folder is not None:
        _check_writable(folder)
        if (folder / "config.json").exists():
            return _finished(folder, config, mark)
    ranks = join(config.training)
    ranks.require_same(mark, "libraries")
    axes, parts = find_axes(config.regularization.axes), library.parts(config.data)
    labels = note_labels(library, parts, found)  # refuses what it cannot match before any work is done
    table = features(library, config, progress and ranks.first, ranks.rank, ranks.world)
    dropped = {name: reason for part in ranks.gather(table.dropped) for name, reason in part.items()}
    require_enough(len(library), dropped)
    files = [str(note.file) for note in library]
    model, figures = fit_vae(table, files, config, folder, mark, progress, ranks, labels, regularizers)
    atlas, pitch_flow = _atlas(library, parts, table, model, ranks, config)
    report = figures | pitch_flow | _origin(library, config, atlas, dropped) | {"library_fingerprint": mark}
    if found:
        items = sorted({name for study in found.parts for name in study.instruments if name})
        report["ratings"] = {"studies": list(found.studies), "items": items}
    space = Space(config, model, atlas, report, axes)
    if folder is not None and ranks.first:
        space.save(folder)
        write_text(folder / RUN, json.dumps({"library": str(library.root)}))  # of this machine: no part of the space
    ranks.wait()
    return space


def _ratings(ratings: Ratings | str | FilePath | None, config: Config) -> Ratings | None:
    form = config.regularization.perceptual
    if ratings is None:
        if form not in ("none", "metric"):
            raise ConfigError(
                f"regularization.perceptual is {form}, which needs listeners' ratings; give some, or take metric, "
                "which needs none."
            )
        return None
    if form in ("none", "metric"):
        raise ConfigError(
            f"Ratings came, but regularization.perceptual is {form}, which reads none; choose metric+rank, rank, l2, "
            "gaussian, student or prior."
        )
    return ratings if isinstance(ratings, Ratings) else read_ratings(ratings)


def _finished(folder: FilePath, config: Config, mark: str) -> Space:
    space = load(folder)
    changed = differences(space.config.to_dict(), config.to_dict())
    if space.report.get("library_fingerprint") != mark:
        changed.append("the notes are others")
    if changed:
        raise CheckpointError(
            f"{folder} holds a finished space of other settings ({', '.join(changed)}); "
            "give another folder to train anew."
        )
    return space


def _check_writable(folder: FilePath) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable.tmp"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may have been here at the same time
    except OSError as error:
        raise CheckpointError(
            f"The folder {folder} cannot be written: {error.strerror}. Choose another one."
        ) from error


def _atlas(
    library: Library, parts: np.ndarray, table: Features, model: VAE, ranks: Ranks, config: Config
) -> tuple[Atlas, dict[str, Any]]:
    """Points of the notes themselves, transposed copies left out: of all ranks, in the library's order.

    Where pitch is to be taken out of them, that is learned first; also what there is to report of it.
    """
    rows = table.rows()
    posteriors, points, errors = _posteriors(model, table, rows)
    columns = (table.note[rows], points, table.pitch[rows], table.velocity[rows], errors)
    number, point, pitch, velocity, error = (np.concatenate(ranks.gather(column)) for column in columns)
    order = np.argsort(number)
    notes = [library[int(index)] for index in number[order]]
    point, report = _without_pitch(model, config, point[order], pitch[order], notes, parts[number[order]])
    spreads = _spreads(model, posteriors, table.pitch[rows])  # of the pitch flow as it now is
    atlas = Atlas(
        points=point,
        pitches=pitch[order],
        velocities=velocity[order],
        names=tuple(note.name for note in notes),
        instruments=tuple(note.instrument for note in notes),
        families=tuple(note.family or "other" for note in notes),
        files=tuple(_relative(note.file, library.root) for note in notes),
        splits=tuple(str(part) for part in parts[number[order]]),
        stds=np.concatenate(ranks.gather(spreads))[order],
        errors=error[order],
    )
    return atlas, report


@torch.no_grad()
def _posteriors(model: VAE, table: Features, rows: np.ndarray) -> tuple[list[Posterior], np.ndarray, np.ndarray]:
    """Posteriors of rows, batch by batch; their centers (rows, dim); and mean absolute errors, dB, of held-out ones.

    Errors of training notes are NaN: they say nothing of notes to come.
    """
    posteriors, errors = [], np.full(len(rows), np.nan, np.float32)
    for found in Batches(table, rows, 64, 0, torch.device("cpu")).in_order():
        posterior = model.posterior(found.spectrogram, found.conditions)
        posteriors.append(posterior)
        held = table.split[found.rows] != "train"
        if held.any():
            own = Conditions(*(getattr(found.conditions, name)[held] for name in _CONTROLS))
            error = model.decode(posterior.center[held], own) - found.spectrogram[held]
            errors[np.searchsorted(rows, found.rows[held])] = error.abs().mean((1, 2)).numpy()
    return posteriors, torch.cat([posterior.center for posterior in posteriors]).numpy(), errors


def _spreads(model: VAE, posteriors: list[Posterior], pitches: np.ndarray) -> np.ndarray:
    """Spreads (rows, dim) of posteriors that come in batches."""
    pitch = torch.from_numpy(pitches.astype(np.float32)).split([len(posterior.mean) for posterior in posteriors])
    return torch.cat([posterior_std(model, *pair) for pair in zip(posteriors, pitch, strict=True)]).numpy()


def _without_pitch(
    model: VAE, config: Config, points: np.ndarray, pitches: np.ndarray, notes: list[Note], parts: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Points (notes, dim) whose pitch the model's flow has taken out, once it has learned to; and what to report.

    Every rank learns the same from the same points.
    """
    if model.pitch_flow is None:
        return points, {}
    known = parts == "train"
    instrument = np.array([note.instrument for note in notes])
    weight, seed = config.regularization.pitch_weight, config.training.seed
    report = fit_pitch_flow(model.pitch_flow, points[known], instrument[known], pitches[known], weight, seed)
    with torch.no_grad():
        placed = model.pitch_flow(torch.from_numpy(points), torch.from_numpy(pitches.astype(np.float32)))
    return placed.numpy(), report


def _relative(file: FilePath, root: FilePath) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def _origin(library: Library, config: Config, atlas: Atlas, dropped: dict[str, str]) -> dict[str, Any]:
    """What the card says of the notes."""
    licences = Counter(note.licence or "not stated" for note in library)
    return {
        "licences": dict(licences.most_common()),
        "unpitched_share": float(np.mean(np.isnan(atlas.pitches))),
        "held_out": library.held_out(config.data),
        "dropped": dropped,
    }
