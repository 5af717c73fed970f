"""The output of every benchmark: a table for people, and a JSON file of flat rows for programs."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from timbre.files import write_text

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all benchmarks share."""
    parser.add_argument("--quick", action="store_true", help="run a small version, in a minute or less")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")


def finish(rows: list[Row], args: argparse.Namespace, title: str) -> None:
    """Print `rows` as a table under `title`, and write them to the file of --json."""
    print(f"\n{title}\n{format_table(rows)}", flush=True)
    if args.json:
        write_json(args.json, rows)


def format_table(rows: list[Row]) -> str:
    """Aligned columns: text to the left, numbers to the right."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_text(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells), 0) for i, name in enumerate(names)]
    numeric = [all(not isinstance(row.get(name), str) for row in rows) for name in names]
    lines = [names, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(text.rjust(w) if n else text.ljust(w) for text, w, n in zip(line, widths, numeric, strict=True))
        for line in lines
    )


def write_json(path: Path, rows: list[Row]) -> None:
    """Write a list of flat objects, with null for numbers that are not finite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(_finite(rows), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """`value` as JSON can hold it: None for NaN and infinities, plain numbers for numpy's."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str:
    if _finite(value) is None:
        return "-"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
