"""Laws and references of the planar flows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro.distributions.transforms.planar import Planar
from torch.nn import functional as F

from timbre.models.flows.planar import EPSILON, PlanarFlow, constrained_u

SCALES = [1e-8, 1e-4, 1e-2, 0.1, 1.0, 3.0, 10.0, 30.0]


def random_flow(seed: int, scale: float, dim: int = 5, layers: int = 4) -> PlanarFlow:
    """A flow in float64 with normal parameters of the given scale."""
    generator = torch.Generator().manual_seed(seed)
    flow = PlanarFlow(dim, layers).double()
    for parameter in flow.parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return flow


def points(seed: int, count: int = 16, dim: int = 5) -> torch.Tensor:
    return 2.0 * torch.randn(count, dim, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dim", [1, 2, 16, 64])
def test_constraint_holds_for_random_draws(scale: float, dim: int) -> None:
    generator = torch.Generator().manual_seed(dim)
    u, w = (scale * torch.randn(2000, dim, generator=generator, dtype=torch.float64) for _ in range(2))
    u_hat, product = constrained_u(u, w)
    assert torch.isfinite(u_hat).all()
    assert ((w * u_hat).sum(-1) > -1.0).all()
    assert (product >= -1.0 + EPSILON).all()
    torch.testing.assert_close((w * u_hat).sum(-1), product, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("scale", SCALES)
def test_log_det_agrees_with_autograd(scale: float) -> None:
    flow, z = random_flow(0, scale), points(0)
    log_abs_det = flow(z)[1]
    for point, claimed in zip(z, log_abs_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda x: flow(x)[0], point)
        assert abs(torch.linalg.slogdet(jacobian).logabsdet - claimed) < 1e-8


@pytest.mark.parametrize("scale", SCALES)
def test_inverse_undoes_forward(scale: float) -> None:
    for seed in range(40):
        flow, z = random_flow(seed, scale, layers=1 + seed % 8), points(seed)
        with torch.no_grad():
            assert (flow.inverse(flow(z)[0]) - z).abs().max() < 1e-8


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([s for s in SCALES if s <= 1]), st.integers(1, 8))
def test_forward_undoes_inverse_at_any_point(seed: int, scale: float, layers: int) -> None:
    flow, z = random_flow(seed, scale, layers=layers), points(seed)
    with torch.no_grad():
        assert (flow(flow.inverse(z))[0] - z).abs().max() < 1e-7


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_pyro_in_its_safe_range(seed: int) -> None:
    flow, z = random_flow(seed, 0.5, dim=6, layers=1), points(seed, dim=6)
    theirs = Planar(6).double()
    theirs.bias.data, theirs.u.data, theirs.w.data = flow.b.data, flow.u.data[0], flow.w.data[0]
    with torch.no_grad():
        mapped, log_abs_det = flow(z)
        expected = theirs(z)
        torch.testing.assert_close(mapped, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(log_abs_det, theirs.log_abs_det_jacobian(z, expected), rtol=1e-8, atol=1e-8)


def test_no_layers_is_the_identity() -> None:
    z = points(0)
    mapped, log_abs_det = PlanarFlow(5, 0)(z)
    assert torch.equal(mapped, z)
    assert torch.equal(log_abs_det, torch.zeros(len(z), dtype=z.dtype))


def test_amortised_with_equal_parameters_is_global() -> None:
    shared, z = random_flow(3, 1.0), points(3)
    parameters = torch.cat([shared.u, shared.w, shared.b[:, None]], 1).flatten().expand(len(z), -1)
    amortised = PlanarFlow(5, 4, amortised=True)
    for ours, theirs in zip(amortised(z, parameters), shared(z), strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(amortised.inverse(amortised(z, parameters)[0], parameters), z, rtol=0, atol=1e-6)


def test_amortised_without_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="needs its parameters"):
        PlanarFlow(2, 1, amortised=True)(torch.zeros(1, 2))


def test_float32_stays_finite_and_invertible_at_extremes() -> None:
    for scale in SCALES:
        flow = random_flow(1, scale).float()
        z = points(1).float()
        mapped, log_abs_det = flow(z)
        assert torch.isfinite(mapped).all()
        assert torch.isfinite(log_abs_det).all()
        gradients = torch.autograd.grad((mapped.sum() + log_abs_det.sum()), list(flow.parameters()))
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_softplus_form_is_the_papers() -> None:
    u, w = torch.tensor([[0.3, -0.2]], dtype=torch.float64), torch.tensor([[0.5, 0.8]], dtype=torch.float64)
    product = (w * u).sum()
    expected = u + (F.softplus(product) - 1 - product) * w / (w * w).sum()
    torch.testing.assert_close(constrained_u(u, w)[0], expected)
