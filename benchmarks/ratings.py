"""Which distances between sounds follow listeners: plain features, the auditory picture, and trained spaces.

    python benchmarks/ratings.py RATINGS --spaces runs/ablation/full-*-seed0 --json ratings.json

RATINGS is a folder of studies with a sounds.csv that names the sounds' files. A row is a distance between sounds; for
each study its Spearman correlation with the dissimilarities (upper triangle), and the mean over the studies of
Spearman and of triplet agreement (pairs whose ratings differ by more than .1 of the study's range).

- descriptors: all of timbre.spectral.descriptors, z-scored within the study; mfcc: 13 coefficients by frames; log-mel:
  32 bands by frames of 93 ms; centroid alone
- picture: the auditory picture that the metric form of training follows
- picture, group left out: its three constants chosen on the other groups of studies (those whose names begin alike
  are one group), so that no rating of the study had a part in it
- a space: its folder's name; of its training ratings, if it had any, see its card
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

import timbre
from timbre.config import Config
from timbre.evaluation.metrics.agreement import agreement, euclidean
from timbre.models.conditions import Conditions
from timbre.spectral import Spectrogram
from timbre.spectral.auditory import AuditoryFeatures, Listener
from timbre.spectral.descriptors import describe

GRID = [Listener(*values) for values in product((0.06, 0.1, 0.15, 0.23), (0.0, 0.3, 0.5), (0.0, 0.5, 1.0))]


def main() -> None:
    args = parse()
    config = Config()
    heard = studies(args.ratings, config)
    spectrogram = Spectrogram(config.spectrogram)
    rows = [row(name, heard, points) for name, points in plain(heard, spectrogram, config)]
    rows += [row("picture", heard, pictures(heard, spectrogram, config, Listener()))]
    rows += [left_out(heard, spectrogram, config, GRID[:4] if args.quick else GRID)]
    for folder in args.spaces:
        space = timbre.load(folder)
        own = studies(args.ratings, space.config)
        rows.append(row(folder.name, own, [places(space, study) for study in own]))
        finish(rows, argparse.Namespace(json=None), "so far")
    finish(rows, args, f"{len(heard)} studies")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings", type=Path, help="folder of studies, with a sounds.csv")
    parser.add_argument("--spaces", type=Path, nargs="*", default=[], help="folders of trained spaces")
    add_arguments(parser)
    return parser.parse_args()


def row(name: str, heard: list[Study], points: list[np.ndarray]) -> dict[str, Any]:
    """Agreement of one kind of points (sounds, dim) for each study."""
    found = [agreement(euclidean(p), study.dissimilarities) for study, p in zip(heard, points, strict=True)]
    out: dict[str, Any] = {"distance": name}
    out |= {study.name: round(value.spearman, 3) for study, value in zip(heard, found, strict=True)}
    out["spearman"] = round(float(np.mean([value.spearman for value in found])), 3)
    return out | {"triplets": round(float(np.mean([value.triplet_agreement for value in found])), 3)}


def spectrograms(study: Study) -> torch.Tensor:
    return torch.from_numpy(np.stack([found.spectrogram for found in study.examples]))


def plain(heard: list[Study], spectrogram: Spectrogram, config: Config) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Points by features that know nothing of ratings."""
    from scipy.fft import dct

    described, cepstra, bands, centroids = [], [], [], []
    for study in heard:
        pitch = torch.tensor([found.pitch for found in study.examples])
        values = describe(spectrograms(study), spectrogram, pitch, natural=True).numpy()
        scaled = (values - np.nanmean(values, 0)) / np.maximum(np.nanstd(values, 0), 1e-9)
        described.append(np.nan_to_num(scaled))  # of no pitch: as the study's mean
        centroids.append(describe(spectrograms(study), spectrogram, pitch, names=("centroid",), natural=True).numpy())
        loud = spectrograms(study).numpy()
        loud = np.maximum(loud, loud.max((1, 2), keepdims=True) - 60.0)
        frames = loud[:, :, : loud.shape[2] // 8 * 8].reshape(len(loud), 32, -1, loud.shape[2] // 8, 8).mean((2, 4))
        bands.append((frames - frames.mean((1, 2), keepdims=True)).reshape(len(loud), -1))
        cepstra.append(dct(loud, axis=1, norm="ortho")[:, 1:14].reshape(len(loud), -1))
    yield from zip(("descriptors", "mfcc", "log-mel", "centroid"), (described, cepstra, bands, centroids), strict=True)


def pictures(heard: list[Study], spectrogram: Spectrogram, config: Config, listener: Listener) -> list[np.ndarray]:
    """Auditory pictures of all studies' sounds."""
    picture = AuditoryFeatures(spectrogram, config.data.duration, listener)
    return [picture(spectrograms(study)).numpy() for study in heard]


def left_out(heard: list[Study], spectrogram: Spectrogram, config: Config, grid: list[Listener]) -> dict[str, Any]:
    """The picture with the constants that are best on the other groups of studies."""
    table = [row("", heard, pictures(heard, spectrogram, config, listener)) for listener in grid]
    groups = [study.name.split("_")[0] for study in heard]
    out: dict[str, Any] = {"distance": "picture, group left out"}
    triplets = []
    for study, group in zip(heard, groups, strict=True):
        others = [other.name for other, its in zip(heard, groups, strict=True) if its != group]
        best = int(np.argmax([np.mean([line[name] for name in others]) for line in table]))
        points = pictures([study], spectrogram, config, grid[best])
        found = row("", [study], points)
        out[study.name], triplets = found["spearman"], [*triplets, found["triplets"]]
    out["spearman"] = round(float(np.mean([out[study.name] for study in heard])), 3)
    return out | {"triplets": round(float(np.mean(triplets)), 3)}


def places(space: timbre.Space, study: Study) -> np.ndarray:
    """Points of a study's sounds."""
    columns = ("pitch", "velocity", "release")
    known = Conditions(*(torch.tensor([getattr(e, name) for e in study.examples]) for name in columns))
    with torch.no_grad():
        return np.asarray(space.model.points(spectrograms(study), known))


if __name__ == "__main__":
    main()
