"""A space as a static page in headless Chromium: its sounds against timbre's, voices in real time, and its size.

    python benchmarks/web.py orchestra --quick --json web.json

- size: of the exported folder, bytes_gzipped of what the page fetches until it is ready, ready_s until then.
- notes: 24 places at three keys, as the page renders them. cents and level_db are their pitch and level minus those of
  `Space.decode` with the space's own inverter; rms is the difference from `Space.decode` with the portable one.
- events: notes that bend, glide, follow a path, are stolen, released and silenced, in the page's engine and in the live
  engine (`inverter="portable"`); rms is the difference, level that of the sound.
- axes: for each named axis, at library notes and random points: off is the median difference of the page's values
  from those that are measured; share is the median share of a step of 1 or 2 that the page's move reaches by the
  measured values, and ordered how often a further step goes further; share_app and ordered_app: `Space.move`.
- live: voices that sound and move for 30 s (10 with --quick). core is the share of one core that the engine's worker
  takes, by the processor's time; load is what the page shows, by the clock, which counts waiting for other programs;
  underruns are those of the page's audio thread. "busy" blocks the page's main thread for 150 ms four times a second.
"""

import argparse
import base64
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measures import level_difference_db
from _static_page import on_the_wire, opened, worker_seconds
from _table import Row, add_arguments, finish
from playwright.sync_api import Page
from torch import Tensor

import timbre
from timbre.audio import Audio
from timbre.evaluation.metrics.sounds import pitch_error_cents
from timbre.models.conditions import Conditions
from timbre.playback.engine.engine import Engine
from timbre.shapes.presets import read_presets
from timbre.space import Space

PLACES, KEYS, SECONDS = 24, (-7, 0, 7), 1.5
VOICES, VELOCITY, STEPS = (4, 8), 0.8, (-2.0, -1.0, 1.0, 2.0)
_BLOCK = 256
_RENDER = """async (asked) => {
  const { Space } = await import("./static/engine/space.js"), { Engine } = await import("./static/engine/engine.js");
  const { Controls } = await import("./static/engine/controls.js"), { rendered } = await import("./static/engine/offline.js");
  const { Path } = await import("./static/engine/path.js");
  const { spaceFiles } = await import("./static/engine/files.js");
  globalThis.space ??= new Space(...(await spaceFiles(new URL("data/", location.href))));
  const bytes = (samples) => { let text = ""; for (const byte of new Uint8Array(samples.buffer)) text += String.fromCharCode(byte); return btoa(text); };
  if (asked.questions) return asked.questions.map((values) => space.answer("axes", values));
  if (asked.point) return bytes(rendered(space, new Path([asked.point], [0]), asked.pitch, asked.velocity, asked.duration));
  const engine = new Engine(space.decoder, space.inverter, asked.settings), controls = new Controls(engine, space), out = new Float32Array(asked.length);
  for (let at = 0; at < asked.length; at += asked.block) {
    while (asked.events.length && asked.events[0][0] <= at) controls.carryOut(asked.events.shift()[1]);
    out.set(engine.render(Math.min(asked.block, asked.length - at)), at);
  }
  return bytes(out);
}"""  # noqa: E501


def main() -> None:
    args = parse()
    space, started = timbre.load(args.space), time.perf_counter()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "page"
        done = timbre.export(space, list(read_presets(args.space, space).values()) or None, "web", folder)
        exported = time.perf_counter() - started
        begun = time.perf_counter()
        with opened(folder) as (page, fetched):
            ready, size = time.perf_counter() - begun, on_the_wire(folder, fetched)
            rows.append(
                {"row": "size", "bytes": done.size, "bytes_gzipped": size, "ready_s": ready, "export_s": exported}
            )
            rows += notes(space, page, 6 if args.quick else PLACES)
            rows.append(events(space, page))
            rows += axes(space, page, 6 if args.quick else PLACES)
            for voices in VOICES:
                for busy in (False, True):
                    rows.append(live(space, page, voices, 10.0 if args.quick else 30.0, busy))
    finish(rows, args, f"{args.space} as a static page")
    print(summary(rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", nargs="?", default="orchestra", help="folder or name of a space")
    add_arguments(parser)
    return parser.parse_args()


def places(space: Space, count: int) -> list[int]:
    """Library notes of different instruments, those nearest to C4, evenly over the list of instruments."""
    names = sorted(set(space.atlas.instruments))
    chosen = [names[n] for n in np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)]
    away = np.abs(np.nan_to_num(space.atlas.pitches, nan=0.0) - 60.0)
    instruments = np.array(space.atlas.instruments)
    return [int(np.where(instruments == name, away, np.inf).argmin()) for name in chosen]


def notes(space: Space, page: Page, count: int) -> Iterator[Row]:
    """Notes of the page against those of the space."""
    for number in places(space, count):
        pitch, point = float(space.atlas.pitches[number]), space.atlas.points[number]
        middle = None if np.isnan(pitch) else min(max(round(pitch), 36), 92)
        for key in (None,) if middle is None else (middle + step for step in KEYS):
            asked = {"point": point.tolist(), "pitch": key, "velocity": VELOCITY, "duration": SECONDS}
            sound = _samples(page, asked, space)
            own, same = (space.decode(point, key, VELOCITY, SECONDS, inverter=one) for one in (None, "portable"))
            yield {
                "row": "notes", "place": space.atlas.instruments[number], "key": key,
                "cents": None if key is None else pitch_error_cents(own, sound, key),
                "level_db": level_difference_db(own.samples[0], sound.samples[0]),
                "rms": float(np.sqrt(np.square(sound.samples - same.samples).mean())),
            }  # fmt: skip


def events(space: Space, page: Page) -> Row:
    """The same events in the page's engine and in the live engine."""
    rate = space.config.spectrogram.sample_rate
    points = [space.atlas.points[number].astype(float) for number in places(space, 5)]
    timed = [(round(at * rate), name, values) for at, name, values in _timed(points)]
    settings = {"voices": 4, "seed": 1, "point": points[0].tolist()}
    asked = {"settings": settings, "length": 4 * rate, "block": _BLOCK}
    asked["events"] = [(at, {"do": name, **values}) for at, name, values in timed]
    sound = _samples(page, asked, space).samples[0]
    engine = Engine(space, point=points[0], voices=4, seed=1, inverter="portable")
    expected = []
    for at in range(0, 4 * rate, _BLOCK):
        while timed and timed[0][0] <= at:
            _, name, values = timed.pop(0)
            _do(engine, name, values)
        expected.append(engine.render(min(_BLOCK, 4 * rate - at)))
    whole = np.concatenate(expected)
    level, apart = (float(np.sqrt(np.square(one).mean())) for one in (whole, sound - whole))
    return {"row": "events", "rms": apart, "level": level, "stolen": engine.stolen_notes}


def axes(space: Space, page: Page, count: int) -> Iterator[Row]:
    """The page's values on named axes and its moves along them, against measured values and `Space.move`."""
    controls, names = space.axis_controls, [axis.name for axis in space.axes]
    points = torch.from_numpy(np.concatenate([space.atlas.points[places(space, count)], space.draw(count, 3)]))
    own, shown = _measured(space, points), torch.tensor([one["values"] for one in _asked(page, points)])
    for n, name in enumerate(names):
        page_moves, app_moves = [], []
        for step in STEPS:
            steps = torch.zeros_like(own).index_fill_(1, torch.tensor(n), step)
            targets = (shown[:, n] + step).clamp(-3.0, 3.0).tolist()
            moved = torch.tensor([one["point"] for one in _asked(page, points, name, targets)])
            app_moves.append(_measured(space, controls.moved(points, _middle_c(points), steps))[:, n])
            page_moves.append(_measured(space, moved)[:, n])
        (share, ordered), (share_app, ordered_app) = (_reached(own[:, n], moves) for moves in (page_moves, app_moves))
        yield {
            "row": "axes", "axis": name, "off": float((shown - own)[:, n].abs().nanmedian()), "share": share,
            "ordered": ordered, "share_app": share_app, "ordered_app": ordered_app,
        }  # fmt: skip


def _reached(own: Tensor, moves: list[Tensor]) -> tuple[float, float]:
    """The median share of the steps that are reached, of those that end within -2.5 and 2.5, and how many further steps
    go further."""
    shares = torch.stack([(moved - own) / step for moved, step in zip(moves, STEPS, strict=True)])
    possible = (own + torch.tensor(STEPS)[:, None]).abs() <= 2.5
    row = torch.stack([*moves[:2], own, *moves[2:]])[:, own.isfinite()]
    return float(shares[possible].nanmedian()), float((row.diff(dim=0) > 0.0).float().mean())


def _asked(page: Page, points: Tensor, axis: str = "", values: Sequence[float] = ()) -> list[dict[str, Any]]:
    more = [{"axis": axis, "value": value} for value in values] or [{}] * len(points)
    found: list[dict[str, Any]] = page.evaluate(
        _RENDER, {"questions": [{"z": z, "pitch": 60} | one for z, one in zip(points.tolist(), more, strict=True)]}
    )
    return found


def _middle_c(points: Tensor) -> Conditions:
    return Conditions(*(torch.full((len(points),), value) for value in (60.0, VELOCITY, torch.inf)))


def _measured(space: Space, points: Tensor) -> Tensor:
    return space.axis_controls.values(points, _middle_c(points))


def _timed(points: list[np.ndarray]) -> Iterator[tuple[float, str, dict[str, Any]]]:
    rows = [point.tolist() for point in points]
    yield 0.0, "note_on", {"key": "a", "pitch": 60.0, "velocity": 0.8}
    yield 0.3, "at", {"point": rows[1], "glide": 0.4}
    yield 0.5, "note_on", {"key": "b", "pitch": 67.5, "velocity": 0.6}
    yield 0.8, "express", {"key": "b", "values": {"bend": 2.5, "gain": -6.0}}
    yield 1.0, "hold", {"seconds": 0.5}
    yield 1.1, "note_on", {"key": "c", "pitch": None, "velocity": 0.9}
    for number, pitch in enumerate((43.0, 48.0, 55.0, 64.0)):
        yield 1.3, "note_on", {"key": f"chord {number}", "pitch": pitch, "velocity": 0.7}
    yield 1.8, "gain", {"decibels": 9.0}
    yield 2.0, "note_off", {"key": "chord 1"}
    yield 2.2, "path", {"path": {"points": rows, "times": [0.0, 0.2, 0.5, 0.8, 1.0]}, "duration": 0.7, "loop": True}
    yield 3.2, "note_off", {"key": "chord 2"}
    yield 3.4, "panic", {}
    yield 3.5, "note_on", {"key": "a", "pitch": 72.0, "velocity": 0.5}


def _do(engine: Engine, name: str, values: dict[str, Any]) -> None:
    """Carry out a command of the page."""
    if name == "path":
        path = timbre.Path(np.array(values["path"]["points"]), np.array(values["path"]["times"]))
        engine.path(path, values["duration"], values["loop"])
    else:
        getattr(engine, name)(**values)


def live(space: Space, page: Page, voices: int, seconds: float, busy: bool) -> Row:
    """Voices that sound in the page while the point moves."""
    page.evaluate("window.timbre.sound.start()")
    page.mouse.click(5, 5)
    page.wait_for_function("window.timbre.sound.ring.played > 0", timeout=20_000)
    page.evaluate(_WATCH)
    before = page.evaluate("window.timbre.sound.ring.underruns")
    points = [space.atlas.points[number].astype(float).tolist() for number in places(space, 8)]
    play = {"points": points, "voices": voices, "busy": busy, "velocity": 0.5}
    page.evaluate(_PLAY, play)
    page.wait_for_timeout(1000.0)
    taken, begun = worker_seconds(), time.perf_counter()
    page.wait_for_timeout(1000.0 * seconds)
    core = (worker_seconds() - taken) / (time.perf_counter() - begun)
    loads, sounding = page.evaluate("[window.loads, window.sounding]")
    underruns = page.evaluate("window.timbre.sound.ring.underruns") - before
    page.evaluate(
        "clearInterval(window.moving), clearInterval(window.blocking), window.timbre.sound.send({ do: 'panic' })"
    )
    page.wait_for_timeout(500)
    loads = loads[len(loads) // 4 :] or [float("nan")]
    return {
        "row": "live", "voices": voices, "busy": busy, "seconds": seconds, "underruns": underruns,
        "core": core, "load": float(np.median(loads)), "sounding": int(np.median(sounding or [0])),
    }  # fmt: skip


_WATCH = """() => {
  [window.loads, window.sounding] = [[], []];
  window.watched ??= window.timbre.sound.addEventListener("state", ({ detail }) => {
    window.loads.push(detail.load);
    window.sounding.push(detail.voices);
  }) || true;
}"""
_PLAY = """({ points, voices, busy, velocity }) => {
  const { sound } = window.timbre, times = points.map((_, n) => n / (points.length - 1));
  sound.send({ do: "hold", seconds: null });
  sound.send({ do: "gain", decibels: -12 });
  sound.send({ do: "path", path: { kind: "line", points, times }, duration: 8, loop: true });
  const again = () => { for (let n = 0; n < voices; n++) sound.send({ do: "note_on", key: `v${n}`, pitch: 45 + 4 * n, velocity }); };
  again();
  window.moving = setInterval(again, 4000);
  if (busy) window.blocking = setInterval(() => { const end = performance.now() + 150; while (performance.now() < end); }, 250);
}"""  # noqa: E501


def _samples(page: Page, asked: dict[str, Any], space: Space) -> Audio:
    samples = np.frombuffer(base64.b64decode(page.evaluate(_RENDER, json.loads(json.dumps(asked)))), "<f4")
    return Audio(samples.copy(), space.config.spectrogram.sample_rate)


def summary(rows: list[Row]) -> str:
    """One line: the worst and the median of what must be small."""
    found = [row for row in rows if row["row"] == "notes"]
    cents, levels = ([abs(row[key]) for row in found if row[key] is not None] for key in ("cents", "level_db"))
    size = next(row["bytes_gzipped"] for row in rows if row["row"] == "size") / 1e6
    apart = max(row["rms"] for row in rows if "rms" in row)
    return (
        f"{len(found)} notes: cents {np.median(cents):.2f}, most {max(cents):.2f}; level {np.median(levels):.2f} dB, "
        f"most {max(levels):.2f}, {sum(level <= 1.0 for level in levels)} within 1 dB; rms at most {apart:.1e}; "
        f"{size:.2f} MB gzipped."
    )


if __name__ == "__main__":
    main()
