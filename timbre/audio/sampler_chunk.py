"""The chunk `smpl` of WAV files: the key and the pitch of a recording, and its loop (Microsoft, RIFF MCI, 1994)."""

import struct
from typing import NamedTuple

_HEAD, _LOOP = "9I", "6I"


class SamplerChunk(NamedTuple):
    """What a sampler needs to know of a recording."""

    pitch: float  # MIDI
    loop: tuple[int, int] | None  # first and last sample, both inside the loop; None without a loop


def read_sampler_chunk(content: bytes, order: str = "<") -> SamplerChunk:
    """The first forward loop and the pitch in the bytes of a chunk; a struct.error if it is too short.

    `order` is "<" in RIFF files, ">" in RIFX files. A chunk that is cut after the pitch has no loop.
    """
    key, fraction = struct.unpack_from(f"{order}12xII", content)
    loop = None
    if len(content) >= struct.calcsize(_HEAD) and struct.unpack_from(f"{order}28xI", content)[0]:
        rest = content[struct.calcsize(_HEAD) :]
        if len(rest) >= struct.calcsize(_LOOP):
            _, kind, first, last, _, _ = struct.unpack_from(f"{order}{_LOOP}", rest)
            loop = (first, last) if kind == 0 else None
    return SamplerChunk(key + fraction / 2**32, loop)


def sampler_chunk(chunk: SamplerChunk, sample_rate: int) -> bytes:
    """The bytes of a chunk, without its name and size."""
    key, fraction = divmod(round(chunk.pitch * 2**32), 2**32)
    period = round(1e9 / sample_rate)  # ns
    loops = b"" if chunk.loop is None else struct.pack(f"<{_LOOP}", 0, 0, *chunk.loop, 0, 0)
    return struct.pack(f"<{_HEAD}", 0, 0, period, key, fraction, 0, 0, bool(loops), 0) + loops
