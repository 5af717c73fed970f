"""Schedules: learning rate, beta and the regularizers' weights by the share of the run that is done, 0..1."""

import math

from timbre.config import RegularizationConfig, TrainingConfig


def learning_rate(config: TrainingConfig, done: float) -> float:
    """The learning rate: a linear rise over the first `warmup`, then a cosine from the peak to a hundredth of it."""
    if done < config.warmup:
        return config.learning_rate * (0.01 + 0.99 * done / config.warmup)
    along = min(1.0, (done - config.warmup) / (1.0 - config.warmup))
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * along)))


def beta(config: TrainingConfig, done: float) -> float:
    """The weight of the KL divergence: a linear rise over the first `beta_warmup`, then `config.beta`."""
    return config.beta * (min(1.0, done / config.beta_warmup) if config.beta_warmup > 0 else 1.0)


def stage(config: RegularizationConfig, done: float) -> int:
    """The stage of a run: 1, or 2 in the second half of a "two_stage" schedule."""
    return 2 if config.schedule == "two_stage" and config.perceptual != "none" and done >= config.stage else 1


def regularization(config: RegularizationConfig, term: str, done: float) -> float:
    """The weight of a term: constant, 1 if it is no setting; in two stages, "perceptual" begins with the second."""
    waiting = term == "perceptual" and config.schedule == "two_stage" and stage(config, done) == 1
    return 0.0 if waiting else float(getattr(config, f"{term}_weight", 1.0))
