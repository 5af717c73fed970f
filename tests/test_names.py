"""Spaces by name: what is a name and what a path, what is fetched, and where a user's own presets go."""

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
import threading
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import timbre
from timbre.__main__ import main
from timbre.errors import CheckpointError, ConfigError
from timbre.shapes.presets import Preset, Presets, read_presets, write_presets
from timbre.space import Space, names, registry
from timbre.space.names import find_space, is_path, local_spaces, user_folder
from timbre.space.registry import parse_registry

FILES = ("config.json", "model.safetensors", "atlas.json", "atlas.safetensors", "README.md")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.server.files.get(self.path)  # type: ignore[attr-defined]
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + self.server.missing))  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


class Served:
    """A local server, and the registry that names what it has."""

    def __init__(self, server: ThreadingHTTPServer, file: Path) -> None:
        self.server, self.file, self.url = server, file, f"http://127.0.0.1:{server.server_port}"

    def offer(self, body: bytes, name: str = "far", **changes: Any) -> str:
        self.server.files["/space.tar.gz"] = body  # type: ignore[attr-defined]
        entry = {"url": f"{self.url}/space.tar.gz", "sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
        lines = [f"{key} = {value!r}" for key, value in {**entry, "licence": "MIT", **changes}.items()]
        text = "\n".join([f"[{name}]", *lines, ""])
        self.file.write_text(text, encoding="utf-8")
        return text


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, cache and data folder, and no shipped space."""
    for name in ("work", "shipped"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TIMBRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda _: str(tmp_path / "data"))
    monkeypatch.setattr(names, "SHIPPED", (tmp_path / "shipped",))
    monkeypatch.delenv(registry.VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def shipped(home: Path, tiny_folder: Path) -> Path:
    """A space called near that comes with timbre."""
    return copied(tiny_folder, home / "shipped" / "near")


@pytest.fixture
def served(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(registry.VARIABLE, str(home / "registry.toml"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.missing = {}, 0  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Served(server, home / "registry.toml")
        server.shutdown()
        thread.join()


def copied(folder: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    for name in FILES:
        shutil.copy(folder / name, target)
    return target


def archive(folder: Path, top: str = "", spoil: str = "", leave_out: str = "") -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for name in FILES:
            content = (folder / name).read_bytes()
            content = content[:-1] + bytes([content[-1] ^ 1]) if name == spoil else content
            info = tarfile.TarInfo(f"{top}{name}")
            info.size = len(content)
            if name != leave_out:
                tar.addfile(info, io.BytesIO(content))
    return body.getvalue()


def same(a: Space, b: Space) -> bool:
    return a.atlas.names == b.atlas.names and np.array_equal(a.atlas.points, b.atlas.points)


def left(home: Path) -> list[str]:
    """What lies in the cache's folder of spaces."""
    return sorted(path.name for path in (home / "cache" / "pretrained").glob("*"))


class TestFinding:
    def test_a_shipped_space_goes_before_one_in_the_cache(self, home, shipped, tiny_folder, tiny_space):
        cached = copied(tiny_folder, home / "cache" / "pretrained" / "near")
        assert find_space("near") == shipped
        assert same(timbre.load("near"), tiny_space)
        shutil.rmtree(shipped)
        assert find_space("near") == cached

    def test_what_is_here_is_a_path(self, shipped, tiny_folder):
        assert not is_path("near")
        own = copied(tiny_folder, Path("near"))
        assert is_path("near")
        assert find_space("near").resolve() == own.resolve()
        (own / "config.json").unlink()
        with pytest.raises(CheckpointError, match=f"near here is no space and hides .*{shipped}"):
            find_space("near")

    @given(st.text(min_size=1, max_size=20))
    def test_words_with_a_separator_a_dot_or_a_tilde_are_paths(self, text):
        for words in (f"./{text}", f"{text}/", f"~{text}", f".{text}", os.path.join(text, "x")):
            assert is_path(words.replace("\0", ""))

    @pytest.mark.parametrize(
        ("words", "error", "told"),
        [
            ("", ConfigError, "'' came for a space"), (" ", ConfigError, "' ' came for a space"),
            (".", CheckpointError, "no config.json"), ("./near", CheckpointError, r"no folder \./near"),
            ("my space", CheckpointError, r"no folder my space; .*a known name \(near\)"),
            ("file", CheckpointError, "file is a file"), ("neat", ConfigError, "Did you mean near"),
            ("other", ConfigError, r"the names are near, and a folder elsewhere .* \./other"),
        ],
    )  # fmt: skip
    def test_others_are_refused_in_one_sentence(self, shipped, words, error, told):
        Path("file").touch()
        with pytest.raises(error, match=told):
            timbre.load(words)

    def test_only_names_count(self, home, shipped, tiny_folder):
        copied(tiny_folder, home / "shipped" / "Not A Name")
        (home / "shipped" / "empty").mkdir()
        assert local_spaces() == {"near": shipped}


class TestFetching:
    @pytest.mark.parametrize("top", ["", "./", "far-1.0/"])
    def test_a_space_of_the_registry_is_fetched_once(self, home, served, tiny_folder, tiny_space, top):
        served.offer(archive(tiny_folder, top))
        assert same(timbre.load("far"), tiny_space)
        assert left(home) == ["far"]
        assert {file.name for file in find_space("far").iterdir()} == set(FILES)
        served.server.files.clear()
        assert find_space("far") == home / "cache" / "pretrained" / "far"

    def test_the_registry_may_be_an_address(self, home, served, tiny_folder, monkeypatch):
        served.server.files["/list.toml"] = served.offer(archive(tiny_folder)).encode()
        monkeypatch.setenv(registry.VARIABLE, f"{served.url}/list.toml")
        assert find_space("far").is_dir()
        monkeypatch.setenv(registry.VARIABLE, f"{served.url}/none.toml")
        with pytest.raises(ConfigError, match=r"TIMBRE_REGISTRY, cannot be read: .* is refused: 404"):
            find_space("elsewhere")

    @pytest.mark.parametrize(
        ("spoil", "told"),
        [
            ({"spoil": "model.safetensors"}, "model.safetensors is damaged: its checksum"),
            ({"leave_out": "config.json"}, "its archive has no config.json"),
            ({"leave_out": "atlas.json"}, "has no atlas.json"),
            ({"top": "../"}, "a path out of the folder"),
        ],
    )
    def test_archives_of_no_whole_space_leave_nothing(self, home, served, tiny_folder, spoil, told):
        served.offer(archive(tiny_folder, **spoil))
        with pytest.raises(CheckpointError, match=f"no whole space, and nothing was kept: .*{told}"):
            find_space("far")
        assert left(home) == []

    def test_a_cut_archive_is_refused(self, home, served, tiny_folder):
        body = archive(tiny_folder)
        served.offer(body[: len(body) // 2])
        with pytest.raises(CheckpointError, match="no whole space"):
            find_space("far")
        assert left(home) == []

    def test_another_checksum_is_refused(self, home, served, tiny_folder):
        served.offer(archive(tiny_folder), sha256="0" * 64)
        with pytest.raises(CheckpointError, match=r"not kept: the SHA-256 of http.* is not 0000"):
            find_space("far")
        assert left(home) == []

    def test_a_transfer_that_breaks_off_leaves_nothing(self, home, served, tiny_folder):
        served.offer(archive(tiny_folder))
        served.server.missing = 100
        with pytest.raises(CheckpointError, match="far cannot be fetched"):
            find_space("far")
        assert left(home) == []

    def test_a_server_that_refuses_or_is_away(self, home, served, tiny_folder):
        served.offer(archive(tiny_folder), url=f"{served.url}/gone.zip")
        with pytest.raises(CheckpointError, match=r"gone\.zip is refused: 404"):
            find_space("far")
        served.offer(archive(tiny_folder), url="http://127.0.0.1:9/space.zip")
        with pytest.raises(CheckpointError, match="refuses connections"):
            find_space("far")
        assert left(home) == []

    def test_a_full_disk_is_noticed_first(self, home, served, tiny_folder, monkeypatch):
        served.offer(archive(tiny_folder))
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10, 10))
        with pytest.raises(CheckpointError, match=r"far needs .* MB in .* make room"):
            find_space("far")
        assert left(home) == []

    def test_a_cache_that_cannot_be_written(self, home, served, tiny_folder, monkeypatch):
        served.offer(archive(tiny_folder))
        (home / "cache").write_text("a file")
        with pytest.raises(CheckpointError, match="far cannot be kept in"):
            find_space("far")


class TestRegistry:
    GOOD = f'[far]\nurl = "https://example.org/a.zip"\nsha256 = "{"a" * 64}"\nbytes = 1\nlicence = "MIT"\n'

    def test_the_shipped_one_is_sound(self, monkeypatch):
        monkeypatch.delenv(registry.VARIABLE, raising=False)
        assert all(entry.url.startswith("http") for entry in registry.registry().values())
        assert parse_registry(self.GOOD, "here")["far"].bytes == 1

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("licence", "license", "exactly url, sha256, bytes, licence are wanted"),
            ('licence = "MIT"\n', "", "exactly url"), ("https:", "file:", "an http or https address"),
            ("aaaa", "A", "64 hexadecimal digits"), ("= 1", '= "1"', "a whole number is wanted"),
            ("= 1", "= 0", "bytes and licence"), ("[far]", '["../far"]', "calls a space"), ("[far]", "[far", "TOML"),
        ],
    )  # fmt: skip
    def test_others_are_refused(self, old, new, told):
        with pytest.raises(ConfigError, match=f"The registry here.*({told})"):
            parse_registry(self.GOOD.replace(old, new), "here")

    def test_a_missing_file_is_named(self, home, monkeypatch):
        monkeypatch.setenv(registry.VARIABLE, "/no/where.toml")
        with pytest.raises(ConfigError, match=r"/no/where\.toml, named by TIMBRE_REGISTRY, cannot be read: No such"):
            find_space("far")


class TestPresets:
    def test_those_of_a_named_space_are_the_users(self, home, shipped, tiny_space):
        given = Presets([Preset("soft", tiny_space.path([0.0, 0.0, 0.0]))])
        write_presets(shipped, given, tiny_space)
        before = (shipped / "presets.json").read_bytes()
        more = read_presets("near", tiny_space).adding(Preset("own", tiny_space.path([1.0, 0.0, 0.0])))
        assert write_presets("near", more, tiny_space) == user_folder("near") / "presets.json"
        assert list(read_presets("near", tiny_space)) == ["soft", "own"]
        assert list(read_presets(shipped, tiny_space)) == ["soft"]
        assert (shipped / "presets.json").read_bytes() == before

    def test_a_data_folder_that_cannot_be_made(self, home, shipped, tiny_space):
        (home / "data").write_text("a file")
        with pytest.raises(ConfigError, match="for your presets cannot be made"):
            write_presets("near", Presets(), tiny_space)


class TestCommands:
    def run(self, *words: Any) -> tuple[int, str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = main([str(word) for word in words])
        return status, out.getvalue()

    def test_names_are_listed(self, shipped, served):
        served.offer(b"nothing yet")
        status, told = self.run("inspect")
        assert status == 0
        assert [line.split()[0] for line in told.splitlines()] == ["near", "far"]
        assert str(shipped) in told
        assert "MIT" in told

    def test_commands_take_a_name(self, home, shipped):
        note = next(iter(timbre.load("near").atlas))
        for words in (
            ["inspect", "near"], ["synth", "near", "--at", note, "--duration", "0.3", "-o", "a.wav"],
            ["encode", "near", "a.wav"], ["nearest", "near", note], ["place", "near", "a.wav", "--pitch", "C4"],
            ["path", "near", "--from", note, "--to", "0,0,0", "-o", "p.json"],
            ["render", "near", "--path", "p.json", "--pitch", "C4", "-o", "b.wav"],
            ["preset", "near", "--add", "mine", "--at", note], ["preset", "near"],
            ["map", "near", "--resolution", "3", "-o", "map"],
        ):  # fmt: skip
            status, told = self.run(*words)
            assert status == 0, (words, told)
        assert (home / "data" / "pretrained" / "near" / "presets.json").exists()
        assert {path.name for path in shipped.iterdir()} == set(FILES)

    def test_evaluate_names_the_folder_that_is_wanted(self, shipped):
        status, told = self.run("evaluate", "near")
        assert status == 1
        assert "near does not name its training notes" in told

    def test_a_demo_needs_no_library(self, shipped):
        status, told = self.run("demo", "near", "out")
        assert status == 0, told
        made = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
        assert {"new-sound.wav", "morph.wav", "space.png", "descriptors.png"} <= made
        known = {Path(name).stem for name in made if name.startswith("known/")}
        assert known
        assert known <= set(timbre.load("near").atlas)
        assert all(timbre.read(file).peak > 0.1 for file in Path("out").rglob("*.wav"))
        status, told = self.run("demo", "near")
        assert (status, "[LIBRARY] OUT; got 0" in told) == (1, True)

    def test_the_archive_that_the_page_tells_how_to_make(self, home, served, tiny_folder, tiny_space, monkeypatch):
        """The Python of docs/pretrained.md, and then its registry."""
        page = (Path(__file__).parents[1] / "docs" / "pretrained.md").read_text(encoding="utf-8")
        code = next(block.split("```")[0] for block in page.split("```python\n")[1:] if "make_archive" in block)
        copied(tiny_folder, Path("my-space"))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, {})
        made = Path("my-space.tar.gz").read_bytes()
        text = served.offer(made, "lab")
        assert hashlib.sha256(made).hexdigest() in out.getvalue()
        assert str(len(made)) in out.getvalue()
        assert "lab" in text
        assert same(timbre.load("lab"), tiny_space)
