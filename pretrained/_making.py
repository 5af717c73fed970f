"""Training of a space that ships, by timbre's own commands; results are stored, and an interrupted run continues."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timbre
from timbre.files import write_text

HERE = Path(__file__).parent
TINY = (
    "--training.epochs=2", "--data.duration=1.0", "--data.dense=0.5", "--spectrogram.n-mels=64", "--model.dim=4",
    "--model.flows=2", "--model.encoder-channels=16", "--model.decoder-channels=16", "--model.decoder-blocks=1",
)  # fmt: skip
TINY_VOCODER = ("--steps=4", "--channels=16", "--blocks=1")


class Findings:
    """Results for a space, in a JSON file.

    Args:
        file: the file.
        config: the space's config.json, which has the checksums of all its parts: results for others are discarded.
    """

    def __init__(self, file: Path, config: bytes) -> None:
        self.file, self._mark = file, hashlib.sha256(config).hexdigest()
        stored = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self.values: dict[str, Any] = stored if stored.get("space") == self._mark else {"space": self._mark}

    def once(self, name: str, find: Callable[[], Any], made: Path | None = None) -> Any:
        """The result of this name, computed now if it is not stored or if the file `made` is missing."""
        if name not in self.values or (made and not made.exists()):
            print(f"{name} ...", flush=True)
            self.values[name] = find()
            write_text(self.file, json.dumps(self.values, indent=1) + "\n")
        return self.values[name]


@dataclass(frozen=True)
class Making:
    """A space that is being made."""

    name: str
    """Such as orchestra: its settings are in NAME.toml beside this file."""
    out: Path
    """Folder of the libraries and of all spaces in the making."""
    target: Path
    """The folder that ships."""
    ratings: tuple[Path, ...] = ()
    """Listeners' studies for `timbre evaluate`."""
    processes: int = 1
    """Processes that train together."""
    quick: bool = False
    """Whether it is made tiny, to try the program."""

    @property
    def illustrated(self) -> bool:
        """Whether it ships with maps and pictures; one space does, as they are large."""
        return self.name == "orchestra"

    @property
    def folder(self) -> Path:
        """Where the space is trained."""
        return self.out / self.name

    @property
    def library(self) -> Path:
        """All notes with their split."""
        return self.out / "orchestra.json"

    @property
    def unverified(self) -> Path:
        """Notes for measurements only."""
        return self.out / "unverified.json"

    def findings(self) -> Findings:
        """The results for this space.

        Raises:
            SystemExit: if it is not trained yet.
        """
        config = self.folder / "config.json"
        if not config.exists():
            raise SystemExit(f"{self.folder} must be a trained space, but it has no config.json; do the step train.")
        return Findings(self.out / f"findings-{self.name}.json", config.read_bytes())


def train(making: Making) -> None:
    """Train the space with `timbre train`, or continue."""
    if (making.folder / "config.json").exists():
        print(f"{making.folder} is trained.")
        return
    settings = ("--config", str(HERE / f"{making.name}.toml"), *(TINY if making.quick else ()))
    run("train", str(making.library), str(making.folder), *settings, processes=making.processes)


def train_vocoder(making: Making) -> None:
    """Train its vocoder with `timbre train-vocoder`, or continue."""
    making.findings()
    if timbre.load(making.folder).vocoder is not None:
        print(f"{making.folder} has a vocoder.")
        return
    settings = ("--config", str(HERE / "orchestra-vocoder.toml"), *(TINY_VOCODER if making.quick else ()))
    run("train-vocoder", str(making.folder), str(making.library), *settings)


def run(*words: str, processes: int = 1) -> None:
    """Run a command of timbre.

    Raises:
        SystemExit: if it fails.
    """
    several = ("torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m")
    program(*(several if processes > 1 else ()), "timbre", *words)


def program(*words: str) -> None:
    """Run a module by Python's -m.

    Raises:
        SystemExit: if it fails.
    """
    code = subprocess.run([sys.executable, "-m", *words], env=os.environ, check=False).returncode
    if code:
        raise SystemExit(code)


def origin(out: Path, commit: str | None, machine: str | None) -> dict[str, str]:
    """Commit and machine of the training, as given or as they were when it started; stored in origin.json."""
    file = out / "origin.json"
    stored = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    values = {
        "commit": commit or stored.get("commit") or _commit(),
        "machine": machine or stored.get("machine") or _machine(),
    }
    write_text(file, json.dumps(values) + "\n")
    return values


def _commit() -> str:
    command = ["git", "-C", str(HERE), "rev-parse", "HEAD"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip() or "unknown"


def _machine() -> str:
    import torch

    cores = os.cpu_count() or 1
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{cores} core{'s' * (cores != 1)}, {device}"
