"""`train`: from a library of notes to a space."""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from torch import nn

from timbre.config import Config
from timbre.data import Library
from timbre.data.features.table import features, require_enough
from timbre.data.library import fingerprint, same_inputs
from timbre.data.ratings import Ratings, read_ratings
from timbre.errors import CheckpointError, ConfigError
from timbre.files import expanded, write_text
from timbre.models.regularizers.axes import find_axes
from timbre.space.charting import make_atlas
from timbre.space.space import Space, load
from timbre.training.folder import check_run_folder, claimed
from timbre.training.ranks import Ranks, join
from timbre.training.regularization import note_labels
from timbre.training.resume import differences
from timbre.training.vae import VAETask, identity

RUN = "run.json"
"""File in the folder of a space with the folder of its library on this machine."""


def train(
    library: Library,
    config: Config | None = None,
    out: str | FilePath | None = None,
    *,
    ratings: Ratings | str | FilePath | None = None,
    regularizers: Mapping[str, nn.Module] | None = None,
    progress: bool = True,
) -> Space:
    """Train a timbre space on a library.

    Under `torchrun` the processes train one space together. Each computes and reads only its own shards of the
    features, in a cache that need not be shared; all must get the same library, and an `out` folder that all can see.

    Args:
        library: the notes, from :func:`timbre.scan`.
        config: settings; None is the defaults.
        out: folder of the run. An interrupted run in it is continued; a finished one is loaded. None keeps everything
            in memory.
        ratings: listeners' dissimilarities, or a source for :func:`~timbre.data.ratings.read_ratings`; for the forms of
            `regularization.perceptual` that need them.
        regularizers: terms of your own by name, see :class:`~timbre.training.regularization.Regularizers`.
        progress: whether to show progress on stderr.

    Returns:
        The space, with the weights that were best on the validation notes. Its `report` has `test_l1_db`, the mean
        absolute error (dB) on held-out notes.

    Raises:
        LibraryError: if fewer than 8 notes can be used.
        ConfigError: if the ratings do not suit `regularization.perceptual`.
        CheckpointError: if `out` was started with other settings, notes or sounds, contains files of others, cannot be
            written, or another process trains into it.
        TrainingError: if the loss is not a finite number.
    """
    config = config or Config()
    job = _Job(library, config, out, _ratings(ratings, config), regularizers or {})
    return job.finished() if job.folder and (job.folder / "config.json").exists() else job.run(progress)


def check_run(folder: FilePath) -> None:
    """Refuse a folder into which :func:`train` cannot train; CheckpointError if it contains files of others."""
    check_run_folder(folder, "config.json", "resume")


class _Job:
    """The training of one space: its inputs and its folder."""

    def __init__(
        self, library: Library, config: Config, out: str | FilePath | None, ratings: Ratings | None,
        regularizers: Mapping[str, nn.Module],
    ) -> None:  # fmt: skip
        self.library, self.config, self.ratings, self.regularizers = library, config, ratings, regularizers
        self.folder = expanded(out, CheckpointError) if out is not None else None
        self.fingerprint = fingerprint(library, *([ratings.digest] if ratings else []))
        if self.folder is not None:
            check_run(self.folder)

    def finished(self) -> Space:
        """The space in the folder; a CheckpointError if its settings or notes are others."""
        space = load(self.folder or "")
        before = identity(space.config, space.report.get("regularizers", ()))
        changed = differences(before, identity(self.config, self.regularizers))
        if not same_inputs(space.report.get("library_fingerprint"), self.fingerprint):
            changed.append("the notes are others")
        if changed:
            raise CheckpointError(
                f"{self.folder} contains a finished space with other settings ({', '.join(changed)}); choose another "
                "folder to train a new one."
            )
        return space

    def run(self, progress: bool) -> Space:
        """Train with all processes; the first one saves the space. Inputs that do not fit are refused before."""
        ranks = join(self.config.training)
        ranks.require_same(self.fingerprint, "libraries")
        with claimed(self.folder / "resume") if self.folder is not None and ranks.first else nullcontext():
            return self._run(ranks, progress)

    def _run(self, ranks: Ranks, progress: bool) -> Space:
        library, config = self.library, self.config
        axes, parts = find_axes(config.regularization.axes), library.parts(config.data)
        labels = note_labels(library, parts, self.ratings)
        table = features(library, config, progress and ranks.first, ranks.rank, ranks.world)
        dropped = {name: reason for part in ranks.gather(table.dropped) for name, reason in part.items()}
        require_enough(len(library), dropped)
        files = [str(note.file) for note in library]
        task = VAETask(table, files, config, self.folder, self.fingerprint, ranks, labels, self.regularizers)
        figures = task.fit(progress)
        atlas, pitch_figures = make_atlas(library, parts, table, task.net, ranks, config)
        report = figures | pitch_figures | {"unpitched_share": float(np.mean(np.isnan(atlas.pitches)))}
        space = Space(config, task.net, atlas, report | {"dropped": dropped} | self._origin(), axes)
        if self.folder is not None and ranks.first:
            space.save(self.folder)
            # A file of its own, as it holds only on this machine and is no part of the space.
            write_text(self.folder / RUN, json.dumps({"library": str(library.root)}))
        ranks.wait()
        return space

    def _origin(self) -> dict[str, Any]:
        """What the report says about the notes, the ratings and the user's regularizers."""
        licences = Counter(note.licence or "not stated" for note in self.library)
        report = {
            "licences": dict(licences.most_common()),
            "held_out": self.library.held_out(self.config.data),
            "library_fingerprint": self.fingerprint,
        }
        if self.ratings:
            items = sorted({name for study in self.ratings.parts for name in study.instruments if name})
            report["ratings"] = {"studies": list(self.ratings.studies), "items": items}
        if self.regularizers:
            report["regularizers"] = sorted(self.regularizers)
        return report


def _ratings(ratings: Ratings | str | FilePath | None, config: Config) -> Ratings | None:
    form = config.regularization.perceptual
    needed = form not in ("none", "metric")
    if needed and ratings is None:
        raise ConfigError(
            f"regularization.perceptual = {form} must have listeners' ratings, got none; give ratings, or choose "
            "metric, which needs none."
        )
    if not needed and ratings is not None:
        raise ConfigError(
            "regularization.perceptual must be metric+rank, rank, l2, gaussian, student or prior to use ratings, got "
            f"{form}."
        )
    return ratings if ratings is None or isinstance(ratings, Ratings) else read_ratings(ratings)
