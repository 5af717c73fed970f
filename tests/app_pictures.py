"""Pictures of the page for docs/app.md, of an app that runs: `tests/app_pictures.py http://127.0.0.1:8765/ docs`."""

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def main(address: str, folder: Path) -> None:
    """Draw the page in light, in dark and on a phone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        desk: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
        phone: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
        for name, settings, draw in (
            ("app-light", {**desk, "color_scheme": "light"}, _path),
            ("app-dark", {**desk, "color_scheme": "dark"}, _heat),
            ("app-phone", {**phone, "color_scheme": "dark", "device_scale_factor": 2}, _touch),
        ):
            page = browser.new_page(**settings)
            page.goto(address)
            page.wait_for_selector("html[data-ready]")
            draw(page)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture = picture.quantize(256, Image.Quantize.FASTOCTREE, kmeans=2)  # families keep their colours
            picture.save(folder / f"{name}.png", optimize=True)
            page.close()
        browser.close()


def _path(page: Page) -> None:
    """Two points, and a path that is played."""
    x, y = _at(page, 0.3, 0.35)
    page.mouse.click(x, y)
    page.click("#set-a")
    page.mouse.click(*_at(page, 0.62, 0.7))
    page.click("#set-b")
    page.click("#tool-draw")
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(60):
        share = step / 59
        page.mouse.move(*_at(page, 0.3 + 0.32 * share + 0.05 * (share * (1 - share)) ** 0.5, 0.35 + 0.35 * share**3))
        page.wait_for_timeout(30)
    page.mouse.up()
    page.fill("#path-seconds", "4")
    page.click("#path-play")
    page.wait_for_timeout(900)


def _heat(page: Page) -> None:
    """A heat-map over two named axes, and a sound that is placed."""
    page.select_option("#heat", "centroid")
    while not page.evaluate("Boolean(timbre.map.heat)"):
        page.wait_for_timeout(100)
    page.evaluate(
        """async () => {
          const name = timbre.space.notes.find((note) => note.startsWith("violin"));
          const bytes = await (await fetch(`/api/original?name=${encodeURIComponent(name)}`)).blob();
          await timbre.panels.locateFile(new File([bytes], "my-violin.wav"));
        }"""
    )
    page.keyboard.down("KeyG")
    page.evaluate("document.querySelectorAll('.panels > details').forEach((one, n) => (one.open = n === 0 || n === 4))")
    page.wait_for_timeout(900)


def _touch(page: Page) -> None:
    page.touchscreen.tap(*_at(page, 0.45, 0.6))
    page.wait_for_timeout(150)


def _at(page: Page, across: float, down: float) -> tuple[float, float]:
    box = page.locator("#map").bounding_box()
    assert box is not None
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
