"""Comparison of inverters on decoded notes; it decides whether a vocoder becomes the default of a space."""

from collections.abc import Sequence

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.data import Library
from timbre.data.note import is_harmonic
from timbre.evaluation.metrics.sounds import log_mel_l1, multi_resolution_stft, texture_db
from timbre.evaluation.notes import EvaluatedNotes, held_out, match, prepare_notes, sample
from timbre.space import Space

DECIDING = ("log_mel_l1_db", "multi_resolution_stft", "pitch_over_5_cents_share", "texture_db")
"""Figures of which none may be worse, and at least one must be better."""


def unseen(space: Space, library: Library, most: int = 96, seed: int = 0) -> EvaluatedNotes:
    """Notes that were not trained on: test notes, or validation notes if there are none.

    Raises:
        LibraryError: the library is not what the space was trained on.
    """
    notes = match(space.atlas, library)
    return prepare_notes(space, [notes[index] for index in sample(held_out(space.atlas)[1], most, seed)])


@torch.no_grad()
def compare(
    space: Space, notes: EvaluatedNotes, inverters: Sequence[str], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Compare recordings with their notes, decoded from their points with their controls and inverted.

    Returns:
        By inverter, means over the notes: distances of log mel spectra (dB), multi-resolution STFT and modulations
        (dB); and for harmonic notes the median distance from the requested pitch (cents) and the share that is more
        than 5 cents off or has no clear pitch.
    """
    points = notes.points(space)
    rate = space.config.spectrogram.sample_rate
    length = round(space.config.data.duration * rate)
    rows: dict[str, list[dict[str, float]]] = {inverter: [] for inverter in inverters}
    for index, note in enumerate(notes.notes):
        spectrogram, pitch = notes.decode(space, points, index)
        requested = pitch if is_harmonic(note) else np.nan
        for inverter in inverters:
            waveform = space.renderer.invert(spectrogram, pitch, length, seed, inverter)
            rows[inverter].append(likeness(notes.samples[index][:length], waveform, rate, requested))
    return {inverter: _means(figures) for inverter, figures in rows.items()}


def beats(figures: dict[str, dict[str, float]], one: str, other: str) -> bool:
    """Whether an inverter is better than another in one of the deciding figures, and worse in none."""
    pairs = [(figures[one][name], figures[other][name]) for name in DECIDING]
    known = [(a, b) for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
    return all(a <= b for a, b in known) and any(a < b for a, b in known)


def likeness(recorded: np.ndarray, waveform: np.ndarray, sample_rate: int, pitch: float) -> dict[str, float]:
    """Distances of a decoded note from its recording, and from the requested pitch (:func:`cents_off`)."""
    return {
        "log_mel_l1_db": 20.0 * log_mel_l1(recorded, waveform, sample_rate),
        "multi_resolution_stft": multi_resolution_stft(recorded, waveform),
        "texture_db": texture_db(recorded, waveform, sample_rate),
        "cents": cents_off(waveform, sample_rate, pitch),
    }


def cents_off(waveform: np.ndarray, sample_rate: int, pitch: float) -> float:
    """Distance of a waveform (samples,) from a MIDI pitch, cents; infinite if it has no clear pitch, NaN for NaN."""
    if np.isnan(pitch):
        return np.nan
    measured = measure_pitch(Audio(waveform[None], sample_rate), pitch)
    return np.inf if measured is None else 100.0 * abs(measured - pitch)


def tuning(cents: np.ndarray) -> dict[str, float]:
    """Median of the finite results of :func:`cents_off`, and the share of those above 5 or infinite."""
    requested = cents[~np.isnan(cents)]
    clear = requested[np.isfinite(requested)]
    return {
        "pitch_error_cents": float(np.median(clear)) if clear.size else np.nan,
        "pitch_over_5_cents_share": float(np.mean(requested > 5.0)) if requested.size else np.nan,
    }


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name != "cents"} if rows else {}
    return means | tuning(np.array([row["cents"] for row in rows]))
