"""Tables in text files: their encoding, their delimiter, and the line that is the header."""

import codecs
import csv
import io
import re
from collections.abc import Callable
from typing import NamedTuple

_DELIMITERS = ",;\t|"
_COMMENT = re.compile(r"\s*(#|;|//|%|--\s|/\*|\*)")
_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # the first line that spreadsheets read and some write
_RULE = re.compile(r"\s*[:=+\-]{2,}\s*")  # a cell of a line that separates a header from its rows
_PREAMBLE = 100  # lines among which the header must be
_ENCODINGS = ("cp1252", "mac_roman", "cp850", "cp1251", "cp1250", "shift_jis", "gb18030", "euc_kr", "latin-1")
_WESTERN = frozenset("äöüßÄÖÜéèêëÉàâáçñíîïóôúùûåÅøØæÆœ♯♭")  # letters that show which encoding is the right one

Header = Callable[[list[str]], bool]
"""Whether a row of cells is a header."""


class TextTable(NamedTuple):
    """A table: its header, and its rows with the numbers of their lines (from 1)."""

    header: list[str]
    rows: list[tuple[int, list[str]]]


def parse_table(text: str, is_header: Header) -> TextTable | None:
    """The table in a text; None if no line is a header. Comments, blank lines and rules are left out.

    Raises:
        csv.Error: if a cell is longer than 131,072 characters.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = _find_header(lines[:_PREAMBLE], is_header)
    if found is None:
        return None
    at, delimiter, header = found
    reader = csv.reader(io.StringIO("\n".join(lines[at + 1 :]), newline=""), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    line = at + 2
    for row in reader:
        if any(cell.strip() for cell in row) and not _is_no_row(row, header, delimiter):
            rows.append((line, row))
        line = at + 2 + reader.line_num
    return TextTable(header, rows)


def _find_header(lines: list[str], is_header: Header) -> tuple[int, str, list[str]] | None:
    """Index of the header, the delimiter and the cells; a comment is a header only if no other line is."""
    delimiters = next((match[1] for line in lines[:1] if (match := _SEPARATOR.fullmatch(line))), _DELIMITERS)
    for commented in (False, True):
        for at, line in enumerate(lines):
            if bool(comment := _COMMENT.match(line)) is commented:
                text = line[comment.end() :] if comment else line
                splits = {delimiter: next(csv.reader([text], delimiter=delimiter), []) for delimiter in delimiters}
                fitting = {delimiter: cells for delimiter, cells in splits.items() if is_header(cells)}
                if fitting:
                    best = max(fitting, key=lambda delimiter: len(fitting[delimiter]))
                    return at, best, fitting[best]
    return None


def _is_no_row(row: list[str], header: list[str], delimiter: str) -> bool:
    """Whether a row is a rule, a comment or the header again. A file may be called #1.wav, so comments are short."""
    is_comment = _COMMENT.match(row[0]) and len(row) < min(2, len(header))
    is_comment = is_comment or (_COMMENT.match(delimiter.join(row)) and len(row) != len(header))
    return bool(is_comment) or row == header or all(_RULE.fullmatch(cell) or not cell.strip() for cell in row)


def decodings(content: bytes) -> list[str]:
    """The texts that the bytes of a table may be: one if they are in UTF-8 or UTF-16, else the likeliest first."""
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if content.startswith(mark):
            return [content.decode("utf-16", "replace")]
    head = content[:1000]
    if len(head) > 3 and head.count(b"\0") > len(head) / 4:
        return [
            content.decode("utf-16-le" if head[1::2].count(b"\0") > head[::2].count(b"\0") else "utf-16-be", "replace")
        ]
    try:
        return [content.decode("utf-8-sig")]
    except UnicodeDecodeError:
        texts = [content.decode(encoding, "replace") for encoding in _ENCODINGS]
    return sorted(texts, key=lambda text: text.count("\ufffd") - sum(text.count(letter) for letter in _WESTERN))
