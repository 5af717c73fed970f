"""`Exports`: the exports of the page, one at a time, each in a process of its own."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timbre.app import jobs
from timbre.app.worker import Busy, Worker
from timbre.errors import TimbreError
from timbre.files import temporary
from timbre.shapes.presets import Preset

FAILED = "The server had an internal error; its terminal shows the details."
_LIMIT = 3600.0  # s
_KEPT = 900.0  # s that a file waits to be fetched


@dataclass
class Export:
    """An export, as the page shows it."""

    name: str
    format: str
    state: str = "running"  # then "done" or "failed"
    done: int = 0
    steps: int = 0
    left: float | None = None  # s, estimated
    size: int = 0  # bytes; while it runs, estimated
    notice: str = ""
    error: str = ""
    file: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """It as values that JSON can hold; of the file its name."""
        return {**vars(self), "file": self.file.name if self.file else None}


class Exports:
    """The newest export of the page, if there is one.

    It does not use the worker of the page, which would be busy for minutes. The file stays until it has been fetched,
    another export begins, it is cleared, the server ends, or a quarter of an hour has passed.
    """

    def __init__(self, make_worker: Callable[[], Worker]) -> None:
        self.newest: Export | None = None
        self._make_worker = make_worker
        self._worker: Worker | None = None
        self._cancelled = False
        self._folder: Path | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, name: str, source: Preset | list[Preset] | None, form: str, settings: dict[str, Any]) -> Export:
        """Begin to export a point or path, presets, or the space; raises `Busy` while another export runs."""
        if self.newest is not None and self.newest.state == "running":
            raise Busy("An export is running; wait for it to end, or cancel it.")
        self._remove()
        self._worker, self._cancelled = None, False
        self._folder = temporary(Path(tempfile.gettempdir()))
        self._folder.mkdir(mode=0o700)
        self.newest = Export(name, form)
        self._task = asyncio.create_task(self._run(self.newest, (name, source, form, settings, self._folder)))
        return self.newest

    async def _run(self, export: Export, values: tuple[Any, ...]) -> None:
        begun = 0.0

        def told(values: dict[str, Any]) -> None:
            nonlocal begun
            vars(export).update(values)
            if not export.done:  # it is planned
                begun = time.monotonic()
            else:
                export.left = (time.monotonic() - begun) / export.done * (export.steps - export.done)

        worker = self._worker = await asyncio.to_thread(self._make_worker)
        try:
            if self._cancelled:  # while the process was started
                worker.stop()
            result = await worker.do(jobs.export, *values, limit=_LIMIT, told=told)
            vars(export).update(result, state="done")
            self._timer = asyncio.get_running_loop().call_later(_KEPT, self._remove)
        except (TimbreError, Busy) as error:
            vars(export).update(state="failed", error=str(error))
        except RuntimeError:  # its trace is in the terminal
            vars(export).update(state="failed", error=FAILED)
        finally:
            await asyncio.to_thread(worker.close)
            if export.state != "done":
                self._remove()

    async def clear(self) -> None:
        """End the export that runs, and remove its file."""
        if self._task is not None and not self._task.done():
            self._cancelled = True
            if self._worker is not None:
                self._worker.stop()
            await self._task
        self._remove()
        self.newest = None

    def fetched(self, export: Export) -> None:
        """Remove the file of an export, which the page has, if it is still the newest."""
        if self.newest is export:
            self._remove()
            self.newest = None

    def close(self) -> None:
        """End the export that runs, and remove its file, when the server ends."""
        if self._worker is not None:
            self._worker.close()
        self._remove()

    def _remove(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._timer = self._folder = None
        if self.newest is not None:
            self.newest.file = None
