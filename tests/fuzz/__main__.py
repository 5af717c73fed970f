"""`scripts/fuzz`: tries inputs for every target, and prints what became of them."""

import argparse
import importlib
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from fuzz import MODULES
from fuzz._campaign import Campaign, Failure, Outcome, attempt, emptied, scratch, where
from fuzz._target import TARGETS
from fuzz._tiny import warm_up

HEAD = ("target", "inputs", "refused", "accepted", "failures", "slowest ms", "largest MB", "inputs/s")


def main() -> int:
    """The exit status: 1 if an input failed."""
    options = _options()
    torch.set_num_threads(1)
    for module in MODULES:
        importlib.import_module(f"fuzz.{module}")
    if options.list:
        print("\n".join(f"{name:<20}{', '.join(TARGETS[name].doors)}" for name in TARGETS))
        return 0
    if options.replay:
        return _replay(options.replay)
    chosen = [TARGETS[name] for name in TARGETS if not options.target or name.startswith(tuple(options.target))]
    if not chosen:
        print(f"There is no such target; there are {', '.join(TARGETS)}.", file=sys.stderr)
        return 2
    kept = options.failures or Path(tempfile.mkdtemp(prefix="timbre-fuzz-failures-"))
    seconds = options.seconds if options.seconds or options.count else 10.0
    outcomes, failed = list[Outcome](), list[Failure]()
    warm_up()
    print(_line(HEAD))
    with scratch() as place:
        campaign = Campaign(options.seed, options.jobs, kept, place)
        for target in chosen:
            count = options.count and (options.count if target.file else -(-options.count // 4))
            outcome, failures = campaign.run(target, count, seconds)
            outcomes.append(outcome)
            failed += failures
            print(_line(_cells(outcome)), flush=True)
    print(_line(_cells(_total(outcomes))))
    for failure in failed:
        print(f"\n{failure.name}: {failure.reason.splitlines()[0][:200]}\n  in {failure.trace}")
    if failed:
        print(f"\nThe inputs are in {kept}; scripts/fuzz --replay {kept} tries them again.")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in outcomes], indent=1) + "\n", encoding="utf-8")
    return int(bool(failed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/fuzz", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, help="time for each target; default: 10, or until --count")
    parser.add_argument("--count", type=int, help="inputs for each target of files; of others a quarter")
    parser.add_argument("--target", action="append", help="targets that begin like this; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other inputs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes; default: one a core")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON too")
    parser.add_argument("--failures", type=Path, metavar="FOLDER", help="keep failing inputs here; default: a new one")
    parser.add_argument("--replay", type=Path, metavar="INPUT", help="try kept inputs again: a file or a folder")
    parser.add_argument("--list", action="store_true", help="print the targets and the functions that they call")
    return parser.parse_args()


def _replay(kept: Path) -> int:
    files = [kept] if kept.is_file() else sorted(file for file in kept.iterdir() if file.suffix != ".txt")
    failed = 0
    with scratch() as place:
        for file in files:
            (inputs := place / "input").mkdir(exist_ok=True)
            try:
                target = TARGETS[file.name.rpartition("-")[0]]
                if target.prepare:
                    target.prepare()
                accepted = attempt(target, file.read_bytes(), emptied(inputs))
                print(f"{file.name}: {'accepted' if accepted else 'refused'}")
            except Exception as error:
                failed += 1
                print(f"{file.name}: {type(error).__name__}: {str(error)[:300]} ({where(error)})")
                if len(files) == 1:
                    raise
    return int(failed > 0)


def _total(outcomes: list[Outcome]) -> Outcome:
    total = Outcome("all")
    for one in outcomes:
        for name in ("tried", "refused", "accepted", "failures", "seconds"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
        total.slowest, total.largest = max(total.slowest, one.slowest), max(total.largest, one.largest)
    return total


def _cells(one: Outcome) -> tuple[str, ...]:
    counts = (f"{n:,}" for n in (one.tried, one.refused, one.accepted, one.failures))
    return (
        one.target,
        *counts,
        f"{one.slowest:.0f}",
        f"{one.largest:.0f}",
        f"{one.tried / max(one.seconds, 1e-9):.0f}",
    )


def _line(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:<20}" + "".join(f"{cell:>12}" for cell in cells[1:])


if __name__ == "__main__":
    sys.exit(main())
