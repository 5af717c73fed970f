"""The streaming resampler against the sines that it should give, and against soxr."""

from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from timbre.audio.resampling import Resampler

RATES = [(22050, 44100), (22050, 48000), (44100, 48000), (48000, 44100), (44100, 22050), (16000, 44100)]


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_sine_stays_a_sine_and_is_late_by_the_delay(source: int, target: int):
    for hz in (100.0, 0.35 * min(source, target)):
        resampler = Resampler(source, target)
        sound = resampler.push(np.sin(2 * np.pi * hz * np.arange(source) / source))
        place = np.arange(len(sound)) / target - resampler.delay
        wanted = np.sin(2 * np.pi * hz * place)
        inner = slice(target // 10, None)
        assert np.abs(sound - wanted)[inner].max() < 1e-3
        assert abs(len(sound) - target) <= 1


@pytest.mark.parametrize(("source", "target"), RATES)
def test_noise_below_the_edge_is_that_of_soxr(source: int, target: int):
    rng = np.random.default_rng(0)
    low = soxr.resample(rng.standard_normal(8000), 8000, source, "VHQ")
    ours, theirs = Resampler(source, target).push(low), soxr.resample(low, source, target, "VHQ")
    late = Resampler(source, target).delay * target
    shift = np.fft.rfftfreq(1 << 17) * 2j * np.pi * late
    aligned = np.fft.irfft(np.fft.rfft(ours, 1 << 17) * np.exp(shift))[: len(theirs)]
    inner = slice(target // 10, 8 * target // 10)
    assert np.std((aligned - theirs)[inner]) < 2e-3 * np.std(theirs)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=10), st.sampled_from(RATES))
def test_blocks_give_what_the_whole_gives(sizes: list[int], rates: tuple[int, int]):
    sound = np.random.default_rng(1).standard_normal(sum(sizes))
    dealt, edges = Resampler(*rates), np.cumsum([0, *sizes])
    parts = [dealt.push(sound[a:b]) for a, b in pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(parts), Resampler(*rates).push(sound), atol=1e-12)
