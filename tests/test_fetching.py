"""Fetching, against a real server that does what servers do: break off, lie, forget ranges, take their time."""

import contextlib
import functools
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from archives import ARCHIVE, LIBRARY, MD5, SHA256, TEXTS, tar, tree, zipped

import timbre
from timbre.__main__ import main
from timbre.data.download import fetching
from timbre.data.download.fetching import RECORD
from timbre.data.download.recipes import Download, Recipe, all_recipes, find_recipe
from timbre.errors import ConfigError, LibraryError
from timbre.files import temporary

ROOT = Path(__file__).parents[1]


fetch = functools.partial(fetching.fetch, allow_http=True)  # the server of the tests has no https


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`, each in its way, and writes down what it was asked for and what it sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content, way = self.server.files.get(self.path, (b"", "404"))
        self.server.asked.append((self.path, self.headers.get("Range")))
        if way == "silent":
            self.server.let_go.wait(20)
            return
        if way.startswith("leads to "):
            self.send_response(302)
            self.send_header("Location", way.removeprefix("leads to "))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if way.isdecimal():
            self.send_error(int(way))
            return
        start = 0
        if way != "no ranges" and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", '"' + hashlib.md5(content).hexdigest() + '"')
        length = 10**17 if way == "huge" else len(content) - start
        if way == "endless":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.send_endlessly(content)
            return
        self.send_header("Content-Length", "9" * 5000 if way == "lies" else str(length))
        self.end_headers()
        self.send(content[start:], way)

    def send(self, content, way):
        kept = int(way.split()[1]) if way.startswith(("breaks", "hangs")) else len(content)
        self.server.sent.append(min(kept, len(content)))
        self.wfile.write(content[:kept])
        self.wfile.flush()
        if way.startswith("hangs"):
            self.server.let_go.wait(20)
        if kept < len(content):
            self.close_connection = True

    def send_endlessly(self, content):
        with contextlib.suppress(OSError):
            while not self.server.let_go.is_set():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
                if len(content) == 1:
                    time.sleep(0.02)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that goes away is part of the tests."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as one:
        one.files, one.asked, one.sent, one.let_go = {}, [], [], threading.Event()
        one.url = f"http://127.0.0.1:{one.server_port}"
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield one
        one.let_go.set()
        one.shutdown()
        thread.join()


def recipe(*files, **other):
    texts = {key: key for key in ("title", "homepage", "licence", "citation", "format", "size", "checked")}
    return Recipe("flutes", **(texts | other), files=files)


@pytest.fixture
def flutes(server):
    """A library of one archive, served properly."""
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    return recipe(Download(f"{server.url}/flutes.tar.gz", "flutes.tar.gz", md5=MD5, unpack=True))


def test_a_library_is_fetched_checked_unpacked_and_scanned(tmp_path, flutes, server):
    folder = tmp_path / "flutes"
    assert fetch(flutes, folder) == fetching.Fetched(folder, 1, {})
    assert tree(folder) == {*LIBRARY, RECORD}
    assert [note.name for note in timbre.scan(folder)] == ["flute-A4", "flute-C5", "flute-E5"]
    written = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    assert (written["licence"], written["citation"]) == ("licence", "citation")
    server.asked.clear()
    assert fetch(flutes, folder).downloads == 0
    assert server.asked == []


@pytest.mark.parametrize("broken", [40000, 65536, len(ARCHIVE) - 1])
def test_a_download_goes_on_where_it_broke_off(tmp_path, flutes, server, broken):
    server.files["/flutes.tar.gz"] = (ARCHIVE, f"breaks {broken}")
    with pytest.raises(LibraryError, match=f"interrupted after [0-9]+ of {len(ARCHIVE)} bytes"):
        fetch(flutes, tmp_path)
    part = (tmp_path / "flutes.tar.gz.part").read_bytes()
    assert part == ARCHIVE[: len(part)]
    assert broken - fetching._CHUNK < len(part) <= broken
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    fetch(flutes, tmp_path)
    assert server.asked == [("/flutes.tar.gz", None), ("/flutes.tar.gz", f"bytes={len(part)}-")]
    assert server.sent == [broken, len(ARCHIVE) - len(part)]
    assert tree(tmp_path) == {*LIBRARY, RECORD}


def test_without_ranges_it_starts_again(tmp_path, flutes, server):
    server.files["/flutes.tar.gz"] = (ARCHIVE, "breaks 40000")
    with pytest.raises(LibraryError):
        fetch(flutes, tmp_path)
    server.files["/flutes.tar.gz"] = (ARCHIVE, "no ranges")
    fetch(flutes, tmp_path)
    assert server.sent == [40000, len(ARCHIVE)]
    assert tree(tmp_path) == {*LIBRARY, RECORD}


@pytest.mark.parametrize("change", [lambda old: old[::-1], lambda old: old[:50], lambda old: old + old])
def test_a_file_that_changed_meanwhile_is_not_pieced_together(tmp_path, server, change):
    content = bytes(range(256)) * 400
    server.files["/bank.sf2"] = (content, "breaks 40000")
    bank = recipe(Download(f"{server.url}/bank.sf2", "bank.sf2"))
    with pytest.raises(LibraryError):
        fetch(bank, tmp_path)
    server.files["/bank.sf2"] = (change(content), "properly")
    assert fetch(bank, tmp_path).unchecked == {"bank.sf2": hashlib.sha256(change(content)).hexdigest()}
    assert (tmp_path / "bank.sf2").read_bytes() == change(content)


def test_a_server_in_trouble_does_not_cost_what_is_there(tmp_path, flutes, server):
    server.files["/flutes.tar.gz"] = (ARCHIVE, "breaks 40000")
    with pytest.raises(LibraryError):
        fetch(flutes, tmp_path)
    server.files["/flutes.tar.gz"] = (ARCHIVE, "503")
    with pytest.raises(LibraryError, match="503"):
        fetch(flutes, tmp_path)
    assert (tmp_path / "flutes.tar.gz.part").stat().st_size == 32768


def test_a_wrong_checksum_unpacks_nothing(tmp_path, flutes, server):
    wrong = tar({"notes/flute/flute_A4.wav": b"other"})
    server.files["/flutes.tar.gz"] = (wrong, "properly")
    with pytest.raises(LibraryError, match=f"{MD5}.*{hashlib.md5(wrong).hexdigest()}.*removed"):
        fetch(flutes, tmp_path)
    assert tree(tmp_path) == {RECORD}
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    fetch(flutes, tmp_path)
    assert tree(tmp_path) == {*LIBRARY, RECORD}


def test_what_is_whole_is_not_asked_for_again(tmp_path, flutes, server, monkeypatch):
    """Stopped while the checksum was reckoned, it goes on without the network."""
    with monkeypatch.context() as stopped:
        stopped.setattr(fetching, "_check_sum", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fetch(flutes, tmp_path)
    server.files.clear()
    fetch(flutes, tmp_path)
    assert tree(tmp_path) == {*LIBRARY, RECORD}


def test_unknown_checksums_are_written_down(tmp_path, server):
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    flutes = recipe(Download(f"{server.url}/flutes.tar.gz", "flutes.tar.gz", unpack=True))
    assert fetch(flutes, tmp_path).unchecked == {"flutes.tar.gz": SHA256}
    assert SHA256 in (tmp_path / RECORD).read_text(encoding="utf-8")


def test_several_files_go_where_the_recipe_says(tmp_path, server):
    server.files |= {"/t%20a.csv": (b"file\n", "properly"), "/b.zip": (zipped({"x/a.wav": b"1"}), "properly")}
    server.files["/c.zip"] = (zipped({"x/b.wav": b"2", "x/deep/c.wav": b"3"}), "properly")
    table = Download(f"{server.url}/t%20a.csv", "t a.csv", into="annotation")
    archives = [Download(f"{server.url}/{name}", name, unpack=True, into="audio") for name in ("b.zip", "c.zip")]
    fetch(recipe(table, *archives), tmp_path)
    assert tree(tmp_path) == {RECORD, "annotation/t a.csv", "audio/x/a.wav", "audio/x/b.wav", "audio/x/deep/c.wav"}


def test_a_file_of_another_size_than_the_recipes_is_not_downloaded(tmp_path, server):
    server.files["/bank.sf2"] = (b"12345", "properly")
    with pytest.raises(LibraryError, match="must have 7 bytes, got 5"):
        fetch(recipe(Download(f"{server.url}/bank.sf2", "bank.sf2", bytes=7)), tmp_path)
    assert tree(tmp_path) == set()


def test_more_than_the_disk_holds_is_refused_with_numbers(tmp_path, server):
    server.files["/bank.sf2"] = (b"12345", "huge")
    with pytest.raises(LibraryError, match=r"needs 100000000\.00 GB more, but .* has [\d.]+ GB free"):
        fetch(recipe(Download(f"{server.url}/bank.sf2", "bank.sf2")), tmp_path)


@pytest.mark.parametrize("size", [{}, {"bytes": 100_000}, {"most": 100_000}])
def test_a_body_without_an_end_is_cut_off_at_the_limit(tmp_path, server, monkeypatch, size):
    monkeypatch.setattr("timbre.data.download.recipes.LARGEST", 100_000)
    server.files["/bank.sf2"] = (bytes(5000), "endless")
    with pytest.raises(LibraryError, match=r"may have 100,000 bytes, but .* sends more"):
        fetch(recipe(Download(f"{server.url}/bank.sf2", "bank.sf2", **size)), tmp_path)
    assert not (tmp_path / "bank.sf2.part").exists()
    server.files["/bank.sf2"] = (bytes(100_001), "properly")
    with pytest.raises(LibraryError, match=r"100,001|must have 100000 bytes, got 100001"):
        fetch(recipe(Download(f"{server.url}/bank.sf2", "bank.sf2", **size)), tmp_path)
    server.files["/bank.sf2"] = (bytes(100_000), "properly")
    fetch(recipe(Download(f"{server.url}/bank.sf2", "bank.sf2", **size)), tmp_path)
    assert (tmp_path / "bank.sf2").stat().st_size == 100_000


def test_a_server_that_drips_is_given_up(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetching, "_PATIENCE", 0.2)
    server.files["/bank.sf2"] = (b"x", "endless")
    with pytest.raises(LibraryError, match=r"interrupted after 0 bytes; run the same command again") as caught:
        fetch(recipe(Download(f"{server.url}/bank.sf2", "bank.sf2")), tmp_path)
    assert "bytes per second" in str(caught.value.__cause__)


def test_a_size_that_is_no_number_is_unknown(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetching, "_TIMEOUT", (2.0, 0.2))
    server.files["/bank.sf2"] = (b"12345", "lies")
    with pytest.raises(LibraryError, match=r"bank\.sf2"):
        fetch(recipe(Download(f"{server.url}/bank.sf2", "bank.sf2", bytes=7)), tmp_path)


@pytest.mark.parametrize("checksum", [None, MD5], ids=["none", "md5"])
def test_http_needs_a_checksum_or_an_option(tmp_path, server, checksum):
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    flutes = recipe(Download(f"{server.url}/flutes.tar.gz", "flutes.tar.gz", md5=checksum, unpack=True))
    if checksum is None:
        with pytest.raises(ConfigError, match=r"gz would come over http without a checksum.* --allow-http"):
            fetching.fetch(flutes, tmp_path / "to")
        assert (server.asked, (tmp_path / "to").exists()) == ([], False)
    else:
        assert fetching.fetch(flutes, tmp_path / "to").downloads == 1


def test_redirects_are_followed_within_the_web(tmp_path, server):
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    server.files["/moved"] = (b"", "leads to /moved%20again")
    server.files["/moved%20again"] = (b"", f"leads to {server.url}/flutes.tar.gz")
    assert fetch(recipe(Download(f"{server.url}/moved", "flutes.tar.gz", unpack=True)), tmp_path / "to").downloads == 1
    for way, words in {
        "leads to file:///etc/passwd": "leads to file:///etc/passwd, which is no address of the web",
        "leads to ftp://example.org/x": "no address of the web",
        "leads to /moved": "leads to more than 10 addresses",
        "leads to http://[": "cannot be fetched",
    }.items():
        server.files["/moved"] = (b"", way)
        with pytest.raises(LibraryError) as caught:
            fetch(recipe(Download(f"{server.url}/moved", "flutes.tar.gz")), tmp_path / "other")
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_redirect_from_https_to_http_is_refused_before_it_is_followed(tmp_path, server, monkeypatch):
    class Moved:
        is_redirect, headers = True, {"Location": f"{server.url}/flutes.tar.gz"}

        def close(self):
            pass

    get = fetching.requests.get
    monkeypatch.setattr(
        fetching.requests, "get", lambda url, **more: Moved() if url.startswith("https") else get(url, **more)
    )
    with pytest.raises(ConfigError, match="over http without a checksum"):
        fetching.fetch(recipe(Download("https://example.org/flutes.tar.gz")), tmp_path)
    assert server.asked == []


def test_folders_of_other_things_are_left_alone(tmp_path, flutes, server):
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ConfigError, match="must be missing, empty, or contain the fetched"):
            fetch(flutes, folder)
    for text in ('{"name": "tubas", "files": {}}', 100_000 * "[", '{"name": "flutes", "files": [1]}'):
        (tmp_path / RECORD).write_text(text)
        with pytest.raises(ConfigError, match="must be missing, empty, or contain the fetched"):
            fetch(flutes, tmp_path)
    (tmp_path / RECORD).write_text('{"name": "tubas", "files": {}}')
    with pytest.raises(ConfigError, match="must be missing, empty, or contain the fetched"):
        fetch(flutes, tmp_path)
    assert server.asked == []


def test_what_the_network_does_is_said_in_a_sentence(tmp_path, server, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    server.files |= {"/slow": (b"0123456789", "hangs 0"), "/silent": (b"", "silent")}
    monkeypatch.setattr(fetching, "_TIMEOUT", (2.0, 0.2))
    monkeypatch.setenv("NO_PROXY", "*")
    for url, words in {
        f"{server.url}/none.sf2": r"refused: 404 Not Found \(the address may be out of date\)",
        f"http://127.0.0.1:{port}/bank.sf2": "refuses connections",
        "http://nowhere.invalid/bank.sf2": "nowhere.invalid cannot be found",
        f"{server.url}/silent": "does not answer",
        f"{server.url}/slow": "interrupted after 0 of 10 bytes",
        "http://127.0.0.1:99999999/bank.sf2": "cannot be fetched",
    }.items():
        with pytest.raises(LibraryError, match=words) as caught:
            fetch(recipe(Download(url, "bank.sf2")), tmp_path / str(len(words)))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_leaves_a_part_and_goes_on(tmp_path, server, stop, capsys):
    server.files["/flutes.tar.gz"] = (ARCHIVE, "hangs 40000")
    command = [
        sys.executable,
        "-m",
        "timbre",
        "fetch",
        str(write_recipe(tmp_path, server.url)),
        str(tmp_path / "to"),
        "--allow-http",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        part = tmp_path / "to" / "flutes.tar.gz.part"
        for _ in range(1000):
            if part.exists() and part.stat().st_size:
                break
            time.sleep(0.02)
        process.send_signal(stop)
        errors = process.communicate()[1].decode()
    assert process.returncode == (130 if stop == signal.SIGINT else -stop)
    assert ("again to resume" in errors) == (stop == signal.SIGINT)
    assert part.stat().st_size == 32768
    server.let_go.set()
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    assert main(["fetch", str(tmp_path / "flutes.toml"), str(tmp_path / "to"), "--allow-http"]) == 0
    assert server.asked[-1] == ("/flutes.tar.gz", "bytes=32768-")
    assert tree(tmp_path / "to") == {*LIBRARY, RECORD}


# The command


def write_recipe(folder, url, more="", name="flutes.toml"):
    path = folder / name
    path.write_text(f'{TEXTS}[[files]]\nurl = "{url}/flutes.tar.gz"\nunpack = true\n{more}', encoding="utf-8")
    return path


def test_the_command_from_one_end_to_the_other(tmp_path, flutes, server, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = str(write_recipe(tmp_path, server.url))
    assert main(["fetch", file, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    for word in ("CC0 1.0", "A. Flutist", "12 kB", str(tmp_path / "flutes"), f"{server.url}/flutes.tar.gz", "Nothing"):
        assert word in printed
    assert server.asked == []
    assert not (tmp_path / "flutes").exists()
    assert main(["fetch", file, "--allow-http"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("CC0 1.0") < printed.index("1 file fetched")
    assert SHA256 in printed
    assert tree(tmp_path / "flutes") == {*LIBRARY, RECORD}
    assert main(["fetch", file, "--allow-http"]) == 0
    assert "is complete already" in capsys.readouterr().out
    assert len(server.asked) == 1


def test_the_command_says_what_is_wrong_in_a_line(tmp_path, server, capsys):
    for words, wanted in {
        ("fetch", "tinisol"): "similar: tinysol",
        ("fetch", "xyzzy"): "there are fluidr3",
        ("fetch",): "--list",
        ("fetch", str(tmp_path / "none.toml")): "cannot be read",
        ("fetch", str(write_recipe(tmp_path, server.url)), str(tmp_path / "to")): "--allow-http",
        ("fetch", str(tmp_path / "flutes.toml"), str(tmp_path / "to"), "--allow-http"): "404",
    }.items():
        assert main(words) == 1
        printed = capsys.readouterr().err
        assert wanted in printed
        assert "Traceback" not in printed


def test_what_must_be_fetched_by_hand_says_how(tmp_path, capsys):
    assert main(["fetch", "orchideasol", str(tmp_path / "to")]) == 0
    assert "create an account at https://forum.ircam.fr" in capsys.readouterr().out
    assert not (tmp_path / "to").exists()
    with pytest.raises(ConfigError, match="by a program"):
        fetch(find_recipe("orchideasol"), tmp_path / "to")


def test_the_list_names_every_library(capsys):
    assert main(["fetch", "--list"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name} " in printed for name in all_recipes())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fetch_killed_at_its_first_record_goes_on(tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    if not (pid := os.fork()):
        temporary(folder).touch()
        os._exit(0)
    os.waitpid(pid, 0)
    assert len(list(folder.iterdir())) == 1
    wrong = recipe(Download("http://127.0.0.1:9/bank.sf2", "bank.sf2", bytes=7))
    with pytest.raises(LibraryError, match="refuses connections"):  # not "must be missing, empty"
        fetch(wrong, folder)
