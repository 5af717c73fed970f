"""Live sound of the page over its socket, and what may not disturb it: odd messages, slow and half-open requests."""

# ruff: noqa: F811  (fixtures that are imported)
import contextlib
import json
import os
import signal
import socket
import time
from typing import Any

import httpx
import numpy as np
import pytest
from app_server import RATE, ROOT, Near, client, folder, own, refused, serving, state  # noqa: F401
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from timbre.app.live import _COMMANDS, MAX_MESSAGE, TAKEN, Client
from timbre.app.routes import AppState
from timbre.playback.engine.engine import Engine
from timbre.playback.player import Player


def cents_off(samples: np.ndarray, frequency: float) -> float:
    """By how much a sound's harmonics are sharp of those of a frequency."""
    padded = 1 << 18
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), padded))
    cents = np.arange(-100.0, 100.5, 0.5)
    harmonics = frequency * 2 ** (cents / 1200) * np.arange(1, 9)[:, None]
    comb = np.interp(harmonics, np.fft.rfftfreq(padded, 1 / RATE), spectrum).sum(0)
    return float(cents[comb.argmax()])


def listened(page: ClientConnection, count: int) -> np.ndarray:
    """The next samples of the page's socket, `count` or more; its other messages are left out."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < count:
        message = page.recv(30)
        if isinstance(message, bytes):
            parts.append(np.frombuffer(message, "<f4"))
    return np.concatenate(parts)


def told(page: ClientConnection, kind: str) -> Any:
    """The next message of a kind."""
    while True:
        message = page.recv(30)
        if isinstance(message, str) and kind in json.loads(message):
            return json.loads(message)[kind]


def live(client: httpx.Client) -> ClientConnection:
    return connect(own(client).replace("http", "ws") + "/live", origin=own(client))


def send(page: ClientConnection, do: str, **values: Any) -> None:
    page.send(json.dumps({"do": do, **values}))


def test_a_note_over_the_socket_has_its_pitch(client: httpx.Client, state: AppState):
    with live(client) as page:
        assert told(page, "hello") == {"sample_rate": RATE}
        send(page, "at", point=state.space.atlas.points[0].tolist())
        send(page, "note_on", key="map", pitch=69, velocity=0.8)
        send(page, "credit", played=0, ahead=RATE)
        samples = listened(page, RATE)
        assert len(samples) == RATE
        assert cents_off(samples[RATE // 4 :], 440) == pytest.approx(0, abs=5)
        assert told(page, "state")["notes"] == [69.0]


def test_no_more_is_sent_than_the_page_asked_for(client: httpx.Client):
    with live(client) as page:
        played = 0
        for step in range(1, 20):
            send(page, "credit", played=played, ahead=1000)
            played += len(listened(page, 1 if step > 1 else 1000))
            assert played <= 1000 * step
        send(page, "credit", played=0, ahead=10**9)
        assert len(listened(page, RATE - played)) <= RATE  # a second ahead, at most


def test_nothing_sounds_on_once_the_page_is_gone(client: httpx.Client, state: AppState):
    with live(client) as page:
        send(page, "note_on", key="a", pitch=60, velocity=1)
        send(page, "credit", played=0, ahead=4000)
        listened(page, 4000)
    assert isinstance(state.client.controls, Engine)
    end = time.monotonic() + 20
    while state.client.controls.render(RATE).any():  # the server hears of it a moment later
        assert time.monotonic() < end


def test_a_path_and_its_end_go_over_the_socket(client: httpx.Client, state: AppState):
    a, b = state.space.atlas.points[:2].tolist()
    with live(client) as page:
        send(page, "hold", seconds=0.2)
        send(page, "path", path={"points": [a, b], "times": [0, 1]}, duration=0.1, loop=False)
        send(page, "credit", played=0, ahead=8000)
        listened(page, 8000)
        send(page, "path", path=None)
        send(page, "hold", seconds=None)
        send(page, "note_off", key="none")
        send(page, "panic")
        np.testing.assert_allclose(told(page, "state")["point"], b, atol=0.05)


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", "null", '{"do": "exec"}', '{"do": "__init__"}', '{"do": "note_on"}', '{"do": "panic", "x": 1}',
     '{"do": "at", "point": [1]}', '{"do": "at", "point": [1, 2, NaN]}', '{"do": "hold", "seconds": -1}',
     '{"do": "note_on", "key": "a", "pitch": 500, "velocity": 1}', '{"do": "note_off", "key": 3}', '{"do": ["at"]}',
     '{"do": "path", "path": {"points": [[1, 2]], "times": [0]}}', '{"do": "gain", "decibels": 99}',
     '{"do": "express", "key": "a", "values": {"bend": 97}}', '{"do": "express", "key": "a", "values": {"7": 1}}',
     '{"do": "express", "key": "a", "values": {"towards:x": 1}}', '{"do": "express", "key": "a", "values": [1]}',
     '{"do": "note_on", "key": "a", "pitch": 60, "velocity": 1, "values": {"no": 1}}'],
)  # fmt: skip
def test_garbage_over_the_socket_is_answered_by_a_sentence(client: httpx.Client, message: str):
    with live(client) as page:
        page.send(message)
        assert told(page, "error").count("\n") == 0
        send(page, "credit", played=0, ahead=100)
        assert len(listened(page, 100)) == 100


@pytest.mark.parametrize(
    ("host", "origin", "site"),
    [
        ("127.0.0.1", None, None),
        ("127.0.0.1", "http://evil.example", None),
        ("127.0.0.1", "null", None),
        ("127.0.0.1", "http://localhost:PORT", None),
        ("evil.example", "http://evil.example:PORT", None),
        ("127.0.0.1", "http://127.0.0.1:PORT", "cross-site"),
    ],
)
def test_a_socket_of_another_page_is_refused(client: httpx.Client, host: str, origin: str | None, site: str | None):
    port = client.base_url.port
    named: Any = origin and origin.replace("PORT", str(port))
    headers = {"Sec-Fetch-Site": site} if site else {}
    wire = socket.create_connection(("127.0.0.1", port or 0))
    with pytest.raises(InvalidStatus) as answer:
        connect(f"ws://{host}:{port}/live", origin=named, additional_headers=headers, sock=wire)
    assert answer.value.response.status_code == 403


def test_a_second_page_takes_over_and_the_first_is_told(client: httpx.Client):
    with live(client) as first:
        told(first, "hello")
        with live(client) as second:
            told(second, "hello")
            with pytest.raises(ConnectionClosed) as left:
                told(first, "nothing")
            assert left.value.rcvd is not None
            assert left.value.rcvd.code == TAKEN
            assert "Another page" in left.value.rcvd.reason
            send(second, "credit", played=0, ahead=300)
            assert len(listened(second, 300)) == 300


def test_a_player_that_died_ends_the_socket_with_its_sentence(state: AppState):
    source = Near(Engine(state.space))
    source.dry = True
    playing = Client(Engine(state.space), source)
    with (
        serving(AppState(state.space, state.folder, None, playing, state.worker, state.exports)) as client,
        live(client) as page,
    ):
        send(page, "credit", played=0, ahead=300)
        with pytest.raises(ConnectionClosed, match=r"The player has ended\."):
            told(page, "nothing")


def test_binary_and_long_messages_are_answered_and_the_socket_stays(client: httpx.Client):
    with live(client) as page:
        odd: list[str | bytes] = [
            b"", b"\0\xff" * 99, b'{"do": "panic"}', "x" * (MAX_MESSAGE + 1), " " * (2 * MAX_MESSAGE), "[" * 100_000,
            "[" * 900 + "]" * 900, '{"do":' * 90_000, "9" * 9000, "\0", "NaN", "1e999", '"\\ud800"',
            '{"do": "panic", "do": "panic"}', '{"do": "\\ud800"}', '{"do": "credit", "played": []}',
            '{"do": "note_off", "key": ' + "[" * 800 + "]" * 800 + "}",
            '{"do": "at", "point": [1e39, 0, 0]}', '{"do": "at", "point": [1e400, 0, 0]}',
            '{"do": "note_on", "key": "' + "k" * 201 + '", "pitch": 60, "velocity": 1}',
        ]  # fmt: skip
        for message in odd:
            page.send(message)
            sentence = told(page, "error")
            assert 0 < len(sentence) <= 1000
            assert "\n" not in sentence
            assert "internal" not in sentence
        send(page, "credit", played=0, ahead=100)
        assert len(listened(page, 100)) == 100


def test_a_fault_in_one_message_is_answered_and_the_socket_stays(
    client: httpx.Client, state: AppState, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setitem(_COMMANDS, "hold", broken)
    with live(client) as page:
        send(page, "hold", seconds=1)
        assert "internal error" in told(page, "error")
        send(page, "credit", played=0, ahead=100)
        assert len(listened(page, 100)) == 100
    assert "secret" in capfd.readouterr().err


def test_a_page_hears_of_an_engine_that_was_started_again_and_plays_on(state: AppState):
    with Player(state.space, output="ring") as player:
        playing = AppState(state.space, state.folder, None, Client(player, player), state.worker, state.exports)
        with serving(playing) as client, live(client) as page:
            send(page, "note_on", key="a", pitch=60, velocity=1)
            send(page, "credit", played=0, ahead=RATE)
            told(page, "state")
            os.kill(player.pid, signal.SIGKILL)
            assert "was started again" in told(page, "error")
            while told(page, "state")["notes"] != [60.0]:
                send(page, "credit", played=10**9, ahead=RATE)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x", b"POST /api/place?name=a HTTP/1.1\r\nContent-Le"])
def test_half_open_requests_do_not_keep_the_page_from_others(client: httpx.Client, begun: bytes):
    port = client.base_url.port or 0
    with contextlib.ExitStack() as opened:
        for _ in range(300):  # more than the server takes
            half_open = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            with contextlib.suppress(OSError):
                half_open.sendall(begun)
        assert client.get("/").status_code == 200
        with live(client) as page:
            assert told(page, "hello")


def test_a_header_that_does_not_come_is_given_up(client: httpx.Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("timbre.app.connections._HEADER_TIMEOUT", 0.1)
    for begun in (b"", b"GET / HT", b"GET /static/main.js HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\nGET / HT"):
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20) as wire:
            wire.sendall(begun.replace(b"%d", str(client.base_url.port).encode()))
            with contextlib.suppress(ConnectionError):
                while wire.recv(1 << 16):
                    pass


def test_uploads_that_do_not_come_do_not_keep_the_page_from_others(client: httpx.Client):
    port = client.base_url.port or 0
    head = f"POST /api/place?name=a HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 9\r\n\r\n".encode()
    slow = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(40)]
    for one in slow:
        one.sendall(head)
    assert client.get("/").status_code == 200
    assert b"503" in slow[-1].recv(100)
    for one in slow:
        one.close()
    end = time.monotonic() + 20
    while (answer := client.post("/api/render", json={})).status_code == 503 and time.monotonic() < end:
        time.sleep(0.05)
    refused(answer)
