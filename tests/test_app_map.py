"""The page's map in a browser: names, search, the dots of a phone, and views."""

# ruff: noqa: F811  (fixtures that are imported)
import base64
from pathlib import Path
from typing import Any

import numpy as np
from test_app_browser import address, browser, folder, opened, page, pytestmark, until  # noqa: F401

import timbre
from timbre.space import Space


def names(page: Any) -> list[str]:
    """Instruments whose names are written on the map, once nothing moves."""
    until(page, "!timbre.map.waiting")
    return page.evaluate("timbre.map.names.map(([name]) => name)")


def test_instruments_are_named_and_more_of_them_when_one_zooms_in(page: Any, folder: Path):
    known = set(timbre.load(folder).atlas.instruments)
    one_place = "for (const name of timbre.map.labels.order) timbre.map.labels.anchors.set(name, 0); timbre.map.draw()"
    page.evaluate(one_place)
    assert len(names(page)) == 1  # none over another
    page.evaluate("timbre.map.labels.place(timbre.map.projected); timbre.map.draw()")
    before = set(names(page))
    assert before <= known
    for _ in range(14):
        page.click("#zoom-in")
        assert set(names(page)) <= known
    boxes = page.evaluate("timbre.map.names.map(([name, x, y]) => [x, y])")
    assert all(0 < x < page.evaluate("timbre.map.width") for x, _ in boxes)
    page.click("#zoom-all")
    assert set(names(page)) == before
    page.evaluate("timbre.map.chosen = 'woodwinds'; timbre.map.draw()")
    assert set(names(page)) <= {"flute", "clarinet"}
    many = """(wide) => {
      const count = 300, instruments = Array.from({ length: count }, (_, n) => `instrument ${n}`);
      const projected = new Float64Array(2 * count).map(() => Math.random());
      const labels = new timbre.map.labels.constructor({ instruments });
      labels.place(projected);
      const place = (zoom) => (n) => [0, 1].map((k) => wide * zoom * projected[2 * n + k]);
      const map = (zoom) => ({ width: 800, height: 500, zoom, place: place(zoom) });
      return [1, 2].map((zoom) => labels.written(map(zoom), null, () => 40).length);
    }"""
    few, more = page.evaluate(many, 500)
    assert 9 <= few < more


def test_a_search_highlights_and_flies_there_by_keyboard(page: Any, tiny_space: Space):
    atlas = tiny_space.atlas
    page.locator("#search").focus()
    page.keyboard.type("FLUT")
    flutes = {n for n, name in enumerate(atlas.instruments) if name == "flute"}
    assert set(page.evaluate("[...timbre.map.found]")) == flutes
    assert page.inner_text("#search-state") == f"{len(flutes)} notes"
    assert page.evaluate("timbre.keys.held.size") == 0  # letters, not notes
    assert page.evaluate("timbre.map.zoom") == 1
    page.keyboard.type("e")
    page.keyboard.press("Enter")
    until(page, "timbre.map.sounding !== null")
    point = page.evaluate("timbre.z")
    assert any(np.allclose(point, atlas.points[n], atol=1e-5) for n in flutes)
    until(page, "document.getElementById('spoken').textContent.startsWith('flute: ')")
    page.wait_for_timeout(700)
    x, y = page.evaluate("timbre.map.toScreen(timbre.map.coordinates(timbre.z))")
    assert 0 < x < page.evaluate("timbre.map.width")
    assert 0 < y < page.evaluate("timbre.map.height")
    assert page.evaluate("timbre.map.zoom") >= 1
    words = page.evaluate("[...document.getElementById('search-names').options].map((option) => option.value)")
    assert {"woodwinds", "trumpet"} <= set(words)
    page.fill("#search", "woodwinds")
    assert page.evaluate("timbre.map.found.size") == atlas.families.count("woodwinds")
    page.fill("#search", "zither")
    assert page.inner_text("#search-state") == "nothing found"
    page.fill("#search", "")
    assert page.evaluate("timbre.map.found") is None


def test_a_phone_draws_a_few_thousand_notes_some_of_each_instrument(browser: Any, address: str):
    more = """() => {
      const { map } = timbre, { space } = map, times = 400, count = space.notes.length;
      const grown = { ...space, points: new Float32Array(times * space.points.length) };
      for (let k = 0; k < times; k++) grown.points.set(space.points, k * space.points.length);
      for (const list of ["notes", "instruments", "families", "pitches"])
        grown[list] = Array.from({ length: times * count }, (_, n) => space[list][n % count]);
      grown.instruments[7] = "rare";
      document.getElementById("map").replaceWith(document.getElementById("map").cloneNode());
      const large = new map.constructor(grown);
      large.setPlane(map.plane);
      window.large = large;
    }"""
    drawn = {}
    for name, settings in (
        ("desk", {}),
        ("phone", {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}),
    ):
        with opened(browser, address, **settings) as page:
            page.evaluate(more)
            until(page, "large.shown.length > 0")
            drawn[name] = page.evaluate("[large.shown.length, large.projected.length / 2]")
            assert 7 in page.evaluate("Array.from(large.shown)")
            page.evaluate("large.setFound([39, 15999])")  # what is searched for is drawn whatever there is
            until(page, "!large.waiting")
            assert {39, 15999} <= set(page.evaluate("Array.from(large.shown)"))
    assert drawn == {"desk": [16000, 16000], "phone": [2500, 16000]}


def test_in_a_view_a_click_on_a_note_plays_it_and_others_mix_the_nearest(page: Any, tiny_space: Space):
    points, random = tiny_space.atlas.points, np.random.default_rng(0)
    positions = random.standard_normal((len(points), 2))
    page.evaluate("document.getElementById('plane').append(new Option('UMAP', 'umap'))")
    body = {
        "name": "umap", "labels": ["UMAP 1", "UMAP 2"], "extent": [[-4, 4], [-4, 4]],
        "positions": base64.b64encode(positions.astype("<f4").tobytes()).decode(),
    }  # fmt: skip
    page.route("**/api/view*", lambda route: route.fulfill(json=body))
    page.select_option("#plane", "umap")
    until(page, "timbre.map.plane.kind == 'umap'")
    assert page.inner_text("#name-u") == "UMAP 1"
    assert page.is_disabled("#heat")
    for n in (0, 7):
        np.testing.assert_allclose(
            page.evaluate(f"timbre.map.coordinates(timbre.map.note({n}))"), positions[n], atol=1e-4
        )
        np.testing.assert_allclose(page.evaluate(f"timbre.map.point({positions[n].tolist()})"), points[n], atol=1e-4)
    between = page.evaluate("timbre.map.point([0.05, 0.1])")
    near = np.linalg.norm(positions - [0.05, 0.1], axis=1).argsort()[:4]
    assert (between >= points[near].min(0) - 1e-5).all()
    assert (between <= points[near].max(0) + 1e-5).all()
    assert page.evaluate(f"timbre.map.coordinates({between})") == [0.05, 0.1]
    page.locator("#map").focus()
    at = page.evaluate("timbre.map.coordinates(timbre.z)")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("timbre.map.coordinates(timbre.z)")[0] > at[0]
    page.select_option("#plane", "pca")
    until(page, "timbre.map.plane.kind == 'pca'")
    assert page.is_enabled("#heat")
