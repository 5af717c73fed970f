"""Auditory features: gain changes nothing, onsets are resolved finely, brightness and attack make distance."""

import math

import pytest
import torch

from timbre.config import SpectrogramConfig
from timbre.spectral import Spectrogram
from timbre.spectral.auditory import AuditoryFeatures

RATE, SECONDS = 22050, 1.0
SPECTROGRAMS = {kind: Spectrogram(SpectrogramConfig(kind=kind)) for kind in ("mel", "linear", "erb")}


def tone(slope=6.0, attack=0.01, decay=0.0, pitch=220.0):
    """A harmonic tone: partials fall by `slope` dB per octave, the level by `decay` dB per second."""
    time = torch.arange(round(SECONDS * RATE)) / RATE
    partials = torch.arange(1, int(RATE / 2 / pitch))
    levels = 10.0 ** (-slope * torch.log2(partials.float()) / 20.0)
    wave = (levels[:, None] * torch.sin(2 * math.pi * pitch * partials[:, None] * time)).sum(0)
    return 0.1 * wave * (time / attack).clamp_max(1.0) * 10.0 ** (-decay * time / 20.0)


def features(*waves, kind="mel"):
    spectrogram = SPECTROGRAMS[kind]
    with torch.no_grad():
        return AuditoryFeatures(spectrogram, SECONDS)(spectrogram(torch.stack(waves)))


@pytest.mark.parametrize("kind", SPECTROGRAMS)
def test_gain_changes_nothing_but_what_sinks_below_the_floor(kind):
    wave = tone()
    loud, soft, duller = features(wave, 0.25 * wave, tone(12.0), kind=kind)
    assert (loud - soft).norm() < 0.2 * (loud - duller).norm()


def test_a_batch_is_its_notes():
    waves = [tone(), tone(12.0), tone(attack=0.2)]
    torch.testing.assert_close(features(*waves), torch.cat([features(wave) for wave in waves]))


@pytest.mark.parametrize("kind", SPECTROGRAMS)
@pytest.mark.parametrize("change", [{"slope": 12.0}, {"attack": 0.15}, {"decay": 40.0}])
def test_brightness_attack_and_decay_make_distance(kind, change):
    """Each change is farther than a detuning by a tenth of a semitone, and twice the change is farther still."""
    (name,) = change
    more = {"slope": 18.0, "attack": 0.5, "decay": 80.0}[name]
    found = features(tone(), tone(pitch=220.0 * 2 ** (0.1 / 12)), tone(**change), tone(**{name: more}), kind=kind)
    detuned, near, far = ((found[0] - other).norm() for other in found[1:])
    assert 3.0 * detuned < near < far


def test_front_ends_agree():
    waves = [tone(), tone(12.0), tone(attack=0.2), tone(decay=40.0), tone(pitch=440.0)]
    distances = {kind: torch.pdist(features(*waves, kind=kind)) for kind in SPECTROGRAMS}
    for kind in ("linear", "erb"):
        ratio = distances[kind] / distances["mel"]
        assert 0.7 < float(ratio.min()) <= float(ratio.max()) < 1.4


def test_cells_cover_every_frame_once_and_average():
    shape = AuditoryFeatures(SPECTROGRAMS["mel"], 2.0)
    cells = shape.cells
    torch.testing.assert_close(cells.sum(0), torch.ones(cells.shape[1]))
    assert bool((cells.sum(1) > 0).all())
    widths = (cells > 0).sum(0)
    assert widths[0] == 2
    assert widths[-1] > 30  # 23 ms at the onset, half a second at the end
    assert shape.size == 32 * cells.shape[1]


def test_gradients_are_finite_down_to_silence():
    silent = torch.full((2, 256, SPECTROGRAMS["mel"].config.frames(RATE)), -80.0)
    silent[0, 40:60, :20] = -10.0
    silent.requires_grad_()
    AuditoryFeatures(SPECTROGRAMS["mel"], SECONDS)(silent).square().sum(1).sqrt().sum().backward()
    assert torch.isfinite(silent.grad).all()
