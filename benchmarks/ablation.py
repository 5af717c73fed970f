"""Effect of each part of a timbre space: one table from PCA to the complete model, with three seeds.

    python benchmarks/ablation.py FOLDER --soundfont FluidR3_GM.sf2 --ratings RATINGS --json ablation.json

The flows of the posterior have a table of their own, `latent.py`. Every row is a model of 16 dimensions trained on the
same notes (those of FOLDER with a pitch, and a SoundFont's) and measured on held-out notes (split by file):

- l1_db: mean absolute error from the encoder's point; iwae_nats: upper bound of -log p(x) per note (128 samples), which
  can be compared where the evidence is equal: in all rows but pca and "all values count"
- active: dimensions that vary; r2_linear, r2_mlp: share of the within-instrument pitch that a probe reads from points;
  instrument: share of held-out notes whose nearest training note is of their instrument
- spearman, triplets: agreement with listeners, mean over all studies of RATINGS; *_held_out: over those that were not
  used in training. Forms that are fitted to ratings (prior, l2, gaussian, student, rank) use the studies named by
  --fit, at the level of instruments; all others use none
- *_sd: standard deviation over the seeds

Models and figures are kept under --out, so the same command continues a stopped run. The table so far is printed after
each model. The first seed of all rows comes first.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _table import finish
from _trained import Labels, add_training_arguments, library, measured, probes, small, summaries

import timbre
from timbre.config import Config
from timbre.data import Library

NOTHING: dict[str, Any] = {
    "map": "learned", "evidence": 400.0, "augment": 0.0, "balance": 0.0,
    "perceptual": "none", "axes": (), "pitch": "none",
}  # fmt: skip
PLAIN = {"flows": 0}
VARIANTS: dict[str, dict[str, Any]] = {
    "pca": {},
    "dafx18": {},
    "dafx18+ratings": {},
    "ae": PLAIN | {"objective": "ae"},
    "wae": PLAIN | {"objective": "wae"},
    "beta-vae (4)": PLAIN | {"beta": 4.0},
    "vae": PLAIN,
    "vae, all values count": PLAIN | {"evidence": 128.0 * 173.0, "audible_db": 0.0},
    "vae+augmentation": PLAIN | {"augment": 0.5},
    "vae+listening map": PLAIN | {"map": "listening"},
    "vae+listening map alone": PLAIN | {"map": "listening", "residual": 0.0},
    **{f"vae+{form}": PLAIN | {"perceptual": form} for form in ("prior", "l2", "gaussian", "student", "rank")},
    "vae+l2, two stages": PLAIN | {"perceptual": "l2", "schedule": "two_stage"},
    "vae+metric": PLAIN | {"perceptual": "metric"},
    "vae+axes": PLAIN | {"axes": ("brightness", "attack", "noisiness", "fluctuation", "odd_even")},
    "vae+pair": PLAIN | {"pitch": "pair"},
    "vae+adversary": PLAIN | {"regularizer": "adversary"},
    "vae+pitch flow": PLAIN | {"pitch": "flow"},
    "vae+metric+pitch flow": PLAIN | {"perceptual": "metric", "pitch": "flow"},
    "vae+metric+axes+pitch flow": PLAIN
    | {
        "perceptual": "metric",
        "pitch": "flow",
        "axes": ("brightness", "attack", "noisiness", "fluctuation", "odd_even"),
    },
    "all": {"map": "listening", "augment": 0.5, "balance": 0.5, "pitch": "flow"},
}
FITTED = ("prior", "l2", "gaussian", "student", "rank")
FIGURES = {
    "l1_db": 3, "rmse_db": 3, "iwae_nats": 0, "kl_nats": 1, "active": 1, "r2_linear": 3, "r2_mlp": 3, "instrument": 3,
    "spearman": 3, "triplets": 3, "spearman_held_out": 3, "triplets_held_out": 3, "train_minutes": 1,
}  # fmt: skip


def main() -> None:
    args = parse()
    rows: list[dict[str, Any]] = []
    for row in measured(args.variants, figures, args):
        rows.append(row)
        so_far = f"so far, {len(rows)} of {len(args.variants) * args.seeds}"
        finish(summaries(rows, FIGURES, "variant"), argparse.Namespace(json=None), so_far)
    finish(summaries(rows, FIGURES, "variant"), args, f"{args.seeds} seeds")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", nargs="+", default=[], metavar="STUDY", help="studies to learn from; see above")
    add_training_arguments(parser, "runs/ablation", list(VARIANTS))
    args = parser.parse_args()
    fitted = [name for name in VARIANTS if VARIANTS[name].get("perceptual") in FITTED or name == "dafx18+ratings"]
    quick = ["pca", "vae", "all"]
    args.variants = args.variants or (quick if args.quick else [n for n in VARIANTS if args.fit or n not in fitted])
    args.seeds = args.seeds or (1 if args.quick else 3)
    args.epochs = args.epochs or (2 if args.quick else 10)
    args.samples, args.bound_notes = (8, 16) if args.quick else (128, 64)
    return args


def figures(name: str, seed: int, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The figures of a row."""
    notes, config = library(args), small(NOTHING | VARIANTS[name], seed, args.epochs)
    measure = baseline_row if name.split("+")[0] in ("pca", "dafx18") else space_row
    return measure(name, notes, config, folder, args)


def space_row(name: str, notes: Library, config: Config, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Train one of timbre's models, or load it from its folder, and measure it."""
    import torch
    from _adversary import AdversaryTerm

    from timbre.data.features.table import features
    from timbre.evaluation.likelihood import iwae, noise_level
    from timbre.evaluation.metrics.latent import active_units
    from timbre.training.batches import Batches
    from timbre.training.measure import errors

    fitted = VARIANTS[name].get("perceptual") in FITTED
    own = {"adversary": AdversaryTerm(config.model.dim)} if "regularizer" in VARIANTS[name] else {}
    ratings = learned(args) if fitted else None
    space = timbre.train(notes, config, folder, ratings=ratings, regularizers=own, progress=False)
    table, cpu = features(notes, config), torch.device("cpu")
    valid, test = (Batches(table, table.rows(part), 64, 0, cpu) for part in ("valid", "test"))
    found = errors(space.model, test)
    row = {"l1_db": found.l1_db, "rmse_db": found.rmse_db, "active": active_units(space.atlas.points)}
    if config.training.objective == "vae":
        torch.manual_seed(0)
        some = Batches(table, test.rows[:: max(1, len(test.rows) // args.bound_notes)], 16, 0, cpu)
        row["iwae_nats"] = iwae(space.model, some, noise_level(space.model, valid), args.samples)
    row |= probes(space.atlas.points, space.atlas, space.hearing.at_own_pitch) | {
        "train_minutes": space.report["train_minutes"]
    }

    def points(examples: list[Any]) -> np.ndarray:
        from timbre.models.conditions import Conditions
        from timbre.models.refinement import note_points

        columns = ("pitch", "velocity", "release")
        known = Conditions(*(torch.tensor([getattr(e, name) for e in examples]) for name in columns))
        with torch.no_grad():
            seen = torch.from_numpy(np.stack([e.spectrogram for e in examples]))
            return space.hearing.heard(np.asarray(note_points(space.model, seen, known)), known.pitch.numpy())

    return row | listeners(points, config, args)


def baseline_row(name: str, notes: Library, config: Config, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Fit principal components or the published model, and measure it."""
    from _baselines import PCA, Dafx18, notes_of

    from timbre.data.features.table import features

    table = features(notes, config)
    rows = table.rows()
    if name == "pca":
        model: Any = PCA.fit(table, config)
        scale = model.deviations
    else:
        target = rated_points(notes, args) if name.endswith("ratings") else None
        model = Dafx18.fit(table, config, config.training.seed, target, 1 if args.quick else 20)
        scale = 1.0
    test = notes_of(table, "test")
    error = model.reconstruct(test) - test
    row = {"l1_db": float(np.abs(error).mean()), "rmse_db": float(np.sqrt(np.square(error).mean()))}
    if name == "pca":
        row["iwae_nats"] = float(model.nats(test).mean())
    points = model.encode(table.spectrograms[rows].astype(np.float32)) / scale
    row |= probes(points, Labels(notes, table, rows))
    return row | listeners(lambda found: model.encode(np.stack([e.spectrogram for e in found])) / scale, config, args)


def learned(args: argparse.Namespace) -> Any:
    """The ratings of the studies named by --fit, pooled by instrument."""
    from timbre.data.ratings import match_instruments, merged, read_ratings

    every = read_ratings(args.ratings)
    pooled = merged(every.without(studies=[study for study in every.studies if study not in args.fit]))
    names = {note.instrument for note in library(args)}
    there = match_instruments(pooled.parts[0].items, names, drop=True)
    return pooled.without(instruments=set(pooled.parts[0].items) - set(there))


def rated_points(notes: Library, args: argparse.Namespace) -> np.ndarray:
    """Points from multidimensional scaling of the ratings for each note's instrument, (notes, 3); NaN if unrated."""
    from timbre.data.ratings import match_instruments, mds

    study = learned(args).parts[0]
    names, points = np.array([note.instrument for note in notes]), np.full((len(notes), 3), np.nan)
    matched = match_instruments(study.items, sorted(set(names.tolist())), drop=True)
    for item, point in zip(study.items, mds(study.dissimilarities, 3).points, strict=True):
        points[np.isin(names, matched.get(item, ()))] = point
    return points


def listeners(points: Callable[[list[Any]], np.ndarray], config: Config, args: argparse.Namespace) -> dict[str, float]:
    """Agreement of distances with listeners: mean over all studies, and over those not used in training."""
    if args.ratings is None:
        return {}
    from _listening import studies

    from timbre.evaluation.metrics.agreement import agreement, euclidean

    found = {}
    for study in studies(args.ratings, config):
        found[study.name] = agreement(euclidean(points(study.examples)), study.dissimilarities)
    row = {}
    for ending, names in (("", list(found)), ("_held_out", [name for name in found if name not in args.fit])):
        row |= {
            f"{measure}{ending}": float(np.mean([getattr(found[name], attribute) for name in names]))
            for measure, attribute in (("spearman", "spearman"), ("triplets", "triplet_agreement"))
        }
    return row | {f"spearman_{name}": value.spearman for name, value in found.items()}


if __name__ == "__main__":
    main()
