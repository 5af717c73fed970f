"""`scripts/kill`: kills commands at random moments, runs them again, and compares with runs that nobody disturbed.

A warm process forks one for each run; that one does the command's work and is ended by SIGKILL: after a random time, or
at a random one of its file operations. A part of the runs meets a full disk instead: a small file system, or a limit to
the size of files where none can be mounted.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import torch

import timbre
from fuzz._campaign import scratch
from fuzz._tiny import CONFIG, RATE, sound, tiny_space, warm_up
from fuzz._yard import Job, Yard, small_disk
from timbre.__main__ import main as command
from timbre.config import RegularizationConfig
from timbre.data.features.table import features
from timbre.space import Space

sys.path.append(str(Path(__file__).parents[1]))
from archives import tar

HEAD = ("command", "kills", "full disk", "resumed", "identical", "left behind", "failures")
_SETTINGS = replace(
    CONFIG, regularization=RegularizationConfig(perceptual="none", pitch="none"),
    training=replace(CONFIG.training, epochs=6, batch_size=4, threads=1, device="cpu", seed=3),
)  # fmt: skip


@dataclass
class Row:
    """What became of the runs of a command."""

    command: str
    kills: int = 0
    full: int = 0  # runs that met a full disk
    resumed: int = 0  # runs to the end after one or more kills
    identical: int = 0
    left: int = 0  # files and folders that an undisturbed run does not leave
    failures: int = 0


def _run(*words: object) -> None:
    """A command of the command line; a status other than 0 ends the process with it."""
    status = command([str(word) for word in words])
    if status:
        raise SystemExit(status)


def _jobs(place: Path, url: str) -> dict[str, Job]:
    """The commands, with a library of twelve short notes."""
    library = place / "library"
    library.mkdir()
    for instrument in ("flute", "oboe"):
        for key, pitch in zip("CDEFGA", (60, 62, 64, 65, 67, 69), strict=True):
            (library / f"{instrument}-{key}4.wav").write_bytes(sound(pitch=float(pitch), seconds=0.2))
    notes = timbre.scan(library)
    train = [library, *_options(_SETTINGS.to_dict())]
    old, new = tiny_space(), _changed(tiny_space())
    recipe = place / "flutes.toml"
    recipe.write_text(_recipe(url), encoding="utf-8")
    vocoder = (
        "--steps",
        12,
        "--channels",
        8,
        "--blocks",
        1,
        "--batch-size",
        4,
        "--frames",
        12,
        "--threads",
        1,
        "--device",
        "cpu",
    )
    jobs = [
        Job("scan", lambda out: _run("scan", library, "--out", out / "scan", "--page", "none")),
        Job("cache", lambda _: features(notes, _SETTINGS)),
        Job("train", lambda out: _run("train", train[0], out / "space", *train[1:])),
        Job(
            "train-vocoder",
            lambda out: _run("train-vocoder", out / "space", library, *vocoder),
            lambda out: timbre.train(notes, _SETTINGS, out / "space", progress=False),
        ),
        Job(
            "save", lambda out: new.save(out / "space"), lambda out: old.save(out / "space"), partial(_one_of, old, new)
        ),
        Job("fetch", lambda out: _run("fetch", recipe, out / "flutes", "--allow-http")),
    ]
    return {job.name: job for job in jobs}


def _options(settings: dict[str, Any]) -> list[str]:
    """The settings that differ from the defaults as options."""
    default, options = timbre.Config().to_dict(), list[str]()
    for table, values in settings.items():
        options += [f"--{table}.{key}={value}" for key, value in values.items() if value != default[table][key]]
    return options


def _changed(space: Space) -> Space:
    """The space with other weights and points."""
    import copy

    model = copy.deepcopy(space.model)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.25)
    atlas = replace(space.atlas, points=space.atlas.points + 1)
    return Space(space.config, model, atlas, space.report | {"notes": 5}, space.axes, space.vocoder)


def _one_of(old: Space, new: Space, out: Path) -> None:
    """The folder has the old space or the new one, and nothing in between."""
    found = timbre.load(out / "space")
    for space in (old, new):
        same = bool((found.atlas.points == space.atlas.points).all()) and found.report == space.report
        weights = zip(found.model.state_dict().values(), space.model.state_dict().values(), strict=True)
        if same and all(torch.equal(a, b) for a, b in weights):
            return
    raise AssertionError("the space is neither the old one nor the new one")


# A server for fetch


def _archive() -> bytes:
    names = [f"notes/flute/flute_{key}{octave}.wav" for octave in range(2, 7) for key in "CDEFGAB"]
    return tar({name: sound(pitch=60.0 + number, rate=RATE, seconds=0.3) for number, name in enumerate(names)}, "w")


def _recipe(url: str) -> str:
    texts = "".join(f'{key} = "x"\n' for key in ("title", "homepage", "licence", "citation", "size", "checked"))
    data = _archive()
    md5 = hashlib.md5(data).hexdigest()
    file = f'[[files]]\nurl = "{url}/flutes.tar"\nmd5 = "{md5}"\nbytes = {len(data)}\nunpack = true\n'
    return f'{texts}format = "folders"\n{file}[[files]]\nurl = "{url}/table.csv"\nbytes = {len(data)}\n'


class _Server(ThreadingHTTPServer):
    """A server that does not print that a killed client is gone."""

    def handle_error(self, *_: object) -> None: ...


class _Slow(BaseHTTPRequestHandler):
    """Serves the archive under every name, in pieces, from any byte on."""

    protocol_version = "HTTP/1.1"
    content = b""

    def do_GET(self) -> None:
        given = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start, size = int(given[1]) if given else 0, len(self.content)
        self.send_response(206 if given else 200)
        if given:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        with contextlib.suppress(OSError):
            for at in range(start, size, 1 << 14):
                self.wfile.write(self.content[at : min(at + (1 << 14), size)])
                time.sleep(0.01)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _serving() -> Iterator[str]:
    """The address of a server in a process of its own."""
    server = _Server(("127.0.0.1", 0), _Slow)
    server.daemon_threads, _Slow.content = True, _archive()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            server.serve_forever()
        os._exit(0)
    port = server.server_port
    server.socket.close()
    os.environ["NO_PROXY"] = "127.0.0.1"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Killer:
    """Kills a command again and again, and compares."""

    def __init__(self, place: Path, job: Job, random: Random) -> None:
        self.place, self.job, self.random = place, job, random
        self.row, self.problems = Row(job.name), list[str]()
        self.pattern = place / f"{job.name}-pattern"
        with self._yard("whole") as yard:
            shutil.copytree(yard.place, self.pattern, symlinks=True)
            status, text, self.seconds = yard.to_end(job)
            assert status == 0, text
            self.events = int(text.rpartition("\0")[2])
            self.whole = yard.contents()
            self.size = sum(path.stat().st_size for path in yard.place.rglob("*") if path.is_file())
        with self._yard("again") as yard:
            yard.to_end(job)
            again = yard.contents()
            differing = [name for name in {**self.whole, **again} if self.whole.get(name) != again.get(name)]
            assert not differing, f"two undisturbed runs of {job.name} differ in {differing}"

    @contextlib.contextmanager
    def _yard(self, name: str) -> Iterator[Yard]:
        """A fresh yard with what the command begins with; always under the same path, which settings may contain."""
        folder = self.place / "yard"
        try:
            if self.pattern.exists():
                shutil.copytree(self.pattern, folder, symlinks=True, dirs_exist_ok=True)
                yard = object.__new__(Yard)
                yard.place = folder
            else:
                yard = Yard(folder)
                os.environ["TIMBRE_CACHE"] = str(folder / "cache")
                self.job.prepare(folder / "out")
            yield yard
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def kill(self, most: int) -> int:
        """Kill a run up to `most` times, then let it end; returns the number of kills."""
        with self._yard("killed") as yard:
            kills = 0
            for _ in range(self.random.randint(1, max(1, min(3, most)))):
                by_time = self.random.random() < 0.5
                after = self.random.uniform(0.0, 1.05 * self.seconds) if by_time else None
                event = None if by_time else self.random.randint(1, self.events)
                kills += yard.killed(self.job, after, event)
                self._attempt(lambda: self.job.check(yard.place / "out"), f"killed {after or event}")
            self.row.kills += kills
            self._finish(yard, f"{kills} kills")
            return kills

    def fill(self) -> None:
        """Let a run meet a full disk, then give it room and let it end."""
        size = round(self.size * self.random.random())
        folder = self.place / "yard"
        with small_disk(folder, size + self._begun()) as mounted, self._yard("full") as yard:
            status, text, _ = yard.to_end(self.job, None if mounted else max(1, size))
            self.row.full += 1
            if status not in (0, 1) or "Traceback" in text or (status == 1 and text.count("timbre: ") != 1):
                self._fail(f"full disk: status {status}, {text[-300:]!r}")
            self._attempt(lambda: self.job.check(yard.place / "out"), "full disk")
            if mounted:
                subprocess.run(["mount", "-o", "remount,size=1g", str(folder)], check=True, capture_output=True)
            self._finish(yard, f"full disk of {size} bytes")

    def _begun(self) -> int:
        """Bytes on a disk with pages of 4 kB that the command begins with."""
        return sum(4096 + -(-path.stat().st_size // 4096) * 4096 for path in self.pattern.rglob("*"))

    def _finish(self, yard: Yard, what: str) -> None:
        status, text, _ = yard.to_end(self.job)
        if status:
            self._fail(f"{what}: cannot go on: {text[-300:]!r}")
            return
        self.row.resumed += 1
        found = yard.contents()
        differing = [name for name in self.whole if found.get(name) != self.whole[name]]
        left = [name for name in found if name not in self.whole]
        self.row.identical += not differing
        self.row.left += len(left)
        if differing:
            self._fail(f"{what}: differs in {', '.join(differing[:5])}")
        if left:
            self._fail(f"{what}: left behind {', '.join(left[:5])}")

    def _attempt(self, check: Callable[[], object], what: str) -> None:
        try:
            check()
        except Exception as error:  # noqa: BLE001  (that is what is looked for)
            self._fail(f"{what}: {type(error).__name__}: {str(error)[:200]}")

    def _fail(self, text: str) -> None:
        self.row.failures += 1
        self.problems.append(f"{self.job.name}: {text}")
        print(self.problems[-1], file=sys.stderr, flush=True)


def main(words: list[str] | None = None) -> int:
    """The exit status: 1 if something was lost, differs or was left behind."""
    options = _options_of(words)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    rows, problems = list[Row](), list[str]()
    with scratch() as place, _serving() as url:
        warm_up()
        jobs = _jobs(place, url)
        chosen = [jobs[name] for name in jobs if not options.command or name in options.command]
        print(_line(HEAD))
        for number, job in enumerate(chosen):
            share = options.kills // len(chosen) + (number < options.kills % len(chosen))
            killer = Killer(place, job, Random(f"{job.name} {options.seed}"))
            while killer.row.kills < share:
                killer.kill(share - killer.row.kills)
            for _ in range(options.full if options.full is not None else -(-share // 4)):
                killer.fill()
            rows.append(killer.row)
            problems += killer.problems
            print(_line([str(value) for value in asdict(killer.row).values()]), flush=True)
    total = [sum(column) for column in zip(*(list(asdict(row).values())[1:] for row in rows), strict=True)]
    print(_line(["all", *map(str, total)]))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return int(bool(problems))


def _options_of(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/kill", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kills", nargs="?", type=int, default=24, help="kills in all; default: 24")
    parser.add_argument("--full", type=int, help="runs on a full disk for each command; default: one for four kills")
    parser.add_argument("--command", action="append", help="only this command; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON too")
    return parser.parse_args(words)


def _line(cells: "list[str] | tuple[str, ...]") -> str:
    return f"{cells[0]:<16}" + "".join(f"{cell:>13}" for cell in cells[1:])


if __name__ == "__main__":
    sys.exit(main())
