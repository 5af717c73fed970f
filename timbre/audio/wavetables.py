"""Wavetables: single periods of a sound in a WAV file with the chunk `clm `, or in a .wt file; and the note that they
are heard as."""

import io
import re
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from timbre.errors import AudioError
from timbre.files import read_bytes

PITCH = 48.0  # MIDI, of the note that a wavetable is played as: C3
WT, WT_HEAD = b"vawt", "<4sIHH"
_SECONDS = 2.0  # of that note
_PERIOD = 512  # its samples: all partials that are heard, and a rate at which the pitch is C3 within 0.03 cents
_SIZES, _FRAMES, _INT16 = [2**n for n in range(1, 13)], 512, 4
_MOST_BYTES = 1 << 24
_MOST_CHUNKS = 1000


def read_wavetable(file: str | Path) -> np.ndarray:
    """The frames (n, size), float32, of a WAV file with the chunk `clm `, or of a .wt file.

    Raises:
        AudioError: if it is no wavetable, is damaged, or has more than 16 MiB.
    """
    content = io.BytesIO(read_bytes(Path(file), _MOST_BYTES, AudioError))
    frames = _read(content, str(file))
    if frames is None:
        raise AudioError(f"{file} must be a wavetable, a WAV file with the chunk 'clm ' or a .wt file; got another.")
    return frames


def wavetable_note(file: BinaryIO, name: str) -> BinaryIO | None:
    """A WAV file of the note that a wavetable is heard as; None if the file is none.

    The note has the pitch C3 (MIDI 48), lasts 2 s, and goes through all frames at a steady pace; neighbouring frames
    are mixed, as synthesizers do.

    Raises:
        AudioError: if it is a damaged wavetable.
    """
    frames = _read(file, name)
    if frames is None:
        return None
    spectra = np.fft.rfft(frames.astype(np.float64))
    spectra[:, 0] = 0.0  # no DC
    periods = np.fft.irfft(spectra[:, : _PERIOD // 2], _PERIOD) * (_PERIOD / frames.shape[1])
    rate = round(440.0 * 2.0 ** ((PITCH - 69.0) / 12.0) * _PERIOD)
    clock = np.arange(round(_SECONDS * rate))
    place = clock * ((len(frames) - 1) / len(clock))
    first = place.astype(int)
    share, phase = place - first, clock % _PERIOD
    samples = (1.0 - share) * periods[first, phase] + share * periods[np.minimum(first + 1, len(frames) - 1), phase]
    note = io.BytesIO()
    soundfile.write(note, samples, rate, format="WAV", subtype="FLOAT")
    note.seek(0)
    return note


def is_frame_size(chunk: bytes) -> bool:
    """Whether the content of a chunk `clm ` names a size of frames."""
    return bool((found := re.match(rb"<!>(\d{1,4}) ", chunk)) and int(found[1]) in _SIZES)


def _read(file: BinaryIO, name: str) -> np.ndarray | None:
    """The frames of a wavetable (n, size), or None; a file that is too large for one is none."""
    if not 12 <= file.seek(0, io.SEEK_END) <= _MOST_BYTES:
        return None
    file.seek(0)
    head = file.read(12)
    if head[:4] == WT:
        frames = _read_wt(head + file.read(), name)
    elif head[:4] + head[8:] == b"RIFFWAVE" and (size := _frame_size(file)):
        frames = _read_wav(file, size, name)
    else:
        return None
    if not np.isfinite(frames).all():
        raise AudioError(f"{name} is damaged: it has values that are no numbers.")
    return frames


def _read_wav(file: BinaryIO, size: int, name: str) -> np.ndarray:
    file.seek(0)
    try:
        samples = soundfile.read(file, dtype="float32", always_2d=True)[0][:, 0]
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{name} is damaged: {error}") from error
    if not samples.size or samples.size % size:
        raise AudioError(f"{name} must have whole frames of {size} samples, got {samples.size} samples.")
    return np.asarray(samples.reshape(-1, size))


def _read_wt(content: bytes, name: str) -> np.ndarray:
    head = struct.calcsize(WT_HEAD)
    _, size, count, flags = struct.unpack(WT_HEAD, content[:head])
    kind = np.dtype("<i2" if flags & _INT16 else "<f4")
    there = len(content) - head
    if size not in _SIZES or not 1 <= count <= _FRAMES or there < size * count * kind.itemsize:
        raise AudioError(f"{name} is damaged: it promises {count} frames of {size} samples and has {there} bytes.")
    frames = np.frombuffer(content, kind, size * count, head).astype(np.float32).reshape(count, size)
    return frames * np.float32(2.0**-15) if flags & _INT16 else frames


def _frame_size(file: BinaryIO) -> int | None:
    """Samples of a frame in the chunk `clm ` of a WAV file, or None."""
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        name, size = struct.unpack("<4sI", head)
        if name == b"clm ":
            chunk = file.read(min(size, 16))
            return int(chunk[3:].split()[0]) if is_frame_size(chunk) else None
        file.seek(size + size % 2, io.SEEK_CUR)
    return None
