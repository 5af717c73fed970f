"""Path files: what is written is read back, and nothing else is."""

import json
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.paths.path import KINDS
from timbre.shapes.path_files import read_path, write_path
from timbre.space import Space

GOOD: dict[str, Any] = {
    "format": "timbre-path", "version": 1, "kind": "line", "dim": 3, "times": [0, 1], "points": [[0, 0, 0], [1, 2, 3]],
}  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(seed=st.integers(0, 999), count=st.integers(1, 5), kind=st.sampled_from(KINDS))
def test_a_path_comes_back_to_the_bit(tiny_space: Space, tmp_path: FilePath, seed: int, count: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    path = Path(random.normal(size=(count, 3)), np.sort(random.random(count)), kind)
    write_path(tmp_path / "a.json", path, tiny_space)
    again = read_path(tmp_path / "a.json", tiny_space)
    assert again.kind == kind
    np.testing.assert_array_equal(again.points, path.points)
    np.testing.assert_array_equal(again.times, path.times)
    write_path(tmp_path / "a.csv", path, tiny_space)
    table = read_path(tmp_path / "a.csv", tiny_space)
    np.testing.assert_array_equal(table.at(path.times), path.points)
    moments = np.linspace(0, 1, 57)
    np.testing.assert_allclose(table.at(moments), path.at(moments), atol=1e-9 if kind == "line" else 0.02)


def test_nothing_but_the_file_is_left_behind(tiny_space: Space, tmp_path: FilePath) -> None:
    write_path(tmp_path / "a.json", Path(np.zeros((1, 3)), np.zeros(1)), tiny_space)
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


@pytest.mark.parametrize(
    "found",
    [
        *[without(key) for key in GOOD],
        [],
        GOOD | {"more": 1},
        GOOD | {"version": 2},
        GOOD | {"kind": "loop"},
        GOOD | {"kind": 3},
        GOOD | {"dim": 2},
        GOOD | {"dim": 2, "points": [[0, 0], [1, 2]]},
        GOOD | {"times": [0, 0]},
        GOOD | {"times": [1, 0]},
        GOOD | {"times": [0, 2]},
        GOOD | {"times": [0]},
        GOOD | {"times": "01"},
        GOOD | {"points": [[0, 0, 0], [1, 2]]},
        GOOD | {"points": [[0, 0, 0], [1, 2, "3"]]},
        GOOD | {"points": [[0, 0, 0], [1, 2, True]]},
        GOOD | {"points": [[0, 0, 0], [1, 2, 10**400]]},
        GOOD | {"points": []},
        GOOD | {"points": [[[0, 0, 0]], [[1, 2, 3]]]},
    ],
)
def test_json_that_is_no_path_is_refused(tiny_space: Space, tmp_path: FilePath, found: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(found))
    with pytest.raises(ConfigError):
        read_path(tmp_path / "a.json", tiny_space)


def test_the_pattern_of_those_is_a_path(tiny_space: Space, tmp_path: FilePath) -> None:
    (tmp_path / "a.json").write_text(json.dumps(GOOD))
    np.testing.assert_array_equal(read_path(tmp_path / "a.json", tiny_space).points, GOOD["points"])


@pytest.mark.parametrize("text", ["", "{", "[" * 20_000, json.dumps(GOOD).replace("3]]", "NaN]]"), "1e999"])
def test_text_that_is_no_json_is_refused(tiny_space: Space, tmp_path: FilePath, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError):
        read_path(tmp_path / "a.json", tiny_space)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "time\n0\n",
        "time,z0,z1,z2\n",
        "time,z0,z1\n0,1,2\n",
        "time,z0,z2,z1\n0,1,2,3\n",
        "0,1,2,3\n",
        "time,z0,z1,z2\n0,1,2,3\n1,1,2\n",
        "time,z0,z1,z2\n0,1,2,x\n",
        "time,z0,z1,z2\n0,1,2,inf\n",
        "time,z0,z1,z2\n1,1,2,3\n0,1,2,3\n",
        'time,z0,z1,z2\n0,1,2,"3\n',
    ],
)
def test_csv_that_is_no_path_is_refused(tiny_space: Space, tmp_path: FilePath, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ConfigError):
        read_path(tmp_path / "a.csv", tiny_space)


def test_files_that_cannot_be(tiny_space: Space, tmp_path: FilePath) -> None:
    path = Path(np.zeros((1, 3)), np.zeros(1))
    for name in ("a.txt", "a", "no/a.json"):
        with pytest.raises(ConfigError):
            write_path(tmp_path / name, path, tiny_space)
        with pytest.raises(ConfigError):
            read_path(tmp_path / name, tiny_space)
    with pytest.raises(ConfigError, match="2 dimensions"):
        write_path(tmp_path / "a.json", Path(np.zeros((1, 2)), np.zeros(1)), tiny_space)
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_path(tmp_path / "b.json", tiny_space)
