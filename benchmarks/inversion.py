"""Compare inverters on every front end, timbre's and those of other packages.

    python benchmarks/inversion.py [FOLDER] [--rendered SOUNDFONT] [--space SPACE] [--quick] [--json FILE]

Each note of FOLDER is trimmed at its onset, cut to 2 s, scaled to full scale, placed after a short silence, transformed
to a spectrogram, and inverted. One row is one front end with one inverter, averaged over the notes. `source` is
"notes"; with --rendered also "rendered", 12 instruments of General MIDI at 4 pitches; with --space also "decoded",
held-out notes of a space that was trained on FOLDER, decoded at their points and pitches.

- front_end: kind of SpectrogramConfig, or "mdct". "linear" takes the magnitudes of the STFT unchanged, without the
  floor of a spectrogram; all others take them through dB. All inverters get the same magnitudes, except pghipy: it
  needs magnitudes of its own Gaussian window
- sc_db: spectral convergence between the STFT magnitudes of the original and of the result (dB, mean of the notes);
  sc_sustained_db: of the sustained pitched notes only. Decoded: relative to the magnitudes of the decoder
- log_mel_l1: mean absolute difference of their log10 mel magnitudes. Decoded: relative to the decoded spectrogram, on
  its own bands
- mr_stft: multi-resolution STFT distance to the original
- cents_median, cents_p95, bad_percent: pitch error of sustained pitched notes, over those whose pitch can be measured,
  and the share with an error above 5 cents or without a measurable pitch. Decoded: relative to the pitch given
- onset_ms, texture_db, level_db: smear of the attack, distance of modulation spectra, level relative to the original
- click_db: excess of the crest of the second difference over that of the original, 0 or more (mean)
- x_realtime: seconds of sound per second of CPU time in one thread, from the spectrogram (linear: from magnitudes) to
  the waveform; x_librosa: the same relative to librosa.griffinlim 32
- latency_ms: from a sample's arrival in the transform to its return; empty if the whole sound must be known
- n_notes: notes of the row; n_pitched: notes whose pitch is compared
"""

import argparse
import time
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import torch
from _mdct import mdct_spectrogram
from _measures import click_db, level_difference_db, onset_smear_ms
from _methods import FULL, SHORT, Method, methods
from _sounds import Case, decoded, recorded, rendered
from _table import Row, add_arguments, finish, format_table
from tqdm import tqdm

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig
from timbre.evaluation.metrics import sounds as metrics
from timbre.spectral import STFT, Spectrogram

KINDS = (*get_args(get_type_hints(SpectrogramConfig)["kind"]), "mdct")
BAD_CENTS = 5.0
REFERENCE = "librosa.griffinlim 32"
MEANS = {"log_mel_l1": 4, "mr_stft": 4, "onset_ms": 2, "texture_db": 3, "level_db": 2, "click_db": 2}
BARS = (
    ("linear", "pghi", "sc_db", -30.0),
    ("linear", "pghi+8", "sc_db", -37.0),
    ("linear", "rtpghi", "sc_db", -27.5),
    ("mel", "pghi+8", "sc_db", -29.5),
    *(("linear", name, "cents_median", 0.5) for name in ("pghi", "pghi+8", "rtpghi")),
    ("linear", "pghi", "x_librosa", 5.0),
    ("linear", "pghi+8", "x_librosa", 2.5),
    ("linear", "rtpghi", "x_realtime", 100.0),
    ("linear", "pghi", "x_realtime", 300.0),
)
"""Targets: front end, inverter, column, and the worst value allowed."""


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    config = SpectrogramConfig()
    cases = recorded(timbre.scan(args.folder), args.notes, config)
    if args.rendered:
        cases += rendered(args.rendered, args.notes, config)
    inverters = methods(args.inverters, STFT(config.n_fft, config.hop_length))
    each: list[Row] = []
    for kind in args.front_ends:
        spectrogram = mdct_spectrogram() if kind == "mdct" else Spectrogram(SpectrogramConfig(kind=kind))
        each += measure(kind, spectrogram, cases, [method for method in inverters if has_row(method, kind, args)])
    if args.space:
        space = timbre.load(args.space)
        notes = decoded(space, timbre.scan(args.folder), args.notes)
        each += measure(
            space.config.spectrogram.kind,
            space.spectrogram,
            notes,
            [method for method in methods(args.inverters, space.spectrogram.stft) if not method.own],
        )
    rows = averages(each)
    finish(rows, args, f"{len(cases)} notes of {args.folder}; see --help for the columns")
    print(f"\nTargets\n{format_table(verdicts(rows))}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    parser.add_argument("--notes", type=int, help="number of notes of each source, evenly spread")
    parser.add_argument("--rendered", type=Path, metavar="SOUNDFONT", help="a General MIDI SoundFont")
    parser.add_argument("--space", type=Path, help="a space trained on FOLDER")
    parser.add_argument("--front-ends", nargs="+", choices=KINDS, metavar="KIND", help=f"any of {', '.join(KINDS)}")
    parser.add_argument("--inverters", nargs="+", metavar="NAME", help=f"any of {', '.join(FULL)}, pghi+N")
    add_arguments(parser)
    args = parser.parse_args()
    args.notes = args.notes or (3 if args.quick else 96)
    args.all = args.inverters is not None
    args.inverters = args.inverters or [name for name in FULL if not (args.quick and name == "pghipy")]  # compiles 20 s
    args.front_ends = args.front_ends or sorted(KINDS, key=lambda kind: (kind != "linear", kind != "mel"))
    return args


def has_row(method: Method, kind: str, args: argparse.Namespace) -> bool:
    """Whether the table has a row for a method and a front end: rarer front ends have fewer by default."""
    if method.own:
        return bool(kind == "linear")
    return bool(args.all or kind in ("linear", "mel") or method.name in SHORT)


def measure(kind: str, spectrogram: Spectrogram, cases: list[Case], inverters: list[Method]) -> list[Row]:
    """Figures of each note with each method. The methods take turns, so that a busy machine slows all of them."""
    rows = []
    for number, one in enumerate(tqdm(cases, kind, disable=None)):
        magnitude, spent = magnitudes(kind, spectrogram, one)
        for method in inverters:
            own = magnitude if method.own is None else method.own(one.waveform)
            if number == 0:
                method.invert(own, one.waveform.shape[1])  # compiles, caches and plans
            begun = time.process_time()
            result = method.invert(own, one.waveform.shape[1])
            seconds = spent + time.process_time() - begun
            figures = compare(spectrogram, one, magnitude, result) | {"seconds": one.seconds, "cpu": seconds}
            latency = None if method.latency is None else round(1000.0 * method.latency / one.rate, 1)
            rows.append({"source": one.source, "front_end": kind, "inverter": method.name, "note": one.name} | figures)
            rows[-1]["latency_ms"] = latency
    return rows


def magnitudes(kind: str, spectrogram: Spectrogram, case: Case) -> tuple[torch.Tensor, float]:
    """Magnitudes for all methods, and the CPU time to compute them from the spectrogram."""
    if case.decoded is None and kind == "linear":
        return spectrogram.stft(case.waveform).abs(), 0.0
    decibels = spectrogram(case.waveform) if case.decoded is None else case.decoded
    spectrogram.magnitude(decibels[..., :1])
    begun = time.process_time()
    return spectrogram.magnitude(decibels), time.process_time() - begun


def compare(spectrogram: Spectrogram, case: Case, magnitude: torch.Tensor, result: torch.Tensor) -> Row:
    """Figures of one result."""
    if case.decoded is None:
        wanted = spectrogram.stft(case.waveform).abs()
        log_mel = metrics.log_mel_l1(case.waveform, result, case.rate)
    else:
        wanted = magnitude
        log_mel = float((spectrogram(result) - case.decoded).abs().mean()) / 20.0
    original, sound = case.waveform[0], result[0]
    return {
        "sc_db": metrics.spectral_convergence_db(wanted, spectrogram.stft(result).abs()),
        "log_mel_l1": log_mel,
        "mr_stft": metrics.multi_resolution_stft(original, sound),
        "cents": cents(case, sound),
        "onset_ms": onset_smear_ms(original, sound, case.rate),
        "texture_db": metrics.texture_db(original, sound, case.rate),
        "level_db": level_difference_db(original, sound),
        "click_db": max(0.0, click_db(sound) - click_db(original)),
    }


def cents(case: Case, sound: torch.Tensor) -> float | None:
    """Pitch error of a result; infinite if its pitch cannot be measured, None if it is not compared."""
    if case.pitch is None:
        return None
    part = sound if case.decoded is not None else sound[case.loudest : case.loudest + case.rate]
    measured = measure_pitch(Audio(part.numpy(), case.rate), case.pitch)
    return np.inf if measured is None else 100.0 * abs(measured - case.pitch)


def averages(each: list[Row]) -> list[Row]:
    """One row for each source, front end and inverter."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in each:
        groups.setdefault((row["source"], row["front_end"], row["inverter"]), []).append(row)
    rows = {key: average(key, group) for key, group in groups.items()}
    for (source, front_end, _), row in rows.items():
        if reference := rows.get((source, front_end, REFERENCE)):
            row["x_librosa"] = round(row["x_realtime"] / reference["x_realtime"], 2)
    return sorted(rows.values(), key=lambda row: ("notes", "rendered", "decoded").index(row["source"]))


def average(key: tuple[str, str, str], group: list[Row]) -> Row:
    """One row of the table."""
    off = np.array([row["cents"] for row in group if row["cents"] is not None])
    known = off[np.isfinite(off)]
    sustained = [row["sc_db"] for row in group if row["cents"] is not None]
    row = dict(zip(("source", "front_end", "inverter"), key, strict=True)) | {
        "sc_db": round(float(np.mean([row["sc_db"] for row in group])), 2),
        "sc_sustained_db": round(float(np.mean(sustained)), 2) if sustained else None,
        "cents_median": round(float(np.median(known)), 2) if known.size else None,
        "cents_p95": round(float(np.percentile(known, 95)), 2) if known.size else None,
        "bad_percent": round(100.0 * float(np.mean(off > BAD_CENTS)), 1) if off.size else None,
    }
    row |= {name: round(float(np.mean([one[name] for one in group])), digits) for name, digits in MEANS.items()}
    row["x_realtime"] = round(sum(one["seconds"] for one in group) / sum(one["cpu"] for one in group), 1)
    return row | {
        "x_librosa": None,
        "latency_ms": group[0]["latency_ms"],
        "n_notes": len(group),
        "n_pitched": len(off),
    }


def verdicts(rows: list[Row]) -> list[Row]:
    """The targets with the figures of recorded and of rendered notes."""
    table = []
    for source in ("notes", "rendered"):
        for front_end, inverter, column, wanted in BARS:
            for row in rows:
                figure, speed = row[column], column.startswith("x_")
                here = (row["source"], row["front_end"], row["inverter"]) == (source, front_end, inverter)
                if here and not (speed and figure is None):  # librosa was not measured
                    reached = figure is not None and (figure >= wanted if speed else figure <= wanted)
                    table.append(
                        {"source": source, "front_end": front_end, "inverter": inverter, "column": column}
                        | {"wanted": f"{'>=' if speed else '<='} {wanted:g}", "measured": figure}
                        | {"sustained": row["sc_sustained_db"] if column == "sc_db" else None}
                        | {"holds": "yes" if reached else "no"}
                    )
    return table


if __name__ == "__main__":
    main()
