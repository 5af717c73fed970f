"""HTML pages from Jinja2 templates. A page is one file: no scripts, and nothing is loaded from elsewhere."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from timbre.errors import ConfigError
from timbre.files import expanded, write_text
from timbre.report.pictures import as_svg
from timbre.wording import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMBER = re.compile(r"-?[\d.]*%?|–")


class Picture(NamedTuple):
    """A picture in a page."""

    svg: Markup
    alt: str
    caption: str


def picture(figure: "Figure", name: str, alt: str, caption: str) -> Picture:
    """A figure of matplotlib as a picture whose name differs from those of others in the page.

    `alt` is its content in words, for those who cannot see it; `caption` is written below.
    """
    return Picture(Markup(as_svg(figure, name)), alt, caption)


def check_page(file: str | os.PathLike[str]) -> Path:
    """The path of a page; ConfigError if its name does not end in .html."""
    path = expanded(file)
    if path.suffix.lower() != ".html":
        raise ConfigError(f"A page must be an HTML file, got {path}; give a name that ends in .html.")
    return path


def write_page(file: str | os.PathLike[str], template: str, **content: Any) -> Path:
    """Fill a template and write the page, completely or not at all.

    Raises:
        ConfigError: if the name does not end in .html, or the page cannot be written.
    """
    path = check_page(file)
    write_text(path, environment.get_template(template).render(content))
    return path


def numeric_columns(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Whether each column contains only numbers, which are aligned to the right; never the first."""
    columns = zip(*rows, strict=True)
    return [number > 0 and all(map(_NUMBER.fullmatch, column)) for number, column in enumerate(columns)]


def _finalize(value: Any) -> Any:
    """Texts with escapes for invisible characters, as names of files can contain anything; markup unchanged."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


environment = Environment(
    loader=PackageLoader("timbre.report"),
    autoescape=True,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
environment.filters["numeric_columns"] = numeric_columns
