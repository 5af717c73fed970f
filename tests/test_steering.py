"""Steering: curves that are followed, laws of the solver, targets out of reach, refusals, the command."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import timbre
from timbre.__main__ import main
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.shapes.path_files import read_path
from timbre.space import NoteControls
from timbre.space.gauss_newton import _banded
from timbre.spectral.descriptors import describe_frames
from timbre.synth._course import Course
from timbre.synth.curves import Curve, parse_curve
from timbre.synth.steering import steer

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from _walk import walk

SECONDS = 0.5
RISE = {"centroid": Curve(np.array([0.0, 0.015]), None, "change")}


@pytest.fixture(scope="module")
def start(known_space):
    return next(iter(known_space.atlas.values()))


@pytest.fixture(scope="module")
def risen(known_space, start):
    return steer(known_space, start, RISE, 60, SECONDS)


def test_a_curve_is_followed_and_the_walk_is_worse(known_space, start, risen):
    walked = walk(known_space, start, RISE, 60, SECONDS, radius=1.0)
    loose = steer(known_space, start, RISE, 60, SECONDS, leash=1e-4, smooth=1e-3)
    assert loose.tracking_error["centroid"] < 0.5 * walked.tracking_error["centroid"]
    assert loose.timbre_moved < walked.timbre_moved
    assert risen.tracking_error["centroid"] < 0.003
    assert risen.missed["centroid"] == pytest.approx(0.0, abs=0.02)
    heard = risen.weight > 0.5
    ratio = (risen.target["centroid"] / risen.reached["centroid"])[heard]
    assert np.sqrt(np.mean(np.log2(ratio) ** 2)) == pytest.approx(risen.tracking_error["centroid"], rel=0.3)


def test_what_is_reached_is_what_the_space_decodes(known_space, risen):
    count = known_space.renderer.frames(SECONDS)
    decoded = known_space.spectrum(risen.path.at(np.linspace(0.0, 1.0, count)), 60, 0.8, SECONDS)[None]
    found = describe_frames(decoded, known_space.spectrogram, torch.tensor([60.0]), ["centroid"])[0, 0].numpy()
    np.testing.assert_allclose(found, risen.reached["centroid"], rtol=1e-3)


def test_the_rendered_sound_follows_too(known_space, risen):
    sound = timbre.render(known_space, risen.path, 60, duration=SECONDS)
    spectrogram = known_space.spectrogram(torch.from_numpy(sound.samples.copy()))
    heard = describe_frames(spectrogram, known_space.spectrogram, torch.tensor([60.0]), ["centroid"])[0, 0].numpy()
    away = np.log2(heard / risen.target["centroid"])[risen.weight > 0.9]
    assert np.median(np.abs(away)) < 0.15


def test_the_path_has_no_jumps(known_space, start):
    step = {"centroid": Curve((np.linspace(0, 1, 50) > 0.5) * 0.015, None, "change")}
    rough, soft = (steer(known_space, start, step, 60, SECONDS, smooth=smooth) for smooth in (0.0, 0.3))
    longest = [np.linalg.norm(np.diff(one.path.points, axis=0), axis=1).max() for one in (rough, soft)]
    assert longest[1] < 0.5 * longest[0]
    assert soft.tracking_error["centroid"] > rough.tracking_error["centroid"]


def test_a_shorter_leash_stays_nearer(known_space, start, risen):
    short = steer(known_space, start, RISE, 60, SECONDS, leash=1e4)
    assert short.timbre_moved < 0.2 * risen.timbre_moved
    assert short.tracking_error["centroid"] > risen.tracking_error["centroid"]


def test_its_own_course_moves_nothing(known_space, start):
    still = steer(known_space, start, {"centroid": Curve(np.array([1.0]), None, "ratio")}, 60, SECONDS)
    assert still.tracking_error["centroid"] < 1e-4
    assert still.furthest < 1e-3


def test_several_at_once(known_space, start):
    curves = {
        "centroid": Curve(np.array([0.0, 0.015]), None, "change"),
        "flatness": Curve(np.array([0.0, -0.1]), None, "change"),
    }
    found = steer(known_space, start, curves, 60, SECONDS)
    assert list(found.tracking_error) == ["centroid", "flatness"]
    assert found.tracking_error["centroid"] < 0.003
    assert found.tracking_error["flatness"] < 0.06


@pytest.mark.parametrize("wanted", [20.0, 10000.0])
def test_out_of_reach_is_said_and_stays_among_the_known(known_space, start, wanted):
    found = steer(known_space, start, {"centroid": [wanted]}, 60, SECONDS)
    assert found.missed["centroid"] > 0.9
    assert np.isfinite(found.path.points).all()
    known = known_space.atlas.points.astype(float)
    whiten = np.linalg.cholesky(np.linalg.inv(np.cov(known.T)))
    radius = [np.linalg.norm((points - known.mean(0)) @ whiten, axis=1).max() for points in (known, found.path.points)]
    assert radius[1] < 1.1 * radius[0]
    own = steer(known_space, start, {"centroid": Curve(np.array([0.0]), None, "change")}, 60, SECONDS).reached[
        "centroid"
    ]
    nearer = np.abs(np.log2(found.reached["centroid"] / wanted)) - np.abs(np.log2(own / wanted))
    assert (nearer * found.weight).sum() < 0.0


def test_without_pitch_and_with_a_pitch_line(known_space, start):
    for pitch in (None, np.array([60.0, 67.0])):
        found = steer(known_space, start, RISE, pitch, SECONDS)
        assert found.tracking_error["centroid"] < 0.02


def test_slopes_are_those_of_finite_differences(tiny_space):
    count = tiny_space.renderer.frames(SECONDS)
    course = Course(tiny_space, ["centroid", "odd_even"], NoteControls(60, 0.8, SECONDS), count)
    points, frames = torch.from_numpy(tiny_space.atlas.points[0]).repeat(3, 1), torch.tensor([5, 10, 20])
    values, slopes = course.slopes(points, frames)
    torch.testing.assert_close(values, course.values(points, frames))
    for axis in range(tiny_space.dim):
        step = 1e-2 * torch.eye(tiny_space.dim)[axis]
        numeric = (course.values(points + step, frames) - course.values(points - step, frames)) / 2e-2
        torch.testing.assert_close(slopes[..., axis], numeric, rtol=0.05, atol=0.02)


def test_the_banded_system_is_the_full_one():
    random, times, dim, smooth = np.random.default_rng(0), 4, 3, 0.7
    half = random.standard_normal((times, dim, dim))
    blocks = half @ half.transpose(0, 2, 1)
    full = np.zeros((times * dim, times * dim))
    for t in range(times):
        full[t * dim : (t + 1) * dim, t * dim : (t + 1) * dim] = blocks[t]
    for t in range(times - 1):
        tie = -smooth * np.eye(dim)
        full[t * dim : (t + 1) * dim, (t + 1) * dim : (t + 2) * dim] = tie
        full[(t + 1) * dim : (t + 2) * dim, t * dim : (t + 1) * dim] = tie
    bands = _banded(blocks, smooth)
    for offset, row in enumerate(bands):
        np.testing.assert_array_equal(row[: times * dim - offset], np.diagonal(full, -offset))


def test_release_is_the_renderers(known_space, start):
    count = known_space.renderer.frames(SECONDS)
    course = Course(known_space, ["centroid"], NoteControls(60, 0.8, SECONDS), count)
    conditions = Conditions(torch.full((1, count), 60.0), torch.full((1, count), 0.8), course.release)
    point = torch.from_numpy(start)
    with torch.no_grad():
        ours = course.spectra(point.expand(count, -1), torch.arange(count))
    theirs = known_space.spectrum(start[None], 60, 0.8, SECONDS)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)
    assert float(conditions.release) == pytest.approx(0.35)


def test_curves_from_texts_and_files(tmp_path):
    file = tmp_path / "up.csv"
    file.write_text("time,ratio\n0,1\n0.5,1.5\n")
    found = parse_curve(str(file))
    assert (found.kind, found.values.tolist(), found.times.tolist()) == ("ratio", [1.0, 1.5], [0.0, 0.5])
    assert parse_curve("800:2500").values.tolist() == [800.0, 2500.0]
    assert (parse_curve("change:0:-6").kind, parse_curve("-30").values.tolist()) == ("change", [-30.0])
    times, own = np.linspace(0.0, 1.0, 5), np.full(5, 10.0)
    shares = np.array([0.0, 0.5, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(found.natural("centroid", own, times), own + np.log2(1.5) * shares)
    np.testing.assert_allclose(Curve(np.array([800.0])).natural("centroid", own, times), np.log2(800.0))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("time,value\n", "must be finite numbers"),
        ("time,hz\n0,1\n", "time,value or time,ratio or time,change, got time,hz"),
        ("", "got nothing"),
        ("time,value\n0,1,2\n", "must have 2 numbers, got 3"),
        ("time,value\n0,loud\n", "must be finite numbers"),
        ("time,value\n1,5\n0,5\n", "rise"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, why):
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(ConfigError, match=why):
        parse_curve(str(file))


def test_refusals(known_space, start):
    def refused(curves, why, **settings):
        with pytest.raises(ConfigError, match=why):
            steer(known_space, start, curves, **({"pitch": 60, "duration": SECONDS} | settings))

    refused({}, "one descriptor or more, got none")
    refused({"attack": [0.1]}, "which whole notes have only")
    refused({"centroid": [-100.0]}, "must be from 0 to")
    refused({"odd_even": Curve(np.array([2.0]), None, "ratio")}, "a descriptor in Hz or sone")
    refused({"odd_even": [2.0]}, "must have a lower pitch", pitch=None)
    refused({"centroid": Curve(np.array([500.0]), np.array([3.0]))}, "make the sound longer")
    refused(RISE, "leash must be above 0", leash=0)
    refused(RISE, "more than 0 points a second, got -1", rate=-1)
    refused(RISE, "MIDI number from 12 to 127", pitch=200)
    refused(RISE, "from 0 to 1", velocity=3.0)
    for wrong in ("a:b", "", "ratio:", "up"):
        with pytest.raises(ConfigError, match="must be a CSV file or values"):
            parse_curve(wrong)
    with pytest.raises(ConfigError, match="kind of a curve must be"):
        Curve(np.array([1.0]), None, "octaves")


def test_the_command(tiny_folder, known_space, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "up.csv").write_text("time,ratio\n0,1\n0.5,1.2\n")
    name = next(iter(known_space.atlas))
    line = ["steer", str(tiny_folder), "--at", name, "--descriptor", "centroid", "--curve", "up.csv"]
    assert not main([*line, "--descriptor", "flatness", "--curve", "change:0:-0.5", "--path", "p.json", "-o", "o.wav"])
    said = capsys.readouterr().out
    assert "centroid" in said
    assert "timbre moved" in said
    assert timbre.read(tmp_path / "o.wav").duration == pytest.approx(0.5, abs=0.01)
    assert len(read_path(tmp_path / "p.json", known_space).points) == known_space.renderer.frames(0.5)
    assert json.loads((tmp_path / "p.json").read_text())["dim"] == 3
    assert main([*line, "--descriptor", "flatness"]) == 1
    assert "with its --curve" in capsys.readouterr().err
    assert main([*line, "-o", "none/o.wav"]) == 1
