"""Lets scripts/*.py run in a fresh clone: installs timbre into .venv and runs the script with that interpreter."""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # until the command begins, which answers Ctrl-C itself

ROOT = Path(__file__).resolve().parents[1]


def with_timbre(*extras: str) -> None:
    """Continue with an interpreter that has timbre: this one, or that of `.venv`, which scripts/setup makes first.

    Args:
        extras: extras of pyproject.toml that the script needs.

    Raises:
        SystemExit: if timbre cannot be installed.
    """
    venv = ROOT / ".venv"
    found = find_spec("timbre")
    if found and found.origin and Path(sys.prefix) != venv:
        return  # the user's own environment
    code = subprocess.run([ROOT / "scripts" / "setup", *extras], stdout=sys.stderr, check=False).returncode
    if code:
        raise SystemExit(code)
    if Path(sys.prefix) != venv:
        python = str(venv / "bin" / "python")
        os.execv(python, [python, *sys.argv])
