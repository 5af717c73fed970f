"""The page in a browser: what is seen, what is heard, and what is refused there."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import timbre
from timbre.shapes.path_files import read_path
from timbre.shapes.presets import FILE, Preset, Presets, write_presets
from timbre.space import Space

ROOT = Path(__file__).parents[1]
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
RATE = 22050
FEW = 12  # underruns: each lets more be kept ahead, so that even where much else runs they are few
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: apt install chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: scripts/setup --all")


@pytest.fixture(scope="module")
def folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path_factory.mktemp("page") / "tiny"))


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Where the command says that the page is."""
    command = [sys.executable, "-m", "timbre", "app", str(folder), "--port", "0", "--no-open"]
    command += ["--notes", str(ROOT / "datasets" / "orchestra")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as served:
        assert served.stdout is not None
        line = served.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        try:
            assert found, line or served.communicate()[1]
            yield found[0]
        finally:
            served.terminate()
            _, problems = served.communicate(timeout=30)
    assert not problems  # and no trace of anything that went wrong meanwhile
    assert served.returncode in (143, -15)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Any, address: str, **settings: Any) -> Iterator[Any]:
    """The page, once it is ready; at its end nothing may stand in the console."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **settings})
    page, problems = context.new_page(), []
    page.on("console", lambda told: problems.append(told.text) if told.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    try:
        yield page
    finally:
        context.close()
    assert [problem for problem in problems if "status of 400" not in problem] == []  # the browser notes refusals


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address) as page:
        yield page


def until(page: Any, question: str, seconds: float = 20.0) -> Any:
    """The answer to a question to the page, once it is true. (Its policy forbids the browser's own waiting.)"""
    end = time.monotonic() + seconds
    while not (answer := page.evaluate(question)):
        assert time.monotonic() < end, f"not within {seconds} s: {question}"
        page.wait_for_timeout(40)
    return answer


def center(page: Any, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
    box = page.locator("#map").bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def heard(page: Any, seconds: float = 1.0) -> np.ndarray:
    """What the page's output is now, as the browser's own analyser sees it after `seconds`."""
    page.evaluate(
        """() => {
          const { context, gain } = timbre.sound;
          window.ear = new AnalyserNode(context, { fftSize: 32768 });
          gain.connect(window.ear);
        }"""
    )
    page.wait_for_timeout(1000 * seconds)
    samples = page.evaluate(
        "() => { const a = new Float32Array(ear.fftSize); ear.getFloatTimeDomainData(a); return [...a]; }"
    )
    return np.array(samples)[-round(0.8 * seconds * RATE) :]


def cents_off(samples: np.ndarray, pitch: float) -> float:
    """By how much a sound's harmonics are sharp of those of a pitch."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    cents = np.arange(-150.0, 150.5, 0.5)
    harmonics = 440 * 2 ** ((pitch - 69) / 12 + cents / 1200) * np.arange(1, 9)[:, None]
    comb = np.interp(harmonics, np.fft.rfftfreq(1 << 18, 1 / RATE), spectrum).sum(0)
    return float(cents[comb.argmax()])


def test_the_page_shows_the_space(page: Any, folder: Path):
    space = timbre.load(folder)
    assert f"{len(space.atlas)} sounds" in page.inner_text("#space-name")
    assert set(page.inner_text("#legend").split()) == set(space.atlas.families)
    assert page.evaluate("timbre.map.shades.length") == len(space.atlas)
    assert page.locator("#nearest li").count() == 8
    colors = """() => {
      const ground = document.getElementById("ground"), pen = ground.getContext("2d");
      return new Set(new Uint32Array(pen.getImageData(0, 0, ground.width, ground.height).data.buffer)).size;
    }"""
    assert page.evaluate(colors) > 50  # points of several colours, and lines
    page.select_option("#plane", "z0,z1")
    until(page, "timbre.map.plane.labels[0] == 'z0'")
    seen = page.evaluate("timbre.map.coordinates(timbre.map.note(3))")
    np.testing.assert_allclose(seen, space.atlas.points[3][:2], rtol=1e-5)
    page.select_option("#heat", "centroid")
    until(page, "Boolean(timbre.map.heat)", 60)
    assert "Hz" in page.inner_text("#heat-high")


def test_a_click_makes_the_right_tone(page: Any, folder: Path):
    page.fill("#pitch", "69")
    page.check("#latch")
    page.mouse.click(*center(page, 0.6, 0.4))
    until(page, "timbre.sound.ring.played > 11025")
    samples = heard(page)
    assert np.abs(samples).max() > 0.01
    assert cents_off(samples, 69) == pytest.approx(0, abs=5)
    x, y = page.evaluate("timbre.map.toScreen(timbre.map.coordinates(timbre.z))")
    width, height = page.evaluate("[timbre.map.width, timbre.map.height]")
    assert (x, y) == pytest.approx((0.6 * width, 0.4 * height), abs=10)  # there, or on the note that is near
    page.click("#panic")
    until(page, "document.getElementById('state').innerText.startsWith('0 of')")
    end = time.monotonic() + 20
    while np.abs(heard(page, 0.3)).max() > 1e-3:  # what was on its way is still heard
        assert time.monotonic() < end


def test_a_drag_morphs_with_few_underruns(page: Any):
    x, y = center(page, 0.3, 0.3)
    page.mouse.move(x, y)
    page.mouse.down()
    until(page, "timbre.sound.ring.played > 4096")
    before = page.evaluate("[timbre.sound.ring.underruns, timbre.sound.ring.played]")
    spectra = [np.abs(np.fft.rfft(heard(page, 0.3)))]
    for step in range(60):
        page.mouse.move(x + 6 * step, y + 3 * step)
        page.wait_for_timeout(20)
    spectra.append(np.abs(np.fft.rfft(heard(page, 0.3))))
    after = page.evaluate("[timbre.sound.ring.underruns, timbre.sound.ring.played]")
    page.mouse.up()
    print(f"{after[0] - before[0]} underruns in {(after[1] - before[1]) / RATE:.1f} s of a drag")
    assert after[1] - before[1] > RATE
    assert after[0] - before[0] <= FEW
    shares = [spectrum / spectrum.sum() for spectrum in spectra]
    assert np.abs(shares[0] - shares[1]).sum() > 0.1  # it is another timbre


def test_keys_sound_by_mouse_and_by_the_computers_keyboard(page: Any):
    page.locator("#keys button[data-pitch='60']").click()
    until(page, "timbre.sound.open && timbre.sound.ring.played > 0")
    page.locator("#map").focus()
    page.keyboard.down("KeyA")
    page.keyboard.down("KeyD")
    until(page, "[...timbre.keys.sounding].sort().join() == '48,52'")
    until(page, "document.getElementById('state').innerText.startsWith('2 of')")
    page.keyboard.up("KeyA")
    page.keyboard.up("KeyD")
    until(page, "timbre.keys.sounding.size == 0")
    page.locator("#save-name").focus()
    page.keyboard.type("add")  # a name, not notes
    assert page.evaluate("timbre.keys.held.size") == 0


def test_the_page_can_be_used_by_keyboard_alone(page: Any):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.locator("#map").focus()
    before = page.evaluate("timbre.map.coordinates(timbre.z)")
    for key in ("ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    right, up = np.subtract(page.evaluate("timbre.map.coordinates(timbre.z)"), before)
    assert right > 0
    assert up > 0
    page.keyboard.down("Space")
    until(page, "timbre.map.sounding !== null")
    page.keyboard.up("Space")
    until(page, "document.getElementById('spoken').textContent.includes('nearest')")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.evaluate("timbre.map.path.length") == 2
    unnamed = """() => [...document.querySelectorAll("button, input, select, canvas[tabindex]")].filter((one) =>
      ![one.getAttribute("aria-label"), one.title, one.textContent.trim(), one.closest("label")?.textContent.trim()]
        .some(Boolean)).map((one) => one.outerHTML)"""
    assert page.evaluate(unnamed) == []


def test_a_drawn_path_is_played_and_saved(page: Any, tiny_space: Space, tmp_path: Path):
    page.click("#tool-draw")
    x, y = center(page, 0.3, 0.6)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(12):
        page.mouse.move(x + 20 * step, y - 8 * step)
        page.wait_for_timeout(25)
    page.mouse.up()
    page.fill("#path-seconds", "1")
    with page.expect_download() as saved:
        page.click("#path-json")
    saved.value.save_as(tmp_path / "path.json")
    path = read_path(tmp_path / "path.json", tiny_space)
    assert len(path.points) > 5
    with page.expect_download() as saved:
        page.click("#path-wav")
    saved.value.save_as(tmp_path / "path.wav")
    samples, rate = soundfile.read(tmp_path / "path.wav", dtype="float32")
    wanted = timbre.render(tiny_space, path, 57, duration=1.0).samples[0]
    assert rate == RATE
    np.testing.assert_allclose(samples, wanted, atol=1e-3)
    page.click("#path-play")
    until(page, "document.getElementById('path-play').textContent == 'Play' && timbre.sound.ring.played > 11025")


def test_a_dropped_sound_is_placed(page: Any, tiny_space: Space):
    file = ROOT / "datasets" / "orchestra" / tiny_space.atlas.files[0]
    drop = """async (name) => {
      const bytes = await (await fetch(`/api/original?name=${encodeURIComponent(name)}`)).arrayBuffer();
      const data = new DataTransfer();
      data.items.add(new File([bytes], "mine.wav", { type: "audio/wav" }));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }"""
    page.evaluate(drop, tiny_space.atlas.names[0])
    until(page, "timbre.map.located.length == 1 && document.querySelector('#located .name')")
    wanted = tiny_space.encode(timbre.read(file), pitch=float(page.evaluate("timbre.map.located[0].pitch_midi")))
    np.testing.assert_allclose(page.evaluate("timbre.z"), wanted, atol=0.02)
    assert re.search(r"Familiar|Unfamiliar", page.inner_text("#located"))
    assert page.locator("#located li").count() == 8
    page.locator("#located button", has_text="Decoded").first.click()
    until(page, "Boolean(timbre.sound.clip)")
    page.set_input_files("#file", {"name": "text.wav", "mimeType": "audio/wav", "buffer": b"no sound at all"})
    until(page, "!document.getElementById('message').hidden")
    assert "text.wav" in page.inner_text("#message")


def test_two_points_presets_and_a_link(page: Any, address: str, browser: Any, folder: Path):
    page.mouse.click(*center(page, 0.35, 0.5))
    page.click("#set-a")
    a = page.evaluate("timbre.z")
    page.mouse.click(*center(page, 0.65, 0.5))
    page.click("#set-b")
    b = page.evaluate("timbre.z")
    page.fill("#morph", "0.5")
    np.testing.assert_allclose(page.evaluate("timbre.z"), np.mean([a, b], 0), atol=1e-6)
    page.click("#go-a")
    assert page.evaluate("timbre.z") == a
    page.fill("#save-name", "between")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#presets .name')?.textContent == 'between'")
    kept = json.loads((folder / "presets.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose(kept["presets"][0]["points"], [a])
    page.fill("#pitch", "72")
    until(page, "location.hash.includes('p=72')")
    with opened(browser, page.url) as other:
        np.testing.assert_allclose(other.evaluate("timbre.z"), a, atol=1e-4)
        assert other.evaluate("timbre.pitch") == 72
        for change in (
            "s => s.replace(/,[0-9a-f]{12}/, ',0123456789ab')",
            "s => s.replace(/&space.*/, '').replace('#z=', '#z=9,')",
        ):
            other.evaluate("document.getElementById('message').textContent = ''")
            other.evaluate(f"location.hash = ({change})(location.hash)")
            until(other, "document.getElementById('message').textContent.includes('was made with')")
            np.testing.assert_allclose(other.evaluate("timbre.z"), a, atol=1e-4)
        other.locator("#presets button", has_text="Delete").click()
        until(other, "!document.querySelector('#presets .name')")


def test_presets_stand_under_the_headings_of_their_groups(address: str, browser: Any, folder: Path, tiny_space: Space):
    try:
        points = [tiny_space.path(point) for point in tiny_space.atlas.points[:4]]
        groups = [("a", "Wind", (60.0, 84.0)), ("b", "Wind", None), ("c", "Struck", None), ("d", "", None)]
        some = [Preset(n, p, 4.0, False, g, k) for (n, g, k), p in zip(groups, points, strict=True)]
        write_presets(folder, Presets(some), tiny_space)
        with opened(browser, address) as other:
            assert other.locator("#presets h3").all_inner_texts() == ["Wind 2", "Struck 1"]
            assert [box.locator("li").count() for box in other.locator("#presets details").all()] == [2, 1]
            assert other.locator("#presets .name", has_text="c").is_hidden()
            assert other.locator("#presets > li > .name").inner_text() == "d"
            other.click("#presets .name >> text=a")
            assert other.evaluate("timbre.pitch") == 60
            np.testing.assert_allclose(other.evaluate("timbre.z"), points[0].points[0], atol=1e-6)
    finally:
        (folder / FILE).unlink()


def test_a_random_point_is_played_and_announced_by_keyboard(page: Any):
    start = page.evaluate("timbre.z")
    page.locator("#surprise").focus()
    page.keyboard.press("Enter")
    until(page, f"JSON.stringify(timbre.z) != '{json.dumps(start, separators=(',', ':'))}'")
    until(page, "timbre.map.sounding !== null")
    until(page, "document.getElementById('spoken').textContent.includes('nearest')")
    anywhere = page.evaluate("timbre.z")
    until(page, "timbre.sound.begun.size === 0")
    page.select_option("#surprise-where", "near")
    far = [1000.0] * len(anywhere)
    page.evaluate(f"timbre.go({far})")
    page.click("#surprise")
    until(page, "timbre.z[0] !== 1000")
    assert min(page.evaluate("timbre.z")) > 100 > max(map(abs, anywhere))


def test_a_second_page_takes_over(page: Any, browser: Any, address: str):
    page.mouse.click(*center(page))
    until(page, "timbre.sound.ring.played > 0")
    with opened(browser, address) as other:
        other.mouse.click(*center(other))
        until(other, "timbre.sound.ring.played > 0")
        until(page, "document.getElementById('taken').open")
        assert "Another page" in page.inner_text("#taken")
        assert page.evaluate("document.activeElement.id") == "take"
        page.keyboard.press("Enter")
        until(page, "!document.getElementById('taken').open")
        until(other, "document.getElementById('taken').open")


def test_other_sites_get_nothing(browser: Any, address: str):
    context = browser.new_context()
    page = context.new_page()
    page.route("http://evil.example/", lambda route: route.fulfill(body="<p>evil</p>", content_type="text/html"))
    page.goto("http://evil.example/")
    tries = """async (address) => {
      const asked = await fetch(address + "api/space").then(() => "read", () => "refused");
      const socket = new WebSocket(address.replace("http", "ws") + "live");
      const joined = await new Promise((done) => {
        socket.onopen = () => done("open");
        socket.onerror = () => done("refused");
      });
      return [asked, joined];
    }"""
    assert page.evaluate(tries, address) == ["refused", "refused"]
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all_without_scrolling_sideways(browser: Any, address: str, scheme: str):
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme, "has_touch": True, "is_mobile": True}
    with opened(browser, address, **phone) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        over = """() => [...document.querySelectorAll("main *")].filter((one) =>
          one.getBoundingClientRect().right > 360.5).map((one) => one.outerHTML)"""
        assert page.evaluate(over) == []
        page.touchscreen.tap(*center(page))
        until(page, "timbre.sound.ring.played > 0")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, re.findall(r"\d+", ground))) < 80) == (scheme == "dark")
        page.click("#theme")
        page.click("#theme")
        assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
