"""What lies in folders: odd names, links that loop, pipes, depth, many files."""

import os
import shutil
import socket
import subprocess
import sys
import unicodedata
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hostile import scan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees_named import note, put, tone
from trees_sampler import write

from timbre.data.tree import Tree, open_tree
from timbre.errors import LibraryError

ODD = [
    "ヴァイオリン", "עברית", "عربي\u202e3pm", "🎻🎺", "C♯4", "é", "e\N{COMBINING ACUTE ACCENT}", "ﬁ", "ẞ", "\u200b",
    "-rf", "%s{}", "con", "...", "$HOME", "~", "'\"", "\\", "<region>", "C:x", "\x1b[31m", "a\nb", "\r", "\t", " ",
    "a" * 251, "é" * 125,
]  # fmt: skip
NO_TEXT = [b"\xff\xfe", b"caf\xe9 C4", b"\xed\xa0\x80"]


class TestNames:
    def test_odd_names(self, tmp_path: Path) -> None:
        put(tmp_path / "a.wav", tone(60, 8000, 0.1), 8000)
        made = 1
        for name in [*(name.encode() for name in ODD), *NO_TEXT]:
            with suppress(OSError) if name in NO_TEXT else nullcontext():  # some systems refuse bytes that are no text
                os.link(tmp_path / "a.wav", os.fsencode(tmp_path) + b"/" + name + b".wav")
                made += not name.startswith(b".")
        for measure in (False, True):
            library = scan(tmp_path, measure=measure)
            assert library is not None
            assert library.report.found == made
            assert library.report.kept >= made - len(NO_TEXT)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
    @given(names=st.sets(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=60), max_size=5))
    def test_any_names(self, names: set[str], tmp_path: Path) -> None:
        folder = tmp_path / "names"
        folder.mkdir()
        if not (tmp_path / "a.wav").exists():
            put(tmp_path / "a.wav", tone(60, 8000, 0.05), 8000)
        for name in {unicodedata.normalize("NFC", name).casefold(): name for name in names}.values():
            content = (name + ".wav").encode("utf-8", "surrogatepass")
            if len(content) <= 255:
                os.link(tmp_path / "a.wav", os.fsencode(folder) + b"/" + content)
        write(
            folder / "a.sfz",
            "".join(f"<region>sample={name}.wav\n" for name in names).encode("utf-8", "replace").decode(),
        )
        for name in ("folders", "sfz", "iowa", "philharmonia", None):
            scan(folder, name)
        shutil.rmtree(folder)


class TestFolders:
    def test_links(self, tmp_path: Path) -> None:
        note(tmp_path / "elsewhere/x.wav", 60)
        note(tmp_path / "library/z/C4.wav", 60)
        links = {"a": "z", "z/self": ".", "z/up": "..", "z/root": "../..", "all": "/", "e1": "../elsewhere",
                 "e2": "../elsewhere", "z/1": "2", "z/2": "1", "dangling.wav": "gone", "loop.wav": "loop.wav",
                 "z/D4.wav": "C4.wav"}  # fmt: skip
        for name, target in links.items():
            (tmp_path / "library" / name).symlink_to(target)
        (tmp_path / "elsewhere/back").symlink_to(tmp_path / "library")
        tree = open_tree(tmp_path / "library")
        assert tree.files == ["dangling.wav", "e1/x.wav", "loop.wav", "z/1", "z/2", "z/C4.wav", "z/D4.wav"]
        assert sorted(tree.special) == ["dangling.wav", "loop.wav", "z/1", "z/2"]
        library = scan(tmp_path / "library")
        assert library is not None
        assert len(library) == 3
        # ".." is taken by its letters, so that it cannot climb out of the folder behind a link
        assert tree.find("e1/../z/c4.wav") == "z/C4.wav"
        assert tree.find("e1/../../elsewhere/x.wav") is None
        assert tree.find("dangling.wav") is None
        assert tree.missing("DANGLING.wav".lower()) == "is a pipe, a socket, a device or a broken link"

    def test_links_that_multiply(self, tmp_path: Path) -> None:
        for number in range(40):
            (tmp_path / f"{number}").mkdir()
            for name in "abc":
                (tmp_path / f"{number}" / name).symlink_to(f"../{number + 1}")
        note(tmp_path / "40/C4.wav", 60)
        assert open_tree(tmp_path / "0").files == ["a/" * 40 + "C4.wav"]
        assert open_tree(tmp_path).files == ["40/C4.wav"]

    @pytest.mark.skipif(sys.platform != "linux", reason="how long a path may be is Linux's here")
    def test_deeper_than_calls_or_paths_may_be(self, tmp_path: Path) -> None:
        note(tmp_path / "C4.wav", 60)
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            for _ in range(1100):
                os.mkdir("ddd")
                os.chdir("ddd")
            os.link(tmp_path / "C4.wav", "D4.wav")
            assert scan(tmp_path) is not None
            (closed,) = open_tree(tmp_path).closed.items()
        finally:
            os.chdir(here)
            subprocess.run(["rm", "-rf", str(tmp_path / "ddd")], check=True)
        assert len(f"{tmp_path}/{closed[0]}") > 4000
        assert closed[1] == "File name too long"

    def test_ten_thousand_files(self, tmp_path: Path) -> None:
        put(tmp_path / "Oboe 0.wav", tone(60, 8000, 0.03), 8000)
        (tmp_path / "Oboe 1.wav").touch()
        for number in range(2, 10_000):
            os.link(tmp_path / f"Oboe {number > 500:d}.wav", tmp_path / f"Oboe {number}.wav")
        write(tmp_path / "Oboe.sfz", "".join(f"<region> sample=OBOE {number}.WAV\n" for number in range(9998)))
        library = scan(tmp_path)
        assert library is not None
        assert (library.report.found, library.report.kept) == (10_000, 500)

    def test_pipes_sockets_and_devices_are_not_opened(self, tmp_path: Path) -> None:
        """In a process of its own, which would wait for ever."""
        note(tmp_path / "good.wav", 60)
        pipes = ["a.wav", "b.sfz", "c.dspreset", "d.dslibrary", "e.sf2", "f.sf3", "metadata.csv", "metadata.json",
                 "database.sqlite", "examples.json", "library.json", "TinySOL_metadata.csv", "g.txt"]  # fmt: skip
        for name in pipes:
            os.mkfifo(tmp_path / name)
        (tmp_path / "zero.wav").symlink_to("/dev/zero")
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / "s.wav"))
        write(
            tmp_path / "good.sfz",
            '<region> sample=good.wav <region> sample=a.wav #include "g.txt" <region> sample=zero.wav',
        )
        code = (
            "import sys, timbre, timbre.data.readers as readers\n"
            "from timbre.audio import read\n"
            "from timbre.data.tree import open_tree\n"
            "from timbre.errors import LibraryError, AudioError\n"
            "def attempt(action, *arguments):\n"
            "    try: return action(*arguments)\n"
            "    except (LibraryError, AudioError) as error: assert str(error).endswith('.')\n"
            "for name in [None, *readers.READERS]:\n"
            "    library = attempt(lambda: timbre.scan(sys.argv[1], name, measure=False))\n"
            "    if library: print(name, *sorted(library.report.dropped), sep='|')\n"
            "for name in sys.argv[2:]:\n"
            "    assert attempt(open_tree, f'{sys.argv[1]}/{name}') is None\n"
            "    assert attempt(read, f'{sys.argv[1]}/{name}') is None\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), *pipes, "s.wav", "zero.wav"],
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        server.close()
        assert done.returncode == 0, done.stderr
        for name in ("a.wav", "s.wav", "zero.wav"):
            assert f"file='{name}'" in done.stdout

    def test_places_that_are_none(self, tmp_path: Path) -> None:
        for place in ("a\0b", "x" * 300, "~nobody-of-that-name/x", "", tmp_path / "none"):
            with pytest.raises(LibraryError):
                open_tree(place or tmp_path / "none")


def test_a_tree_that_cannot_be_listed(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="cannot be listed"):
        Tree(tmp_path / "none")
