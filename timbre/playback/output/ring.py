"""`Ring`: a lock-free ring buffer of samples in memory that two processes share; one writes, one reads.

Each side moves its own counter after the samples are in place, and never waits for the other. The counters only grow;
their difference is the fill level. (This relies on processors that keep the order of writes, or on an interpreter that
is slow enough: a counter follows its samples by hundreds of instructions.)
"""

import contextlib
import mmap
import os
import tempfile
from pathlib import Path

import numpy as np

_HEAD = 16  # counters, of which six are used
_SHARED = 1 << 14  # bytes of the record beside the samples; enough for the state of 1024 dimensions


class _Counter:
    """An integer of a ring's shared memory as an attribute."""

    def __init__(self, index: int) -> None:
        self._index = index

    def __get__(self, ring: "Ring", _: type) -> int:
        return int(ring.counters[self._index])

    def __set__(self, ring: "Ring", value: int) -> None:
        ring.counters[self._index] = value


class Ring:
    """A ring buffer of float32 samples.

    Args:
        capacity: samples it holds.
        file: of an existing ring, to attach to; default: make a new one.

    Attributes:
        file: name of the memory for another process, which must inherit its `descriptor`; it exists in no folder, so
            nothing is left behind, however the processes end.
        descriptor: of the memory, while a ring that was made here is open.
        written, taken: counts of samples.
        underruns: how often the reader got fewer samples than it needed.
        stalls: how often the reader itself was late; more samples would not have helped.
        running, closing: whether reading has begun, and whether writing has ended; both set by the writer.
    """

    written, taken, underruns, stalls, running, closing = map(_Counter, range(6))

    def __init__(self, capacity: int = 0, file: str | os.PathLike[str] | None = None) -> None:
        start, self._open = 8 * _HEAD + _SHARED, True
        if file is None:
            memory = "/dev/shm"  # a file on a disk may stall while it is written back
            folder = memory if os.access(memory, os.W_OK) else None
            opened = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  (open as long as the ring)
            os.ftruncate(opened.fileno(), start + 4 * capacity)
            file = f"/dev/fd/{opened.fileno()}"
        else:
            opened = open(file, "r+b", buffering=0)  # noqa: SIM115
        self.file, self.descriptor, self._opened = Path(file), opened.fileno(), opened
        self._memory = mmap.mmap(self.descriptor, 0)
        self.counters = np.frombuffer(self._memory, np.int64, _HEAD)
        self._samples = np.frombuffer(self._memory, np.float32, -1, start)
        self.capacity = len(self._samples)
        self.written += 0  # the first access to a page is the slowest

    @property
    def filled(self) -> int:
        """Samples that can be read now."""
        return self.written - self.taken

    def shared(self, layout: "np.dtype[np.void]") -> np.void:
        """A record in the shared memory beside the samples, for both sides to read and write; at most 16,384 bytes."""
        record: np.void = np.frombuffer(self._memory, layout, 1, 8 * _HEAD)[0]
        return record

    def write(self, samples: np.ndarray) -> int:
        """Write as many of the samples (n,) as there is room for; returns their number."""
        count = min(len(samples), self.capacity - self.filled)
        start = self.written % self.capacity
        first = min(count, self.capacity - start)
        self._samples[start : start + first] = samples[:first]
        self._samples[: count - first] = samples[first:count]
        self.written += count
        return count

    def read(self, count: int) -> np.ndarray:
        """The next samples, float32: `count`, or as many as there are."""
        count = min(count, self.filled)
        start = self.taken % self.capacity
        first = min(count, self.capacity - start)
        out = np.concatenate([self._samples[start : start + first], self._samples[: count - first]])
        self.taken += count
        return out

    def close(self) -> None:
        """Free the memory."""
        if self._open:
            self._open = False
            del self.counters, self._samples
            with contextlib.suppress(BufferError):  # a view still exists; the memory is freed with it
                self._memory.close()
            self._opened.close()


class Feed:
    """Reads a ring for a sound device: always full blocks, and no click where samples are missing.

    Missing samples are replaced by a decay from the last sample; the sound after a gap fades in.
    """

    def __init__(self, ring: Ring, sample_rate: int) -> None:
        self._ring = ring
        self._decay = np.exp(-1.0 / (0.0008 * sample_rate))
        self._rise = np.sin(0.5 * np.pi * (np.arange(round(0.003 * sample_rate)) + 1) / round(0.003 * sample_rate)) ** 2
        self._last, self._risen = 0.0, len(self._rise)

    def fill(self, out: np.ndarray) -> None:
        """Write the next samples into `out` (n,), float32."""
        if not self._ring.running:
            out[:] = 0.0
            return
        samples = self._ring.read(len(out))
        count = len(samples)
        if self._risen < len(self._rise):
            rise = self._rise[self._risen : self._risen + count]
            samples[: len(rise)] *= rise
            self._risen += len(rise)
        out[:count] = samples
        if count:
            self._last = float(samples[-1])
        if count < len(out):
            out[count:] = self._last * self._decay ** np.arange(1, len(out) - count + 1)
            self._last, self._risen = float(out[-1]), 0
            if not self._ring.closing:
                self._ring.underruns += 1

    @property
    def ended(self) -> bool:
        """Whether everything has been read and writing has ended."""
        return bool(self._ring.closing) and self._ring.filled == 0
