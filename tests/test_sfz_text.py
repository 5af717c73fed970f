"""The parser of SFZ files."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees_sampler import write

from timbre.data.readers import _sfz_text
from timbre.data.readers._sfz_text import Sfz
from timbre.data.tree import open_tree
from timbre.errors import LibraryError


def regions(folder: Path, text: str) -> list[dict[str, str]]:
    """The regions of an SFZ file with this text."""
    write(folder / "a.sfz", text)
    return Sfz(open_tree(folder), "a.sfz").regions


class TestLanguage:
    def test_inner_headers_inherit_and_outer_ones_reset(self, tmp_path: Path) -> None:
        found = regions(
            tmp_path,
            "<global> lovel=1 hivel=9 <master> lovel=2 <group> lovel=3 <region> lovel=4 sample=a <region> sample=b "
            "<group> <region> sample=c <group> lovel=5 <master> <region> sample=d <group> lovel=6 <master> lovel=7 "
            "<global> <region> sample=e",
        )
        told = [(region["sample"], region.get("lovel"), region.get("hivel")) for region in found]
        assert told == [("a", "4", "9"), ("b", "3", "9"), ("c", "2", "9"), ("d", "1", "9"), ("e", None, None)]

    def test_endless_values_are_cut(self, tmp_path: Path) -> None:
        (region,) = regions(tmp_path, "<region> sample=" + "a" * 10_000)
        assert region == {"sample": "a" * 4096}

    def test_control_stays_until_it_is_changed(self, tmp_path: Path) -> None:
        text = "<control> default_path=x/ note_offset=1 <group> <region> key=1 <control> default_path=y/ <region> key=2"
        told = [(region["default_path"], region["note_offset"]) for region in regions(tmp_path, text)]
        assert told == [("x/", "1"), ("y/", "1")]

    def test_key_sets_three_opcodes_that_its_own_header_may_override(self, tmp_path: Path) -> None:
        inner, outer = regions(tmp_path, "<group> lokey=1 key=40 <region> pitch_keycenter=38 <region> key=50 hikey=52")
        names = ("lokey", "hikey", "pitch_keycenter")
        assert [inner[name] for name in names] == ["1", "40", "38"]
        assert [outer[name] for name in names] == ["50", "52", "50"]

    def test_values_end_at_the_next_opcode_header_or_line(self, tmp_path: Path) -> None:
        text = (
            "<region>sample=My Samples/a b = c#1 (2).wav  lokey=1\thikey=2<region>sample=d e.wav  \r\n key=3\r"
            "<region> junk sample=..\\f.wav // sample=g\n/* sample=h\n<region> */ lovel=5 #comment\n=7 <Region>\nkey=9"
        )
        found = regions(tmp_path, text)
        assert [region.get("sample") for region in found] == [
            "My Samples/a b = c#1 (2).wav",
            "d e.wav",
            "..\\f.wav",
            None,
        ]
        assert (found[0]["lokey"], found[0]["hikey"], found[1]["key"]) == ("1", "2", "3")
        assert (found[2]["lovel"], found[3]["key"]) == ("5 #comment", "9")

    def test_variables_take_the_longest_defined_name_and_their_value_of_the_moment(self, tmp_path: Path) -> None:
        text = (
            "#define $KEY 57 // bow\n#define $KEYEDGE 52\n#define $K hi\n<region> key=$KEYEDGE sample=$KEY.wav\n"
            "#define $BOTH $KEY$K #define $KEY 1\n<region> $Kvel=$KEYS sample=$NONE$BOTH"
        )
        first, second = regions(tmp_path, text)
        assert (first["key"], first["sample"]) == ("52", "57.wav")
        assert (second["hivel"], second["sample"]) == ("1S", "$NONE57hi")

    def test_other_headers_and_opcodes_before_any_are_passed_over(self, tmp_path: Path) -> None:
        text = "key=1 <region> sample=a <effect> sample=b <curve> key=7 <sample> name=x base64data=ab//=\nUk= key=4\n"
        assert regions(tmp_path, text) == [{"sample": "a"}]

    def test_old_and_common_names_of_opcodes(self, tmp_path: Path) -> None:
        assert regions(tmp_path, "<region> PITCH=7 loopmode=x on_locc64=1 start_hihdcc9=1 cutoff=9") == [
            {"tune": "7", "loop_mode": "x", "on_cc": "1"}
        ]

    def test_inclusions_go_on_where_they_stand(self, tmp_path: Path) -> None:
        write(tmp_path / "sub/b.txt", 'key=3 <region> sample=b #include "c.sfz"')
        write(tmp_path / "sub/c.sfz", "lovel=1")
        text = '<group> #include "SUB\\b.txt" hivel=2 <region> sample=d #include "sub/b.txt"'
        told = [(region["sample"], region["key"], region.get("lovel"), region.get("hivel")) for region in
                regions(tmp_path, text)]  # fmt: skip
        assert told == [("b", "3", "1", "2"), ("d", "3", None, None), ("b", "3", "1", None)]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_encodings(self, encoding: str, tmp_path: Path) -> None:
        (tmp_path / "a.sfz").write_bytes("<region> sample=flûte.wav".encode(encoding))
        assert Sfz(open_tree(tmp_path), "a.sfz").regions == [{"sample": "flûte.wav"}]

    @pytest.mark.parametrize(
        "text", ["#define $A aaaaaaaaaa\n" + "#define $A $A$A$A$A$A$A$A$A\n" * 9, "<region>" * 100_001]
    )
    def test_what_grows_without_bound_is_refused(self, text: str, tmp_path: Path) -> None:
        with pytest.raises(LibraryError, match=r"^a\.sfz.*\.$"):
            regions(tmp_path, text)

    def test_inclusions_that_multiply_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(15):
            write(tmp_path / f"{number}.txt", f'#include "{number + 1}.txt"\n' * 9)
        write(tmp_path / "15.txt", "\n")
        with pytest.raises(LibraryError, match="at most 5000 files"):
            regions(tmp_path, '#include "0.txt"')
        write(tmp_path / "15.txt", " " * (1 << 15))
        monkeypatch.setattr(_sfz_text, "_LARGEST", 1 << 20)
        with pytest.raises(LibraryError, match="with all included files"):
            regions(tmp_path, '#include "13.txt"')
        write(tmp_path / "15.txt", " " * (1 << 21))
        with pytest.raises(LibraryError, match="at most 1048576"):
            regions(tmp_path, '#include "14.txt"')

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
    @given(data=st.data())
    def test_the_same_regions_however_they_are_written(self, data: st.DataObject, tmp_path: Path) -> None:
        names = st.sampled_from(["sample", "lokey", "hikey", "lovel", "tune", "sw_label"])
        values = st.from_regex(r"[a-z0-9#][a-z0-9# .]{0,8}[a-z0-9]", fullmatch=True)
        wanted = data.draw(st.lists(st.dictionaries(names, values, min_size=1), max_size=5), "regions")
        text = ""
        for region in wanted:
            outside = data.draw(st.sets(st.sampled_from(sorted(region))), "put into the group")
            defined = data.draw(st.sets(st.sampled_from(sorted(region))), "put into variables")
            gap = data.draw(st.sampled_from(["\n", " ", "\t", "\r\n", " // no=thing\n", "\n/* <region> */\n"]), "gap")
            for name in defined:
                text += f"#define ${name.upper()}X {region[name].split(' ')[0]}\n"
            value = {
                name: f"${name.upper()}X" + told[len(told.split(" ")[0]) :] if name in defined else told
                for name, told in region.items()
            }
            header = "<group>" + gap.join(["", *(f"{name}={value[name]}" for name in sorted(outside))]) + gap
            text += (
                header + "<region>" + "".join(f"{gap}{name}={value[name]}" for name in region if name not in outside)
            )
            text += "\n"
        assert regions(tmp_path, text) == wanted
