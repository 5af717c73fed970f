"""Requests of exports: banks from the command line, refusals, replacing, no room, and interrupts."""

import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import timbre
from timbre.__main__ import main
from timbre.errors import ConfigError
from timbre.shapes.presets import Preset
from timbre.space import Space


def test_a_bank_a_grid_and_an_archive_from_the_command_line(
    tiny_folder: Path, tiny_space: Space, tmp_path: Path, capsys
):
    space = tmp_path / "space"
    shutil.copytree(tiny_folder, space)
    names = tiny_space.atlas.names[:2]
    for name, title in zip(names, ("Warm, low", "warm low"), strict=True):
        assert main(["preset", str(space), "--add", title, "--at", name]) == 0
    small = ["--keys", "C4:D4", "--layers", "1", "--round-robins", "1", "--hold", "0.3", "--loop"]
    assert main(["export", str(space), "--presets", "all", "--to", "sfz", "-o", str(tmp_path / "b"), *small]) == 0
    assert sorted(file.name for file in (tmp_path / "b").glob("*.sfz")) == ["Warm_low.sfz", "warm_low_2.sfz"]
    both = ["--presets", "Warm, low, warm low", "--to", "sfz", "-o", str(tmp_path / "c"), "--dry-run"]
    assert main(["export", str(space), *both, *small]) == 0
    grid = ["--grid", "2x1", "--corner", names[0], "--corner", names[1]]
    assert main(["export", str(space), *grid, "--to", "decent", "-o", str(tmp_path / "g.dslibrary"), *small]) == 0
    with zipfile.ZipFile(tmp_path / "g.dslibrary") as archive:
        assert {"g_r1c1.dspreset", "g_r1c2.dspreset", "DSLibraryInfo.xml"} <= set(archive.namelist())
    assert len(timbre.scan(tmp_path / "g.dslibrary")) == 2
    plane = ["--grid", "2x2", "--plane", "dims", "0", "1", "--to", "sfz", "-o", str(tmp_path / "p"), *small]
    assert main(["export", str(space), *plane, "--dry-run"]) == 0
    assert main(["export", str(space), *plane, "--corner", names[0]]) == 1
    assert "must have --corner or --plane, got both" in capsys.readouterr().err
    capsys.readouterr()
    dry = ["export", str(space), "--preset", "warm low", "--to", "sf2", "-o", str(tmp_path / "no.sf2"), "--dry-run"]
    assert main([*dry, *small]) == 0
    assert re.search(r"1 file would be written, [\d.]+ MB, [\d.]+ min", said := capsys.readouterr().out)
    assert "sf2 has no use for --round-robins." in said
    assert not (tmp_path / "no.sf2").exists()
    assert not list(tmp_path.rglob("*.part*"))


REFUSALS = {
    "format": (["--to", "kontakt"], "The format must be one of"),
    "keys": (["--keys", "C2"], "--keys must be the lowest and the highest key"),
    "low keys": (["--keys", "0:60"], "--keys must be from C0 to G9"),
    "keys that fall": (["--keys", "C5:C4"], "must begin with the lower one"),
    "two sources": (["--preset", "x"], "Give one of --at"),
    "flac in sf2": (["--to", "sf2", "--flac"], "use --flac with sfz or decent"),
    "flac in wav": (["--to", "wav", "--flac"], "use --flac with sfz or decent"),
    "a file": (["-o", "x.sfz"], "must be a folder, got x.sfz"),
    "no SoundFont": (["--to", "sf2", "-o", "x.wav"], "x.wav must end in .sf2, got .wav"),
    "a step": (["--step", "13"], "--step"),
    "a corner alone": (["--corner", "0,0,0"], "--corner and --plane must come with --grid"),
    "an inverter": (["--inverter", "magic"], "magic"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_is_refused_in_one_sentence(case: str, tiny_folder: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words, sentence = REFUSALS[case]
    point = timbre.load(tiny_folder).atlas.names[0]
    usual = {"--at": point, "--to": "sfz", "-o": "out"}
    others = [word for pair in usual.items() if pair[0] not in words for word in pair]
    assert main(["export", str(tiny_folder), *others, *words]) in (1, 2)
    printed = capsys.readouterr().err
    assert sentence in printed
    assert len(printed.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_export_is_replaced_only_by_force(tiny_space: Space, tmp_path: Path):
    point, small = tiny_space.atlas.points[0], {"keys": "C4:C4", "layers": 1, "hold": 0.3, "loop": True}
    timbre.export(tiny_space, point, "sfz", tmp_path / "e", **small)
    (tmp_path / "e" / "mine.txt").write_text("kept")
    with pytest.raises(ConfigError, match="exists; replace it with --force"):
        timbre.export(tiny_space, point, "sfz", tmp_path / "e", **small)
    timbre.export(tiny_space, point, "sfz", tmp_path / "e", force=True, **small)
    assert (tmp_path / "e" / "mine.txt").read_text() == "kept"
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="must be a folder for this format"):
        timbre.export(tiny_space, point, "wav", tmp_path / "file", force=True, **small)


def test_no_room_and_an_interrupt_leave_nothing(tiny_space: Space, tmp_path: Path, monkeypatch):
    point, small = tiny_space.atlas.points[0], {"keys": "C4:E4", "layers": 1, "hold": 0.3, "loop": True}
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ConfigError, match="MB free; make room"):
        timbre.export(tiny_space, point, "sf2", tmp_path / "new" / "e.sf2", **small)
    monkeypatch.undo()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for form, name in (("sf2", "e.sf2"), ("sfz", "e"), ("decent", "e.dslibrary")):
        monkeypatch.setattr("timbre.exporting.samplers.libraries.figures", stop)
        monkeypatch.setattr("timbre.exporting.samplers.sf2.figures", stop)
        with pytest.raises(KeyboardInterrupt):
            timbre.export(tiny_space, point, form, tmp_path / "new" / name, **small)
    assert list(tmp_path.iterdir()) == []


def test_points_of_another_space_and_empty_banks_are_refused(tiny_space: Space, tmp_path: Path):
    other = Preset("x", timbre.Path(np.zeros((1, tiny_space.dim + 1)), np.zeros(1), "line"))
    with pytest.raises(ConfigError, match="dimensions"):
        timbre.export(tiny_space, [other], "sfz", tmp_path / "o")
    with pytest.raises(ConfigError):
        timbre.export(tiny_space, [], "sfz", tmp_path / "o")
