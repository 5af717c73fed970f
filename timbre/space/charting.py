"""`make_atlas`: from a trained model and its features to the atlas of the library."""

from typing import Any

import numpy as np
import torch

from timbre.config import Config
from timbre.data import Library, Note
from timbre.data.features.table import Features
from timbre.models.conditions import Conditions
from timbre.models.limits import fit_limits
from timbre.models.refinement import note_posterior, posterior_std
from timbre.models.vae import VAE, Posterior
from timbre.space.atlas import Atlas
from timbre.training.batches import Batches
from timbre.training.pitch_flow import fit_pitch_flow
from timbre.training.ranks import Ranks

_BATCH = 64  # notes encoded at a time
_CONTROLS = ("pitch", "velocity", "release")


def make_atlas(
    library: Library, parts: np.ndarray, table: Features, model: VAE, ranks: Ranks, config: Config
) -> tuple[Atlas, dict[str, Any]]:
    """The atlas of all ranks' notes in the library's order, without transposed copies, and figures of the pitch flow.

    `parts` has the part of the split of each note; `table` has features of this rank's notes. If the model has a pitch
    flow, it is fitted first, on the points of the training notes.
    """
    rows = table.rows()
    posteriors, points, errors = _posteriors(model, table, rows)
    columns = (table.note[rows], points, table.pitch[rows], table.velocity[rows], errors)
    number, point, pitch, velocity, error = (np.concatenate(ranks.gather(column)) for column in columns)
    order = np.argsort(number)
    notes = [library[int(index)] for index in number[order]]
    point, report = _finished(model, config, point[order], pitch[order], notes, parts[number[order]])
    stds = _stds(model, posteriors, table.pitch[rows])  # after the pitch flow was fitted
    _limit(model, *(part[parts[number[order]] == "train"] for part in (point, pitch[order], velocity[order])))
    atlas = Atlas(
        points=point,
        pitches=pitch[order],
        velocities=velocity[order],
        names=tuple(note.name for note in notes),
        instruments=tuple(note.instrument for note in notes),
        families=tuple(note.family or "other" for note in notes),
        files=tuple(
            note.file.relative_to(library.root).as_posix() if note.file.is_relative_to(library.root) else note.file.name
            for note in notes
        ),
        splits=tuple(str(part) for part in parts[number[order]]),
        stds=np.concatenate(ranks.gather(stds))[order],
        errors=error[order],
    )
    return atlas, report


@torch.no_grad()
def _posteriors(model: VAE, table: Features, rows: np.ndarray) -> tuple[list[Posterior], np.ndarray, np.ndarray]:
    """Posteriors of rows in batches, their centers (rows, dim), and mean absolute errors, dB, of held-out rows.

    Errors of training notes are NaN: they say nothing about other notes.
    """
    posteriors, errors = [], np.full(len(rows), np.nan, np.float32)
    for batch in Batches(table, rows, _BATCH, 0, torch.device("cpu")).in_order():
        posterior = note_posterior(model, batch.spectrogram, batch.conditions)
        posteriors.append(posterior)
        held_out = table.split[batch.rows] != "train"
        if held_out.any():
            own = Conditions(*(getattr(batch.conditions, name)[held_out] for name in _CONTROLS))
            error = model.decode(posterior.center[held_out], own) - batch.spectrogram[held_out]
            errors[np.searchsorted(rows, batch.rows[held_out])] = error.abs().mean((1, 2)).numpy()
    return posteriors, torch.cat([posterior.center for posterior in posteriors]).numpy(), errors


def _stds(model: VAE, posteriors: list[Posterior], pitches: np.ndarray) -> np.ndarray:
    """Standard deviations (rows, dim) of posteriors in batches, whose notes have these pitches (rows,)."""
    pitch = torch.from_numpy(pitches.astype(np.float32)).split([len(posterior.mean) for posterior in posteriors])
    return torch.cat([posterior_std(model, *pair) for pair in zip(posteriors, pitch, strict=True)]).numpy()


def _limit(model: VAE, points: np.ndarray, pitches: np.ndarray, velocities: np.ndarray) -> None:
    """Fit the decoder's limits to points (notes, dim) of the space, at their own pitches and velocities (notes,)."""
    point, pitch, velocity = (torch.from_numpy(part.astype(np.float32)) for part in (points, pitches, velocities))
    fit_limits(model.decoder, model.latent(point, pitch), pitch, velocity)


def _finished(
    model: VAE, config: Config, points: np.ndarray, pitches: np.ndarray, notes: list[Note], parts: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Points (notes, dim) after the model's pitch flow and whitening, which are fitted here, and figures; every rank
    does the same.
    """
    train, report = parts == "train", dict[str, Any]()
    pitch = torch.from_numpy(pitches.astype(np.float32))
    if model.pitch_flow:
        instrument = np.array([note.instrument for note in notes])
        weight, seed = config.regularization.pitch_weight, config.training.seed
        report = fit_pitch_flow(model.pitch_flow, points[train], instrument[train], pitches[train], weight, seed)
    with torch.no_grad():
        if model.whitening:
            model.whitening.fit(model.from_latent(torch.from_numpy(points), pitch)[torch.from_numpy(train)])
        return model.from_latent(torch.from_numpy(points), pitch).numpy(), report
