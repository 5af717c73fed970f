"""`train`: from a library of notes to a space."""

import hashlib
import json
from collections import Counter
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch

from timbre.config import Config
from timbre.data import Library
from timbre.data.features import Features, features
from timbre.errors import CheckpointError
from timbre.models.vae import VAE
from timbre.space.atlas import Atlas
from timbre.space.space import Space, load
from timbre.training.batches import Batches


def train(
    library: Library, config: Config | None = None, out: str | FilePath | None = None, *, progress: bool = True
) -> Space:
    """Learn a timbre space from a library.

    Args:
        library: the notes, as :func:`timbre.scan` finds them.
        config: settings; the defaults if None.
        out: folder of the run. A run that was broken off there goes on; one that is finished is loaded. None keeps
            everything in memory.
        progress: whether to show progress on stderr.

    Returns:
        The space, with the weights that did best on the validation notes. Its `report` has `test_l1_db`, the mean
        absolute error (dB) on notes that were never seen.

    Raises:
        LibraryError: if fewer than 8 notes can be used.
        CheckpointError: if `out` was started with other settings or notes, or cannot be written.
        TrainingError: if the loss stops being a number.
    """
    from timbre.training.loop import fit  # brings Lightning along: two seconds that only training needs

    config = config or Config()
    folder = FilePath(out).expanduser() if out is not None else None
    mark = fingerprint(library)
    if folder is not None:
        _check_writable(folder)
        if (folder / "config.json").exists():
            return _finished(folder, config, mark)
    table = features(library, config, progress)
    files = [str(note.file) for note in library]
    fitted = fit(table, files, config, folder, mark, progress)
    report = fitted.report | _origin(library, table) | {"library_fingerprint": mark}
    space = Space(config, fitted.model, _atlas(library, table, fitted.model), report)
    if folder is not None:
        space.save(folder)
    return space


def fingerprint(library: Library) -> str:
    """A hash of a library's notes: their files and labels."""
    notes = [[note.name, note.instrument, note.pitch, note.velocity, note.file.name] for note in library]
    return hashlib.sha256(json.dumps(notes).encode()).hexdigest()[:16]


def _finished(folder: FilePath, config: Config, mark: str) -> Space:
    from timbre.training.resume import differences

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
        probe.unlink()
    except OSError as error:
        raise CheckpointError(
            f"The folder {folder} cannot be written: {error.strerror}. Choose another one."
        ) from error


def _atlas(library: Library, table: Features, model: VAE) -> Atlas:
    """Points of the notes themselves, transposed copies left out."""
    rows = table.rows()
    batches = Batches(table, rows, 64, 0, torch.device("cpu")).in_order()
    with torch.no_grad():
        points = [model.posterior(spectrogram, conditions).center for spectrogram, conditions, _ in batches]
    notes = [library[int(index)] for index in table.note[rows]]
    return Atlas(
        points=torch.cat(points).numpy(),
        pitches=table.pitch[rows],
        velocities=table.velocity[rows],
        names=tuple(note.name for note in notes),
        instruments=tuple(note.instrument for note in notes),
        families=tuple(note.family or "other" for note in notes),
        files=tuple(_relative(note.file, library.root) for note in notes),
        splits=tuple(str(part) for part in table.split[rows]),
    )


def _relative(file: FilePath, root: FilePath) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def _origin(library: Library, table: Features) -> dict[str, Any]:
    """What the card says of the notes."""
    licences = Counter(note.licence or "not stated" for note in library)
    floor = float(np.mean(np.isnan(table.pitch[table.rows()])))
    return {"licences": dict(licences.most_common()), "unpitched_share": floor, "dropped": table.dropped}
