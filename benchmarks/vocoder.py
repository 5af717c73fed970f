"""Inverters compared on spectrograms that a space decodes: held-out notes and sustained points.

    benchmarks/vocoder.py SPACE [LIBRARY] [--left-out LIBRARY [--sources A,B]] [--inverters A,B,C] [--quick] ...

Task "notes": held-out notes of SPACE are encoded and decoded at their own pitch, velocity and release; each inverter
turns the same spectrogram into sound; the recording, prepared as in training, is the reference. Task "held": one point,
one pitch, 2.5 s, frozen 0.5 s after its onset; there is no recording.

- group: all; recorded and rendered (by a SoundFont); own sources and left-out sources, of which the space was trained
  on no note; harmonic, and other notes with a pitch (bells, bars, drums) and without
- log_mel_l1_db: mean absolute difference of log mel spectra; multi_resolution_stft: multi-resolution STFT distance
- pitch_error_cents, pitch_over_5_cents_share: of harmonic notes, from the requested pitch; over 5 cents or not found
- texture_db: distance of modulation spectra in all bands; noise_db: the same of the noise between the partials alone
- energy_db: energy score (Gneiting and Raftery 2007), E|x - y| - E|y - y'| / 2, two seeds, of log mel spectra in
  dB at FFT sizes 512, 1024 and 2048: unlike log_mel_l1_db it does not favour one fixed result over correct random ones
- consistency_db: mean distance of the sound's own spectrogram from the decoded one
- onset_ms: shift of the onset; level_db: level above the recording's; click_db: highest crest of the second difference
  above the recording's, in the worst note; held: above the median of the sound's own crests
- decode_db, decode_db_p95, within_1_db_share: level relative to the space's own inverter, that of `Space.decode` (mean
  power of two seeds): median, 95th percentile of its size, and the share of notes within 1 dB
- sway_db: held points, 0.8 s to 2.2 s: standard deviation of the level over 50 ms
- x_realtime: seconds of sound per second of CPU time in one thread; latency_ms: none where the whole sound is needed
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import torch
from _inverter_pictures import draw
from _measures import level_difference_db, noise_modulation_db
from _sounds import limited
from _table import Row, add_arguments, finish
from tqdm import tqdm

import timbre
from timbre.config import SpectrogramConfig
from timbre.data import Library, Note
from timbre.data.note import is_harmonic
from timbre.errors import ConfigError
from timbre.evaluation.inverters import cents_off, likeness, tuning, unseen
from timbre.evaluation.metrics import sounds as metrics
from timbre.evaluation.notes import EvaluatedNotes, prepare_notes
from timbre.models.conditions import Conditions
from timbre.models.decoder import Sources
from timbre.space import Space
from timbre.space.controls import NoteControls
from timbre.spectral import Spectrogram
from timbre.spectral.inversion.streaming import PORTABLE

INVERTERS = "pghi+8,rtpghi,portable,vocoder,librosa-32"
SIZES = (512, 1024, 2048)
HELD_SECONDS, HOLD, VELOCITY = 2.5, 0.5, 0.8
MIDDLE = (0.8, 2.2)  # s of a held point between which it is measured
GROUPS = ("all", "own sources", "left-out sources", "recorded", "rendered", "harmonic", "other pitched", "unpitched")
COMPARED = (
    "log_mel_l1_db", "multi_resolution_stft", "pitch_error_cents", "pitch_over_5_cents_share", "texture_db", "noise_db",
    "energy_db", "onset_ms", "click_db",
)  # fmt: skip
OTHERS = ("task", "groups", "inverter", "cents", "seconds", "cpu")  # columns with a summary of their own, or none
WORST = {"click_db"}  # summarised by the maximum, not the mean


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    space = timbre.load(args.space)
    names = present(space, args.inverters.split(","))
    library = timbre.scan(args.library)
    space = limited(space, library)
    held_out = unseen(space, library, args.notes)
    if args.left_out:
        held_out = joined(held_out, left_out(space, library, args))
    points = held_out.points(space)
    warm(space, names)
    each: list[Row] = []
    trained = {note.source for note in library}
    for number in tqdm(range(len(held_out)), disable=None):
        each += note_rows(space, held_out.take(np.array([number])), points[[number]], names, trained)
        if number < args.held:
            each += held_rows(space, held_out.take(np.array([number])), points[[number]], names, trained)
    delays = {name: latency_ms(space, name) for name in names}
    rows = table(each, delays)
    finish(rows, args, f"{len(held_out)} held-out notes of {args.space}; --help explains the columns")
    for group in dict.fromkeys(row["group"] for row in rows):
        print(f"{group}: the vocoder is {verdict(rows, group)}")
    if args.pictures:
        drawn = {name: renderer(space, name) for name in names if name != PORTABLE}
        draw(args.pictures, space, held_out, points, drawn)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", help="a trained space: its folder or name")
    parser.add_argument(
        "library", type=Path, nargs="?", default=Path("datasets/orchestra"), help="its notes, or a part of them"
    )
    parser.add_argument("--inverters", default=INVERTERS, metavar="A,B", help=f"default {INVERTERS}")
    parser.add_argument("--left-out", type=Path, metavar="LIBRARY", help="notes of sources without training notes")
    parser.add_argument("--sources", help="parts of the names of its sources, separated by commas; default: all others")
    parser.add_argument("--notes", type=int, help="how many held-out notes (96; 4 with --quick)")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw spectrograms there")
    add_arguments(parser)
    args = parser.parse_args()
    args.notes = args.notes or (4 if args.quick else 96)
    args.held = 2 if args.quick else 24
    return args


def left_out(space: Space, library: Library, args: argparse.Namespace) -> EvaluatedNotes:
    """Notes of another library, of sources that the first one does not have."""
    known, words = {note.source for note in library}, (args.sources or "").split(",")
    notes = [
        n for n in timbre.scan(args.left_out) if n.source not in known and any(w in (n.source or "") for w in words)
    ]
    chosen = np.random.default_rng(0).permutation(len(notes))[: args.notes]
    return prepare_notes(space, [notes[index] for index in chosen])


def joined(one: EvaluatedNotes, other: EvaluatedNotes) -> EvaluatedNotes:
    conditions = (
        torch.cat(pair) for pair in zip(*(vars(part.conditions).values() for part in (one, other)), strict=True)
    )
    return EvaluatedNotes(
        one.notes + other.notes, torch.cat([one.spectrogram, other.spectrogram]), Conditions(*conditions),
        np.concatenate([one.samples, other.samples]), one.dropped | other.dropped,
    )  # fmt: skip


def verdict(rows: list[Row], group: str) -> str:
    """In which figures of held-out notes the vocoder is worse than pghi+8; lower is better in all of them."""
    by_name = {row["inverter"]: row for row in rows if row["group"] == group and row["task"] == "notes"}
    if not {"vocoder", "pghi+8"} <= by_name.keys():
        return "not compared with pghi+8"
    own, rival = by_name["vocoder"], by_name["pghi+8"]
    both = [name for name in COMPARED if own[name] is not None and rival[name] is not None]
    worse = [f"{name} ({own[name]} against {rival[name]})" for name in both if own[name] > rival[name]]
    return f"worse than pghi+8 in {', '.join(worse)}" if worse else "as good as pghi+8 or better in all figures"


def present(space: Space, names: list[str]) -> list[str]:
    if "vocoder" in names and space.vocoder is None:
        print("left out vocoder: this space has none (`timbre train-vocoder` makes one)")
    return [name for name in names if name != "vocoder" or space.vocoder is not None]


class Decoded(NamedTuple):
    """A decoded note."""

    decibels: torch.Tensor  # (bins, frames)
    sources: Sources | None = None  # what sounds in its frames


def inverted(space: Space, decoded: Decoded, pitch: float | None, length: int, seed: int, name: str) -> np.ndarray:
    """The waveform (length,) of a decoded note."""
    if name == PORTABLE:
        return space.renderer.invert(decoded.sources, pitch, length, seed, name)
    if name != "librosa-32":
        return space.renderer.invert(decoded.decibels, pitch, length, seed, name)
    stft, decibels = space.spectrogram.stft, decoded.decibels
    magnitude = space.spectrogram.magnitude(decibels[None])[0].numpy() / stft.scale
    found = librosa.griffinlim(magnitude, n_iter=32, n_fft=stft.n_fft, hop_length=stft.hop_length, random_state=seed)
    return librosa.util.fix_length(np.asarray(found, np.float32), size=length)


def renderer(space: Space, name: str):  # type: ignore[no-untyped-def]  # of the pictures
    return lambda decibels, pitch, length: inverted(space, Decoded(decibels), pitch, length, 0, name)


def warm(space: Space, names: Sequence[str]) -> None:
    """Run each inverter once, since the first call compiles."""
    rate = space.config.spectrogram.sample_rate
    controls = NoteControls(60.0, VELOCITY, 0.3)
    for name in names:
        inverted(space, held(space, np.zeros((1, space.dim), np.float32), controls), 60.0, round(0.3 * rate), 0, name)


def held(space: Space, point: np.ndarray, controls: NoteControls) -> Decoded:
    return Decoded(space.renderer.spectrum(point, controls), space.renderer.sources(point, controls))


def latency_ms(space: Space, name: str) -> float | None:
    if name == PORTABLE:
        return 0.0
    try:
        return round(1000.0 * space.renderer.stream(name).latency / space.config.spectrogram.sample_rate, 1)
    except ConfigError:
        return None


def groups(note: Note, trained: set[str | None]) -> list[str]:
    """The groups of a note."""
    kind = "unpitched" if note.pitch is None else "harmonic" if is_harmonic(note) else "other pitched"
    origin = "own sources" if note.source in trained else "left-out sources"
    return ["all", "rendered" if note.file.suffix.lower() in (".sf2", ".sf3") else "recorded", origin, kind]


def timed(space: Space, decoded: Decoded, pitch: float | None, length: int, name: str, seed: int = 0):  # type: ignore[no-untyped-def]
    begun = time.process_time()
    sound = inverted(space, decoded, pitch, length, seed, name)
    spent = time.process_time() - begun
    return sound, {"seconds": length / space.config.spectrogram.sample_rate, "cpu": spent}


def note_rows(
    space: Space, one: EvaluatedNotes, point: np.ndarray, names: list[str], trained: set[str | None]
) -> list[Row]:
    rate, note = space.config.spectrogram.sample_rate, one.notes[0]
    recorded = one.samples[0, : round(space.config.data.duration * rate)].astype(np.float32)
    pitch = None if torch.isnan(one.conditions.pitch[0]) else float(one.conditions.pitch[0])
    hertz = None if pitch is None else 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    with torch.no_grad():
        decibels = space.model.decode_whole(torch.from_numpy(point), one.conditions)[0]
        z = space.model.latent(torch.from_numpy(point), one.conditions.pitch)
        sources = Sources(*(part[0] for part in space.model.decoder.sources(z, one.conditions, space.model.every)))
    decoded = Decoded(decibels, sources)
    asked = pitch if pitch is not None and is_harmonic(note) else np.nan
    rows, length, own = [], recorded.size, space.renderer.inverter
    usual = np.mean([np.square(inverted(space, decoded, pitch, length, seed, own)).mean() for seed in (0, 1)])
    for name in names:
        sound, spent = timed(space, decoded, pitch, length, name)
        other = inverted(space, decoded, pitch, length, 1, name)
        moved = metrics.onset_time(sound, rate) - metrics.onset_time(recorded, rate)
        found = {
            **likeness(recorded, sound, rate, asked),
            "noise_db": noise_modulation_db(recorded, sound, rate, hertz),
            "energy_db": energy_db(recorded, [sound, other], rate),
            "consistency_db": consistency_db(space, decibels, sound),
            "onset_ms": 1e3 * abs(moved),
            "level_db": level_difference_db(recorded, sound),
            "click_db": metrics.click_excess_db(recorded, sound, rate),
            "decode_db": float(10.0 * np.log10((np.square(sound).mean() + 1e-12) / (usual + 1e-12))),
        }
        rows.append({"task": "notes", "groups": groups(note, trained), "inverter": name} | found | spent)
    return rows


def held_rows(
    space: Space, one: EvaluatedNotes, point: np.ndarray, names: list[str], trained: set[str | None]
) -> list[Row]:
    rate, note = space.config.spectrogram.sample_rate, one.notes[0]
    pitch = None if torch.isnan(one.conditions.pitch[0]) else float(one.conditions.pitch[0])
    decoded = held(space, point, NoteControls(pitch, VELOCITY, HELD_SECONDS, HOLD))
    decibels = decoded.decibels
    asked = pitch if pitch is not None and is_harmonic(note) else np.nan
    rows = []
    for name in names:
        sound, spent = timed(space, decoded, pitch, round(HELD_SECONDS * rate), name)
        middle = sound[round(MIDDLE[0] * rate) : round(MIDDLE[1] * rate)]
        crests = metrics.crests_db(middle, rate)
        found = {
            "cents": cents_off(middle, rate, asked),
            "consistency_db": consistency_db(space, decibels, sound),
            "click_db": float(crests.max() - np.median(crests)) if crests.size else 0.0,
            "sway_db": sway_db(middle, rate),
        }
        rows.append({"task": "held", "groups": groups(note, trained), "inverter": name} | found | spent)
    return rows


def sway_db(samples: np.ndarray, rate: int) -> float:
    width = round(0.05 * rate)
    power = np.square(samples[: samples.size // width * width]).reshape(-1, width).mean(1)
    return float(np.std(10.0 * np.log10(power + 1e-12)))


def consistency_db(space: Space, decibels: torch.Tensor, sound: np.ndarray) -> float:
    seen = space.spectrogram(torch.from_numpy(sound[None]))[0]
    count = min(seen.shape[1], decibels.shape[1])
    return float((seen[:, :count] - decibels[:, :count]).abs().mean())


def energy_db(recorded: np.ndarray, sounds: list[np.ndarray], rate: int) -> float:
    scores = []
    for size in SIZES:
        shape = {"n_fft": size, "hop_length": size // 4, "n_mels": size // 16}
        spectrogram = Spectrogram(SpectrogramConfig(sample_rate=rate, floor_db=-80.0, **shape))
        x, a, b = (spectrogram(torch.from_numpy(one[None])) for one in (recorded, *sounds))
        off = 0.5 * float((x - a).abs().mean() + (x - b).abs().mean())
        scores.append(off - 0.5 * float((a - b).abs().mean()))
    return float(np.mean(scores))


def table(each: list[Row], delays: dict[str, float | None]) -> list[Row]:
    """Figures of each task, group and inverter."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for task in ("notes", "held"):
        for group in GROUPS:
            for name in delays:
                key = (task, group, name)
                rows = [r for r in each if r["task"] == task and group in r["groups"] and r["inverter"] == name]
                found |= {key: rows} if rows else {}
    return [summary(key, rows) | {"latency_ms": delays[key[2]]} for key, rows in found.items()]


def summary(key: tuple[str, str, str], rows: list[Row]) -> Row:
    out: Row = dict(zip(("task", "group", "inverter"), key, strict=True)) | {"notes": len(rows)}
    for name in (name for name in rows[0] if name not in (*OTHERS, "decode_db")):
        values = [row[name] for row in rows if row[name] is not None]
        out[name] = round(float(np.max(values) if name in WORST else np.mean(values)), 3) if values else None
    tuned = tuning(np.array([row["cents"] for row in rows]))
    out |= {name: round(value, 3) if np.isfinite(value) else None for name, value in tuned.items()}
    if apart := [row["decode_db"] for row in rows if "decode_db" in row]:
        size = np.abs(apart)
        out |= {
            "decode_db": round(float(np.median(apart)), 2),
            "decode_db_p95": round(float(np.percentile(size, 95)), 2),
        }
        out["within_1_db_share"] = round(float(np.mean(size <= 1.0)), 2)
    return out | {"x_realtime": round(sum(row["seconds"] for row in rows) / sum(row["cpu"] for row in rows), 1)}


if __name__ == "__main__":
    main()
