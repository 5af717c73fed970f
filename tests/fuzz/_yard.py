"""Where `scripts/kill` runs commands: processes that are killed, small disks, and what must be equal afterwards."""

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from timbre.errors import TimbreError

_PATIENCE = 120.0  # s for a run
_TIMED = re.compile(r"minutes|per_s\b|_per_s$|seconds")  # names of figures that differ between runs
_FILE_EVENTS = (
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "shutil.rmtree",
    "sqlite3.connect",
    "os.truncate",
)


@dataclass
class Job:
    """A command: prepares a folder, works in it, and says what must be equal afterwards."""

    name: str
    work: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda _: None
    check: Callable[[Path], object] = lambda _: None  # after a kill, before the command runs again


class Yard:
    """Where a command runs: a folder for its results, one for the cache, and one for temporary files."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("out", "cache", "tmp"):
            (place / name).mkdir(parents=True)

    def fork(self, job: Job, limit: int | None = None, event: int | None = None) -> tuple[int, int]:
        """The number of a process that runs the command, and a pipe that speaks when it begins, and then of errors."""
        out, into = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            os.close(into)
            return pid, out
        code = 1
        try:
            os.setsid()
            os.environ["TIMBRE_CACHE"] = str(self.place / "cache")
            tempfile.tempdir = os.environ["TMPDIR"] = str(self.place / "tmp")
            null = os.open(os.devnull, os.O_RDWR)
            for stream, file in enumerate((null, null, into)):
                os.dup2(file, stream)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115  (until the process ends)
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            count = _counting(event)
            os.write(into, b"!")
            job.work(self.place / "out")
            print(f"\0{count()}", file=sys.stderr)
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        except TimbreError as error:
            print(f"timbre: {error}", file=sys.stderr)
        except BaseException:  # noqa: BLE001  (the process must not go on as its parent)
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(code)

    def to_end(self, job: Job, limit: int | None = None) -> tuple[int, str, float]:
        """The status of a run that nobody kills, what it printed on stderr, and how long it took."""
        pid, pipe = self.fork(job, limit)
        begun, text = time.monotonic(), b""
        while content := os.read(pipe, 1 << 16):
            text += content
            if time.monotonic() - begun > _PATIENCE:
                os.killpg(pid, signal.SIGKILL)
        os.close(pipe)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), text.decode("utf-8", "replace")[1:], time.monotonic() - begun

    def killed(self, job: Job, after: float | None, event: int | None) -> bool:
        """Run the command and kill it after a time (s) or at a file operation; whether it was still running."""
        pid, pipe = self.fork(job, event=event)
        os.read(pipe, 1)
        if after is not None:
            time.sleep(after)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(pipe)
        return os.waitstatus_to_exitcode(status) == -signal.SIGKILL

    def contents(self) -> dict[str, str]:
        """Digests of all files, of what must be equal after every run; empty for those that may differ."""
        found = {}
        for path in sorted(self.place.rglob("*")):
            name = path.relative_to(self.place).as_posix()
            if "/logs/" not in name:  # TensorBoard's, a file for every start
                found[name] = _digest(path) if path.is_file() else "folder"
        return found


def _counting(event: int | None) -> Callable[[], int]:
    """Count the file operations of this process, and let it kill itself at one of them."""
    done = [0]

    def hear(name: str, _: object) -> None:
        if name in _FILE_EVENTS:
            done[0] += 1
            if done[0] == event:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    return lambda: done[0]


def _digest(path: Path) -> str:
    """A digest of a file without what differs between any two runs: times, and how long something took."""
    data = path.read_bytes()
    if path.suffix == ".sqlite":
        with contextlib.closing(sqlite3.connect(path)) as base:
            names = [row[0] for row in base.execute("select name from sqlite_master where type = 'table'")]
            data = repr([base.execute(f"select * from {name} order by 1").fetchall() for name in names]).encode()
    elif path.suffix == ".json":
        data = json.dumps(_timeless(json.loads(data)), sort_keys=True).encode()
    elif path.name == "README.md":
        data = re.sub(rb"\| \w*(minutes|per_s) \|.*", b"", data)
    elif path.name == "state.pt":
        state = torch.load(path, weights_only=True)  # noqa: TID251  (as timbre loads it)
        data = repr(_timeless({key: value for key, value in state.items() if key != "elapsed"})).encode()
    return hashlib.sha256(data).hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        skipped = ("changed", "self_sha256", "README.md")
        return {key: _timeless(own) for key, own in value.items() if key not in skipped and not _TIMED.search(str(key))}
    return [_timeless(own) for own in value] if isinstance(value, list) else value


@contextlib.contextmanager
def small_disk(place: Path, size: int) -> Iterator[bool]:
    """A file system of some bytes at a folder; false where none can be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={max(4096, size)}", "tmpfs", str(place)]
    mounted = (
        shutil.which("mount") is not None and subprocess.run(words, capture_output=True, check=False).returncode == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
