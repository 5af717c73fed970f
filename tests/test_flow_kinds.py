"""Laws that every kind of flow keeps, global and amortised; references: autograd, pyro and zuko."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro.distributions.transforms.radial import Radial
from torch import Tensor
from torch.func import jacrev, vmap

from timbre.config import Config, DataConfig, ModelConfig
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.models.flows import FLOWS, Flow, NetworkFlow, PlanarFlow, RadialFlow, SylvesterFlow, make_flow
from timbre.models.flows.radial import constrained_beta
from timbre.models.vae import VAE

KINDS = list(FLOWS)
NETWORKS = ["coupling", "autoregressive", "spline"]
DOUBLE = torch.float64


def roused(kind: str, amortised: bool, seed: int = 0, dim: int = 4, layers: int = 3, scale: float = 1.0) -> Flow:
    """A flow in float64, far from the identity."""
    torch.manual_seed(seed)
    flow = make_flow(kind, dim, layers, amortised).double()
    for name, parameter in flow.named_parameters():
        if kind not in NETWORKS or name.split(".")[-2] in (
            "4",
            "phi",
        ):  # what decides the functions, not what is hidden
            size = 8.0 if parameter.shape[1:] == (64,) else 1.0
            parameter.data = scale / size * torch.randn_like(parameter)
    return flow


def notes(flow: Flow, batch: int = 6, spread: float = 1.5) -> tuple[Tensor, Tensor | None]:
    """Points, and parameters for an amortised flow."""
    return spread * torch.randn(batch, flow.dim, dtype=DOUBLE), (
        torch.randn(batch, flow.size, dtype=DOUBLE) if flow.amortised else None
    )


def every(function: object) -> object:
    both = pytest.mark.parametrize("amortised", [False, True], ids=["global", "amortised"])
    return pytest.mark.parametrize("kind", KINDS)(both(function))


@every
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), dim=st.integers(2, 6), layers=st.integers(1, 4))
def test_inverse_undoes_forward(kind: str, amortised: bool, seed: int, dim: int, layers: int) -> None:
    flow = roused(kind, amortised, seed, dim, layers, scale=0.5)
    z, parameters = notes(flow)
    with torch.no_grad():
        mapped = flow(z, parameters)[0]
        assert (mapped - z).abs().max() > 1e-3
        assert (flow.inverse(mapped, parameters) - z).abs().max() < 1e-6
        assert (flow(flow.inverse(z, parameters), parameters)[0] - z).abs().max() < 1e-6


@every
@pytest.mark.parametrize("seed", range(3))
def test_log_det_agrees_with_autograd(kind: str, amortised: bool, seed: int) -> None:
    flow = roused(kind, amortised, seed)
    z, parameters = notes(flow)
    for row, (point, claimed) in enumerate(zip(z, flow(z, parameters)[1], strict=True)):
        own = None if parameters is None else parameters[row : row + 1]
        jacobian = torch.autograd.functional.jacobian(lambda x, own=own: flow(x[None], own)[0][0], point)
        determinant = torch.linalg.slogdet(jacobian)
        assert determinant.sign > 0 or kind in [*NETWORKS, "householder"]
        torch.testing.assert_close(claimed, determinant.logabsdet, rtol=1e-8, atol=1e-8)


@every
def test_flow_of_a_density_is_a_density(kind: str, amortised: bool) -> None:
    """It integrates to one, where points are drawn from a wide Gaussian and led back: q(z) = N(f^-1(z)) / |det|."""
    flow, count = roused(kind, amortised, dim=2, scale=0.5), 20_000
    parameters = torch.randn(1, flow.size, dtype=DOUBLE).expand(count, -1) if amortised else None
    with torch.no_grad():
        mapped = flow(torch.randn(count, 2, dtype=DOUBLE), parameters)[0]
        wide = torch.distributions.Normal(mapped.mean(0), 1.5 * mapped.std(0))
        z = wide.sample((count,))
        base = flow.inverse(z, parameters)
        density = torch.distributions.Normal(0.0, 1.0).log_prob(base).sum(1) - flow(base, parameters)[1]
        share = (density - wide.log_prob(z).sum(1)).exp()
    assert abs(float(share.mean()) - 1.0) < 5.0 * float(share.std()) / count**0.5 < 0.2


@every
def test_no_layers_are_the_identity(kind: str, amortised: bool) -> None:
    flow = make_flow(kind, 4, 0, amortised)
    z = torch.randn(5, 4)
    parameters = torch.zeros(5, flow.size) if amortised else None
    assert flow.size == 0
    mapped, log_abs_det = flow(z, parameters)
    assert torch.equal(mapped, z)
    assert torch.equal(log_abs_det, torch.zeros(5))
    assert torch.equal(flow.inverse(z, parameters), z)


@every
def test_notes_do_not_see_each_other(kind: str, amortised: bool) -> None:
    flow = roused(kind, amortised)
    z, parameters = notes(flow)
    mapped, log_abs_det = flow(z, parameters)
    alone = flow(z[2:3], None if parameters is None else parameters[2:3])
    torch.testing.assert_close(alone[0], mapped[2:3])
    torch.testing.assert_close(alone[1], log_abs_det[2:3])


@every
def test_parameters_reach_the_map_and_get_gradients(kind: str, amortised: bool) -> None:
    flow = roused(kind, amortised, scale=0.3)
    z, parameters = notes(flow)
    learned = list(flow.parameters()) + ([] if parameters is None else [parameters.requires_grad_()])
    mapped, log_abs_det = flow(z, parameters)
    gradients = torch.autograd.grad(mapped.square().sum() + log_abs_det.sum(), learned)
    assert all(torch.isfinite(gradient).all() and gradient.abs().max() > 0 for gradient in gradients)


@every
def test_float32_finds_the_way_back(kind: str, amortised: bool) -> None:
    flow = roused(kind, amortised, dim=16, layers=8, scale=0.2).float()
    z, parameters = (None if value is None else value.float() for value in notes(flow, 64))
    with torch.no_grad():
        back = flow.inverse(flow(z, parameters)[0], parameters)
    assert back.dtype == torch.float32
    assert (back - z).abs().max() < 2e-3


@every
def test_new_flows_are_near_the_identity_and_can_leave_it(kind: str, amortised: bool) -> None:
    torch.manual_seed(5)
    flow = make_flow(kind, 16, 8, amortised)
    z = torch.randn(64, 16)
    parameters = flow.start() + 0.02 * torch.randn(64, flow.size) if amortised else None
    mapped, log_abs_det = flow(z, parameters)
    assert (mapped - z).abs().max() < 0.3
    assert log_abs_det.abs().max() < 1.5
    learned = [*flow.parameters(), *([] if parameters is None else [parameters.requires_grad_()])]
    gradients = torch.autograd.grad((z.flip(1) * flow(z, parameters)[0]).sum(), learned)
    assert max(float(gradient.norm()) for gradient in gradients) > 1.0


@pytest.mark.parametrize("kind", NETWORKS)
def test_halves_compose(kind: str) -> None:
    whole = roused(kind, False, layers=4)
    first, second = copy.deepcopy(whole), copy.deepcopy(whole)
    first.stack, second.stack = whole.stack[:2], whole.stack[2:]
    z = notes(whole)[0]
    middle, before = first(z)
    end, after = second(middle)
    torch.testing.assert_close(whole(z)[0], end)
    torch.testing.assert_close(whole(z)[1], before + after)


@pytest.mark.parametrize("kind", [PlanarFlow, RadialFlow, SylvesterFlow])
def test_single_maps_compose(kind: type[Flow]) -> None:
    torch.manual_seed(1)
    whole = kind(4, 3).double()
    z, log_abs_det = torch.randn(6, 4, dtype=DOUBLE), torch.zeros(6, dtype=DOUBLE)
    expected = whole(z)
    for layer in range(3):
        part = kind(4, 1).double()
        part.load_state_dict({name: value[layer : layer + 1] for name, value in whole.state_dict().items()})
        z, change = part(z)
        log_abs_det = log_abs_det + change
    torch.testing.assert_close(expected, (z, log_abs_det))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("amortised", [False, True])
def test_networks_agree_with_zuko(kind: str, amortised: bool) -> None:
    flow = roused(kind, amortised)
    z, parameters = notes(flow)
    mapped, log_abs_det = z, torch.zeros(len(z), dtype=DOUBLE)
    for layer in flow.stack:
        transform = layer(parameters)
        before, mapped = mapped, transform(mapped)
        log_abs_det = log_abs_det + transform.log_abs_det_jacobian(before, mapped)
    torch.testing.assert_close(flow(z, parameters), (mapped, log_abs_det))


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_dimension_is_moved_and_has_a_say(kind: str) -> None:
    """Orders and masks take turns: after some layers, each dimension depends on every other one."""
    flow = roused(kind, False, dim=5, layers=4)
    z = notes(flow, 64)[0]
    jacobian = vmap(jacrev(lambda x: flow(x[None])[0][0]))(z).abs().amax(0)
    assert (jacobian > 1e-9).all()


def test_a_spline_is_the_identity_beyond_its_bound_and_not_within() -> None:
    flow = roused("spline", False, layers=1)
    z = torch.full((1, 4), 9.0, dtype=DOUBLE)
    assert torch.equal(flow(z)[0], z)
    assert (flow(0.8 * z)[0] - 0.8 * z).abs().min() > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_radial_agrees_with_pyro(seed: int) -> None:
    torch.manual_seed(seed)
    ours, theirs = RadialFlow(6, 1).double(), Radial(6).double()
    for parameter in ours.parameters():
        parameter.data.normal_()
    theirs.x0.data, theirs.alpha_prime.data, theirs.beta_prime.data = (p.data[0] for p in ours.parameters())
    theirs.alpha_prime.data, theirs.beta_prime.data = ours.alpha.data, ours.beta.data
    z = torch.randn(16, 6, dtype=DOUBLE)
    with torch.no_grad():
        mapped, log_abs_det = ours(z)
        expected = theirs(z)
        torch.testing.assert_close(mapped, expected)
        torch.testing.assert_close(log_abs_det, theirs.log_abs_det_jacobian(z, expected))


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_radial_constraint_holds_for_any_numbers(alpha: float, beta: float) -> None:
    alpha_hat, beta_hat = constrained_beta(torch.tensor(alpha), torch.tensor(beta))
    assert alpha_hat > 0
    assert beta_hat > -alpha_hat


def test_radial_is_undone_at_its_centre_too() -> None:
    flow = RadialFlow(3, 1).double()
    z = flow.center.detach().clone()
    assert torch.equal(flow(z)[0], z)
    assert torch.equal(flow.inverse(z), z)


@pytest.mark.parametrize("kind", ["planar", "radial", "householder", "sylvester", "autoregressive", "spline"])
@pytest.mark.parametrize("amortised", [False, True])
def test_one_dimension(kind: str, amortised: bool) -> None:
    flow = roused(kind, amortised, dim=1, scale=0.5)
    z, parameters = notes(flow)
    mapped, log_abs_det = flow(z, parameters)
    slope = torch.autograd.functional.jacobian(lambda x: flow(x, parameters)[0].sum(0), z)[0, :, 0]
    torch.testing.assert_close(log_abs_det, slope.abs().log())
    torch.testing.assert_close(flow.inverse(mapped, parameters), z)


def test_impossible_flows_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.flow must be one of planar, radial.*got 'residual'"):
        make_flow("residual", 4, 2)
    with pytest.raises(ConfigError, match="must be 2 or more for coupling flows"):
        make_flow("coupling", 1, 2)
    assert make_flow("coupling", 1, 0)(torch.ones(1, 1))[0] == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_amortised_without_parameters_is_refused(kind: str) -> None:
    for call in (make_flow(kind, 2, 1, True), make_flow(kind, 2, 1, True).inverse):
        with pytest.raises(ValueError, match="needs its parameters"):
            call(torch.zeros(1, 2))


def test_saved_planar_flows_keep_their_names() -> None:
    """Spaces are exchanged: the weights of planar flows are u, w and b."""
    state = make_flow("planar", 3, 2).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {"u": (2, 3), "w": (2, 3), "b": (2,)}
    assert make_flow("planar", 3, 2, True).size == 14


def test_half_precision_around_a_flow_leaves_it_alone() -> None:
    flow = NetworkFlow("coupling", 4, 2)
    z = torch.randn(3, 4)
    expected = flow(z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = flow(z)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_sylvester_is_the_papers_formula_with_an_orthogonal_matrix(seed: int) -> None:
    """Van den Berg et al. 2018, equations 12 and 13: z + Q R tanh(S Q^T z + b), and det(I + diag(tanh') S R)."""
    flow = roused("sylvester", False, seed, dim=5, layers=1)
    vectors, r, s, b = flow._matrices(flow.values[0])
    q = torch.eye(5, dtype=DOUBLE)
    for v in vectors:
        q = q @ (torch.eye(5, dtype=DOUBLE) - 2.0 * torch.outer(v, v) / (v @ v))
    torch.testing.assert_close(q @ q.T, torch.eye(5, dtype=DOUBLE))
    assert torch.equal(r, r.triu())
    assert torch.equal(s, s.triu())
    z = notes(flow)[0]
    inside = z @ q @ s.T + b
    slopes = torch.diag_embed(1.0 - torch.tanh(inside).square())
    expected = z + torch.tanh(inside) @ r.T @ q.T
    determinant = torch.linalg.det(torch.eye(5, dtype=DOUBLE) + slopes @ s @ r)
    torch.testing.assert_close(flow(z), (expected, determinant.abs().log()))


@pytest.mark.parametrize("amortised", [False, True])
def test_reflections_keep_distances_and_turn_a_diagonal_gaussian(amortised: bool) -> None:
    flow = roused("householder", amortised)
    z, parameters = notes(flow)
    if parameters is not None:
        parameters = parameters[:1].expand(len(z), -1)
    mapped, log_abs_det = flow(z, parameters)
    torch.testing.assert_close(torch.cdist(mapped, mapped), torch.cdist(z, z))
    assert torch.equal(log_abs_det, torch.zeros(len(z), dtype=DOUBLE))
    stretched = flow(
        torch.eye(4, dtype=DOUBLE) * torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=DOUBLE),
        None if parameters is None else parameters[:4],
    )[0]
    covariance = stretched.T @ stretched
    assert (covariance - covariance.diag().diag()).abs().max() > 0.1
    torch.testing.assert_close(torch.linalg.eigvalsh(covariance), torch.tensor([1.0, 4.0, 9.0, 16.0], dtype=DOUBLE))


@pytest.mark.parametrize("kind", ["planar", "radial", "householder", "sylvester"])
def test_the_encoder_begins_at_the_start_of_an_amortised_flow(kind: str) -> None:
    torch.manual_seed(0)
    model = ModelConfig(dim=4, flow=kind, flows=4, amortised=True, encoder_channels=16, decoder_channels=16)
    vae = VAE(Config(data=DataConfig(duration=0.5), model=model)).eval()
    levels = 20.0 * torch.randn(5, 256, vae.frames) - 50.0
    posterior = vae.posterior(levels, Conditions(*torch.tensor([[60.0], [0.5], [9.0]]).expand(3, 5)))
    assert posterior.parameters is not None
    assert (posterior.parameters.std(0) > 0).all()
    z = 3.0 * torch.randn(5, 4)
    assert (vae.flow(z, posterior.parameters)[0] - z).norm() < 0.2 * z.norm()
