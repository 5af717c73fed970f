"""Bounds of the likelihood of held-out notes, and what their points cost."""

import torch

from timbre.evaluation._notes import EvaluatedNotes
from timbre.evaluation.likelihood import iwae_per_note, log_weights, noise_level
from timbre.models.vae import log_prior
from timbre.space import Space

DRAWS = 8  # of each note's posterior


def likelihood(
    space: Space, held: EvaluatedNotes, valid: EvaluatedNotes, samples: int, seed: int
) -> dict[str, float | None]:
    """-ELBO and -IWAE of held-out notes, nats per note, from the same samples; the noise level is the validation's, dB.

    Without validation notes the noise level is that of the held-out notes themselves.
    """
    if not len(held):
        return {}
    width = noise_level(space.model, valid if len(valid) else held, seed=seed)
    weights = log_weights(space.model, held, width, samples, seed)
    return {
        "noise_level_db": width,
        "elbo_nats": -float(weights.mean()),
        "iwae_nats": float(iwae_per_note(weights).mean()),
    }


@torch.no_grad()
def kl_nats(space: Space, heard: EvaluatedNotes) -> float | None:
    """KL(q(z|x) || N(0, 1)) per note: the mean of log q(z|x) - log p(z) over draws from q, which flows allow too."""
    found = []
    for batch in heard.in_order():
        posterior = space.model.posterior(batch.spectrogram, batch.conditions)
        for _ in range(DRAWS):
            z, log_q = posterior.sample()
            found.append((log_q - log_prior(z)).double())
    return float(torch.cat(found).mean()) if found else None
