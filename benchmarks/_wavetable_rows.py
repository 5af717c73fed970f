"""Rows of `exports.py` for wavetables: files that are read back, and played through their notes by an ideal synth."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from _measures import level_difference_db

import timbre
from timbre.audio import Audio
from timbre.audio.wavetables import read_wavetable
from timbre.evaluation.metrics.sounds import log_mel_l1, pitch_error_cents
from timbre.exporting.wavetables.harmonics import Harmonics, harmonics
from timbre.exporting.wavetables.plan import note_times
from timbre.space import Space

_VELOCITY, _DURATION = 0.8, 2.0
_DEEP = 80.0  # dB below the strongest partial of a frame: weaker partials are not compared


def wavetable_rows(space: Space, form: str, place: str, point: np.ndarray, folder: Path) -> list[dict[str, Any]]:
    """A row for the wavetable of a point, which is written to the folder; none if its sound has no pitch."""
    file = folder / (place + {"wavetable": ".wav", "wt": ".wt"}[form])
    begin = time.perf_counter()
    done = timbre.export(space, point, form, file, force=True, velocity=_VELOCITY)
    seconds, pitch = time.perf_counter() - begin, float(done.rows[0]["pitch"])
    frames, times = read_wavetable(file).astype(np.float64), note_times(int(done.rows[0]["frames"]))
    decoded = harmonics(space, np.repeat(point[None], len(frames), 0), times, pitch, _VELOCITY)
    amplitudes, error = _partials(frames, decoded)
    reference = space.decode(point, pitch, _VELOCITY, _DURATION)
    played = _played(amplitudes, times, pitch, reference)
    samples = reference.samples[0][: len(played)]
    sounds = Audio(samples, reference.sample_rate), Audio(played, reference.sample_rate)
    return [{
        "format": form, "place": place, "key": pitch, "velocity": _VELOCITY,
        "cents": pitch_error_cents(*sounds, pitch), "level_db": level_difference_db(samples, played),
        "log_mel_l1_db": 20.0 * log_mel_l1(samples, played, reference.sample_rate), "seam_db": None,
        "bytes": file.stat().st_size, "seconds": seconds, "partials_db": error,
        "noise_lost": done.rows[0]["noise_lost"], "crest_db": done.rows[0]["crest_db"],
    }]  # fmt: skip


def _partials(frames: np.ndarray, decoded: Harmonics) -> tuple[np.ndarray, float]:
    """Complex partials (frames, partials) at the decoder's level, and the largest difference of a partial's level, dB.

    Each frame has its own gain, which keeps the level steady: the difference of the strongest partials.
    """
    spectra = np.fft.rfft(frames)[:, 1 : decoded.levels.shape[1] + 1] / (0.5 * frames.shape[1])
    away = 20.0 * np.log10(np.abs(spectra) + 1e-12) - decoded.levels
    strongest = decoded.levels.argmax(1)[:, None]
    gain = np.take_along_axis(away, strongest, 1)
    loud = decoded.levels > decoded.levels.max(1, keepdims=True) - _DEEP
    return spectra * 10.0 ** (-gain / 20.0), float(np.abs((away - gain)[loud]).max())


def _played(amplitudes: np.ndarray, times: np.ndarray, pitch: float, reference: Audio) -> np.ndarray:
    """The table as a note until its release: neighbouring frames are mixed as synthesizers do."""
    clock = np.arange(round((_DURATION - 0.15) * reference.sample_rate)) / reference.sample_rate
    turn = np.exp(2j * np.pi * 440.0 * 2.0 ** ((pitch - 69.0) / 12.0) * clock)
    sound, power = np.zeros(len(clock)), np.ones(len(clock), complex)
    for partial in amplitudes.T:
        power *= turn
        sound += np.interp(clock, times, np.abs(partial)) * (power * np.exp(1j * np.angle(partial[0]))).real
    return _VELOCITY**2 * sound
