"""Reading and writing sound files through libsndfile."""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from timbre.audio._audio import Audio
from timbre.audio._wav import repaired
from timbre.audio.wavetables import wavetable_note
from timbre.errors import AudioError
from timbre.files import expanded, replacing, unwritable

LONGEST = 1 << 26  # samples of all channels in a sound that is read: 25 minutes of one channel at 44,100 Hz
LONGEST_SECONDS = 3600.0
_LOUDEST = 1e10  # of a sample; floats that stand for whole numbers of 32 bits are below
RATES = 1000, 768_000  # Hz
MOST_CHANNELS = 64

# Frames at a time: a wrong length in a header costs no memory, and long Vorbis files do not overflow the stack.
_BLOCK = 1 << 16
_FORMATS = {".wav": ("WAV", "PCM_24"), ".flac": ("FLAC", "PCM_24"), ".ogg": ("OGG", "VORBIS")}
_UNKNOWN = 1 << 62  # about the number of frames that libsndfile reports for a stream of unknown length
_MP3_SLACK = 3 * 1152  # an MP3's length is stated in whole codec frames, with or without encoder padding
_HEADROOM = 1e-3  # rounding of a sound normalised to full scale; more would be clipped audibly


class Probe(NamedTuple):
    """Duration (s) and peak of a sound: the largest magnitude of any sample; full scale is 1."""

    duration: float
    peak: float


def read(path: str | os.PathLike[str], sample_rate: int | None = None, mono: bool = False) -> Audio:
    """Read a sound file (WAV, FLAC, OGG, MP3, AIFF and the other formats of libsndfile).

    A wavetable (WAV with the chunk `clm `, or .wt) is read as a note of 2 s at C3 that goes through its frames.

    Args:
        path: the file.
        sample_rate: resample to this rate (Hz); default: the file's own.
        mono: reduce it to one channel (:meth:`Audio.mono`).

    Raises:
        AudioError: if there is no such file, it is damaged or not audio, or it contains no samples or NaN; if it has
            more than 2^26 samples (67,108,864 in all channels together: 25 minutes of one channel at 44,100 Hz), an
            hour, or 64 channels, or a rate below 1,000 or above 768,000 Hz.
    """
    path = _existing(path)
    audio = _whole(path, str(path))
    audio = audio.mono() if mono else audio
    return audio if sample_rate is None else audio.resample(sample_rate)


def decode(content: bytes, name: str) -> Audio:
    """The sound in the bytes of a sound file; raises like :func:`read`, with `name` for the file."""
    return _whole(io.BytesIO(content), name)


def _whole(source: Path | io.BytesIO, name: str) -> Audio:
    blocks = list(_blocks(source, name))
    try:
        return Audio(np.concatenate([samples for samples, _ in blocks], axis=1), blocks[0][1])
    except AudioError as error:
        raise AudioError(f"{name} cannot be used: {error}") from error


def probe(path: str | os.PathLike[str]) -> Probe:
    """Duration and peak of a sound file, decoded block by block; raises like :func:`read`."""
    return begin(path, 0.0)[1]


def begin(path: str | os.PathLike[str], seconds: float) -> tuple[Audio, Probe]:
    """The first `seconds` of a sound file (at least one sample), and the duration and peak of all of it.

    All of the file is decoded, so that damage is found, but only the beginning is kept; raises like :func:`read`, also
    for files that are too long.
    """
    path = _existing(path)
    duration, peak, rate = 0.0, 0.0, 1
    kept: list[np.ndarray] = []
    for samples, rate in _blocks(path, str(path)):
        level = float(np.max(np.abs(samples)))
        if not np.isfinite(level):
            read(path)  # its error names the bad samples
        if duration < seconds or not kept:
            kept.append(samples[:, : max(1, round((seconds - duration) * rate))])
        duration, peak = duration + samples.shape[1] / rate, max(peak, level)
    return Audio(np.concatenate(kept, axis=1), rate), Probe(duration, peak)


def write(path: str | os.PathLike[str], audio: Audio, subtype: str | None = None) -> Path:
    """Write a WAV, FLAC or OGG file, according to its suffix, and return its path.

    The file appears complete or not at all.

    Args:
        path: the file; its folder must exist. An existing file is replaced.
        audio: the sound.
        subtype: libsndfile's name of the sample format, such as PCM_16 or FLOAT; default: PCM_24 (Vorbis for OGG).

    Raises:
        AudioError: if the suffix or the subtype is unknown, the folder is missing or not writable, or a sample exceeds
            full scale in a format without floating point.
    """
    path = expanded(path, AudioError)
    kind, subtype = _format(path, subtype)
    samples = audio.samples if subtype in ("FLOAT", "DOUBLE") else _within_full_scale(path, audio)
    parts = (samples[:, start : start + _BLOCK].T for start in range(0, samples.shape[1], _BLOCK))
    return _store(path, parts, audio.sample_rate, audio.channels, kind, subtype)


def write_blocks(path: str | os.PathLike[str], blocks: Iterable[np.ndarray], sample_rate: int) -> Path:
    """Write a mono sound in blocks (n,) within full scale, and return its path; raises like :func:`write`."""
    path = expanded(path, AudioError)
    return _store(path, blocks, sample_rate, 1, *_format(path, None))


def _store(path: Path, blocks: Iterable[np.ndarray], sample_rate: int, channels: int, kind: str, subtype: str) -> Path:
    if not path.parent.is_dir():
        raise AudioError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    try:
        with replacing(path) as partial:
            partial.touch(exist_ok=False)  # its error says what is wrong with the folder, libsndfile's does not
            with soundfile.SoundFile(partial, "w", sample_rate, channels, subtype, format=kind) as file:
                for block in blocks:
                    file.write(block)
    except OSError as error:
        raise AudioError(unwritable(path, error)) from error
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path} cannot be written: {_reason(error)}.") from error
    return path


def _existing(path: str | os.PathLike[str]) -> Path:
    path = expanded(path, AudioError)
    if path.is_dir():
        raise AudioError(f"{path} is a folder; give a sound file.")
    if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
        raise AudioError(f"{path} is a pipe, a socket or a device; give a sound file.")
    try:
        with path.open("rb") as file:
            if file.read(1):
                return path
    except (OSError, ValueError) as error:
        raise AudioError(f"{path} cannot be read: {_reason(error)}.") from error
    raise AudioError(f"{path} is empty (0 bytes).")


def _blocks(source: Path | io.BytesIO, name: str) -> Iterator[tuple[np.ndarray, int]]:
    """Blocks of samples (channels, up to _BLOCK), each with the rate; refuses an empty, truncated or too long file."""
    frames = 0
    try:
        with opened(source, name) as file:
            promised, slack = file.frames, _MP3_SLACK if file.format == "MP3" else 0
            while (samples := file.read(_BLOCK, dtype="float32", always_2d=True)).size:
                frames += len(samples)
                _check_length(name, frames, file)
                if _LOUDEST < (peak := float(np.max(np.abs(samples)))) < np.inf:
                    raise AudioError(
                        f"{name} must have samples of up to {_LOUDEST:g}, got {peak:g}; it may be damaged."
                    )
                yield samples.T, file.samplerate
    except (soundfile.LibsndfileError, TypeError, UnicodeError, OSError) as error:
        raise AudioError(f"{name} is damaged or not a readable sound file: {_reason(error)}.") from error
    if frames == 0:
        raise AudioError(f"{name} contains no samples.")
    if frames + slack < promised < _UNKNOWN:
        raise AudioError(f"{name} is damaged: it ends after {frames} of {promised} samples.")


@contextmanager
def opened(source: Path | io.BytesIO, name: str) -> Iterator[soundfile.SoundFile]:
    """A sound file opened for reading, with a repaired header if a WAV file needs one; a wavetable as a note.

    Raises:
        AudioError: if its length, rate or number of channels is out of range, or much of it is missing.
        LibsndfileError, TypeError, UnicodeError, OSError: if it cannot be opened.
    """
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as content:
        mended = wavetable_note(content, name) or repaired(content, name)
        content.seek(0)
        with soundfile.SoundFile(mended or (_openable(source) if isinstance(source, Path) else content)) as file:
            if not RATES[0] <= file.samplerate <= RATES[1]:
                raise AudioError(f"{name} must have a rate of {RATES[0]} to {RATES[1]} Hz, got {file.samplerate} Hz.")
            if file.channels > MOST_CHANNELS:
                raise AudioError(f"{name} must have {MOST_CHANNELS} channels or fewer, got {file.channels}.")
            if file.frames < _UNKNOWN:
                _check_length(name, file.frames, file)
            yield file


def _check_length(name: str, frames: int, file: soundfile.SoundFile) -> None:
    """Refuse a sound that is too long, by an AudioError; a wrong header may promise as much."""
    if frames * file.channels > LONGEST or frames > LONGEST_SECONDS * file.samplerate:
        most = f"{LONGEST} samples in all channels together, and {LONGEST_SECONDS:.0f} s"
        given = f"{frames} samples in {file.channels} channels at {file.samplerate} Hz"
        raise AudioError(f"{name} is too long, or its header is damaged: it must have at most {most}, got {given}.")


def _openable(path: Path) -> bytes | str:
    """A path as soundfile takes it: on POSIX a name as bytes, as it may not be text (archives from other systems)."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def check_ending(path: Path) -> None:
    """Raise an AudioError if the name of a file to write does not end like that of a sound."""
    _format(path, None)


def _format(path: Path, subtype: str | None) -> tuple[str, str]:
    if path.suffix.lower() not in _FORMATS:
        raise AudioError(f"{path} cannot be written: the name must end in {', '.join(_FORMATS)}.")
    if path.is_dir():
        raise AudioError(f"{path} is a folder; give the name of a file.")
    kind, default = _FORMATS[path.suffix.lower()]
    subtype = default if subtype is None else subtype.upper()
    if not soundfile.check_format(kind, subtype):
        known = ", ".join(soundfile.available_subtypes(kind))
        raise AudioError(f"The subtype of {path} must be one of {known}, got {subtype}.")
    return kind, subtype


def _within_full_scale(path: Path, audio: Audio) -> np.ndarray:
    if audio.peak > 1 + _HEADROOM:
        over = 20 * np.log10(audio.peak)
        reason = f"the sound peaks at {audio.peak:.3f}, {over:.1f} dB over full scale"
        advice = f"lower it with .gain({-np.ceil(10 * over) / 10:.1f}) first"
        raise AudioError(f"{path} cannot be written: {reason}; {advice}.")
    return np.clip(audio.samples, -1.0, 1.0)


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else getattr(error, "error_string", None)
    text = (text or str(error)).removeprefix("Error : ").rstrip(".")
    # libsndfile's message after a failed write
    return "the disk may be full; make room on it" if text == "System error" else text
