"""Results of listening tests, from anybody's browser, and the keys of tests."""

import json
import tempfile
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from listeners import pairs_test, quality_test, rate_pairs, rate_quality

from fuzz import _mutations as mutations
from fuzz._target import lay_out, packed, target
from timbre.listening import ListeningTest, rated, read_answers, score, write_study


@cache
def _studies() -> list[dict[str, bytes]]:
    """Small tests of all tasks with the results of two listeners."""
    found = []
    for test in (quality_test(2, ("reference", "anchor", "good")), pairs_test(4), pairs_test(4, "sorting")):
        with tempfile.TemporaryDirectory() as name:
            test.save(Path(name))
            if test.task == "quality":
                rate_quality(test, Path(name), 2)
            else:
                rate_pairs(test, Path(name), 1.0 - np.eye(4), 2)
            found.append({file.name: file.read_bytes() for file in sorted(Path(name).iterdir())})
    return found


def _study(random: Random) -> bytes:
    files = dict(random.choice(_studies()))
    changed = random.choice([*files, "p00.csv", "p01.csv"])
    if changed == "key.json":
        files[changed] = mutations.some_json(random, json.loads(files[changed]))
    elif random.random() < 0.5:
        rows = [line.split(",") for line in files[changed].decode().splitlines()]
        files[changed] = mutations.some_rows(random, rows)
    else:
        files[changed] = mutations.some_text(random, files[changed].decode())
    return packed(files)


@target(
    "listening", _study, "timbre.listening.results:read_answers", "timbre.listening.design:ListeningTest.load",
    prepare=_studies,
)  # fmt: skip
def _analyse(data: bytes, place: Path) -> None:
    test = ListeningTest.load(lay_out(data, place))
    answers = read_answers(test, place)
    if test.task == "quality":
        score(test, answers)
        return
    found = rated(test, answers)
    if len(found.study.items) > 2 and len(found.study.pairs()[2]):
        write_study(found.study, place / "ratings")
