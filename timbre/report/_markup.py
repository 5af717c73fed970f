"""Pages made of a few kinds of blocks, as HTML and as Markdown.

Every text in a block is somebody else's: names of files and instruments are shown as they are, and never as markup.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row is its heading."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A picture: SVG for HTML, the address of a file for Markdown."""

    content: str
    alt: str
    caption: str


Block = Heading | Text | Table | Picture

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-style: italic; padding-bottom: 0.4rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.8rem 0.25rem 0; border-bottom: 1px solid #8886; }
th, td { overflow-wrap: break-word; white-space: pre-wrap; max-width: 36rem; }
thead th { white-space: nowrap; }
tbody th { font-weight: normal; }
.n { text-align: right; }
figure { margin: 1.5rem 0; }
svg { width: 100%; min-width: 38rem; max-width: 60rem; height: auto; }
svg text { fill: currentColor; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_NUMBER = re.compile(r"-?[\d.]*%?")
# Backslashes and pipes as entities: tables take them apart before anything else is understood.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;", "|": "&#124;"}


def shown(text: str, longest: int | None = None) -> str:
    """A text as it can be printed: what has no shape, or turns the direction of writing, as escapes such as \\u202e."""
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """A page by itself: no scripts, nothing loaded from elsewhere, for dark and light, wide and narrow screens."""
    body = "\n".join(_html(block) for block in blocks)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{_escaped(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{_escaped(title)}</h1>
{body}
</main>
</body>
</html>
"""


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """A page in GitHub's Markdown."""
    return "\n\n".join([f"# {_marked(title)}", *map(_markdown, blocks)]) + "\n"


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_escaped(text)}</h2>"
        case Text(text):
            return f"<p>{_escaped(text)}</p>"
        case Picture(content, alt, caption):
            picture = f'<div class="wide" role="img" aria-label="{_escaped(alt)}">{content}</div>'
            return f"<figure>{picture}<figcaption>{_escaped(caption)}</figcaption></figure>"
        case Table(caption, headers, rows):
            classes = _classes(rows, len(headers))
            head = "".join(f"<th scope='col'{css}>{_escaped(c)}</th>" for c, css in zip(headers, classes, strict=True))
            body = "\n".join(_html_row(row, classes) for row in rows)
            return (
                f"<div class='wide'><table><caption>{_escaped(caption)}</caption>\n"
                f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
            )


def _html_row(row: Sequence[str], classes: Sequence[str]) -> str:
    cells = [f"<td{css}>{_escaped(cell)}</td>" for cell, css in zip(row[1:], classes[1:], strict=True)]
    return f"<tr><th scope='row'>{_escaped(row[0])}</th>{''.join(cells)}</tr>"


def _classes(rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    """The class of each column: numbers stand to the right."""
    return [" class='n'" if n and all(_NUMBER.fullmatch(row[n]) for row in rows) else "" for n in range(columns)]


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_marked(text)}"
        case Text(text):
            return _marked(text)
        case Picture(content, alt, caption):
            return f"![{_marked(alt)}]({content})\n\n{_marked(caption)}"
        case Table(caption, headers, rows):
            rule = "|".join("---:" if css else "---" for css in _classes(rows, len(headers)))
            lines = [_markdown_row(headers), f"|{rule}|", *map(_markdown_row, rows)]
            return f"{_marked(caption)}\n\n" + "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_marked(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    return html.escape(shown(text))


def _marked(text: str) -> str:
    """A text that Markdown shows as it is."""
    text = re.sub(r"[&<>\\|]", lambda found: _ENTITIES[found[0]], shown(text))
    text = re.sub(r"([*`~\[\]$])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<!\S)#", r"\\\g<0>", text)
    text = re.sub(r"^(\s*\d*)([-+=.)])(?=[-=\s]|$)", lambda found: f"{found[1]}&#{ord(found[2])};", text)
    text = re.sub(r"(?i)(https?|ftp|mailto|xmpp):", r"\1&#58;", text)
    return re.sub(r"(?i)\bwww\.", "www&#46;", text).replace("@", "&#64;")
