"""Make docs/results.md, the page of all results, from the JSON files in benchmarks/results.

    python benchmarks/results.py                       # write the page
    python benchmarks/results.py --check               # is the page that of the files? exit status 1 if it is not
    python benchmarks/results.py --take latent rows.json --machine "8 cores" --date 2026-11-30
    python benchmarks/results.py --list                # the files: command, date, machine

--take puts what a benchmark wrote with --json (or `timbre evaluate`) into benchmarks/results/NAME.json and writes the
page. Each file has `command`, `machine`, `date`, `seeds` and `rows`; `conditions` if figures need them; `copied_from`
if the figures stood on a page before there were such files; and `columns` if the rows are lists of texts.

The text is benchmarks/results/page.md; a line <!-- table NAME --> in it becomes a table (_results_tables.py).
"""

import argparse
import datetime
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _results_tables import TABLES, Rows, texts

from timbre.files import write_text

ROOT = Path(__file__).resolve().parents[1]
FILES, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "results.md"
KEYS = ("command", "machine", "date", "seeds", "rows")


def main() -> None:
    args = parse()
    if args.take:
        take(args.take[0], Path(args.take[1]), args.machine, args.date, args.command)
    if args.list:
        for file in sorted(FILES.glob("*.json")):
            found = Results.read(file)
            print(f"{file.stem:<20}{found.date}  {found.machine}\n    {found.command}")
        return
    text = page()
    if args.check:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            sys.exit("docs/results.md is not the page of benchmarks/results; run python benchmarks/results.py.")
        return
    write_text(PAGE, text)
    print(PAGE)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--list", action="store_true", help="list the files")
    parser.add_argument("--take", nargs=2, metavar=("NAME", "FILE"), help="take in the JSON file of a benchmark")
    parser.add_argument("--command", help="that made the file; default: as before")
    parser.add_argument("--machine", help="on which it was made; default: as before")
    parser.add_argument("--date", help="of its making; default: that of the file")
    return parser.parse_args()


@dataclass(frozen=True)
class Results:
    """One file of results."""

    command: str
    machine: str
    date: str
    seeds: str
    rows: list[Any]
    conditions: str = ""
    copied_from: str = ""
    columns: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Results":
        """The results in a file.

        Raises:
            SystemExit: if something is missing in it.
        """
        values = json.loads(file.read_text(encoding="utf-8"))
        if missing := [key for key in KEYS if key not in values]:
            sys.exit(f"{file} must have {', '.join(KEYS)}; {', '.join(missing)} is missing.")
        return cls(**values)

    def origin(self) -> str:
        """Where the figures come from, in Markdown."""
        copied = f" Copied from [{self.copied_from.split('#')[0]}]({self.copied_from})." if self.copied_from else ""
        facts = "; ".join(filter(None, (self.seeds, self.machine, self.date)))
        command = f"    {self.command}\n\n" if self.command else ""
        return f"{command}{facts}. {self.conditions}{copied}".rstrip()


def take(name: str, source: Path, machine: str | None, date: str | None, command: str | None) -> None:
    """Put the rows of a JSON file into the results NAME; what is not given stays."""
    file = FILES / f"{name}.json"
    old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else dict.fromkeys(KEYS, "")
    rows = json.loads(source.read_text(encoding="utf-8"))
    changed = datetime.date.fromtimestamp(source.stat().st_mtime).isoformat()
    new = old | {
        "command": command or old["command"],
        "machine": machine or old["machine"],
        "date": date or changed,
        "rows": [rounded(row) for row in (rows if isinstance(rows, list) else [rows])],
    }
    write_text(file, json.dumps({key: value for key, value in new.items() if key != "copied_from"}, indent=1) + "\n")
    print(file)


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """A row with six significant digits."""
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in row.items()}


def page() -> str:
    """The page in Markdown."""
    text = (FILES / "page.md").read_text(encoding="utf-8")
    return re.sub(r"^<!-- table (\S+) -->$", lambda found: table(found[1]), text, flags=re.MULTILINE)


def table(name: str) -> str:
    """One table with its origin, in Markdown."""
    files, cells = TABLES.get(name, ((name,), texts))
    results = [Results.read(FILES / f"{file}.json") for file in files]
    columns, rows = cells(*(Rows(one.rows, one.columns) for one in results))
    lines = [columns, ["---"] * len(columns), *rows]
    origins = dict.fromkeys(one.origin() for one in results)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n" + "\n\n".join(origins)


if __name__ == "__main__":
    main()
