"""A lock-free ring of samples in memory that two processes share, one that writes and one that reads.

Each side moves its own counter, after the samples are in place; neither ever waits for the other. The counters only
grow, so that their difference is what lies in the ring. (Written for processors that keep the order of writes, or that
an interpreter slows enough: a counter follows its samples by hundreds of instructions.)
"""

import contextlib
import mmap
import os
import tempfile
from pathlib import Path

import numpy as np

_HEAD = 16  # counters
_FACTS = 2304  # numbers that the writer tells
_WRITTEN, _READ, _UNDERRUNS, _STALLS, _RUNNING, _CLOSING = range(6)


class Ring:
    """The ring; see the module.

    Args:
        capacity: samples that it holds.
        file: of a ring that is there already, to attach to; a new one by default.

    Attributes:
        file: what the memory is called, for the other process.
        facts: numbers (2304,) that the writer may set and the reader may see.
    """

    def __init__(self, capacity: int = 0, file: str | os.PathLike[str] | None = None) -> None:
        size = 8 * (_HEAD + _FACTS)
        self._owner, self._open = file is None, True
        if file is None:
            memory = Path("/dev/shm")  # held in memory; a file on a disk may stall while it is written back
            folder = memory if os.access(memory, os.W_OK) else None
            handle, name = tempfile.mkstemp(prefix="timbre-", suffix=".ring", dir=folder)
            os.ftruncate(handle, size + 4 * capacity)
        else:
            name = os.fspath(file)
            handle = os.open(name, os.O_RDWR)
        self.file = Path(name)
        self._memory = mmap.mmap(handle, 0)
        os.close(handle)
        self._head = np.frombuffer(self._memory, np.int64, _HEAD)
        self.facts = np.frombuffer(self._memory, np.float64, _FACTS, 8 * _HEAD)
        self._samples = np.frombuffer(self._memory, np.float32, -1, size)
        self._head[0] += 0  # the first touch of a page takes longest

    @property
    def capacity(self) -> int:
        """Samples that it holds."""
        return len(self._samples)

    @property
    def filled(self) -> int:
        """Samples that wait to be read."""
        return int(self._head[_WRITTEN] - self._head[_READ])

    @property
    def read_count(self) -> int:
        """Samples that were read so far."""
        return int(self._head[_READ])

    @property
    def underruns(self) -> int:
        """How often the reader found less than it needed."""
        return int(self._head[_UNDERRUNS])

    @property
    def stalls(self) -> int:
        """How often the reader itself came too late, which no more samples would have cured."""
        return int(self._head[_STALLS])

    @property
    def running(self) -> bool:
        """Whether reading has begun; the writer's decision."""
        return bool(self._head[_RUNNING])

    @running.setter
    def running(self, value: bool) -> None:
        self._head[_RUNNING] = value

    @property
    def closing(self) -> bool:
        """Whether nothing more will be written."""
        return bool(self._head[_CLOSING])

    @closing.setter
    def closing(self, value: bool) -> None:
        self._head[_CLOSING] = value

    def write(self, samples: np.ndarray) -> int:
        """Write samples (n,) as far as there is room; how many that were."""
        count = min(len(samples), self.capacity - self.filled)
        place = int(self._head[_WRITTEN]) % self.capacity
        first = min(count, self.capacity - place)
        self._samples[place : place + first] = samples[:first]
        self._samples[: count - first] = samples[first:count]
        self._head[_WRITTEN] += count
        return count

    def read(self, count: int) -> np.ndarray:
        """Up to `count` samples, float32: as many as are there."""
        count = min(count, self.filled)
        place = int(self._head[_READ]) % self.capacity
        first = min(count, self.capacity - place)
        out = np.concatenate([self._samples[place : place + first], self._samples[: count - first]])
        self._head[_READ] += count
        return out

    def missed(self) -> None:
        """Count an underrun; the reader's."""
        self._head[_UNDERRUNS] += 1

    def stalled(self) -> None:
        """Count a stall; the reader's."""
        self._head[_STALLS] += 1

    def forget(self) -> None:
        """Take the name away, once all have attached that will: then nothing is left behind, whatever happens."""
        if self._owner:
            with contextlib.suppress(OSError):  # a system that keeps names in use lets it go at the end
                self.file.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the memory back."""
        if not self._open:
            return
        self._open = False
        del self._head, self.facts, self._samples
        with contextlib.suppress(BufferError):  # somebody still holds a view of it; it goes with that
            self._memory.close()
        self.forget()


class Feed:
    """The reading end of a ring as a device needs it: always a full block, and no click where samples are missing.

    What is missing is replaced by a decay from the last sample, and what comes after begins softly.

    Args:
        ring: to read from.
        sample_rate: Hz.
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
            missing = len(out) - count
            out[count:] = self._last * self._decay ** np.arange(1, missing + 1)
            self._last, self._risen = float(out[-1]), 0
            if not self._ring.closing:
                self._ring.missed()

    @property
    def ended(self) -> bool:
        """Whether all has been read that ever will be."""
        return self._ring.closing and self._ring.filled == 0
