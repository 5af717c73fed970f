"""Repair of the headers of WAV files that libsndfile refuses or reads wrongly."""

import io
import struct
from typing import BinaryIO, NamedTuple

from timbre.errors import AudioError

_MOST_CHUNKS = 1000
_UNKNOWN = 0x7FFFF000  # sizes from here on stand for "not known yet" in headers that were never finished
_USUAL = (b"fmt ", b"data", b"fact", b"LIST", b"smpl", b"inst", b"cue ", b"bext", b"JUNK", b"PAD ")
_LARGEST_FORMAT = 4096  # bytes
_LEAST = 0.9  # share of the promised sound that must be there: some programs count a little too much
_EXTENSIBLE = 0xFFFE


class _Wav(NamedTuple):
    """What the header says, and where it is wrong."""

    format: bytes
    fact: bytes
    start: int
    size: int  # bytes of sound that are there
    is_wrong: bool


class _Stretch(io.RawIOBase):
    """A header followed by a stretch of a file."""

    def __init__(self, head: bytes, file: BinaryIO, start: int, size: int) -> None:
        self._head, self._file, self._start = head, file, start
        self._size, self._at = len(head) + size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._at))
        content = self._head[self._at : self._at + wanted]
        if len(content) < wanted:
            self._file.seek(self._start + self._at + len(content) - len(self._head))
            content += self._file.read(wanted - len(content))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def repaired(file: BinaryIO, name: str) -> BinaryIO | None:
    """A WAV file with a header that libsndfile reads rightly; None if that of `file` is right, or it is no WAV file.

    Repaired are BW64 (ITU-R BS.2088), RF64 without its sizes, a tag before the header, a header that was not finished,
    chunks without their pad byte, and samples in containers with more bytes than their bits need.

    Raises:
        AudioError: if much less sound is there than the header promises.
    """
    wav = _parse(file, name)
    if wav is None or not wav.is_wrong:
        return None
    chunks = struct.pack("<4sI", b"fmt ", len(wav.format)) + wav.format
    if wav.fact:
        chunks += struct.pack("<4sI", b"fact", len(wav.fact)) + wav.fact
    size = min(wav.size, 0xFFFFFFFF - len(chunks) - 12)
    head = (
        struct.pack("<4sI4s", b"RIFF", 12 + len(chunks) + size, b"WAVE") + chunks + struct.pack("<4sI", b"data", size)
    )
    return _Stretch(head, file, wav.start, size)  # type: ignore[return-value]


def _parse(file: BinaryIO, name: str) -> _Wav | None:
    end = file.seek(0, io.SEEK_END)
    begin = _after_tag(file)
    kind, _, form = _read(file, begin, "<4sI4s") or (b"", 0, b"")
    if kind not in (b"RIFF", b"RF64", b"BW64") or form != b"WAVE":
        return None
    is_wrong, large = kind == b"BW64" or begin > 0, None
    chunks = {b"fmt ": b"", b"fact": b""}
    at = begin + 12
    for _ in range(_MOST_CHUNKS):
        chunk, size = _read(file, at, "<4sI") or (b"", 0)
        at += 8
        if chunk == b"ds64":
            large = (_read(file, at, "<QQ") or (0, None))[1]
        elif chunk in chunks and size <= _LARGEST_FORMAT:
            file.seek(at)
            chunks[chunk] = file.read(size)
        elif chunk == b"data":
            is_wrong |= kind == b"RF64" and large is None
            size = large if large is not None and size == 0xFFFFFFFF else size
            break
        at, without_pad = _next(file, at, size, end)
        is_wrong |= without_pad
        if not chunk or at >= end:
            return None
    unfinished = size == 0 and not _is_chunks(file, at, end)
    there = end - at if unfinished or size > end - at else size
    if not unfinished and size < _UNKNOWN and there < _LEAST * size:
        raise AudioError(f"{name} is damaged: it ends after {there} of {size} bytes of sound.")
    layout = _containers(chunks[b"fmt "])
    is_wrong |= unfinished or layout != chunks[b"fmt "]
    return _Wav(layout, chunks[b"fact"], at, there, is_wrong) if layout else None


def _read(file: BinaryIO, at: int, layout: str) -> tuple | None:
    """Values at a position, or None beyond the end."""
    file.seek(at)
    content = file.read(struct.calcsize(layout))
    return struct.unpack(layout, content) if len(content) == struct.calcsize(layout) else None


def _after_tag(file: BinaryIO) -> int:
    """Where the file begins after an ID3 tag, whose size has seven bits in each byte."""
    name, *size = _read(file, 0, "<3s3x4B") or (b"",)
    return 10 + sum(part << 7 * place for place, part in enumerate(reversed(size))) if name == b"ID3" else 0


def _next(file: BinaryIO, at: int, size: int, end: int) -> tuple[int, bool]:
    """Where the chunk after one begins, and whether the pad byte between them is missing."""
    after = at + size
    if size % 2 == 0 or (_read(file, after + 1, "<4s") or (b"",))[0] in _USUAL or not _is_chunk(file, after, end):
        return after + size % 2, False
    return after, True


def _is_chunk(file: BinaryIO, at: int, end: int) -> bool:
    """Whether a chunk of the file may begin at a position."""
    name, size = _read(file, at, "<4sI") or (b"", 0)
    return len(name) == 4 and all(32 <= letter < 127 for letter in name) and (name == b"data" or at + 8 + size <= end)


def _is_chunks(file: BinaryIO, at: int, end: int) -> bool:
    """Whether nothing but whole chunks is between a position and the end."""
    for _ in range(_MOST_CHUNKS):
        if at >= end:
            return True
        if not _is_chunk(file, at, end):
            return False
        at += 8 + (_read(file, at + 4, "<I") or (0,))[0]
        at += at % 2
    return False


def _containers(layout: bytes) -> bytes:
    """A format with as many bits for each PCM sample as its bytes have: the samples are in the upper ones."""
    if len(layout) < 16:
        return b""
    tag, channels, rate, speed, block, bits = struct.unpack("<HHIIHH", layout[:16])
    if tag != 1 or not channels or block % channels or not bits < 8 * (block // channels) <= 32 or bits <= 8:
        return layout
    return struct.pack("<HHIIHH", tag, channels, rate, speed, block, 8 * (block // channels)) + layout[16:]
