"""Rated sounds as the models see them: what `ratings.py` and `ablation.py` share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import timbre
from timbre.audio.pitch import estimate_pitch
from timbre.config import Config
from timbre.data.features.example import Example, example
from timbre.data.ratings import read_ratings
from timbre.spectral import Spectrogram


@dataclass(frozen=True)
class Study:
    """Sounds of a study and how unlike listeners found them.

    Attributes:
        name: of the study.
        sounds: their names.
        examples: what the models see of them.
        dissimilarities: (sounds, sounds).
    """

    name: str
    sounds: tuple[str, ...]
    examples: list[Example]
    dissimilarities: np.ndarray


def studies(folder: Path, config: Config) -> list[Study]:
    """All studies of a folder of ratings whose sounds are there."""
    every, spectrogram, out = read_ratings(folder), Spectrogram(config.spectrogram), []
    for study in every.parts:
        audio = [timbre.read(study.files[sound]).mono() for sound in study.items]
        pitches = common([estimate_pitch(sound) for sound in audio])
        examples = [example(sound, spectrogram, config, pitch) for sound, pitch in zip(audio, pitches, strict=True)]
        out.append(Study(study.name, study.items, examples, study.dissimilarities))
    return out


def common(pitches: list[float | None]) -> list[float | None]:
    """Pitches of the sounds of a study: all the same, where most were measured within a semitone of their median."""
    known = np.array([np.nan if pitch is None else pitch for pitch in pitches])
    middle = float(np.nanmedian(known)) if np.isfinite(known).any() else np.nan
    if np.mean(np.abs(known - middle) < 1.0) > 0.5:
        return [middle] * len(pitches)
    return pitches
