"""What the decoder makes of held-out notes: errors of spectrograms and of sounds, and their pitch."""

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import hz_to_midi, measure_pitch, midi_to_hz
from timbre.data.note import is_harmonic
from timbre.evaluation._notes import EvaluatedNotes
from timbre.evaluation.metrics.sounds import (
    click_excess_db,
    multi_resolution_stft,
    onset_time,
    spectral_convergence_db,
)
from timbre.report.pictures import Pair
from timbre.space import Space
from timbre.spectral import STFT

_CLEAR = 0.5  # SwiftF0's confidence, from which a frame has a pitch
_FEWEST = 3  # frames with a pitch
_ONSET = -40.0  # dB of the maximum
_CLICKS = 10.0  # dB: twice what other phases alone do

Meter = Callable[[Audio, float], float | None]
"""From a sound and its expected MIDI pitch to the one found, None where there is none."""


class DecodingErrors(NamedTuple):
    """Of each note's decoded spectrogram."""

    l1_db: np.ndarray
    """Mean absolute error, (notes,)."""
    mse_db2: np.ndarray
    """Mean square error, (notes,)."""

    def figures(self) -> dict[str, float | None]:
        """Mean absolute and root mean square error over the notes."""
        if not len(self.l1_db):
            return {}
        return {
            "reconstruction_l1_db": float(self.l1_db.mean()),
            "reconstruction_rmse_db": float(np.sqrt(self.mse_db2.mean())),
        }


@torch.no_grad()
def errors(space: Space, heard: EvaluatedNotes, points: np.ndarray) -> DecodingErrors:
    """DecodingErrors of notes decoded from points (notes, dim), over all bins and frames; as in training's report."""
    absolute, square = [np.zeros(0)], [np.zeros(0)]
    for batch in heard.in_order():
        decoded = space.model.decode_points(torch.from_numpy(points[batch.rows]), batch.conditions)
        difference = decoded - batch.spectrogram
        absolute.append(difference.double().abs().mean((1, 2)).numpy())
        square.append(difference.double().square().mean((1, 2)).numpy())
    return DecodingErrors(np.concatenate(absolute), np.concatenate(square))


class Decoded(NamedTuple):
    """Decoded sounds beside recordings."""

    figures: dict[str, float | int | None]
    examples: list[Pair]
    """A few notes, recorded and decoded to sound."""
    meter: str
    """What measured their pitch."""


@torch.no_grad()
def decoded(space: Space, heard: EvaluatedNotes, points: np.ndarray, seed: int, examples: int = 4) -> Decoded:
    """Decode notes to sound from their points, with their own pitch, velocity and release, and compare.

    Spectral convergence and the STFT distance are means over the notes. Pitch and clicks are those of harmonic notes;
    an error of pitch is the magnitude of the difference from the pitch that was asked for, one of onset that of the
    difference from the recording's. The space's own inverter makes the sounds.
    """
    rate = space.config.spectrogram.sample_rate
    length = round(space.config.data.duration * rate)
    sounds = [_sound(space, heard, points, number, length, seed) for number in range(len(heard))]
    recorded = [samples[:length] for samples in heard.samples]
    name, meter = pitch_meter()
    pitched = [n for n, note in enumerate(heard.notes) if is_harmonic(note) and heard.conditions.pitch[n].isfinite()]
    asked = heard.conditions.pitch[pitched].double().numpy()
    both = [[Audio(waves[n], rate) for n in pitched] for waves in (sounds, recorded)]
    own, theirs = (_cents(waves, asked, meter) for waves in both)
    shown = _varied(heard, examples)
    pictures = [
        [space.spectrogram(torch.from_numpy(waves[n][None]))[0].numpy() for waves in (recorded, sounds)] for n in shown
    ]
    return Decoded(
        _likeness(recorded, sounds, space.config.spectrogram.n_fft)
        | _in_tune(own, theirs)
        | _by_partials(*(_cents(waves, asked, measure_pitch) for waves in both))
        | _on_time(recorded, sounds, rate)
        | _clicks([(recorded[n], sounds[n]) for n in pitched], rate),
        [Pair(heard.notes[n].name, *pair) for n, pair in zip(shown, pictures, strict=True)],
        name,
    )


def _sound(space: Space, heard: EvaluatedNotes, points: np.ndarray, number: int, length: int, seed: int) -> np.ndarray:
    conditions = heard.take(np.array([number])).conditions
    spectrogram = space.model.decode_points(torch.from_numpy(points[[number]]), conditions)
    return space.renderer.invert(spectrogram[0], float(conditions.pitch), length, seed)


def _varied(heard: EvaluatedNotes, count: int) -> list[int]:
    """Numbers of a few notes, of different families first."""
    seen: dict[str | None, int] = {}
    ranks = [seen.setdefault(note.family, 0) for note in heard.notes]
    for number, note in enumerate(heard.notes):
        ranks[number] = seen[note.family]
        seen[note.family] += 1
    return sorted(range(len(heard)), key=lambda number: (ranks[number], number))[:count]


def _likeness(recorded: list[np.ndarray], sounds: list[np.ndarray], n_fft: int) -> dict[str, float | None]:
    stft = STFT(n_fft, n_fft // 4)
    convergence, distance = [], []
    for one, other in zip(recorded, sounds, strict=True):
        first, second = (stft(torch.from_numpy(wave[None])).abs() for wave in (one, other))
        convergence.append(spectral_convergence_db(first, second))
        distance.append(multi_resolution_stft(one, other))
    return {
        "spectral_convergence_db": float(np.mean(convergence)) if convergence else None,
        "multi_resolution_stft": float(np.mean(distance)) if distance else None,
    }


def _in_tune(own: np.ndarray, theirs: np.ndarray) -> dict[str, float | None]:
    found, sure = np.abs(own[np.isfinite(own)]), np.abs(theirs) <= 50.0
    return {
        "decoded_cents_median": float(np.median(found)) if found.size else None,
        "decoded_cents_p95": _p95(own),
        "decoded_sure_cents_p95": _p95(own[sure]),
        "decoded_beyond_50_cents_share": float(np.mean(~(np.abs(own) <= 50.0))) if own.size else None,
        "recorded_cents_p95": _p95(theirs),
        "recorded_beyond_50_cents_share": float(np.mean(~sure)) if theirs.size else None,
    }


def _by_partials(own: np.ndarray, theirs: np.ndarray) -> dict[str, float | None]:
    found = np.abs(own[np.isfinite(own)])
    return {
        "decoded_partials_cents_median": float(np.median(found)) if found.size else None,
        "decoded_partials_cents_p95": _p95(own),
        "decoded_partials_unfound_share": float(np.mean(np.isnan(own))) if own.size else None,
        "recorded_partials_unfound_share": float(np.mean(np.isnan(theirs))) if theirs.size else None,
    }


def _p95(cents: np.ndarray) -> float | None:
    found = np.abs(cents[np.isfinite(cents)])
    return float(np.quantile(found, 0.95)) if found.size else None


def _on_time(recorded: list[np.ndarray], sounds: list[np.ndarray], rate: int) -> dict[str, float | None]:
    onsets = [[onset_time(wave, rate, _ONSET) for wave in pair] for pair in zip(recorded, sounds, strict=True)]
    if not onsets:
        return {}
    off = 1000.0 * np.abs(np.diff(np.array(onsets), axis=1))
    return {
        "decoded_onset_median_ms": float(np.median(off)),
        "decoded_onset_p95_ms": float(np.quantile(off, 0.95)),
        "decoded_onset_worst_ms": float(off.max()),
        "decoded_onset_within_10_ms_share": float(np.mean(off <= 10.0)),
    }


def _clicks(pairs: list[tuple[np.ndarray, np.ndarray]], rate: int) -> dict[str, float | int | None]:
    """Of pairs of a recorded and a decoded note."""
    if not pairs:
        return {}
    excess = [click_excess_db(*pair, rate) for pair in pairs]
    return {"decoded_clicks": sum(one > _CLICKS for one in excess), "decoded_click_worst_db": max(excess)}


def _cents(sounds: list[Audio], asked: np.ndarray, meter: Meter) -> np.ndarray:
    """Found minus asked, cents; NaN where no pitch was found."""
    found = [meter(sound, float(pitch)) for sound, pitch in zip(sounds, asked, strict=True)]
    return 100.0 * (np.array([np.nan if pitch is None else pitch for pitch in found]) - asked)


def pitch_meter() -> tuple[str, Meter]:
    """SwiftF0 (Nieradzik 2025) where it is installed, else librosa's pYIN (Mauch and Dixon 2014); with its name.

    Both hear the second after the loudest moment; the pitch is the median over the frames that have one.
    """
    return ("SwiftF0", _swift()) if importlib.util.find_spec("swift_f0") else ("pYIN", _pyin)


def _swift() -> Meter:
    from swift_f0 import SwiftF0

    detector = SwiftF0(threads=1)

    def meter(audio: Audio, near: float) -> float | None:
        found = detector.detect(_second(audio).resample(16000).samples[0], 16000)
        return _middle(found.pitch_hz, found.confidence >= _CLEAR)

    return meter


def _pyin(audio: Audio, near: float) -> float | None:
    """Within an octave and a half, which makes it several times as fast and lets it mistake octaves all the same."""
    import librosa

    part, hertz = _second(audio).resample(22050), midi_to_hz(near)
    low, high = max(26.0, hertz / 2.9), min(5000.0, hertz * 2.9)
    found, voiced, _ = librosa.pyin(part.samples[0], fmin=low, fmax=high, sr=22050, frame_length=4096)
    return _middle(found, voiced)


def _second(audio: Audio) -> Audio:
    start = int(np.argmax(np.abs(audio.samples[0])))
    start = min(start, max(0, audio.samples.shape[1] - audio.sample_rate))
    return Audio(audio.samples[:, start : start + audio.sample_rate], audio.sample_rate)


def _middle(hertz: np.ndarray, voiced: np.ndarray) -> float | None:
    return hz_to_midi(float(np.median(hertz[voiced]))) if np.count_nonzero(voiced) >= _FEWEST else None
