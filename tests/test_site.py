"""The documentation: links lead somewhere, pages begin with their question, and the check of the site sees faults."""

import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_site"))

from check import faults  # noqa: E402

PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = [*PAGES, *ROOT.glob("*.md"), *ROOT.glob("pretrained/*/README.md"), *ROOT.glob("docs/api/*.md")]


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(page: Path) -> list[str]:
    """Those that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for address in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in address:
            continue
        path, _, anchor = address.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target.name not in ("gallery.md", "instrument.md"):  # made with the site
            assert target.exists(), address
            assert not anchor or target.suffix != ".md" or anchor in anchors(target), address


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_begins_with_its_question_and_has_no_heading_twice(page: Path) -> None:
    title, opening, *_ = prose(page).split("\n\n")
    assert title.startswith("# ")
    assert "?" in "".join(opening.splitlines()[:2])
    assert len(set(anchors(page))) == len(anchors(page))


def test_the_menu_of_the_site_has_every_page() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[1]
    assert all(re.search(rf"\b{page.name}\b", menu) for page in PAGES)


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ('<a href="missing.html">', "missing.html does not exist"),
        ('<a href="#nowhere">', "#nowhere has no such anchor"),
        ('<a href="other.html#there">', ""),
        ('<a href="other.html#elsewhere">', "other.html#elsewhere has no such anchor"),
        ('<a href="../outside.html">', "../outside.html does not exist"),
        ('<a href="https://example.com">', ""),
        ('<script src="https://example.com/x.js">', "https://example.com/x.js is loaded from elsewhere"),
        ('<link rel="stylesheet" href="//example.com/x.css">', "//example.com/x.css is loaded from elsewhere"),
        ('<audio src="sound.ogg">', "sound.ogg does not exist"),
    ],
)
def test_the_check_finds_what_is_wrong_in_a_site(element: str, fault: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "outside.html").write_text("")
    (site / "other.html").write_text('<h2 id="there">There</h2>')
    (site / "index.html").write_text(element)
    assert faults(site) == ([f"index.html: {fault}"] if fault else [])
