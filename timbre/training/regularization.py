"""What orders the space while it is learned: the terms that the settings ask for, and the labels they read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from timbre.config import Config
from timbre.data import Library
from timbre.data.features.table import Features
from timbre.data.ratings import Ratings, match_instruments, match_sounds, mds, merged, normalised
from timbre.errors import ConfigError
from timbre.models.regularizers.axes import AxesTerm, axis_values, find_axes
from timbre.models.regularizers.labels import Labels
from timbre.models.regularizers.perceptual import MetricTerm, PriorTerm, RatingsTerm, SumOfTerms
from timbre.models.regularizers.pitch import PairTerm
from timbre.spectral import Spectrogram
from timbre.spectral.auditory import AuditoryFeatures
from timbre.training import schedule
from timbre.training.batches import Batch, read_batch, send


@dataclass(frozen=True)
class NoteLabels:
    """What is known of a library's notes beyond pitch and velocity.

    Attributes:
        instrument: number of each note's instrument, (notes,).
        mean_pitch: MIDI, of each note's instrument over its training notes, (notes,); NaN where it has no pitch.
        item: number of the rated item that each note is, (notes,); -1 is none.
        dissimilarity, weight: of the rated items, (items, items); NaN and 0 where unrated.
    """

    instrument: np.ndarray
    mean_pitch: np.ndarray
    item: np.ndarray
    dissimilarity: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    weight: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


class Regularizers:
    """The terms of `config.regularization`, for one training run.

    Args:
        config: the settings.
        notes: labels of the library's notes; None where nothing is known of them.
        features: of these notes.
        spectrogram: the front end, on `device`.
        device: where the notes are.
        further: more terms by name, each a module with `forward(points, labels)` in nats per note, of weight 1: points
            are (batch, dim), labels are :class:`~timbre.models.regularizers.labels.Labels`. Buffers of a term are saved
            with the run's state.

    Attributes:
        terms: by "perceptual", "axes" and "pitch", and the further ones.
        values: of the last step, with their weights, nats per note.

    Raises:
        ConfigError: if a term needs labels or ratings and there are none.
    """

    def __init__(
        self,
        config: Config,
        notes: NoteLabels | None,
        features: Features,
        spectrogram: Spectrogram,
        device: torch.device,
        further: Mapping[str, nn.Module] | None = None,
    ) -> None:
        self.settings, self.spectrogram, self.features, self.device = (
            config.regularization,
            spectrogram,
            features,
            device,
        )
        self.seconds = config.data.duration
        self.terms = nn.ModuleDict({**_terms(config, notes, spectrogram), **(further or {})}).to(device)
        self.values: dict[str, Tensor] = {}
        notes = notes or _unknown(features)
        self.instrument, self.item = (torch.as_tensor(x).long().to(device) for x in (notes.instrument, notes.item))
        self.mean_pitch = torch.as_tensor(notes.mean_pitch).float().to(device)
        pictures = "metric" in self.settings.perceptual
        self.listener = AuditoryFeatures(spectrogram, config.data.duration).to(device) if pictures else None
        self.axes = find_axes(self.settings.axes)
        self.axis_values = torch.full((len(features.note), len(self.axes)), torch.nan, device=device)
        self.measured = np.zeros(len(features.note), bool)

    def term(self, found: Batch, done: float) -> Callable[[Tensor], Tensor] | None:
        """What the objective adds for the points (batch, dim) of a batch: all terms with their weights, nats per note.

        Args:
            found: the batch.
            done: share of the run that is done, 0..1.
        """
        if not len(self.terms):
            return None
        labels = self.labels(found)

        def value(z: Tensor) -> Tensor:
            with torch.autocast(z.device.type, enabled=False):  # distances of half precision are too coarse
                parts = self._parts(z.float(), labels, done)
            self.values = {name: part.detach() for name, part in parts.items()}
            return torch.stack(list(parts.values())).sum() if parts else 0.0 * z.sum()

        return value

    def _parts(self, z: Tensor, labels: Labels, done: float) -> dict[str, Tensor]:
        weights = {name: schedule.regularization(self.settings, name, done) for name in self.terms}
        return {name: weight * self.terms[name](z, labels) for name, weight in weights.items() if weight > 0}

    @torch.no_grad()
    def labels(self, found: Batch) -> Labels:
        """Labels of a batch."""
        index, pitch = send(self.features.note[found.rows], self.device), found.conditions.pitch
        return Labels(
            instrument=self.instrument[index],
            item=self.item[index],
            pitch=pitch,
            residual=pitch - self.mean_pitch[index],
            velocity=found.conditions.velocity,
            duration=found.conditions.release.clamp_max(self.seconds),
            descriptors=self._descriptors(found),
            picture=self.listener(found.spectrogram) if self.listener else None,
        )

    def _descriptors(self, found: Batch) -> Tensor:
        """Values of the axes, (batch, axes), measured once for each row; NaN for a note that was cut short.

        Measuring takes half as long as a step, and so is not done again in every epoch.
        """
        new = found.rows[~self.measured[found.rows]] if self.axes else found.rows[:0]
        if len(new):
            whole = read_batch(self.features, new, self.device)
            values = axis_values(whole.spectrogram, self.spectrogram, whole.conditions.pitch, self.axes)
            # Rounded, as the last bits depend on what else was in the batch, and a run that goes on has other batches.
            self.axis_values[send(new, self.device)] = values.round(decimals=3)
            self.measured[new] = True
        uncut = found.conditions.release == send(self.features.release[found.rows], self.device)
        return self.axis_values[send(found.rows, self.device)].where(uncut.unsqueeze(-1), torch.nan)


def _unknown(features: Features) -> NoteLabels:
    """Labels of notes of which nothing is known."""
    count = int(features.note.max()) + 1
    return NoteLabels(np.full(count, -1), np.full(count, np.nan), np.full(count, -1))


def _terms(config: Config, notes: NoteLabels | None, spectrogram: Spectrogram) -> dict[str, nn.Module]:
    settings, dim, terms = config.regularization, config.model.dim, {}
    if settings.perceptual != "none" and settings.perceptual_weight > 0:
        terms["perceptual"] = _perceptual(config, notes, spectrogram)
    if settings.axes and settings.axes_weight > 0:
        terms["axes"] = AxesTerm(settings.axes)
    if settings.pitch != "none" and settings.pitch_weight > 0:
        if notes is None:
            raise ConfigError(
                f"regularization.pitch is {settings.pitch}, which needs the notes' instruments; give labels."
            )
        if settings.pitch == "adversary":
            raise ConfigError(
                "regularization.pitch must be none, pair or flow for a training, got adversary, which is no part of "
                "timbre any more; give it as a regularizer of your own (see benchmarks/_adversary.py)."
            )
        terms["pitch"] = PairTerm(dim)
    return terms


def _perceptual(config: Config, notes: NoteLabels | None, spectrogram: Spectrogram) -> nn.Module:
    forms = config.regularization.perceptual.split("+")
    terms = [_metric(config, spectrogram) if form == "metric" else _rated(form, config, notes) for form in forms]
    return terms[0] if len(terms) == 1 else SumOfTerms(terms)


def _metric(config: Config, spectrogram: Spectrogram) -> MetricTerm:
    size = AuditoryFeatures(spectrogram, config.data.duration).size
    return MetricTerm(config.model.dim, size, config.regularization.perceptual_dims)


def _rated(form: str, config: Config, notes: NoteLabels | None) -> nn.Module:
    settings, dim = config.regularization, config.model.dim
    if notes is None or not len(notes.dissimilarity):
        raise ConfigError(
            f"regularization.perceptual is {settings.perceptual}, which needs listeners' ratings; give some, "
            "or take metric, which needs none."
        )
    if form == "prior":
        dims = min(settings.perceptual_dims or dim, len(notes.dissimilarity) - 1)
        return PriorTerm(torch.as_tensor(mds(notes.dissimilarity, dims).points))
    target, weight = (torch.as_tensor(matrix) for matrix in (notes.dissimilarity, notes.weight))
    return RatingsTerm(form, target, weight, dim, settings.perceptual_dims)


def note_labels(library: Library, parts: np.ndarray, ratings: Ratings | None = None) -> NoteLabels:
    """What the terms need to know of a library's notes.

    Ratings of instruments are matched with the library's instruments, and pooled where there are several studies;
    ratings of sounds with its files, where the files of at least three sounds of each study are there.

    Args:
        library: the notes.
        parts: "train", "valid" or "test" for each.
        ratings: listeners' dissimilarities.

    Raises:
        LibraryError: naming the rated instruments that the library does not have.
    """
    names = np.array([note.instrument for note in library])
    kinds, number = np.unique(names, return_inverse=True)
    pitch = np.array([np.nan if note.pitch is None else note.pitch for note in library])
    heard = np.isfinite(pitch) & (parts == "train")
    means = np.array(
        [pitch[heard & (number == k)].mean() if (heard & (number == k)).any() else np.nan for k in range(len(kinds))]
    )
    item, values, weights = np.full(len(library), -1), np.zeros((0, 0)), np.zeros((0, 0))
    if ratings is not None:
        item, values, weights = _rated_items(library, names, ratings)
    return NoteLabels(number, means[number], item, values, weights)


def _rated_items(library: Library, names: np.ndarray, ratings: Ratings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stems = [note.file.stem for note in library]
    sounds = {study.files[i].stem if i in study.files else i for study in ratings.parts for i in study.items}
    if len(sounds & set(stems)) >= 3:
        return _sound_level(ratings, stems)
    pooled = (merged(ratings) if len(ratings.parts) > 1 or "" in ratings.parts[0].instruments else ratings).parts[0]
    matched = match_instruments(pooled.items, sorted(set(names.tolist())))
    item = np.full(len(names), -1)
    for number, name in enumerate(pooled.items):
        item[np.isin(names, matched[name])] = number
    return item, pooled.dissimilarities, pooled.weights


def _sound_level(ratings: Ratings, stems: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Studies side by side, each on its own scale: pairs of sounds of different studies are unrated."""
    scaled = normalised(ratings)
    _, item = match_sounds(scaled, stems)
    sizes = np.cumsum([0, *(len(study.items) for study in scaled.parts)])
    values = np.full((sizes[-1],) * 2, np.nan)
    weights = np.zeros_like(values)
    for begin, end, study in zip(sizes, sizes[1:], scaled.parts, strict=False):
        values[begin:end, begin:end] = study.dissimilarities
        weights[begin:end, begin:end] = study.weights
    return np.array(item), values, weights
