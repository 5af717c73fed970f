"""Archives, recipes of public libraries, and records of what was fetched."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from random import Random

from archives import TEXTS

from fuzz import _mutations as mutations
from fuzz._target import target
from fuzz._tiny import sound
from fuzz.libraries import PRESET_TEXT, described
from timbre.data.download.fetching import RECORD, fetch
from timbre.data.download.recipes import Download, Recipe, load_recipe
from timbre.data.download.unpacking import unpack


def _members(random: Random) -> dict[str, bytes]:
    names = [
        "a.dspreset",
        "a.wav",
        "notes/flute/C4.wav",
        "x/y/z.txt",
        "../out.wav",
        "/abs.wav",
        "a//b",
        ".",
    ]
    chosen = [*names[:2], *random.sample(names[2:], random.randrange(3))]
    contents = {name: sound() if name.endswith("wav") else PRESET_TEXT.encode() for name in chosen}
    return {n: mutations.some_bytes(random, own) if random.random() < 0.2 else own for n, own in contents.items()}


def _zip(random: Random) -> bytes:
    """A zip file with right checksums of wrong members, or with bytes changed."""
    file, methods = io.BytesIO(), (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(file, "w", random.choice(methods)) as archive:
        for name, content in _members(random).items():
            info = zipfile.ZipInfo(random.choice((name, name, name.replace("/", "\\"), name * 40)))
            info.external_attr = random.choice((0, 0, 0o120777 << 16, 0o020666 << 16, 0o100644 << 16, 0x10))
            archive.writestr(info, content, random.choice(methods))
    data = file.getvalue()
    return mutations.some_bytes(random, data) if random.random() < 0.8 else data


def _tar(random: Random) -> bytes:
    """A tar file with links, devices and wrong sizes in headers of right checksums, or with bytes changed."""
    file = io.BytesIO()
    form = random.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT))
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in _members(random).items():
            info = tarfile.TarInfo(random.choice((name, name, name * 40 if form != tarfile.USTAR_FORMAT else name)))
            info.size = len(content)
            info.type = random.choice((tarfile.REGTYPE,) * 6 + (tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE))
            info.linkname = random.choice(("", "a", "../.."))
            archive.addfile(info, io.BytesIO(content))
    data = bytearray(file.getvalue())
    if random.random() < 0.4:
        at = 512 * random.randrange(len(data) // 512)
        field = random.choice(((124, b"77777777777\0"), (124, b"\x80" + b"\xff" * 11), (156,
        bytes([random.randrange(256)])),
                               (0, b"../x\0"), (136, b"-1\0"), (257, b"ustar  \0"), (124,
                               b"99999999999\0")))  # fmt: skip
        data[at + field[0] : at + field[0] + len(field[1])] = field[1]
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    kind = random.randrange(4)
    out = bytes(data)
    if random.random() < 0.3:
        out = mutations.some_bytes(random, out)
    out = gzip.compress(out, 1, mtime=0) if kind == 1 else out
    return mutations.some_bytes(random, out) if random.random() < 0.4 else out


def _unpack(data: bytes, place: Path) -> None:
    archive = place / "archive"
    archive.write_bytes(data)
    before = set(place.parent.iterdir())
    try:
        unpack(archive, place / "to", "archive")
    finally:
        assert set(place.parent.iterdir()) == before, "something was unpacked outside of the folder"
        assert not list(place.glob("to/.timbre-unpacking*")), "a temporary folder was left behind"
    for path in (place / "to").rglob("*"):
        assert not path.is_symlink()
        assert path.is_dir() or path.is_file()


target("zip", _zip, "timbre.data.download.unpacking:unpack")(_unpack)
target("tar", _tar, "timbre.data.download.unpacking:unpack")(_unpack)
target("dslibrary", _zip, "timbre.data.readers.decent:READER", "timbre.data.sounds:unpacked")(
    described("fuzz.dslibrary")
)

_RECIPE = f"""{TEXTS}
[[files]]
url = "https://example.org/flutes.tar.gz"
md5 = "36030a7fe389da86c3419e5ee48e3b7f"
bytes = 12000
unpack = true
into = "notes"
"""
_RECIPE_WORDS = ("manual", "sha256", "name", "http://x", "ftp://x/y", "file:///etc/passwd", "[[files]]", "[files]", "=")


@target(
    "recipe", lambda random: mutations.some_text(random, _RECIPE, (*_RECIPE_WORDS, *mutations.TEXTS)),
    "timbre.data.download.recipes:load_recipe",
)  # fmt: skip
def _recipe(data: bytes, place: Path) -> None:
    file = place / "flutes.toml"
    file.write_bytes(data)
    recipe = load_recipe(file)
    for source in recipe.files:
        assert "/" not in source.name
        assert not Path(source.into).is_absolute()


_URL = "http://127.0.0.1:9/flutes.wav"  # nothing listens there
_FETCHED = {
    "name": "flutes",
    "licence": "x",
    "files": {_URL: {"bytes": 3, "etag": "x", "sha256": "0" * 64, "done": True}},
}


@target("fetch-record", lambda random: mutations.some_json(random, _FETCHED), "timbre.data.download.fetching:fetch")
def _fetch(data: bytes, place: Path) -> None:
    texts = dict.fromkeys(("title", "homepage", "licence", "citation", "format", "size", "checked"), "x")
    recipe = Recipe("flutes", **texts, files=(Download(_URL, sha256="0" * 64, bytes=3),))
    (place / RECORD).write_bytes(data)
    fetch(recipe, place)
