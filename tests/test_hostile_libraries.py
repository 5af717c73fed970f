"""Libraries that refer to other files, grow without end or are damaged: refused by name, and nothing else is opened."""

import json
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hostile import opened, reasons, scan
from trees_named import TREES as NAMED
from trees_named import note, put, tone
from trees_sampler import PRESET, TREES, wav, write

import timbre
from timbre.audio import Audio
from timbre.data.parts import Excerpt
from timbre.data.readers import decent
from timbre.data.sounds import excerpt, extent, root_key, unpacked
from timbre.errors import AudioError, LibraryError

OUTWARD = [
    "../outside/secret.wav", "..\\outside\\secret.wav", "sub/../../outside/secret.wav", "./../outside/secret.wav",
    "{outside}/secret.wav", "C:\\outside\\secret.wav", "c:secret.wav", "\\\\host\\share\\secret.wav",
    "//host/secret.wav", "file://{outside}/secret.wav", "~/secret.wav", "$HOME/secret.wav",
    "link/../../outside/secret.wav", "\0", "../library",
]  # fmt: skip
WAYS = ["sample", "default_path", "include", "define", "dspreset", "csv", "json", "dslibrary"]


class TestPathsThatLeadOut:
    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        note(tmp_path / "outside/secret.wav", 60)
        write(tmp_path / "outside/secret.txt", "<region> sample=good.wav key=1")
        note(tmp_path / "library/good.wav", 60)
        (tmp_path / "deep/folder").mkdir(parents=True)
        (tmp_path / "library/link").symlink_to(tmp_path / "deep/folder")
        monkeypatch.setenv("HOME", str(tmp_path / "outside"))
        return tmp_path / "library"

    @pytest.mark.parametrize("reference", OUTWARD)
    @pytest.mark.parametrize("way", WAYS)
    def test_they_are_refused(self, way: str, reference: str, place: Path) -> None:
        reference = reference.format(outside=place.parent / "outside")
        folder, _, name = reference.replace("\\", "/").rpartition("/")
        texts = {
            "sample": ("a.sfz", f"<region> sample=good.wav <region> sample={reference}"),
            "default_path": (
                "a.sfz",
                f"<region> sample=good.wav <control> default_path={folder}/ <region> sample={name}",
            ),
            "include": ("a.sfz", f'<region> sample=good.wav\n#include "{reference[:-3] + "txt"}"'),
            "define": ("a.sfz", f"#define $A {reference}\n<region> sample=good.wav <region> sample=$A"),
            "dspreset": (
                "a.dspreset",
                PRESET.replace("OUTSIDE", reference.replace("\0", "")).replace("Samples/knock", "good"),
            ),
            "csv": ("metadata.csv", f"file,instrument\ngood.wav,oboe\n{reference},oboe\n"),
            "json": ("metadata.json", json.dumps([{"file": "good.wav"}, {"file": reference}])),
        }
        if way == "dslibrary":
            with zipfile.ZipFile(place / "a.dslibrary", "w") as archive:
                archive.writestr("a.dspreset", PRESET.replace("OUTSIDE", reference.replace("\0", "")))
                archive.writestr("Samples/knock.wav", wav(40))
                archive.writestr(reference.replace("\0", "x"), wav(60))
        else:
            write(place / texts[way][0], texts[way][1])
        with opened() as names:
            library = scan(place)
        outside = str(place.parent / "outside")
        assert str(place / "good.wav") in names or way == "dslibrary"
        assert [name for name in names if name.startswith((outside, f"{place.parent}/deep/folder/"))] == []
        if library is not None:
            assert not any(name.startswith(outside) for name in (str(found.file) for found in library))
            refused = [reason for _, reason in library.report.dropped if "and is refused" in reason]
            harmless = reference.replace("\\", "/").startswith(("file:", "~", "$", "\0", "//"))  # no path, or a comment
            assert harmless or refused or way in ("csv", "json")

    def test_control_characters_do_not_reach_the_terminal(self, place: Path) -> None:
        write(place / "a.sfz", "<region> sample=good.wav <region> sample=\x1b[31m" + "x" * 9000 + ".wav")
        (file,) = reasons(place)
        assert file.isprintable()
        assert len(file) < 200

    def test_sounds_outside_that_a_chosen_file_names(self, place: Path) -> None:
        write(place / "sub/a.sfz", "<region> sample=../good.wav")
        with pytest.raises(LibraryError, match="scan a folder that contains both"):
            timbre.scan(place / "sub/a.sfz")


class TestArchives:
    def library(self, folder: Path, *, member: str = "Samples/knock.wav", content: bytes | None = None) -> Path:
        with zipfile.ZipFile(folder / "a.dslibrary", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.dspreset", PRESET)
            archive.writestr("Samples/Cello C2.wav", wav(36))
            archive.writestr(member, wav(40) if content is None else content)
        return folder / "a.dslibrary"

    def test_members_that_claim_to_be_large_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = self.library(tmp_path, content=bytes(1 << 20))
        monkeypatch.setattr(decent, "LARGEST_MEMBER", 1 << 19)
        assert "unpacks to 1048576 bytes and is refused" in reasons(path)["a.dslibrary/Samples/knock.wav"]
        monkeypatch.setattr(decent, "_MOST_MEMBERS", 2)
        with pytest.raises(LibraryError, match="at most 2 files, got 3"):
            timbre.scan(path)

    def test_members_that_lie_about_their_size_are_not_believed(self, tmp_path: Path) -> None:
        path = self.library(tmp_path, content=bytes(1 << 24))
        with pytest.raises(AudioError, match="unpacks to more than 1000 bytes"):
            unpacked(path, "Samples/knock.wav", 1000)
        size = (1 << 24).to_bytes(4, "little")
        path.write_bytes(path.read_bytes().replace(size, (500).to_bytes(4, "little")))
        tracemalloc.start()
        with pytest.raises(AudioError, match="cannot be unpacked"):
            unpacked(path, "Samples/knock.wav", 1000)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
        tracemalloc.stop()
        assert "a.dslibrary" in "".join(reasons(path))

    def test_members_that_ask_for_a_dictionary_of_gigabytes_are_refused(self, tmp_path: Path) -> None:
        path = self.library(tmp_path)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
            archive.writestr("Samples/other.wav", wav(41))
        assert "is compressed by a method" in reasons(path)["a.dslibrary/Samples/other.wav"]

    def test_members_whose_names_lead_out_are_refused(self, tmp_path: Path) -> None:
        for name in ("../knock.wav", "/knock.wav", "a\\..\\..\\knock.wav", "C:knock.wav", "\\\\host\\knock.wav"):
            told = reasons(self.library(tmp_path, member=name))
            assert told[f"a.dslibrary/{name}"] == "its name leads out of the archive and is refused"

    @pytest.mark.parametrize("change", ["encrypted", "method", "checksum", "gone"])
    def test_members_that_cannot_be_unpacked(self, change: str, tmp_path: Path) -> None:
        path = self.library(tmp_path)
        content = bytearray(path.read_bytes())
        place = content.rindex(b"PK\x01\x02")
        local = content.rindex(b"PK\x03\x04")
        if change == "encrypted":
            content[place + 8] |= 1
            content[local + 6] |= 1
        elif change == "method":
            content[place + 10] = content[local + 8] = 99
        elif change == "checksum":
            content[place + 16] ^= 1
            content[local + 14] ^= 1
        else:
            content[local + 100 : local + 300] = bytes(200)
        path.write_bytes(content)
        with pytest.raises(AudioError, match="cannot be unpacked"):
            unpacked(path, "Samples/knock.wav")
        assert scan(path) is not None

    def test_a_preset_that_grows(self, tmp_path: Path) -> None:
        path = self.library(tmp_path, member="b.dspreset", content=b" " * (1 << 25))
        assert "unpacks to more than" in reasons(path)["a.dslibrary/b.dspreset"]


LAUGHS = (
    "<!DOCTYPE x [<!ENTITY a 'ha'>"
    + "".join(
        f"<!ENTITY {letter} '{f'&{before};' * 10}'>" for before, letter in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


@pytest.mark.parametrize(
    "head", [LAUGHS, "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>", "<!DOCTYPE x [<!ENTITY i SYSTEM 'secret'>]>"]
)
def test_document_types_are_refused_unread(head: str, tmp_path: Path) -> None:
    note(tmp_path / "good.wav", 60)
    write(tmp_path / "secret", "good.wav")
    write(tmp_path / "good.dspreset", "<DecentSampler><groups><sample path='good.wav'/></groups></DecentSampler>")
    text = f"{head}<DecentSampler><groups><sample path='&i;'/></groups></DecentSampler>"
    for content in (text.encode(), text.encode("utf-16"), f"<?xml version='1.0' encoding='utf-7'?>{text}".encode()):
        (tmp_path / "bad.dspreset").write_bytes(content)
        with opened() as names:
            assert "must not declare a document type" in reasons(tmp_path)["bad.dspreset"]
        assert str(tmp_path / "secret") not in names


@pytest.mark.parametrize(
    "text", ["<group>" * 200_000, "<sample " + "a='b' " * 9, "<groups>" + "<sample/>" * 100_001 + "</groups>"]
)
def test_presets_that_are_too_much(text: str, tmp_path: Path) -> None:
    write(tmp_path / "a.dspreset", text)
    with pytest.raises(LibraryError, match=r"a\.dspreset"):
        timbre.scan(tmp_path / "a.dspreset")


@pytest.mark.parametrize("start", [float("inf"), float("nan"), -float("inf"), 1e308, 9.0])
def test_stretches_of_nothing(start: float, tmp_path: Path) -> None:
    audio = Audio(np.zeros((1, 100), np.float32), 100)
    for part in (Excerpt(start), Excerpt(0.5, -1.0)):
        with pytest.raises(AudioError, match=str(tmp_path)):
            excerpt(audio, part, tmp_path)
    assert excerpt(audio, Excerpt(-1e300, 1e300), tmp_path).duration == 1


@pytest.mark.parametrize("cut", [0, 1, 4, 12, 20, 40, 44, 45, 100, 500])
def test_sounds_that_break_off(cut: int, tmp_path: Path) -> None:
    note(tmp_path / "a.wav", 60)
    for name in ("b.wav", "c.aiff", "d.flac", "e.ogg", "f.mp3"):
        put(tmp_path / name, tone(60, 44100, 0.4), 44100, "VORBIS" if name == "e.ogg" else "PCM_16")
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:cut])
        extent(tmp_path / name)
    root_key(tmp_path / "b.wav")
    assert scan(tmp_path, measure=True) is not None


@pytest.mark.parametrize("text", [
    "a=" + " " * 1_000_000, "$" * 1_000_000, "<region>sample=" + "a " * 500_000, "<" * 1_000_000, "/*" * 500_000,
    "#define " * 200_000, "#define $A " + "b" * 1_000_000, "<region> key=" + "1" * 1_000_000, '#include "' * 100_000,
    "<global> " + "sample=x " * 100_000 + "<region>" * 20_000,
    "<control> default_path=" + "../" * 100_000 + "<region> sample=a ",
])  # fmt: skip
def test_long_lines_do_not_hang(text: str, tmp_path: Path) -> None:
    note(tmp_path / "a.wav", 60)
    write(tmp_path / "fuzz.sfz", text)
    scan(tmp_path / "fuzz.sfz")


@pytest.mark.parametrize("name", sorted({**NAMED, **TREES}))
def test_empty_and_huge_fields_of_every_format(name: str, tmp_path: Path) -> None:
    """Every description, with each of its numbers in turn made absurd."""
    built = {**NAMED, **TREES}[name](tmp_path)
    if built.description is None or not built.description.endswith((".csv", ".json", ".sfz", ".dspreset")):
        pytest.skip("no text describes this format")
    text = (tmp_path / built.description).read_text("utf-8")
    for old, new in (
        ("0", "9" * 400),
        ("6", "-"),
        (",", ",,"),
        ('"', ""),
        ("=", "="),
        ("\n", "\n\n\0"),
        ("a", "\u0430"),
    ):
        write(tmp_path / built.description, text.replace(old, new))
        scan(tmp_path, built.format)
