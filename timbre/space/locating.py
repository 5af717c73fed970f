"""`place`: where a sound lies that the space has never heard, what is near, and whether it is a stranger there."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import estimate_pitch
from timbre.data.features.example import example
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.models.refinement import posterior_std, refined
from timbre.models.vae import Posterior
from timbre.space.dissimilarity import DissimilarityScale, dissimilarity_scale

if TYPE_CHECKING:
    from timbre.space.space import Space

STRANGE = 5.0  # percentiles below which a place is unlikely, or an error too large
_NEIGHBOURS = 8


@dataclass(frozen=True, eq=False)
class Location:
    """What is known of a sound in a space.

    Attributes:
        point: where it lies, float32 (dim,); after refining, where that was asked for.
        spread: of its posterior in each dimension, float32 (dim,).
        pitch: MIDI, as measured; NaN where none is known.
        velocity: 0..1; NaN where unknown.
        neighbours: names of the nearest known sounds with their distances, nearest first.
        dissimilarities: to every known instrument, least first; `scale` says what they mean.
        scale: of the dissimilarities.
        log_likelihood: of the encoder's point under the aggregate posterior, nats.
        percentile: share, above 0 to 100, of training notes that are no likelier when all notes of their instrument
            are left out.
        error_db: mean absolute error of the sound decoded from the encoder's point.
        error_percentile: share, above 0 to 100, of held-out notes that are decoded no better; None where the space was
            saved without their errors.
        elbo: evidence bound before and after refining, nats; None without it.
        error_refined_db: as `error_db`, after refining; None without it.
    """

    point: np.ndarray
    spread: np.ndarray
    pitch: float
    velocity: float
    neighbours: dict[str, float]
    dissimilarities: dict[str, float]
    scale: DissimilarityScale
    log_likelihood: float
    percentile: float
    error_db: float
    error_percentile: float | None
    elbo: tuple[float, float] | None
    error_refined_db: float | None

    @property
    def unlikely(self) -> bool:
        """Whether it lies where a left-out instrument's notes seldom do: 5 in 100."""
        return self.percentile < STRANGE

    @property
    def badly_met(self) -> bool:
        """Whether the decoder meets it worse than all but 5 in 100 held-out notes."""
        return self.error_percentile is not None and self.error_percentile < STRANGE

    @property
    def stranger(self) -> bool:
        """Whether it is out of distribution: unlikely, or badly met."""
        return self.unlikely or self.badly_met

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values, units in the names; what is not known is None."""
        return {
            "point": [float(value) for value in self.point],
            "spread": [float(value) for value in self.spread],
            "pitch_midi": _known(self.pitch),
            "velocity": _known(self.velocity),
            "neighbours": self.neighbours,
            "dissimilarities": self.dissimilarities,
            "dissimilarity_scale": self.scale.name,
            "dissimilarity_residual": self.scale.residual,
            "log_likelihood_nats": self.log_likelihood,
            "percentile": self.percentile,
            "error_db": self.error_db,
            "error_percentile": self.error_percentile,
            "elbo_before_nats": self.elbo and self.elbo[0],
            "elbo_after_nats": self.elbo and self.elbo[1],
            "error_refined_db": self.error_refined_db,
            "unlikely": self.unlikely,
            "badly_met": self.badly_met,
            "stranger": self.stranger,
        }


class Locator:
    """Places sounds in one space; what all of them need is worked out once.

    Args:
        space: with an atlas of two training notes or more.

    Raises:
        ConfigError: if the atlas has fewer.
    """

    def __init__(self, space: "Space") -> None:
        self.space, self.aggregate = space, space.atlas.aggregate

    def __call__(
        self, audio: Audio, pitch: float | None = None, velocity: float | None = None, refine: int = 0, seed: int = 0
    ) -> Location:
        """As :func:`place`."""
        if refine < 0:
            raise ConfigError(f"{refine} steps of refining were asked for; 0 or more are wanted.")
        model, spectrogram, conditions = self.space.model, *self._heard(audio, pitch, velocity)
        with torch.no_grad():
            posterior = model.posterior(spectrogram, conditions)
        better = refined(model, spectrogram, conditions, posterior, refine, seed) if refine else None
        moved = better.posterior if better else posterior
        first, point = self._point(posterior.center, conditions), self._point(moved.center, conditions)
        error = self._error(spectrogram, conditions, posterior)
        return Location(
            point=point,
            spread=posterior_std(model, moved, conditions.pitch)[0].numpy(),
            pitch=float(conditions.pitch),
            velocity=float(conditions.velocity),
            neighbours=self._neighbours(point),
            dissimilarities=self._dissimilarities(point),
            scale=self.scale,
            log_likelihood=float(self.aggregate.log_likelihood(first[None])[0]),
            percentile=float(self.aggregate.percentile(first[None])[0]),
            error_db=error,
            error_percentile=self._error_percentile(error),
            elbo=(better.elbo_before, better.elbo_after) if better else None,
            error_refined_db=self._error(spectrogram, conditions, moved) if better else None,
        )

    @cached_property
    def scale(self) -> DissimilarityScale:
        """Of dissimilarities."""
        return dissimilarity_scale(self.space.atlas, self._dims)

    @property
    def _dims(self) -> int | None:
        return self.space.config.regularization.perceptual_dims or None

    def _heard(self, audio: Audio, pitch: float | None, velocity: float | None) -> tuple[torch.Tensor, Conditions]:
        """The sound as the model sees it, (1, bins, frames), and its controls."""
        near = estimate_pitch(audio) if pitch is None else pitch
        given = None if near is None or np.isnan(near) else near
        if given is not None and not 12 <= given <= 127:
            raise ConfigError(f"The pitch is {pitch}; a MIDI pitch from 12 to 127 is wanted (A4 is 69).")
        if velocity is not None and not 0 <= velocity <= 1:
            raise ConfigError(f"The velocity is {velocity}; a number from 0 to 1 is wanted.")
        note = example(audio, self.space.spectrogram, self.space.config, given, velocity)
        controls = (torch.tensor([value]) for value in (note.pitch, note.velocity, note.release))
        return torch.from_numpy(note.spectrogram)[None], Conditions(*controls)

    @torch.no_grad()
    def _point(self, center: torch.Tensor, conditions: Conditions) -> np.ndarray:
        return np.asarray(self.space.model.from_latent(center, conditions.pitch)[0].numpy())

    @torch.no_grad()
    def _error(self, spectrogram: torch.Tensor, conditions: Conditions, posterior: Posterior) -> float:
        """Mean absolute error, dB, of the decoded center of one note's posterior."""
        return float((self.space.model.decode(posterior.center, conditions) - spectrogram).abs().mean())

    def _neighbours(self, point: np.ndarray) -> dict[str, float]:
        atlas = self.space.atlas
        found = atlas.nearest(point, _NEIGHBOURS)
        return {atlas.names[n]: float(d) for d, n in zip(found.distances[0], found.numbers[0], strict=True)}

    def _dissimilarities(self, point: np.ndarray) -> dict[str, float]:
        names, middles, _ = self.space.atlas.centroids
        distances = np.linalg.norm((middles - point)[:, : self._dims], axis=1)
        order = np.argsort(distances, kind="stable")
        return {names[n]: float(value) for n, value in zip(order, self.scale(distances[order]), strict=True)}

    def _error_percentile(self, error: float) -> float | None:
        errors = self.space.atlas.errors
        known = errors[~np.isnan(errors)] if errors is not None else np.zeros(0)
        return float(100.0 * (1 + np.count_nonzero(known >= error)) / (1 + known.size)) if known.size else None


def place(
    space: "Space",
    audio: Audio,
    pitch: float | None = None,
    velocity: float | None = None,
    refine: int = 0,
    seed: int = 0,
) -> Location:
    """Where a sound lies that the space has not heard, and what that says of it.

    A stranger is a sound whose place is unlikely under the aggregate posterior, or that the decoder does not meet: each
    by a percentile below 5. The first is held against training notes of which the whole instrument was left out, the
    second against held-out notes, both at the encoder's point, which refining does not touch.

    Args:
        space: with an atlas.
        audio: a note.
        pitch: MIDI, measured within 60 cents of it; None is measured without a hint; NaN is without pitch.
        velocity: 0..1; None is unknown.
        refine: steps of Adam on the evidence bound, from the encoder's posterior (:func:`~.refinement.refined`).
        seed: of the draws that take.

    Raises:
        AudioError: if the sound is silent or shorter than 20 ms.
        ConfigError: if a control is out of range, or the atlas has fewer than two training notes.
    """
    return Locator(space)(audio, pitch, velocity, refine, seed)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
