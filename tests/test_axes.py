"""Named axes: fixed constants, a term that is least where points say what the axes say, and nothing of pitch."""

import csv
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from conftest import ORCHESTRA
from hypothesis import given
from hypothesis import strategies as st

import timbre
from timbre.config import Config, SpectrogramConfig, from_dict
from timbre.data.features.example import example
from timbre.errors import AudioError, ConfigError
from timbre.models.regularizers.axes import AXES, AxesTerm, Axis, axis_values, bend, describe_axes, find_axes
from timbre.models.regularizers.labels import Labels
from timbre.spectral import Spectrogram
from timbre.spectral.descriptors import DESCRIPTORS, describe

FRONT = Spectrogram(SpectrogramConfig())
NAMES = tuple(AXES)
SHOWN = ("clarinet", "violin_section", "harpsichord", "tuba", "flute", "glockenspiel")


def labels(values):
    unknown = torch.full((len(values),), torch.nan)
    none = torch.full((len(values),), -1)
    return Labels(none, none, unknown, unknown, unknown, unknown, torch.as_tensor(values))


def sound(pitch=60.0, slope=1.0, seconds=1.0):
    time = torch.arange(round(22050 * seconds)) / 22050
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    parts = [torch.sin(2 * torch.pi * hz * k * time + k * k) / k**slope for k in range(1, 12) if hz * k < 10000]
    return 0.2 * torch.stack(parts).sum(0)[None]


@pytest.fixture(scope="module")
def notes():
    """Some shipped notes of six instruments: spectrograms, pitches and instruments."""
    with open(ORCHESTRA / "metadata.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["instrument"] in SHOWN and row["midi_pitch"]]
    rows = [row for name in SHOWN for row in [row for row in rows if row["instrument"] == name][:8]]
    made = [example(timbre.read(ORCHESTRA / row["file"]), FRONT, Config(), float(row["midi_pitch"])) for row in rows]
    spec = torch.from_numpy(np.stack([x.spectrogram for x in made]))
    return spec, torch.tensor([x.pitch for x in made]), np.array([row["instrument"] for row in rows])


def test_constants_are_a_convention():
    """Whoever changes one changes what every trained space calls brighter by 1."""
    found = {axis.name: (axis.descriptor, axis.center, axis.scale, axis.pitch_slope) for axis in AXES.values()}
    assert found == {
        "brightness": ("centroid", 10.10, 1.10, 0.402),
        "attack": ("attack", -1.440, 0.966, -0.024),
        "noisiness": ("noisiness", -25.8, 8.96, -3.87),
        "fluctuation": ("fluctuation", -0.033, 0.244, 0.053),
        "odd_even": ("odd_even", 0.0, 3.50, 0.124),
        "sustain": ("decay_slope", -1.485, 1.66, -0.197),
        "richness": ("spread", 5.355, 1.82, -0.008),
    }


def test_values_follow_the_formula():
    spec, pitch = FRONT(sound(52.0)), torch.tensor([52.0])
    natural = describe(spec, FRONT, pitch, [axis.descriptor for axis in AXES.values()], natural=True)[0]
    for axis, d, value in zip(AXES.values(), natural, axis_values(spec, FRONT, pitch, NAMES)[0], strict=True):
        wanted = (d - axis.center - axis.pitch_slope * (52.0 - 60.0) / 12.0) / axis.scale
        torch.testing.assert_close(value, bend(wanted))


def test_one_brighter_is_the_same_factor_of_hertz():
    dull, bright = sound(60.0, 2.0), sound(60.0, 0.7)
    pitch = torch.tensor([60.0])
    hz = [float(describe(FRONT(x), FRONT, pitch, ["centroid"])) for x in (dull, bright)]
    values = [float(axis_values(FRONT(x), FRONT, pitch, ["brightness"])) for x in (dull, bright)]
    assert hz[1] / hz[0] == pytest.approx(2.0 ** (AXES["brightness"].scale * (values[1] - values[0])), rel=1e-4)
    assert values[1] > values[0] + 0.4


@given(st.floats(-50.0, 50.0), st.floats(0.001, 5.0))
def test_bent_values_keep_their_order_and_stay_below_three(value, more):
    low, high = bend(torch.tensor([value, value + more], dtype=torch.float64))
    assert low <= high
    assert abs(low) <= 3.0
    if abs(value) <= 2.0:
        assert low == value


def test_at_inverts_the_value():
    for axis in AXES.values():
        natural = DESCRIPTORS[axis.descriptor].scale.natural(torch.tensor(axis.at(0.4, 67.0), dtype=torch.float64))
        assert float(axis.value(natural, torch.tensor(67.0))) == pytest.approx(0.4, abs=1e-6)


def test_what_is_not_defined_is_nan():
    spec = FRONT(sound(60.0)).repeat(3, 1, 1)
    found = axis_values(spec, FRONT, torch.tensor([60.0, torch.nan, 36.0]), NAMES)
    missing = [{name for name, gone in zip(NAMES, row.isnan(), strict=True) if gone} for row in found]
    assert missing == [set(), {"odd_even"}, {"odd_even", "noisiness"}]
    assert axis_values(spec, FRONT, torch.zeros(3), []).shape == (3, 0)


def test_real_notes_lie_where_they_should(notes):
    spec, pitch, instrument = notes
    values = axis_values(spec, FRONT, pitch, NAMES)
    assert float(values.nan_to_num().abs().max()) <= 3.0
    median = {x: dict(zip(NAMES, values[instrument == x].nanmedian(0).values.tolist(), strict=True)) for x in SHOWN}
    ranked = {name: sorted(SHOWN, key=lambda x, name=name: median[x][name]) for name in NAMES}
    assert ranked["brightness"][0] == "tuba"
    assert ranked["brightness"][-1] in ("harpsichord", "glockenspiel")
    assert ranked["attack"][-1] == "violin_section"
    assert set(ranked["attack"][:2]) <= {"harpsichord", "glockenspiel"}
    assert {"clarinet", "glockenspiel"} == set(ranked["odd_even"][-2:])
    assert {"violin_section", "flute"} == set(ranked["fluctuation"][-2:])  # many players; vibrato
    assert ranked["sustain"][0] == "glockenspiel" or ranked["sustain"][0] == "harpsichord"


@given(st.floats(24.0, 108.0))
def test_an_instrument_that_follows_the_slope_stays_where_it_is(pitch):
    for axis in AXES.values():
        natural = axis.center + 0.7 * axis.scale + axis.pitch_slope * (pitch - 60.0) / 12.0
        value = axis.value(torch.tensor([natural]).double(), torch.tensor([pitch]).double())
        assert float(value) == pytest.approx(0.7, abs=1e-6)


def test_the_term_is_least_at_the_values_alone():
    values = torch.tensor([[0.5, -1.0], [2.0, 0.1], [-2.5, 1.5]])
    term = AxesTerm(["brightness", "attack"])
    z = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    term(z, labels(values)).backward()
    assert (z.grad[:, 2:] == 0.0).all()
    assert ((z[:, :2] - values).sign() == z.grad[:, :2].sign()).all()
    there = torch.cat([values, torch.randn(3, 3)], 1)
    assert float(term(there, labels(values))) == 0.0
    for place in range(6):
        moved = there.clone()
        moved.view(-1)[5 * (place // 2) + place % 2] += 0.01
        assert float(term(moved, labels(values))) > 0.0


def test_the_term_is_a_likelihood_and_robust():
    term, values = AxesTerm(["brightness"], tolerance=0.2), torch.zeros(4, 1)
    near = torch.full((4, 1), 0.3)
    assert float(term(near, labels(values))) == pytest.approx(0.5 * (0.3 / 0.2) ** 2)
    far, further = (float(term(torch.full((4, 1), x), labels(values))) for x in (2.0, 3.0))
    assert further - far == pytest.approx(3.0 / 0.2, rel=1e-5)


def test_unknown_values_count_nothing():
    term = AxesTerm(["brightness", "odd_even"])
    z = torch.randn(2, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    known = torch.tensor([[0.2, torch.nan], [torch.nan, torch.nan]])
    loss = term(z, labels(known))
    loss.backward()
    assert z.grad.isfinite().all()
    assert (z.grad.flatten()[1:] == 0.0).all()
    alone = AxesTerm(["brightness"])(z[:1], labels(known[:1, :1]))
    assert float(loss.detach()) == pytest.approx(float(alone.detach()) / 2)


def test_axes_survive_a_checkpoint():
    for axis in AXES.values():
        assert from_dict(Axis, asdict(axis)) == axis
    mine = replace(AXES["brightness"], name="dullness", scale=-1.1)
    assert find_axes([mine, "attack"]) == (mine, AXES["attack"])
    spec, pitch = FRONT(sound()), torch.tensor([60.0])
    both = axis_values(spec, FRONT, pitch, [mine, "brightness"])[0]
    assert float(both[0]) == pytest.approx(-float(both[1]))


def test_the_table_says_what_one_means():
    table = describe_axes(NAMES)
    assert "| brightness | a spectral centroid 2.1 times as high | 512 Hz, 1097 Hz, 2353 Hz |" in table
    assert [row.split(" | ")[0] for row in table.splitlines()[2:]] == [f"| {name}" for name in NAMES]
    own = Axis("warmth", "rolloff", "log2 Hz", 11.0, -0.5, 0.0)
    assert "| warmth | rolloff -0.5 more (log2 Hz) |" in describe_axes([own])


def test_refusals():
    with pytest.raises(ConfigError, match="did you mean brightness"):
        AxesTerm(["brightnes"])
    with pytest.raises(ConfigError, match="known here"):
        axis_values(FRONT(sound()), FRONT, torch.tensor([60.0]), ["x"])
    with pytest.raises(AudioError, match="Spectrograms must be"):
        axis_values(FRONT(sound())[0], FRONT, torch.tensor([60.0]), ["attack"])
    with pytest.raises(ConfigError, match="must be above 0"):
        AxesTerm(["attack"], tolerance=0.0)
    with pytest.raises(ConfigError, match="descriptor of the axis x must be one of"):
        Axis("x", "nothing", "", 0.0, 1.0, 0.0)
    with pytest.raises(ConfigError, match="scale of the axis x must not be 0"):
        Axis("x", "attack", "", 0.0, 0.0, 0.0)
    attack = asdict(AXES["attack"])
    for wrong, sentence in (
        ({"name": "x"}, "descriptor must be given"),
        ({**attack, "extra": 1}, "Unknown setting extra"),
        ({**attack, "scale": "1"}, "scale must be a number, got '1'"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            from_dict(Axis, wrong)
    term = AxesTerm(["brightness", "attack"])
    for z, values in ((torch.zeros(2, 1), torch.zeros(2, 2)), (torch.zeros(2, 4), torch.zeros(2, 1))):
        with pytest.raises(ConfigError, match="2 named axes need"):
            term(z, labels(values))
