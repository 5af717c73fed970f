"""Presets: what is written is read back, nothing else is, and `timbre preset` keeps them."""

import json
import shutil
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timbre.__main__ import main
from timbre.errors import ConfigError
from timbre.paths import Path
from timbre.paths.path import KINDS
from timbre.shapes.path_files import write_path
from timbre.shapes.presets import FILE, MOST, Preset, Presets, read_presets, write_presets
from timbre.space import Space

ENTRY: dict[str, Any] = {
    "name": "dark", "duration": 4.0, "loop": False, "kind": "line", "times": [0.0], "points": [[1.0, 2.0, 3.0]],
}  # fmt: skip
GOOD: dict[str, Any] = {"format": "timbre-presets", "version": 1, "dim": 3, "presets": [ENTRY]}
POINT = Path(np.ones((1, 3)), np.zeros(1))

visible = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S"), include_characters=" ")
names = st.text(visible, min_size=1, max_size=60).filter(lambda text: text.strip() == text and text.isprintable())


@st.composite
def presets(draw: st.DrawFn) -> Preset:
    count = draw(st.integers(1, 5))
    numbers = st.floats(-1e6, 1e6, width=64)
    points = draw(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=count, max_size=count))
    times = draw(st.lists(st.floats(0, 1), min_size=count, max_size=count, unique=True).map(sorted))
    path = Path(np.array(points), np.array(times), draw(st.sampled_from(KINDS)))
    pitches = draw(st.none() | st.lists(st.floats(0, 127), min_size=2, max_size=2).map(lambda two: tuple(sorted(two))))
    group = draw(st.sampled_from(["", "Wind", "Struck"]))
    return Preset(draw(names), path, draw(st.floats(0.01, 3600)), draw(st.booleans()), group, pitches)


def same(a: Preset, b: Preset) -> bool:
    plain = all(getattr(a, name) == getattr(b, name) for name in ("name", "duration", "loop", "group", "pitches"))
    return (
        plain
        and a.path.kind == b.path.kind
        and np.array_equal(a.path.points, b.path.points)
        and np.array_equal(a.path.times, b.path.times)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(some=st.lists(presets(), max_size=5, unique_by=lambda preset: preset.name))
def test_presets_come_back_to_the_bit_and_in_order(tiny_space: Space, tmp_path: FilePath, some: list[Preset]) -> None:
    write_presets(tmp_path, Presets(some), tiny_space)
    again = read_presets(tmp_path, tiny_space)
    assert list(again) == [preset.name for preset in some]
    assert all(same(again.number(number), preset) for number, preset in enumerate(some))
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


@settings(max_examples=30)
@given(some=st.lists(presets(), min_size=1, max_size=5, unique_by=lambda preset: preset.name), more=presets())
def test_adding_and_removing(some: list[Preset], more: Preset) -> None:
    before = Presets(some)
    added = before.adding(more)
    assert added[more.name] is more
    assert [name for name in added if name != more.name] == [name for name in before if name != more.name]
    assert list(before) == [preset.name for preset in some]
    again = added.adding(Preset(more.name, POINT))
    assert list(again) == list(added)
    assert again[more.name].path is POINT
    assert more.name not in added.without(more.name)
    assert len(added.without(more.name)) == len(added) - 1


@pytest.mark.parametrize("group", [" wind", "a\nb", "x" * 61, 3, None])
def test_groups_that_are_none(group: Any) -> None:
    with pytest.raises(ConfigError, match="group of preset 'a'"):
        Preset("a", POINT, group=group)


@pytest.mark.parametrize("pitches", [(60.0, 48.0), (-1.0, 60.0), (60.0, 128.0), (np.nan, 60.0)])
def test_pitches_that_are_no_range(pitches: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="pitches of preset 'a'"):
        Preset("a", POINT, pitches=pitches)


def test_the_pitch_of_a_preset_is_in_the_middle_of_its_keys() -> None:
    assert Preset("a", POINT, pitches=(48.0, 73.0)).pitch == 60.0
    assert Preset("a", POINT).pitch is None


def test_no_file_is_no_presets(tiny_space: Space, tmp_path: FilePath) -> None:
    assert len(read_presets(tmp_path, tiny_space)) == 0


@pytest.mark.parametrize("name", ["", " dark", "dark ", "a\nb", "a\tb", "x" * 61, "\ud800", 3, None])
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(ConfigError):
        Preset(name, POINT)


@pytest.mark.parametrize("duration", [0.0, -1.0, 0.009, 3600.1, np.inf, np.nan])
def test_durations_out_of_range(duration: float) -> None:
    with pytest.raises(ConfigError):
        Preset("a", POINT, duration)


def test_too_many_and_two_of_a_name_are_refused() -> None:
    full = Presets([Preset(str(number), POINT) for number in range(MOST)])
    assert len(full.adding(Preset("7", POINT))) == MOST
    with pytest.raises(ConfigError, match="129"):
        full.adding(Preset("one more", POINT))
    with pytest.raises(ConfigError, match="same name"):
        Presets([Preset("a", POINT), Preset("a", POINT)])
    with pytest.raises(ConfigError, match="presets are: 0, 1"):
        full["dark"]
    for number in (-1, MOST):
        with pytest.raises(ConfigError, match="counted from 0"):
            full.number(number)
    with pytest.raises(ConfigError, match="are: none yet"):
        Presets().without("dark")


def entry(**changes: Any) -> dict[str, Any]:
    return GOOD | {"presets": [ENTRY | changes]}


@pytest.mark.parametrize(
    "found",
    [
        *[{name: value for name, value in GOOD.items() if name != key} for key in GOOD],
        *[GOOD | {"presets": [{name: ENTRY[name] for name in ENTRY if name != key}]} for key in ENTRY],
        [],
        GOOD | {"more": 1},
        GOOD | {"version": 3},
        GOOD | {"version": True + 0.5},
        GOOD | {"format": "timbre-path"},
        GOOD | {"dim": 0},
        GOOD | {"presets": None},
        GOOD | {"presets": "dark"},
        GOOD | {"presets": {"dark": ENTRY}},
        GOOD | {"presets": [3]},
        GOOD | {"presets": [ENTRY, ENTRY]},
        entry(more=1),
        entry(name=3),
        entry(name=" dark"),
        entry(duration="4"),
        entry(duration=True),
        entry(duration=None),
        entry(duration=0),
        entry(duration=10**400),
        entry(loop=1),
        entry(loop="no"),
        entry(kind="loop"),
        entry(kind=["line"]),
        entry(times=[0.0, 1.0]),
        entry(times=0.0),
        entry(times=["0"]),
        entry(times=[2.0]),
        entry(group=3),
        entry(group=None),
        entry(group="wind "),
        entry(group="w" * 61),
        entry(group="a\nb"),
        entry(pitches=None),
        entry(pitches=[60.0]),
        entry(pitches=[72.0, 48.0]),
        entry(pitches=[-1.0, 48.0]),
        entry(pitches=[60.0, 127.5]),
        entry(pitches=["48", "72"]),
        entry(pitches=[[48.0, 72.0]]),
        entry(pitches=[48.0, 10**400]),
        entry(points=[[1.0, 2.0]]),
        entry(points=[1.0, 2.0, 3.0]),
        entry(points=[["1", "2", "3"]]),
        entry(points=[[1.0, 2.0, True]]),
        entry(points=[[1.0, 2.0, 10**400]]),
        entry(points=[[1.0, 2.0, None]]),
        entry(points=[]),
        entry(points=[[[1.0, 2.0, 3.0]]]),
        entry(points=[[1.0, 2.0, 3.0], [1.0]], times=[0.0, 1.0]),
    ],
)
def test_files_that_are_none_are_refused(tiny_space: Space, tmp_path: FilePath, found: Any) -> None:
    (tmp_path / FILE).write_text(json.dumps(found))
    with pytest.raises(ConfigError, match=FILE):
        read_presets(tmp_path, tiny_space)


@pytest.mark.parametrize("version", [1, 2])
def test_the_pattern_of_those_is_a_file(tiny_space: Space, tmp_path: FilePath, version: int) -> None:
    (tmp_path / FILE).write_text(json.dumps(GOOD | {"version": version}))
    np.testing.assert_array_equal(read_presets(tmp_path, tiny_space)["dark"].path.points, ENTRY["points"])


@pytest.mark.parametrize("text", ["", "{", "[" * 20_000, json.dumps(GOOD).replace("3.0", "NaN"), "1e999"])
def test_text_that_is_no_json_is_refused(tiny_space: Space, tmp_path: FilePath, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError):
        read_presets(tmp_path, tiny_space)


def test_places_that_cannot_be_written(tiny_space: Space, tmp_path: FilePath) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        write_presets(tmp_path / "no", Presets(), tiny_space)
    (tmp_path / FILE).mkdir()
    with pytest.raises(ConfigError):
        read_presets(tmp_path, tiny_space)


@pytest.fixture
def folder(tiny_folder: FilePath, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> FilePath:
    """A space of one's own, in the folder where one works."""
    monkeypatch.chdir(tmp_path)
    return FilePath(shutil.copytree(tiny_folder, tmp_path / "space"))


def test_the_command_adds_lists_and_removes(
    folder: FilePath, tiny_space: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_space.path(tiny_space.atlas.points[0], tiny_space.atlas.points[1], kind="slerp")
    write_path("rise.json", path, tiny_space)
    assert main(["preset", "space"]) == 0
    assert capsys.readouterr().out == "There are no presets yet; make one with --add NAME --at POINT.\n"
    name = tiny_space.atlas.names[0]
    assert main(["preset", "space", "--add", "first of all", "--at", name]) == 0
    assert main(["preset", "space", "--add", "rise", "--path", "rise.json", "--duration", "6", "--loop"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split() == ["0", "first", "of", "all", "point", "-", "-", name]
    assert lines[-1].split()[:7] == ["1", "rise", "slerp,", "2", "points", "6.000", "yes"]
    assert lines[-1].endswith(f"{name} to {tiny_space.atlas.names[1]}")
    kept = read_presets(folder, tiny_space)
    np.testing.assert_array_equal(kept["first of all"].path.points[0], tiny_space.atlas.points[0])
    assert same(kept["rise"], Preset("rise", path, 6.0, True))
    assert main(["preset", "space", "--add", "first of all", "--at=-1,0.5,2"]) == 0
    assert main(["preset", "space", "--remove", "rise"]) == 0
    kept = read_presets(folder, tiny_space)
    assert list(kept) == ["first of all"]
    np.testing.assert_array_equal(kept.number(0).path.points, [[-1, 0.5, 2]])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--add", "a"], "either --at or --path"),
        (["--add", "a", "--at", "0,0,0", "--path", "p.json"], "either --at or --path"),
        (["--at", "0,0,0"], "needs a name"),
        (["--add", "a", "--remove", "a", "--at", "0,0,0"], "either --add or --remove"),
        (["--add", "a", "--at", "0,0,0", "--loop"], "need a path"),
        (["--duration", "3"], "need a path"),
        (["--add", "a", "--at", "0,0"], "must have 3 coordinates, got 2"),
        (["--add", " a", "--at", "0,0,0"], "must be 1 to 60 printable letters"),
        (["--add", "a", "--path", "p.json"], "p.json cannot be read"),
        (["--remove", "a"], "no preset 'a'; the presets are: none yet"),
    ],
)
def test_the_command_refuses(
    folder: FilePath, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert main(["preset", "space", *options]) == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.out == ""
    assert not (folder / FILE).exists()


def test_groups_and_pitches_are_listed(folder: FilePath, tiny_space: Space, capsys: pytest.CaptureFixture[str]) -> None:
    some = [Preset("a", POINT, group="Wind", pitches=(48.0, 72.0)), Preset("b", POINT)]
    write_presets(folder, Presets(some), tiny_space)
    assert main(["preset", "space"]) == 0
    head, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head[:4] == ["number", "group", "pitches", "name"]
    assert first[:6] == ["0", "Wind", "C3", "to", "C5", "a"]
    assert second[:4] == ["1", "-", "-", "b"]
