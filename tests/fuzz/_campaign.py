"""Runs targets in processes that are watched: an input that fails, hangs, crashes or takes too much memory is kept."""

import contextlib
import faulthandler
import gc
import hashlib
import mmap
import os
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz._target import Target
from timbre.errors import TimbreError
from timbre.wording import printable

SLOWEST = 10.0  # s for an input
LARGEST = 2 << 30  # bytes that an input may add to the process
_PATIENCE = 3  # a machine with other work gets this many times longer before an input counts as hanging
_RECORD = struct.Struct("<qqqqdddd")  # number, tried, refused, accepted, begun, slowest ms, grown MB, ended
_RECYCLE = 20_000  # inputs of a process


@dataclass
class Failure:
    """An input that failed, and why."""

    target: str
    number: int
    reason: str
    data: bytes
    trace: str = ""

    @property
    def name(self) -> str:
        """Name of the file that keeps the input."""
        return f"{self.target}-{hashlib.sha256(self.data).hexdigest()[:12]}"

    @property
    def kind(self) -> str:
        """Failures of one kind have one cause."""
        first = re.sub(r"[0-9]+|0x[0-9a-f]+|['\"].*", "#", self.reason.splitlines()[0][:60])
        return f"{self.target}: {first} ({self.trace})"


@dataclass
class Outcome:
    """What became of a target's inputs."""

    target: str
    tried: int = 0
    refused: int = 0
    accepted: int = 0
    failures: int = 0
    slowest: float = 0.0  # ms
    largest: float = 0.0  # MB that the process grew by
    seconds: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)


def attempt(target: Target, data: bytes, place: Path) -> bool:
    """Try an input in an empty folder: whether it is accepted; anything but a TimbreError of one line gets through."""
    try:
        target.run(data, place)
        return True
    except TimbreError as error:
        text = str(error)
    assert text.strip(), "the error is empty"
    assert text == printable(text), f"the error is not one printable line: {text[:300]!r}"
    assert len(text) <= 1000, f"the error is long: {text[:100]!r}"
    return False


def where(error: BaseException) -> str:
    """The last line of timbre, and the last of all, in an error's trace."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/timbre/" in frame.filename]
    shown = [*own[-1:], *frames[-1:]]
    return " < ".join(dict.fromkeys(f"{'/'.join(Path(f.filename).parts[-3:])}:{f.lineno}" for f in shown[::-1]))


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one; timbre's cache is in it too."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="timbre-fuzz-", dir=memory if os.access(memory, os.W_OK) else None) as name:
        before, os.environ["TIMBRE_CACHE"] = os.environ.get("TIMBRE_CACHE", ""), f"{name}/cache"
        try:
            yield Path(name)
        finally:
            os.environ["TIMBRE_CACHE"] = before


def emptied(place: Path) -> Path:
    """The folder, empty."""
    for entry in os.scandir(place):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
    return place


class Campaign:
    """Tries inputs of a target in `jobs` processes until a count or a time (s) is reached."""

    def __init__(self, seed: int, jobs: int, kept: Path, place: Path) -> None:
        self.seed, self.jobs, self.kept, self.place = seed, jobs, kept, place

    def run(self, target: Target, count: int | None, seconds: float | None) -> tuple[Outcome, list[Failure]]:
        """The outcome, and the first failure of each kind."""
        if target.prepare:
            target.prepare()
        begun, outcome, failures = time.monotonic(), Outcome(target.name), dict[str, Failure]()
        workers = [_Worker(self, target, job, count, begun + seconds if seconds else None) for job in range(self.jobs)]
        while any(worker.alive for worker in workers):
            time.sleep(0.02)
            for worker in workers:
                for failure in worker.look():
                    outcome.kinds[failure.kind] = outcome.kinds.get(failure.kind, 0) + 1
                    if failure.kind not in failures and len(failures) < 100:
                        failures[failure.kind] = failure
                        self._keep(failure)
        for worker in workers:
            _, tried, refused, accepted, _, slowest, grown, _ = worker.record
            outcome.tried, outcome.refused = outcome.tried + tried, outcome.refused + refused
            outcome.accepted = outcome.accepted + accepted
            outcome.slowest, outcome.largest = max(outcome.slowest, slowest), max(outcome.largest, grown)
        outcome.failures, outcome.seconds = sum(outcome.kinds.values()), time.monotonic() - begun
        return outcome, list(failures.values())

    def _keep(self, failure: Failure) -> None:
        self.kept.mkdir(parents=True, exist_ok=True)
        (self.kept / failure.name).write_bytes(failure.data)
        (self.kept / f"{failure.name}.txt").write_text(
            f"{failure.reason}\n{failure.trace}\n", encoding="utf-8", errors="replace"
        )


class _Worker:
    """A process that tries every `jobs`-th input; a new one takes the place of one that crashed or was ended."""

    def __init__(self, campaign: Campaign, target: Target, job: int, count: int | None, until: float | None) -> None:
        self.campaign, self.target, self.count, self.until = campaign, target, count, until
        self.memory = mmap.mmap(-1, 4096)
        self.next, self.alive, self.pid, self.pipe = job, True, 0, -1
        self._put((job, 0, 0, 0, 0.0, 0.0, 0.0, 0.0))
        self._rest = b""
        self._start()

    @property
    def record(self) -> tuple[Any, ...]:
        return _RECORD.unpack_from(self.memory)

    def _put(self, values: tuple[Any, ...]) -> None:
        _RECORD.pack_into(self.memory, 0, *values)

    def look(self) -> list[Failure]:
        """The failures since the last look; restarts the process if it has ended early."""
        failures = self._read()
        if not self.alive:
            return failures
        number, _, _, _, begun, _, _, ended = self.record
        done, status = os.waitpid(self.pid, os.WNOHANG)
        if done:
            failures += self._read()
            os.close(self.pipe)
            if not ended:
                failures.append(self._failure(number, f"the process ended by {_cause(status)}"))
            self._go_on(number + self.campaign.jobs * (not ended), ended)
        elif begun and time.monotonic() - begun > SLOWEST * _PATIENCE:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.pipe)
            failures.append(self._failure(number, f"takes more than {SLOWEST:g} s"))
            self._go_on(number + self.campaign.jobs, 0.0)
        return failures

    def _failure(self, number: int, reason: str) -> Failure:
        return Failure(self.target.name, number, reason, self.target.input(self.campaign.seed, number))

    def _go_on(self, number: int, ended: float) -> None:
        if ended == 1.0:
            self.alive = False
            return
        values = list(self.record)
        values[0], values[1], values[4], values[7] = number, values[1] + (not ended), 0.0, 0.0
        self._put(tuple(values))
        self._start()

    def _read(self) -> list[Failure]:
        with contextlib.suppress(BlockingIOError, OSError):
            while content := os.read(self.pipe, 1 << 16):
                self._rest += content
        *lines, self._rest = self._rest.split(b"\0")
        failures = []
        for line in lines:
            number, reason, trace = line.decode("utf-8", "replace").split("\1")
            failure = self._failure(int(number), reason)
            failure.trace = trace
            failures.append(failure)
        return failures

    def _start(self) -> None:
        self.pipe, other = os.pipe()
        os.set_blocking(self.pipe, False)
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid:
            os.close(other)
            return
        code = 1
        try:
            self._work(other)
            code = 0
        except BaseException:  # noqa: BLE001  (the process must not go on as its parent)
            traceback.print_exc()
        finally:
            os._exit(code)

    def _work(self, out: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        place = Path(tempfile.mkdtemp(dir=self.campaign.place))
        os.environ["TIMBRE_CACHE"] = str(place / "cache")
        quiet()
        inputs = place / "input"
        inputs.mkdir()
        number, tried, refused, accepted, _, slowest, grown, _ = self.record
        base, recycled = _resident(), tried + _RECYCLE
        limit_memory()
        while not self._finished(number):
            if tried >= recycled:
                self._put((number, tried, refused, accepted, 0.0, slowest, grown, 2.0))
                return
            begun = time.monotonic()
            self._put((number, tried, refused, accepted, begun, slowest, grown, 0.0))
            data, before = self.target.input(self.campaign.seed, number), time.process_time()
            try:
                if attempt(self.target, data, inputs):
                    accepted += 1
                else:
                    refused += 1
                if (taken := time.process_time() - before) > SLOWEST:
                    raise AssertionError(f"takes {SLOWEST:g} s of the processor or more")
            except BaseException as error:  # noqa: BLE001  (that is what is looked for)
                taken = time.process_time() - before
                reason = f"{type(error).__name__}: {str(error)[:400]}".replace("\0", "\\0").replace("\1", "\\1")
                os.write(out, f"{number}\1{reason}\1{where(error)}\0".encode("utf-8", "replace"))
            tried, slowest = tried + 1, max(slowest, 1000.0 * taken)
            grown = max(grown, (_resident() - base) / 2**20)
            number += self.campaign.jobs
            emptied(inputs)
            if tried % 500 == 0:
                gc.collect()
        self._put((number, tried, refused, accepted, 0.0, slowest, grown, 1.0))

    def _finished(self, number: int) -> bool:
        return (self.count is not None and number >= self.count) or (
            self.until is not None and time.monotonic() >= self.until
        )


def quiet() -> None:
    """What inputs make libraries print goes nowhere, warnings of numbers are failures, and scans take one thread."""
    os.cpu_count = lambda: 1
    faulthandler.disable()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", RuntimeWarning)


def limit_memory() -> None:
    """Allow the process :data:`LARGEST` bytes more than it has now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + LARGEST, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _resident() -> float:
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _cause(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"the signal {signal.Signals(-code).name}" if code < 0 else f"the exit status {code}"
