"""Descriptors: librosa's figures by librosa's definitions, sounds of known properties, and awkward notes."""

import csv

import librosa
import numpy as np
import pytest
import torch
from conftest import ORCHESTRA
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.config import Config, SpectrogramConfig
from timbre.data.features.example import example
from timbre.errors import AudioError, ConfigError
from timbre.spectral import Spectrogram
from timbre.spectral.descriptors import DESCRIPTORS, TIMBRE, describe
from timbre.spectral.descriptors.spectrum import flatness_db, moments, rolloff_hz, shape

RATE, SECONDS = 22050, 1.5
SPECTROGRAMS = {kind: Spectrogram(SpectrogramConfig(kind=kind)) for kind in ("mel", "linear", "erb")}
DEEP = Spectrogram(SpectrogramConfig(floor_db=-160.0))
NAMES = tuple(DESCRIPTORS)
PITCHED = ("odd_even", "tristimulus_1", "tristimulus_2", "tristimulus_3", "irregularity", "partial_slope")
PLACED = ("harmonic_energy", "inharmonicity", "roughness")
TIME = np.arange(round(SECONDS * RATE)) / RATE


def tone(pitch=60.0, amplitudes=(1.0,), envelope=1.0, seed=0):
    """A note of partials with random phases, peak about 0.25."""
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(amplitudes))
    parts = [
        a * np.sin(2 * np.pi * hz * k * TIME + p) for k, (a, p) in enumerate(zip(amplitudes, phase, strict=True), 1)
    ]
    return 0.25 * envelope * np.sum(parts, 0) / np.linalg.norm(amplitudes)


def noise(seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(len(TIME))


def spectrogram(samples, kind="mel", dtype=torch.float32):
    padded = np.zeros(len(TIME))
    padded[: len(samples)] = samples[: len(TIME)]
    with torch.no_grad():
        return SPECTROGRAMS[kind](torch.from_numpy(padded).float()[None]).to(dtype)


def value(samples, name, pitch=60.0, kind="mel"):
    return float(describe(spectrogram(samples, kind), SPECTROGRAMS[kind], torch.tensor([pitch]), [name]))


SAW = [1.0 / k for k in range(1, 33)]


@pytest.fixture(scope="module")
def bright_noise():
    """Coloured noise, all of it far above the floor: magnitudes in double precision, and their level in dB."""
    samples = np.convolve(noise(3), [1.0, 0.6, 0.3])
    level = spectrogram(samples, "linear", torch.float64)
    return torch.pow(10.0, level / 20.0), level


def test_moments_are_librosas(bright_noise):
    magnitude, _ = bright_noise
    hz, one = SPECTROGRAMS["linear"].centers.double(), torch.ones(513, dtype=torch.float64)
    mean, variance = moments(magnitude, hz, one)
    wanted = {"S": magnitude[0].numpy(), "sr": RATE, "freq": hz.numpy()}
    np.testing.assert_allclose(mean, librosa.feature.spectral_centroid(**wanted), rtol=1e-9)
    np.testing.assert_allclose(variance.sqrt(), librosa.feature.spectral_bandwidth(**wanted), rtol=1e-9)


def test_higher_moments_are_scipys(bright_noise):
    magnitude, _ = bright_noise
    place, one = torch.linspace(0, 30, 513, dtype=torch.float64), torch.ones(513, dtype=torch.float64)
    skewness, kurtosis = shape(magnitude, place, one)
    column = (magnitude[0, :, 40] / magnitude[0, :, 40].sum()).numpy()
    away = place.numpy() - column @ place.numpy()
    scale = np.sqrt(column @ away**2)
    assert skewness[0, 40] == pytest.approx(column @ away**3 / scale**3, rel=1e-3)
    assert kurtosis[0, 40] == pytest.approx(column @ away**4 / scale**4, rel=1e-3)


def test_rolloff_is_librosas_to_the_bin(bright_noise):
    magnitude, _ = bright_noise
    hz, one = SPECTROGRAMS["linear"].centers.double(), torch.ones(513, dtype=torch.float64)
    ours = rolloff_hz(magnitude, hz, one)
    theirs = librosa.feature.spectral_rolloff(S=magnitude[0].numpy(), sr=RATE, freq=hz.numpy(), roll_percent=0.85)
    below = theirs - ours.numpy()
    assert below.min() >= -1e-6
    assert below.max() <= RATE / 1024 + 1e-6


def test_flatness_is_librosas(bright_noise):
    magnitude, level = bright_noise
    ours = flatness_db(level, torch.ones(513, dtype=torch.float64))
    theirs = librosa.feature.spectral_flatness(S=magnitude[0].numpy(), power=2.0)
    np.testing.assert_allclose(ours, 10.0 * np.log10(theirs), atol=1e-9)


@pytest.mark.parametrize("kind", SPECTROGRAMS)
def test_the_centroid_of_a_note_is_librosas(kind):
    samples = tone(57, SAW)
    magnitude = librosa.stft(samples.astype(np.float32), n_fft=1024, hop_length=256)[:, 5:-5]
    theirs = librosa.feature.spectral_centroid(S=np.abs(magnitude), sr=RATE).mean()
    assert value(samples, "centroid", 57.0, kind) == pytest.approx(theirs, rel=0.03)


@pytest.mark.parametrize("name", ["centroid", "spread", "rolloff", "attack", "fluctuation", "decay_slope"])
@pytest.mark.parametrize("kind", ["mel", "erb"])
def test_front_ends_agree(name, kind):
    for pitch, slope in ((48.0, 1.0), (64.0, 0.7), (79.0, 1.5)):
        samples = tone(pitch, [k**-slope for k in range(1, 14)], np.exp(-3.0 * TIME) * np.minimum(TIME / 0.04, 1.0))
        ours, linear = value(samples, name, pitch, kind), value(samples, name, pitch, "linear")
        assert ours == pytest.approx(linear, rel=0.12 if pitch < 50 else 0.06, abs=0.05)


@pytest.mark.parametrize("kind", SPECTROGRAMS)
@pytest.mark.parametrize("seconds", [0.01, 0.05, 0.2, 0.8])
def test_attack_time_of_ramps(seconds, kind):
    samples = tone(69, SAW[:8], np.minimum(TIME / seconds, 1.0))
    assert value(samples, "attack", 69.0, kind) == pytest.approx(np.log10(seconds), abs=np.log10(1.2))


def test_attack_time_after_silence():
    ramp = np.clip((TIME - 0.1) / 0.2, 0.0, 1.0)
    assert value(tone(69, SAW[:8], ramp), "attack", 69.0) == pytest.approx(np.log10(0.2), abs=np.log10(1.3))


@pytest.mark.parametrize("kind", SPECTROGRAMS)
@pytest.mark.parametrize("slope", [-5.0, -30.0, -80.0])
def test_decay_slope_of_exponentials(slope, kind):
    samples = tone(60, SAW[:8], 10.0 ** (slope * TIME / 20.0))
    assert value(samples, "decay_slope", 60.0, kind) == pytest.approx(slope, rel=0.05)


@pytest.mark.parametrize("depth", [0.1, 0.3])
def test_fluctuation_of_tremolo(depth):
    envelope = 1.0 + depth * np.sin(2 * np.pi * 5.0 * TIME)
    wanted = np.std(20.0 * np.log10(envelope))
    assert value(tone(60, SAW[:8], envelope), "fluctuation") == pytest.approx(wanted, rel=0.2)
    assert value(tone(60, SAW[:8]), "fluctuation") < 0.05
    assert value(tone(60, SAW[:8], np.exp(-5.0 * TIME)), "fluctuation") < 0.1


@pytest.mark.parametrize("kind", SPECTROGRAMS)
@pytest.mark.parametrize("pitch", [48.0, 60.0, 76.0])
def test_odd_partials_alone(pitch, kind):
    odd = [(k % 2) / k for k in range(1, 12)]
    even = [1.0] + [(k % 2 == 0) / k for k in range(2, 12)]
    assert value(tone(pitch, odd), "odd_even", pitch, kind) > 20.0
    assert value(tone(pitch, even), "odd_even", pitch, kind) < -15.0
    assert abs(value(tone(pitch, SAW[:10]), "odd_even", pitch, kind)) < 2.0


@pytest.mark.parametrize("kind", SPECTROGRAMS)
@pytest.mark.parametrize("ratio", [-10.0, -20.0, -30.0])
@pytest.mark.parametrize("pitch", [60.0, 69.0, 76.0])
def test_noisiness_of_a_sine_in_noise(ratio, pitch, kind):
    sine, hiss = tone(pitch), noise()
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    inside = min(1.0, 32 * hz / (RATE / 2))
    hiss = hiss / hiss.std() * np.sqrt(np.mean(sine**2) * 10.0 ** (ratio / 10.0) / inside)
    # Filters on magnitudes cannot tell noise from a sine as finely as bins do.
    assert value(sine + hiss, "noisiness", pitch, kind) == pytest.approx(ratio, abs=2.0)


def test_noisiness_does_not_take_many_partials_for_noise():
    for pitch in (50.0, 57.0, 72.0):
        assert value(tone(pitch, SAW), "noisiness", pitch) < -28.0
    assert value(noise(), "noisiness", 60.0) > -3.0
    assert value(noise(), "noisiness", np.nan) > -8.0
    assert value(tone(60), "noisiness", np.nan) < -20.0


def test_tristimulus_of_known_partials():
    parts = np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    found = describe(spectrogram(tone(64, parts)), SPECTROGRAMS["mel"], torch.tensor([64.0]), PITCHED[1:4])[0]
    np.testing.assert_allclose(found, [0.5, 0.3, 0.2], atol=0.03)


def test_slope_of_known_partials():
    for slope in (-3.0, -6.0, -9.0):
        parts = [10.0 ** (slope * np.log2(k) / 20.0) for k in range(1, 40)]
        assert value(tone(57, parts), "partial_slope", 57.0) == pytest.approx(slope, abs=1.0)


def test_durations():
    held = (TIME < 0.5) * 1.0
    assert value(tone(60, SAW[:8], held), "effective_duration") == pytest.approx(0.5, abs=0.03)
    assert value(tone(60, SAW[:8], held), "temporal_centroid") == pytest.approx(0.25, abs=0.02)
    assert value(tone(60, SAW[:8], held), "temporal_balance") == pytest.approx(0.5, abs=0.04)
    assert value(tone(60, SAW[:8], np.exp(-8.0 * TIME)), "temporal_balance") < 0.3


def test_what_is_described_by_default_stays():
    assert len(TIMBRE) == 22
    assert not {"bandwidth", "loudness", *PLACED} & set(TIMBRE)
    spec, pitch = spectrogram(tone(60, SAW)), torch.tensor([60.0])
    torch.testing.assert_close(
        describe(spec, SPECTROGRAMS["mel"], pitch), describe(spec, SPECTROGRAMS["mel"], pitch, TIMBRE)
    )


@pytest.mark.parametrize("kind", SPECTROGRAMS)
def test_the_bandwidth_of_a_note_is_librosas(kind):
    samples = tone(57, SAW)
    magnitude = np.abs(librosa.stft(samples.astype(np.float32), n_fft=1024, hop_length=256)[:, 5:-5])
    theirs = librosa.feature.spectral_bandwidth(S=magnitude, sr=RATE).mean()
    assert value(samples, "bandwidth", 57.0, kind) == pytest.approx(theirs, rel=0.05)


AWKWARD = {
    "silence": np.zeros(10),
    "click": 0.5 * np.eye(1, 10)[0],
    "10 ms": tone(60)[:220],
    "padded": tone(60, SAW)[:8000],
    "late": np.concatenate([np.zeros(8000), tone(60, SAW)]),
    "noise": noise(),
    "sine": tone(60),
    "low": tone(24, SAW),
    "full scale": np.sign(tone(60)),
}


@pytest.mark.parametrize("kind", SPECTROGRAMS)
@pytest.mark.parametrize("sound", AWKWARD)
def test_every_descriptor_of_every_note_is_finite(sound, kind):
    spec = spectrogram(AWKWARD[sound], kind).requires_grad_()
    found = describe(spec, SPECTROGRAMS[kind], torch.tensor([60.0]), NAMES)
    assert found.isfinite().all()
    for name, column in zip(NAMES, found[0], strict=True):
        assert DESCRIPTORS[name].low <= column <= DESCRIPTORS[name].high, name
    describe(spec, SPECTROGRAMS[kind], torch.tensor([60.0]), NAMES, natural=True).sum().backward()
    assert spec.grad.isfinite().all()


def test_without_pitch_only_partials_are_undefined():
    spec = torch.cat([spectrogram(tone(60, SAW)), spectrogram(noise())]).requires_grad_()
    found = describe(spec, SPECTROGRAMS["mel"], torch.tensor([60.0, np.nan]), NAMES)
    assert found[0].isfinite().all()
    undefined = {name for name, missing in zip(NAMES, found[1].isnan(), strict=True) if missing}
    assert undefined == {*PITCHED, *PLACED}
    found.nan_to_num().sum().backward()
    assert spec.grad.isfinite().all()


def test_too_few_partials_are_undefined():
    found = describe(spectrogram(tone(108)), SPECTROGRAMS["mel"], torch.tensor([108.0]), PITCHED)[0]
    assert found[[0, 4, 5]].isnan().all()
    assert found[1:4].isfinite().all()


def test_a_batch_is_its_notes():
    spec = torch.cat([spectrogram(sound) for sound in AWKWARD.values()])
    pitch = torch.linspace(40, 80, len(spec))
    together = describe(spec, SPECTROGRAMS["mel"], pitch, NAMES)
    alone = torch.cat(
        [describe(x[None], SPECTROGRAMS["mel"], p[None], NAMES) for x, p in zip(spec, pitch, strict=True)]
    )
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


@settings(max_examples=6)
@given(st.floats(-12.0, 6.0))
def test_gain_changes_nothing(gain):
    samples = tone(55, SAW, np.exp(-4.0 * TIME) * np.minimum(TIME / 0.02, 1.0)) + 0.01 * noise()
    found = [
        describe(DEEP(torch.from_numpy(x).float()[None]), DEEP, torch.tensor([55.0]), natural=True)
        for x in (samples, samples * 10.0 ** (gain / 20.0))
    ]
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-3)


def test_gradients_are_those_of_finite_differences():
    spectrogram = Spectrogram(SpectrogramConfig(n_fft=256, hop_length=128, n_mels=24, sample_rate=8000))
    generator = torch.Generator().manual_seed(0)
    seconds = torch.arange(4000) / 8000
    sound = torch.sin(2 * torch.pi * 440 * seconds) + 0.1 * torch.randn(4000, generator=generator)
    spec = spectrogram(0.3 * sound[None] * torch.exp(-4.0 * seconds)).double().requires_grad_()
    pitch = torch.tensor([69.3], dtype=torch.float64, requires_grad=True)  # tables have their corners elsewhere

    def natural(x, p):
        return describe(x, spectrogram, p, NAMES, natural=True)

    assert torch.autograd.gradcheck(natural, (spec, pitch), eps=1e-5, atol=1e-3, rtol=1e-2, fast_mode=True)


def test_refusals():
    spec, pitch = spectrogram(tone(60)), torch.tensor([60.0])
    with pytest.raises(ConfigError, match="got 'warmth'"):
        describe(spec, SPECTROGRAMS["mel"], pitch, ["warmth"])
    for wrong in (spec[0], spec[:, :7], spec[..., :0]):
        with pytest.raises(AudioError, match="Spectrograms must be"):
            describe(wrong, SPECTROGRAMS["mel"], pitch)
    with pytest.raises(AudioError, match="Pitches must be"):
        describe(spec, SPECTROGRAMS["mel"], torch.tensor([60.0, 61.0]))
    for wrong in (spec * np.nan, spec * np.inf):
        with pytest.raises(AudioError, match="not finite"):
            describe(wrong, SPECTROGRAMS["mel"], pitch)
    with pytest.raises(AudioError, match="not finite"):
        describe(spec, SPECTROGRAMS["mel"], pitch * np.inf)
    assert describe(spec, SPECTROGRAMS["mel"], pitch, []).shape == (1, 0)


def test_scales_go_there_and_back():
    for name, found in DESCRIPTORS.items():
        inside = torch.linspace(max(found.low, -30.0), min(found.high, 40.0), 7, dtype=torch.float64) + 1e-3
        torch.testing.assert_close(found.scale.public(found.scale.natural(inside)), inside, msg=name)


REAL = {"clarinet": 74, "tuba": 74, "harpsichord": 74, "violin_section": 74, "xylophone": 200}  # below this pitch


@pytest.fixture(scope="module")
def real_notes():
    """Medians of descriptors of up to six shipped notes of each instrument."""
    with open(ORCHESTRA / "metadata.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["midi_pitch"]]
    found = {}
    for instrument, below in REAL.items():
        chosen = [row for row in rows if row["instrument"] == instrument and float(row["midi_pitch"]) < below][:6]
        made = [
            example(timbre.read(ORCHESTRA / row["file"]), SPECTROGRAMS["mel"], Config(), float(row["midi_pitch"]))
            for row in chosen
        ]
        spec, pitch = torch.from_numpy(np.stack([x.spectrogram for x in made])), torch.tensor([x.pitch for x in made])
        values = describe(spec, SPECTROGRAMS["mel"], pitch.float())
        assert values.isfinite().all() or instrument == "xylophone"
        found[instrument] = dict(zip(TIMBRE, values.nanmedian(0).values.tolist(), strict=True))
    return found


def test_real_notes_are_told_apart(real_notes):
    clarinet, tuba, harpsichord, violins, xylophone = (real_notes[name] for name in REAL)
    assert clarinet["odd_even"] > max(x["odd_even"] for x in (tuba, harpsichord, violins)) + 3.0
    assert harpsichord["centroid"] > 3.0 * tuba["centroid"]
    assert violins["attack"] > max(x["attack"] for x in (harpsichord, xylophone)) + 0.7
    assert violins["effective_duration"] > 2.0 * xylophone["effective_duration"]
    assert xylophone["decay_slope"] < -20.0 < clarinet["decay_slope"]
    assert violins["fluctuation"] > 2.0 * clarinet["fluctuation"]
