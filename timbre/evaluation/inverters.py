"""How well inverters turn decoded notes into sound: what decides whether a vocoder becomes a space's own way."""

from collections.abc import Sequence

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.data import Library
from timbre.data.truth import is_harmonic
from timbre.evaluation._notes import Heard, hear, held_out, match, sample
from timbre.evaluation.metrics import log_mel_l1, multi_resolution_stft, texture_db
from timbre.space import Space

DECIDING = ("log_mel_l1_db", "multi_resolution_stft", "pitch_over_5_cents_share", "texture_db")
"""Figures that must not be worse, and of which one at least must be better."""


def unseen(space: Space, library: Library, most: int = 96, seed: int = 0) -> Heard:
    """Notes that took no part in the training, or validation notes where there are none.

    Raises:
        LibraryError: the library is not what the space was trained on.
    """
    notes = match(space.atlas, library)
    numbers = sample(held_out(space.atlas)[1], most, seed)
    return hear(space, [notes[space.atlas.names[number]] for number in numbers])


@torch.no_grad()
def compare(space: Space, heard: Heard, inverters: Sequence[str], seed: int = 0) -> dict[str, dict[str, float]]:
    """Decode notes from their own points at their own controls, invert them, and compare them with their recordings.

    Args:
        space: the space.
        heard: notes that it has not learned from.
        inverters: names.
        seed: of the inverters' noise.

    Returns:
        By inverter, means over the notes: of log mel spectra's distance (dB), of the multi-resolution STFT distance, of
        the modulations' distance (dB); and of harmonic notes the median distance from the pitch asked for (cents) and
        the share that is more than 5 cents off.
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
            waveform = space.invert(spectrogram, pitch, length, seed, inverter)
            found.append(_figures(recorded, waveform, rate, asked))
    return {inverter: _means(found) for inverter, found in rows.items()}


def beats(figures: dict[str, dict[str, float]], one: str, other: str) -> bool:
    """Whether an inverter is better than another in one of the deciding figures, and worse in none."""
    pairs = [(figures[one][name], figures[other][name]) for name in DECIDING]
    known = [(a, b) for a, b in pairs if np.isfinite(a) and np.isfinite(b)]
    return all(a <= b for a, b in known) and any(a < b for a, b in known)


def _figures(recorded: np.ndarray, waveform: np.ndarray, rate: int, asked: float) -> dict[str, float]:
    found = None if np.isnan(asked) else measure_pitch(Audio(waveform[None], rate), asked)
    return {
        "log_mel_l1_db": 20.0 * log_mel_l1(recorded, waveform, rate),
        "multi_resolution_stft": multi_resolution_stft(recorded, waveform),
        "texture_db": texture_db(recorded, waveform, rate),
        "cents": np.nan if found is None else 100.0 * abs(found - asked),
    }


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    cents = np.array([row["cents"] for row in rows])
    cents = cents[np.isfinite(cents)]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name != "cents"} if rows else {}
    return means | {
        "pitch_error_cents": float(np.median(cents)) if cents.size else np.nan,
        "pitch_over_5_cents_share": float(np.mean(cents > 5.0)) if cents.size else np.nan,
    }
