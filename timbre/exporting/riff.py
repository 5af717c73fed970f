"""WAV files with chunks that sound libraries do not write, and the chunks of RIFF files."""

import struct
from collections.abc import Mapping

import numpy as np

_ENCODINGS = {"<f4": (3, 32), "<i2": (1, 16)}  # format tag and bits


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a RIFF file, padded to an even size."""
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def wav_bytes(samples: np.ndarray, sample_rate: int, chunks: Mapping[bytes, bytes]) -> bytes:
    """A mono WAV file of float32 or int16 samples (n,) with further chunks, which stand before the samples.

    24-bit samples are given as bytes (n, 3), uint8, the lowest first.
    """
    tag, bits = (1, 24) if samples.ndim == 2 else _ENCODINGS[samples.dtype.newbyteorder("<").str]
    width = bits // 8
    parts = [chunk(b"fmt ", struct.pack("<HHIIHH", tag, 1, sample_rate, width * sample_rate, width, bits))]
    if tag == 3:
        parts.append(chunk(b"fact", struct.pack("<I", len(samples))))
    parts += [chunk(name, content) for name, content in chunks.items()]
    content = b"".join([b"WAVE", *parts, chunk(b"data", samples.astype(samples.dtype.newbyteorder("<")).tobytes())])
    return chunk(b"RIFF", content)
