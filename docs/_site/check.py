"""Check a built site: every link and anchor has its target, and no page loads anything from elsewhere. check.py SITE"""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"audio", "iframe", "img", "link", "script", "source", "video"}
RELATIONS = {"canonical", "next", "prev"}  # links that a browser does not load


class Links(HTMLParser):
    """The addresses of a page, and the names that its links may lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[tuple[str, str]] = []  # (tag, address)
        self.anchors: set[str] = {""}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses and names of one element."""
        found = dict(attrs)
        self.anchors |= {found.get("id") or "", found.get("name") or ""}
        if tag == "link" and (found.get("rel") or "") in RELATIONS:
            return
        self.addresses += [(tag, address) for key in ("href", "src", "poster") if (address := found.get(key))]


@cache
def links(page: Path) -> Links:
    """The addresses and anchors of a page."""
    parser = Links()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def faults(site: Path) -> list[str]:
    """One line for each address that leads nowhere, or that a browser would load from another computer."""
    pages = sorted(page for page in site.rglob("*.html") if "instrument" not in page.relative_to(site).parts)
    return [
        f"{page.relative_to(site)}: {fault}"
        for page in pages
        for tag, address in links(page).addresses
        if (fault := _fault(site, page, tag, address))
    ]


def _fault(site: Path, page: Path, tag: str, address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme in ("data", "mailto", "javascript"):
        return ""
    if parts.scheme or parts.netloc:
        return f"{address} is loaded from elsewhere" if tag in LOADED else ""
    root = site if parts.path.startswith("/") else page.parent
    target = root / unquote(parts.path).lstrip("/") if parts.path else page
    target = target / "index.html" if target.is_dir() else target
    if not target.resolve().is_relative_to(site.resolve()) or not target.exists():
        return f"{address} does not exist"
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in links(target).anchors:
        return f"{address} has no such anchor"
    return ""


def main() -> None:
    """Print the faults of a site, and fail if there are any."""
    site = Path(sys.argv[1])
    found = faults(site)
    print(*found, sep="\n", end="\n" if found else "")
    count = len(list(site.rglob("*.html")))
    size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) / 1e6
    print(f"{count} pages, {size:.1f} MB, {len(found)} faulty links")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
