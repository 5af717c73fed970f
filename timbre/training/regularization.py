"""The regularizers of a training run, which order the space, and the labels of the notes that they read."""

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
from timbre.training.order import Recordings


@dataclass(frozen=True)
class NoteLabels:
    """Labels of a library's notes beyond pitch and velocity."""

    instrument: np.ndarray  # number of each note's instrument, (notes,)
    mean_pitch: np.ndarray  # MIDI, over the training notes of each note's instrument, (notes,); NaN if they have none
    item: np.ndarray  # number of each note's rated item, (notes,); -1: none
    source: np.ndarray  # number of each note's source, (notes,); -1: unknown
    # Of the rated items, (items, items); NaN if unrated.
    dissimilarity: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    # Reliability of these ratings; 0 if unrated.
    weight: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


class Regularizers:
    """The terms of `config.regularization`, and further ones, for one training run.

    Args:
        config: the settings.
        notes, features: of the library's notes; the labels are None if nothing is known.
        spectrogram, device: the transform, and the device that it is on.
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
        self, config: Config, notes: NoteLabels | None, features: Features, spectrogram: Spectrogram,
        device: torch.device, further: Mapping[str, nn.Module] | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.seconds, self.heard_frames = config.regularization, config.heard, config.dense_frames
        self.spectrogram, self.features, self.device = spectrogram, features, device
        self.terms = nn.ModuleDict({**_terms(config, notes, spectrogram), **(further or {})}).to(device)
        self.values: dict[str, Tensor] = {}
        count = int(features.note.max()) + 1
        none = np.full(count, -1)
        notes = notes or NoteLabels(none, np.full(count, np.nan), none, none)
        numbers = (notes.instrument, notes.item, notes.source)
        self.instrument, self.item, self.source = (torch.as_tensor(x).long().to(device) for x in numbers)
        self.mean_pitch = torch.as_tensor(notes.mean_pitch).float().to(device)
        metric = "metric" in self.settings.perceptual
        self.auditory = AuditoryFeatures(spectrogram, self.seconds).to(device) if metric else None
        self.axes = find_axes(self.settings.axes)
        self.axis_values = torch.full((len(features.note), len(self.axes)), torch.nan, device=device)
        self.measured = np.zeros(len(features.note), bool)

    def term(self, batch: Batch, done: float, share: float = 1.0) -> Callable[[Tensor], Tensor] | None:
        """A function of a batch's points (batch, dim): all terms with their weights, nats per note. None: no term.

        Weights are relative to a likelihood of all values of a spectrogram; `share` of them are evidence.
        """
        if not len(self.terms):
            return None
        labels = self.labels(batch)
        weights = {name: share * schedule.regularization(self.settings, name, done) for name in self.terms}

        def value(z: Tensor) -> Tensor:
            with torch.autocast(z.device.type, enabled=False):  # distances of half precision are too coarse
                points = z.float()
                parts = {name: w * self.terms[name](points, labels) for name, w in weights.items() if w > 0}
            self.values = {name: part.detach() for name, part in parts.items()}
            return torch.stack(list(parts.values())).sum() if parts else 0.0 * z.sum()

        return value

    @torch.no_grad()
    def labels(self, batch: Batch) -> Labels:
        """Labels of a batch."""
        index, pitch = send(self.features.note[batch.rows], self.device), batch.conditions.pitch
        return Labels(
            instrument=self.instrument[index],
            item=self.item[index],
            pitch=pitch,
            residual=pitch - self.mean_pitch[index],
            velocity=batch.conditions.velocity,
            duration=batch.conditions.release.clamp_max(self.seconds),
            descriptors=self._descriptors(batch),
            features=self.auditory(batch.spectrogram) if self.auditory else None,
            source=self.source[index],
        )

    def _descriptors(self, batch: Batch) -> Tensor:
        """Values of the axes, (batch, axes), measured once for each row; NaN for notes that were cut short.

        Measuring takes half as long as a step, so it is not repeated in every epoch.
        """
        new = batch.rows[~self.measured[batch.rows]] if self.axes else batch.rows[:0]
        if len(new):
            whole = read_batch(self.features, new, self.device)
            values = axis_values(
                whole.spectrogram[..., : self.heard_frames], self.spectrogram, whole.conditions.pitch, self.axes
            )
            # Rounded, since the last bits depend on the other notes of the batch, and a continued run has others.
            self.axis_values[send(new, self.device)] = values.round(decimals=3)
            self.measured[new] = True
        uncut = batch.conditions.release == send(self.features.release[batch.rows], self.device)
        return self.axis_values[send(batch.rows, self.device)].where(uncut.unsqueeze(-1), torch.nan)


def _terms(config: Config, notes: NoteLabels | None, spectrogram: Spectrogram) -> dict[str, nn.Module]:
    """The terms of the settings that have a weight."""
    settings, terms = config.regularization, dict[str, nn.Module]()
    if settings.perceptual != "none" and settings.perceptual_weight > 0:
        forms = settings.perceptual.split("+")
        terms["perceptual"] = SumOfTerms([_perceptual(form, config, notes, spectrogram) for form in forms])
    if settings.axes and settings.axes_weight > 0 and config.model.map == "learned":
        terms["axes"] = AxesTerm(settings.axes)
    if settings.pitch != "none" and settings.pitch_weight > 0:
        if settings.pitch == "adversary":
            raise ConfigError(
                "regularization.pitch must be none, pair or flow for a training, got adversary, which is not part of "
                "timbre any more; use flow, or give benchmarks/_adversary.py as a regularizer of your own."
            )
        if notes is None:
            raise ConfigError(f"regularization.pitch {settings.pitch} needs the notes' instruments; give labels.")
        terms["pitch"] = PairTerm(config.model.dim)
    return terms


def _perceptual(form: str, config: Config, notes: NoteLabels | None, spectrogram: Spectrogram) -> nn.Module:
    settings, dim = config.regularization, config.model.dim
    if form == "metric":
        return MetricTerm(dim, AuditoryFeatures(spectrogram, config.heard).size, settings.perceptual_dims)
    if notes is None or not len(notes.dissimilarity):
        raise ConfigError(
            f"regularization.perceptual {settings.perceptual} needs listeners' ratings; give some, or choose metric, "
            "which needs none."
        )
    if form == "prior":
        dims = min(settings.perceptual_dims or dim, len(notes.dissimilarity) - 1)
        return PriorTerm(torch.as_tensor(mds(notes.dissimilarity, dims).points))
    target, weight = (torch.as_tensor(matrix) for matrix in (notes.dissimilarity, notes.weight))
    return RatingsTerm(form, target, weight, dim, settings.perceptual_dims)


def note_labels(library: Library, parts: np.ndarray, ratings: Ratings | None = None) -> NoteLabels:
    """The labels of a library's notes.

    Ratings of instruments are matched with the library's instruments, and pooled if there are several studies; ratings
    of sounds are matched with its files, if the library contains at least three of the sounds. `parts` is "train",
    "valid" or "test" for each note.

    Raises:
        LibraryError: if the library lacks rated instruments, which it names.
    """
    names = np.array([note.instrument for note in library])
    kinds, number = np.unique(names, return_inverse=True)
    pitch = np.array([np.nan if note.pitch is None else note.pitch for note in library])
    counted = np.isfinite(pitch) & (parts == "train")
    sums, counts = (np.bincount(number[counted], x, len(kinds)) for x in (pitch[counted], None))
    means = np.divide(sums, counts, out=np.full(len(kinds), np.nan), where=counts > 0)
    item, values, weights = np.full(len(library), -1), np.zeros((0, 0)), np.zeros((0, 0))
    if ratings is not None:
        item, values, weights = _rated_items(library, names, ratings)
    sources = {source: n for n, source in enumerate(sorted({note.source for note in library if note.source}))}
    source = np.array([sources.get(note.source or "", -1) for note in library])
    return NoteLabels(number, means[number], item, source, values, weights)


def recordings(features: Features, labels: NoteLabels | None, rows: np.ndarray) -> Recordings:
    """What is recorded in rows (n,) of a table, as far as the labels of the notes say it."""
    note, unknown = features.note[rows], np.full(len(rows), -1)
    instrument, source = (labels.instrument[note], labels.source[note]) if labels else (unknown, unknown)
    return Recordings(instrument, source, features.pitch[rows], features.velocity[rows])


def _rated_items(library: Library, names: np.ndarray, ratings: Ratings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stems = [note.file.stem for note in library]
    if len({stem for study in ratings.parts for stem in study.stems}.intersection(stems)) >= 3:
        return _sound_level(ratings, stems)
    pooled = (merged(ratings) if len(ratings.parts) > 1 or "" in ratings.parts[0].instruments else ratings).parts[0]
    matched = match_instruments(pooled.items, sorted(set(names.tolist())))
    item = np.full(len(names), -1)
    for number, name in enumerate(pooled.items):
        item[np.isin(names, matched[name])] = number
    return item, pooled.dissimilarities, pooled.weights


def _sound_level(ratings: Ratings, stems: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All studies, each on its own scale; pairs of sounds of different studies are unrated."""
    scaled = normalised(ratings)
    sizes = np.cumsum([0, *(len(study.items) for study in scaled.parts)])
    values = np.full((sizes[-1],) * 2, np.nan)
    weights = np.zeros_like(values)
    for begin, end, study in zip(sizes, sizes[1:], scaled.parts, strict=False):
        values[begin:end, begin:end] = study.dissimilarities
        weights[begin:end, begin:end] = study.weights
    return np.array(match_sounds(scaled, stems)), values, weights
