"""The picture of an instrument: its spectrum from left to right over time, or over the timbre knob."""

import struct
import zlib
from pathlib import Path as FilePath

import numpy as np

from timbre.exporting.samplers.plan import Instrument
from timbre.space import Space

WIDTH, HEIGHT = 812, 375  # of a page of Decent Sampler
_DEPTH = 60.0  # dB from the darkest to the brightest colour
_PITCH, _SECONDS = 60.0, 2.0
_COLOURS = np.array([[16, 24, 32], [35, 58, 92], [58, 124, 150], [150, 200, 170], [250, 236, 190]], np.float64)


def write_picture(file: FilePath, space: Space, instrument: Instrument) -> None:
    """Write the picture of an instrument, a PNG file."""
    keys = instrument.keys
    pitch = float(keys[len(keys) // 2]) if keys else None
    if len(instrument.points) > 1:
        frames = [
            space.spectrum(point[None], pitch, duration=1.0).numpy()[:, :40].mean(1) for point in instrument.points
        ]
        decibels = np.stack(frames, 1)
    else:
        decibels = space.spectrum(instrument.points, pitch, duration=_SECONDS).numpy()
    shade = np.clip((decibels - decibels.max() + _DEPTH) / _DEPTH, 0.0, 1.0)[::-1]
    rows, columns = (
        np.linspace(0, size - 1, pixels) for size, pixels in zip(shade.shape, (HEIGHT, WIDTH), strict=True)
    )
    wide = np.stack([np.interp(columns, np.arange(shade.shape[1]), row) for row in shade])
    tall = wide[np.round(rows).astype(int)]
    places = np.linspace(0, 1, len(_COLOURS))
    picture = np.stack([np.interp(tall, places, _COLOURS[:, channel]) for channel in range(3)], 2)
    file.write_bytes(_png(np.round(0.7 * picture).astype(np.uint8)))


def _png(pixels: np.ndarray) -> bytes:
    """The bytes of a PNG file (ISO 15948) of pixels (height, width, 3), uint8."""
    height, width, _ = pixels.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], 1)
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(lines.tobytes(), 9)}
    chunks = b"".join(_part(name, content) for name, content in {**parts, b"IEND": b""}.items())
    return b"\x89PNG\r\n\x1a\n" + chunks


def _part(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
