"""Archives from untrusted sources: unpacked inside their folder, or refused before anything is written."""

import contextlib
import gzip
import io
import os
import stat
import tarfile
import zipfile

import pytest
from archives import tar, tree, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from timbre.data.download import unpacking
from timbre.data.download.unpacking import unpack
from timbre.errors import LibraryError

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
    refused(tmp_path, pack({"good.wav": b"1", path: b"2"}), "a path out of the folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("good.wav"))
        odd = tarfile.TarInfo("odd.wav")
        odd.type, odd.linkname = kind, "good.wav"
        archive.addfile(odd)
    refused(tmp_path, file.getvalue(), r"contains a (link|device) \(odd.wav\)")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    odd = zipfile.ZipInfo("odd.wav")
    odd.create_system, odd.external_attr = 3, (mode | 0o777) << 16
    refused(tmp_path, zipped({"good.wav": b"1", odd: b"/etc/passwd"}), r"contains a (link|device) \(odd.wav\)")


def test_an_encrypted_zip_is_refused(tmp_path):
    content = bytearray(zipped({"a.wav": b"1"}))
    content[content.index(b"PK\1\2") + 8] |= 1
    refused(tmp_path, bytes(content), "an encrypted file")


def test_a_bomb_is_refused_by_what_it_declares(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("bomb.wav", b"0")
        archive.filelist[0].file_size = 10**17
    refused(tmp_path, file.getvalue(), r"unpacks to 100000000\.00 GB, but .* has [\d.]+ GB free")


def test_a_bomb_that_declares_too_little_is_cut_off(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.wav", bytes(10**7))
        archive.filelist[0].file_size = 10
    refused(tmp_path, file.getvalue(), "damaged")


def test_more_than_a_hundred_times_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_SMALL", 10**6)
    for number, pack in enumerate((tar, zipped)):
        (tmp_path / str(number)).mkdir()
        refused(tmp_path / str(number), pack({"a.wav": bytes(3 * 10**6)}), "100 times its size or less, got 0.00 GB")


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.wav", b"1" * 5000)
        archive.writestr("b.wav", b"2" * 5000)
        archive.filelist[1].header_offset = archive.filelist[0].header_offset
    refused(tmp_path, file.getvalue(), "a.wav and b.wav overlap|b.wav and a.wav overlap")


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    for number, pack in enumerate((tar, zipped)):
        (tmp_path / str(number)).mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(unpacking, "_MOST_FILES", 10)
            refused(tmp_path / str(number), pack({f"{n}.wav": b"" for n in range(11)}), "10 files or fewer, got more")
    monkeypatch.setattr(unpacking, "_MOST_NAMES", 500)
    (tmp_path / "names").mkdir()
    refused(tmp_path / "names", zipped({f"{n}.wav": b"" for n in range(11)}), "500 bytes of names or fewer, got 5")


def pax(size, kind=tarfile.XHDTYPE, length=None):
    """A tar archive of one header with a declared size."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 0
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(block))[0]
    return bytes(block) + bytes(length or 10240)


@pytest.mark.parametrize("size", [-512, -1, 10**9, 2**62])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE])
def test_headers_that_declare_odd_sizes_are_refused(tmp_path, size, kind):
    refused(tmp_path, gzip.compress(pax(size, kind)), "damaged|bytes|GB free|times its size")


def test_what_is_no_archive_is_one_line(tmp_path):
    for number, content in enumerate(
        (b"", b"x" * 3000, b"\x1f\x8b" + b"x" * 99, b"BZh9" + b"x" * 99, b"\xfd7zXZ\0xxx")
    ):
        (tmp_path / str(number)).mkdir()
        refused(tmp_path / str(number), content, r"^archive cannot be unpacked: [^\n]*\.$")


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
    unpack(tmp_path / "archive", tmp_path / "to", "archive")
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
    unpack(folder / "archive", folder / "to", "archive")
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
