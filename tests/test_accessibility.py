"""Accessibility of the pages that timbre makes: axe-core finds nothing serious, and Tab reaches everything."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_app_browser import CHROMIUM, ROOT, address, browser, center, folder, opened, page, until  # noqa: F401
from test_library_page import library
from test_listen_browser import opened as listening  # noqa: F401
from test_web_browser import host  # noqa: F401

from timbre.evaluation.evaluate import Evaluation
from timbre.evaluation.figures import ALWAYS
from timbre.report import evaluation_page, library_page
from timbre.space import Space

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: apt install chromium")
axe = pytest.importorskip("axe_playwright_python.base", reason="axe-core is not installed: scripts/setup --tests")

SITE = ROOT / "build" / "site"
# Two rules that axe-core leaves out unless asked for: the name of a button has the words that are seen (for people who
# speak to their computer), and what is touched is 24 px large or has as much room. No rule is left out.
EVERY = {"rules": {"label-content-name-mismatch": {"enabled": True}, "target-size": {"enabled": True}}}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# Width of the window, colours of the system, rules: those of colours alone where the others have seen the same page.
LOOKS = [(1280, "light", EVERY), (375, "dark", EVERY), (1280, "dark", COLOURS), (375, "light", COLOURS)]
# The page notices its width and colours in a frame of the browser; colours that still change are taken at their end.
CHECK = """async (options) => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  document.getAnimations().forEach((one) => one.cancel());
  return (await axe.run(options)).violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
}"""


def faults(page: Any) -> list[str]:  # noqa: F811
    """What axe-core calls serious or critical, at each width and in each colour: one line for each element."""
    page.evaluate(axe.AXE_SCRIPT)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = []
    for width, scheme, rules in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        options = {"resultTypes": ["violations"], "preload": False, **rules}
        for rule in page.evaluate(CHECK, options):
            found += [f"{width} {scheme}: {rule['id']}: {node['html'][:200]}" for node in rule["nodes"]]
    return found


def test_the_page_of_the_app_with_everything_that_it_can_show(page: Any):  # noqa: F811
    for share in (0.3, 0.6):
        page.mouse.click(*center(page, share, 0.5))
        page.keyboard.press("Enter")
    for button in ("#set-a", "#set-b", "#record"):
        page.click(button)
    page.set_input_files("#file", ROOT / "datasets" / "orchestra" / "accordion" / "accordion_C4.ogg")
    until(page, "Boolean(document.querySelector('#located .name'))")
    page.fill("#search", "flute")
    page.select_option("#heat", "centroid")
    until(page, "Boolean(timbre.map.heat)")
    page.evaluate("timbre.setPitch(70)")  # offers the heat map at this pitch
    page.evaluate("timbre.exporting.offer({ file: 'a.wt', size: 1e6, notice: '' })")
    page.evaluate("timbre.closed({})")
    page.evaluate("Object.assign(document.getElementById('message'), { hidden: false, textContent: 'A message.' })")
    assert faults(page) == []


def test_the_page_that_plays_by_itself(browser: Any, host: tuple[str, Any]):  # noqa: F811
    with opened(browser, host[0]) as page:  # noqa: F811
        assert faults(page) == []


@pytest.mark.parametrize(("task", "notes"), [("quality", 2), ("pairs", 3), ("sorting", 4)])
def test_the_pages_of_a_listening_test(listening: Any, task: str, notes: int):  # noqa: F811
    page, _, _ = listening(task, notes)  # noqa: F811
    page.click("#begin")
    if task == "pairs":
        page.click("#next")  # all sounds have been heard
    page.click("[data-key='1']" if task != "sorting" else "[data-sound]")
    page.click("#next")  # says what is missing
    assert faults(page) == []


def test_the_first_and_the_last_page_of_a_listening_test(listening: Any):  # noqa: F811
    page, _, _ = listening("quality", 2)  # noqa: F811
    found = faults(page)
    page.click("#begin")
    page.evaluate("finish()")
    assert found + faults(page) == []


@pytest.fixture
def reports(tiny_space: Space, tmp_path: Path) -> list[Path]:
    """The pages that `timbre scan` and `timbre evaluate` write."""
    evaluation = Evaluation(
        dict.fromkeys(ALWAYS[:12], 0.5), {"space": "tiny"}, np.arange(9), "It looks collapsed.", ["One is missing."]
    )
    return [
        library_page.write_page(library(["oboe", "flute"], count=4).divided("file"), tmp_path / "library.html"),
        evaluation_page.write_page(evaluation, tiny_space, tmp_path / "evaluation.html"),
    ]


def test_the_reports(browser: Any, reports: list[Path]):  # noqa: F811
    page = browser.new_page()  # noqa: F811
    for report in reports:
        page.goto(report.as_uri())
        assert faults(page) == [], report.name
    page.close()


@pytest.mark.skipif(not SITE.exists(), reason="the site is not built: scripts/docs")
@pytest.mark.parametrize("name", ["index", "app", "listening"])
def test_the_site(browser: Any, name: str):  # noqa: F811
    page = browser.new_page()  # noqa: F811
    page.goto((SITE / f"{name}.html").as_uri())
    assert faults(page) == []
    page.close()


FOCUSED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
  (window.reached ??= []).push(one);
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const marked = parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none";
  const end = one === document.body, closed = one.matches("details:not([open]) > summary");
  return { end, closed, fault: marked && (one.contains(top) || top === one.closest("label")) ? "" : one.outerHTML };
}"""
OPERABLE = """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")].filter(
  (one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility())"""


def test_tab_goes_to_everything_in_its_order_and_shows_where_it_is(page: Any):  # noqa: F811
    for share in (0.3, 0.6):
        page.mouse.click(*center(page, share, 0.5))
        page.keyboard.press("Enter")
    page.click("#set-a")
    page.click("#set-b")
    page.locator("#volume").focus()
    page.keyboard.press("Shift+Tab")
    while not (focused := page.evaluate(FOCUSED))["end"]:
        assert not focused["fault"]
        if focused["closed"]:
            page.keyboard.press("Enter")
        page.keyboard.press("Tab")
    missed = f"({OPERABLE})().filter((one) => !reached.includes(one)).map((one) => one.outerHTML)"
    assert page.evaluate(missed) == []
    assert page.evaluate(f"({OPERABLE})().every((one, n) => one === reached[n])")


def test_the_focus_stays_beside_what_goes_away(page: Any):  # noqa: F811
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.locator("#map").focus()
    page.keyboard.press("Enter")
    page.fill("#save-name", "short-lived")
    page.keyboard.press("Enter")
    until(page, "Boolean(document.querySelector('#presets button'))")
    page.evaluate("navigator.requestMIDIAccess = async () => ({ inputs: new Map() })")
    for before, key, after in (
        ("#legend button", "Enter", "#legend button[aria-pressed=true]"),
        ("#nearest li:nth-child(3) .name", "Enter", "#nearest .name"),
        ("#path-clear", "Enter", "#path-loop"),
        ("#presets li:last-child button:last-child", "Enter", "details:has(> #presets) > summary"),
        ("#midi-moves button", "Enter", "#midi-moves button"),
        ("#keys button", "z", "#keys button"),
        ("#midi-connect", "Enter", "#midi-port"),
    ):
        page.keyboard.press("Tab")  # a keyboard is in use
        page.locator(before).first.focus()
        page.evaluate("window.pressed = document.activeElement")
        page.keyboard.press(key)
        until(page, "!pressed.isConnected || pressed.disabled || pressed.hidden")
        until(page, f"document.activeElement.matches({after!r})", 2)


def test_the_view_of_the_map_follows_the_cursor_of_the_keyboard(page: Any):  # noqa: F811
    page.locator("#map").focus()
    for key in ("+", "+", "+", *["Shift+ArrowRight"] * 12, *["Shift+ArrowUp"] * 12):
        page.keyboard.press(key)
    x, y = page.evaluate("timbre.map.toScreen(timbre.map.coordinates(timbre.z))")
    width, height = page.evaluate("[timbre.map.width, timbre.map.height]")
    assert 0 < x < width
    assert 0 < y < height
