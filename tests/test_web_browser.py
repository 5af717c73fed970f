"""The static page in Chromium, from a plain static server, in a sub-folder of the host."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_app_browser import CHROMIUM, browser, center, opened, until  # noqa: F401  (a fixture)

from timbre.exporting import export
from timbre.shapes.presets import Preset
from timbre.space import Space

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: apt install chromium")


@pytest.fixture
def host(harmonic_space: Space, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """The address of the page, and its server."""
    points = harmonic_space.atlas.points
    way = Preset("Way", harmonic_space.path(*points[:3].astype(float)), 1.0)
    export(harmonic_space, [Preset("Dot", harmonic_space.path(points[1])), way], "web", tmp_path / "some" / "where")
    words = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield f"{server.stdout.readline().rsplit('(', 1)[1].split(')')[0]}some/where/", server
        server.terminate()


def test_the_page_plays_by_itself_and_without_its_host(browser: Any, host: tuple[str, Any], harmonic_space: Space):  # noqa: F811
    address, server = host
    with opened(browser, address) as page:
        page.mouse.move(*center(page))
        page.mouse.down()
        until(
            page,
            "timbre.sound.ring.played > 11025 && document.getElementById('state').textContent.startsWith('1 of')",
        )
        page.mouse.up()
        assert page.evaluate("document.querySelectorAll('#nearest li').length") > 3
        assert page.evaluate("[...document.querySelectorAll('#presets .name')].map((one) => one.title)") == [
            "Point", "Path of 1 s",
        ]  # fmt: skip
        hidden = page.evaluate("[...document.querySelectorAll('[data-needs]')].filter((one) => one.hidden).length")
        assert hidden >= 3
        page.get_by_role("button", name="Way").first.click()
        until(page, "!document.getElementById('path-wav').disabled")
        with page.expect_download() as download:
            page.click("#path-wav")
        samples, rate = soundfile.read(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert rate == harmonic_space.config.spectrogram.sample_rate
        assert len(samples) == rate
        assert np.abs(samples).max() > 1e-3
        until(page, "navigator.serviceWorker.ready.then((found) => Boolean(found.active))")
        until(page, "caches.keys().then((names) => names.length === 1)")
        server.terminate()
        server.wait()
        page.reload()
        page.wait_for_selector("html[data-ready]")


def test_presets_of_the_browser_shape_notes_and_belong_to_their_space(
    browser: Any,  # noqa: F811
    host: tuple[str, Any],
    harmonic_space: Space,
    tmp_path: Path,
):
    with opened(browser, host[0]) as page:
        page.fill("#save-name", "Mine")
        page.click("#save button")
        until(page, "timbre.panels.presets.some(({ name }) => name === 'Mine')")
        page.mouse.move(*center(page))
        page.mouse.down()
        until(page, "document.getElementById('state').textContent.startsWith('1 of')")
        page.evaluate("timbre.sound.send({ do: 'express', key: 'map', values: { 'towards:Mine': 1 } })")
        page.wait_for_timeout(300)
        page.mouse.up()
        assert page.is_hidden("#message"), page.inner_text("#message")
        facts = tmp_path / "some" / "where" / "data" / "space.json"  # another space at the same address
        facts.write_text(facts.read_text().replace(harmonic_space.identity.digest, "0" * 8))
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.evaluate("timbre.panels.presets.map(({ name }) => name)") == ["Dot", "Way"]


def test_the_page_plays_where_a_browser_keeps_nothing(browser: Any, host: tuple[str, Any]):  # noqa: F811
    with opened(browser, host[0]) as page:
        page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked'); } })")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        page.fill("#save-name", "Mine")
        page.click("#save button")
        until(page, "timbre.panels.presets.some(({ name }) => name === 'Mine')")
        assert "does not keep presets" in page.inner_text("#message")
        page.evaluate("timbre.go(timbre.z.map(() => 1e9))")
        until(page, "document.getElementById('message').textContent.endsWith('numbers up to 1,000,000.')")
