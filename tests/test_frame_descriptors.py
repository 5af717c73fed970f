"""Descriptors of frames: those of notes for steady sounds, librosa's figures, gradients, refusals."""

import librosa
import numpy as np
import pytest
import torch

from timbre.config import SpectrogramConfig
from timbre.errors import AudioError, ConfigError
from timbre.spectral import Spectrogram
from timbre.spectral.descriptors import DESCRIPTORS, FRAME_DESCRIPTORS, describe, describe_frames

RATE = 22050
SPECTROGRAMS = {kind: Spectrogram(SpectrogramConfig(kind=kind)) for kind in ("mel", "linear", "erb")}
TIME = np.arange(RATE) / RATE


def steady(pitch=57.0, noise=0.0):
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    tone = sum(np.sin(2 * np.pi * hz * k * TIME + k * k) / k for k in range(1, 21))
    return 0.1 * tone + noise * np.random.default_rng(0).standard_normal(len(TIME))


def spectrogram(samples, kind="mel"):
    with torch.no_grad():
        return SPECTROGRAMS[kind](torch.from_numpy(samples).float()[None])


@pytest.mark.parametrize("kind", SPECTROGRAMS)
def test_frames_of_a_steady_sound_are_the_note(kind):
    spec, pitch = spectrogram(steady(), kind)[..., 4:-4], torch.tensor([57.0])
    note = describe(spec, SPECTROGRAMS[kind], pitch, FRAME_DESCRIPTORS, natural=True)[0]
    frames = describe_frames(spec, SPECTROGRAMS[kind], pitch, natural=True)[0]
    for name, whole, row in zip(FRAME_DESCRIPTORS, note, frames, strict=True):
        torch.testing.assert_close(row.mean(), whole, rtol=0.02, atol=0.02, msg=name)


def test_centroid_bandwidth_and_rolloff_are_librosas_in_every_frame():
    samples = steady(69.0, 0.05)  # loud noise, so that every band is far above the silence that is left out
    magnitude = np.abs(librosa.stft(samples.astype(np.float32), n_fft=1024, hop_length=256, pad_mode="constant"))
    found = describe_frames(
        spectrogram(samples, "linear"),
        SPECTROGRAMS["linear"],
        torch.tensor([69.0]),
        ["centroid", "bandwidth", "rolloff"],
    )[0, :, 4:-4].numpy()
    wanted = {"S": magnitude[:, 4:-4], "sr": RATE}
    np.testing.assert_allclose(found[0], librosa.feature.spectral_centroid(**wanted)[0], rtol=0.02)
    np.testing.assert_allclose(found[1], librosa.feature.spectral_bandwidth(**wanted)[0], rtol=0.05)
    off = np.abs(found[2] - librosa.feature.spectral_rolloff(**wanted, roll_percent=0.85)[0])
    assert off.max() <= 2 * RATE / 1024


def test_a_glide_is_followed_frame_by_frame():
    hz = np.geomspace(300.0, 3000.0, len(TIME))
    samples = 0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE)
    found = describe_frames(spectrogram(samples), SPECTROGRAMS["mel"], torch.tensor([60.0]), ["centroid"])[0, 0, 4:-4]
    np.testing.assert_allclose(found, hz[::256][4 : 4 + len(found)], rtol=0.03)


def test_a_pitch_for_every_frame_and_batches():
    spec = torch.cat([spectrogram(steady(57.0)), spectrogram(steady(64.0))])[..., 10:20]
    alone = [
        describe_frames(s[None], SPECTROGRAMS["mel"], p[None])
        for s, p in zip(spec, torch.tensor([57.0, 64.0]), strict=True)
    ]
    together = describe_frames(spec, SPECTROGRAMS["mel"], torch.tensor([[57.0] * 10, [64.0] * 10]))
    assert together.shape == (2, len(FRAME_DESCRIPTORS), 10)
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-3, atol=1e-3)


def test_one_pitch_for_all_frames_is_only_a_shorter_way():
    spec = spectrogram(steady(57.0))[..., 10:20].requires_grad_()
    close = torch.full((1, 10), 57.0)
    close[0, 0] += 1e-5
    found = [
        describe_frames(spec, SPECTROGRAMS["mel"], pitch, natural=True)[0] for pitch in (torch.tensor([57.0]), close)
    ]
    torch.testing.assert_close(*found, rtol=1e-3, atol=2e-3)
    slopes = [torch.autograd.grad(rows[8].sum(), spec)[0] for rows in found]  # of odd_even
    torch.testing.assert_close(*slopes, rtol=1e-2, atol=1e-3)


def test_without_pitch_only_partials_are_undefined():
    found = describe_frames(spectrogram(steady())[..., 10:12], SPECTROGRAMS["mel"], torch.tensor([np.nan]))[0, :, 0]
    undefined = {name for name, value in zip(FRAME_DESCRIPTORS, found, strict=True) if value.isnan()}
    assert undefined == {
        "odd_even", "tristimulus_1", "tristimulus_2", "tristimulus_3", "irregularity", "partial_slope",
        "harmonic_energy", "inharmonicity", "roughness",
    }  # fmt: skip


@pytest.mark.parametrize("level", [0.0, -20.0, -76.0, -80.0])
def test_gradients_are_finite_in_loud_and_silent_frames(level):
    # A few bands in a frame that is otherwise at the floor: what a decoder makes of a high note that dies away.
    spec = torch.full((1, 256, 3), -80.0)
    spec[0, 60:62] = level
    spec.requires_grad_()
    for pitch in (40.0, 77.0, 100.0):
        found = describe_frames(spec, SPECTROGRAMS["mel"], torch.tensor([pitch]), natural=True)
        for row in found[0].nan_to_num():
            (gradient,) = torch.autograd.grad(row.sum(), spec, retain_graph=True)
            assert gradient.isfinite().all()


def test_decoded_frames_of_real_notes_have_every_descriptor(tiny_space):
    for name in list(tiny_space.atlas)[::13]:
        number = tiny_space.atlas.index(name)
        pitch = float(tiny_space.atlas.pitches[number])
        spec = tiny_space.spectrum(tiny_space.atlas.points[number : number + 1], pitch, 0.8, 0.5)[None]
        found = describe_frames(spec, tiny_space.spectrogram, torch.tensor([pitch]))[0]
        assert found.isfinite().all()
        for descriptor, row in zip(FRAME_DESCRIPTORS, found, strict=True):
            assert DESCRIPTORS[descriptor].low <= row.min() <= row.max() <= DESCRIPTORS[descriptor].high, descriptor


def test_refusals():
    spec, pitch = spectrogram(steady())[..., :4], torch.tensor([57.0])
    with pytest.raises(ConfigError, match="'attack', which whole notes have only"):
        describe_frames(spec, SPECTROGRAMS["mel"], pitch, ["centroid", "attack"])
    with pytest.raises(ConfigError, match="got 'warmth'"):
        describe_frames(spec, SPECTROGRAMS["mel"], pitch, ["warmth"])
    for wrong in (spec[0], spec[..., 0]):
        with pytest.raises(AudioError, match="must be"):
            describe_frames(wrong, SPECTROGRAMS["mel"], pitch)
    with pytest.raises(AudioError, match="must be"):
        describe_frames(spec, SPECTROGRAMS["mel"], torch.full((1, 3), 57.0))
