"""The inversion benchmark: it runs from end to end, its rows are what they should be, and its peers are well called."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from timbre.config import SpectrogramConfig
from timbre.evaluation.metrics.sounds import spectral_convergence_db
from timbre.spectral import STFT, Spectrogram

ROOT = Path(__file__).parents[1]
FLUID = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
sys.path.insert(0, str(ROOT / "benchmarks"))

from _inverted import comb, parse_setting, shared_convergence, summary, treble  # noqa: E402
from _methods import FULL, PEERS, methods  # noqa: E402
from _sounds import KEYS, LEAD, rendered  # noqa: E402
from _table import format_table, write_json  # noqa: E402
from inversion import averages, verdicts  # noqa: E402

COLUMNS = {
    *("source", "front_end", "inverter", "sc_db", "sc_sustained_db", "log_mel_l1", "mr_stft", "cents_median"),
    *("bad_percent", "onset_ms", "click_db", "texture_db", "x_realtime", "latency_ms", "n_notes"),
}


def rows_of(target: Path, *arguments: str) -> tuple[list[dict[str, object]], str]:
    command = [sys.executable, "benchmarks/inversion.py", *arguments, "--json", str(target)]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return json.loads(target.read_text()), out


def test_one_row_per_source_front_end_and_inverter(tmp_path: Path, tiny_folder: Path) -> None:
    names = ["pghi", "pghi+2", "librosa.griffinlim 32", "no_such"]
    rest = ["--quick", "--notes", "2", "--front-ends", "linear", "mel", "--space", str(tiny_folder), "--inverters"]
    rows, out = rows_of(tmp_path / "out" / "rows.json", "datasets/orchestra", *rest, *names)
    places = [("notes", "linear"), ("notes", "mel"), ("decoded", "mel")]
    expected = [(*place, name) for place in places for name in names[:3]]
    assert [(row["source"], row["front_end"], row["inverter"]) for row in rows] == expected
    assert all(row.keys() >= COLUMNS and row["n_notes"] == 2 and row["latency_ms"] is None for row in rows)
    assert all(row["sc_db"] < -10 for row in rows if row["source"] == "notes")  # type: ignore[operator]
    assert all(row["x_librosa"] == 1 for row in rows if row["inverter"] == "librosa.griffinlim 32")
    assert "left out no_such: The inverter must be one of" in out
    assert "Targets" in out


@pytest.mark.slow
def test_the_quick_form_has_every_front_end(tmp_path: Path) -> None:
    rows, _ = rows_of(tmp_path / "rows.json", "--quick")
    assert {row["front_end"] for row in rows} == {*get_args(get_type_hints(SpectrogramConfig)["kind"]), "mdct"}
    assert {row["inverter"] for row in rows if row["front_end"] == "mel"} >= {"pghi", "pghi+8", "librosa.griffinlim 64"}


def note(cents: float | None, **more: object) -> dict[str, object]:
    plain = ("log_mel_l1", "mr_stft", "onset_ms", "texture_db", "level_db", "click_db")
    place = {"source": "notes", "front_end": "linear", "inverter": "pghi", "latency_ms": None}
    return place | dict.fromkeys(plain, 0.5) | {"sc_db": -30.0, "cents": cents, "seconds": 2.0, "cpu": 0.1} | more


def test_averages_tell_lost_pitch_from_no_pitch() -> None:
    (row,) = averages([note(1.0), note(3.0), note(7.0), note(np.inf), note(None, sc_db=-10.0, cpu=0.6)])
    assert (row["cents_median"], row["bad_percent"], row["n_notes"], row["n_pitched"]) == (3.0, 50.0, 5, 4)
    assert (row["sc_db"], row["sc_sustained_db"], row["x_realtime"]) == (-26.0, -30.0, 10.0)
    (row,) = averages([note(None)])
    assert (row["cents_median"], row["bad_percent"], row["sc_sustained_db"]) == (None, None, None)


def test_verdicts_follow_the_figures() -> None:
    librosa = note(9.0, inverter="librosa.griffinlim 32", cpu=0.6)
    held = {row["column"]: row["holds"] for row in verdicts(averages([note(0.1), librosa]))}
    assert held == {"sc_db": "yes", "cents_median": "yes", "x_librosa": "yes", "x_realtime": "no"}
    held = {row["column"]: row["holds"] for row in verdicts(averages([note(np.inf, sc_db=-29.9, cpu=0.001)]))}
    assert held == {"sc_db": "no", "cents_median": "no", "x_realtime": "yes"}


@pytest.mark.parametrize("name", [name for name in FULL if name in PEERS and name != "pghipy"])
def test_other_packages_are_given_magnitudes_in_their_own_form(name: str) -> None:
    package = name.split()[0].partition(".")[0]
    pytest.importorskip(package)
    stft, time = STFT(1024, 256), torch.arange(11025) / 22050
    waveform = sum(torch.sin(2 * torch.pi * 330 * k * time) / k for k in range(1, 6))[None] * 0.2  # type: ignore[index]
    magnitude = stft(waveform).abs()
    (method,) = methods([name], stft)
    result = method.invert(magnitude, 11025)
    assert result.shape == (1, 11025)
    assert result.dtype == torch.float32
    assert spectral_convergence_db(magnitude, stft(result).abs()) < -15
    assert method.latency == (1280 if name == "lws online" else None)


@pytest.mark.skipif(not FLUID.exists(), reason="Debian's FluidR3 SoundFont is not installed")
def test_rendered_notes_begin_after_a_silence_and_are_in_tune() -> None:
    pytest.importorskip("fluidsynth")
    first, last = rendered(FLUID, 2, SpectrogramConfig())
    for one, key in ((first, KEYS[0]), (last, KEYS[-1])):
        assert one.source == "rendered"
        assert one.seconds == pytest.approx(2.5 + LEAD / 22050, abs=0.05)
        assert not one.waveform[:, :LEAD].any()
        assert one.waveform[:, LEAD : LEAD + 2205].abs().max() > 0.05
        assert one.pitch is None or one.pitch == pytest.approx(key, abs=0.2)
    assert last.pitch is not None  # a flute is held


def test_settings_by_name() -> None:
    config = parse_setting("erb-300-2560-640-90", 44100)
    assert (config.kind, config.bins, config.n_fft, config.hop_length, config.floor_db) == ("erb", 300, 2560, 640, -90)
    assert (parse_setting("linear-0-512-128", 8000).bins, parse_setting("mel-64-512-128", 8000).floor_db) == (257, -80)


def test_low_combs_are_in_tune_through_long_windows_only() -> None:
    short, long = (Spectrogram(parse_setting(name, 22050)) for name in ("mel-128-512-128", "mel-256-2048-512"))
    assert comb(short, "pghi")["comb_lost"] > 0
    assert comb(long, "pghi")["comb_lost"] == 0
    assert comb(long, "pghi")["comb_cents"] < 5


def test_figures_of_the_treble() -> None:
    sound = 0.1 * torch.randn(1, 44100, generator=torch.Generator().manual_seed(0))
    assert treble(sound, sound, 44100) == (0.0, 0.0)
    assert treble(sound, 0.5 * sound, 44100) == pytest.approx((6.02, -6.02), abs=0.01)
    assert treble(sound, sound, 22050) is None  # there is none
    low = torch.sin(2 * torch.pi * 440 * torch.arange(44100) / 44100)[None]
    assert treble(low * torch.hann_window(44100), low, 44100) is None
    assert shared_convergence(sound, 0.5 * sound) == pytest.approx(-6.02, abs=0.01)


def test_figures_of_settings_tell_lost_pitch_from_no_pitch() -> None:
    same = {"sc_db": -20.0, "distance": 0.1, "onset_ms": 1.0, "texture_db": 0.2, "seconds": 2.0, "cpu": 0.1}
    notes = [same | {"cents": cents, "treble": None} for cents in (1.0, 3.0, 7.0, np.inf, None)]
    row = summary([*notes, same | {"cents": None, "treble": (2.0, -1.0)}])
    assert (row["low_cents"], row["low_bad"], row["treble_db"], row["treble_level"]) == (3.0, 50, 2.0, -1.0)
    assert row["x_realtime"] == 20.0


def test_tables_align_and_keep_what_is_missing_apart() -> None:
    rows = [{"name": "a", "value": 1.5, "more": None}, {"name": "longer", "value": 10, "extra": 2}]
    lines = format_table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["a", "1.5", "-", "-"]


def test_json_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "rows.json"
    write_json(target, [{"a": 1}])
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(target, [{"a": object()}])
    assert json.loads(target.read_text()) == [{"a": 1}]
    assert list(tmp_path.iterdir()) == [target]
