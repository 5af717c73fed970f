# %% [markdown]
# # A flow and a regularizer of your own
#
# How do I try my own idea inside timbre? Two hooks take objects: the posterior's flow is any `Flow` given to
# `VAE(config, flow=...)`, and terms of the loss are modules given to `timbre.train(..., regularizers={...})`. The
# same holds for transforms and inverters (CONTRIBUTING.md has the table).
#
# It runs in half a minute on one core.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

import timbre
from timbre.config import Config, DataConfig, ModelConfig, RegularizationConfig, TrainingConfig
from timbre.models.conditions import Conditions
from timbre.models.flows import Flow
from timbre.models.regularizers.labels import Labels
from timbre.models.vae import VAE, Posterior

SHORT = os.environ.get("TIMBRE_NOTEBOOKS") == "short"  # as in the tests
torch.manual_seed(0)
torch.set_num_threads(1)

# %% [markdown]
# ## A flow
#
# A flow maps points and knows the logarithm of its determinant, and its inverse. This one is new: a layer stretches
# what lies on one side of the origin, along a learned direction and by a learned factor.


# %%
class LeakyFlow(Flow):
    """K layers that scale points by e^a along a direction w, on the side to which w points."""

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__(dim, layers, amortised=False, size=layers * (dim + 1))
        self.w = nn.Parameter(torch.randn(layers, dim))
        self.a = nn.Parameter(torch.zeros(layers))

    def forward(self, z: Tensor, parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        log_abs_det = z.new_zeros(z.shape[:-1])
        for w, a in zip(self.w, self.a, strict=True):
            unit = w / w.norm()
            along = z @ unit
            positive = (along > 0).to(z.dtype)
            z = z + (positive * along * torch.expm1(a)).unsqueeze(-1) * unit
            log_abs_det = log_abs_det + positive * a
        return z, log_abs_det

    def inverse(self, z: Tensor, parameters: Tensor | None = None) -> Tensor:
        for w, a in zip(reversed(self.w), reversed(self.a), strict=True):
            unit = w / w.norm()
            along = z @ unit
            z = z + ((along > 0) * along * torch.expm1(-a)).unsqueeze(-1) * unit
        return z


# %% [markdown]
# Three laws that any flow must keep: the inverse leads back, the determinant is that of autograd's Jacobian, and it
# begins at the identity.

# %%
flow = LeakyFlow(3, 4)
z = torch.randn(6, 3)
assert torch.equal(flow(z)[0], z)
with torch.no_grad():
    flow.a.normal_(0, 0.5)
assert torch.allclose(flow.inverse(flow(z)[0]), z, atol=1e-5)
jacobian = torch.stack([torch.autograd.functional.jacobian(lambda p: flow(p[None])[0][0], point) for point in z])
assert torch.allclose(flow(z)[1], torch.linalg.slogdet(jacobian)[1], atol=1e-5)


# %% [markdown]
# Fitted to a density with a kink, by samples of the posterior that it makes:


# %%
def energy(z: Tensor) -> Tensor:
    return 0.5 * z.square().sum(-1) * torch.where(z.sum(-1) > 0, 0.25, 1.0)


flow = LeakyFlow(2, 4)
q = Posterior(torch.zeros(1, 2), torch.zeros(1, 2), flow, None)
optimizer, losses = torch.optim.Adam(flow.parameters(), 2e-2), []
for _ in range(5 if SHORT else 400):
    points, log_q = q.mapped(torch.randn(256, 2))
    loss = (log_q + energy(points)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(float(loss.detach()))
with torch.no_grad():
    points = q.mapped(torch.randn(3000, 2))[0]
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
panels[0].plot(losses)
panels[0].set(xlabel="step", ylabel="KL + constant, nats")
panels[1].plot(*points.T, ".", markersize=2)
panels[1].set(aspect="equal", title="samples of the flow")

# %% [markdown]
# In the model of a space it takes the place of `model.flow`; loss, posterior and points use it as any other. A space is
# saved with the name of its flow, so to save and load yours, list it in `FLOWS` and `model.flow`.

# %%
config = Config(
    data=DataConfig(duration=0.5, valid=0.1, test=0.1, transpose=0),
    model=ModelConfig(dim=3, encoder_channels=16, decoder_channels=16, decoder_blocks=1, harmonics=8, map="learned"),
    regularization=RegularizationConfig(pitch="none"),
    training=TrainingConfig(epochs=1 if SHORT else 12, batch_size=8, threads=1, device="cpu"),
)
model = VAE(config, flow=LeakyFlow(3, 4))
library = timbre.scan("datasets/orchestra").filter(instrument=["flute", "clarinet", "trumpet", "violin"])
library = library[:24] if SHORT else library
space = timbre.train(library, config, progress=False)
notes = [space.observe(note.audio(), note.pitch) for note in library[:4]]
batch = torch.cat([spectrogram for spectrogram, _ in notes])
columns = zip(*((c.pitch, c.velocity, c.release) for _, c in notes), strict=True)
conditions = Conditions(*(torch.cat(values) for values in columns))
loss = model.loss(batch, conditions, beta=1.0)
loss.objective.backward()
print(
    f"free energy {float(loss.objective.detach()):.0f} nats, gradient of the flow {model.flow.a.grad.numpy().round(1)}"
)

# %% [markdown]
# ## A regularizer
#
# A term sees the points of a batch and what is known of their notes (instrument, pitch, velocity, descriptors ...), and
# returns nats per note. This one asks that the first coordinate rise with the pitch, by 1 an octave.


# %%
class FirstIsPitch(nn.Module):
    """The squared error of the first coordinate as a linear function of the pitch, in octaves from C4."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, points: Tensor, labels: Labels) -> Tensor:
        known = torch.isfinite(labels.pitch)
        octaves = (labels.pitch[known] - 60.0) / 12.0
        return self.weight * (points[known, 0] - octaves).square().mean()


ordered = timbre.train(library, config, regularizers={"first is pitch": FirstIsPitch(200.0)}, progress=False)

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for panel, (name, one) in zip(panels, {"without": space, "with the term": ordered}.items(), strict=True):
    panel.plot(one.atlas.pitches, one.atlas.points[:, 0], ".")
    correlation = np.corrcoef(one.atlas.pitches, one.atlas.points[:, 0])[0, 1]
    panel.set(xlabel="pitch, MIDI", title=f"{name}: correlation {correlation:.2f}")
panels[0].set(ylabel="first coordinate")
print(f"error {space.report['test_l1_db']:.2f} dB without, {ordered.report['test_l1_db']:.2f} dB with the term")

# %% [markdown]
# What did it cost? The two errors say. `benchmarks/ablation.py` compares such terms over seeds, and docs/latent.md what
# flows bring.
