"""The spaces that travel with the repository, and what makes them: laws on a small space, and on what is shipped."""

import json
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import timbre
from timbre.choosing.measures import CLICK, IN_TUNE, cents_off, stands_out_db
from timbre.config import Config
from timbre.data import Library
from timbre.errors import LibraryError
from timbre.evaluation.evaluate import evaluate
from timbre.evaluation.figures import ALWAYS
from timbre.shapes.presets import read_presets
from timbre.space import Space

ROOT = Path(__file__).parents[1]
SHIPPED = {"orchestra": 44100, "orchestra-22k": 22050}
sys.path.insert(0, str(ROOT / "pretrained"))

from _card import card, differing  # noqa: E402
from _finish import LARGEST, ROOM, check_size, halved  # noqa: E402
from _making import Findings  # noqa: E402
from _pairs import FILE as PAIRS  # noqa: E402
from _pairs import LARGEST as PICTURE  # noqa: E402
from _pairs import make_pairs, pairs_section  # noqa: E402
from _sources import CREDITS, sources  # noqa: E402
from _tables import AIMS, HEADLINE, columns, compared_table, table  # noqa: E402

MACHINE = re.compile(r"(?<![\w./])/(?:home|root|tmp|usr|work|var|opt|Users)/|[A-Z]:\\\\")
"""A path of somebody's machine."""
FIGURES: dict[str, Any] = {
    **dict.fromkeys(ALWAYS), "reconstruction_l1_db": 2.5, "decoded_cents_median": 2.0, "decoded_cents_p95": 31.0,
    "decoded_clicks": 0, "decoded_onset_within_10_ms_share": 1.0,
}  # fmt: skip


EVALUATED = {
    "notes": 12, "audible_l1_db": 9.0, "audible_l1_db@own_sources": 8.0, "audible_l1_db@left_out_sources": 10.5,
    "prior_frechet": 0.125, "rating_spearman_Grey1977": 0.7,
}  # fmt: skip


@pytest.fixture(scope="module")
def credited(some_notes: Library) -> Library:
    """The notes of the small space, as if they came from two sources."""
    marks = [("VCSL (Versilian) via a mirror", "CC0-1.0")] * 3 + [("Ixox Flute (Xavier Hosxe)", "CC-BY-4.0")]
    notes = [replace(note, source=marks[n % 4][0], licence=marks[n % 4][1]) for n, note in enumerate(some_notes)]
    return Library(notes, some_notes.root)


CHOSEN = {
    "name": "Flute", "group": "Wind", "where": "flute-C5", "pitches": "C4 to C6", "cents": 0.1, "spread_lu": 3.0,
    "click_db": 1.0, "lufs": -20.0, "nearest": 0.5, "dropout_lu": None, "unevenness": None, "fault": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def facts(tiny_space: Space, credited: Library) -> dict[str, Any]:
    return {
        "sources": sources(credited), "half": halved(tiny_space, tiny_space, credited), "loading_s": 0.25,
        "presets": [CHOSEN, CHOSEN | {"name": "Gong", "cents": None, "fault": "no clear pitch"}],
        "maps": ["map/descriptors.png", "map/map.csv"],
        "figures": {"recorded": FIGURES | {"rating_spearman_Grey1977": 0.5}, "rendered": FIGURES},
        "held_out": {"recorded": 3, "rendered": 1}, "commit": "0123abc", "machine": "2 cores, no GPU",
    }  # fmt: skip


class TestSources:
    def test_every_note_counts_once(self, credited: Library) -> None:
        rows = sources(credited)
        assert [row["notes"] for row in rows] == [30, 10]
        assert rows[1]["author"] == "Xavier Hosxe"
        assert {name for row in rows for name in row["instruments"]} == set(credited.instruments)

    def test_the_longest_credit_that_fits_is_taken(self, credited: Library) -> None:
        folk = [replace(credited[0], source="VCSL folk harp (Etherealwinds) via a mirror")]
        assert "Etherealwinds" in sources(Library(folk, credited.root))[0]["author"]
        assert len({credit.source for credit in CREDITS}) == len(CREDITS)

    @pytest.mark.parametrize(
        ("change", "said"),
        [({"source": "a tape from the attic"}, "Nobody is credited"), ({"licence": "all rights reserved"}, "not among"),
         ({"source": None}, "no source"), ({"licence": None}, "no licence")],
    )  # fmt: skip
    def test_notes_of_unknown_origin_are_not_shipped(
        self, credited: Library, change: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(SystemExit, match=said):
            sources(Library([replace(credited[0], **change)], credited.root))


class TestCard:
    def test_it_names_sources_settings_and_figures(self, tiny_space: Space, facts: dict[str, Any]) -> None:
        page = card(tiny_space, facts)
        for row in facts["sources"]:
            assert row["source"] in page
            assert row["link"] in page
            assert row["licence"] in page
        for name in (name for name, value in FIGURES.items() if value is not None):
            assert f"`{name}`" in page
        for word in (
            "0123abc",
            "2 cores, no GPU",
            "0.25 s",
            "model.dim",
            "Frank Wen",
            "C4 to C6",
            "Gong (no clear pitch)",
            "map/descriptors.png",
            "Grey",
        ):
            assert word in page
        assert "missed (31.0)" in page
        assert "met (2.0)" in page
        assert not MACHINE.search(page)

    def test_settings_that_differ(self, tiny_config: Config) -> None:
        rows = {name: (own, usual) for name, own, usual in differing(tiny_config)}
        assert rows["model.dim"] == ("3", str(Config().model.dim))
        assert "spectrogram.n_fft" not in rows
        assert differing(Config()) == []

    def test_a_bar_in_a_cell_stays_in_it(self) -> None:
        assert table(["a"], [["x|y"]]).splitlines() == ["| a |", "| --- |", "| x\\|y |"]


class TestComparison:
    def test_every_evaluation_has_the_figures_that_are_compared(self) -> None:
        assert {*HEADLINE, *(name for name, _, _ in AIMS)} <= set(ALWAYS)

    def test_own_notes_and_the_parts_are_columns(self) -> None:
        own, left = columns(EVALUATED).values()
        assert own == {"notes": 12, "audible_l1_db": 8.0, "prior_frechet": 0.125, "rating_spearman_Grey1977": 0.7}
        assert left == {"audible_l1_db": 10.5}
        assert list(columns({"notes": 3})) == ["own notes"]

    def test_spaces_stand_beside_their_principal_components(self) -> None:
        pca = {"method": "pca", "part": "left out sources", "dim": 16, "audible_l1_db": 12.0, "l1_db": 5.0}
        rows = [pca, pca | {"method": "space", "audible_l1_db": 1.0, "l1_db": 1.0}]
        page = compared_table({"44.1 kHz": EVALUATED, "before": {"audible_l1_db": 11.0}}, {"44.1 kHz": rows})
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
        assert lines[0] == [
            "figure",
            "44.1 kHz: own notes",
            "44.1 kHz: left out sources",
            "before: own notes",
            "unit",
            "name",
        ]
        assert ["mean absolute error of what is audible", "8.000", "10.500", "11.000", "dB", "`audible_l1_db`"] in lines
        assert ["audible error, 16 principal components", "–", "12.000", "–", "dB", ""] in lines
        assert ["sounds of N(0, I)", "0.125", "–", "–", "of the variance", "`prior_frechet`"] in lines
        assert not any("1.000" in line for line in lines)


class TestPairs:
    def test_what_was_seen_in_a_picture_stays_with_it(
        self, tiny_space: Space, credited: Library, tmp_path: Path
    ) -> None:
        pairs = make_pairs(tiny_space, credited[:12], tmp_path, 4)
        assert [pair["group"] for pair in pairs] == ["best", "median", "median", "worst"]
        assert [pair["rank"] for pair in pairs] == sorted(pair["rank"] for pair in pairs)
        assert len({pair["note"] for pair in pairs}) == 4
        assert pairs[0]["audible_l1_db"] <= pairs[1]["audible_l1_db"] <= pairs[-1]["audible_l1_db"]
        assert all((tmp_path / pair["file"]).stat().st_size < PICTURE for pair in pairs)
        file = tmp_path / PAIRS
        file.write_text(file.read_text().replace('"seen": ""', '"seen": "The breath is missing."', 1))
        again = make_pairs(tiny_space, credited[:12], tmp_path, 4)
        assert [pair["seen"] for pair in again] == ["The breath is missing.", "", "", ""]
        section = pairs_section(again, "pairs")
        assert "(pairs/worst-1.png)" in section
        assert section.count("The breath is missing.") == 1
        assert section.count("(Not described yet.)") == 3


class TestFinishing:
    def test_float16_costs_next_to_nothing(self, tiny_space: Space, credited: Library, tmp_path: Path) -> None:
        half = timbre.load(tiny_space.save(tmp_path / "half", half=True))
        assert tiny_space.atlas.stds is not None
        assert half.atlas.stds == pytest.approx(tiny_space.atlas.stds, rel=1e-3)
        cost, none = halved(tiny_space, half, credited), halved(tiny_space, tiny_space, credited)
        assert cost["l1_db_half"] == pytest.approx(cost["l1_db_full"], abs=0.02)
        assert cost["l1_db_full"] == none["l1_db_full"] == none["l1_db_half"]
        assert cost["l1_db_full"] == pytest.approx(tiny_space.report["test_l1_db"], abs=0.01)
        assert none["point_shift_max"] == 0.0 < cost["point_shift_median"] <= cost["point_shift_max"]
        scale = np.abs(tiny_space.atlas.points).max()
        assert cost["point_shift_max"] < 0.02 * scale  # weights are rounded to 11 bits, by less than 0.0005 each

    def test_findings_are_kept_for_the_same_space_only(self, tmp_path: Path) -> None:
        file, calls = tmp_path / "findings.json", Counter[str]()
        for config in (b"a", b"a", b"b"):
            findings = Findings(file, config)
            assert findings.once("x", lambda: calls.update("x") or 7) == 7
        assert calls["x"] == 2

    def test_what_is_too_large_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "small").write_bytes(b"x")
        check_size(tmp_path)
        (tmp_path / "large").write_bytes(bytes(int(LARGEST) + 1))
        with pytest.raises(SystemExit, match="larger than"):
            check_size(tmp_path)

    def test_only_the_held_out_notes_of_a_part_are_measured(self, tiny_space: Space, some_notes: Library) -> None:
        names = [name for name, part in zip(tiny_space.atlas, tiny_space.atlas.splits, strict=True) if part == "test"]
        part = Library(
            [note for note in some_notes if note.name in {*names[:2], tiny_space.atlas.names[0]}], some_notes.root
        )
        found = evaluate(tiny_space, some_notes, quick=True, progress=False, only=part)
        assert found.facts["held out"].startswith("2 of 2 test notes")
        rest = Library([note for note in some_notes if note.name not in names], some_notes.root)
        with pytest.raises(LibraryError, match=r"None of the 3\d notes .* was held out"):
            evaluate(tiny_space, some_notes, quick=True, progress=False, only=rest)


def _check_folder(folder: Path) -> Space:
    """What holds of every folder that is shipped; its space."""
    space = timbre.load(folder)
    page = (folder / "README.md").read_text(encoding="utf-8")
    for row in space.report["sources"]:
        assert row["source"] in page
        assert row["licence"] in page
        assert row["author"] in page
    assert sum(row["notes"] for row in space.report["sources"]) >= len(space.atlas)
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert max(file.stat().st_size for file in files) < LARGEST
    assert sum(file.stat().st_size for file in files) < ROOM
    for file in files:
        if file.suffix in (".json", ".md", ".csv", ".toml"):
            assert not MACHINE.search(file.read_text(encoding="utf-8")), file
    for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page):
        assert (folder / link).is_file(), link
    assert set(_weights(folder)) == {"F16"}
    return space


def _weights(folder: Path) -> set[str]:
    """Number formats of the network's tensors, read from the head of the file."""
    body = (folder / "model.safetensors").read_bytes()
    head = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    return {entry["dtype"] for name, entry in head.items() if name != "__metadata__"}


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request: pytest.FixtureRequest) -> Space:
    return _check_folder(ROOT / "pretrained" / request.param)


class TestShipped:
    def test_it_is_what_was_asked_for(self, shipped: Space) -> None:
        assert shipped.config.to_dict() == Config.from_toml(ROOT / "pretrained" / f"{shipped.name}.toml").to_dict()
        licences = {row["licence"] for row in shipped.report["sources"]}
        assert licences >= shipped.report["licences"].keys() - {"not stated"}
        assert shipped.config.spectrogram.sample_rate == SHIPPED[shipped.name]
        assert len(shipped.atlas) > 5000

    def test_its_presets_are_in_tune_and_do_not_click(self, shipped: Space) -> None:
        points = [preset for preset in read_presets(shipped.name, shipped).values() if len(preset.path.points) == 1]
        assert len(points) >= 48
        assert len({preset.group for preset in points}) >= 6
        for preset in points[::6]:
            assert preset.pitches is not None
            sound = shipped.decode(preset.path.points[0], pitch := round(sum(preset.pitches) / 2))
            assert abs(cents_off(sound, pitch)) <= IN_TUNE
            assert np.isfinite(sound.samples).all()
            assert np.abs(sound.samples).max() <= 1.0
            assert stands_out_db(sound) <= CLICK

    def test_its_paths_can_be_played(self, shipped: Space) -> None:
        ways = [preset for preset in read_presets(shipped.name, shipped).values() if len(preset.path.points) > 1]
        sound = timbre.render(shipped, ways[0].path, duration=2.0)
        assert sound.duration == pytest.approx(2.0, abs=0.01)
        assert 0.001 < np.abs(sound.samples).max() <= 1.0
        for way in ways:
            assert not way.loop or np.array_equal(way.path.points[0], way.path.points[-1])

    def test_the_card_says_what_float16_costs(self, shipped: Space) -> None:
        page = (ROOT / "pretrained" / shipped.name / "README.md").read_text(encoding="utf-8")
        before, after = map(float, re.findall(r"([\d.]+) dB(?: to|;)", page.split("### float16")[1].split("##")[0]))
        assert abs(after - before) < 0.01
