"""Valid inputs made wrong: bytes, chunks, numbers, texts and trees; everything follows from a `random.Random`."""

import json
import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

INTEGERS = (
    0, 1, -1, 2, 3, 7, 8, 60, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
    2**53, 2**63 - 1, 2**63, 2**64, -2, -128, -(2**31), -(2**63), 10**30, 10**400,
)  # fmt: skip
FLOATS = (
    0.0, -0.0, 0.5, 1.0, 1.5, -1.0, 1e-9, 1e-300, 5e-324, 100.0, 1e6, 3.4e38, 3.5e38, 1e39, 1e300, 1.7e308,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
NUMBERS = (
    *map(str, INTEGERS[:-1]), *map(str, FLOATS), "9" * 400, "9" * 5000, "1e400", "-1e400", "1e-400", "0x10", "1_000",
    "٣", "９", "+5",
    "--1", "1.", ".5", "1,5", "1e", "c4", "H2", "b-1", "c99999999999", "Infinity", "-Infinity", "NaN", "null", "true",
    "",
)  # fmt: skip
TEXTS = (
    "", " ", "\0", "a\0b", "\ud800", "\udcff", "\n", "a\nb", "\r", "\t", "\x1b[31m", "\x7f", "../x", "..", ".",
    "/etc/passwd",
    "/dev/zero", "C:\\x", "\\\\host\\x", "~", "~root", "$HOME", "%s", "{}", "{0.__class__}", "x" * 300, "y" * 5000,
    "💥", "e\u0301", "é", "ß", "İ", "\u202e", "\ufeff", "\u2028", "None", "nan", "-", "CON", "z", "self", "which",
    "point",
    "'", '"', "<b>", "&amp;", "]]>", "a,b", "a;b", "a=b", "#", "//", "*", "?", "name", "__class__",
)  # fmt: skip
_SIZES = (1, 1, 1, 2, 3, 5)
_CODECS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1", "utf-7", "shift_jis")


class Raw(str):
    """Text that stands in a JSON document as it is."""


class Pairs(list):
    """An object of a JSON document as pairs, so that a key can be repeated."""


def some_bytes(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """The data with one to five changes."""
    for _ in range(random.choice(_SIZES)):
        data = random.choice(_BYTE_CHANGES)(random, data, others or (data,))
    return data


def _flip(random: Random, data: bytes, _: Any) -> bytes:
    changed = bytearray(data or b"\0")
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _integer(random: Random, data: bytes, _: Any) -> bytes:
    """A field of 1, 2, 4 or 8 bytes becomes an interesting number; the first bytes, where headers are, more often."""
    size = random.choice((1, 2, 4, 4, 8))
    at = random.randrange(min(len(data), random.choice((16, 64, 1 << 20))) + 1)
    number = random.choice(INTEGERS[:-2]) + random.choice((0, 0, 0, -1, 1))
    field = (number % (1 << 8 * size)).to_bytes(size, random.choice(("little", "big")))
    return data[:at] + field + data[at + size :]


def _delete(random: Random, data: bytes, _: Any) -> bytes:
    at, size = _span(random, data)
    return data[:at] + data[at + size :]


def _double(random: Random, data: bytes, _: Any) -> bytes:
    at, size = _span(random, data)
    return data[: at + size] + data[at : at + size] * random.choice((1, 1, 2, 50)) + data[at + size :]


def _insert(random: Random, data: bytes, _: Any) -> bytes:
    at, _ = _span(random, data)
    extra = random.choice((random.randbytes(random.randrange(1, 20)), b"\0" * random.randrange(1, 300), b"\xff" * 8))
    return data[:at] + extra + data[at:]


def _truncate(random: Random, data: bytes, _: Any) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _swap(random: Random, data: bytes, _: Any) -> bytes:
    (a, size), (b, _) = _span(random, data), _span(random, data)
    a, b = min(a, b), max(a, b)
    size = min(size, b - a)
    return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]


def _splice(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


_BYTE_CHANGES: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip, _flip, _integer, _integer, _integer, _delete, _double, _insert, _truncate, _swap, _splice,
)  # fmt: skip


def _span(random: Random, data: bytes) -> tuple[int, int]:
    return random.randrange(len(data) + 1), random.choice((1, 1, 2, 4, 8, 16, 64, 256))


def some_text(random: Random, text: str, words: Sequence[str] = ()) -> bytes:
    """A text with some numbers, words and lines changed, in some encoding."""
    for _ in range(random.choice(_SIZES)):
        text = random.choice(_TEXT_CHANGES)(random, text, words or TEXTS)
    return encoded(random, text)


def encoded(random: Random, text: str) -> bytes:
    """The text in UTF-8 as a rule, sometimes in another encoding or with broken bytes."""
    share = random.random()
    if share < 0.85:
        return text.encode("utf-8", "surrogatepass")
    if share < 0.95:
        return text.encode(random.choice(_CODECS), "ignore")
    return some_bytes(random, text.encode("utf-8", "surrogatepass"))


def _token(pattern: str, values: Sequence[str]) -> Callable[[Random, str, Sequence[str]], str]:
    def change(random: Random, text: str, words: Sequence[str]) -> str:
        found = list(re.finditer(pattern, text))
        if not found:
            return text + random.choice(values or words)
        match = random.choice(found)
        return text[: match.start()] + random.choice(values or words) + text[match.end() :]

    return change


def _line(random: Random, text: str, words: Sequence[str]) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, kind = random.randrange(len(lines)), random.randrange(6)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[random.randrange(len(lines))])
    elif kind == 2:
        lines.insert(at, random.choice(words) + "\n")
    elif kind == 3:
        random.shuffle(lines)
    elif kind == 4:
        lines[at] = lines[at].rstrip("\n") * random.choice((2, 40)) + "\n"
    else:
        lines[at] = lines[at][: random.randrange(len(lines[at]) + 1)]
    return "".join(lines)


def _letters(random: Random, text: str, words: Sequence[str]) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice((*words, *"[]{}()<>=,;:\"'\\/#\n\t \0")) + text[at + random.randrange(3) :]


def _repeat(random: Random, text: str, _: Any) -> str:
    at = random.randrange(len(text) + 1)
    piece = text[at : at + random.choice((1, 1, 2, 10, 60))]
    return text[:at] + piece * random.choice((2, 30, 1500)) + text[at:]


_number = _token(r"-?\d+(\.\d+)?", NUMBERS)
_word = _token(r"[A-Za-z_$#./]+", ())
_quoted = _token(r'"[^"\n]*"', [json.dumps(text) for text in TEXTS])
_TEXT_CHANGES: tuple[Callable[[Random, str, Sequence[str]], str], ...] = (
    _number, _number, _word, _word, _quoted, _line, _line, _letters, _letters, _repeat,
)  # fmt: skip


def a_value(random: Random) -> Any:
    """Any JSON value that somebody may not expect."""
    kind = random.randrange(9)
    if kind < 3:
        return random.choice(INTEGERS)
    if kind < 5:
        return random.choice(FLOATS)
    if kind < 7:
        return random.choice(TEXTS)
    deep = random.choice((50, 2000, 100_000))
    return random.choice((
        None, True, False, [], {}, [[]], [None], {"": None}, [0.0] * 5, ["a"], Raw("1e400"), Raw("9" * 5000), Raw("-0"),
        Raw("[" * deep + "]" * deep), Raw('{"a":' * deep + "1" + "}" * deep), Raw("["), Raw('"\\ud800"'), Raw("1.0e5"),
    ))  # fmt: skip


def some_tree(random: Random, tree: Any) -> Any:
    """A copy of a tree of lists, objects and values with one to five nodes changed."""
    tree = _copied(tree)
    for _ in range(random.choice(_SIZES)):
        places = list(_places(tree))
        if not places:
            return a_value(random)
        _change_node(random, *random.choice(places))
    return tree


def _change_node(random: Random, parent: Any, key: Any) -> None:
    """Change one node; an object is a list of [key, value]."""
    kind = random.randrange(9)
    in_object = isinstance(parent, Pairs)
    value = parent[key][1] if in_object else parent[key]
    if kind == 0:
        del parent[key]
    elif kind == 1:
        parent.insert(key, _copied(parent[key]))
    elif kind == 2 and in_object:
        parent[key][0] = random.choice((*TEXTS, parent[random.randrange(len(parent))][0]))
    elif kind == 3:
        other = parent[random.randrange(len(parent))]
        new = _copied(other[1] if in_object else other)
        _put(parent, key, new)
    elif kind == 4:
        _put(parent, key, random.choice(([value], Pairs([["a", value]]), str(value)[:1000], [value, value])))
    elif kind == 5 and isinstance(value, int | float) and not isinstance(value, bool):
        _put(parent, key, random.choice((-value, value + 1, value * 2, value // 3, value * 1000, str(value))))
    else:
        _put(parent, key, a_value(random))


def _put(parent: Any, key: int, value: Any) -> None:
    if isinstance(parent, Pairs):
        parent[key][1] = value
    else:
        parent[key] = value


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs([str(key), _copied(own)] for key, own in value.items())
    if isinstance(value, Pairs):
        return Pairs([key, _copied(own)] for key, own in value)
    return [_copied(own) for own in value] if isinstance(value, list | tuple) else value


def _places(value: Any) -> Any:
    for index in range(len(value)) if isinstance(value, list) else ():
        yield value, index
        yield from _places(value[index][1] if isinstance(value, Pairs) else value[index])


def json_text(value: Any) -> str:
    """The JSON text of a tree, with repeated keys, NaN and raw texts."""
    if isinstance(value, Pairs | dict):
        pairs = value if isinstance(value, Pairs) else value.items()
        return "{" + ", ".join(f"{json.dumps(key)}: {json_text(own)}" for key, own in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:d}" if abs(value) < 10**4000 else "9" * 5000
    return json.dumps(value)


def some_json(random: Random, tree: Any) -> bytes:
    """A JSON document with nodes of its tree changed, or its text."""
    if random.random() < 0.75:
        return encoded(random, json_text(some_tree(random, tree)))
    return some_text(random, json_text(tree))


def some_chunks(random: Random, data: bytes, order: str = "<") -> bytes:
    """A RIFF ("<") or IFF (">") file with chunks changed, exchanged, repeated and left out."""
    head, chunks = data[:12], _chunks(data[12:], order)
    for _ in range(random.choice(_SIZES)):
        at, kind = random.randrange(len(chunks)), random.randrange(6)
        if kind == 0 and len(chunks) > 1:
            del chunks[at]
        elif kind == 1:
            chunks.insert(random.randrange(len(chunks) + 1), list(chunks[at]))
        elif kind == 2:
            chunks.append(chunks.pop(at))
        elif kind == 3:
            chunks[at][0] = random.choice((chunks[at][0], b"JUNK", b"data", b"fmt ", b"smpl", b"LIST", b"\0\0\0\0"))
        elif kind == 4 and chunks[at][1][:4] in (b"INFO", b"sdta", b"pdta") and len(chunks[at][1]) > 12:
            inner = some_chunks(random, b"\0" * 8 + chunks[at][1], order)[8:]
            chunks[at][1] = inner
        else:
            chunks[at][1] = some_bytes(random, chunks[at][1])
    body = b"".join(name + struct.pack(f"{order}I", len(own)) + own + b"\0" * (len(own) % 2) for name, own in chunks)
    return head[:4] + struct.pack(f"{order}I", len(body) + 4) + head[8:12] + body


def _chunks(data: bytes, order: str) -> list[list[bytes]]:
    chunks, at = [], 0
    while at + 8 <= len(data):
        size = struct.unpack(f"{order}I", data[at + 4 : at + 8])[0]
        chunks.append([data[at : at + 4], data[at + 8 : at + 8 + size]])
        at += 8 + size + size % 2
    return chunks or [[b"data", data]]


def some_safetensors(random: Random, data: bytes) -> bytes:
    """A safetensors file with its header or its numbers changed."""
    size = struct.unpack("<Q", data[:8])[0]
    header, numbers = json.loads(data[8 : 8 + size]), data[8 + size :]
    kind = random.randrange(4)
    if kind == 0:
        return some_bytes(random, data)
    if kind == 1:
        names = list(header)
        own = header[random.choice(names)]
        own["shape"] = random.choice(([], [0], [2**40], [1, 2**62], own["shape"][::-1], [*own["shape"], 1]))
    text = (json_text(some_tree(random, header)) if kind == 2 else json.dumps(header)).encode()
    if kind == 3:
        at = 4 * random.randrange(max(1, len(numbers) // 4))
        value = struct.pack("<d", random.choice(FLOATS))[-random.choice((2, 4, 8)) :]
        if random.random() < 0.7:
            value = struct.pack("<f", min(max(random.choice(FLOATS), -3.4e38), 3.4e38))
        numbers = numbers[:at] + value * random.choice((1, 1, 5)) + numbers[at + len(value) :]
    return struct.pack("<Q", len(text)) + text + numbers


def some_rows(random: Random, rows: list[list[str]], files: Sequence[str] = TEXTS) -> bytes:
    """A table with cells, rows and the separator changed."""
    rows = [list(row) for row in rows]
    for _ in range(random.choice(_SIZES)):
        row = random.choice(rows)
        kind = random.randrange(8)
        if kind == 0 and row:
            row.pop(random.randrange(len(row)))
        elif kind == 1:
            row.insert(random.randrange(len(row) + 1), random.choice(NUMBERS))
        elif kind == 2:
            rows.insert(random.randrange(len(rows) + 1), list(row))
        elif kind == 3:
            rows.insert(random.randrange(len(rows)), random.choice(([], ["# note"], ["---"], [""] * 3, ["sep=;"])))
        elif row:
            row[random.randrange(len(row))] = random.choice(random.choice((NUMBERS, TEXTS, files)))
    quote = random.choice(("", "", '"'))
    mark = random.choice(",,,,;\t|")
    text = random.choice(("\n", "\n", "\r\n", "\r")).join(
        mark.join(quote + cell + quote for cell in row) for row in rows
    )
    return some_text(random, text) if random.random() < 0.2 else encoded(random, text)
