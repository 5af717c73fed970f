"""The page of a listening test in a browser, from files: whole tests by mouse and by keyboard, and their results."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_app_browser import CHROMIUM, browser  # noqa: F401  (a fixture)

from timbre.data import Library
from timbre.listening import ListeningTest, make_test, read_answers
from timbre.space import Space

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: apt install chromium")
PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def opened(browser: Any, tiny_space: Space, some_notes: Library, tmp_path: Path) -> Iterator[Any]:  # noqa: F811
    """Makes a test and opens its page; at the end nothing may stand in the console."""
    problems: list[str] = []
    contexts = []

    def open_page(task: str, notes: int, **settings: Any) -> tuple[Any, ListeningTest, Path]:
        folder = tmp_path / task
        test = make_test(folder, [("tiny", tiny_space)], some_notes, task, notes=notes, seconds=0.3)
        contexts.append(browser.new_context(accept_downloads=True, **settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda told: problems.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((folder / "page" / "index.html").as_uri())
        page.wait_for_selector("html[data-ready]")
        return page, test, folder

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def save(page: Any, folder: Path) -> None:
    with page.expect_download() as waiting:
        page.click("#save")
    waiting.value.save_as(folder / "results" / waiting.value.suggested_filename)


def wide(page: Any) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_pairs_by_mouse_with_a_reload_in_the_middle(opened: Any):
    page, test, folder = opened("pairs", 3)
    page.fill("#code", "listener-1")
    page.click("#begin")
    page.click("#next")  # all sounds have been heard
    order = []
    for trial in range(len(test.trials)):
        assert page.inner_text("#progress") == f"{trial + 1} of 6"
        page.click("#next")
        assert page.inner_text("#message") == "Play both sounds first."
        page.click("[data-key='1']")
        page.click("[data-key='2']")
        page.click("#next")
        assert "move the slider" in page.inner_text("#message")
        page.evaluate(
            "value => { const s = document.querySelector('input'); s.value = value; s.oninput(); }",
            10 * trial,
        )
        if trial == 2:
            page.reload()
            assert "listener-1: 2 trials" in page.inner_text("main")
            page.click("#begin")
            assert page.input_value("input") == "20"
        order.append(page.inner_text("h2"))
        page.click("#next")
    save(page, folder)
    answers = read_answers(test, folder)
    assert answers.left_out == ()
    assert answers.participants == ("listener-1",)
    assert sorted(answer.value for answer in answers.answers) == [0, 10, 20, 30, 40, 50]
    assert {answer.trial for answer in answers.answers} == set(test.trials)


def test_another_listener_does_not_remove_the_answers_of_one_unasked(opened: Any):
    page, _, _ = opened("sorting", 4)
    page.fill("#code", "first")
    page.click("#begin")
    sounds = [tile.get_attribute("data-sound") for tile in page.locator("[data-sound]").all()]
    for number, sound in enumerate(sounds):
        page.click(f"[data-sound='{sound}']")
        page.click(f"[data-group='{1 + number % 2}']")
    page.reload()
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.fill("#code", "second")
    page.click("#begin")
    assert "Discard the answers of first" in asked[0]
    page.fill("#code", "first")
    page.click("#begin")
    page.click("#next")
    assert page.input_value("#csv").count(",first,") == 4


def test_quality_on_a_phone_by_keyboard(opened: Any):
    page, test, folder = opened("quality", 2, **PHONE)
    page.focus("#begin")
    page.keyboard.press("Enter")  # with a random code
    for _ in test.trials:
        assert page.evaluate("document.activeElement.tagName") == "H2"  # where a screen reader goes on
        assert not wide(page)
        for key in ("0", "1", "2", "3"):
            page.keyboard.press(key)
        for number, slider in enumerate(page.locator("input[type=range]").all()):
            assert slider.get_attribute("aria-valuetext") == "not rated"
            slider.focus()
            page.keyboard.press("End" if number == 0 else "ArrowRight")
            assert slider.get_attribute("aria-valuetext") in ("100, excellent", "51, fair")
        page.focus("#next")
        page.keyboard.press("Enter")
    assert page.inner_text("#progress") == "Done"
    save(page, folder)
    values = [answer.value for answer in read_answers(test, folder).answers]
    assert sorted(values) == [51, 51, 51, 51, 100, 100]


def test_sorting_by_keyboard_and_two_listeners_have_different_orders(opened: Any):
    page, test, folder = opened("sorting", 4)
    orders = []
    for code in ("a", "b", "c"):
        page.fill("#code", code)
        page.click("#begin")
        orders.append([tile.get_attribute("data-sound") for tile in page.locator("[data-sound]").all()])
        for number, sound in enumerate(orders[-1]):
            page.focus(f"[data-sound='{sound}']")
            page.keyboard.press("Enter")
            page.focus(f"[data-group='{1 + number % 2}']")
            page.keyboard.press("Enter")
        page.click("#next")
        save(page, folder)
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_text("Next listener").click()
    assert len({tuple(order) for order in orders}) > 1
    answers = read_answers(test, folder)
    assert answers.participants == ("a", "b", "c")
    groups = {(one.participant, one.sound): one.value for one in answers.answers}
    assert all(groups["a", sound] == 1 + at % 2 for at, sound in enumerate(orders[0]))
    shutil.rmtree(folder)
