"""Where notes begin, and that what precedes them or lies under them does not count."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import timbre
from timbre.audio import Audio
from timbre.audio.noise import without_noise
from timbre.audio.onset import find_onset, high_pass
from timbre.config import Config
from timbre.data import Library
from timbre.data.features.example import example, prepare
from timbre.data.measuring import measure
from timbre.data.note import Note
from timbre.errors import AudioError
from timbre.spectral import Spectrogram

CASES = Path(__file__).parent / "cases"
RATE, CONFIG = 22050, Config()
PITCHES, ATTACKS = st.floats(40, 90), st.floats(0.002, 0.3)


def note(pitch: float = 69.0, attack: float = 0.01, seconds: float = 0.8, rate: int = RATE) -> np.ndarray:
    """A note of up to twelve partials with a fade-out, peak about 0.5."""
    time = np.arange(round(seconds * rate)) / rate
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    partials = [np.sin(2 * np.pi * k * hz * time + k) / k for k in range(1, 13) if k * hz < 0.45 * rate]
    return 0.25 * np.sum(partials, 0) * np.minimum(1.0, time / attack) * np.minimum(1.0, (seconds - time) / 0.05)


def after(seconds: float, samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    return np.concatenate([np.zeros(round(seconds * rate)), samples])


def hiss(size: int, db: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(size) * 10.0 ** (db / 20.0)


def onset(samples: np.ndarray, rate: int = RATE) -> float:
    heard = high_pass(np.atleast_2d(samples), rate, 25.0)
    return find_onset(heard, rate, -50.0).start / rate


def prepared(samples: np.ndarray, pitch: float | None = None) -> np.ndarray:
    return prepare(Audio(samples, RATE), CONFIG, pitch).samples.astype(np.float64)


def distance(samples: np.ndarray, clean: np.ndarray) -> float:
    """Level (dB) of the difference relative to the clean note, after the best shift of up to 20 ms."""
    middle = clean[500:9000]
    products = np.correlate(samples[:9500], middle, "valid")
    energy = np.r_[0.0, np.cumsum(samples[:9500] ** 2)]
    off = energy[middle.size :] - energy[: -middle.size] + np.sum(middle**2) - 2.0 * products
    return float(10.0 * np.log10(max(off.min() / np.sum(middle**2), 1e-12)))


class TestPreparation:
    """A prepared note is the same whatever constant, rumble or silence its recording has."""

    @settings(max_examples=15, deadline=None)
    @given(PITCHES, ATTACKS, st.floats(0.0, 2.0), st.floats(-0.4, 0.4))
    def test_a_constant_and_a_lead_in_change_nothing(self, pitch: float, attack: float, lead: float, dc: float) -> None:
        clean = note(pitch, attack)
        assert distance(prepared(after(lead, clean) + dc, pitch), prepared(clean, pitch)) < -40.0

    @settings(max_examples=12, deadline=None)
    @given(PITCHES, st.floats(0.002, 0.1), st.floats(0.05, 1.0), st.floats(-80, -55), st.integers(0, 99))
    def test_hiss_is_cut_off_and_subtracted(
        self, pitch: float, attack: float, lead: float, db: float, seed: int
    ) -> None:
        clean = note(pitch, attack)
        sound = after(lead, clean)
        found = prepared(sound + hiss(sound.size, db, seed), pitch)
        assert distance(found, prepared(clean, pitch)) < -26.0

    @settings(max_examples=12, deadline=None)
    @given(PITCHES, st.floats(0.1, 1.0), st.sampled_from([8.0, 12.0, 20.0]), st.floats(-60, -40))
    def test_rumble_is_removed(self, pitch: float, lead: float, hz: float, db: float) -> None:
        clean = note(pitch)
        sound = after(lead, clean)
        rumble = 10.0 ** (db / 20.0) * np.sin(2 * np.pi * hz * np.arange(sound.size) / RATE)
        assert distance(prepared(sound + rumble, pitch), prepared(clean, pitch)) < -26.0

    @settings(max_examples=12, deadline=None)
    @given(PITCHES, st.floats(0.0002, 0.02), st.sampled_from([1.0, -1.0, 0.7]))
    def test_a_channel_that_comes_later_is_left_out(self, pitch: float, delay: float, gain: float) -> None:
        clean = note(pitch)
        late = gain * after(delay, clean)
        both = np.stack([np.pad(clean, (0, late.size - clean.size)), late])
        assert distance(prepared(both, pitch), prepared(clean, pitch)) < -30.0

    @pytest.mark.parametrize(
        "channels", [[1, 1], [1, -1], [1, 0], [0, 1], [1, -0.8], [1, 1, -1], [1, -1, 1, -1], [0.3, 1]]
    )
    def test_channels_in_any_mixture_are_the_note(self, channels: list[float]) -> None:
        clean = note()
        mixed = np.array([gain * clean for gain in channels])
        assert distance(prepared(mixed), prepared(clean)) < -60.0

    def test_a_constant_alone_is_silence(self) -> None:
        for samples in (np.full(9000, 0.3), np.zeros(9000)):
            with pytest.raises(AudioError, match="must not be silent"):
                prepare(Audio(samples, RATE), CONFIG)


class TestOnset:
    @settings(max_examples=25, deadline=None)
    @given(PITCHES, ATTACKS, st.floats(0.1, 2.0), st.sampled_from([None, -80.0, -70.0, -60.0]), st.floats(-0.3, 0.3))
    def test_a_lead_in_moves_it_by_its_length(
        self, pitch: float, attack: float, lead: float, db: float | None, dc: float
    ) -> None:
        clean = note(pitch, attack)
        sound = after(lead, clean) + dc
        if db is not None:
            sound = sound + hiss(sound.size, db)
        late = 0.03 * attack if db is None else 0.25 * attack  # what is under the noise cannot be seen
        assert -0.0101 <= onset(sound) - lead - onset(clean) <= 0.0101 + late

    @pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
    def test_rates_agree(self, rate: int) -> None:
        assert onset(after(0.5, note(rate=rate), rate), rate) == pytest.approx(0.5, abs=0.0101)

    def test_clicks_and_steps_before_a_note_are_passed_over(self) -> None:
        for fault in (np.r_[np.full(20, 0.05), np.zeros(30)], np.full(60000, 0.02)):
            sound = after(0.3, note())
            sound[1500 : 1500 + fault.size] += fault[: sound.size - 1500]
            assert onset(sound) == pytest.approx(0.3, abs=0.0101)

    def test_a_soft_attack_is_kept(self) -> None:
        breath = hiss(4000, -45) * np.linspace(0.1, 1.0, 4000)  # rises, as breath and bow noise do
        assert onset(after(0.2, np.concatenate([breath, note()]))) < 0.25
        assert onset(note(attack=0.6)) <= 0.011
        assert onset(note()[3000:]) == 0.0  # begins in the middle

    def test_recorded_notes_keep_their_onsets(self, orchestra: Library) -> None:
        moved = []
        for item in orchestra[::7]:
            sound = item.audio()
            samples = sound.samples[0].astype(np.float64)
            size = round(0.01 * sound.sample_rate)
            power = np.add.reduceat(samples**2, np.arange(0, samples.size, size))
            moved.append(onset(samples, sound.sample_rate) - np.argmax(power > 1e-5 * power.max()) * 0.01)
        assert np.median(np.abs(moved)) < 0.001
        assert np.percentile(np.abs(moved), 95) < 0.0101

    def test_a_filter_does_not_spread_the_onset(self) -> None:
        sound = after(0.2, note(45))
        first = int(np.flatnonzero(sound)[0])
        filtered = high_pass(sound[None], RATE, 25.0)[0]
        assert not filtered[:first].any()
        sos = scipy.signal.butter(4, 25.0, "high", fs=RATE, output="sos")
        np.testing.assert_allclose(filtered[first:], scipy.signal.sosfilt(sos, sound[first:]), atol=1e-12)

    def test_the_filter_begins_above_0(self) -> None:
        for hz in (0.0, -1.0, np.nan, np.inf):
            with pytest.raises(AudioError, match="must begin above 0 Hz"):
                Audio(note(), RATE).high_pass(hz)


def test_noise_reduction_without_noise_changes_nothing() -> None:
    sound = note()
    for example_of_noise in (np.zeros(0), np.zeros(5000), hiss(100, -20)):
        np.testing.assert_array_equal(without_noise(sound, example_of_noise, RATE), sound)
    noisy = sound + hiss(sound.size, -50, 1)
    reduced = without_noise(noisy, hiss(4000, -50, 2), RATE)
    assert np.sum((reduced - sound) ** 2) < 0.5 * np.sum((noisy - sound) ** 2)


class TestCases:
    def test_a_constant_under_the_lead_in(self, pretrained_points: "PointOf") -> None:
        found = timbre.scan(CASES / "dc-offset")
        assert [item.measured.silence for item in found if item.measured] == pytest.approx([1.0] * 5, abs=0.0101)
        assert [item.flag_kinds for item in found] == [("silence", "dc")] * 4 + [("silence",)]
        points = [pretrained_points(item) for item in found]
        assert max(float(np.linalg.norm(point - points[-1])) for point in points) < 0.05

    def test_channels_that_cancel(self) -> None:
        found = timbre.scan(CASES / "stereo-antiphase")
        assert [item.flag_kinds for item in found] == [("channels",)] * 8
        assert [round(item.measured.pitch or 0) for item in found if item.measured] == [60, 62, 64, 65, 67, 69, 71, 72]
        assert len({item.measured.digest for item in found if item.measured}) == 8


class PointOf:
    """The point of a note in the space that comes with timbre."""

    def __init__(self) -> None:
        self.space = timbre.load("orchestra")

    def __call__(self, item: Note) -> np.ndarray:
        return self.space.encode(item.audio(), item.pitch)


@pytest.fixture(scope="module")
def pretrained_points() -> PointOf:
    return PointOf()


class TestRelease:
    @settings(max_examples=12, deadline=None)
    @given(PITCHES, st.floats(0.3, 1.6), st.floats(-40, 0))
    def test_a_note_is_released_where_it_ends(self, pitch: float, seconds: float, db: float) -> None:
        """Also if its bands at the floor add up to more than 50 dB below its loudest frame."""
        sound = 10.0 ** (db / 20.0) * note(pitch, 0.01, seconds)
        found = example(Audio(sound, RATE), Spectrogram(CONFIG.spectrogram), CONFIG, pitch)
        assert found.release == pytest.approx(seconds, abs=0.08)

    def test_a_tone_of_few_bands_is_released_too(self) -> None:
        """Its level is the lowest that notes have: all its power is in a few of 256 bands."""
        sound = Audio(0.5 * np.sin(2 * np.pi * 3000 * np.arange(11025) / RATE), RATE)
        found = example(sound, Spectrogram(CONFIG.spectrogram), CONFIG, None)
        assert found.release == pytest.approx(0.5, abs=0.08)


def flags_of(samples: np.ndarray) -> tuple[str, ...]:
    measured = measure(Audio(samples, RATE))
    flagged, _ = timbre.data.flags.add_flags([Note(Path("/a.wav"), "oboe", measured=measured)])
    return flagged[0].flag_kinds


def test_lead_ins_constants_and_channels_are_flagged() -> None:
    clean = note()
    assert flags_of(clean) == ()
    assert flags_of(clean + 0.01) == ("dc",)
    assert flags_of(after(0.7, clean)) == ("silence",)
    noisy = after(0.2, clean)
    assert flags_of(noisy + hiss(noisy.size, -50)) == ("lead-in",)
    assert flags_of(noisy + hiss(noisy.size, -85)) == ()
    swelling = np.abs(np.sin(np.arange(RATE) / 1500)) * note(50, 0.01, 1.0)
    murmur = np.concatenate([0.03 * swelling, clean])
    assert flags_of(murmur) == ("lead-in",)
    assert flags_of(np.stack([clean, -clean])) == ("channels",)
    assert flags_of(np.stack([clean, 0 * clean])) == ("channels",)
    assert flags_of(np.stack([clean, clean])) == ()
