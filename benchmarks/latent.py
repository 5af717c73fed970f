"""The latent as a distribution: what flows bring to the posterior and the prior, with three seeds.

    python benchmarks/latent.py FOLDER --left-out NAME --ratings RATINGS --json latent.json

Every row is a model trained on the same notes (those of FOLDER with a pitch, and a SoundFont's) and measured on
held-out ones (split by file). Global flows are learned priors, see docs/latent.md. The first table:

- error_db, audible_error_db: mean absolute error from the encoder's point; of all values, and of those within 60 dB of
  the note's peak; source_out_*: of the sources named by --left-out, which took no part in training; and the share of
  their notes whose nearest training note is of their instrument, if that instrument was trained on
- elbo_nats, iwae_nats: upper bounds of -log p(x) per note (500 samples), with the same evidence for all rows
  (--evidence); kl_nats: of posteriors to the prior; aggregate_kl_nats: of the mean of the posteriors to the prior;
  active_units: dimensions that vary
- prior_frechet, density, coverage: auditory features of draws of the prior, beside the library's (docs/evaluation.md)
- rating_spearman, rating_triplets: agreement with listeners; pitch_probe_r2: pitch that a probe reads from points

The second table: notes of which a part is hidden from a fixed decoder, that of the row `vae`. Encoder and flow are
fitted anew; bounds are of -log p(what is seen), so that they differ by the posteriors alone. gap_nats: elbo_nats less
iwae_nats, by which a posterior misses the true one, or more.

Models and figures are kept under --out, so the same command continues a stopped run. *_sd: over the seeds.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _baselines import PCA
from _hidden import HIDDEN, Hiding, Truth, bounds, fitted
from _listening import studies
from _table import finish, write_json
from _trained import Labels, Values, add_training_arguments, folder_of, library, measured, probes, small, summaries

import timbre
from timbre.config import Config
from timbre.data import Library
from timbre.data.features.table import Features, features
from timbre.evaluation.likelihood import kl_nats, likelihood
from timbre.evaluation.metrics.agreement import agreement, euclidean
from timbre.evaluation.metrics.latent import active_units, neighbour_accuracy
from timbre.evaluation.notes import FULL, match, prepare_notes
from timbre.evaluation.prior import prior_figures
from timbre.evaluation.studies import combined, rate
from timbre.models.refinement import note_posterior
from timbre.training.batches import Batches
from timbre.training.journal import evenly
from timbre.training.measure import AUDIBLE_DB

ROWS: dict[str, Values] = {
    **{f"pca {dim}": {"dim": dim, "flows": 0} for dim in (8, 16, 32, 64)},
    "vae": {"flows": 0},
    **{f"vae {dim}": {"dim": dim, "flows": 0} for dim in (8, 32, 64)},
    **{f"planar {layers}": {"flows": layers} for layers in (4, 8, 16, 32)},
    "planar 8 amortised": {"flows": 8, "amortised": True},
    "radial 8": {"flow": "radial", "flows": 8},
    "householder 8 amortised": {"flow": "householder", "flows": 8, "amortised": True},
    "sylvester 4": {"flow": "sylvester", "flows": 4},
    "sylvester 4 amortised": {"flow": "sylvester", "flows": 4, "amortised": True},
    "coupling 4": {"flow": "coupling", "flows": 4},
    "autoregressive 4": {"flow": "autoregressive", "flows": 4},
    "autoregressive 4 amortised": {"flow": "autoregressive", "flows": 4, "amortised": True},
    "spline 4": {"flow": "spline", "flows": 4},
}
BASE = "vae"  # the row whose decoder the second table uses
QUICK = ["pca 16", BASE, "planar 4", "sylvester 4 amortised"]
BATCH = 64  # notes encoded at a time
FIGURES = {
    "error_db": 3, "audible_error_db": 3, "source_out_error_db": 3, "source_out_audible_error_db": 3, "elbo_nats": 1,
    "iwae_nats": 1, "kl_nats": 1, "aggregate_kl_nats": 2, "posterior_std": 3, "active_units": 1, "prior_frechet": 3,
    "density": 3, "coverage": 3, "rating_spearman": 3, "rating_triplets": 3, "pitch_probe_r2": 3,
    "source_out_instrument": 3, "train_minutes": 1,
}  # fmt: skip
BOUNDS = {"elbo_nats": 1, "iwae_nats": 1, "gap_nats": 1, "posterior_std": 3, "effective_samples": 1}
KEYS = ("variant", "model", "dim", "flow", "layers", "amortised")


def main() -> None:
    args = parse()
    rows: list[Values] = []
    for row in measured(args.variants, figures, args):
        rows.append(row)
        show(rows, "trained models, so far", FIGURES)
    hidden: list[Values] = []
    flows = [name for name in args.variants if "pca" not in name and ROWS[name].get("dim") is None]
    for found in measured(flows, hidden_figures, args):
        hidden += found["kinds"]
        show(hidden, "a part hidden, so far", BOUNDS, "hidden")
    if args.json:
        tables = {"models": rows, "hidden": hidden}
        write_json(args.json, [{"table": name} | row for name, found in tables.items() for row in found])


def show(rows: list[Values], title: str, shown: dict[str, int], *keys: str) -> None:
    """Print means over the seeds so far."""
    finish(summaries(rows, shown, *keys, *KEYS), argparse.Namespace(json=None), title)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--left-out", nargs="+", default=[], metavar="NAME", help="leave sources out whose names contain one of these"
    )
    parser.add_argument("--evidence", type=float, default=400.0, help="independent values of a note, in all rows (400)")
    parser.add_argument("--steps", type=int, help="with which each row is fitted to notes of which a part is hidden")
    add_training_arguments(parser, "runs/latent", list(ROWS))
    args = parser.parse_args()
    args.variants = args.variants or (QUICK if args.quick else list(ROWS))
    args.variants = list(dict.fromkeys([BASE, *args.variants]))  # the second table needs it
    args.seeds = args.seeds or (1 if args.quick else 3)
    args.epochs = args.epochs or (2 if args.quick else 40)
    args.steps = args.steps or (10 if args.quick else 800)
    args.samples, args.bound_notes, args.draws = (20, 8, 60) if args.quick else (500, 32, 500)
    return args


def divided(args: argparse.Namespace) -> tuple[Library, Library]:
    """The notes of the table, and those of the sources that are left out."""
    notes = library(args)
    out = [any(name in (note.source or "") for name in args.left_out) for note in notes]
    parts = ([note for note, left in zip(notes, out, strict=True) if left == chosen] for chosen in (False, True))
    kept, left = (Library(list(part), notes.root) for part in parts)
    return kept, left


def settings(name: str, seed: int, args: argparse.Namespace) -> Config:
    return small(ROWS[name] | {"evidence": args.evidence}, seed, args.epochs)


def described(name: str) -> Values:
    """What a row is, in columns."""
    values = {"dim": 16, "flow": "planar", "amortised": False} | ROWS[name]
    flow = values["flow"] if values["flows"] else "none"
    return {
        "model": name.split()[0] if name.startswith("pca") else "vae", "dim": values["dim"], "flow": flow,
        "layers": values["flows"], "amortised": values["amortised"],
    }  # fmt: skip


def figures(name: str, seed: int, folder: Path, args: argparse.Namespace) -> Values:
    """The figures of a row in the first table."""
    (kept, left), config = divided(args), settings(name, seed, args)
    table, row = features(kept, config), described(name)
    if row["model"] == "pca":
        code, own = principal(table, config, args)
    else:
        code, own = network(timbre.train(kept, config, folder, progress=False), kept, args)
    rows, test = table.rows(), table.rows("test")
    known = code(table, rows)
    found = probes(known.points, Labels(kept, table, rows))
    row |= errors_db(table.spectrograms[test], code(table, test).decoded) | own
    row |= {"active_units": active_units(known.points), "pitch_probe_r2": max(found["r2_linear"], found["r2_mlp"])}
    return row | elsewhere(code, table, config, kept, left) if len(left) else row


def elsewhere(code: "Code", table: Features, config: Config, kept: Library, left: Library) -> Values:
    """Figures of notes of the sources that are left out."""
    other, train = features(left, config), table.rows("train")
    found, known = code(other, other.rows()), code(table, train)
    errors = errors_db(other.spectrograms[other.rows()], found.decoded)
    row = {f"source_out_{name}": value for name, value in errors.items()}
    names = np.array([kept[int(note)].instrument for note in table.note[train]])
    others = np.array([left[int(note)].instrument for note in other.note[other.rows()]])
    shared = np.isin(others, names)
    if shared.any():
        row["source_out_instrument"] = neighbour_accuracy(found.heard[shared], others[shared], known.heard, names)
    return row


class Coded(NamedTuple):
    """Notes in a model: points (n, dim), coordinates whose distances are dissimilarities (n, k), decoded (n, ...)."""

    points: np.ndarray
    heard: np.ndarray
    decoded: np.ndarray


Code = Callable[[Features, np.ndarray], Coded]
"""From a table of features and row numbers (n,) to the coded notes."""


def errors_db(notes: np.ndarray, decoded: np.ndarray) -> Values:
    """Mean absolute errors of notes, dB, of all values and of audible ones, as in timbre.training.measure."""
    error = np.abs(decoded - notes)
    audible = np.maximum(notes, decoded) >= notes.max((1, 2), keepdims=True) - AUDIBLE_DB
    return {"error_db": float(error.mean()), "audible_error_db": float(error[audible].mean())}


def principal(table: Features, config: Config, args: argparse.Namespace) -> tuple[Code, Values]:
    """Principal components of spectrograms, and figures of their own."""
    pca = PCA.fit(table, config)

    def code(some: Features, rows: np.ndarray) -> Coded:
        coordinates = pca.encode(some.spectrograms[rows].astype(np.float32))
        return Coded(coordinates / pca.deviations, coordinates, pca.decode(coordinates))

    if not args.ratings:
        return code, {}
    rated = studies(args.ratings, config)
    points = [pca.encode(np.stack([one.spectrogram for one in study.examples])) for study in rated]
    found = [agreement(euclidean(own), study.dissimilarities) for own, study in zip(points, rated, strict=True)]
    return code, {
        "rating_spearman": float(np.mean([one.spearman for one in found])),
        "rating_triplets": float(np.mean([one.triplet_agreement for one in found])),
    }


def network(space: timbre.Space, notes: Library, args: argparse.Namespace) -> tuple[Code, Values]:
    """A trained space, and figures of its own."""

    @torch.no_grad()
    def code(some: Features, rows: np.ndarray) -> Coded:
        points, decoded = [], []
        for batch in Batches(some, rows, BATCH, 0, torch.device("cpu")).in_order():
            center = note_posterior(space.model, batch.spectrogram, batch.conditions).center
            points.append(space.model.from_latent(center, batch.conditions.pitch).numpy())
            decoded.append(space.model.decode(center, batch.conditions).numpy())
        found = np.concatenate(points)
        return Coded(found, space.hearing.heard(found, some.pitch[rows]), np.concatenate(decoded))

    splits, every = np.array(space.atlas.splits), match(space.atlas, notes)
    chosen = (evenly(args.bound_notes, np.flatnonzero(splits == part)) for part in ("valid", "test"))
    valid, test = (prepare_notes(space, [every[index] for index in some]) for some in chosen)
    own = likelihood(space, test, valid, args.samples, 0) | {"kl_nats": kl_nats(space, test)}
    prior = prior_figures(space, FULL._replace(draws=args.draws, sounds=4), 0)
    own |= prior | {name: prior.get(f"prior_{name}") for name in ("density", "coverage")}
    own |= {"train_minutes": space.report["train_minutes"]}
    if args.ratings:
        own |= combined(rate(space, args.ratings, []))
    return code, {name: own[name] for name in FIGURES if name in own}


def hidden_figures(name: str, seed: int, folder: Path, args: argparse.Namespace) -> Values:
    """The figures of a row in the second table."""
    kept = divided(args)[0]
    base = timbre.train(kept, settings(BASE, seed, args), folder_of(BASE, seed, args), progress=False)
    # The encoder has to find the points of notes that the listening map has never seen.
    config = small(ROWS[name] | {"evidence": args.evidence, "residual": 10.0}, seed, args.epochs)
    table, hiding, cpu = features(kept, config), Hiding(config), torch.device("cpu")
    chosen = (evenly(args.bound_notes, table.rows(part)) for part in ("valid", "test"))
    valid, test = (Batches(table, rows, 16, 0, cpu) for rows in chosen)
    truth = Truth.of(base.model, valid, hiding)
    net = fitted(truth, config, table, hiding, args.steps, seed)
    found = [{"hidden": kind} | bounds(truth, net, test, hiding, kind, args.samples) for kind in HIDDEN]
    return {"kinds": [{"variant": name, "seed": seed} | described(name) | row for row in found]}


if __name__ == "__main__":
    main()
