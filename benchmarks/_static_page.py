"""A static page in headless Chromium, from a plain static server, and what crosses the wire."""

import functools
import gzip
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *words: Any) -> None:
        """Say nothing."""


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[tuple[Page, list[str]]]:
    """The page of a folder, once it is ready, and the addresses that it has fetched."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(**settings)
        fetched: list[str] = []
        page.on("requestfinished", lambda request: fetched.append(request.url))
        page.on("pageerror", lambda error: print(f"the page: {error}"))
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        try:
            yield page, fetched
        finally:
            browser.close()
            server.shutdown()


def on_the_wire(folder: Path, fetched: list[str]) -> int:
    """Bytes of the files that a page has fetched, each once, gzipped."""
    names = {address.split("/", 3)[3].split("?")[0] or "index.html" for address in fetched}
    files = (folder / name for name in names)
    return sum(len(gzip.compress(file.read_bytes(), mtime=0)) for file in files if file.is_file())
