"""Limits of decoders' outputs, and of the pitch flow's reach: no explosions at pitches far from a sound's own."""

import math

import numpy as np
import pytest
import torch

import timbre
from timbre.errors import CheckpointError
from timbre.models.conditions import Conditions
from timbre.models.decoder import UNBOUNDED
from timbre.models.frame_decoder import FrameDecoder
from timbre.models.graphs import onnxruntime
from timbre.models.limits import fit_limits
from timbre.models.pitch_flow import REACH, PitchFlow

TIMES = torch.tensor([0.05, 0.3, 1.0, 3.0])


def decoded(space, points, pitch):
    """Frames of points (n, dim) at a pitch, dB."""
    z, count = torch.from_numpy(points.astype(np.float32)), len(points)
    conditions = Conditions(*(torch.full((count,), value) for value in (pitch, 0.8, torch.inf)))
    with torch.no_grad():
        return space.model.decoder(space.model.latent(z, conditions.pitch), conditions, TIMES)


@pytest.mark.parametrize("name", ["orchestra", "orchestra-22k"])
def test_no_key_of_a_shipped_space_is_far_louder_than_its_notes(name):
    space = timbre.load(name)
    points = space.atlas.points[:: len(space.atlas) // 100]
    loudest = np.array([decoded(space, points, float(pitch)).amax((1, 2)).numpy() for pitch in range(21, 109, 6)])
    assert np.mean(loudest > 0.0) < 0.02
    assert loudest.max() < 12.0


@pytest.mark.parametrize("name", ["orchestra", "orchestra-22k"])
def test_a_graph_without_the_reach_is_refused(name):
    """Graphs of live play that were made before are made anew: the examples by which they are checked tell."""
    space = timbre.load(name)
    decoder, flow = FrameDecoder(space.model, space.spectrogram), space.model.pitch_flow
    if not onnxruntime():
        pytest.skip("onnxruntime is not installed")
    assert decoder.opened(space.graph)
    most, flow.most = flow.most, math.inf
    with pytest.raises(CheckpointError, match="must be those of the model"):
        decoder.opened(space.graph)
    flow.most = most


def test_limits_are_what_notes_reach(tiny_space):
    """At their own pitches notes stay as they are; a decoder without limits is what it was."""
    model, atlas = tiny_space.model, tiny_space.atlas
    decoder, own = model.decoder, model.decoder.limits.clone()
    pitch, velocity = (torch.from_numpy(part.astype(np.float32)) for part in (atlas.pitches, atlas.velocities))
    with torch.no_grad():
        z = model.latent(torch.from_numpy(atlas.points.astype(np.float32)), pitch)
    conditions = Conditions(pitch, velocity, torch.full_like(pitch, torch.inf))
    try:
        decoder.limits.fill_(UNBOUNDED)
        with torch.no_grad():
            free = decoder(z, conditions, TIMES)
        fit_limits(decoder, z, pitch, velocity)
        assert bool((decoder.limits <= UNBOUNDED).all())
        assert bool(torch.isfinite(decoder.limits).all())
        with torch.no_grad():
            bound = decoder(z, conditions, TIMES)
            parts = decoder.raw(*decoder.parts(100.0 * z, conditions, TIMES))
        assert float((free - bound).abs().mean()) < 0.05
        assert bool((parts <= decoder.limits + 1e-4).all())
    finally:
        decoder.limits.copy_(own)


def test_without_pitched_notes_partials_have_no_limits(tiny_space):
    decoder, own = tiny_space.model.decoder, tiny_space.model.decoder.limits.clone()
    z, unknown = torch.randn(8, tiny_space.dim), torch.full((8,), torch.nan)
    try:
        fit_limits(decoder, z, unknown, torch.full((8,), 0.8))
        assert bool((decoder.limits[: decoder.bins] == UNBOUNDED).all())
        assert bool((decoder.limits[decoder.bins : 2 * decoder.bins] < 100.0).all())
    finally:
        decoder.limits.copy_(own)


def test_a_pitch_flow_moves_points_within_its_reach():
    flow = PitchFlow(8)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    z = torch.randn(200, 8)
    for pitch in (21.0, 60.0, 108.0):
        moved = flow.inverse(z, torch.tensor(pitch))
        most = z.norm(dim=-1).clamp_min(8**0.5 + REACH)
        assert bool((moved.norm(dim=-1) <= most + 1e-4).all())
    assert torch.allclose(flow.inverse(z, torch.tensor(60.0)), z, atol=1e-5)
