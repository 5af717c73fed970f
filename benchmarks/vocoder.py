"""Which inverter makes the best sound of what a space decodes: side by side, on held-out notes and on held points.

    python benchmarks/vocoder.py SPACE [LIBRARY] [--inverters A,B,C] [--quick] [--json FILE]

Held-out notes of SPACE are encoded and decoded at their own pitch, velocity and release; each inverter turns the same
spectrogram into sound, from the same seeds; the recording, prepared as in training, is the reference (task "notes").
Task "held": one point, one pitch, 2.5 s, held 0.5 s after its onset; there is no recording, and pitch is as asked.

- group: pitched, inharmonic (pitched percussion), unpitched, all
- log_mel_l1: mean absolute difference of log10 mel magnitudes; 0.05 is a decibel. mr_stft: multi-resolution STFT
- energy_db: energy score (Gneiting and Raftery 2007), E|x - y| - E|y - y'| / 2, two seeds, of log-mel spectra in
  dB at FFT sizes 512, 1024 and 2048: unlike log_mel_l1 it does not favour one fixed result over a right random one
- consistency_db: mean distance of the sound's own spectrogram from the decoded one
- cents_median, cents_p95, bad_percent: pitch error, and the share that is over 5 cents off or has lost its pitch;
  notes: against the recording's own pitch; held: against the asked one
- texture_db: modulation spectrum distance of the noise between the partials; onset_ms: how far the onset moved
- level_db: level above the recording's; click_db: how much more it clicks than the recording
- sway_db, flux_db: held points, from 0.8 s to 2.2 s: standard deviation of the level over 50 ms, and mean change of
  the spectrogram from frame to frame
- x_realtime: seconds of sound per second of CPU time in one thread; latency_ms: empty where it needs the whole sound
"""

import argparse
import time
from pathlib import Path

import librosa
import numpy as np
import torch
from _table import Row, add_arguments, finish
from tqdm import tqdm

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig
from timbre.errors import ConfigError
from timbre.evaluation import metrics
from timbre.evaluation._notes import Heard, hear, held_out, match, only, sample
from timbre.evaluation._texture import noise_modulation_db
from timbre.space import Space
from timbre.spectral import Spectrogram

INVERTERS = "pghi+8,rtpghi,vocoder,librosa-32"
SIZES = (512, 1024, 2048)
HELD_SECONDS, HOLD = 2.5, 0.5
SEEDS = (0, 1)
EXACT = {"task", "group", "inverter", "latency_ms", "cents", "seconds", "cpu"}


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    space = timbre.load(args.space)
    names = present(space, args.inverters.split(","))
    library = timbre.scan(args.library)
    atlas = only(space.atlas, library)
    known = match(atlas, library)
    _, numbers = held_out(atlas)
    heard = hear(space, [known[atlas.names[int(n)]] for n in sample(numbers, args.notes, 0)])
    points = heard.points(space)
    each: list[Row] = []
    for number in tqdm(range(len(heard)), disable=None):
        each += note_rows(space, heard, points, number, names)
        if number < args.held:
            each += held_rows(space, heard, points, number, names)
    finish(table(each), args, f"{len(heard)} held-out notes of {args.space}; see --help for the columns")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", type=Path, help="a trained space")
    parser.add_argument("library", type=Path, nargs="?", default=Path("datasets/orchestra"), help="its notes")
    parser.add_argument("--inverters", default=INVERTERS, metavar="A,B", help=f"default {INVERTERS}")
    parser.add_argument("--notes", type=int, help="how many held-out notes (96; 4 with --quick)")
    add_arguments(parser)
    args = parser.parse_args()
    args.notes = args.notes or (4 if args.quick else 96)
    args.held = 2 if args.quick else 24
    return args


def present(space: Space, names: list[str]) -> list[str]:
    if "vocoder" in names and space.vocoder is None:
        print("left out vocoder: this space has none (`timbre train-vocoder` makes one)")
    return [name for name in names if name != "vocoder" or space.vocoder is not None]


def turned(
    space: Space, spectrogram: torch.Tensor, pitch: float | None, length: int, seed: int, name: str
) -> np.ndarray:
    """The waveform (length,) of a decoded spectrogram (bins, frames) in dB."""
    if name != "librosa-32":
        return space.invert(spectrogram, pitch, length, seed, name)
    stft = space.front.stft
    magnitude = space.front.magnitude(spectrogram[None])[0].numpy() / stft.scale
    shape = {"n_fft": stft.n_fft, "hop_length": stft.hop_length}
    return np.asarray(librosa.griffinlim(magnitude, n_iter=32, random_state=seed, **shape)[:length])


def results(
    space: Space, picture: torch.Tensor, pitch: float | None, length: int, name: str
) -> tuple[list[np.ndarray], float]:
    turned(
        space, picture[:, : space.config.spectrogram.frames(4096)], pitch, 4096, 0, name
    )  # compiled, cached, planned
    begun = time.process_time()
    sounds = [turned(space, picture, pitch, length, seed, name) for seed in SEEDS]
    return sounds, (time.process_time() - begun) / len(SEEDS)


def latency_ms(space: Space, name: str) -> float | None:
    try:
        return round(1000.0 * space.stream(name).latency / space.config.spectrogram.sample_rate, 1)
    except ConfigError:
        return None


def note_rows(space: Space, heard: Heard, points: np.ndarray, number: int, names: list[str]) -> list[Row]:
    note, one, rate = heard.notes[number], heard.take(np.array([number])), space.config.spectrogram.sample_rate
    pitch = None if torch.isnan(one.conditions.pitch[0]) else float(one.conditions.pitch[0])
    with torch.no_grad():
        frames = torch.arange(space.model.frames)
        picture = space.model.decode_points(torch.from_numpy(points[[number]]), one.conditions, frames)[0]
    original, rows = one.samples[0, : (picture.shape[1] - 1) * space.front.stft.hop_length].astype(np.float32), []
    group = "unpitched" if pitch is None else "inharmonic" if note.family == "percussion" else "pitched"
    for name in names:
        sounds, cpu = results(space, picture, pitch, original.size, name)
        hertz = None if pitch is None else float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))
        own = None if pitch is None else measure_pitch(Audio(original[None], rate), pitch)
        rows.append(
            {"task": "notes", "group": group, "inverter": name}
            | {"log_mel_l1": metrics.log_mel_l1(original, sounds[0], rate)}
            | {"mr_stft": metrics.multi_resolution_stft(original, sounds[0])}
            | {"energy_db": energy_db(original, sounds, rate), "consistency_db": consistency(space, picture, sounds[0])}
            | {
                "cents": cents(sounds[0], rate, own),
                "texture_db": noise_modulation_db(original, sounds[0], rate, hertz),
            }
            | {"onset_ms": 1e3 * abs(metrics.onset_time(sounds[0], rate) - metrics.onset_time(original, rate))}
            | {"level_db": metrics.level_difference_db(original, sounds[0])}
            | {"click_db": max(0.0, metrics.click_excess_db(original, sounds[0], rate))}
            | {"seconds": original.size / rate, "cpu": cpu, "latency_ms": latency_ms(space, name)}
        )
    return rows


def held_rows(space: Space, heard: Heard, points: np.ndarray, number: int, names: list[str]) -> list[Row]:
    given, rate = float(heard.conditions.pitch[number]), space.config.spectrogram.sample_rate
    pitch = None if np.isnan(given) else given
    picture = space.spectrogram(points[[number]], pitch, 0.8, HELD_SECONDS, hold=HOLD)
    rows = []
    for name in names:
        sounds, cpu = results(space, picture, pitch, round(HELD_SECONDS * rate), name)
        middle = sounds[0][round(0.8 * rate) : round(2.2 * rate)]
        width = round(0.05 * rate)
        power = np.square(middle[: middle.size // width * width]).reshape(-1, width).mean(1)
        seen = space.front(torch.from_numpy(middle[None].astype(np.float32)))[0]
        rows.append(
            {"task": "held", "group": "unpitched" if pitch is None else "pitched", "inverter": name}
            | {"consistency_db": consistency(space, picture, sounds[0]), "cents": cents(middle, rate, pitch)}
            | {"sway_db": float(np.std(10.0 * np.log10(power + 1e-12)))}
            | {"flux_db": float((seen[:, 1:] - seen[:, :-1]).abs().mean())}
            | {"seconds": HELD_SECONDS, "cpu": cpu, "latency_ms": latency_ms(space, name)}
        )
    return rows


def cents(sound: np.ndarray, rate: int, wanted: float | None) -> float | None:
    """Pitch error; infinite where the pitch is lost, None where none is wanted."""
    if wanted is None:
        return None
    measured = measure_pitch(Audio(sound[None].astype(np.float32), rate), wanted)
    return np.inf if measured is None else 100.0 * abs(measured - wanted)


def consistency(space: Space, picture: torch.Tensor, sound: np.ndarray) -> float:
    seen = space.front(torch.from_numpy(sound[None].astype(np.float32)))[0]
    count = min(seen.shape[1], picture.shape[1])
    return float((seen[:, :count] - picture[:, :count]).abs().mean())


def energy_db(original: np.ndarray, sounds: list[np.ndarray], rate: int) -> float:
    scores = []
    for size in SIZES:
        front = Spectrogram(
            SpectrogramConfig(sample_rate=rate, n_fft=size, hop_length=size // 4, n_mels=size // 16, floor_db=-80.0)
        )
        x, *y = (front(torch.from_numpy(one[None].astype(np.float32))) for one in (original, *sounds))
        off = np.mean([float((x - one).abs().mean()) for one in y])
        scores.append(off - 0.5 * float((y[0] - y[1]).abs().mean()))
    return float(np.mean(scores))


def table(each: list[Row]) -> list[Row]:
    """Means over each task, group and inverter, and over all groups."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in each:
        for group in ("all", row["group"]):
            groups.setdefault((row["task"], group, row["inverter"]), []).append(row)
    return [
        average(key, rows) for key, rows in sorted(groups.items(), key=lambda item: (-ord(item[0][0][0]), item[0][1]))
    ]


def average(key: tuple[str, str, str], rows: list[Row]) -> Row:
    off = np.array([row["cents"] for row in rows if row["cents"] is not None])
    clear = off[np.isfinite(off)]
    out: Row = dict(zip(("task", "group", "inverter"), key, strict=True)) | {"n": len(rows), "n_pitched": off.size}
    for name in (name for name in rows[0] if name not in EXACT):
        values = [row[name] for row in rows if row[name] is not None and np.isfinite(row[name])]
        out[name] = round(float(np.mean(values)), 3) if values else None
    out["cents_median"] = round(float(np.median(clear)), 2) if clear.size else None
    out["cents_p95"] = round(float(np.percentile(clear, 95)), 2) if clear.size else None
    out["bad_percent"] = round(100.0 * float(np.mean(off > 5.0)), 1) if off.size else None
    out["x_realtime"] = round(sum(row["seconds"] for row in rows) / sum(row["cpu"] for row in rows), 1)
    return out | {"latency_ms": rows[0]["latency_ms"]}


if __name__ == "__main__":
    main()
