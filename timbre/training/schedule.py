"""What changes over a run: learning rate and beta, as functions of the share of the run that is done."""

import math

from timbre.config import TrainingConfig


def learning_rate(config: TrainingConfig, done: float) -> float:
    """A linear rise over the first `warmup`, then a cosine from the peak down to a hundredth; `done` is 0..1."""
    if done < config.warmup:
        return config.learning_rate * (0.01 + 0.99 * done / config.warmup)
    along = min(1.0, (done - config.warmup) / (1.0 - config.warmup))
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * along)))


def beta(config: TrainingConfig, done: float) -> float:
    """The weight of the KL divergence: a linear rise over the first `beta_warmup`, then `config.beta`."""
    return config.beta * (min(1.0, done / config.beta_warmup) if config.beta_warmup > 0 else 1.0)
