# %% [markdown]
# # The theory, run
#
# What do the parts of a timbre space do: the autoencoder, the variational one, mean field, the direction of the
# divergence, planar flows, the free energy? Each is run here in timbre's own classes, on real notes where it is about
# sounds and on densities in the plane where it is about distributions.
#
# All of it takes three minutes on one core.

# %%
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import timbre
from timbre.config import Config, DataConfig, ModelConfig, RegularizationConfig, TrainingConfig
from timbre.evaluation.metrics.sounds import log_mel_l1
from timbre.models.flows import PlanarFlow, make_flow
from timbre.models.vae import Posterior, log_prior

SHORT = os.environ.get("TIMBRE_NOTEBOOKS") == "short"  # as in the tests: every cell runs, nothing is learned well
torch.manual_seed(0)
torch.set_num_threads(1)

# %% [markdown]
# ## 1. Autoencoder, variational autoencoder, beta
#
# Three trainings on the same notes with two dimensions, so that the whole space can be drawn. They differ in one thing:
#
# - `ae` minimizes the reconstruction error of a point;
# - `vae` minimizes the negative evidence lower bound, reconstruction + KL(q(z|x) || N(0, I));
# - `beta 20` weighs the KL twenty times (Higgins et al. 2017).

# %%
library = timbre.scan("datasets/orchestra").filter(
    instrument=["flute", "oboe", "violin", "trumpet", "clarinet", "piano", "harp", "tuba", "bassoon", "guitar_steel"]
)
library


# %%
def trained(objective: str, beta: float) -> timbre.Space:
    config = Config(
        data=DataConfig(duration=0.5 if SHORT else 1.0, valid=0.1, test=0.15, transpose=0),
        model=ModelConfig(
            dim=2, flows=0, map="learned", encoder_channels=16 if SHORT else 64, decoder_channels=16 if SHORT else 64,
            decoder_blocks=1 if SHORT else 2, harmonics=16,
        ),
        regularization=RegularizationConfig(pitch="none"),
        training=TrainingConfig(
            epochs=1 if SHORT else 60, batch_size=16, threads=1, device="cpu", objective=objective, beta=beta,
            patience=0,
        ),
    )  # fmt: skip
    return timbre.train(library[::4] if SHORT else library, config, progress=not SHORT)


models = {"ae": trained("ae", 1.0), "vae": trained("vae", 1.0), "beta 20": trained("vae", 20.0)}

# %% [markdown]
# Nothing holds the autoencoder's cloud at any place or scale; its axes mean nothing. The KL brings the cloud of the VAE
# near the unit Gaussian (dashed: one and two standard deviations), and gives every note a width (ellipses). A larger
# beta makes the ellipses wider until they overlap, and costs some error.

# %%
figure, panels = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
angle = np.linspace(0, 2 * np.pi, 100)
circle = np.c_[np.cos(angle), np.sin(angle)]
for panel, (name, space) in zip(panels, models.items(), strict=True):
    atlas = space.atlas
    for instrument in space.atlas.centroids.names:
        own = np.array(atlas.instruments) == instrument
        panel.plot(*atlas.points[own].T, ".", label=instrument.replace("_", " "))
    if name != "ae":
        for point, std in zip(atlas.points, atlas.stds, strict=True):
            panel.plot(*(point + circle * std).T, color="gray", linewidth=0.4, zorder=0)
        for radius in (1, 2):
            panel.plot(*(radius * circle).T, "k--", linewidth=0.8)
    panel.set(title=f"{name}: error {space.report['test_l1_db']:.2f} dB", aspect="equal")
panels[0].legend(fontsize=7)

# %% [markdown]
# What does a random point of N(0, I) sound like? The mean distance, in dB of the log mel spectrum, of eight draws to
# their nearest library note. In two dimensions there is not much room to get lost, and the three hardly differ: the
# autoencoder's cloud happens to have about the size of the Gaussian. In 48 dimensions it matters (docs/latent.md).

# %%
draws = np.random.default_rng(0).standard_normal((2 if SHORT else 8, 2))


def nearest_db(space: timbre.Space) -> float:
    notes = [space.decode(point, 60, inverter="portable", duration=0.5) for point in space.atlas.points[::4]]
    sounds = [space.decode(point, 60, inverter="portable", duration=0.5) for point in draws]
    rate = notes[0].sample_rate
    return float(np.mean([min(20 * log_mel_l1(n.samples[0], s.samples[0], rate) for n in notes) for s in sounds]))


for name, space in models.items():
    spread = space.atlas.points.std(0)
    print(f"{name:8} std of the cloud {spread.round(2)}, draws are {nearest_db(space):.1f} dB from the nearest note")

# %% [markdown]
# ## 2. Mean field
#
# A posterior that is a diagonal Gaussian ("mean field") cannot be correlated. Fitted to a correlated Gaussian by
# KL(q || p), it takes the width that p has along each axis when the other coordinate is fixed: narrower than p.

# %%
# An energy is a function of points (n, 2): -log p(z) without its constant.
size = 31 if SHORT else 121
line = torch.linspace(-5, 5, size)
grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
cell = (10 / (size - 1)) ** 2


def normalizer(energy) -> float:
    """log Z: the energy's constant, by a sum over the grid."""
    return float(torch.logsumexp(-energy(grid.reshape(-1, 2)), 0) + math.log(cell))


def gaussian(layers: int) -> tuple[Posterior, list[nn.Parameter]]:
    """A Gaussian posterior with a planar flow of `layers` layers, and what is learned of it."""
    mean, log_std = nn.Parameter(torch.zeros(1, 2)), nn.Parameter(torch.zeros(1, 2))
    flow = make_flow("planar", 2, layers)
    return Posterior(mean, log_std, flow, None), [mean, log_std, *flow.parameters()]


def fitted(
    energy, layers: int, steps: int, annealed: bool = True, start: tuple[float, float] = (0.0, 0.0)
) -> Posterior:
    """The posterior that minimizes KL(q || p), by samples of q. Annealing: the energy grows to its full weight."""
    torch.manual_seed(0)
    q, parameters = gaussian(layers)
    q.mean.data += torch.tensor(start)
    steps = 5 if SHORT else steps
    optimizer = torch.optim.Adam(parameters, 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        z, log_q = q.mapped(torch.randn(256, 2))
        weight = min(1.0, 0.01 + 2 * step / steps) if annealed else 1.0
        loss = (log_q + weight * energy(z)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
        schedule.step()
    return q


@torch.no_grad()
def divergence(q: Posterior, energy) -> float:
    """KL(q || p), nats, from 20,000 samples of q."""
    z, log_q = q.mapped(torch.randn(20_000, 2))
    return float((log_q + energy(z)).mean()) + normalizer(energy)


@torch.no_grad()
def density(q: Posterior) -> np.ndarray:
    """q on the grid, exactly: points are carried back to the base, where the density is a Gaussian's."""
    points = grid.reshape(-1, 2)
    base = q.flow.inverse(points)
    noise = (base - q.mean) / q.log_std.exp()
    return (log_prior(noise) - q.log_std.sum() - q.flow(base)[1]).exp().reshape(size, size).numpy()


def draw(panel, values: np.ndarray, title: str) -> None:
    panel.imshow(values, origin="lower", extent=(-5, 5, -5, 5), cmap="magma_r")
    panel.set(title=title, xlim=(-4, 4), ylim=(-4, 4), xticks=[], yticks=[])


precision = torch.tensor([[1.0, -0.85], [-0.85, 1.0]]) / (1 - 0.85**2)


def correlated(z: torch.Tensor) -> torch.Tensor:
    return 0.5 * ((z @ precision) * z).sum(-1)


q = fitted(correlated, 0, 800)
print("std of p:            1.00 1.00")
print("std of p, one fixed:", *(f"{float(s):.2f}" for s in precision.diagonal().rsqrt()))
print("std of q:           ", *(f"{float(s):.2f}" for s in q.log_std.detach().exp()[0]))
figure, panels = plt.subplots(1, 2, figsize=(6, 3.2), layout="constrained")
draw(panels[0], (-correlated(grid)).exp().numpy(), "p: correlation .85")
draw(panels[1], density(q), f"mean field: KL {divergence(q, correlated):.2f} nats")

# %% [markdown]
# ## 3. Forward and reverse KL
#
# Two bumps, one Gaussian. KL(q || p), the *reverse* one that variational inference minimizes, punishes q for being
# where p is not: q takes one bump. KL(p || q), the *forward* one of maximum likelihood, punishes q for not being where
# p is: it covers both and the gap. One of two equal bumps costs log 2 = 0.69 nats. A flow can follow both bumps.


# %%
def two_bumps(z: torch.Tensor) -> torch.Tensor:
    bumps = [-0.5 * ((z - torch.tensor([x, 0.3 * x])) / 0.6).square().sum(-1) for x in (-1.8, 1.8)]
    return -torch.logsumexp(torch.stack(bumps), 0)


def forward_fit(energy) -> Posterior:
    """The Gaussian that minimizes KL(p || q): the one with the mean and the deviations of p."""
    points, weight = grid.reshape(-1, 2), torch.softmax(-energy(grid.reshape(-1, 2)), 0)[:, None]
    mean = (weight * points).sum(0, keepdim=True)
    std = (weight * (points - mean).square()).sum(0, keepdim=True).sqrt()
    return Posterior(mean, std.log(), make_flow("planar", 2, 0), None)


answers = {
    "forward KL": forward_fit(two_bumps),
    "reverse KL": fitted(two_bumps, 0, 600, annealed=False, start=(1.0, 0.3)),  # the start decides which bump
    "reverse KL, 16 planar": fitted(two_bumps, 16, 1500),
}
figure, panels = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
draw(panels[0], (-two_bumps(grid)).exp().numpy(), "p")
for panel, (name, q) in zip(panels[1:], answers.items(), strict=True):
    draw(panel, density(q), f"{name}: KL(q||p) {divergence(q, two_bumps):.2f}")

# %% [markdown]
# ## 4. Planar flows
#
# A planar layer is f(z) = z + u tanh(w.z + b): it moves points along one direction u, by an amount that depends on
# another, w (Rezende and Mohamed 2015). Its determinant is 1 + (1 - tanh^2) w.u, one number from one product, where a
# general map would need a determinant of dim x dim. A chain adds the logarithms:
#
#     log q_K(z_K) = log q_0(z_0) - sum_k log |1 + (1 - tanh^2(w_k.z_{k-1} + b_k)) w_k.u_k|
#
# Beside the determinant of autograd's Jacobian, for chains of 1 to 32 layers:

# %%
for layers in (1, 2, 4, 8, 16, 32):
    flow = PlanarFlow(2, layers)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.normal_()
    z = torch.randn(5, 2)
    own = flow(z)[1].detach()
    jacobian = torch.stack([torch.autograd.functional.jacobian(lambda p: flow(p[None])[0][0], point) for point in z])
    back = flow.inverse(flow(z)[0]).detach()
    error = float((own - torch.linalg.slogdet(jacobian)[1]).abs().max())
    print(f"K = {layers:2}: log|det| differs by {error:.0e}, the inverse by {float((back - z).abs().max()):.0e}")

# %% [markdown]
# ### Four energies
#
# The test densities of Rezende and Mohamed (2015, table 1). Energies 2 to 4 are waves without an end, so a wall at
# |z_1| = 4 makes them densities, and their divergence can be computed: KL(q || p) = E_q[log q + U] + log Z.


# %%
def wall(z: torch.Tensor) -> torch.Tensor:
    return 50 * (z[..., 0].abs() - 4).clamp_min(0).square()


def w1(z: torch.Tensor) -> torch.Tensor:
    return torch.sin(2 * math.pi * z[..., 0] / 4)


def w2(z: torch.Tensor) -> torch.Tensor:
    return 3 * torch.exp(-0.5 * ((z[..., 0] - 1) / 0.6) ** 2)


def w3(z: torch.Tensor) -> torch.Tensor:
    return 3 * torch.sigmoid((z[..., 0] - 1) / 0.3)


def either(*exponents: torch.Tensor) -> torch.Tensor:
    return -torch.logsumexp(torch.stack(exponents), 0)


def ring(z: torch.Tensor) -> torch.Tensor:
    sides = either(-0.5 * ((z[..., 0] - 2) / 0.6) ** 2, -0.5 * ((z[..., 0] + 2) / 0.6) ** 2)
    return 0.5 * ((z.norm(dim=-1) - 2) / 0.4) ** 2 + sides


def one_wave(z: torch.Tensor) -> torch.Tensor:
    return 0.5 * ((z[..., 1] - w1(z)) / 0.4) ** 2 + wall(z)


def bump(z: torch.Tensor) -> torch.Tensor:
    height = z[..., 1] - w1(z)
    return either(-0.5 * (height / 0.35) ** 2, -0.5 * ((height + w2(z)) / 0.35) ** 2) + wall(z)


def fork(z: torch.Tensor) -> torch.Tensor:
    height = z[..., 1] - w1(z)
    return either(-0.5 * (height / 0.4) ** 2, -0.5 * ((height + w3(z)) / 0.35) ** 2) + wall(z)


ENERGIES = {"U1: ring": ring, "U2: wave": one_wave, "U3: wave with a bump": bump, "U4: wave with a fork": fork}
LAYERS = (1, 2, 8, 32)
flows = {(name, layers): fitted(energy, layers, 2500) for name, energy in ENERGIES.items() for layers in LAYERS}
reached = {key: divergence(q, ENERGIES[key[0]]) for key, q in flows.items()}

# %%
figure, panels = plt.subplots(4, 5, figsize=(13, 10.6), layout="constrained")
for row, (name, energy) in zip(panels, ENERGIES.items(), strict=True):
    draw(row[0], (-energy(grid)).exp().numpy(), name)
    for panel, layers in zip(row[1:], LAYERS, strict=True):
        draw(panel, density(flows[name, layers]), f"K = {layers}: {reached[name, layers]:.2f} nats")

# %% [markdown]
# Their figure 3 draws this divergence over K = 2, 8, 32 for the first three energies, as curves without numbers. They
# fall with K and are small at 32; so they do here, in nats:

# %%
figure, panel = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name in ENERGIES:
    panel.plot(LAYERS, [reached[name, layers] for layers in LAYERS], "o-", label=name)
panel.set(xscale="log", xlabel="planar layers K", ylabel="KL(q || p), nats", ylim=(0, None))
panel.set_xticks(LAYERS, [str(layers) for layers in LAYERS], minor=False)
panel.legend(fontsize=8)
for name in ENERGIES:
    print(f"{name:22}", "  ".join(f"K = {layers}: {reached[name, layers]:.2f}" for layers in LAYERS))

# %% [markdown]
# ### The chain, link by link
#
# The Gaussian after 0, 1, 2, ... of 8 layers on its way to the ring.


# %%
def first(q: Posterior, layers: int) -> Posterior:
    """The posterior with only the first layers of its flow."""
    flow = PlanarFlow(q.flow.dim, layers)
    for mine, whole in zip(flow.parameters(), q.flow.parameters(), strict=True):
        mine.data = whole.data[:layers]
    return Posterior(q.mean, q.log_std, flow, None)


figure, panels = plt.subplots(1, 9, figsize=(15, 2), layout="constrained")
for layers, panel in enumerate(panels):
    draw(panel, density(first(flows["U1: ring", 8], layers)), str(layers))

# %% [markdown]
# ## 5. The free energy of a note, term by term
#
# For a space with flows, the negative evidence lower bound of a note x is a sum of four means over samples e of the
# base and z = f(e):
#
#     F = E[log q_0(e)] - E[log |det df/de|] - E[log p(z)] - E[log p(x | z)]
#
# Here for a note that comes with timbre, in the space `orchestra` (48 dimensions, 8 planar layers).

# %%
space = timbre.load("orchestra")
note = timbre.scan("datasets/orchestra/oboe")[0]
spectrogram, conditions = space.observe(note.audio(), note.pitch, note.velocity)
model, count = space.model, 2 if SHORT else 64
with torch.no_grad():
    q = model.posterior(spectrogram, conditions)
    noise = torch.randn(count, space.dim)
    z, log_q = q.mapped(noise)
    _, log_abs_det = q.flow(q.mean + q.log_std.exp() * noise)
    errors = torch.cat([model.misfit(model.decode(one[None], conditions), spectrogram) for one in z])
    log_mse = errors.mean().log()
    terms = {
        "E[log q0(e)]": log_q.mean() + log_abs_det.mean(),
        "-E[log |det|]": -log_abs_det.mean(),
        "-E[log p(z)]": -log_prior(z).mean(),
        "-E[log p(x | z)]": 0.5 * model.evidence * (math.log(2 * math.pi) + 1 + log_mse),
    }
    loss = model.loss(spectrogram, conditions, beta=1.0)
for name, value in terms.items():
    print(f"{name:18}{float(value):10.1f} nats")
print(f"{'free energy':18}{float(sum(terms.values())):10.1f} nats; KL {float(sum(list(terms.values())[:3])):.1f}")
parts = f"{float(loss.reconstruction_nats):.1f} + {float(loss.kl_nats):.1f}"
print(f"one sample of VAE.loss: {float(loss.objective):.1f} = {parts}")

# %%
with torch.no_grad():
    chain = [float(first(q, layers).mapped(noise)[1].mean()) for layers in range(q.flow.layers + 1)]
figure, panels = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
panels[0].bar_label(panels[0].barh(list(terms), [float(value) for value in terms.values()]), fmt=" %.1f")
panels[0].set(xlim=(0, 7500), xlabel="nats", title=f"The free energy of {note.name}")
panels[0].invert_yaxis()
panels[1].plot(range(len(chain)), chain, "o-")
panels[1].set(xlabel="planar layers", ylabel="E[log q], nats", title="The posterior becomes narrower along the chain")
space.decode(space.encode(note.audio(), note.pitch, note.velocity), note.pitch, inverter="portable")

# %% [markdown]
# The likelihood is by far the largest term: a note of some hundred independent values decides its point within a small
# region, where the posterior is nearly Gaussian. That is why flows change so little here (docs/latent.md measures it),
# and so much in section 4.
