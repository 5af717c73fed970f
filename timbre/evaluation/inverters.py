"""How well inverters turn decoded notes into sound: what decides whether a vocoder becomes a space's own way."""

from collections.abc import Sequence

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.data import Library
from timbre.data.note import is_harmonic
from timbre.evaluation._notes import EvaluatedNotes, hear, held_out, match, sample
from timbre.evaluation.metrics.sounds import log_mel_l1, multi_resolution_stft, texture_db
from timbre.space import Space

DECIDING = ("log_mel_l1_db", "multi_resolution_stft", "pitch_over_5_cents_share", "texture_db")
"""Figures that must not be worse, and of which one at least must be better."""


def unseen(space: Space, library: Library, most: int = 96, seed: int = 0) -> EvaluatedNotes:
    """Notes that took no part in the training, or validation notes where there are none.

    Raises:
        LibraryError: the library is not what the space was trained on.
    """
    notes = match(space.atlas, library)
    numbers = sample(held_out(space.atlas)[1], most, seed)
    return hear(space, [notes[space.atlas.names[number]] for number in numbers])


@torch.no_grad()
def compare(
    space: Space, heard: EvaluatedNotes, inverters: Sequence[str], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Decode notes from their own points at their own controls, invert them, and compare them with their recordings.

    Args:
        space: the space.
        heard: notes that it has not learned from.
        inverters: names.
        seed: of the inverters' noise.

    Returns:
        By inverter, means over the notes: of log mel spectra's distance (dB), of the multi-resolution STFT distance, of
        the modulations' distance (dB); and of harmonic notes the median distance from the pitch asked for (cents) and
        the share that is more than 5 cents off or has lost its pitch.
    """
    points = torch.from_numpy(heard.points(space))
    rate = space.config.spectrogram.sample_rate
    length = round(space.config.data.duration * rate)
    rows: dict[str, list[dict[str, float]]] = {inverter: [] for inverter in inverters}
    for number, note in enumerate(heard.notes):
        conditions = heard.take(np.array([number])).conditions
        pitch, recorded = float(conditions.pitch), heard.samples[number][:length]
        spectrogram = space.model.decode_points(points[[number]], conditions)[0]
        asked = pitch if is_harmonic(note) else np.nan
        for inverter, found in rows.items():
            waveform = space.renderer.invert(spectrogram, pitch, length, seed, inverter)
            found.append(likeness(recorded, waveform, rate, asked))
    return {inverter: _means(found) for inverter, found in rows.items()}


def beats(figures: dict[str, dict[str, float]], one: str, other: str) -> bool:
    """Whether an inverter is better than another in one of the deciding figures, and worse in none."""
    pairs = [(figures[one][name], figures[other][name]) for name in DECIDING]
    known = [(a, b) for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
    return all(a <= b for a, b in known) and any(a < b for a, b in known)


def likeness(recorded: np.ndarray, waveform: np.ndarray, sample_rate: int, asked: float) -> dict[str, float]:
    """How near a decoded note is to its recording, and how far from the pitch asked for (:func:`cents_off`)."""
    return {
        "log_mel_l1_db": 20.0 * log_mel_l1(recorded, waveform, sample_rate),
        "multi_resolution_stft": multi_resolution_stft(recorded, waveform),
        "texture_db": texture_db(recorded, waveform, sample_rate),
        "cents": cents_off(waveform, sample_rate, asked),
    }


def cents_off(waveform: np.ndarray, sample_rate: int, asked: float) -> float:
    """How far a waveform (samples,) is from a MIDI pitch: infinite where none is found, NaN where none is asked for."""
    if np.isnan(asked):
        return np.nan
    found = measure_pitch(Audio(waveform[None], sample_rate), asked)
    return np.inf if found is None else 100.0 * abs(found - asked)


def tuning(cents: np.ndarray) -> dict[str, float]:
    """Of what :func:`cents_off` gives: the median of what was found, and the share beyond 5 or lost."""
    asked = cents[~np.isnan(cents)]
    clear = asked[np.isfinite(asked)]
    return {
        "pitch_error_cents": float(np.median(clear)) if clear.size else np.nan,
        "pitch_over_5_cents_share": float(np.mean(asked > 5.0)) if asked.size else np.nan,
    }


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name != "cents"} if rows else {}
    return means | tuning(np.array([row["cents"] for row in rows]))
