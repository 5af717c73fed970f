"""Reconstruction of held-out notes: errors of decoded spectrograms and sounds, and of their pitch and time."""

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import hz_to_midi, measure_pitch, midi_to_hz
from timbre.data.note import is_harmonic
from timbre.evaluation.figures import average
from timbre.evaluation.metrics.sounds import (
    audible_l1_db,
    centroid_hz,
    click_excess_db,
    decay_time,
    loudest_db,
    multi_resolution_stft,
    onset_time,
    spectral_convergence_db,
    texture_db,
)
from timbre.evaluation.notes import EvaluatedNotes
from timbre.space import Space
from timbre.spectral import STFT
from timbre.training.measure import errors

_CLEAR = 0.5  # SwiftF0's confidence above which a frame has a pitch
_FEWEST = 3  # frames with a pitch
_ONSET = -40.0  # dB of the maximum
_CLICKS = 10.0  # dB: twice the effect of different phases alone
_CUT_OFF = 0.15  # s: the decay time of the end of a recording is shorter
_SAME_DECAY = 0.15  # of the recording's decay time: three times the audible difference of ISO 3382-1

Meter = Callable[[Audio, float], float | None]
"""Measures the MIDI pitch of a sound, given the expected one; None if it has no clear pitch."""


class Reconstruction(NamedTuple):
    """A note and its reconstruction, as spectrograms (bins, frames) in dB."""

    name: str
    original: np.ndarray
    decoded: np.ndarray


def reconstruction(space: Space, notes: EvaluatedNotes, points: np.ndarray) -> dict[str, float | None]:
    """Errors of notes decoded from their points (notes, dim), as in the report of a training."""
    if not len(notes):
        return {}
    measured = errors(
        space.model, notes, lambda b: space.model.latent(torch.from_numpy(points[b.rows]), b.conditions.pitch)
    )
    return {
        "reconstruction_l1_db": measured.l1_db,
        "reconstruction_rmse_db": measured.rmse_db,
        "audible_l1_db": measured.audible_l1_db,
        "level_error_db": measured.level_error_db,
    }


class DecodedSounds(NamedTuple):
    """Comparison of decoded sounds with recordings."""

    figures: dict[str, float | int | None]
    examples: list[Reconstruction]
    """A few notes, recorded and decoded to sound."""
    meter: str
    """Name of the pitch meter."""


@torch.no_grad()
def decode_sounds(
    space: Space, notes: EvaluatedNotes, points: np.ndarray, seed: int, examples: int = 4
) -> DecodedSounds:
    """Decode notes to sound from their points, with their own pitch, velocity and release, and compare.

    The sounds are made by the inverter of the space. Spectral convergence, the STFT distance and the texture are means
    over the notes; level, brightness and decay are medians. Pitch and clicks are measured on harmonic notes. A pitch
    error is the absolute difference from the requested pitch, an onset error that from the recording's onset.
    """
    rate = space.config.spectrogram.sample_rate
    length = round(space.config.data.duration * rate)
    decoded = [space.renderer.invert(*notes.decode(space, points, index), length, seed) for index in range(len(notes))]
    recorded = [samples[:length] for samples in notes.samples]
    name, meter = pitch_meter()
    pitched = [n for n, note in enumerate(notes.notes) if is_harmonic(note) and notes.conditions.pitch[n].isfinite()]
    requested = notes.conditions.pitch[pitched].double().numpy()
    both = [[Audio(waves[n], rate) for n in pitched] for waves in (decoded, recorded)]
    figures = (
        _likeness(recorded, decoded, space.config.spectrogram.n_fft, rate)
        | _character(recorded, decoded, rate)
        | _in_tune(*(_cents(sounds, requested, meter) for sounds in both))
        | _by_partials(*(_cents(sounds, requested, measure_pitch) for sounds in both))
        | _on_time(recorded, decoded, rate)
        | _clicks([(recorded[n], decoded[n]) for n in pitched], rate)
    )
    chosen = _varied(notes, examples)
    spectra = [
        [space.spectrogram(torch.from_numpy(w[n][None]))[0].numpy() for w in (recorded, decoded)] for n in chosen
    ]
    pairs = [Reconstruction(notes.notes[n].name, *pair) for n, pair in zip(chosen, spectra, strict=True)]
    return DecodedSounds(figures, pairs, name)


def _varied(notes: EvaluatedNotes, count: int) -> list[int]:
    """Indices of `count` notes, of different families first."""
    families = [note.family for note in notes.notes]
    return sorted(range(len(notes)), key=lambda index: families[:index].count(families[index]))[:count]


def _likeness(recorded: list[np.ndarray], decoded: list[np.ndarray], n_fft: int, rate: int) -> dict[str, float | None]:
    stft = STFT(n_fft, n_fft // 4)
    pairs = list(zip(recorded, decoded, strict=True))
    spectra = [[stft(torch.from_numpy(wave[None])).abs() for wave in pair] for pair in pairs]
    return {
        "spectral_convergence_db": average([spectral_convergence_db(*pair) for pair in spectra]),
        "sound_audible_l1_db": average([audible_l1_db(*pair, rate) for pair in pairs]),
        "multi_resolution_stft": average([multi_resolution_stft(*pair) for pair in pairs]),
    }


def _character(recorded: list[np.ndarray], decoded: list[np.ndarray], rate: int) -> dict[str, float | int | None]:
    """Texture, and level, brightness and decay of decoded sounds relative to the recordings'."""
    pairs = list(zip(recorded, decoded, strict=True))
    levels = np.array([loudest_db(after, rate) - loudest_db(before, rate) for before, after in pairs])
    brightness = np.array([centroid_hz(after, rate) / centroid_hz(before, rate) for before, after in pairs])
    decay = _decay_ratios(pairs, rate)
    return {
        "texture_db": average([texture_db(*pair, rate) for pair in pairs]),
        "decoded_level_error_db": _median(levels),
        "decoded_brightness_ratio": _middle(brightness),
        "decoded_brightness_error_percent": _middle(100.0 * np.abs(brightness - 1.0)),
        "decoded_decay_ratio": _middle(decay),
        "decoded_decay_error_percent": _middle(100.0 * np.abs(decay - 1.0)),
        "decoded_decay_within_15_percent_share": _share(np.abs(decay - 1.0) <= _SAME_DECAY),
        "decaying_notes": len(decay) if pairs else None,
    }


def _decay_ratios(pairs: list[tuple[np.ndarray, np.ndarray]], rate: int) -> np.ndarray:
    """Decay times of decoded over those of recorded notes that decay; notes that are cut off or held do not count.

    A decoded note that does not fall by 25 dB counts with the longest time that its length allows.
    """
    times = [
        (decay_time(before, rate), min(decay_time(after, rate), 3.0 * len(after) / rate)) for before, after in pairs
    ]
    return np.array([after / before for before, after in times if _CUT_OFF <= before < np.inf])


def _middle(values: np.ndarray) -> float | None:
    """Median; None without values."""
    return float(np.median(values)) if values.size else None


def _in_tune(decoded: np.ndarray, recorded: np.ndarray) -> dict[str, float | None]:
    sure = np.abs(recorded) <= 50.0
    return {
        "decoded_cents_median": _median(decoded),
        "decoded_cents_p95": _p95(decoded),
        "decoded_sure_cents_p95": _p95(decoded[sure]),
        "decoded_beyond_50_cents_share": _share(~(np.abs(decoded) <= 50.0)),
        "recorded_cents_p95": _p95(recorded),
        "recorded_beyond_50_cents_share": _share(~sure),
    }


def _by_partials(decoded: np.ndarray, recorded: np.ndarray) -> dict[str, float | None]:
    return {
        "decoded_partials_cents_median": _median(decoded),
        "decoded_partials_cents_p95": _p95(decoded),
        "decoded_partials_unfound_share": _share(np.isnan(decoded)),
        "recorded_partials_unfound_share": _share(np.isnan(recorded)),
    }


def _median(cents: np.ndarray) -> float | None:
    """Median of the magnitudes of the finite values; None if there are none."""
    return float(np.nanmedian(np.abs(cents))) if np.isfinite(cents).any() else None


def _p95(cents: np.ndarray) -> float | None:
    return float(np.nanquantile(np.abs(cents), 0.95)) if np.isfinite(cents).any() else None


def _share(condition: np.ndarray) -> float | None:
    return float(np.mean(condition)) if condition.size else None


def _on_time(recorded: list[np.ndarray], decoded: list[np.ndarray], rate: int) -> dict[str, float | None]:
    onsets = [[onset_time(wave, rate, _ONSET) for wave in pair] for pair in zip(recorded, decoded, strict=True)]
    if not onsets:
        return {}
    error = 1000.0 * np.abs(np.diff(np.array(onsets), axis=1))
    return {
        "decoded_onset_median_ms": float(np.median(error)),
        "decoded_onset_p95_ms": float(np.quantile(error, 0.95)),
        "decoded_onset_worst_ms": float(error.max()),
        "decoded_onset_within_10_ms_share": float(np.mean(error <= 10.0)),
    }


def _clicks(pairs: list[tuple[np.ndarray, np.ndarray]], rate: int) -> dict[str, float | int | None]:
    """Figures of pairs of a recorded and a decoded note."""
    if not pairs:
        return {}
    excess = [click_excess_db(*pair, rate) for pair in pairs]
    return {"decoded_clicks": sum(one > _CLICKS for one in excess), "decoded_click_worst_db": max(excess)}


def _cents(sounds: list[Audio], requested: np.ndarray, meter: Meter) -> np.ndarray:
    """Measured minus requested pitch, cents; NaN where there is no clear pitch."""
    measured = [meter(sound, float(pitch)) for sound, pitch in zip(sounds, requested, strict=True)]
    return 100.0 * (np.array([np.nan if pitch is None else pitch for pitch in measured]) - requested)


def pitch_meter() -> tuple[str, Meter]:
    """SwiftF0 (Nieradzik 2025) if it is installed, else librosa's pYIN (Mauch and Dixon 2014); with its name.

    Both analyse the second after the loudest moment; the pitch is the median over the frames that have one.
    """
    return ("SwiftF0", _swift()) if importlib.util.find_spec("swift_f0") else ("pYIN", _pyin)


def _swift() -> Meter:
    from swift_f0 import SwiftF0

    detector = SwiftF0(threads=1)

    def meter(audio: Audio, near: float) -> float | None:
        result = detector.detect(_second(audio).resample(16000).samples[0], 16000)
        return _median_pitch(result.pitch_hz, result.confidence >= _CLEAR)

    return meter


def _pyin(audio: Audio, near: float) -> float | None:
    """Search within an octave and a half: several times faster, and octave errors still show."""
    import librosa

    part, hertz = _second(audio).resample(22050), midi_to_hz(near)
    low, high = np.clip([hertz / 2.9, hertz * 2.9], [26.0, 104.0], [1250.0, 5000.0])  # two octaves or more
    pitches, voiced, _ = librosa.pyin(part.samples[0], fmin=low, fmax=high, sr=22050, frame_length=4096)
    return _median_pitch(pitches, voiced)


def _second(audio: Audio) -> Audio:
    start = int(np.argmax(np.abs(audio.samples[0])))
    start = min(start, max(0, audio.samples.shape[1] - audio.sample_rate))
    return Audio(audio.samples[:, start : start + audio.sample_rate], audio.sample_rate)


def _median_pitch(hertz: np.ndarray, voiced: np.ndarray) -> float | None:
    return hz_to_midi(float(np.median(hertz[voiced]))) if np.count_nonzero(voiced) >= _FEWEST else None
