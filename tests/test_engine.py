"""The live engine on real notes: what it plays is what is rendered offline, and nothing clicks."""

import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder import Recorder, some_presets

import timbre
from timbre.errors import ConfigError
from timbre.models.vae import VAE
from timbre.paths import Path
from timbre.playback.controls import Latency, central_point
from timbre.playback.engine.engine import HANDLERS, Engine
from timbre.playback.engine.follower import Follower
from timbre.playback.engine.frames import frame_decoder
from timbre.playback.engine.governor import Governor
from timbre.playback.engine.shared_state import read_state, write_state
from timbre.playback.output.ring import Ring
from timbre.shapes.presets import Preset, Presets
from timbre.space import Space

RATE = 22050
DARK = np.array([-2.0, 0.0, -2.5], np.float32)  # in `known_space`: no high partials, so that a click stands out


def frequency(sound: np.ndarray, rate: int, near: float) -> float:
    """Hz of the strongest partial within a semitone of `near`, by a parabola through the spectrum's logarithm."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 18))
    bins = np.fft.rfftfreq(1 << 18, 1 / rate)
    inside = np.flatnonzero((bins > near / 1.06) & (bins < near * 1.06))
    k = inside[spectrum[inside].argmax()]
    a, b, c = np.log(spectrum[k - 1 : k + 2])
    return float((k + 0.5 * (a - c) / (a - 2 * b + c)) * rate / (1 << 18))


def cents(a: float, b: float) -> float:
    return abs(1200 * np.log2(a / b))


def roughest(sound: np.ndarray) -> float:
    """Peak of the second difference."""
    return float(np.abs(np.diff(sound, 2)).max())


@pytest.mark.parametrize(("note", "inverter"), [(0, "rtpghi"), (20, "rtpghi"), (20, "portable")])
def test_a_note_is_what_is_rendered_offline(tiny_space: Space, note: int, inverter: str):
    z = tiny_space.atlas.points[note]
    live = Engine(tiny_space, point=z, inverter=inverter)
    live.note_on(64.3, 0.7)
    sound = live.render(3 * RATE // 2)
    late = round(live.look_ahead * RATE)
    offline = tiny_space.decode(z, 64.3, 0.7, 3.0, 1, inverter).samples[0]
    heard = sound[late:]
    error = np.sqrt(np.mean((heard - 0.5 * offline[: len(heard)]) ** 2) / np.mean((0.5 * offline[: len(heard)]) ** 2))
    assert error < 1e-3
    assert np.abs(sound[:late]).max() < 1e-6


def test_the_first_sample_of_a_note_comes_within_a_step(harmonic_space: Space):
    live = Engine(harmonic_space)
    live.render(1000)
    live.note_on(60)
    first = np.flatnonzero(np.abs(live.render(2048)) > 1e-5)[0]
    assert first <= round(live.look_ahead * RATE) + 2 * live.step


@settings(max_examples=8)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_blocks_of_any_size_give_the_same(tiny_space: Space, sizes: list[int]):
    whole, dealt = Engine(tiny_space, sample_rate=48000), Engine(tiny_space, sample_rate=48000)
    for one in (whole, dealt):
        one.note_on(55)
        one.note_on(59, 0.4)
    parts = [dealt.render(size) for size in sizes]
    np.testing.assert_array_equal(np.concatenate(parts), whole.render(sum(sizes)))


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_pitch_and_bend_are_in_tune_at_every_rate(harmonic_space: Space, rate: int):
    live = Engine(harmonic_space, sample_rate=rate)
    live.hold(0.3)
    live.note_on(69)
    live.render(rate // 2)
    assert cents(frequency(live.render(rate), rate, 440.0), 440.0) < 5
    live.bend(2)
    live.render(rate // 4)
    wanted = 440.0 * 2 ** (2 / 12)
    assert cents(frequency(live.render(rate), rate, wanted), wanted) < 5


@pytest.mark.parametrize(
    ("n_fft", "hop", "inverter"), [(4096, 1024, "rtpghi-1"), (1000, 250, "rtpghi"), (1024, 509, "rtpghi-1")]
)
def test_any_transform_and_causal_inverter_can_be_played(tiny_space: Space, n_fft: int, hop: int, inverter: str):
    spectrogram = replace(tiny_space.config.spectrogram, n_fft=n_fft, hop_length=hop)
    config = replace(tiny_space.config, spectrogram=spectrogram)
    torch.manual_seed(0)
    space = Space(config, VAE(config).eval(), tiny_space.atlas, {})
    live = Engine(space, voices=2, inverter=inverter, sample_rate=48000)
    for pitch in (50, 57, 62, 69):
        live.note_on(pitch)
        sound = live.render(9000)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() > 1e-4
    live.panic()
    live.render(9000)
    assert np.abs(live.render(9000)).max() == 0.0


def test_a_note_let_go_dies_away_and_frees_its_voice(tiny_space: Space):
    live = Engine(tiny_space)
    live.hold(0.3)
    live.note_on(60)
    held = live.render(RATE)
    assert live.state().notes == (60.0,)
    live.note_off(60)
    live.render(2 * RATE)
    assert live.state().voices == 0
    assert np.abs(live.render(RATE // 4)).max() < 1e-6 < np.abs(held[RATE // 2 :]).max()


def test_a_held_note_stands_still_until_it_is_let_go(harmonic_space: Space):
    live = Engine(harmonic_space)
    live.hold(0.3)
    live.note_on(60)
    live.render(RATE)
    one, other = live.render(RATE), live.render(RATE)
    assert abs(20 * np.log10(np.std(one) / np.std(other))) < 0.05


def test_the_pedal_holds_what_is_let_go(tiny_space: Space):
    live = Engine(tiny_space)
    live.hold(0.3)
    live.sustain(True)
    live.note_on(60)
    live.render(RATE // 2)
    live.note_off(60)
    live.render(2 * RATE)
    assert live.state().voices == 1
    live.sustain(False)
    live.render(2 * RATE)
    assert live.state().voices == 0


def test_a_key_that_is_struck_again_lets_its_first_note_go(tiny_space: Space):
    live = Engine(tiny_space)
    live.hold(0.3)
    live.note_on(60, key="a")
    live.render(2000)
    live.note_on(67, key="a")
    live.render(2000)
    assert live.state().notes == (67.0,)


def test_a_note_of_no_length_still_sounds(harmonic_space: Space):
    live = Engine(harmonic_space)
    live.note_on(60)
    live.note_off(60)
    assert np.abs(live.render(RATE // 2)).max() > 1e-3
    live.render(2 * RATE)
    assert live.state().voices == 0


def test_voices_are_stolen_without_a_click(known_space: Space):
    live = Engine(known_space, voices=2, point=DARK, runtime="torch")
    live.hold(0.3)
    for pitch in (50, 52):
        live.note_on(pitch, 0.9)
    before = live.render(RATE)[RATE // 2 :]
    sound = []
    for pitch in (55, 57):
        live.note_on(pitch, 0.01)
        sound.append(live.render(RATE // 10))
    assert live.state().voices == 2
    assert live.state().stolen == 2
    assert roughest(np.concatenate(sound)) < 1.2 * roughest(before)


def test_panic_is_silence_within_milliseconds(known_space: Space):
    live = Engine(known_space, point=DARK, runtime="torch")
    live.hold(0.3)
    live.sustain(True)
    for pitch in range(48, 56):
        live.note_on(pitch)
    before = live.render(RATE)[RATE // 2 :]
    live.panic()
    after = live.render(RATE)
    assert np.abs(after[round(0.02 * RATE) :]).max() == 0.0
    assert roughest(after) <= 1.2 * roughest(before)
    assert live.state().voices == 0


def test_loud_chords_stay_within_full_scale(known_space: Space):
    live = Engine(known_space, voices=12, runtime="torch")
    live.hold(0.3)
    live.gain(24)
    for pitch in range(48, 60):
        live.note_on(pitch, 1.0)
    sound = live.render(2 * RATE)
    assert 0.9 < np.abs(sound).max() < 1.0


@pytest.mark.parametrize("ends", [("flute-C4", "violin-A3"), ("clarinet-D3", "flute-C4")])
def test_a_morph_moves_all_notes_without_a_click(ends: tuple[str, str]):
    space = timbre.load("orchestra")  # between notes of a space that is hardly trained lie noisier sounds
    a, b = (space.atlas[name] for name in ends)
    live, there = (Engine(space, point=point, runtime="torch", inverter="rtpghi") for point in (a, b))
    for engine in (live, there):
        engine.hold(0.3)
        engine.note_on(60)
        engine.render(RATE // 2)
    still, arrived = (engine.render(RATE // 2) for engine in (live, there))
    live.at(b)
    moved = live.render(RATE // 2)
    assert roughest(moved) < 1.5 * max(roughest(still), roughest(arrived))
    np.testing.assert_allclose(live.state().point, b, atol=1e-4)


def test_paths_are_followed_looped_and_left(tiny_space: Space):
    a, b = tiny_space.atlas.points[:2]
    live = Engine(tiny_space, point=a)
    live.hold(0.2)
    live.note_on(60)
    live.path(tiny_space.path(a, b), duration=0.5)
    live.render(RATE)
    np.testing.assert_allclose(live.state().point, b, atol=1e-3)
    live.path(tiny_space.path(a, b, kind="slerp"), duration=0.5, loop=True)
    places = []
    for _ in range(20):
        live.render(RATE // 10)
        places.append(live.state().point)
    assert np.ptp(places[:10], axis=0).max() > 0.3 * np.abs(b - a).max()
    assert np.ptp(places[10:], axis=0).max() > 0.3 * np.abs(b - a).max()
    live.path(None)
    live.render(RATE // 2)
    stood = live.state().point
    live.render(RATE // 2)
    np.testing.assert_allclose(live.state().point, stood, atol=1e-5)


def test_unpitched_notes_sound(known_space: Space):
    live = Engine(known_space, runtime="torch")
    live.note_on(None, key="drum")
    assert np.abs(live.render(RATE)).max() > 1e-4
    live.note_off("drum")


def test_presets_are_gone_to_by_name_and_number(tiny_space: Space):
    a, b = tiny_space.atlas.points[:2]
    presets = Presets([Preset("one", Path(b, np.zeros(1))), Preset("way", tiny_space.path(a, b), 0.2, loop=False)])
    live = Engine(tiny_space, presets=presets, point=a)
    live.preset("one")
    live.render(2000)
    np.testing.assert_allclose(live.state().point, b, atol=1e-6)
    live.preset(1)
    live.render(RATE // 2)
    np.testing.assert_allclose(live.state().point, b, atol=1e-3)
    with pytest.raises(ConfigError, match="no preset 'two'; the presets are: one, way"):
        live.preset("two")


def test_both_runtimes_decode_the_same(tiny_space: Space):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    rng = np.random.default_rng(0)
    by_torch, name = frame_decoder(tiny_space, "torch")
    assert name == "torch"
    by_onnx, name = frame_decoder(tiny_space, "onnxruntime")
    assert name == "onnxruntime"
    for count in (1, 7):
        points = rng.standard_normal((count, tiny_space.dim), np.float32)
        pitch = np.where(np.arange(count) == 3, np.nan, rng.uniform(20, 100, count)).astype(np.float32)
        rows = [rng.random(count, np.float32), rng.random(count, np.float32), np.full(count, 1e9, np.float32)]
        one, other = by_torch(points, pitch, *rows), by_onnx(points, pitch, *rows)
        assert one.shape == (count, tiny_space.config.spectrogram.n_fft // 2 + 1)
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_the_governor_gives_up_voices_first_and_takes_them_back(tiny_space: Space):
    live = Engine(tiny_space)
    live.hold(0.3)
    for pitch in range(50, 58):
        live.note_on(pitch)
    live.render(RATE // 4)
    governor = Governor(live, block=256)
    usual = governor.ahead
    live.load = 1.2
    for _ in range(30):
        governor.rendered(0.012, 0.01, 0)
    assert live.limit == 7
    assert live.state().shed == 1
    assert usual < governor.ahead < usual + 0.02 * RATE + 256
    live.load = 0.3
    for _ in range(600):
        governor.rendered(0.003, 0.01, 0)
    assert live.limit == 8


def test_the_governor_keeps_more_ahead_where_the_device_runs_dry(tiny_space: Space):
    live = Engine(tiny_space)
    governor = Governor(live, block=256)
    live.load = 0.2
    for count in range(1, 100):
        governor.rendered(0.001, 0.01, count // 20)
    grown = governor.ahead
    assert grown >= 4 * 256
    for _ in range(3000):
        governor.rendered(0.001, 0.01, 99 // 20)
    assert governor.ahead < grown


def test_one_long_step_does_not_make_everything_late(tiny_space: Space):
    live = Engine(tiny_space)
    governor = Governor(live, block=256)
    for _ in range(64):
        governor.rendered(0.001, 0.003, 0)
    usual = governor.ahead
    governor.rendered(0.2, 0.003, 0)
    assert governor.ahead == usual


def test_what_cannot_keep_up_at_all_ends_with_one_voice(tiny_space: Space):
    live = Engine(tiny_space)
    for pitch in range(50, 58):
        live.note_on(pitch)
    live.render(2000)
    for _ in range(20):
        live.shed()
    assert live.limit == 1
    live.note_on(70)
    live.render(2000)
    assert live.state().voices == 1


@settings(max_examples=30)
@given(st.floats(-3, 3), st.floats(0.02, 3.0), st.booleans())
def test_a_follower_never_overshoots(end: float, duration: float, loop: bool):
    follower = Follower(np.zeros(2), 86.0)
    follower.follow(Path(np.array([[0.0, 0.0], [end, 1.0]]), np.array([0.0, 1.0])), duration, loop)
    for _ in range(400):
        follower.advance()
        assert min(0.0, end) - 1e-6 <= follower.point[0] <= max(0.0, end) + 1e-6
    if not loop:
        np.testing.assert_allclose(follower.point, [end, 1.0], atol=1e-2)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda live: live.note_on(5), "pitch must be a number from 12 to 127 .*, got 5"),
        (lambda live: live.note_on(float("nan")), "pitch must .* got nan"),
        (lambda live: live.note_on("A4"), "pitch must .* got 'A4'"),
        (lambda live: live.note_on(60, 1.5), "velocity must be a number from 0 to 1, got 1.5"),
        (lambda live: live.note_on(None), "must have a key, got none"),
        (lambda live: live.at([0.0]), "must have 3 numbers"),
        (lambda live: live.at([0.0, np.inf, 0.0]), "finite coordinates"),
        (lambda live: live.axis(3, 0.0), "axes 0 to 2"),
        (lambda live: live.axis("warmth", 0.0), "no axis 'warmth'"),
        (lambda live: live.axis(0, 1e9), "from -100 to 100"),
        (lambda live: live.path(Path(np.zeros((2, 4)), np.array([0.0, 1.0]))), "must have 3 dimensions, .* got 4"),
        (lambda live: live.path(Path(np.zeros(3), np.zeros(1)), 0.0), "duration must .* got 0.0"),
        (lambda live: live.bend(99), "bend must .* got 99"),
        (lambda live: live.gain(99), "gain must .* got 99"),
        (lambda live: live.hold(-1), "hold must .* got -1"),
        (lambda live: live.preset(0), "must be below 0"),
    ],
)
def test_wrong_values_are_refused_and_change_nothing(tiny_space: Space, call, sentence: str):
    live = Engine(tiny_space)
    before = live.point.copy()
    with pytest.raises(ConfigError, match=sentence):
        call(live)
    np.testing.assert_array_equal(live.point, before)
    assert np.abs(live.render(4000)).max() == 0.0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"voices": 0}, "number of voices must be .* got 0"),
        ({"voices": 65}, "number of voices must be .* got 65"),
        ({"sample_rate": 10}, "192000 Hz, got 10"),
        ({"runtime": "tflite"}, "onnxruntime and torch"),
        ({"inverter": "pghi"}, "The causal inverter must be one of"),
    ],
)
def test_settings_that_cannot_be_are_refused(tiny_space: Space, options: dict[str, object], sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        Engine(tiny_space, **options)  # type: ignore[arg-type]


def test_every_command_of_the_controls_has_a_handler_that_takes_its_arguments(tiny_space: Space):
    recorder = Recorder(tiny_space, some_presets(tiny_space))
    a, b = tiny_space.atlas.points[:2]
    recorder.note_on(60)
    recorder.note_on(None, key="drum")
    recorder.note_off("drum")
    recorder.express(60, {"bend": 1.0})
    recorder.sustain(True)
    recorder.bend(1)
    recorder.at(a)
    recorder.axis(0, 1.0)
    recorder.path(tiny_space.path(a, b))
    recorder.path(None)
    recorder.hold(0.5)
    recorder.hold(None)
    recorder.gain(-6)
    recorder.preset("still")
    recorder.preset("way")
    recorder.panic()
    assert {name for name, _ in recorder.events} == set(HANDLERS)
    for name, values in recorder.events:
        assert list(inspect.signature(HANDLERS[name]).parameters)[1:] == list(values)
        assert json.loads(json.dumps(values)) == values


def test_the_state_crosses_to_another_process_by_name(tiny_space: Space):
    live = Engine(tiny_space, voices=4)
    for pitch in (60, None, 48):
        live.note_on(pitch, key=str(pitch))
    live.render(4000)
    state = live.state()
    ring = Ring(1000)
    write_state(ring, state, 12.5)
    other = Ring(file=ring.file)
    other.underruns += 1
    read = read_state(other, tiny_space.dim, state.runtime, state.sample_rate, 256, 3.0)
    np.testing.assert_array_equal(read.point, state.point)
    np.testing.assert_array_equal(read.notes, state.notes)
    latency = Latency(12.5, state.latency.look_ahead, 3.0)
    compared = {"point": None, "notes": None}  # above; NaN and arrays have no equality
    assert replace(read, **compared) == replace(state, **compared, underruns=1, latency=latency, block=256)
    other.close()
    ring.close()


def test_it_starts_at_the_first_preset_within_reach(tiny_space: Space):
    far, near = (Preset(name, tiny_space.path(np.full(tiny_space.dim, at))) for name, at in (("a", 1e5), ("b", 0.25)))
    np.testing.assert_array_equal(Engine(tiny_space, Presets([far, near])).point, near.path.points[0])
    np.testing.assert_array_equal(Engine(tiny_space, Presets([far])).point, central_point(tiny_space))
