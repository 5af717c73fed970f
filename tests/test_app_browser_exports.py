"""The panel of exports in a browser: by mouse, by keyboard, with progress, and after the page was loaded again."""

from pathlib import Path
from typing import Any

import pytest
from test_app_browser import CHROMIUM, address, browser, center, folder, opened, page, until  # noqa: F401  (fixtures)

from timbre.audio.wavetables import read_wavetable
from timbre.exporting.formats import FORMATS
from timbre.space import Space

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: apt install chromium")


def told(page: Any, words: str, seconds: float = 120.0) -> None:  # noqa: F811
    """Wait until the panel says something."""
    until(page, f"document.getElementById('export-state').textContent.includes({words!r})", seconds)


@pytest.fixture
def panel(page: Any) -> Any:  # noqa: F811
    """The page with the panel open and nothing exported."""
    page.set_default_timeout(120_000)  # an export computes much
    page.evaluate("document.getElementById('export').closest('details').open = true")
    yield page
    page.evaluate("fetch('/api/export', { method: 'DELETE' })")


def test_this_point_becomes_a_wavetable_by_keyboard_alone(panel: Any, tmp_path: Path):
    assert panel.locator("#export-format option").all_inner_texts() == list(FORMATS)
    panel.locator("#export-format").focus()
    panel.keyboard.type("wt")
    assert "Surge" in panel.inner_text("#export-text")
    panel.locator("#export-name").focus()
    panel.keyboard.press("Control+A")
    panel.keyboard.type("gold")
    with panel.expect_download(timeout=120_000) as saved:
        panel.keyboard.press("Enter")
        until(panel, "document.activeElement.id == 'export-cancel'")  # what can be done now has the focus
        told(panel, "gold")
    assert saved.value.suggested_filename == "gold.wt"
    saved.value.save_as(tmp_path / "gold.wt")
    assert read_wavetable(tmp_path / "gold.wt").shape == (64, 2048)
    told(panel, "gold.wt is ready, 0.5 MB. ")
    assert "noise" in panel.inner_text("#export-state")
    assert panel.evaluate("document.activeElement.id") == "export-begin"
    assert panel.locator("#export-progress").is_hidden()


def test_an_export_is_cancelled_and_goes_on_after_the_page_was_loaded_again(panel: Any):
    assert panel.locator("#export-source option[value='path']").is_disabled()
    panel.select_option("#export-format", "sfz")
    panel.get_by_label("Keys", exact=True).fill("C3:C6")
    panel.get_by_label("Semitones between keys").fill("2")
    panel.get_by_label("Velocity layers").fill("2")
    assert panel.get_by_label("Frames").is_hidden()
    assert panel.get_by_label("Positions of the knob").is_hidden()
    panel.click("#export-begin")
    until(panel, "!document.getElementById('export-progress').hidden")
    assert panel.locator("#export-begin").is_disabled()
    told(panel, "Exporting my point, about ")
    panel.reload()
    panel.wait_for_selector("html[data-ready]")
    panel.evaluate("document.getElementById('export').closest('details').open = true")
    ready = "document.getElementById('export-state').innerText.includes(' is ready')"
    until(panel, f"!document.getElementById('export-progress').hidden || {ready}")
    if not panel.evaluate(ready):  # a page that loads slowly finds the export at its end
        panel.click("#export-cancel")
        told(panel, "Cancelled; nothing is left of it.")
    assert panel.locator("#export-progress").is_hidden()
    assert panel.locator("#export-begin").is_enabled()


def test_a_preset_keeps_its_name_and_a_path_must_be_drawn(panel: Any, tiny_space: Space):
    for share in (0.3, 0.6):
        panel.mouse.click(*center(panel, share, 0.5))
        panel.keyboard.press("Enter")
    assert panel.locator("#export-source option[value='path']").is_enabled()
    panel.select_option("#export-source", "path")
    assert panel.input_value("#export-name") == "my path"
    panel.select_option("#export-format", "decent")
    assert panel.get_by_label("Positions of the knob").is_visible()
    panel.select_option("#export-format", "wt")
    assert panel.get_by_label("Frames").is_visible()
    assert panel.get_by_label("Keys", exact=True).is_hidden()
    panel.fill("#save-name", "dawn")
    panel.click("#save-path")
    until(panel, "document.querySelector('#export-source optgroup option')?.textContent == 'dawn'")
    panel.select_option("#export-source", "preset dawn")
    assert panel.input_value("#export-name") == "dawn"
    assert panel.locator("#export-name").is_disabled()
    panel.locator("#presets button", has_text="Delete").click()
    until(panel, "!document.querySelector('#export-source optgroup')")
    assert panel.input_value("#export-source") == "point"
    panel.fill("#export-name", "x")
    panel.evaluate("document.getElementById('export-format').append(new Option('mp3', 'mp3', true, true))")
    panel.click("#export-begin")
    until(panel, "document.getElementById('message').textContent.includes('must be one of sfz')")


def test_the_panel_says_its_names_and_states(panel: Any):
    for chosen in ("#export-source", "#export-format", "#export-name", "#export-progress"):
        named = "(one) => one.getAttribute('aria-label') || one.labels[0].textContent"
        name = panel.locator(chosen).evaluate(named)
        assert name.strip()
    assert panel.locator("#export-state").get_attribute("role") == "status"
    assert panel.evaluate("timbre.exporting.progress({ name: 'a', done: 3, steps: 8, size: 2e7 })") == (
        "Exporting a, about 20 MB: 25 % done …"
    )
