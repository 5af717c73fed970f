"""Training material of a vocoder: notes as a space decodes them, with their recordings."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from timbre.config import Config
from timbre.data import Library, Note
from timbre.data.digests import file_digests
from timbre.data.features.example import Prepared, examples, prepare
from timbre.errors import AudioError, LibraryError
from timbre.files import cache_folder, read_json, replacing
from timbre.models.conditions import Conditions
from timbre.models.refinement import note_posterior
from timbre.models.vae import VAE
from timbre.spectral import Spectrogram
from timbre.spectral.stft import STFT
from timbre.vocoder.tones import tone_phases

FEWEST = 8  # notes
_SUMS = "sums.json"
_ARRAYS = {"audio": np.float16, "magnitude": np.float16, "tones": np.uint8, "pitch": np.float32, "held_out": np.bool_}


@dataclass(frozen=True)
class DecodedNotes:
    """Decoded notes and recordings, mapped from files."""

    audio: np.ndarray  # recordings from the onset on, at the standard level, (notes, samples)
    magnitude: np.ndarray  # of the decoded notes, linear STFT magnitudes, (notes, frames, bins)
    tones: np.ndarray  # their phases by phase gradient heap integration, in 256ths of a turn, (notes, frames, bins)
    pitch: np.ndarray  # MIDI, NaN if unpitched, (notes,)
    held_out: np.ndarray  # whether a note is used to choose the best weights, (notes,)


def decoded_notes(
    library: Library, model: VAE, config: Config, most: int, fingerprint: str, progress: bool = False
) -> DecodedNotes:
    """A library's training and validation notes as a model decodes them, cached.

    Each note is encoded, and its point decoded at its own pitch, velocity and length. A note of 2 s takes about 0.4 MB
    and a tenth of a second.

    Args:
        library: notes that the model was trained on.
        model, config: in eval mode, on the CPU, and its settings.
        most: largest number of notes; they are evenly spaced in larger libraries.
        fingerprint: of the library and the model.
        progress: whether to show a bar on stderr.

    Raises:
        LibraryError: if fewer than 8 notes can be used, or the cache cannot be written.
    """
    parts = library.parts(config.data)
    rows = np.flatnonzero(parts != "test")
    rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]
    chosen, held_out = [library[int(row)] for row in rows], parts[rows] == "valid"
    key = hashlib.sha256(json.dumps([3, fingerprint, len(chosen), config.to_dict()]).encode()).hexdigest()[:24]
    folder = cache_folder() / "vocoder" / key
    if not _is_intact(folder):
        try:
            if folder.is_dir():
                shutil.rmtree(folder)
            _write(folder, chosen, held_out, model, config, progress)
        except OSError as error:
            raise LibraryError(
                f"The decoded notes cannot be cached in {folder.parent}: {error.strerror or error}. "
                "Make room there, or set the environment variable TIMBRE_CACHE to another folder."
            ) from error
    return DecodedNotes(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS))


def _write(
    folder: Path, notes: list[Note], held_out: np.ndarray, model: VAE, config: Config, progress: bool
) -> None:  # fmt: skip
    """Write all arrays into `folder`, or nothing."""
    spectrogram, columns = Spectrogram(config.spectrogram), []
    bar = tqdm(notes, "decoding", disable=not progress, unit="note", leave=False)
    for note, is_held_out in zip(bar, held_out, strict=True):
        try:
            prepared = prepare(note.audio(), config, note.pitch, note.velocity)
        except AudioError:
            continue  # the training of the space left it out and reported it
        magnitude = _decoded(prepared, model, spectrogram, config)
        tones = _tone_phases(magnitude, spectrogram.stft)
        columns.append((prepared.samples, magnitude, tones, prepared.pitch, is_held_out))
    if len(columns) < FEWEST:
        raise LibraryError(f"The library must have {FEWEST} usable notes or more, got {len(columns)}.")
    with replacing(folder) as partial:
        partial.mkdir(parents=True)
        for (name, kind), column in zip(_ARRAYS.items(), zip(*columns, strict=True), strict=True):
            np.save(partial / f"{name}.npy", np.stack(column).astype(kind))
        (partial / _SUMS).write_text(json.dumps(_sums(partial)), encoding="utf-8")


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of all arrays."""
    digests = file_digests(folder / f"{name}.npy" for name in _ARRAYS)
    return {file.name: digest for file, digest in digests.items()}


def _is_intact(folder: Path) -> bool:
    """Whether a folder contains all arrays as they were written."""
    try:
        return bool(read_json(folder / _SUMS, LibraryError) == _sums(folder))
    except LibraryError:
        return False


@torch.no_grad()
def _decoded(note: Prepared, model: VAE, spectrogram: Spectrogram, config: Config) -> np.ndarray:
    """Magnitudes (frames, bins) of the note as the model decodes it, float16."""
    example = examples([note], spectrogram, config)[0]
    conditions = Conditions.constant(example.pitch, example.velocity, example.release)
    z = note_posterior(model, torch.from_numpy(example.spectrogram)[None], conditions).center
    return spectrogram.magnitude(model.decoder(z, conditions, model.every))[0].T.numpy().astype(np.float16)


def _tone_phases(magnitude: np.ndarray, stft: STFT) -> np.ndarray:
    """Phases of magnitudes (frames, bins) by phase gradient heap integration, in 256ths of a turn, uint8."""
    method, phases = tone_phases(stft), np.empty(magnitude.shape, np.uint8)
    for number, row in enumerate(magnitude.astype(np.float32) / np.float32(stft.scale)):
        method.advance(row, np.uint64(0), number)
        phases[number] = np.round(np.angle(method.spectrum) * (128.0 / np.pi)).astype(np.int16) % 256
    return phases
