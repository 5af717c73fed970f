"""`Worker`: runs heavy jobs in a process, one at a time, each with a time limit."""

import asyncio
import contextlib
import multiprocessing
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from timbre.errors import TimbreError
from timbre.space import load

_MAX_WAITING = 8  # jobs
_END_TIMEOUT = 1.0  # s
_START_TIMEOUT = 120.0  # s to load the space


class Busy(Exception):
    """Too many jobs are waiting, or a job took too long."""


class Told(NamedTuple):
    """What a job tells before it ends."""

    value: Any


class Worker:
    """A process that holds the space of a folder and does one job at a time.

    A job that takes too long is ended together with its process; the next job gets a new process. So a file that hangs
    a decoder, or a very long render, cannot keep the page from playing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._thread, self._waiting = ThreadPoolExecutor(1, "timbre worker"), 0
        self._process: Any = None
        self._pipe: Connection | None = None
        self._start()

    async def do(
        self, job: Callable[..., Any], *values: Any, limit: float = 30.0, told: Callable[[Any], None] | None = None
    ) -> Any:
        """The result of ``job(space, *values)``, where job, values and result can be pickled, and errors of the job.

        A job that reports its progress gets ``tell`` as well, a function that calls `told` in this process, in another
        thread.

        Raises:
            Busy: eight jobs are waiting already, or the job took longer than its limit (s).
        """
        if self._waiting >= _MAX_WAITING:
            raise Busy("The server is busy; wait a moment and try again.")
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._thread.submit(self._run, job, values, limit, told))
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """End the process, and its job with :class:`Busy`."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process and its job."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end(_END_TIMEOUT)

    def _end(self, timeout: float = 0.0) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.join(timeout)
            process.kill()
            process.join()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._pipe, other_end = context.Pipe()
        self._process = context.Process(target=_work, args=(other_end, self.folder), name="timbre worker", daemon=True)
        with ctrl_c_held():
            self._process.start()
        other_end.close()
        self._ready = False
        return self._pipe

    def _run(
        self, job: Callable[..., Any], values: tuple[Any, ...], limit: float, told: Callable[[Any], None] | None
    ) -> Any:
        pipe = self._pipe or self._start()
        try:
            if not self._ready and not (pipe.poll(_START_TIMEOUT) and pipe.recv()):
                raise EOFError
            self._ready = True
            pipe.send((job, values, told is not None))
            end = time.monotonic() + limit
            while True:
                if not pipe.poll(max(end - time.monotonic(), 0.0)):
                    self._end()
                    raise Busy(f"The job took more than {limit:g} s and was stopped; ask for less, or try again.")
                answer = pipe.recv()
                if told is None or not isinstance(answer, Told):
                    break
                told(answer.value)
            result, error = answer
        except (EOFError, OSError) as fault:
            self._end()
            raise Busy("The worker process has stopped; try again.") from fault
        if error is not None:
            raise error
        return result


@contextlib.contextmanager
def ctrl_c_held() -> Iterator[None]:
    """Keeps Ctrl-C from this thread, and from what it starts: processes while Python loads, and threads for good.

    Every thread that runs beside a start must have been started so, or the system gives it the signal instead.
    """
    resource_tracker.ensure_running()  # its start would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, folder: Path) -> None:
    """The process: loads the space, then does jobs until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server handles Ctrl-C
    tqdm.set_lock(threading.RLock())  # its own lock would outlive a process that is killed
    torch.set_num_threads(1)  # the other cores are for the player
    try:
        space = load(folder)
        pipe.send(True)
        while True:
            job, values, tells = pipe.recv()
            more = {"tell": lambda value: pipe.send(Told(value))} if tells else {}
            pipe.send(_attempt(job, space, values, more))
    except (EOFError, OSError):
        return


def _attempt(
    job: Callable[..., Any], space: Any, values: tuple[Any, ...], more: dict[str, Any]
) -> tuple[Any, Exception | None]:
    """Result and error of a job; one of them is None."""
    try:
        return job(space, *values, **more), None
    except TimbreError as error:
        return None, error
    except Exception as error:  # noqa: BLE001, the process goes on, and the server's log has the trace
        traceback.print_exc()
        return None, RuntimeError(str(error))
