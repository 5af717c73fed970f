"""What every benchmark does with its rows: a table for people, a JSON file of flat rows for programs."""

import argparse
import json
import os
import secrets
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that all benchmarks share."""
    parser.add_argument("--quick", action="store_true", help="a small run that shows that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")


def finish(rows: list[Row], args: argparse.Namespace, title: str) -> None:
    """Print `rows` as a table under `title`, and write them where --json says."""
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
    """One list of flat objects; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
