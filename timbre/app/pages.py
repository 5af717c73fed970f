"""What each address of the page answers."""

import base64
import contextlib
import math
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from timbre.app import jobs
from timbre.app.live import Client
from timbre.app.reading import Field, between, chunks, flag, json_of, maybe, number, path, picked, row, text
from timbre.app.work import Worker
from timbre.errors import ConfigError
from timbre.maps.planes import plane
from timbre.paths import Path
from timbre.shapes.number_files import read_text
from timbre.shapes.path_files import write_path
from timbre.shapes.presets import Preset, Presets, read_presets, write_presets
from timbre.space import Space
from timbre.space.names import find_space

STATIC = FilePath(__file__).with_name("static")
_UPLOAD = 20 << 20  # bytes
_SHOWN = 20_000  # notes on the map; of more, every so many-th
_NEAR = 8
_MAP_TIME = 300.0  # s
_HEATS = 32  # maps that are kept
_SECONDS = between(0.1, jobs.LONGEST, "s")


@dataclass
class AppState:
    """What the page works on.

    Attributes:
        space: the space.
        folder: where it and its presets are; or its name, if it was asked for by that.
        notes: the library's folder, or None.
        seat: what plays it.
        worker: what decodes, renders and places.
    """

    space: Space
    folder: str | FilePath
    notes: FilePath | None
    seat: Client
    worker: Worker

    def original(self, name: str) -> FilePath:
        """The file of a known sound, inside the library's folder.

        Raises:
            HTTPException: there is no such folder, or no such file in it.
        """
        if self.notes is None:
            raise HTTPException(404, "The library's folder is not known here; start timbre app with --notes FOLDER.")
        atlas, folder = self.space.atlas, self.notes.resolve()
        file = (folder / atlas.files[atlas.index(name)]).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise HTTPException(404, f"The sound of {name} is not in the library's folder.")
        return file


class Routes:
    """The answers."""

    def __init__(self, stage: AppState) -> None:
        self.stage = stage
        self._heats: dict[Any, Any] = {}

    async def index(self, _: Request) -> Response:
        """The page itself."""
        return FileResponse(STATIC / "index.html")

    async def space(self, _: Request) -> Response:
        """What the page has to know of the space."""
        space, atlas = self.stage.space, self.stage.space.atlas
        numbers = np.arange(0, len(atlas), math.ceil(len(atlas) / _SHOWN) or 1)
        shown = atlas.take(numbers)
        low, high = np.percentile(atlas.points, [1, 99], axis=0) if len(atlas) else np.zeros((2, space.dim))
        answer = {
            "name": find_space(self.stage.folder).resolve().name,
            "dim": space.dim,
            "sample_rate": self.stage.seat.source.sample_rate,
            "axes": [axis.name for axis in space.axes],
            "directions": space.directions.tolist() if space.axes else [],
            "ranges": np.stack([low, high], 1).round(3).tolist(),
            "start": self.stage.seat.controls.point.tolist(),
            "count": len(atlas),
            "notes": list(shown.names),
            "instruments": list(shown.instruments),
            "families": list(shown.families),
            "pitches": [_known(pitch) for pitch in shown.pitches],
            "velocities": [_known(velocity) for velocity in shown.velocities],
            "points": base64.b64encode(shown.points.astype("<f4").tobytes()).decode(),
            "originals": self.stage.notes is not None,
        }
        return JSONResponse(answer)

    async def plane(self, request: Request) -> Response:
        """A plane: origin, directions, readout, labels, extent."""
        found = plane(self.stage.space, _axes(request))
        values = {name: getattr(found, name).tolist() for name in ("origin", "directions", "readout", "extent")}
        return JSONResponse({**values, "labels": found.labels, "isometric": bool(found.isometric)})

    async def heat(self, request: Request) -> Response:
        """Maps of descriptors over a plane, which are kept once they are made."""
        axes, pitch = _axes(request, "pitch"), maybe("pitch", request.query_params.get("pitch"))
        plane(self.stage.space, axes)  # refuses what is none before it is waited for
        key = (axes, pitch)
        if key not in self._heats:
            made = await self.stage.worker.do(jobs.heat, axes, pitch, limit=_MAP_TIME)
            while len(self._heats) >= _HEATS:
                self._heats.pop(next(iter(self._heats)))
            self._heats[key] = made
        return JSONResponse(self._heats[key])

    async def nearest(self, request: Request) -> Response:
        """The known sounds around a place."""
        atlas = self.stage.space.atlas
        point = self.stage.space.check_point(picked(request.query_params, z=Field(row))["z"])
        found = atlas.nearest(point, _NEAR) if len(atlas) else None
        pairs = zip(found.numbers[0].tolist(), found.distances[0].tolist(), strict=True) if found else ()
        return JSONResponse([self._note(number) | {"distance": round(distance, 4)} for number, distance in pairs])

    def _note(self, number: int) -> dict[str, Any]:
        atlas = self.stage.space.atlas
        return {
            "name": atlas.names[number],
            "instrument": atlas.instruments[number],
            "family": atlas.families[number],
            "pitch": _known(atlas.pitches[number]),
            "velocity": _known(atlas.velocities[number]),
            "point": atlas.points[number].tolist(),
        }

    async def sound(self, request: Request) -> Response:
        """A place as one note."""
        wanted = picked(request.query_params, z=Field(row), **_HEARD)
        point = self.stage.space.check_point(wanted["z"])
        made = self.stage.worker.do(jobs.decoded, point, wanted["pitch"], wanted["velocity"], wanted["duration"])
        return _wav(await made)

    async def original(self, request: Request) -> Response:
        """A known sound as it was recorded."""
        name = picked(request.query_params, name=Field(text))["name"]
        return _wav(await self.stage.worker.do(jobs.original, self.stage.original(name), name))

    async def place(self, request: Request) -> Response:
        """Where a sound lies that is sent as the body."""
        wanted = picked(request.query_params, name=Field(text), pitch=Field(maybe, None))
        async with _file_of(request) as file:
            found = await self.stage.worker.do(jobs.placed, file, wanted["name"], wanted["pitch"])
        numbers = map(self.stage.space.atlas.index, found["neighbours"])
        found["neighbours"] = [
            self._note(number) | {"distance": round(distance, 4)}
            for number, distance in zip(numbers, found["neighbours"].values(), strict=True)
        ]
        return JSONResponse(found)

    async def render(self, request: Request) -> Response:
        """The sound of a path."""
        wanted = picked(await json_of(request), path=Field(path), **_HEARD)
        self._check(wanted["path"])
        values = (wanted["path"], wanted["pitch"], wanted["velocity"], wanted["duration"])
        return _wav(await self.stage.worker.do(jobs.rendered, *values, limit=60.0))

    async def path(self, request: Request) -> Response:
        """A path as the file that `timbre render --path` reads."""
        way = picked(await json_of(request), path=Field(path))["path"]
        with tempfile.TemporaryDirectory() as folder:
            file = FilePath(folder) / "path.json"
            write_path(file, way, self.stage.space)
            return Response(read_text(file), media_type="application/json")

    async def presets(self, _: Request) -> Response:
        """The presets of the space."""
        return self._listed(read_presets(self.stage.folder, self.stage.space))

    async def keep(self, request: Request) -> Response:
        """Keep a place or a path under a name."""
        fields = {"name": Field(text), "path": Field(path), "duration": Field(number, 4.0), "loop": Field(flag, False)}
        wanted = picked(await json_of(request), **fields)
        self._check(wanted["path"])
        presets = read_presets(self.stage.folder, self.stage.space).adding(Preset(**wanted))
        write_presets(self.stage.folder, presets, self.stage.space)
        return self._listed(presets)

    async def remove(self, request: Request) -> Response:
        """Remove a preset."""
        name = picked(request.query_params, name=Field(text))["name"]
        presets = read_presets(self.stage.folder, self.stage.space).without(name)
        write_presets(self.stage.folder, presets, self.stage.space)
        return self._listed(presets)

    def _listed(self, presets: Presets) -> Response:
        self.stage.seat.controls.presets = presets
        return JSONResponse(
            [
                {
                    "name": preset.name,
                    "kind": preset.path.kind,
                    "points": preset.path.points.tolist(),
                    "times": preset.path.times.tolist(),
                    "duration": preset.duration,
                    "loop": preset.loop,
                }
                for preset in presets.values()
            ]
        )

    def _check(self, way: Path) -> None:
        if way.dim != self.stage.space.dim:
            raise ConfigError(f"The path has {way.dim} dimensions and this space has {self.stage.space.dim}.")


_HEARD = {"pitch": Field(maybe, 60.0), "velocity": Field(number, 0.8), "duration": Field(_SECONDS, 2.0)}


def _axes(request: Request, *others: str) -> tuple[str, ...]:
    """The plane that is asked for: no axes, which are the principal components, or two."""
    known = {name: Field(lambda _, value: value, "") for name in ("axes", *others)}
    words = picked(request.query_params, **known)["axes"]
    return tuple(words.split(",")) if words else ()


@contextlib.asynccontextmanager
async def _file_of(request: Request) -> AsyncIterator[FilePath]:
    """The body of a request in a file that is removed afterwards."""
    handle, name = tempfile.mkstemp(prefix="timbre-", suffix=".upload")
    try:
        with os.fdopen(handle, "wb") as file:
            async for chunk in chunks(request, _UPLOAD):
                file.write(chunk)
        yield FilePath(name)
    finally:
        os.unlink(name)


def _wav(content: bytes) -> Response:
    return Response(content, media_type="audio/wav", headers={"Cache-Control": "no-store"})


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 3)
