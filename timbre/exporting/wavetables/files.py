"""Files of wavetables: WAV with the `clm ` chunk, and Surge's .wt."""

import struct

import numpy as np

from timbre.audio.wavetables import WT, WT_HEAD
from timbre.exporting.riff import wav_bytes
from timbre.exporting.wavetables.wavetable import SIZE

RATE = 44_100  # Hz, in the header of WAV files; synthesizers ignore it
MOST_FRAMES = 256  # that synthesizers read from a WAV file
_MARK = f"<!>{SIZE} 10000000 wavetable"  # flags: linear crossfade between frames; no factory content


def wav_file(frames: np.ndarray, name: str) -> bytes:
    """A WAV file (float32, mono) of the frames (n, 2048) one after the other, with the chunk `clm `."""
    mark = f"{_MARK} ({name})".encode("ascii", "replace")
    return wav_bytes(frames.astype(np.float32).ravel(), RATE, {b"clm ": mark})


def wt_file(frames: np.ndarray, _: str) -> bytes:
    """A .wt file of Surge and Bitwig (float32) of the frames (n, size)."""
    count, size = frames.shape
    return struct.pack(WT_HEAD, WT, size, count, 0) + frames.astype("<f4").tobytes()
