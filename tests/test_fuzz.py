"""The short form of scripts/fuzz: some inputs for every target; and a target for every module that reads."""

import ast
import importlib
import os
import signal
import time
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import pytest
from fuzz import MODULES, _campaign
from fuzz._campaign import Campaign, attempt, emptied, scratch
from fuzz._target import TARGETS, Target
from fuzz._tiny import warm_up

from timbre.errors import ConfigError

ROOT = Path(__file__).parents[1]
INPUTS = 12
READS = {
    "loads", "read_text", "read_bytes", "reader", "DictReader", "ZipFile", "parse_safetensors", "SoundFile", "MidiFile",
    "ParserCreate", "frombuffer", "fromfile", "recvfrom", "readline", "iter_content", "receive_text", "connect", "open",
}  # fmt: skip
"""Functions and methods of libraries that read."""
NOT_OUTSIDE = {
    "__main__": "closes the output",
    "app.server": "opens a browser",
    "cli._live": "opens what it plays by the readers",
    "data.digests": "compares files by their bytes",
    "data.sketches": "compares sounds that were read",
    "exporting.names": "writes archives",
    "exporting.samplers.sf2": "writes a file in pieces",
    "exporting.web.plan": "reads the page's own files",
    "notebook": "writes sounds into pages",
    "playback.engine.frames": "opens graphs by models.graphs",
    "playback.engine.service": "lines of its own player",
    "playback.inputs.midi_ports": "discards what ALSA prints",
    "playback.output.device": "lines of its own player",
    "playback.output.processes": "lines of its own processes",
    "playback.output.ring": "memory of its own processes",
    "playback.terminal": "closes the output",
    "space.identity": "compares the settings of spaces on this computer, and refuses none",
    "synth.axis_curve": "numbers of its own",
    "training.folder": "the number of a process",
    "training.journal": "writes logs",
}
"""Modules that read and need no target, and why."""
for _module in MODULES:
    importlib.import_module(f"fuzz.{_module}")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    warm_up()
    with scratch() as folder:
        yield folder


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_target_refuses_or_accepts_whatever_comes(name: str, place: Path) -> None:
    target, inputs = TARGETS[name], place / name
    inputs.mkdir()
    if target.prepare:
        target.prepare()
    for number in range(INPUTS):
        attempt(target, target.input(0, number), emptied(inputs))


def _readers() -> set[str]:
    """The modules of timbre that call a function or method in READS."""
    found = set()
    for file in sorted((ROOT / "timbre").rglob("*.py")):
        calls = (node.func for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call))
        names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
        if names & READS:
            found.add(".".join(file.relative_to(ROOT / "timbre").with_suffix("").parts))
    return found


def test_every_module_that_reads_has_a_target() -> None:
    doors = {door.removeprefix("timbre.").partition(":")[0] for target in TARGETS.values() for door in target.doors}
    assert _readers() - doors - set(NOT_OUTSIDE) == set(), "needs a target in tests/fuzz, or a reason in NOT_OUTSIDE"
    assert set(NOT_OUTSIDE) - _readers() == set()


def test_every_door_is_there() -> None:
    for target in TARGETS.values():
        for door in target.doors:
            module, _, name = door.partition(":")
            assert reduce(getattr, name.split(".") if name else (), importlib.import_module(module)) is not None


def _wrong(data: bytes, place: Path) -> None:
    """A target with one fault of each kind, by the first letter of the input."""
    kind = data[:1]
    if kind == b"a":
        raise KeyError("a")
    if kind == b"b":
        raise ConfigError("")
    if kind == b"c":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == b"d":
        bytearray(3 << 30)
    if kind == b"e":
        time.sleep(60)
    if kind == b"f":
        raise ConfigError("It must be right, got wrong.")


class _InTurn(Target):
    """A target with the inputs a to g in turn."""

    def input(self, _: int, number: int) -> bytes:
        return b"abcdefg"[number % 7 :][:1]


def test_a_campaign_keeps_what_fails_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exceptions, crashes, hangs and gigabytes are found, and the inputs can be tried again."""
    monkeypatch.setattr(_campaign, "SLOWEST", 0.2)
    target = _InTurn("wrong", lambda _: b"", _wrong, (), True)
    with scratch() as place:
        outcome, failures = Campaign(0, 2, tmp_path, place).run(target, 14, None)
    assert (outcome.tried, outcome.refused, outcome.accepted, outcome.failures) == (14, 2, 2, 10)
    reasons = {failure.data: failure.reason for failure in failures}
    assert set(reasons) == {b"a", b"b", b"c", b"d", b"e"}
    assert "KeyError" in reasons[b"a"]
    assert "SIGSEGV" in reasons[b"c"]
    assert "MemoryError" in reasons[b"d"]
    assert "more than" in reasons[b"e"]
    assert {file.read_bytes() for file in tmp_path.iterdir() if not file.suffix} == set(reasons)
