"""A static page in headless Chromium, from a plain static server, and what crosses the wire."""

import gzip
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[tuple[Page, list[str]]]:
    """The page of a folder, once it is ready, and the addresses that it has fetched."""
    with _served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(**settings)
        fetched: list[str] = []
        page.on("requestfinished", lambda request: fetched.append(request.url))
        page.on("pageerror", lambda error: print(f"the page: {error}"))
        page.goto(address)
        page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        yield page, fetched
        browser.close()


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    words = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().rsplit("(", 1)[1].split(")")[0]
        finally:
            server.terminate()


def on_the_wire(folder: Path, fetched: list[str]) -> int:
    """Bytes of the files that a page has fetched, each once, gzipped."""
    names = {address.split("/", 3)[3].split("?")[0] or "index.html" for address in fetched}
    files = (folder / name for name in names)
    return sum(len(gzip.compress(file.read_bytes(), mtime=0)) for file in files if file.is_file())


def worker_seconds() -> float:
    """Processor time of the workers of this program's browser so far, s; NaN where the system does not tell it."""
    if not Path("/proc/self/task").exists():
        return math.nan
    ticks, parents = 0, {int(file.parent.name): int(_fields(file)[1]) for file in Path("/proc").glob("[0-9]*/stat")}
    for process in (one for one in parents if _is_below(one, parents)):
        for name in Path(f"/proc/{process}/task").glob("*/comm"):
            with suppress(OSError):
                if name.read_text().startswith("DedicatedWorker"):
                    fields = _fields(name.with_name("stat"))
                    ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _fields(stat: Path) -> list[str]:
    """What follows the name of a process or thread in its file stat; zeros for one that has ended."""
    try:
        return stat.read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ["0"] * 50


def _is_below(process: int, parents: dict[int, int]) -> bool:
    while process > 1 and process != os.getpid():
        process = parents.get(process, 0)
    return process == os.getpid()
