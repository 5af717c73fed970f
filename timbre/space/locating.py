"""`locate`: the point of a sound that is not in the library, its neighbours, and whether it is unfamiliar."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import estimate_pitch
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions, check_pitch
from timbre.models.refinement import note_posterior, posterior_std, refined
from timbre.models.vae import Posterior
from timbre.space.space import Space

UNLIKELY = 5.0  # percentile below which a point is unlikely, or an error high
_NEIGHBOURS = 8


@dataclass(frozen=True, eq=False)
class Location:
    """The point of a sound in a space, and what follows from it.

    Attributes:
        point: float32 (dim,); after refining, if that was requested.
        std: standard deviation of its posterior in each dimension, float32 (dim,).
        pitch: MIDI, as measured; NaN if there is none.
        velocity: 0..1; NaN if unknown.
        neighbours: names of the nearest library notes that are different sounds, with their dissimilarities
            (:meth:`timbre.space.space.Space.dissimilarity`), lowest first; all are heard at their own pitches.
        dissimilarities: to every instrument of the library, which is that of its nearest note; lowest first.
        log_likelihood: of the encoder's point under the aggregate posterior, nats.
        percentile: share, above 0 to 100, of training notes that are no more likely when all notes of their instrument
            are left out.
        error_db: mean absolute error, dB, of the sound decoded from the encoder's point.
        error_percentile: share, above 0 to 100, of held-out notes with the same error or more, where every instrument
            has the same weight; None if the space was saved without their errors.
        elbo: evidence lower bound before and after refining, nats; None without refining.
        error_refined_db: `error_db` after refining; None without refining.
    """

    point: np.ndarray
    std: np.ndarray
    pitch: float
    velocity: float
    neighbours: dict[str, float]
    dissimilarities: dict[str, float]
    log_likelihood: float
    percentile: float
    error_db: float
    error_percentile: float | None
    elbo: tuple[float, float] | None
    error_refined_db: float | None

    @property
    def unlikely(self) -> bool:
        """Whether fewer than 5 in 100 notes of left-out instruments are as unlikely."""
        return self.percentile < UNLIKELY

    @property
    def high_error(self) -> bool:
        """Whether its reconstruction error is among the worst 5% of held-out notes, averaged over instruments."""
        return self.error_percentile is not None and self.error_percentile < UNLIKELY

    @property
    def out_of_distribution(self) -> bool:
        """Whether the sound is unfamiliar: unlikely, or with a high error."""
        return self.unlikely or self.high_error

    def to_dict(self) -> dict[str, Any]:
        """All values for JSON, with units in the names; unknown ones are None."""
        before, after = self.elbo or (None, None)
        return {
            "point": [float(value) for value in self.point],
            "std": [float(value) for value in self.std],
            "pitch_midi": None if np.isnan(self.pitch) else self.pitch,
            "velocity": None if np.isnan(self.velocity) else self.velocity,
            "neighbours": self.neighbours,
            "dissimilarities": self.dissimilarities,
            "log_likelihood_nats": self.log_likelihood,
            "percentile": self.percentile,
            "error_db": self.error_db,
            "error_percentile": self.error_percentile,
            "elbo_before_nats": before,
            "elbo_after_nats": after,
            "error_refined_db": self.error_refined_db,
            "unlikely": self.unlikely,
            "high_error": self.high_error,
            "out_of_distribution": self.out_of_distribution,
        }


class Locator:
    """Locates sounds in one space; computes once what all of them need.

    A ConfigError is raised if the atlas has fewer than two training notes.
    """

    def __init__(self, space: Space) -> None:
        self.space, self.aggregate = space, space.atlas.aggregate

    def __call__(
        self, audio: Audio, pitch: float | None = None, velocity: float | None = None, refine: int = 0, seed: int = 0
    ) -> Location:
        """The location of a sound: its point, neighbours, dissimilarities, and whether it is unfamiliar.

        A sound is unfamiliar if its point is unlikely under the aggregate posterior, or if its reconstruction error is
        high: each by a percentile below 5. The first compares with training notes whose whole instrument was left out,
        the second with held-out notes; both use the point before refining.

        Args:
            audio: a note.
            pitch: MIDI, measured within 60 cents of it; None measures it; NaN is without pitch.
            velocity: 0..1; None is unknown.
            refine: steps of Adam on the evidence bound, from where the point settled
                (:func:`~timbre.models.refinement.refined`).
            seed: of the draws in refining.

        Raises:
            AudioError: if the sound is silent or shorter than 20 ms.
            ConfigError: if a control is out of range.
        """
        if refine < 0:
            raise ConfigError(f"The number of refining steps must be 0 or more, got {refine}.")
        pitch = estimate_pitch(audio) if pitch is None else pitch
        pitch = None if pitch is None or np.isnan(pitch) else check_pitch(pitch)
        model, (spectrogram, conditions) = self.space.model, self.space.observe(audio, pitch, velocity)
        with torch.no_grad():
            posterior = note_posterior(model, spectrogram, conditions)
        better = refined(model, spectrogram, conditions, posterior, refine, seed) if refine else None
        moved = better.posterior if better else posterior
        first, point = self._point(posterior.center, conditions), self._point(moved.center, conditions)
        error = self._error(spectrogram, conditions, posterior)
        atlas, hearing, heard_at = self.space.atlas, self.space.hearing, float(conditions.pitch)
        near, alike = hearing.nearest(point, _NEIGHBOURS, heard_at), hearing.instruments(point, heard_at)
        return Location(
            point=point,
            std=posterior_std(model, moved, conditions.pitch)[0].numpy(),
            pitch=heard_at,
            velocity=float(conditions.velocity),
            neighbours={atlas.names[n]: float(d) for d, n in zip(*near, strict=True)},
            dissimilarities={atlas.instruments[n]: float(d) for d, n in zip(*alike, strict=True)},
            log_likelihood=float(self.aggregate.log_likelihood(first[None])[0]),
            percentile=float(self.aggregate.percentile(first[None])[0]),
            error_db=error,
            error_percentile=self._error_percentile(error),
            elbo=(better.elbo_before, better.elbo_after) if better else None,
            error_refined_db=self._error(spectrogram, conditions, moved) if better else None,
        )

    @torch.no_grad()
    def _point(self, center: torch.Tensor, conditions: Conditions) -> np.ndarray:
        return np.asarray(self.space.model.from_latent(center, conditions.pitch)[0].numpy())

    @torch.no_grad()
    def _error(self, spectrogram: torch.Tensor, conditions: Conditions, posterior: Posterior) -> float:
        """Mean absolute error, dB, of the decoded center of one note's posterior."""
        return float((self.space.model.decode(posterior.center, conditions) - spectrogram).abs().mean())

    def _error_percentile(self, error: float) -> float | None:
        """The share of held-out notes with this error or more. Every instrument has the same weight: what is located is
        more often one of another kind than one of the best-sampled instruments."""
        atlas = self.space.atlas
        known = np.flatnonzero(~np.isnan(atlas.errors)) if atlas.errors is not None else np.zeros(0, np.int64)
        if atlas.errors is None or not known.size:
            return None
        _, own, counts = np.unique(np.array(atlas.instruments)[known], return_inverse=True, return_counts=True)
        share = np.average(atlas.errors[known] >= error, weights=1.0 / counts[own])
        return float(100.0 * (1.0 + known.size * share) / (1.0 + known.size))


def locate(
    space: Space,
    audio: Audio,
    pitch: float | None = None,
    velocity: float | None = None,
    refine: int = 0,
    seed: int = 0,
) -> Location:
    """The location of one sound; arguments and errors as in :meth:`Locator.__call__`."""
    return Locator(space)(audio, pitch, velocity, refine, seed)
