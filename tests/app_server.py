"""What the tests of the page share: a small space that really plays, and a server that really listens."""

import contextlib
import io
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

import timbre
from timbre.app.exports import Exports
from timbre.app.guard import Hosts
from timbre.app.live import Client
from timbre.app.routes import AppState
from timbre.app.server import listen, make_server, make_site
from timbre.app.worker import Worker
from timbre.errors import DeviceError
from timbre.playback.engine.engine import Engine

ROOT = Path(__file__).parents[1]
RATE = 22050


class Near:
    """An engine in this process, as a source of samples: reading makes it render."""

    def __init__(self, engine: Engine) -> None:
        self.sample_rate, self.ring, self._engine, self.dry = engine.sample_rate, self, engine, False

    def read(self, count: int) -> np.ndarray:
        return np.zeros(0, np.float32) if count > RATE or self.dry else self._engine.render(count)

    def check(self) -> None:
        if self.dry:
            raise DeviceError("The player has ended.")


@pytest.fixture(scope="module")
def folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small space in a folder of its own, which gets presets."""
    return Path(shutil.copytree(tiny_folder, tmp_path_factory.mktemp("app") / "tiny"))


@pytest.fixture(scope="module")
def state(folder: Path) -> Iterator[AppState]:
    space = timbre.load(folder)
    engine = Engine(space)
    worker = Worker(folder)
    exports = Exports(lambda: Worker(folder))
    yield AppState(space, folder, ROOT / "datasets" / "orchestra", Client(engine, Near(engine)), worker, exports)
    exports.close()
    worker.close()


@contextlib.contextmanager
def serving(state: AppState) -> Iterator[httpx.Client]:
    """A client of a server that really listens."""
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        server = make_server(make_site(state, Hosts("127.0.0.1", port)))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def client(state: AppState) -> Iterator[httpx.Client]:
    with serving(state) as client:
        yield client


def own(client: httpx.Client) -> str:
    """The origin of a server's own page."""
    return str(client.base_url).rstrip("/")


def refused(answer: Any, status: int = 400) -> str:
    """The one sentence of a refusal."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    sentence = str(answer.json()["error"])
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


def middle(state: AppState) -> str:
    return ",".join(map(str, state.space.atlas.points[0].tolist()))


def sound(content: bytes) -> timbre.Audio:
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return timbre.Audio(samples.T, rate)
