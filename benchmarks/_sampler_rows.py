"""Rows of `exports.py` for samplers: SF2 played by FluidSynth, SFZ and Decent Sampler by small players."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _measures import level_difference_db
from _players import decent_regions, play, seam_db, sfz_regions
from _table import Row

import timbre
from timbre.audio import Audio
from timbre.data.parts import SoundFontVoice
from timbre.data.soundfonts.soundfont import read_sample, read_soundfont
from timbre.data.soundfonts.synthesizer import render_voice
from timbre.evaluation.metrics.sounds import log_mel_l1, pitch_error_cents
from timbre.space import Space

SECONDS = 1.5
FLUIDSYNTH_DB = -9.1  # of a channel: its gain is 0.7, and a mono sample goes to both channels
VELOCITIES = (40, 100)


def sampler_rows(
    space: Space, form: str, place: str, point: np.ndarray, pitch: float, folder: Path, quick: bool
) -> Iterator[Row]:
    """Rows of a point (dim,) in a format, at keys around the pitch of its note (MIDI, NaN without)."""
    unpitched = bool(np.isnan(pitch))
    middle = 60 if unpitched else round(min(max(pitch, 40), 90))
    around = 2 if quick else 12
    output = folder / f"{place}{'.sf2' if form == 'sf2' else '-' + form}"
    started = time.perf_counter()
    keys = f"{middle - around + 1}:{middle + around}"
    done = timbre.export(space, point, form, output, place, keys=keys, unpitched=unpitched)
    seconds = round(time.perf_counter() - started, 2)
    for key in (middle, middle + 1) if quick else range(middle - around + 1, middle + around + 1, 4):
        for velocity in VELOCITIES:
            sound, seam = PLAYERS[form](output, key, velocity)
            expected = space.decode(point, None if unpitched else key, velocity / 127, SECONDS + 0.5)
            yield {
                "format": form, "place": place, "key": key, "velocity": velocity,
                **compared(sound, expected, None if unpitched else key),
                "seam_db": seam, "bytes": done.size, "seconds": seconds,
            }  # fmt: skip


def compared(sound: Audio, expected: Audio, key: int | None) -> Row:
    """Differences of two sounds; cents are None if either has no clear pitch."""
    rate = expected.sample_rate
    one, other = (part_of(audio.resample(rate)) for audio in (expected, sound))
    pair = one.samples[0], np.pad(other.samples[0], (0, one.samples.shape[1] - other.samples.shape[1]))
    return {
        "cents": None if key is None else pitch_error_cents(one, other, key),
        "level_db": level_difference_db(*pair), "log_mel_l1_db": 20.0 * log_mel_l1(*pair, rate),
    }  # fmt: skip


def part_of(audio: Audio) -> Audio:
    """The first 1.5 s of one channel."""
    return Audio(audio.samples[:1, : round(SECONDS * audio.sample_rate)], audio.sample_rate)


def play_sfz(output: Path, key: int, velocity: int) -> tuple[Audio, float | None]:
    file = next(output.glob("*.sfz"))
    return played(list(sfz_regions(file, key, velocity)))


def play_decent(output: Path, key: int, velocity: int) -> tuple[Audio, float | None]:
    file = next(output.glob("*.dspreset"))
    return played(list(decent_regions(file, key, velocity)))


def played(regions: list) -> tuple[Audio, float | None]:
    samples, rate = play(iter(regions), SECONDS + 0.5)
    loop = regions[0].loop
    seam = None if loop is None else seam_db(timbre.read(regions[0].file).samples[0].astype(np.float64), loop, rate)
    return Audio(samples.astype(np.float32)[None], rate), seam


def play_sf2(output: Path, key: int, velocity: int) -> tuple[Audio, float | None]:
    font = read_soundfont(output)
    sound = render_voice(output, SoundFontVoice(0, 0, key, velocity), hold=SECONDS + 0.3)
    number = font.presets[0].sounding(key, velocity)[0].sample
    head = font.samples[number]
    samples, loop = read_sample(output, number).samples[0].astype(np.float64), None
    if head.loop_end > head.loop_start:
        loop = head.loop_start - head.start, head.loop_end - head.start - 1
    seam = None if loop is None else seam_db(samples, loop, head.rate)
    return Audio(sound.samples[:1] * 10 ** (-FLUIDSYNTH_DB / 20), sound.sample_rate), seam


PLAYERS = {"sfz": play_sfz, "decent": play_decent, "sf2": play_sf2}


def summary(form: str, rows: list[Row]) -> str:
    """Medians and 95th percentiles of the errors of a format, and the worst seam or partial."""
    rows = [row for row in rows if row["format"] == form]
    parts = []
    for name in ("cents", "level_db"):
        values = np.abs([row[name] for row in rows if row[name] is not None])
        if len(values):
            parts.append(f"{name} {np.median(values):.2f} (95%: {np.percentile(values, 95):.2f})")
    parts.append(f"log_mel_l1_db {np.median([row['log_mel_l1_db'] for row in rows]):.2f}")
    seams = [row["seam_db"] for row in rows if row["seam_db"] is not None]
    parts += [f"seam_db {max(seams):.0f} at most"] if seams else []
    partials = [row["partials_db"] for row in rows if row.get("partials_db") is not None]
    parts += [f"partials_db {max(partials):.5f} at most"] if partials else []
    return f"{form}: {'; '.join(parts)}"
