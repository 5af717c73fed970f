"""How far a note moves in a space when its recording has faults, and how many notes are held on beyond their end.

    python benchmarks/robustness.py SPACE LIBRARY [--notes N] [--quick] [--json FILE]

One note of each instrument of LIBRARY (a folder or a library file) is encoded as it is and with each fault: a constant,
rumble, hum, hiss or a click, 0.1 s of which precede the note if the name does not say otherwise; and 8 bits, MP3, a
shelf and another sample rate, with nothing before the note. "before" is the
preparation of timbre 0.1 (mean of the channels, cut at 50 dB below the loudest 10 ms), "after" that of today. `median`,
`95%` and `within_tenth` (a share) describe the distances from the clean note's point, relative to the median distance
of two of the notes; `onset_ms` is the 95th percentile of the error of the onset. Levels are dB of full scale. The
notes are as loud as they were recorded; the softest move most.

The last two rows are all notes that end before the model's window does: how many of them the decoder holds on to the
end of the window, and the mean error of their reconstruction (dB), over all values and over those above -70 dB.
"""

import argparse
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import soundfile as sf
import torch
from _table import add_arguments, finish
from scipy.signal import butter, sosfilt

import timbre
from timbre import Audio, Library, Note, Space
from timbre.audio.onset import find_onset
from timbre.audio.pitch import measure_pitch
from timbre.config import Config
from timbre.data.features.example import LEVEL_DB, Example, Prepared, examples, prepare
from timbre.errors import AudioError
from timbre.models.conditions import Conditions
from timbre.models.refinement import note_points

MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
LEAD = 0.1  # s before the notes
AUDIBLE = -70.0  # dB
Rng = np.random.Generator
Fault = Callable[[np.ndarray, int, Rng], np.ndarray]  # of the samples of a note, its rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", help="folder or name of a space")
    parser.add_argument("library", help="folder of notes, or a library file")
    parser.add_argument("--notes", type=int, default=80, help="most notes, each of another instrument")
    add_arguments(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    space, library = timbre.load(args.space), timbre.scan(args.library, measure=False)
    notes = [(note, note.audio()) for note in chosen(library, 8 if args.quick else args.notes)]
    names = QUICK if args.quick else tuple(FAULTS)
    rows = [row for when in PREPARATIONS for row in moved(space, notes, names, when)]
    rows = sorted(rows, key=lambda row: names.index(row["fault"]))
    rows += releases(space, library[:100] if args.quick else library)
    finish(rows, args, f"{len(notes)} notes with faults, and releases of {len(library)}")


def chosen(library: Library, count: int) -> list[Note]:
    """One note of each of some instruments."""
    rng = np.random.default_rng(0)
    names = rng.permutation(library.instruments)[:count]
    return [members[int(rng.integers(len(members)))] for members in (library.filter(instrument=str(n)) for n in names)]


# --- faults


def white(samples: np.ndarray, _: int, rng: Rng) -> np.ndarray:
    return rng.standard_normal(samples.size)


def band(samples: np.ndarray, rate: int, rng: Rng, low: float, high: float) -> np.ndarray:
    noise = sosfilt(butter(4, [low, high], "band", fs=rate, output="sos"), rng.standard_normal(samples.size + rate))
    return np.asarray(noise[rate:])


def hum(samples: np.ndarray, rate: int, rng: Rng, hz: float) -> np.ndarray:
    return np.sin(2.0 * np.pi * (hz * np.arange(samples.size) / rate + rng.uniform()))


def added(samples: np.ndarray, rate: int, rng: Rng, noise: Fault, db: float) -> np.ndarray:
    """Samples with noise of a level (RMS)."""
    sound = noise(samples, rate, rng)
    return samples + sound / np.sqrt(np.mean(np.square(sound))) * 10.0 ** (db / 20.0)


def step(samples: np.ndarray, rate: int, _: Rng) -> np.ndarray:
    return samples + 0.02 * (np.arange(samples.size) >= LEAD * rate / 2)


def fade(samples: np.ndarray, rate: int, _: Rng) -> np.ndarray:
    return samples + 0.05 * np.minimum(1.0, np.arange(samples.size) / (0.5 * rate))


def click(samples: np.ndarray, rate: int, rng: Rng) -> np.ndarray:
    at = np.arange(20) + round(0.02 * rate)
    clicked = samples.copy()
    clicked[at] += 0.03 * rng.standard_normal(20)
    return clicked


def coded(samples: np.ndarray, rate: int, _: Rng) -> np.ndarray:
    """MP3 of about 70 kb/s for one channel."""
    file, short = io.BytesIO(), rate not in MP3_RATES
    given = Audio(samples[None].astype(np.float32), rate).resample(44100 if short else rate)
    sf.write(file, given.samples[0], given.sample_rate, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.6)
    file.seek(0)
    decoded = Audio(sf.read(file, dtype="float32")[0][None], given.sample_rate).resample(rate).samples[0]
    return np.pad(decoded, (0, max(0, samples.size - decoded.size)))[: samples.size].astype(np.float64)


def shelf(samples: np.ndarray, rate: int, _: Rng) -> np.ndarray:
    """3 dB more above 2 kHz: the high-pass of the sound added to it."""
    return samples + (10.0 ** (3.0 / 20.0) - 1.0) * sosfilt(butter(1, 2000.0, "high", fs=rate, output="sos"), samples)


def other_rate(samples: np.ndarray, rate: int, _: Rng) -> np.ndarray:
    there = Audio(samples[None].astype(np.float32), rate).resample(32000 if rate != 32000 else 48000)
    back = there.resample(rate).samples[0].astype(np.float64)
    return np.pad(back, (0, max(0, samples.size - back.size)))[: samples.size]


FAULTS: dict[str, tuple[float, Fault]] = {"silence": (LEAD, lambda samples, *_: samples)}
FAULTS |= {f"constant {dc:.1%}": (LEAD, lambda samples, *_, dc=dc: samples + dc) for dc in (0.001, 0.01, 0.05, 0.2)}
FAULTS |= {"constant, step": (LEAD, step), "constant, fade-in": (LEAD, fade), "click": (LEAD, click)}
FAULTS |= {
    f"rumble {db:.0f}": (LEAD, partial(added, noise=partial(band, low=10, high=30), db=db)) for db in (-60.0, -50.0)
}
FAULTS |= {f"hum {hz} Hz -50": (LEAD, partial(added, noise=partial(hum, hz=hz), db=-50.0)) for hz in (50, 60)}
FAULTS |= {f"hiss {db:.0f}": (LEAD, partial(added, noise=white, db=db)) for db in (-80.0, -70.0, -60.0, -50.0)}
FAULTS |= {f"hiss -60, {s} s": (s, partial(added, noise=white, db=-60.0)) for s in (0.0, 0.02, 0.05, 0.5, 2.0)}
FAULTS |= {
    "8 bits": (0.0, lambda samples, *_: np.round(samples * 128.0) / 128.0), "MP3": (0.0, coded),
    "shelf 3 dB": (0.0, shelf), "silence, 0.02 s": (0.02, lambda samples, *_: samples), "other rate": (0.0, other_rate),
}  # fmt: skip
QUICK = ("silence", "constant 1.0%", "rumble -50", "hiss -60")


# --- points


def moved(space: Space, notes: list[tuple[Note, Audio]], names: tuple[str, ...], when: str) -> list[dict[str, Any]]:
    """A row for each fault."""
    preparation, onset = PREPARATIONS[when]
    clean = points(space, [preparation(audio, space.config, note.pitch) for note, audio in notes])
    apart = space.hearing.dissimilarities(clean, pitches(notes))
    usual, rows = float(np.median(apart[np.triu_indices(len(clean), 1)])), []
    for name in names:
        lead, rng = FAULTS[name][0], np.random.default_rng(1)
        faulty = [disturbed(audio, name, rng) for _, audio in notes]
        prepared = [preparation(a, space.config, n.pitch) for a, (n, _) in zip(faulty, notes, strict=True)]
        far = space.dissimilarity(points(space, prepared), clean, pitches(notes)) / usual
        late = [abs(onset(a) - onset(b) - lead) for a, (_, b) in zip(faulty, notes, strict=True)]
        row = {"median": np.median(far), "95%": np.percentile(far, 95), "within_tenth": np.mean(far < 0.1)}
        row |= {"onset_ms": 1000.0 * np.percentile(late, 95)}
        rows.append({"fault": name, "when": when} | {key: round(float(value), 3) for key, value in row.items()})
    return rows


def pitches(notes: list[tuple[Note, Audio]]) -> np.ndarray:
    """MIDI pitches of notes, (notes,); NaN without pitch."""
    return np.array([np.nan if note.pitch is None else note.pitch for note, _ in notes])


def disturbed(audio: Audio, name: str, rng: Rng) -> Audio:
    lead, fault = FAULTS[name]
    samples = np.concatenate([np.zeros(round(lead * audio.sample_rate)), audio.mono().samples[0]])
    return Audio(fault(samples, audio.sample_rate, rng), audio.sample_rate)


def points(space: Space, notes: list[Prepared]) -> np.ndarray:
    """Points of notes, (notes, dim)."""
    found = [
        note_points(space.model, *observed(e)).detach().numpy()[0]
        for e in examples(notes, space.spectrogram, space.config)
    ]
    return np.stack(found)


def observed(note: Example, release: float | None = None) -> tuple[torch.Tensor, Conditions]:
    controls = Conditions.constant(note.pitch, note.velocity, note.release if release is None else release)
    return torch.from_numpy(note.spectrogram)[None], controls


# --- the preparation of timbre 0.1


def old_onset(audio: Audio) -> float:
    """Start (s) of the first 10 ms within 50 dB of the loudest."""
    size = max(1, round(0.01 * audio.sample_rate))
    starts = np.arange(0, audio.samples.shape[1], size)
    energy = np.add.reduceat(np.square(audio.samples, dtype=np.float64).mean(axis=0), starts)
    power = energy / np.diff(np.append(starts, audio.samples.shape[1]))
    return int(np.argmax(power > 1e-5 * power.max())) * size / audio.sample_rate


def old_prepare(audio: Audio, config: Config, pitch: float | None) -> Prepared:
    rate = config.spectrogram.sample_rate
    measured = None if pitch is None else measure_pitch(audio, near=pitch)
    sound = Audio(audio.samples.mean(axis=0), audio.sample_rate).resample(rate)
    note = Audio(sound.samples[:, round(old_onset(sound) * rate) :], rate)
    length = (config.all_frames - 1) * config.spectrogram.hop_length + config.spectrogram.n_fft
    level = 10.0 ** (LEVEL_DB / 20.0) / np.sqrt(note.loudest_power(0.05))
    samples = note.fit(length / rate, 0.0).samples[0] * np.float32(level)
    known = np.nan if pitch is None else pitch if measured is None else measured
    return Prepared(samples, note.duration, float(known), np.nan)


def old_release(spectrogram: np.ndarray, duration: float, config: Config) -> float:
    """Release (s) with the floor of all bands in the level."""
    if duration >= config.data.duration:
        return np.inf
    level = 10.0 * np.log10(np.sum(10.0 ** (spectrogram.astype(np.float64) / 10.0), 0))
    peak = int(np.argmax(level))
    frames = np.arange(peak, int(np.flatnonzero(level > level.max() - 50.0)[-1]) + 1)
    third = len(frames) // 3
    if third < 2:
        return float(frames[-1] / config.spectrogram.frame_rate)
    first, last = frames[:third], frames[-third:]
    slope = min(0.0, (np.median(level[last]) - np.median(level[first])) / (last.mean() - first.mean()))
    above = level[frames] - np.median(level[first]) - slope * (frames - first.mean()) > -10.0
    return float(frames[np.flatnonzero(above)[-1]] / config.spectrogram.frame_rate)


def onset_of(audio: Audio) -> float:
    heard = audio.mono().high_pass()
    return find_onset(heard.samples, heard.sample_rate, -50.0).start / heard.sample_rate


PREPARATIONS: dict[str, tuple[Callable[..., Prepared], Callable[[Audio], float]]] = {
    "before": (old_prepare, old_onset),
    "after": (prepare, onset_of),
}


# --- releases


def releases(space: Space, library: Library) -> list[dict[str, Any]]:
    """Two rows: with the releases that 0.1 estimated, and with those of today."""
    ended: dict[str, list[tuple[bool, float, float]]] = {"before": [], "after": []}
    last = (space.config.all_frames - 2) / space.config.spectrogram.frame_rate
    for note in library:
        try:
            prepared = prepare(note.audio(), space.config, note.pitch, note.velocity)
        except AudioError:
            continue
        if prepared.duration < space.config.data.duration:
            one = examples([prepared], space.spectrogram, space.config)[0]
            before = old_release(one.spectrogram, prepared.duration, space.config)
            for when, release in (("before", before), ("after", one.release)):
                ended[when].append((prepared.duration < last - 0.1 <= release - 0.1, *errors(space, one, release)))
    return [
        {"fault": f"release, {len(values)} notes", "when": when, "held_on": int(sum(held for held, _, _ in values))}
        | {"error_db": round(float(np.mean([e for _, e, _ in values])), 3)}
        | {"audible_db": round(float(np.mean([e for _, _, e in values])), 3)}
        for when, values in ended.items()
    ]


@torch.no_grad()
def errors(space: Space, note: Example, release: float) -> tuple[float, float]:
    """Mean absolute error (dB) of a reconstruction: of all values, and of those that are audible in the note."""
    spectrogram, conditions = observed(note, release)
    decoded = space.model.decode_points(note_points(space.model, spectrogram, conditions), conditions)[0].numpy()
    off = np.abs(decoded - note.spectrogram)
    return float(off.mean()), float(off[note.spectrogram > AUDIBLE].mean())


if __name__ == "__main__":
    main()
