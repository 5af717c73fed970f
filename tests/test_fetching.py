"""Fetching, against a real server that does what servers do: break off, lie, forget ranges, take their time."""

import contextlib
import hashlib
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
import tomllib
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.__main__ import main
from timbre.data import fetching
from timbre.data.fetching import RECORD, fetch
from timbre.data.readers import READERS
from timbre.data.recipes import Recipe, Source, all_recipes, find_recipe, load_recipe
from timbre.data.unpacking import unpack
from timbre.errors import ConfigError, LibraryError

ROOT = Path(__file__).parents[1]


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`, each in its way, and writes down what it was asked for and what it sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content, way = self.server.files.get(self.path, (b"", "404"))
        self.server.asked.append((self.path, self.headers.get("Range")))
        if way == "silent":
            self.server.let_go.wait(20)
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
        self.send_header("Content-Length", str(length))
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


def tone(pitch):
    """A note with some noise, which does not compress, as the bytes of a WAV file."""
    file = io.BytesIO()
    phase = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(16000) / 16000
    noise = np.random.default_rng(pitch).normal(0, 0.01, phase.size)
    soundfile.write(file, 0.3 * np.sin(phase) + noise, 16000, format="WAV")
    return file.getvalue()


def tar(members, mode="w:gz"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


LIBRARY = {f"notes/flute/flute_{name}.wav": tone(pitch) for name, pitch in {"A4": 69, "C5": 72, "E5": 76}.items()}
ARCHIVE = tar(LIBRARY)
MD5, SHA256 = hashlib.md5(ARCHIVE).hexdigest(), hashlib.sha256(ARCHIVE).hexdigest()


def recipe(*files, **other):
    texts = {key: key for key in ("title", "homepage", "licence", "citation", "format", "size", "checked")}
    return Recipe("flutes", **(texts | other), files=files)


@pytest.fixture
def flutes(server):
    """A library of one archive, served properly."""
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    return recipe(Source(f"{server.url}/flutes.tar.gz", "flutes.tar.gz", f"md5:{MD5}", unpack=True))


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


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
    with pytest.raises(LibraryError, match=f"broke off after [0-9]+ of {len(ARCHIVE)} bytes"):
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
    bank = recipe(Source(f"{server.url}/bank.sf2", "bank.sf2"))
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
    with pytest.raises(LibraryError, match=f"{hashlib.md5(wrong).hexdigest()}.*{MD5}.*removed"):
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
    flutes = recipe(Source(f"{server.url}/flutes.tar.gz", "flutes.tar.gz", unpack=True))
    assert fetch(flutes, tmp_path).unchecked == {"flutes.tar.gz": SHA256}
    assert SHA256 in (tmp_path / RECORD).read_text(encoding="utf-8")


def test_several_files_go_where_the_recipe_says(tmp_path, server):
    server.files |= {"/t%20a.csv": (b"file\n", "properly"), "/b.zip": (zipped({"x/a.wav": b"1"}), "properly")}
    server.files["/c.zip"] = (zipped({"x/b.wav": b"2", "x/deep/c.wav": b"3"}), "properly")
    table = Source(f"{server.url}/t%20a.csv", "t a.csv", into="annotation")
    archives = [Source(f"{server.url}/{name}", name, unpack=True, into="audio") for name in ("b.zip", "c.zip")]
    fetch(recipe(table, *archives), tmp_path)
    assert tree(tmp_path) == {RECORD, "annotation/t a.csv", "audio/x/a.wav", "audio/x/b.wav", "audio/x/deep/c.wav"}


def test_a_file_of_another_size_than_the_recipes_is_not_downloaded(tmp_path, server):
    server.files["/bank.sf2"] = (b"12345", "properly")
    with pytest.raises(LibraryError, match="has 5 bytes, the recipe says 7"):
        fetch(recipe(Source(f"{server.url}/bank.sf2", "bank.sf2", bytes=7)), tmp_path)
    assert tree(tmp_path) == set()


def test_more_than_the_disk_holds_is_refused_with_numbers(tmp_path, server):
    server.files["/bank.sf2"] = (b"12345", "huge")
    with pytest.raises(LibraryError, match=r"needs 100000000\.00 GB more, but there are [\d.]+ GB free"):
        fetch(recipe(Source(f"{server.url}/bank.sf2", "bank.sf2")), tmp_path)


def test_folders_of_other_things_are_left_alone(tmp_path, flutes, server):
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ConfigError, match="holds something other"):
            fetch(flutes, folder)
    (tmp_path / RECORD).write_text('{"name": "tubas", "files": {}}')
    with pytest.raises(ConfigError, match="holds something other"):
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
        "http://nowhere.invalid/bank.sf2": "nowhere.invalid is not known here",
        f"{server.url}/silent": "does not answer",
        f"{server.url}/slow": "broke off after 0 of 10 bytes",
        "http://127.0.0.1:99999999/bank.sf2": "cannot be fetched",
    }.items():
        with pytest.raises(LibraryError, match=words) as caught:
            fetch(recipe(Source(url, "bank.sf2")), tmp_path / str(len(words)))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_leaves_a_part_and_goes_on(tmp_path, server, stop, capsys):
    server.files["/flutes.tar.gz"] = (ARCHIVE, "hangs 40000")
    command = [sys.executable, "-m", "timbre", "fetch", str(write_recipe(tmp_path, server.url)), str(tmp_path / "to")]
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
    assert ("goes on from here" in errors) == (stop == signal.SIGINT)
    assert part.stat().st_size == 32768
    server.let_go.set()
    server.files["/flutes.tar.gz"] = (ARCHIVE, "properly")
    assert main(["fetch", str(tmp_path / "flutes.toml"), str(tmp_path / "to")]) == 0
    assert server.asked[-1] == ("/flutes.tar.gz", "bytes=32768-")
    assert tree(tmp_path / "to") == {*LIBRARY, RECORD}


# The command


TEXTS = """
title = "Flutes"
homepage = "https://example.org/flutes"
licence = "CC0 1.0"
citation = "A. Flutist: Flutes, 2020."
format = "folders"
size = "12 kB"
checked = "all of it"
"""


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
    assert main(["fetch", file]) == 0
    printed = capsys.readouterr().out
    assert printed.index("CC0 1.0") < printed.index("1 files fetched")
    assert SHA256 in printed
    assert tree(tmp_path / "flutes") == {*LIBRARY, RECORD}
    assert main(["fetch", file]) == 0
    assert "all of it already" in capsys.readouterr().out
    assert len(server.asked) == 1


def test_the_command_says_what_is_wrong_in_a_line(tmp_path, server, capsys):
    for words, wanted in {
        ("fetch", "tinisol"): "close to it: tinysol",
        ("fetch", "xyzzy"): "there are fluidr3",
        ("fetch",): "--list",
        ("fetch", str(tmp_path / "none.toml")): "cannot be read",
        ("fetch", str(write_recipe(tmp_path, server.url)), str(tmp_path / "to")): "404",
    }.items():
        assert main(words) == 1
        printed = capsys.readouterr().err
        assert wanted in printed
        assert "Traceback" not in printed


def test_what_must_be_fetched_by_hand_says_how(tmp_path, capsys):
    assert main(["fetch", "orchideasol", str(tmp_path / "to")]) == 0
    assert "make an account at https://forum.ircam.fr" in capsys.readouterr().out
    assert not (tmp_path / "to").exists()
    with pytest.raises(ConfigError, match="by a program"):
        fetch(find_recipe("orchideasol"), tmp_path / "to")


def test_the_list_names_every_library(capsys):
    assert main(["fetch", "--list"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name} " in printed for name in all_recipes())


# Recipes


def test_the_shipped_recipes_can_be_used():
    known = all_recipes()
    assert {"nsynth", "tinysol", "orchideasol", "good-sounds", "philharmonia", "iowa", "vcsl", "fluidr3"} <= set(known)
    for one in known.values():
        assert one.format in READERS
        assert bool(one.manual) != bool(one.files)
        for source in one.files:
            assert source.unpack == source.name.endswith((".zip", ".tar.gz"))


def test_the_recipes_go_into_the_wheel():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    files = {f"datasets/{name}.toml" for name in all_recipes()}
    assert build["targets"]["wheel"]["force-include"] == {file: f"timbre/data/{file}" for file in files}


FILE = '[[files]]\nurl = "https://example.org/a.zip"\n'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (TEXTS, "wants either a list of files or the key manual"),
        (f'{TEXTS}manual = "go there"\n{FILE}', "either"),
        (f"{TEXTS.replace('licence', 'license')}{FILE}", "unknown key 'license'"),
        (f"{TEXTS.replace('licence', '# licence')}{FILE}", "lacks the key 'licence'"),
        (f"{TEXTS.replace('CC0 1.0', '')}{FILE}", "licence is ''"),
        (f"{TEXTS}{FILE}checksum = ''", "file 1 has the unknown key 'checksum'"),
        (f"{TEXTS}{FILE}md5 = ''", "md5 is ''"),
        (f"{TEXTS}{FILE}md5 = '12'", "32 hexadecimal digits"),
        (f"{TEXTS}{FILE}md5 = '{MD5}'\nsha256 = '{SHA256}'", "both"),
        (f"{TEXTS}{FILE}unpack = 1", "unpack is 1"),
        (f"{TEXTS}{FILE}bytes = true", "bytes is True"),
        (f"{TEXTS}{FILE}bytes = 0", "bytes is 0"),
        (f"{TEXTS}{FILE}into = '../there'", "into is '../there'"),
        (f"{TEXTS}{FILE}into = '/there'", "into is '/there'"),
        (f"{TEXTS}{FILE}name = 'a/b'", "'a/b' is not the name of a file"),
        (f"{TEXTS}{FILE}{FILE}", "two files are called 'a.zip'"),
        (f"{TEXTS}[[files]]\nurl = 'https://example.org/'", "'' is not the name of a file"),
        (f"{TEXTS}[[files]]\nurl = 'file:///etc/passwd'", "is not an address"),
        (f"{TEXTS}[[files]]\nunpack = true", "lacks the key 'url'"),
        (f"files = [1]\n{TEXTS}", "a table is wanted"),
        ("title = ", "is not a TOML file"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_name(tmp_path, text, wanted):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml") as caught:
        load_recipe(path)
    assert wanted in str(caught.value)


# Archives of strangers


PATHS = ["../x", "a/../../x", "/tmp/x", "..\\x", "C:\\x", "C:x", "\\\\host\\x", "a/" * 100 + "x"]


def refused(folder, content, wanted):
    """Try to unpack; nothing may be written anywhere near."""
    (folder / "inside").mkdir()
    archive = folder / "archive"
    archive.write_bytes(content)
    before = sorted(folder.rglob("*"))
    with pytest.raises(LibraryError, match=wanted):
        unpack(archive, folder / "inside", "archive")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("pack", [tar, zipped])
def test_paths_that_lead_out_are_refused(tmp_path, path, pack):
    refused(tmp_path, pack({"good.wav": b"1", path: b"2"}), "leads out of the folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("good.wav"))
        odd = tarfile.TarInfo("odd.wav")
        odd.type, odd.linkname = kind, "good.wav"
        archive.addfile(odd)
    refused(tmp_path, file.getvalue(), r"holds a (link|device) \(odd.wav\)")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    odd = zipfile.ZipInfo("odd.wav")
    odd.create_system, odd.external_attr = 3, (mode | 0o777) << 16
    refused(tmp_path, zipped({"good.wav": b"1", odd: b"/etc/passwd"}), r"holds a (link|device) \(odd.wav\)")


def test_an_encrypted_zip_is_refused(tmp_path):
    content = bytearray(zipped({"a.wav": b"1"}))
    content[content.index(b"PK\1\2") + 8] |= 1
    refused(tmp_path, bytes(content), "an encrypted file")


def test_a_bomb_is_refused_by_what_it_declares(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("bomb.wav", b"0")
        archive.filelist[0].file_size = 10**17
    refused(tmp_path, file.getvalue(), r"unpacks to 100000000\.00 GB, but there are [\d.]+ GB free")


def test_a_bomb_that_declares_too_little_is_cut_off(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.wav", bytes(10**7))
        archive.filelist[0].file_size = 10
    refused(tmp_path, file.getvalue(), "damaged")


@pytest.mark.parametrize("cut", [0, 3, 30, -30])
@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_damaged_archive_is_refused(tmp_path, cut, pack):
    refused(tmp_path, pack({"a.wav": os.urandom(5000), "b.wav": b"2"})[:cut], "archive cannot be unpacked: ")


def test_what_was_there_under_the_same_name_is_replaced_and_the_rest_stays(tmp_path):
    (tmp_path / "to" / "x").mkdir(parents=True)
    (tmp_path / "to" / "x" / "a.wav").write_bytes(b"old")
    (tmp_path / "to" / "x" / "mine.wav").write_bytes(b"mine")
    (tmp_path / "to" / ".timbre-unpacking").mkdir()  # of a run that was killed
    (tmp_path / "archive").write_bytes(tar({"x/a.wav": b"new", "./y/b.wav": b"b"}))
    assert unpack(tmp_path / "archive", tmp_path / "to", "archive") == 2
    assert tree(tmp_path / "to") == {"x/a.wav", "x/mine.wav", "y/b.wav"}
    assert (tmp_path / "to" / "x" / "a.wav").read_bytes() == b"new"


def test_permissions_in_an_archive_do_not_count(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        odd = tarfile.TarInfo("odd.wav")
        odd.mode = 0o6777
        archive.addfile(odd)
    (tmp_path / "archive").write_bytes(file.getvalue())
    unpack(tmp_path / "archive", tmp_path, "archive")
    assert (tmp_path / "odd.wav").stat().st_mode & 0o6111 == 0


NAMES = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters='/\\:.<>"|?*'), min_size=1, max_size=9
)


@settings(max_examples=40)
@given(
    files=st.dictionaries(st.tuples(st.sampled_from(["", "a/", "a/b/"]), NAMES), st.binary(max_size=99), max_size=6),
    mode=st.sampled_from(["w", "w:gz", "w:bz2", "w:xz", "zip"]),
)
def test_archives_come_out_as_they_went_in(tmp_path_factory, files, mode):
    folder = tmp_path_factory.mktemp("archive")
    members = {place + "-" + name: content for (place, name), content in files.items()}
    (folder / "archive").write_bytes(zipped(members) if mode == "zip" else tar(members, mode))
    assert unpack(folder / "archive", folder / "to", "archive") == len(members)
    assert {name: (folder / "to" / name).read_bytes() for name in members} == members
    assert len(tree(folder / "to")) == len(members)


@settings(max_examples=150)
@given(data=st.data(), pack=st.sampled_from(["zip", "w", "w:gz"]))
def test_a_spoiled_archive_is_unpacked_inside_or_refused(tmp_path_factory, data, pack):
    members = {"a/one.wav": bytes(600), "a/two.wav": b"2" * 300, "b.csv": b"file"}
    content = bytearray(zipped(members) if pack == "zip" else tar(members, pack))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("spoiled")
    (folder / "archive").write_bytes(bytes(content))
    with contextlib.suppress(LibraryError):
        unpack(folder / "archive", folder / "to", "archive")
    assert set(os.listdir(folder)) <= {"archive", "to"}
    assert not (folder / "to" / ".timbre-unpacking").exists()
