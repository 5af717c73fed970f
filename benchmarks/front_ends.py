"""Compare front ends for a timbre space: the table of the paper (Esling et al. 2018) with our model, in one unit.

    python benchmarks/front_ends.py FOLDER --out runs/front_ends --json front_ends.json

The same VAE is trained on the same notes with every front end and several seeds. Coefficients of different front ends
cannot be compared, so held-out notes are measured in a common spectrogram: the decoder's output is converted to STFT
magnitudes, as for inversion, and these to a mel spectrogram of 128 bands (dB), which is compared with the original's.

- error_db: mean absolute error there, from the encoder's point; front_db: error of the front end alone, without a
  model; own_db: error in the front end's own coefficients
- nats: upper bound of -log p(x) per note there (IWAE bound, Burda et al. 2016, with a number of samples): a Gaussian
  around the decoded spectrogram with the standard deviation of the validation notes' errors; nats_per_value: the same
  divided by the number of values
- *_sd: standard deviation over the seeds

Models are saved below --out; a second run continues where the first stopped.

    python benchmarks/front_ends.py FOLDER --settings [NAME ...] [--rate 44100]

Without a model, for choosing bands, window and hop: notes through a spectrogram and back, a row for each setting
(kind-bands-window-hop, or kind-bands-window-hop-floor; linear-0-2048-512) and inverter. Half of the notes are low
(MIDI 24 to 48); notes recorded below --rate are left out.

- sc_db, distance: spectral convergence and multi-resolution distance between original and result, over the same four
  windows for all settings; onset_ms, texture_db: smear of the attack, distance of the modulation spectra
- low_cents, low_p90, low_bad: pitch error of the low notes: median, 90th percentile, percent above 5 cents or lost
- treble_db, treble_level: absolute and signed error of the levels above 11 kHz (values 50 dB below the note's highest
  there, or 65 dB below full scale, do not count)
- comb_cents, comb_lost: pitch error of steady low combs, as a decoder makes them; number without a measurable pitch
- x_realtime: seconds of sound per second of CPU time, from the spectrogram to the waveform; decode_x: decoder alone
- latency_ms: from a frame's centre to its sound, in time the same on a device of any rate (one that differs from --rate
  adds the resampler's 0.5 ms). A note played live is not late by it, since its first frames are decoded at once
- values_per_s, head: values of the spectrogram per second, weights of the decoder's last layer
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import torch
from _inverted import DEFAULT, chosen, inverted_rows
from _table import add_arguments, finish

import timbre
from timbre.config import Config, SpectrogramConfig
from timbre.data import Library
from timbre.data.features.table import Features, features
from timbre.spectral import Spectrogram
from timbre.training.batches import Batches

KINDS = get_args(get_type_hints(SpectrogramConfig)["kind"])
BANDS = {"mel": 256, "erb": 256}
COMMON = SpectrogramConfig(kind="mel", n_mels=128, floor_db=-60.0)  # a floor above the sum of bins at their own floor


def main() -> None:
    args = parse()
    if args.settings is None:
        compare_models(args)
    else:
        torch.set_num_threads(1)
        cases = chosen(timbre.scan(args.folder), args.notes, args.rate)
        finish(inverted_rows(args.settings, cases), args, f"{len(cases)} notes of {args.folder}, {args.rate} Hz")


def compare_models(args: argparse.Namespace) -> None:
    """Train and measure a model for each kind and seed."""
    jobs = [(kind, seed, args) for seed in range(args.seeds) for kind in args.kinds]
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        for row in pool.map(one, jobs):
            rows.append(row)
            finish(rows, argparse.Namespace(json=None), f"so far, {len(rows)} of {len(jobs)}")
    finish([summary(kind, rows) for kind in args.kinds], args, f"{args.folder}, {args.seeds} seeds each")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    parser.add_argument("--settings", nargs="*", metavar="NAME", help="compare these, without a model (default: 18)")
    parser.add_argument("--rate", type=int, default=44100, help="sample rate of --settings, Hz (default: 44100)")
    parser.add_argument("--out", type=Path, default=Path("runs/front_ends"), help="folder of the models")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, help="front ends (default: all)")
    parser.add_argument("--seeds", type=int, help="models for each front end")
    parser.add_argument("--epochs", type=int, help="epochs of training for each model, on one core")
    parser.add_argument("--notes", type=int, help="approximate number of notes, evenly spread")
    parser.add_argument("--samples", type=int, help="samples of the bound")
    parser.add_argument("--workers", type=int, default=2, help="models trained in parallel")
    add_arguments(parser)
    args = parser.parse_args()
    args.kinds = args.kinds or (["mel", "nsgt_erb"] if args.quick else KINDS)
    args.seeds = args.seeds or (1 if args.quick else 3)
    args.epochs = args.epochs or (2 if args.quick else 12)
    args.samples = args.samples or (4 if args.quick else 16)
    args.notes = args.notes or (40 if args.quick or args.settings is not None else None)
    if args.settings is not None:
        args.settings = args.settings or (DEFAULT[1:3] if args.quick else DEFAULT)
        args.notes = min(args.notes, 4) if args.quick else args.notes
    return args


def settings(kind: str, seed: int, args: argparse.Namespace) -> Config:
    config = Config()
    spectrogram = replace(config.spectrogram, kind=kind, n_mels=BANDS.get(kind, 168))
    training = replace(config.training, epochs=args.epochs, threads=1, seed=seed)
    data = replace(config.data, valid=0.1, test=0.15, transpose=0 if args.quick else 1)
    return replace(config, spectrogram=spectrogram, training=training, data=data)


def one(job: tuple[str, int, argparse.Namespace]) -> dict[str, Any]:
    """Train one model, or load it from its folder, and measure it."""
    kind, seed, args = job
    torch.set_num_threads(1)
    library = timbre.scan(args.folder)
    library = library[:: max(1, len(library) // args.notes)] if args.notes else library
    config = settings(kind, seed, args)
    folder = args.out / f"{'quick' if args.quick else 'full'}-{kind}-seed{seed}"
    space = timbre.train(library, config, folder, progress=False)
    torch.manual_seed(seed)
    return {"front_end": kind, "seed": seed, "values": config.spectrogram.bins} | measured(space, library, args.samples)


def measured(space: timbre.Space, library: Library, samples: int) -> dict[str, Any]:
    """Errors and bound of the held-out notes."""
    own = features(library, space.config)
    common = features(library, replace(space.config, spectrogram=COMMON))
    held_out = HeldOut(space, own, common)
    with torch.no_grad():
        width = float(np.sqrt(np.mean([np.square(error).mean() for _, error in held_out.errors("valid", True)])))
        errors = list(held_out.errors("test"))
        nats = np.concatenate(list(held_out.bounds("test", width, samples)))
    return {
        "error_db": float(np.mean([np.abs(error).mean() for _, error in errors])),
        "own_db": float(np.mean([own_error for own_error, _ in errors])),
        "front_db": float(np.mean([np.abs(error).mean() for error in held_out.without_model("test")])),
        "nats": float(nats.mean()),
        "nats_per_value": float(nats.mean()) / errors[0][1][0].size,
        "train_minutes": float(space.report["train_minutes"]),
    }


class HeldOut:
    """Held-out notes in a front end's own coefficients and in the common spectrogram, batch by batch."""

    def __init__(self, space: timbre.Space, own: Features, common: Features) -> None:
        self.model, self.own, self.common = space.model, own, common
        self.spectrogram, self.shared = Spectrogram(space.config.spectrogram), Spectrogram(COMMON)

    def batches(self, part: str) -> Iterator[tuple[Any, Any]]:
        """Pairs of a batch and the common spectrograms (batch, bands, frames) of its notes."""
        rows = self.own.rows(part)
        assert np.array_equal(rows, self.common.rows(part))
        for batch in Batches(self.own, rows, 16, 0, torch.device("cpu")).in_order():
            yield batch, torch.from_numpy(self.common.spectrograms[batch.rows]).float()

    def shared_spectrogram(self, spectrogram: Any) -> Any:
        """The common spectrogram, dB, of a front end's coefficients in dB."""
        magnitude = self.shared.filterbank @ self.spectrogram.magnitude(spectrogram)
        return 20.0 * magnitude.clamp(min=10.0 ** (COMMON.floor_db / 20.0)).log10()

    def errors(self, part: str, sampled: bool = False) -> Iterator[tuple[float, np.ndarray]]:
        """For each batch, the mean error in own coefficients, and the errors in the common spectrogram; all in dB."""
        for batch, truth in self.batches(part):
            posterior = self.model.posterior(batch.spectrogram, batch.conditions)
            decoded = self.model.decode(posterior.sample()[0] if sampled else posterior.center, batch.conditions)
            own = float((decoded - batch.spectrogram).abs().mean())
            yield own, (self.shared_spectrogram(decoded) - truth).numpy()

    def without_model(self, part: str) -> Iterator[np.ndarray]:
        """Errors of the common spectrograms that are made from the notes' own coefficients, dB."""
        for batch, truth in self.batches(part):
            yield (self.shared_spectrogram(batch.spectrogram) - truth).numpy()

    def bounds(self, part: str, width: float, samples: int) -> Iterator[np.ndarray]:
        """Upper bounds of -log p(x) of the notes of each batch (batch,), nats."""
        half = 0.5 * np.log(2.0 * np.pi)
        for batch, truth in self.batches(part):
            posterior, weights = self.model.posterior(batch.spectrogram, batch.conditions), []
            for _ in range(samples):
                z, log_q = posterior.sample()
                miss = (self.shared_spectrogram(self.model.decode(z, batch.conditions)) - truth) / width
                likelihood = -(0.5 * miss.square() + np.log(width) + half).sum((1, 2))
                weights.append(likelihood - (0.5 * z.square() + half).sum(-1) - log_q)
            yield (np.log(samples) - torch.logsumexp(torch.stack(weights), 0)).numpy()


def summary(kind: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds, with standard deviations."""
    seeds = [row for row in rows if row["front_end"] == kind]
    out: dict[str, Any] = {"front_end": kind, "values": seeds[0]["values"], "n_seeds": len(seeds)}
    for name, digits in (("error_db", 3), ("front_db", 3), ("own_db", 3), ("nats", 0), ("nats_per_value", 4)):
        values = np.array([row[name] for row in seeds])
        out[name] = round(float(values.mean()), digits)
        if name != "front_db":
            out[f"{name}_sd"] = round(float(values.std(ddof=1)), digits) if len(seeds) > 1 else None
    return out | {"train_minutes": round(float(np.mean([row["train_minutes"] for row in seeds])), 1)}


if __name__ == "__main__":
    main()
