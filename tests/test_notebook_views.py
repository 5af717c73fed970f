"""How objects show themselves in notebooks: pictures and players that are small, complete and safe."""

import base64
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.data import Library, Note
from timbre.notebook import apart, card, player, principal, scatter
from timbre.space import Atlas, Space

NASTY = "<script>alert(1)</script>\"'\n\u202e&"
ALLOWED = {
    "div", "b", "table", "tr", "td", "audio", "svg", "polygon", "polyline", "circle", "title", "path", "text",
}  # fmt: skip


class Reader(HTMLParser):
    """Tags and attributes of HTML; refuses what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1] == tag:
            self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def checked(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert set(reader.tags) <= ALLOWED
    assert reader.open == []
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    sources = [value or "" for name, value in reader.attributes if name in ("src", "href")]
    assert all(source.startswith("data:audio/wav;base64,") for source in sources)
    return reader


def sounds(html: str) -> list[tuple[np.ndarray, int]]:
    found = re.findall(r"base64,([A-Za-z0-9+/=]*)", html)
    return [soundfile.read(io.BytesIO(base64.b64decode(one)), always_2d=True) for one in found]


@pytest.fixture
def shown(tiny_space: Space, some_notes: Library) -> dict[str, Callable[[], Any]]:
    point = tiny_space.atlas.points[0]
    return {
        "audio": lambda: timbre.Audio(np.linspace(-1, 1, 1000), 8000),
        "library": lambda: some_notes,
        "path": lambda: tiny_space.path(point, tiny_space.atlas.points[5], kind="slerp"),
        "point": lambda: tiny_space.path(point),
        "space": lambda: tiny_space,
    }


@pytest.mark.parametrize(("name", "players"), [("audio", 1), ("library", 3), ("path", 0), ("point", 0), ("space", 3)])
def test_objects_have_a_picture_and_players(shown: dict[str, Callable[[], Any]], name: str, players: int):
    html = shown[name]()._repr_html_()
    assert checked(html).tags.count("svg") == 1
    assert len(sounds(html)) == players
    assert len(html) < 1_000_000
    assert all(np.abs(samples).max() > 0.01 for samples, _ in sounds(html))


def test_a_player_has_the_sound_and_a_long_one_is_cut():
    samples = np.random.default_rng(0).uniform(-1, 1, (3, 4000))
    (found, rate), *_ = sounds(player(samples, 8000))
    np.testing.assert_allclose(found.T, samples[:2], atol=1e-4)
    assert rate == 8000
    html = timbre.Audio(np.zeros((2, 96_000 * 60), np.float32), 96_000)._repr_html_()
    assert len(html) < 1_500_000
    assert "the first 5.2 s" in html
    assert sounds(html)[0][1] == 48_000


def test_names_from_files_are_text(tiny_space: Space):
    notes = [Note(Path("/none.wav"), NASTY, pitch=60.0 + n, family=NASTY, name=NASTY + str(n)) for n in range(3)]
    library = Library(notes, Path("/<b>" + NASTY))
    reader = checked(library._repr_html_())
    assert "script" not in reader.tags
    atlas = Atlas(
        np.eye(3, dtype=np.float32), np.full(3, 60.0, np.float32), np.full(3, np.nan, np.float32),
        tuple(note.name for note in notes), (NASTY,) * 3, (NASTY,) * 3, ("a", "b", "c"), ("train",) * 3,
    )  # fmt: skip
    space = Space(tiny_space.config, tiny_space.model, atlas, {})
    space.name = NASTY
    checked(space._repr_html_())


def test_what_is_empty_shows_itself_too(tiny_space: Space):
    checked(Library([], "/nowhere")._repr_html_())
    checked(Space(tiny_space.config, tiny_space.model, Atlas.empty(3), {})._repr_html_())


@settings(max_examples=40)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_stays_text(title: str, value: str):
    html = card(title, {value: value}, scatter(np.zeros((1, 2)), [value], [value], title))
    assert set(checked(html).tags) == {"div", "b", "table", "tr", "td", "svg", "circle", "title"}


def test_the_plane_is_that_of_most_variance():
    points = np.random.default_rng(0).standard_normal((200, 5)) * [1, 9, 1, 1, 4]
    plane = principal(points)
    np.testing.assert_allclose(plane.var(0).sum(), np.sort(np.linalg.eigvalsh(np.cov(points.T, bias=True)))[-2:].sum())
    assert principal(points[:, :1]).shape == (200, 2)
    assert principal(points[:1]).shape == (1, 2)


def test_groups_that_lie_apart_are_shown_apart():
    groups = [name for name in "abc" for _ in range(40)]
    points = np.random.default_rng(0).standard_normal((120, 9)) * 20
    points[:, 8] = np.repeat([-3.0, 0.0, 3.0], 40) + points[:, 8] / 100  # a direction of little variance
    plane = apart(points, groups)
    assert plane.shape == (120, 2)
    ends = sorted((plane[n : n + 40, 0].min(), plane[n : n + 40, 0].max()) for n in (0, 40, 80))
    assert ends[0][1] < ends[1][0] <= ends[1][1] < ends[2][0]
    for few in (points[:7], points[:80]):
        np.testing.assert_array_equal(apart(few, groups[: len(few)]), principal(few))
