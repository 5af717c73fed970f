"""`Routes`: answers each address of the page."""

import asyncio
import base64
import contextlib
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path as FilePath
from typing import Any

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from timbre.app import jobs
from timbre.app.exports import Exports
from timbre.app.fields import (
    Field,
    between,
    chunks,
    flag,
    number,
    optional,
    path,
    read_fields,
    read_json,
    row,
    text,
    whole,
)
from timbre.app.live import Client
from timbre.app.worker import Worker
from timbre.config.settings import require
from timbre.exporting.formats import FORMATS
from timbre.exporting.web.facts import or_none, plane_facts, shown, space_facts
from timbre.maps.planes import plane
from timbre.page import STATIC
from timbre.shapes.path_files import write_path
from timbre.shapes.presets import Preset, Presets, preset_to_dict, read_presets, write_presets
from timbre.space import Space
from timbre.space.identity import read_identity
from timbre.space.names import find_space
from timbre.wording import needs

_MAX_UPLOAD = 20 << 20  # bytes
_NEAREST = 8
_HEAT_LIMIT, _RENDER_LIMIT = 300.0, 60.0  # s
_MAX_HEATS = 32  # maps in the cache


@dataclass
class AppState:
    """The space of the page, its files, and what plays and computes for it."""

    space: Space
    folder: str | FilePath  # of the space and its presets; or its name, if the space was given by name
    notes: FilePath | None  # folder of the library
    client: Client  # the page that plays
    worker: Worker  # decodes, renders and locates
    exports: Exports

    def recording(self, name: str) -> FilePath:
        """The file of a library note, which must lie inside the library's folder; or else an HTTPException."""
        if self.notes is None:
            raise HTTPException(404, "The library's folder is not known; start timbre app with --notes FOLDER.")
        atlas, folder = self.space.atlas, self.notes.resolve()
        file = (folder / atlas.files[atlas.index(name)]).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise HTTPException(404, f"The recording of {name} is not in the library's folder.")
        return file


class Routes:
    """Answers of the page's addresses."""

    def __init__(self, state: AppState) -> None:
        self.state = state
        self._heats: dict[Any, Any] = {}
        self._views: dict[str, asyncio.Task[dict[str, Any]]] = {}

    async def index(self, _: Request) -> Response:
        """The page."""
        return FileResponse(STATIC / "index.html")

    async def space(self, _: Request) -> Response:
        """The space: axes, ranges and library notes."""
        state, space, player = self.state, self.state.space, self.state.client
        points = space.atlas.points[shown(len(space.atlas))]
        return JSONResponse(
            space_facts(space, player.controls.point)
            | {
                "name": find_space(state.folder).resolve().name,
                "left_out": player.controls.presets.left_out,
                "sample_rate": player.source.sample_rate,
                "points": base64.b64encode(points.astype("<f4").tobytes()).decode(),
                "can": self._can(),
            }
        )

    def _can(self) -> dict[str, Any]:
        """What the page offers: what it does not find here, it hides."""
        always = dict.fromkeys(("heat", "place", "export", "save"), True)
        return always | {"originals": self.state.notes is not None, "views": _views()}

    async def address(self, request: Request) -> Response:
        """An error if an address of the page, whose point has `dim` coordinates, belongs to another space."""
        whole = between(1, 1e9, "")
        fields = {"name": Field(text, ""), "sample_rate": Field(whole, 1), "digest": Field(text, "")}
        asked = read_fields(request.query_params, dim=Field(whole), **fields)
        numbers = {key: int(asked[key]) for key in ("dim", "sample_rate")}
        made = read_identity({**asked, **numbers} if asked["digest"] else None, numbers["dim"], "The address")
        own = self.state.space.identity
        require(made.is_of(own), made.mismatch("The address", own))
        return JSONResponse({})

    async def plane(self, request: Request) -> Response:
        """A plane: origin, directions, readout, labels, extent."""
        axes = _axes(read_fields(request.query_params, axes=_ANY))
        # It may measure planes, while notes sound.
        return JSONResponse(await asyncio.to_thread(plane_facts, self.state.space, axes))

    async def view(self, request: Request) -> Response:
        """Positions of the notes on the map in a view without a way back, computed once."""
        name = read_fields(request.query_params, name=Field(text))["name"]
        require(name in ("umap", *_views()), f"The view must be umap, got {name}.")
        require(name in _views(), needs("The view umap", "umap-learn"))
        if name not in self._views:
            self._views[name] = asyncio.create_task(self._view(name))
        try:
            return JSONResponse(await asyncio.shield(self._views[name]))
        except BaseException:
            if self._views[name].done():
                del self._views[name]
            raise

    async def _view(self, name: str) -> dict[str, Any]:
        """A view, made by a worker of its own: it takes long, and the page's worker has to follow the cursor."""
        worker = await asyncio.to_thread(Worker, self.state.worker.folder)
        try:
            return dict(await worker.do(jobs.view, name, shown(len(self.state.space.atlas)), limit=_HEAT_LIMIT))
        finally:
            await asyncio.to_thread(worker.close)

    async def heat(self, request: Request) -> Response:
        """Maps of descriptors over a plane, from the cache if they were made before."""
        asked = read_fields(request.query_params, axes=_ANY, pitch=_PITCH)
        axes, pitch = _axes(asked), asked["pitch"]
        await asyncio.to_thread(plane, self.state.space, axes)  # raises an error at once if there is no such plane
        if (axes, pitch) not in self._heats:
            result = await self.state.worker.do(jobs.heat, axes, pitch, limit=_HEAT_LIMIT)
            while len(self._heats) >= _MAX_HEATS:
                self._heats.pop(next(iter(self._heats)))
            self._heats[axes, pitch] = result
        return JSONResponse(self._heats[axes, pitch])

    async def axes(self, request: Request) -> Response:
        """Values of a point's sound on the named axes; and with `axis` and `value`, the point that has this value."""
        asked = read_fields(
            request.query_params, z=Field(row), pitch=_PITCH, axis=Field(text, ""), value=Field(number, 0.0)
        )
        point = self.state.space.check_point(asked["z"])
        return JSONResponse(await self.state.worker.do(jobs.axes, point, asked["pitch"], asked["axis"], asked["value"]))

    async def nearest(self, request: Request) -> Response:
        """The library notes nearest to a point that are different sounds."""
        point = self.state.space.check_point(read_fields(request.query_params, z=Field(row))["z"])
        nearest = await asyncio.to_thread(self.state.space.nearest, point, _NEAREST)
        return JSONResponse(self._notes(nearest.indices.tolist(), nearest.distances.tolist()))

    def _notes(self, indices: list[int], dissimilarities: list[float]) -> list[dict[str, Any]]:
        """Library notes with their dissimilarities."""
        atlas = self.state.space.atlas
        return [
            {
                "name": atlas.names[index],
                "instrument": atlas.instruments[index],
                "family": atlas.families[index],
                "pitch": or_none(atlas.pitches[index]),
                "velocity": or_none(atlas.velocities[index]),
                "point": atlas.points[index].tolist(),
                "dissimilarity": round(dissimilarity, 4),
            }
            for index, dissimilarity in zip(indices, dissimilarities, strict=True)
        ]

    async def draw(self, request: Request) -> Response:
        """A random point, anywhere or near a point."""
        near = read_fields(request.query_params, near=Field(optional(row), None))["near"]
        point = self.state.space.draw(1, secrets.randbits(32), near)[0]
        return JSONResponse({"point": point.tolist()})

    async def sound(self, request: Request) -> Response:
        """A point as a note."""
        asked = read_fields(request.query_params, z=Field(row), **_NOTE)
        asked["point"] = self.state.space.check_point(asked.pop("z"))
        return await self._wav(jobs.decode, *(asked[name] for name in ("point", *_NOTE)))

    async def original(self, request: Request) -> Response:
        """The recording of a library note."""
        name = read_fields(request.query_params, name=Field(text))["name"]
        return await self._wav(jobs.recording, self.state.recording(name), name)

    async def place(self, request: Request) -> Response:
        """The location of the sound in the body."""
        asked = read_fields(request.query_params, name=Field(text), pitch=Field(optional(number), None))
        async with _uploaded_file(request) as file:
            location = await self.state.worker.do(jobs.locate, file, asked["name"], asked["pitch"])
        indices = [self.state.space.atlas.index(name) for name in location["neighbours"]]
        location["neighbours"] = self._notes(indices, list(location["neighbours"].values()))
        return JSONResponse(location)

    async def render(self, request: Request) -> Response:
        """The sound of a path."""
        asked = self._check(read_fields(await read_json(request), path=Field(path), **_NOTE))
        return await self._wav(jobs.render_path, *(asked[name] for name in ("path", *_NOTE)), limit=_RENDER_LIMIT)

    async def path(self, request: Request) -> Response:
        """A path as a file for `timbre render --path`."""
        drawn = read_fields(await read_json(request), path=Field(path))["path"]
        with tempfile.TemporaryDirectory() as folder:
            file = FilePath(folder) / "path.json"
            write_path(file, drawn, self.state.space)
            return Response(file.read_bytes(), media_type="application/json")

    async def presets(self, _: Request) -> Response:
        """The presets of the space."""
        return self._listed(read_presets(self.state.folder, self.state.space))

    async def save_preset(self, request: Request) -> Response:
        """Save a point or a path by name."""
        fields = {"name": Field(text), "path": Field(path), "duration": Field(number, 4.0), "loop": Field(flag, False)}
        preset = Preset(**self._check(read_fields(await read_json(request), **fields)))
        presets = read_presets(self.state.folder, self.state.space).adding(preset)
        write_presets(self.state.folder, presets, self.state.space)
        return self._listed(presets)

    async def delete_preset(self, request: Request) -> Response:
        """Delete a preset."""
        name = read_fields(request.query_params, name=Field(text))["name"]
        presets = read_presets(self.state.folder, self.state.space).without(name)
        write_presets(self.state.folder, presets, self.state.space)
        return self._listed(presets)

    async def exports(self, _: Request) -> Response:
        """The formats of exports, and the newest export or null."""
        newest = self.state.exports.newest
        formats = [{"name": name, "text": one.text, "settings": one.settings} for name, one in FORMATS.items()]
        return JSONResponse({"formats": formats, "export": newest.to_dict() if newest else None})

    async def export(self, request: Request) -> Response:
        """Begin an export of a point or path, or of a preset that is given by its name alone."""
        fields = {"format": Field(_format), "name": Field(text), "path": Field(optional(path), None)}
        fields |= {"unpitched": Field(flag, False), "settings": Field(_settings, {})}
        asked = read_fields(await read_json(request), **fields)
        presets, form = self.state.client.controls.presets, FORMATS[asked["format"]]
        preset = presets[asked["name"]] if asked["path"] is None else Preset(asked["name"], self._check(asked)["path"])
        source = list(presets.values()) or None if form.presets else None if form.whole else preset
        settings = asked["settings"] | {"unpitched": asked["unpitched"]}
        return JSONResponse(self.state.exports.begin(preset.name, source, asked["format"], settings).to_dict())

    async def delete_export(self, _: Request) -> Response:
        """Cancel the export that runs, or remove its file."""
        await self.state.exports.clear()
        return JSONResponse({})

    async def exported(self, _: Request) -> Response:
        """The file of the newest export, which is removed when it has been fetched."""
        exports = self.state.exports
        newest = exports.newest
        if newest is None or newest.file is None:
            raise HTTPException(404, "There is no export to download; begin one.")
        return FileResponse(
            newest.file,
            media_type="application/octet-stream",
            filename=newest.file.name,
            headers={"Cache-Control": "no-store"},
            background=BackgroundTask(exports.fetched, newest),
        )

    def _listed(self, presets: Presets) -> Response:
        self.state.client.controls.presets = presets
        return JSONResponse([preset_to_dict(preset) for preset in presets.values()])

    def _check(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The values, if their path has the dimensions of the space."""
        dim, given = self.state.space.dim, asked["path"].dim
        require(given == dim, f"The path must have {dim} dimensions, got {given}.")
        return asked

    async def _wav(self, job: Any, *values: Any, limit: float = 30.0) -> Response:
        """The WAV file that a job makes."""
        content = await self.state.worker.do(job, *values, limit=limit)
        return Response(content, media_type="audio/wav", headers={"Cache-Control": "no-store"})


_ANY = Field(lambda _, value: value, "")
_PITCH = Field(optional(number), None)
_NOTE = {
    "pitch": Field(optional(number), 60.0),
    "velocity": Field(number, 0.8),
    "duration": Field(between(0.1, jobs.MAX_DURATION, " s"), 2.0),
}


def _format(name: str, value: Any) -> str:
    """The name of a format of exports."""
    require(isinstance(value, str) and value in FORMATS, f"The {name} must be one of {', '.join(FORMATS)}.")
    return str(value)


def _settings(_: str, value: Any) -> dict[str, Any]:
    """The settings of an export that the page offers; None is the default."""
    wholes = ("step", "layers", "takes", "steps", "controller", "frames")
    return read_fields(value, keys=Field(optional(text), None), **dict.fromkeys(wholes, Field(optional(whole), None)))


def _axes(asked: dict[str, Any]) -> tuple[str, ...]:
    """The axes of a plane: two, the name of a kind, or none for the default."""
    return tuple(asked["axes"].split(",")) if asked["axes"] else ()


def _views() -> list[str]:
    """The views that the page offers: those whose packages are installed."""
    return ["umap"] if find_spec("umap") else []


@contextlib.asynccontextmanager
async def _uploaded_file(request: Request) -> AsyncIterator[FilePath]:
    """The body of a request in a file, which is deleted at the end."""
    handle, name = tempfile.mkstemp(prefix="timbre-", suffix=".upload")
    try:
        with os.fdopen(handle, "wb") as file:
            async for chunk in chunks(request, _MAX_UPLOAD):
                file.write(chunk)
        yield FilePath(name)
    finally:
        os.unlink(name)
