"""The page's server: every address on a small space that really plays, and everything that it refuses."""

# ruff: noqa: F811  (fixtures that are imported)
import base64
import http.client
import io
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from app_server import RATE, ROOT, client, folder, middle, own, refused, serving, sound, state  # noqa: F401

import timbre
from timbre.__main__ import main
from timbre.app.guard import Hosts
from timbre.app.routes import AppState
from timbre.app.server import listen
from timbre.app.worker import Busy
from timbre.errors import ConfigError, DeviceError
from timbre.page import STATIC
from timbre.shapes.path_files import read_path


def test_the_page_and_its_parts_are_there_and_closed_to_others(client: httpx.Client):
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in page.headers
    assert "style=" not in page.text
    assert "//" not in page.text
    for file in STATIC.rglob("*.js"):
        part = client.get(f"/static/{file.relative_to(STATIC)}")
        assert part.headers["content-type"].startswith("text/javascript")
        assert "http" not in part.text


def test_no_way_leads_out_of_the_static_folder(client: httpx.Client):
    for path in (
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static//etc/passwd",
        "/etc/passwd",
    ):
        refused(client.get(path), 404)
    refused(client.post("/"), 405)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:PORT"}, 200),
        ({"host": "[::1]:PORT"}, 200),
        ({"host": "evil.example:PORT"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": "127.0.0.1:PORT@evil.example"}, 403),
        ({"host": "localhost.evil.example:PORT"}, 403),
        ({"origin": "http://127.0.0.1:PORT"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:PORT"}, 403),
        ({"origin": "https://127.0.0.1:PORT"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_only_the_own_page_may_ask(client: httpx.Client, headers: dict[str, str], status: int):
    port = str(client.base_url.port)
    answer = client.get("/api/presets", headers={name: value.replace("PORT", port) for name, value in headers.items()})
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_link_from_elsewhere_opens_the_page_and_nothing_else(client: httpx.Client):
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/api/space", headers=link).status_code == 403


def test_hosts_of_a_server_that_is_bound_to_all_addresses_are_numbers_and_its_own_name():
    hosts = Hosts("0.0.0.0", 80)
    assert all(name in hosts for name in ("192.168.0.7", "192.168.0.7:80", "[fe80::1]", socket.gethostname()))
    assert not any(
        name in hosts for name in ("evil.example", "1.2.3.4.evil.example", "192.168.0.7:81", "", "a b", "[", 7)
    )
    assert "192.168.0.7:9" in Hosts("192.168.0.7", 9)
    assert "192.168.0.8:9" not in Hosts("192.168.0.7", 9)


def test_the_space_as_the_page_sees_it(client: httpx.Client, state: AppState):
    found = client.get("/api/space").json()
    points = np.frombuffer(base64.b64decode(found["points"]), "<f4").reshape(-1, found["dim"])
    np.testing.assert_array_equal(points, state.space.atlas.points)
    assert found["notes"] == list(state.space.atlas.names)
    assert (found["dim"], found["sample_rate"], found["count"]) == (3, RATE, len(points))
    assert found["can"] == {
        "heat": True,
        "place": True,
        "export": True,
        "save": True,
        "originals": True,
        "views": found["can"]["views"],
    }


def test_an_address_of_another_space_is_refused(client: httpx.Client, state: AppState):
    own = state.space.identity.to_dict()
    assert client.get("/api/space").json()["identity"] == own
    assert client.get("/api/address", params=own).json() == {}
    assert client.get("/api/address", params={"dim": 3}).json() == {}
    told = refused(client.get("/api/address", params=own | {"name": "x,y", "digest": "0" * 12, "sample_rate": 44100}))
    assert told.startswith(
        f"The address was made with x,y (44,100 Hz, 3 dimensions), and this is {state.space.identity}; "
    )
    assert "was made with a space (16 dimensions)" in refused(client.get("/api/address", params={"dim": 16}))
    for wrong in ({"dim": "x"}, {"dim": 0}, {"dim": 1e30}, own | {"digest": "x"}, own | {"sample_rate": "nan"}):
        refused(client.get("/api/address", params=wrong))


def test_a_plane_leads_there_and_back(client: httpx.Client, state: AppState):
    for axes in ("", "z0,z2", "pca", "heard", "families"):
        found = client.get("/api/plane", params={"axes": axes}).json()
        origin, directions, readout = (np.array(found[name]) for name in ("origin", "directions", "readout"))
        np.testing.assert_allclose(readout @ directions.T, np.eye(2), atol=1e-9)
        seen = (state.space.atlas.points - origin) @ readout.T
        assert (seen >= np.array(found["extent"])[:, 0]).all()
        assert (seen <= np.array(found["extent"])[:, 1]).all()
    refused(client.get("/api/plane?axes=z0,z0"))
    refused(client.get("/api/plane?axes=z0,wind"))
    refused(client.get("/api/plane?plain=z0"))


def test_a_view_has_a_position_for_each_note_where_its_package_is_installed(
    client: httpx.Client, state: AppState, monkeypatch: pytest.MonkeyPatch
):
    from timbre.app import routes
    from timbre.maps.embedding import embed

    monkeypatch.setattr(routes, "_views", lambda: ["tsne"])  # UMAP takes a minute to begin
    assert client.get("/api/space").json()["can"]["views"] == ["tsne"]
    found = client.get("/api/view", params={"name": "tsne"}).json()
    positions = np.frombuffer(base64.b64decode(found["positions"]), "<f4").reshape(-1, 2)
    np.testing.assert_allclose(positions, embed(state.space.hearing.at_middle_c, "tsne"), rtol=1e-5)
    low, high = np.array(found["extent"]).T
    assert ((low < positions) & (positions < high)).all()
    assert client.get("/api/view", params={"name": "tsne"}).json() == found
    assert "must be umap" in refused(client.get("/api/view", params={"name": "pca"}))
    monkeypatch.undo()
    monkeypatch.setattr(routes, "find_spec", lambda _: None)
    assert client.get("/api/space").json()["can"]["views"] == []
    assert "pip install umap-learn" in refused(client.get("/api/view", params={"name": "umap"}))


def test_heat_is_what_the_map_says_and_is_made_once(client: httpx.Client, state: AppState):
    from timbre.maps.maps import topology
    from timbre.maps.planes import plane

    first = client.get("/api/heat", params={"pitch": 60}).json()
    begun = time.perf_counter()
    assert client.get("/api/heat", params={"pitch": 60}).json() == first
    assert time.perf_counter() - begun < 60  # else the second one would have run into the job's own limit
    wanted = topology(state.space, plane(state.space), ["centroid"], 40, 60, progress=False)
    got = np.array(first["maps"]["centroid"]["values"])
    np.testing.assert_allclose(got, np.log2(wanted.values["centroid"]), atol=1e-3)
    assert first["maps"]["centroid"]["unit"] == "Hz"
    refused(client.get("/api/heat?pitch=high"))
    refused(client.get("/api/heat?pitch=900"))


def test_nearest_are_those_of_the_atlas(client: httpx.Client, state: AppState):
    found = client.get("/api/nearest", params={"z": middle(state)}).json()
    names = [state.space.atlas.names[n] for n in state.space.nearest(state.space.atlas.points[0]).indices]
    assert [note["name"] for note in found] == names
    assert found[0]["dissimilarity"] == 0
    for z in ("", "1,2", "1,2,nan", "1,2,x", "1,2,1e999", ",".join(["0"] * 5000)):
        refused(client.get("/api/nearest", params={"z": z}))


def test_the_values_of_a_point_on_the_axes(client: httpx.Client, state: AppState):
    point = [float(value) for value in middle(state).split(",")]
    found = client.get("/api/axes", params={"z": middle(state)}).json()
    assert found == {"point": pytest.approx(point), "values": []}
    assert "it has no named axes" in refused(client.get("/api/axes", params={"z": middle(state), "axis": "warmth"}))
    for wrong in ({"z": "1,2"}, {"z": middle(state), "pitch": "high"}, {"z": middle(state), "value": "nan"}):
        refused(client.get("/api/axes", params=wrong))


def test_a_random_point_is_drawn_anywhere_or_near_a_point(client: httpx.Client, state: AppState):
    far = ",".join(["1000"] * state.space.dim)
    points = {place: client.get("/api/draw", params=place and {"near": place}).json()["point"] for place in ("", far)}
    assert all(len(point) == state.space.dim for point in points.values())
    assert max(np.abs(points[""])) < 100 < min(points[far])
    assert client.get("/api/draw").json()["point"] != points[""]
    for wrong in ({"near": "1,2"}, {"near": "1,2,x"}, {"near": "1,2,1e9"}, {"x": 1}):
        refused(client.get("/api/draw", params=wrong))


def test_a_place_sounds_as_the_space_decodes_it(client: httpx.Client, state: AppState):
    answer = client.get("/api/sound", params={"z": middle(state), "pitch": 69, "duration": 0.5})
    wanted = state.space.decode(state.space.atlas.points[0], 69, duration=0.5)
    np.testing.assert_allclose(sound(answer.content).samples, wanted.samples, atol=2e-4)
    assert answer.headers["content-type"] == "audio/wav"
    for wrong in ({"pitch": 400}, {"velocity": 2}, {"duration": 1e6}, {"duration": "nan"}, {"pitch": "a"}, {"x": 1}):
        refused(client.get("/api/sound", params={"z": middle(state), **wrong}))


def test_an_original_is_the_note_of_the_library(client: httpx.Client, state: AppState):
    atlas = state.space.atlas
    answer = client.get("/api/original", params={"name": atlas.names[3]})
    wanted = timbre.read(ROOT / "datasets" / "orchestra" / atlas.files[3], mono=True)
    np.testing.assert_allclose(sound(answer.content).samples, wanted.samples, atol=1e-4)
    for name in ("../../pyproject.toml", "/etc/passwd", "", "nobody"):
        refused(client.get("/api/original", params={"name": name}))


def test_an_atlas_that_points_out_of_the_folder_gets_nothing(state: AppState, tmp_path: Path):
    from dataclasses import replace

    library = tmp_path / "library"
    library.mkdir()
    (tmp_path / "secret.wav").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (library / "link.wav").symlink_to(tmp_path / "secret.wav")
    atlas = state.space.atlas.take(np.arange(4))
    files = ("../secret.wav", str(tmp_path / "secret.wav"), "link.wav", "missing.wav")
    space = timbre.load(state.folder)
    space.atlas = replace(atlas, files=files)
    for notes in (library, None):
        with serving(replace(state, space=space, notes=notes)) as client:
            for name in atlas.names:
                refused(client.get("/api/original", params={"name": name}), 404)


def wav_of(samples: np.ndarray, rate: int) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format="WAV", subtype="PCM_16")
    return target.getvalue()


def tone(rate: int, seconds: float = 0.6) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return np.asarray(0.2 * sum(np.sin(2 * np.pi * 440 * n * time) / n for n in range(1, 6)) * np.exp(-2 * time))


def test_an_upload_is_placed_and_leaves_nothing_behind(client: httpx.Client, state: AppState, leavings: Path):
    stereo = np.stack([tone(96000), 0.5 * tone(96000)], 1)
    found = client.post("/api/place", params={"name": "my tone.wav"}, content=wav_of(stereo, 96000)).json()
    assert found["name"] == "my tone.wav"
    assert found["pitch_midi"] == pytest.approx(69, abs=0.1)
    assert len(found["point"]) == state.space.dim
    near = state.space.nearest(np.array(found["point"]), pitch=found["pitch_midi"])
    assert [note["name"] for note in found["neighbours"]] == [state.space.atlas.names[n] for n in near.indices]
    assert isinstance(found["out_of_distribution"], bool)
    assert not list(leavings.iterdir())


@pytest.fixture
def leavings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go during a test."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_uploads_that_are_no_notes_are_refused_and_leave_nothing_behind(client: httpx.Client, leavings: Path):
    def ask(content: Any, **values: Any) -> Any:
        return client.post("/api/place", params={"name": "mine.wav", **values}, content=content)

    assert "mine.wav" in refused(ask(b"this is a text and no sound" * 50))
    refused(ask(b""))
    assert "silen" in refused(ask(wav_of(np.zeros(RATE), RATE)))
    refused(ask(wav_of(tone(RATE)[:100], RATE)))
    refused(ask(wav_of(tone(RATE), RATE), pitch="high"))
    refused(client.post("/api/place", content=wav_of(tone(RATE), RATE)))
    assert "60 s" in refused(ask(wav_of(np.zeros(61 * 8000), 8000)), 413)
    assert not list(leavings.iterdir())


def test_uploads_that_are_too_large_are_broken_off_as_they_come(client: httpx.Client, leavings: Path):
    sent = 0

    def endless() -> Iterator[bytes]:  # without a length, so that it must be counted
        nonlocal sent
        for _ in range(64):
            sent += 1 << 20
            yield b"\0" * (1 << 20)

    assert "20 MiB" in refused(client.post("/api/place", params={"name": "a.wav"}, content=endless()), 413)
    raw = http.client.HTTPConnection("127.0.0.1", client.base_url.port, timeout=30)
    raw.putrequest("POST", "/api/place?name=a.wav")
    raw.putheader("Content-Length", str(30 << 20))
    raw.endheaders()  # nothing follows: the stated length is enough
    assert raw.getresponse().status == 413
    raw.close()
    refused(client.post("/api/render", content=b" " * ((1 << 20) + 1)), 413)
    assert not list(leavings.iterdir())


def test_a_path_becomes_a_sound_and_a_file(client: httpx.Client, state: AppState, tmp_path: Path):
    ends = state.space.atlas.points[:2].astype(float)
    way = {"points": ends.tolist(), "times": [0, 1], "kind": "line"}
    answer = client.post("/api/render", json={"path": way, "pitch": 69, "duration": 0.6})
    wanted = timbre.render(state.space, state.space.path(*ends), 69, duration=0.6)
    np.testing.assert_allclose(sound(answer.content).samples, wanted.samples, atol=2e-4)
    (tmp_path / "path.json").write_bytes(client.post("/api/path", json={"path": way}).content)
    np.testing.assert_array_equal(read_path(tmp_path / "path.json", state.space).points, ends)


GARBAGE = [
    b"", b"{", b"[]", b"null", b"7", b'"path"', b'{"path": null}', b"[" * 100_000, b"\xff\xfe", b'{"path": {}}',
    b'{"path": {"points": [[0, 0, NaN]], "times": [0]}}', b'{"path": {"points": [[0, 0, 1e999]], "times": [0]}}',
    b'{"path": {"points": [[0, 0]], "times": [0]}}', b'{"path": {"points": [[0, 0, true]], "times": [0]}}',
    b'{"path": {"points": [[0, 0, 0], [1, 1]], "times": [0, 1]}}',
    b'{"path": {"points": [[0, 0, 0]], "times": [0, 1]}}',
    b'{"path": {"points": [[0, 0, 0]], "times": [2]}}', b'{"path": {"points": [[0, 0, 0]], "times": [0], "kind": "x"}}',
    b'{"path": {"points": [[0, 0, 0]], "times": [0]}, "more": 1}', b'{"path": {"points": [], "times": []}}',
    b'{"path": {"points": [["a", 0, 0]], "times": [0]}}', b'{"path": {"points": {"0": 1}, "times": [0]}}',
]  # fmt: skip


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused_in_a_sentence(client: httpx.Client, body: bytes):
    for method, address in (("POST", "/api/render"), ("POST", "/api/path"), ("PUT", "/api/presets")):
        refused(client.request(method, address, content=body))


def test_presets_are_kept_with_the_space_and_removed(client: httpx.Client, state: AppState):
    from timbre.shapes.presets import read_presets

    place = {"points": [state.space.atlas.points[0].tolist()], "times": [0]}
    kept = client.put("/api/presets", json={"name": "here", "path": place}).json()
    assert [preset["name"] for preset in kept] == ["here"]
    way = {"points": state.space.atlas.points[:3].tolist(), "times": [0, 0.5, 1], "kind": "spline"}
    client.put("/api/presets", json={"name": "there", "path": way, "duration": 2, "loop": True})
    mine = read_presets(state.folder, state.space)
    assert list(mine) == ["here", "there"]
    assert (mine["there"].path.kind, mine["there"].duration, mine["there"].loop) == ("spline", 2.0, True)
    assert client.get("/api/presets").json()[1]["points"] == way["points"]
    assert list(state.client.controls.presets) == ["here", "there"]
    for wrong in (
        {"name": ""},
        {"name": "a\nb"},
        {"name": "x", "duration": 1e9},
        {"name": "x", "loop": 1},
        {"name": 3},
    ):
        refused(client.put("/api/presets", json={"path": place, **wrong}))
    refused(client.delete("/api/presets", params={"name": "nowhere"}))
    assert client.delete("/api/presets", params={"name": "here"}).json()[0]["name"] == "there"
    assert list(read_presets(state.folder, state.space)) == ["there"]


def test_a_job_that_takes_too_long_is_given_up_and_the_next_one_works(state: AppState):
    import asyncio

    from timbre.app import jobs

    worker = state.worker

    async def jobs_in_turn() -> bytes:
        with pytest.raises(Busy, match=r"0\.05 s"):
            await worker.do(jobs.heat, (), 60.0, limit=0.05)
        return bytes(await worker.do(jobs.decode, np.zeros(3), 60.0, 0.8, 0.5))

    assert sound(asyncio.run(jobs_in_turn())).duration == 0.5

    async def crowd() -> list[Any]:
        jobs_ = [worker.do(jobs.decode, np.zeros(3), 60.0, 0.8, 0.2) for _ in range(12)]
        return await asyncio.gather(*jobs_, return_exceptions=True)

    assert sum(isinstance(result, Busy) for result in asyncio.run(crowd())) == 4


def test_faults_of_the_server_are_not_told_to_the_page(
    client: httpx.Client, state: AppState, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(type(state.space), "check_point", broken)
    assert "secret" not in refused(client.get("/api/nearest?z=0,0,0"), 500)


def test_an_address_in_use_and_one_of_another_machine_are_named():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DeviceError, match=f"127.0.0.1:{port} .*--port"):
            listen("127.0.0.1", port)
    with pytest.raises(DeviceError, match=r"no.such.host.invalid"):
        listen("no.such.host.invalid", 0)
    with pytest.raises(DeviceError):
        listen("192.0.2.1", 0)
    with pytest.raises(ConfigError, match="70000"):
        listen("127.0.0.1", 70000)


def test_the_command_refuses_in_one_sentence_and_spoils_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    assert main(["app", "missing", "--host", "0.0.0.0", "--port", "0", "--no-open"]) == 1
    warning, sentence = capsys.readouterr().err.splitlines()
    assert "warning: anyone who reaches 0.0.0.0" in warning
    assert "There is no folder and no space called missing" in sentence
    assert main(["app", ".", "--notes", "library", "--no-open"]) == 1
    assert capsys.readouterr().err == "timbre: There is no folder library; give --notes the folder of the library.\n"
    assert main(["app", ".", "--port", "ten"]) == 2
    assert main(["--version"]) == 0  # the command is called as the command line's own object is


def test_a_missing_package_is_named():
    code = "import sys; sys.modules['starlette'] = None; from timbre.__main__ import main; main(['app', 'orchestra'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == (
        "timbre: The page needs the packages starlette, uvicorn and websockets:"
        " pip install starlette uvicorn websockets.\n"
    )
