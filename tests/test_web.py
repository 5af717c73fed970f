"""The static page: its engine computes what timbre computes, and its folder needs nothing else."""

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from javascript import run
from safetensors.numpy import load, save

import timbre
from timbre.errors import ConfigError
from timbre.exporting import export
from timbre.exporting.web.axes import AxisNetwork, fitted_axes
from timbre.models.conditions import Conditions
from timbre.models.frame_decoder import HELD, SourceDecoder
from timbre.page import STATIC
from timbre.paths import Path as TimbrePath
from timbre.playback.engine.engine import Engine
from timbre.shapes.presets import Preset, Presets
from timbre.space import Space

CLOSE = 1e-3  # RMS of differences, full scale is 1


@pytest.fixture(scope="module")
def page(tiny_space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small space as a page, with two presets."""
    points = tiny_space.atlas.points[:3].astype(float)
    way = TimbrePath(points, np.array([0.0, 0.4, 1.0]), "spline")
    folder = tmp_path_factory.mktemp("web") / "page"
    presets = [Preset("Dot", tiny_space.path(points[1])), Preset("Way", way, 2.0, True)]
    export(tiny_space, presets, "web", folder)
    return folder


@pytest.fixture
def work(page: Path, tmp_path: Path) -> Path:
    """A copy of the page's data."""
    shutil.copytree(page / "data", tmp_path / "data")
    return tmp_path


class TestEngine:
    FRAMES = (
        (60.0, 0.8, 0.1, HELD), (None, 0.5, 0.0, HELD), (30.5, 1.0, 0.7, 0.5), (90.0, 0.1, 1.5, 1.4),
        (71.3, None, 0.02, HELD), (127.0, 0.3, 9.0, HELD),
    )  # fmt: skip

    @pytest.mark.parametrize("plain", [False, True])
    def test_decodes_what_the_model_decodes(self, tiny_space: Space, work: Path, plain: bool):
        points = np.random.default_rng(0).standard_normal((len(self.FRAMES), tiny_space.dim)).astype(np.float32)
        rows = [
            dict(zip(("pitch", "velocity", "time", "release"), row, strict=True)) | {"point": z.tolist()}
            for row, z in zip(self.FRAMES, points, strict=True)
        ]
        found = run("engine.mjs", {"frames": rows, "plain": plain}, work)
        values = torch.tensor([[np.nan if one is None else one for one in row] for row in self.FRAMES]).float()
        decoder = SourceDecoder(tiny_space.model, tiny_space.spectrogram).eval()
        with torch.no_grad():
            expected = torch.cat(decoder(torch.from_numpy(points), *values.T), 1).numpy()
        pitched = ~np.isnan(values[:, 0].numpy())
        expected[~pitched, :8] = found["frames"][~pitched, :8]  # partials of no pitch are not heard
        np.testing.assert_allclose(found["frames"], expected, atol=2e-3)  # dB
        assert found["fast"]

    def test_plays_what_the_live_engine_plays(self, tiny_space: Space, work: Path):
        events, length = _events(tiny_space), tiny_space.config.spectrogram.sample_rate * 3
        point = tiny_space.atlas.points[0].astype(float)
        request = {"events": events, "length": length, "block": 300, "settings": {"voices": 3, "seed": 5}}
        found = run("engine.mjs", request | {"settings": request["settings"] | {"point": point.tolist()}}, work)
        dot = Presets([Preset("Dot", tiny_space.path(tiny_space.atlas.points[1].astype(float)))])
        engine = Engine(tiny_space, dot, point, voices=3, seed=5, inverter="portable")
        expected = _played(engine, events, length, 300)
        assert engine.stolen_notes
        assert np.sqrt(np.square(expected).mean()) > 30 * CLOSE
        assert np.sqrt(np.square(found["sound"] - expected).mean()) < CLOSE
        assert np.abs(found["sound"]).max() < 0.9901

    def test_renders_what_a_space_decodes(self, tiny_space: Space, work: Path):
        z = tiny_space.atlas.points[4]
        notes = [(61.5, 0.9, 0.8), (None, 0.6, 0.4)]
        asked = [["sound", {"z": z.tolist(), "pitch": p, "velocity": v, "duration": d}] for p, v, d in notes]
        for answer, note in zip(_answers(asked, work), notes, strict=True):
            samples, rate = soundfile.read(io.BytesIO(base64.b64decode(answer)))
            expected = tiny_space.decode(z, *note, inverter="portable")
            assert rate == expected.sample_rate
            assert np.sqrt(np.square(samples - expected.samples[0]).mean()) < 1e-5

    def test_a_storm_of_commands_breaks_nothing_and_leaves_no_note(self, work: Path):
        found = run("engine.mjs", {"storm": {"seed": 1, "count": 4000}}, work)
        assert found["largest"] < 0.9901
        assert found["refused"] > 100
        assert found["sounding"] == 0
        assert found["left"] < 1e-6


class TestQuestions:
    def test_the_nearest_sounds_are_those_of_the_space(self, tiny_space: Space, work: Path):
        points = [*tiny_space.atlas.points[:4], *tiny_space.draw(4, 1)]
        answers = _answers([["nearest", {"z": z.tolist()}] for z in points], work)
        for answer, z in zip(answers, points, strict=True):
            nearest = tiny_space.nearest(z, 8)
            assert [one["name"] for one in answer] == [tiny_space.atlas.names[n] for n in nearest.indices]
            np.testing.assert_allclose([one["dissimilarity"] for one in answer], nearest.distances, atol=1e-4)

    def test_planes_presets_and_paths_are_those_of_the_space(self, tiny_space: Space, work: Path):
        plane, presets, path, here, drawn = _answers(
            [
                ["plane", {"axes": "pca"}], ["presets", {}], ["path", {"path": {"points": [[0, 0, 0]], "times": [0]}}],
                ["address", {"dim": tiny_space.dim, "digest": tiny_space.identity.digest}], ["draw", {}],
            ],
            work,
        )  # fmt: skip
        from timbre.maps.planes import plane as plane_of

        np.testing.assert_allclose(plane["directions"], plane_of(tiny_space, ["pca"]).directions, atol=1e-5)
        assert [one["name"] for one in presets] == ["Dot", "Way"]
        assert presets[1]["kind"] == "line"
        assert len(presets[1]["points"]) > 10
        assert path["space"] == tiny_space.identity.to_dict()
        assert path["format"] == "timbre-path"
        assert here == {}
        assert len(drawn["point"]) == tiny_space.dim

    @pytest.mark.parametrize(
        ("what", "values", "said"),
        [
            ("nearest", {"z": [0.0]}, "must have 3 numbers"), ("plane", {"axes": "no"}, "choose another one"),
            ("address", {"dim": 7}, "was made with another space"), ("heat", {}, "use timbre app"),
            ("constructor", {}, "use timbre app"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_refused_in_a_sentence(self, work: Path, what: str, values: Any, said: str):
        assert said in _answers([[what, values]], work)[0]["error"]

    def test_sounds_move_along_axes_as_the_network_says_and_about_as_the_space_does(
        self, work: Path, monkeypatch: pytest.MonkeyPatch
    ):
        shipped, steps = timbre.load("orchestra-22k"), []
        fitted = fitted_axes(shipped, lambda: steps.append(1), batches=20)
        monkeypatch.setattr("timbre.exporting.web.plan.fitted_axes", lambda *_: fitted)
        shutil.rmtree(work / "data")
        done = export(shipped, None, "web", work / "page")
        (work / "page" / "data").rename(work / "data")
        assert len(steps) == 20
        assert [row["axis"] for row in done.rows] == [axis.name for axis in shipped.axes]
        assert max(row["axis_error"] for row in done.rows) < 0.5

        points = torch.from_numpy(np.concatenate([shipped.atlas.points[::900], shipped.draw(6)]))
        network = AxisNetwork(shipped.atlas.points, len(shipped.axes))
        network.load_state_dict({name[len("axes.") :]: torch.from_numpy(one) for name, one in fitted.arrays.items()})
        own = network.values(points)
        axis = torch.arange(len(points)) % own.shape[1]
        names = [shipped.axes[int(n)].name for n in axis]
        values = (own.gather(1, axis[:, None])[:, 0] + torch.tensor([1.5, -0.7, -6.0])[axis % 3]).clamp(-3.2, 3.2)
        moved = network.moved(points, axis, values)
        asked = [["axes", {"z": z, "pitch": 60}] for z in points.tolist()]
        rows = list(zip(points.tolist(), names, values.tolist(), strict=True))
        asked += [["axes", {"z": z, "axis": name, "value": value}] for z, name, value in rows]
        answers = _answers(asked, work)
        at, after = answers[: len(points)], answers[len(points) :]
        np.testing.assert_allclose([one["values"] for one in at], own, atol=1e-4)
        np.testing.assert_allclose([one["point"] for one in after], moved, atol=5e-3)
        np.testing.assert_allclose([one["values"] for one in after], network.values(moved), atol=5e-3)

        both = Conditions(*(torch.full((2 * len(points),), value) for value in (60.0, 0.8, torch.inf)))
        measured = shipped.axis_controls.values(torch.cat([points, moved]), both)
        before, then = (part.gather(1, axis[:, None])[:, 0] for part in measured.split(len(points)))
        assert (measured[: len(points)] - own).abs().nanmedian() < 0.35
        assert ((then - before) / (values - own.gather(1, axis[:, None])[:, 0])).nanmedian() > 0.4

        steps = [
            (z, name, step) for z, name in zip(points.tolist(), names, strict=True) for step in (0.0, 0.5, 0.6, 1.0)
        ]
        offsets = run("engine.mjs", {"offsets": steps}, work)["offsets"].reshape(len(points), 4, shipped.dim)
        one = network.moved(points, axis, own.gather(1, axis[:, None])[:, 0] + 1.0) - points
        np.testing.assert_allclose(offsets[:, 3], one, atol=5e-3)
        np.testing.assert_allclose(offsets[:, 2], 0.8 * offsets[:, 1] + 0.2 * offsets[:, 3], atol=1e-6)


class TestFiles:
    def test_the_folder_contains_all_that_it_names(self, page: Path):
        texts = {file: file.read_text() for file in page.rglob("*") if file.suffix in (".html", ".js", ".css")}
        assert page / "static" / "alone.js" in texts
        for file, text in texts.items():
            named = re.findall(r'(?:src|href)="([^"#]+)"(?! download)', text) if file.suffix == ".html" else []
            named += re.findall(r'(?:from|import|new URL\()\s*\(?"([^"]+)"', text)
            for name in named:
                assert (file.parent / name).exists(), f"{file.name} names {name}"
                assert not re.match(r"[a-z]+:|/", name), f"{file.name} names {name}"
        assert not {"server.js", "socket.js"} & {file.name for file in page.rglob("*")}

    def test_no_file_of_the_page_names_another_site(self, page: Path):
        for file in [*page.rglob("*.js"), *page.rglob("*.css"), page / "index.html"]:
            assert not re.search(r"https?://(?!www\.w3\.org/)", file.read_text()), file.name

    def test_numbers_that_fit_into_16_bits_are_written_so(self, page: Path):
        shipped = load((page / "data" / "sound.safetensors").read_bytes())
        assert shipped["decoder.time.0.weight"].dtype == np.float32  # this space is not in half precision
        assert {shipped[f"responses.{name}"].dtype for name in ("first", "begin")} == {np.dtype(np.int32)}

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda b: b"", "got a damaged one"), (lambda b: b[:100], "got a damaged one"),
            (lambda b: b[:-4], "got a damaged one"), (lambda b: b"\xff" * 8 + b[8:], "got a damaged one"),
            (lambda b: b[:8] + b"[" + b[9:], "got a damaged one"),
            (lambda b: _without(b, "decoder.head.weight"), "must contain decoder.head.weight"),
            (lambda b: _with(b, "decoder.point.bias", np.zeros(3, np.float32)), "must have the shape 16, got 3"),
            (lambda b: _with(b, "decoder.norm.bias", np.full(16, np.nan, np.float32)), "must have finite numbers"),
            (lambda b: _with(b, "responses.first", np.zeros(5, np.int32)), "must fit the bands"),
        ],
    )  # fmt: skip
    def test_damaged_weights_are_refused_in_a_sentence(self, work: Path, change: Any, said: str):
        file = work / "data" / "sound.safetensors"
        file.write_bytes(change(file.read_bytes()))
        error = run("engine.mjs", {}, work)["error"]
        assert said in error
        assert error.endswith("export the space again.")


class TestExport:
    def test_a_dry_run_writes_nothing_and_names_every_file(self, tiny_space: Space, page: Path, tmp_path: Path):
        planned = export(tiny_space, None, "web", tmp_path / "out", dry_run=True)
        assert not (tmp_path / "out").exists()
        names = {file.relative_to(tmp_path / "out") for file in planned.files}
        written = {file.relative_to(page): file.stat().st_size for file in page.rglob("*") if file.is_file()}
        assert names == set(written)
        assert planned.size == pytest.approx(sum(written.values()), rel=0.05)

    def test_what_cannot_be_is_refused(self, tiny_space: Space, page: Path, tmp_path: Path):
        with pytest.raises(ConfigError, match="exists; replace it with --force"):
            export(tiny_space, None, "web", page)
        with pytest.raises(ConfigError, match="must be a folder, got page"):
            export(tiny_space, None, "web", tmp_path / "page.html")

    def test_the_page_names_its_licences_and_its_space(self, page: Path, tiny_space: Space):
        text, facts = (page / "LICENCES.txt").read_text(), json.loads((page / "data" / "space.json").read_text())
        assert "licences" in text
        assert str(tiny_space.identity) in text
        assert facts["identity"] == tiny_space.identity.to_dict()
        assert len(facts["notes"]) == len(tiny_space.atlas)

    def test_the_app_and_the_page_show_one_index(self, page: Path):
        own, shared = (page / "index.html").read_text(), (STATIC / "index.html").read_text()
        assert own.replace("static/alone.js", "static/server.js") == shared != own


def _answers(questions: list[list[Any]], folder: Path) -> list[Any]:
    answer = run("engine.mjs", {"questions": questions}, folder)
    assert "error" not in answer, answer
    found: list[Any] = answer["answers"]["list"]
    return found


def _events(space: Space) -> list[tuple[int, dict[str, Any]]]:
    """Commands of every kind at samples, a chord that needs more voices than there are among them."""
    rate = space.config.spectrogram.sample_rate
    points = [row.astype(float).tolist() for row in space.atlas.points[5:9]]
    timed: list[tuple[float, dict[str, Any]]] = [
        (0.0, {"do": "note_on", "key": "a", "pitch": 60, "velocity": 1.0}),
        (0.2, {"do": "at", "point": points[0], "glide": 0.3}),
        (0.3, {"do": "note_on", "key": "b", "pitch": 67, "velocity": 0.9}),
        (0.5, {"do": "shape", "key": "b", "bend": 2.5, "gain": -6.0, "keep": 0.7, "offset": points[1]}),
        (0.7, {"do": "hold", "seconds": 0.5}),
        (0.8, {"do": "note_on", "key": "c", "pitch": None, "velocity": 1.0}),
        (0.9, {"do": "note_on", "key": "d", "pitch": 43.3, "velocity": 1.0}),
        (1.0, {"do": "express", "key": "d", "values": {"bend": 1.0, "gain": -3.0, "1": 0.4, "towards:Dot": 0.5}}),
        (1.1, {"do": "gain", "decibels": 24.0}),
        (1.2, {"do": "bend", "semitones": -2.0}),
        (1.3, {"do": "sustain", "down": True}),
        (1.4, {"do": "note_off", "key": "d"}),
        (1.5, {"do": "path", "path": {"points": points, "times": [0.0, 0.3, 0.5, 1.0]}, "duration": 0.4, "loop": True}),
        (2.0, {"do": "sustain", "down": False}),
        (2.3, {"do": "panic"}),
        (2.4, {"do": "note_on", "key": "a", "pitch": 72, "velocity": 0.7}),
        (2.5, {"do": "note_off", "key": "a"}),
    ]
    return [(round(time * rate), command) for time, command in timed]


def _played(engine: Engine, events: list[tuple[int, dict[str, Any]]], length: int, block: int) -> np.ndarray:
    waiting, parts = list(events), []
    for at in range(0, length, block):
        while waiting and waiting[0][0] <= at:
            values = dict(waiting.pop(0)[1])
            name = values.pop("do")
            if name == "note_on":
                engine.note_on(values["pitch"], values["velocity"], values["key"])
            elif name == "path":
                path = TimbrePath(*(np.array(values["path"][key]) for key in ("points", "times")))
                engine.path(path, values["duration"], values["loop"])
            elif name == "express":
                shaped = {int(to) if to.isdigit() else to: value for to, value in values["values"].items()}
                engine.express(values["key"], shaped)
            else:
                getattr(engine, name)(**values)
        parts.append(engine.render(min(block, length - at)))
    return np.concatenate(parts)


def _without(content: bytes, name: str) -> bytes:
    return save({key: value for key, value in load(content).items() if key != name})


def _with(content: bytes, name: str, value: np.ndarray) -> bytes:
    return save(load(content) | {name: value})
