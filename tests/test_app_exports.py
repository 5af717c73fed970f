"""Exports of the page: progress, one file that is removed when it has been fetched, one at a time, and refusals."""

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from app_server import client, folder, refused, state  # noqa: F401  (fixtures)

import timbre
from timbre.app import exports as module
from timbre.app import jobs
from timbre.app.exports import Export, Exports
from timbre.app.routes import AppState
from timbre.app.worker import Busy, Worker
from timbre.audio.wavetables import read_wavetable
from timbre.errors import ConfigError
from timbre.exporting.formats import FORMATS, Format
from timbre.exporting.request import ExportPlan, Request
from timbre.shapes.presets import Preset


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, which must be empty at the end."""
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


@pytest.fixture
def clean(client: httpx.Client, place: Path) -> Iterator[None]:  # noqa: F811
    yield
    client.delete("/api/export")
    assert not list(place.iterdir())


def wanted(state: AppState, form: str = "wavetable", name: str = "my sound") -> dict[str, Any]:  # noqa: F811
    points = state.space.atlas.points[:2].tolist()
    return {"format": form, "name": name, "path": {"points": points, "times": [0.0, 1.0]}}


def ended(client: httpx.Client) -> dict[str, Any]:  # noqa: F811
    """The export when it has ended."""
    seen = []
    while (export := client.get("/api/export").json()["export"])["state"] == "running":
        seen.append((export["done"], export["steps"]))
        time.sleep(0.05)
    assert seen == sorted(seen)
    return dict(export)


def test_a_path_becomes_a_file_that_is_removed_when_it_has_been_fetched(client, state, place, clean, tmp_path_factory):  # noqa: F811
    begun = client.post("/api/export", json=wanted(state))
    assert begun.json()["state"] == "running", begun.text
    export = ended(client)
    assert (export["state"], export["file"], export["done"], export["steps"]) == ("done", "my_sound.wav", 1, 1)
    assert "noise" in export["notice"]
    answer = client.get("/api/export/file")
    assert answer.headers["content-disposition"] == 'attachment; filename="my_sound.wav"'
    assert len(answer.content) == export["size"]
    file = tmp_path_factory.mktemp("got") / "got.wav"
    file.write_bytes(answer.content)
    assert read_wavetable(file).shape == (64, 2048)
    end = time.monotonic() + 10
    while list(place.iterdir()):  # after the last byte was sent
        assert time.monotonic() < end
    assert refused(client.get("/api/export/file"), 404).startswith("There is no export to download")
    assert client.get("/api/export").json()["export"] is None


def test_a_preset_is_exported_by_its_name(client, state, clean):  # noqa: F811
    point = state.space.atlas.points[0]
    client.put("/api/presets", json={"name": "p:q", "path": {"points": [point.tolist()], "times": [0.0]}})
    assert client.post("/api/export", json={"format": "wt", "name": "p:q"}).status_code == 200
    assert ended(client)["file"] == "p_q.wt"
    assert client.get("/api/export/file").content[:4] == b"vawt"


def test_the_formats_are_those_of_the_command(client, clean):  # noqa: F811
    formats = client.get("/api/export").json()["formats"]
    assert [one["name"] for one in formats] == list(FORMATS)
    assert "keys" in formats[0]["settings"]


def test_settings_reach_the_format_that_uses_them(client, state, place, clean):  # noqa: F811
    settings = {"keys": "C4:D4", "step": "2", "layers": 1, "frames": 2}
    assert client.post("/api/export", json=wanted(state, "sfz") | {"settings": settings}).status_code == 200
    export = ended(client)
    assert (export["state"], export["left"]) == ("done", 0.0), export
    with zipfile.ZipFile(io.BytesIO(client.get("/api/export/file").content)) as archive:
        text = archive.read("my_sound/my_sound.sfz").decode()
    assert set(re.findall(r"pitch_keycenter=(\d+)", text)) == {"60", "62"}
    assert set(re.findall(r"lovel=(\d+)", text)) == {"1"}


def test_one_export_at_a_time_which_can_be_cancelled(client, state, place, clean):  # noqa: F811
    assert client.post("/api/export", json=wanted(state, "sfz")).status_code == 200
    assert refused(client.post("/api/export", json=wanted(state)), 503) == (
        "An export is running; wait for it to end, or cancel it."
    )
    assert client.get("/api/sound", params={"z": ",".join(map(str, state.space.atlas.points[0]))}).status_code == 200
    assert client.delete("/api/export").json() == {}
    assert client.get("/api/export").json()["export"] is None
    assert not list(place.iterdir())
    assert client.post("/api/export", json=wanted(state)).status_code == 200
    assert ended(client)["state"] == "done"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "mp3"}, "The format must be one of sfz"),
        ({"name": ""}, "The name must be a text of 1 to 200 characters"),
        ({"name": " x "}, "must be 1 to 60 printable letters without spaces around"),
        ({"name": "x" * 61}, "must be 1 to 60 printable letters"),
        ({"path": {"points": [[0.0]], "times": [0.0]}}, "The path must have 3 dimensions, got 1"),
        ({"path": None, "name": "nothing"}, "There is no preset 'nothing'"),
        ({"folder": "/etc"}, "A field must be one of format, name, path, unpitched"),
        ({"settings": {"seed": 3}}, "A field must be one of keys, step"),
        ({"settings": {"step": 1.5}}, "The step must be a whole number, got 1.5."),
        ({"settings": {"layers": "many"}}, "The layers must be a number, got 'many'."),
    ],
)
def test_what_cannot_be_exported_is_refused_at_once(client, state, clean, change, reason):  # noqa: F811
    assert reason in refused(client.post("/api/export", json=wanted(state) | change))
    assert client.get("/api/export").json()["export"] is None


def test_an_export_that_fails_says_why_and_leaves_nothing(state, place):  # noqa: F811
    import asyncio

    class Failing:
        def __init__(self, error: Exception) -> None:
            self.error, self.closed = error, False

        async def do(self, job: Any, *values: Any, limit: float, told: Any) -> Any:
            (values[-1] / "half").write_bytes(b"half")
            told({"done": 1, "steps": 3})
            raise self.error

        def close(self) -> None:
            self.closed = True

        stop = close

    async def run(error: Exception) -> Export:
        worker = Failing(error)
        exports = Exports(lambda: worker)  # type: ignore[arg-type, return-value]
        export = exports.begin("a", Preset("a", state.space.path(state.space.atlas.points[0])), "sfz", {})
        while export.state == "running" or not worker.closed:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return export

    for error, shown in (
        (ConfigError("No."), "No."),
        (Busy("Too long."), "Too long."),
        (RuntimeError("secret"), "The server had an internal error; its terminal shows the details."),
    ):
        export = asyncio.run(run(error))
        assert (export.state, export.error, export.done) == ("failed", shown, 1)
        assert not list(place.iterdir())


def test_an_export_is_cancelled_while_its_process_starts(state, folder, place):  # noqa: F811
    import asyncio

    def slowly() -> Worker:
        time.sleep(0.3)
        return Worker(folder)

    async def run() -> Export:
        exports = Exports(slowly)
        export = exports.begin("a", Preset("a", state.space.path(state.space.atlas.points[0])), "sfz", {})
        await asyncio.sleep(0.05)
        await exports.clear()
        return export

    assert asyncio.run(run()).state == "failed"
    assert not list(place.iterdir())


def test_a_folder_becomes_a_zip_file_and_too_large_exports_are_refused(state, place, monkeypatch):  # noqa: F811
    told, size = [], 1000

    def write(target: Path, step: Any) -> list[dict[str, Any]]:
        (target / "samples").mkdir()
        (target / "samples" / "a.wav").write_bytes(b"abc")
        step()
        return []

    def planned(request: Request) -> ExportPlan:
        assert request.settings.unpitched
        return ExportPlan({"samples/a.wav": size}, 2, write, 1.0, "A notice.")

    monkeypatch.setitem(FORMATS, "sfz", Format(planned, "a folder", settings=("unpitched",)))
    preset = Preset("Flöte: a/b", state.space.path(state.space.atlas.points[0]))
    result = jobs.export(state.space, preset.name, preset, "sfz", {"unpitched": True, "frames": 3}, place, told.append)
    assert told == [{"size": 1000, "notice": "A notice."}, {"done": 1, "steps": 2}]
    assert [one.name for one in place.iterdir()] == [result["file"].name] == ["Flote_a_b.zip"]
    with zipfile.ZipFile(io.BytesIO(result["file"].read_bytes())) as archive:
        assert [one for one in archive.namelist() if not one.endswith("/")] == ["Flote_a_b/samples/a.wav"]
    result["file"].unlink()
    size = jobs.MAX_EXPORT + 1
    with pytest.raises(ConfigError, match=re.escape("must have 500 MB or less, got about 500 MB; use timbre export")):
        jobs.export(state.space, preset.name, preset, "sfz", {"unpitched": True}, place, told.append)
    assert not list(place.iterdir())


def test_progress_is_that_of_the_export(harmonic_space, tmp_path_factory):
    steps: list[tuple[int, int]] = []
    bank = [Preset(name, harmonic_space.path(harmonic_space.atlas.points[0])) for name in "abc"]
    target = tmp_path_factory.mktemp("bank") / "bank"
    timbre.export(harmonic_space, bank, "wavetable", target, progress=lambda *numbers: steps.append(numbers), frames=1)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert np.all([file.is_file() for file in target.iterdir()])
