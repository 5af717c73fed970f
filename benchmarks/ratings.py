"""Distances between sounds compared with listeners' ratings: plain features, auditory features, and trained spaces.

    python benchmarks/ratings.py RATINGS --spaces runs/ablation/full-*-seed0 --json ratings.json

RATINGS is a folder of studies with a sounds.csv that names the sounds' files. One row for each distance: the Spearman
correlation with the dissimilarities of each study (upper triangle), and the means over the studies of Spearman and of
triplet agreement (pairs whose ratings differ by more than .1 of the study's range).

- descriptors: all of timbre.spectral.descriptors, z-scored within the study; mfcc: 13 coefficients by frames; log-mel:
  32 bands by frames of 93 ms; centroid: the spectral centroid alone
- auditory features: those of the metric form of training
- auditory features, group left out: with their three constants chosen on the other groups of studies (studies whose
  names begin alike are one group), so that no rating of the study has an influence
- listening features: those of the listening map; listening map: 24 components of them, fitted to the notes of --notes
- a space: by the name of its folder; its card lists the ratings of its training, if any
"""

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _listening import Study, studies
from _table import add_arguments, finish
from scipy.fft import dct

import timbre
from timbre.config import Config
from timbre.data.features.table import features as note_features
from timbre.evaluation.metrics.agreement import agreement, euclidean
from timbre.models.conditions import Conditions
from timbre.models.listening_map import ListeningMap
from timbre.models.refinement import note_points
from timbre.spectral import Spectrogram
from timbre.spectral.auditory import AuditoryFeatures, Listener
from timbre.spectral.descriptors import describe
from timbre.spectral.listening import ListeningFeatures
from timbre.training.batches import read_batch

GRID = [Listener(*values) for values in product((0.06, 0.1, 0.15, 0.23), (0.0, 0.3, 0.5), (0.0, 0.5, 1.0))]


def main() -> None:
    args = parse()
    config = Config()
    rated = studies(args.ratings, config)
    spectrogram = Spectrogram(config.spectrogram)
    rows = [row(name, rated, points) for name, points in plain(rated, spectrogram)]
    rows += [row("auditory features", rated, auditory(rated, spectrogram, config, Listener()))]
    rows += [left_out(rated, spectrogram, config, GRID[:4] if args.quick else GRID)]
    rows += listening(rated, spectrogram, config, args.notes)
    for folder in args.spaces:
        space = timbre.load(folder)
        own = studies(args.ratings, space.config)
        rows.append(row(folder.name, own, [encoded(space, study) for study in own]))
        finish(rows, argparse.Namespace(json=None), "so far")
    finish(rows, args, f"{len(rated)} studies")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings", type=Path, help="folder of studies, with a sounds.csv")
    parser.add_argument("--spaces", type=Path, nargs="*", default=[], help="folders of trained spaces")
    parser.add_argument("--notes", type=Path, help="library of notes to which the listening map is fitted")
    add_arguments(parser)
    return parser.parse_args()


def row(name: str, rated: list[Study], points: list[np.ndarray]) -> dict[str, Any]:
    """One row: agreement of distances between points (sounds, dim) with each study."""
    agreements = [agreement(euclidean(p), study.dissimilarities) for study, p in zip(rated, points, strict=True)]
    out: dict[str, Any] = {"distance": name}
    out |= {study.name: round(value.spearman, 3) for study, value in zip(rated, agreements, strict=True)}
    out["spearman"] = round(float(np.mean([value.spearman for value in agreements])), 3)
    return out | {"triplets": round(float(np.mean([value.triplet_agreement for value in agreements])), 3)}


def spectrograms(study: Study) -> torch.Tensor:
    return torch.from_numpy(np.stack([one.spectrogram for one in study.examples]))


def plain(rated: list[Study], spectrogram: Spectrogram) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Names of plain features, and the features of each study's sounds."""
    described, cepstra, bands, centroids = [], [], [], []
    for study in rated:
        pitch = torch.tensor([one.pitch for one in study.examples])
        values = describe(spectrograms(study), spectrogram, pitch, natural=True).numpy()
        scaled = (values - np.nanmean(values, 0)) / np.maximum(np.nanstd(values, 0), 1e-9)
        described.append(np.nan_to_num(scaled))  # without a pitch: the mean of the study
        centroids.append(describe(spectrograms(study), spectrogram, pitch, names=("centroid",), natural=True).numpy())
        loud = spectrograms(study).numpy()
        loud = np.maximum(loud, loud.max((1, 2), keepdims=True) - 60.0)
        frames = loud[:, :, : loud.shape[2] // 8 * 8].reshape(len(loud), 32, -1, loud.shape[2] // 8, 8).mean((2, 4))
        bands.append((frames - frames.mean((1, 2), keepdims=True)).reshape(len(loud), -1))
        cepstra.append(dct(loud, axis=1, norm="ortho")[:, 1:14].reshape(len(loud), -1))
    yield from zip(("descriptors", "mfcc", "log-mel", "centroid"), (described, cepstra, bands, centroids), strict=True)


def auditory(rated: list[Study], spectrogram: Spectrogram, config: Config, listener: Listener) -> list[np.ndarray]:
    """Auditory features of each study's sounds."""
    features = AuditoryFeatures(spectrogram, config.data.duration, listener)
    return [features(spectrograms(study)).numpy() for study in rated]


def listening(
    rated: list[Study], spectrogram: Spectrogram, config: Config, notes: Path | None
) -> Iterator[dict[str, Any]]:
    """The rows of listening features and, if there are notes to fit it to, of the listening map."""
    features = ListeningFeatures(spectrogram, config.data.duration)
    seen = [(spectrograms(study), torch.tensor([one.pitch for one in study.examples])) for study in rated]
    yield row("listening features", rated, [features(*study).numpy() for study in seen])
    if notes:
        table = note_features(timbre.scan(notes, measure=False), config)
        parts = np.array_split(table.rows(), 1 + len(table.rows()) // 64)
        batches = (read_batch(table, part, torch.device("cpu")) for part in parts)
        fixed = ListeningMap(features, config.model.dim)
        fixed.fit(torch.cat([features(batch.spectrogram, batch.conditions.pitch) for batch in batches]))
        yield row("listening map", rated, [(fixed(*study) * fixed.deviation).numpy() for study in seen])


def left_out(rated: list[Study], spectrogram: Spectrogram, config: Config, grid: list[Listener]) -> dict[str, Any]:
    """The row of auditory features with the constants that are best on the other groups of studies."""
    table = [row("", rated, auditory(rated, spectrogram, config, listener)) for listener in grid]
    groups = [study.name.split("_")[0] for study in rated]
    out: dict[str, Any] = {"distance": "auditory features, group left out"}
    triplets = []
    for study, group in zip(rated, groups, strict=True):
        others = [other.name for other, its in zip(rated, groups, strict=True) if its != group]
        best = int(np.argmax([np.mean([line[name] for name in others]) for line in table]))
        result = row("", [study], auditory([study], spectrogram, config, grid[best]))
        out[study.name], triplets = result["spearman"], [*triplets, result["triplets"]]
    out["spearman"] = round(float(np.mean([out[study.name] for study in rated])), 3)
    return out | {"triplets": round(float(np.mean(triplets)), 3)}


def encoded(space: timbre.Space, study: Study) -> np.ndarray:
    """Heard coordinates of a study's sounds in a space, (sounds, k)."""
    columns = ("pitch", "velocity", "release")
    conditions = Conditions(*(torch.tensor([getattr(e, name) for e in study.examples]) for name in columns))
    with torch.no_grad():
        points = np.asarray(note_points(space.model, spectrograms(study), conditions))
    return space.hearing.heard(points, conditions.pitch.numpy())


if __name__ == "__main__":
    main()
