"""The page of a library: complete, readable by machines too, and harmless whatever the files are called."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.data import Dropped, Library, Measured, Note, Report
from timbre.errors import ConfigError
from timbre.report import library_pictures
from timbre.report.library_page import write_page
from timbre.report.pages import Picture, environment
from timbre.report.pictures import as_svg
from timbre.wording import printable

HOSTILE = [
    "<script>alert(1)</script>",
    "\"onerror='x' & <b>",
    "</title><h1>",
    "<!-- --> ]]>",
    "&lt;b&gt;",
    "$x_1^2$",
    "שלום",
    "evil\u202egnp.wav",
    "nul\x00 bell\x07 line\nreturn\r",
    "sur\udcff",
    "not\ufffe",
    "日本語",
    "a|b\\|c\\",
    "`code` *bold* _it_ ~~no~~ ![x](y) [^1] # 1. - ",
    "https://example.org www.example.org a@example.org",
]
SKELETON = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "table", "caption", "thead",
    "tbody", "tr", "th", "td", "figure", "figcaption",
}  # fmt: skip
DRAWN = {"svg", "g", "path", "defs", "use", "text", "tspan", "image", "clippath", "rect"}
VOID = {"meta"}
BLOCKS = environment.from_string("""
{% extends "page.html.jinja" %}
{% import "blocks.html.jinja" as blocks %}
{% block content %}
<p>{{ text }}</p>{{ blocks.table(text, cells, [cells]) }}{{ blocks.pictures(pictures) }}
{% endblock %}
""")


class Reader(HTMLParser):
    """The elements, attributes and texts of a page, as a browser sees them."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.attributes, self.cells, self.open = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(tag, *item) for item in attrs]
        if tag in ("th", "td"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.cells[-1] += data


def harmless(page):
    """The page's reading, after making sure that it has the elements of the template and loads nothing."""
    read = Reader(page)
    assert set(read.elements) <= SKELETON | DRAWN
    assert not read.open
    for tag, name, value in read.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert (tag, value[:1]) == ("use", "#") or value.startswith("data:image/png;base64,")
        if "url(" in (value or "") and tag != "meta":
            assert re.fullmatch(r"url\(#[\w-]+\)", value)
    return read


def measured(pitch, level):
    return Measured(1.0, 44100, -1.0, level, 0.0, 1, pitch, f"{pitch} {level}")


def library(names, root="/library", count=3):
    """Notes with a label, a measurement, a flag and a part, under the given names; as many dropped files."""
    folder = Path(root)
    marks = ["p", "mf", None]
    notes = [
        Note(
            folder / f"{name}-{n}.wav",
            name,
            family=name if n else None,
            pitch=60.0 + number + n,
            dynamics=marks[n % 3],
            duration=0.5 + n,
            flags=(f"pitch: {name}",) if n == 0 else (),
            split=("train", "test")[n % 2],
            measured=measured(60.1 + number + n, -30.0 + n),
        )
        for number, name in enumerate(names)
        for n in range(count)
    ]
    made = Library(notes, folder)
    dropped = tuple(Dropped(f"{name}.mp3", f"damaged {name}") for name in names)
    made.report = Report(
        folder, f"{names[0]}.csv", made.notes, dropped, 2, tuple(f"levels: {n}" for n in names), "table"
    )
    return made


@pytest.fixture(scope="module")
def hostile():
    return library(HOSTILE, root="/library/<i>root")


def test_hostile_names_stay_text(tmp_path, hostile):
    read = harmless(write_page(hostile, tmp_path / "report.html").read_text(encoding="utf-8"))
    for name in HOSTILE:
        assert printable(name) in read.cells
        assert printable(f"{name}.mp3") in read.cells
        assert printable(f"damaged {name}") in read.cells
        assert printable(f"levels: {name}") in read.cells
        assert printable(Path(f"{name}-0.wav").as_posix()) in read.cells
    assert "\u202e" not in "".join(read.cells)


@settings(max_examples=60)
@given(text=st.text(st.characters(exclude_categories=[])), cells=st.lists(st.text(), min_size=2, max_size=2))
def test_any_text_is_the_same_text_on_the_page(text, cells):
    page = BLOCKS.render(title=text, text=text, cells=cells, pictures=[Picture("", text, text)])
    read = harmless(page)
    assert read.cells == [printable(cell) for cell in cells] * 2
    assert ("div", "aria-label", printable(text)) in read.attributes
    page.encode("utf-8")


def test_the_page_says_all_of_it(tmp_path):
    made = library(["oboe", "flute"], count=4).divided("file")
    page = write_page(made, tmp_path / "report.html").read_text(encoding="utf-8")
    read = harmless(page)
    assert page.startswith("<!DOCTYPE html>")
    rows = [("oboe", "4", "C4-D#4", "p 2, mf 1"), ("flute", "4", "C#4-E4", "p 2, mf 1")]
    for row in rows:
        place = read.cells.index(row[0])
        assert [read.cells[place + step] for step in (2, 3, 4)] == list(row[1:])
    assert "Split by file, 10% valid, 10% test, seed 0" in page
    assert "100.0% of 8 notes are within 50 cents of their labels; the median is +10.0 cents" in page
    assert [name for tag, name, value in read.attributes if (tag, name) == ("th", "scope")]
    assert sum(tag == "svg" for tag in read.elements) == 4
    assert sum(name == "role" and value == "img" for _, name, value in read.attributes) == 4
    ids = [value for _, name, value in read.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_pictures_take_the_colour_of_the_pages_text():
    svg = as_svg(library_pictures.draw_lengths(np.array([1.0, 2.0])), "one")
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert "#ffffff" not in svg
    texts = {element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")}
    assert {"length, s", "notes", "1", "2"} <= texts


def test_nothing_measured_nothing_pitched_nothing_split_is_no_trouble(tmp_path):
    plain = Library([Note(Path("/library/a.wav"), "drum", duration=1.0)], "/library")
    page = write_page(plain, tmp_path / "report.html").read_text(encoding="utf-8")
    assert harmless(page).elements.count("svg") == 1  # lengths
    assert "unpitched" in page
    assert not any(word in page for word in ("<h2>Split", "<h2>Flagged", "<h2>Dropped", "<h2>Remarks"))
    empty = Library([], "/library")
    assert "svg" not in harmless(write_page(empty, tmp_path / "empty.html").read_text(encoding="utf-8")).elements


def test_coverage_counts_the_notes_of_each_semitone(monkeypatch, tmp_path):
    drawn = []
    draw = library_pictures.draw_coverage
    monkeypatch.setattr(library_pictures, "draw_coverage", lambda *args: drawn.append(args) or draw(*args))
    notes = [Note(Path(f"/l/{n}.wav"), f"i{n % 61:02d}", pitch=40.0 + n % 3, duration=1.0) for n in range(122)]
    write_page(Library([*notes, Note(Path("/l/x.wav"), "drum")], "/l"), tmp_path / "report.html")
    assert [len(names) for names, _, _ in drawn] == [60, 1]
    names, counts, lowest = drawn[0]
    for row, name in enumerate(names):
        for column in range(counts.shape[1]):
            wanted = sum(note.instrument == name and note.pitch == lowest + column for note in notes)
            assert counts[row, column] == wanted
    assert sum(counts.sum() for _, counts, _ in drawn) == 122


def test_many_dropped_files_are_grouped_by_reason(tmp_path):
    made = Library([Note(Path("/l/a.wav"), "oboe", duration=1.0)], "/l")
    dropped = tuple(Dropped(f"{n}.wav", f"too short ({n} ms)" if n % 3 else "silent") for n in range(300))
    made.report = Report(Path("/l"), "names", made.notes, dropped)
    cells = harmless(write_page(made, tmp_path / "report.html").read_text(encoding="utf-8")).cells
    place = cells.index("too short (1 ms)")
    assert cells[place + 1 : place + 3] == ["200", "1.wav, 2.wav, 4.wav"]
    assert cells[cells.index("silent") + 1] == "100"


WITHOUT = """
import sys
from pathlib import Path

sys.modules.update(matplotlib=None, torch=None)  # makes importing them fail
from timbre.data import Library, Note
from timbre.report.library_page import write_page
write_page(Library([Note(Path("/l/a.wav"), "oboe", pitch=60.0, duration=1.0)], "/l"), sys.argv[1])
"""


def test_without_matplotlib_the_page_says_so(tmp_path):
    file = tmp_path / "report.html"
    subprocess.run([sys.executable, "-c", WITHOUT, str(file)], check=True, cwd=Path(__file__).parents[1])
    page = file.read_text(encoding="utf-8")
    assert "they need matplotlib" in page
    assert "svg" not in harmless(page).elements
    assert "oboe" in page


def test_the_same_library_gives_the_same_page(tmp_path):
    pages = [write_page(library(["oboe", "flute"]), tmp_path / f"{n}.html").read_bytes() for n in range(2)]
    assert pages[0] == pages[1]


def test_pages_that_cannot_be_written_are_refused(tmp_path):
    made = library(["oboe"])
    for name in ("report.pdf", "report.md", "html"):
        with pytest.raises(ConfigError, match=r"must be an HTML file, got .*; give a name that ends in \.html"):
            write_page(made, tmp_path / name)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_page(made, tmp_path / "nowhere" / "report.html")
    assert not list(tmp_path.iterdir())
