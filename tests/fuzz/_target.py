"""`Target`: a door of timbre, and how inputs for it are made and tried."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

TARGETS: dict[str, "Target"] = {}


@dataclass(frozen=True)
class Target:
    """Inputs are bytes, so that each can be kept and replayed; files of a folder are put into one by :func:`packed`."""

    name: str
    make: Callable[[Random], bytes]
    run: Callable[[bytes, Path], object]  # with an empty folder; raises a TimbreError if the input is refused
    doors: tuple[str, ...]  # the functions of timbre that it opens, as module:name
    file: bool  # whether the input is what a file or a folder of others contains
    prepare: Callable[[], object] | None = None  # called once, before processes are forked

    def input(self, seed: int, number: int) -> bytes:
        """An input that follows from a seed and its number."""
        return self.make(Random(hashlib.sha256(f"{self.name} {seed} {number}".encode()).digest()))


def target(
    name: str,
    make: Callable[[Random], bytes],
    *doors: str,
    file: bool = True,
    prepare: Callable[[], object] | None = None,
) -> Callable[[Callable[[bytes, Path], object]], Callable[[bytes, Path], object]]:
    """Register a function as the target `name`."""

    def register(run: Callable[[bytes, Path], object]) -> Callable[[bytes, Path], object]:
        assert name not in TARGETS, name
        TARGETS[name] = Target(name, make, run, doors, file, prepare)
        return run

    return register


def packed(files: dict[str, bytes]) -> bytes:
    """Some files as one input: a line of JSON with names and sizes, then their contents."""
    head = json.dumps([(name, len(content)) for name, content in files.items()])
    return head.encode() + b"\n" + b"".join(files.values())


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files that :func:`packed` put together."""
    head, _, rest = data.partition(b"\n")
    files = {}
    for name, size in json.loads(head):
        files[name], rest = rest[:size], rest[size:]
    return files


def lay_out(data: bytes, place: Path) -> Path:
    """Write the files of an input into a folder, which is returned."""
    for name, content in unpacked(data).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place
