"""Heavy work in a process of its own: one job at a time, each with a time limit."""

import asyncio
import multiprocessing
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from timbre.errors import TimbreError

_WAITING = 8  # jobs that may wait for their turn
_GRACE = 1.0  # s to leave by itself
_START = 120.0  # s that the process may take to load the space


class Busy(Exception):
    """There is too much to do, or one job took too long."""


class Worker:
    """A process that holds a space and does one job after the other.

    A job that takes too long is ended together with the process; the next one gets a new process. So a file that a
    decoder chokes on, or a very long render, cannot keep the page from playing.

    Args:
        folder: of the space.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._thread, self._waiting = ThreadPoolExecutor(1, "timbre worker"), 0
        self._process: Any = None
        self._pipe: Connection | None = None
        self._start()

    async def do(self, job: Callable[..., Any], *values: Any, limit: float = 30.0) -> Any:
        """What ``job(space, *values)`` returns; both have to be such that a process can send them to another.

        Args:
            job: a function of a module.
            values: what it takes after the space.
            limit: s.

        Raises:
            Busy: if eight jobs wait already, or it takes longer than its limit.
            TimbreError: which the job raised.
        """
        if self._waiting >= _WAITING:
            raise Busy("There is much to do already; wait a moment and try again.")
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._thread.submit(self._done, job, values, limit))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the process; what it was doing is given up."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end(_GRACE)

    def _end(self, grace: float = 0.0) -> None:
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.join(grace)
            process.kill()
            process.join()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self.folder), name="timbre worker", daemon=True)
        self._process.start()
        theirs.close()
        self._ready = False
        return self._pipe

    def _done(self, job: Callable[..., Any], values: tuple[Any, ...], limit: float) -> Any:
        pipe = self._pipe or self._start()
        try:
            if not self._ready and not (pipe.poll(_START) and pipe.recv()):
                raise EOFError
            self._ready = True
            pipe.send((job, values))
            if not pipe.poll(limit):
                self._end()
                raise Busy(f"That took more than {limit:g} s and was given up; ask for less, or try again.")
            result, error = pipe.recv()
        except (EOFError, OSError) as fault:
            self._end()
            raise Busy("The process that does the work has ended; try again.") from fault
        if error is not None:
            raise error
        return result


def _work(pipe: Connection, folder: Path) -> None:
    """The process: load the space, then do jobs until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's
    import torch
    from tqdm import tqdm

    import timbre

    tqdm.set_lock(threading.RLock())  # its own lock would outlive a process that is killed
    torch.set_num_threads(1)  # the other cores are the player's
    try:
        space = timbre.load(folder)
        pipe.send(True)
        while True:
            job, values = pipe.recv()
            pipe.send(_tried(job, space, values))
    except (EOFError, OSError):
        return


def _tried(job: Callable[..., Any], space: Any, values: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return job(space, *values), None
    except TimbreError as error:
        return None, error
    except Exception as error:  # noqa: BLE001, the process lives on, and the server's log has the trace
        traceback.print_exc()
        return None, RuntimeError(str(error))
