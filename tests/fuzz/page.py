"""The page's socket and addresses, called as a web server calls them."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import numpy as np

from fuzz import _mutations as mutations
from fuzz._target import packed, target, unpacked
from fuzz._tiny import NOTES, RATE, sound, space_files, tiny_space
from fuzz.messages import an_engine, checked, plays_on
from timbre.app.exports import Exports
from timbre.app.guard import Hosts
from timbre.app.live import Client
from timbre.app.routes import AppState
from timbre.app.server import make_site
from timbre.errors import ConfigError, TimbreError
from timbre.playback.engine.engine import Engine


class _Source:
    """An engine in this process as the source of the page's sound."""

    def __init__(self, engine: Engine) -> None:
        self.sample_rate, self.ring, self.engine = engine.sample_rate, self, engine

    def read(self, count: int) -> np.ndarray:
        return np.zeros(0, np.float32) if count > RATE else self.engine.render(min(count, 64))

    def check(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


class _Near:
    """Does the worker's jobs in this process."""

    async def do(self, job: Callable[..., Any], *values: Any, limit: float = 30.0, told: Any = None) -> Any:
        if job.__name__ == "heat":
            return {}  # takes half a second
        if job.__name__ == "export":
            raise ConfigError("Exports take too long here.")
        if "duration" in job.__code__.co_varnames:
            values = (*values[:-1], min(values[-1], 0.2))
        return job(tiny_space(), *values)

    def stop(self) -> None:
        pass

    close = stop


def _site(place: Path) -> tuple[Any, Engine]:
    """The web application for a folder with a space and its recordings, and its engine."""
    (place / "space").mkdir()
    (place / "space/config.json").write_bytes(space_files()["config.json"])
    (place / "notes").mkdir()
    (place / f"notes/{NOTES[0]}.wav").write_bytes(sound())
    engine = an_engine()
    client = Client(engine, _Source(engine))  # type: ignore[arg-type]
    near = _Near()
    exports = Exports(lambda: near)  # type: ignore[arg-type, return-value]
    state = AppState(tiny_space(), place / "space", place / "notes", client, near, exports)  # type: ignore[arg-type]
    return make_site(state, Hosts("127.0.0.1", 80)), engine


_HEADERS = [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1")]
_SENT: list[dict[str, Any]] = [
    {"do": "credit", "played": 0, "ahead": 512}, {"do": "note_on", "key": "a", "pitch": 60, "velocity": 0.8},
    {"do": "note_off", "key": "a"}, {"do": "at", "point": [0.5, 0.5], "glide": 0.1}, {"do": "hold", "seconds": 0.5},
    {"do": "path", "path": {"points": [[0, 0], [1, 1]], "times": [0, 1], "kind": "line"}, "duration": 1, "loop": True},
    {"do": "panic"}, {"do": "gain", "decibels": -6},
    {"do": "express", "key": "a", "values": {"bend": 1.5, "gain": -3, "0": 0.5}},
    {"do": "note_on", "key": "b", "pitch": 60, "velocity": 0.8, "values": {"1": 0.5, "towards:a": 1}},
]  # fmt: skip


def _socket(random: Random) -> bytes:
    """Messages of the page; the first letter says whether one is text or binary."""
    sent = {}
    for number in range(random.randrange(1, 6)):
        message = random.choice(_SENT)
        text = mutations.some_json(random, message) if random.random() < 0.7 else json.dumps(message).encode()
        sent[f"{random.choice('tttttb')}{number}"] = text[: 1 << 20]
    return packed(sent)


async def _converse(site: Any, scope: dict[str, Any], received: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an application answers to a list of events."""
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not received:
            await asyncio.sleep(3600)
        await asyncio.sleep(0)
        return received.pop(0)

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)
        await asyncio.sleep(0)

    await asyncio.wait_for(site(scope, receive, send), 20)
    return answers


@target("page-socket", _socket, "timbre.app.live:Client.serve", "timbre.files:parse_json", file=False)
def _talk(data: bytes, place: Path) -> None:
    site, engine = _site(place)
    received: list[dict[str, Any]] = [{"type": "websocket.connect"}]
    for kind, content in unpacked(data).items():
        own = {"bytes": content} if kind[0] == "b" else {"text": content.decode("utf-8", "replace")}
        received.append({"type": "websocket.receive", **own})
    received.append({"type": "websocket.disconnect", "code": 1001})
    scope = {"type": "websocket", "path": "/live", "raw_path": b"/live", "query_string": b"", "headers": _HEADERS,
             "scheme": "ws", "subprotocols": [], "extensions": {}}  # fmt: skip
    answers = asyncio.run(_converse(site, scope, received))
    assert answers[0]["type"] == "websocket.accept"
    for answer in answers:
        if answer.get("text"):
            json.loads(answer["text"], parse_constant=lambda name: 1 / 0)
        assert answer.get("code") in (None, 1000), f"the socket was closed: {answer}"
    checked(engine, 40)
    plays_on(engine)


_GET = {
    "/api/plane": {"axes": "0,1"}, "/api/nearest": {"z": "0.5,0.5"}, "/api/heat": {"axes": "0,1", "pitch": "60"},
    "/api/draw": {"near": "0.5,0.5"}, "/api/axes": {"z": "0.5,0.5", "pitch": "60", "axis": "brightness", "value": "1"},
    "/api/sound": {"z": "0,0", "pitch": "60", "velocity": "0.8", "duration": "0.1"}, "/api/space": {}, "/": {},
    "/api/original": {"name": NOTES[0]}, "/api/presets": {}, "/static/page.js": {},
    "/api/export": {}, "/api/export/file": {},
}  # fmt: skip
_PATH = {"points": [[0, 0], [1, 1]], "times": [0, 1], "kind": "line"}
_BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/render"): {"path": _PATH, "pitch": 60, "velocity": 0.5, "duration": 0.1},
    ("POST", "/api/path"): {"path": _PATH},
    ("POST", "/api/export"): {"format": "sfz", "name": "c", "path": _PATH},
    ("PUT", "/api/presets"): {"name": "c", "path": _PATH, "duration": 1, "loop": False},
}


def _request(random: Random) -> bytes:
    """A request: a line of JSON with method, path, query and headers, and its body."""
    body, query = b"", {}
    if random.random() < 0.5:
        method, path = "GET", random.choice(list(_GET))
        query = dict(_GET[path])
    elif random.random() < 0.6:
        method, path = random.choice(list(_BODIES))
        body = mutations.some_json(random, _BODIES[method, path])
    elif random.random() < 0.7:
        method, path, query = "POST", "/api/place", {"name": "x.wav"}
        body = mutations.some_bytes(random, sound())
    else:
        method, path, query = "DELETE", "/api/presets", {"name": "c"}
    for _ in range(random.choice((0, 1, 1, 2))):
        keys = [*query, *random.sample(["z", "pitch", "axes", "name", "x"], 1)]
        query[random.choice(keys)] = str(
            random.choice((*mutations.TEXTS, *mutations.NUMBERS, "0,0,0", "brightness,1", "none", ","))
        )
    if random.random() < 0.1:
        method, path = (
            random.choice(("GET", "PUT", "HEAD", "OPTIONS", "TRACE", "X")),
            random.choice((path, "/api/x", "//", "/static/../x")),
        )
    headers = {"content-length": random.choice(("-1", "x", str(2**40), "0"))} if random.random() < 0.05 else {}
    text = "&".join(
        f"{quote(k.encode('utf-8', 'replace'))}={quote(v.encode('utf-8', 'replace'))}" for k, v in query.items()
    )
    return packed({"head": json.dumps([method, path, text, headers]).encode(), "body": body})


@target(
    "page-request", _request, *(f"timbre.app.routes:Routes.{name}" for name in (
        "index", "space", "plane", "heat", "nearest", "sound", "original", "place", "render", "path", "presets",
        "save_preset",
        "delete_preset",
    )), file=False,
)  # fmt: skip
def _ask(data: bytes, place: Path) -> None:
    parts = unpacked(data)
    method, path, query, headers = json.loads(parts["head"])
    site, _ = _site(place)
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": [*_HEADERS, *((key.encode(), value.encode()) for key, value in headers.items())],
        "scheme": "http", "http_version": "1.1", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
    }  # fmt: skip
    answers = asyncio.run(_converse(site, scope, [{"type": "http.request", "body": parts["body"], "more_body": False}]))
    status = answers[0]["status"]
    content = b"".join(answer.get("body", b"") for answer in answers[1:])
    if status >= 400 and method != "HEAD" and path.startswith("/api"):
        refusal = json.loads(content)["error"]
        assert refusal.isprintable(), refusal
    assert status < 500 or status == 503, f"status {status}"
    if dict(answers[0]["headers"]).get(b"content-type") == b"application/json":
        json.loads(content, parse_constant=lambda name: 1 / 0)
    if status >= 400:
        raise TimbreError(f"status {status}")
