"""Files of wavetables: WAV with the `clm ` chunk, and Surge's .wt."""

import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from timbre.errors import AudioError
from timbre.exporting.riff import wav_bytes
from timbre.exporting.wavetables.wavetable import SIZE
from timbre.files import read_bytes

RATE = 44_100  # Hz, in the header of WAV files; synthesizers ignore it
MOST_FRAMES = 256  # that synthesizers read from a WAV file
_MARK = f"<!>{SIZE} 10000000 wavetable"  # flags: linear crossfade between frames; no factory content
_WT, _WT_HEAD = b"vawt", "<4sIHH"
_WT_SIZES, _WT_FRAMES, _INT16 = [2**n for n in range(1, 13)], 512, 4
_MOST_BYTES = 1 << 24


def wav_file(frames: np.ndarray, name: str) -> bytes:
    """A WAV file (float32, mono) of the frames (n, 2048) one after the other, with the chunk `clm `."""
    mark = f"{_MARK} ({name})".encode("ascii", "replace")
    return wav_bytes(frames.astype(np.float32).ravel(), RATE, {b"clm ": mark})


def wt_file(frames: np.ndarray, _: str) -> bytes:
    """A .wt file of Surge and Bitwig (float32) of the frames (n, size)."""
    count, size = frames.shape
    return struct.pack(_WT_HEAD, _WT, size, count, 0) + frames.astype("<f4").tobytes()


def read_wavetable(file: str | Path) -> np.ndarray:
    """The frames (n, size), float32, of a WAV file with the chunk `clm `, or of a .wt file.

    Raises:
        AudioError: if it is no wavetable, is damaged, or has more than 16 MiB.
    """
    content = read_bytes(Path(file), _MOST_BYTES, AudioError)
    frames = _read_wt(content, file) if content[:4] == _WT else _read_wav(content, file)
    if not np.isfinite(frames).all():
        raise AudioError(f"{file} is damaged: it has values that are no numbers.")
    return frames


def _read_wav(content: bytes, file: str | Path) -> np.ndarray:
    size = _clm_size(content)
    if size is None:
        raise AudioError(f"{file} must be a wavetable, a WAV file with the chunk 'clm ' or a .wt file; got another.")
    try:
        samples = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0][:, 0]
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{file} is damaged: {error}") from error
    if not samples.size or samples.size % size:
        raise AudioError(f"{file} must have whole frames of {size} samples, got {samples.size} samples.")
    return samples.reshape(-1, size)


def _read_wt(content: bytes, file: str | Path) -> np.ndarray:
    head = struct.calcsize(_WT_HEAD)
    _, size, count, flags = struct.unpack(_WT_HEAD, content[:head].ljust(head, b"\0"))
    kind = np.dtype("<i2" if flags & _INT16 else "<f4")
    there = len(content) - head
    if size not in _WT_SIZES or not 1 <= count <= _WT_FRAMES or there < size * count * kind.itemsize:
        raise AudioError(f"{file} is damaged: it promises {count} frames of {size} samples and has {there} bytes.")
    samples = np.frombuffer(content, kind, size * count, head).astype(np.float32)
    return samples.reshape(count, size) * (2.0**-15 if flags & _INT16 else 1.0)


def _clm_size(content: bytes) -> int | None:
    """Samples of a frame in the chunk `clm `, or None."""
    for name, part in _chunks(content):
        if name == b"clm " and (size := re.match(rb"<!>(\d{1,5}) ", part)):
            return int(size[1]) or None
    return None


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12 if content[:4] == b"RIFF" and content[8:12] == b"WAVE" else len(content)
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        yield name, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
