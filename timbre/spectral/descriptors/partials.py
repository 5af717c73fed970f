"""Descriptors of a note's partials, and of the noise between them."""

from functools import cached_property

import torch
from torch import Tensor

from timbre.spectral.descriptors.features import TINY, NoteFeatures
from timbre.spectral.descriptors.spectrum import flatness
from timbre.spectral.spectrogram import Spectrogram

PARTIALS = 32
_WEAKEST = 50.0  # dB below the strongest partial; weaker partials are raised to it
_SAFE = 60.0  # MIDI, in place of an unknown pitch, so that gradients stay finite
_RIDGE = 1e-3
_LEFT = 0.05  # least share of a band's power that may be noise
_QUIETEST = 1e-4  # the noise's share of a note; less is masked
_SILENT = 1e-8  # of the power of a full-scale sine; less is silence


class PartialLevels:
    """Power of the partials and of the noise between them, from a note's mean spectrum after its onset.

    Windows as wide as the fundamental (raised cosines) gather the power around each partial; solving for all partials
    at once removes the leakage of their neighbours. The noise is the power mean with exponent -2, near a minimum, of
    the bands from one partial to the next, after the responses to the partials have been subtracted.

    Args:
        note: the notes.
        alike: whether all notes have the same pitch, so that everything that depends on it is computed once: (1, ...)
            instead of (batch, ...).

    Attributes:
        strongest: mean power (batch, 1) of the strongest band, by amplitude, of windows that lie within the note.
        spectrum: mean power (batch, bins) relative to that.
    """

    def __init__(self, note: NoteFeatures, alike: bool = False) -> None:
        self.note, self.layout, self.alike = note, note.layout, alike
        self.nyquist = note.config.sample_rate / 2.0
        pitch = note.pitch[:1] if alike else note.pitch
        pitch = torch.where(pitch.isnan(), pitch.new_tensor(_SAFE), pitch)
        self.base = (440.0 * torch.exp2((pitch - 69.0) / 12.0))[:, None]
        self.number = torch.arange(1, PARTIALS + 1, dtype=pitch.dtype, device=pitch.device)
        self.present = (self.base * (self.number + 0.5) < self.nyquist).to(pitch.dtype)
        weight = note.weight * note.ringing
        mean = (note.magnitude.square() @ (weight / weight.sum(1, keepdim=True)).unsqueeze(-1)).squeeze(-1)
        self.strongest = mean.amax(1, keepdim=True).clamp_min(TINY)
        self.spectrum = mean / self.strongest

    @cached_property
    def responses(self) -> Tensor:
        """Squared magnitudes (batch, partials, bins) of each partial at amplitude 1."""
        return self.layout.at(self.layout.responses, self.base * self.number) * self.present.unsqueeze(-1)

    @cached_property
    def noise(self) -> Tensor:
        """Variance of noise (batch, partials) with the same power as the gaps above each partial."""
        partials = self._solved(self._without(self._lowest(self.spectrum)))
        predicted = self._sums(self._leakage().mT, partials)
        return self._lowest(torch.maximum(self.spectrum - predicted, _LEFT * self.spectrum))

    def _lowest(self, spectrum: Tensor) -> Tensor:
        density = spectrum / self.layout.noise + TINY
        window = self._windows(self.number + 0.5) * self.layout.hz_width
        # In this order, so that the gradient does not overflow where a band is silent.
        inverse = self._sums(window, density.reciprocal().square()) / (window.sum(-1) + TINY)
        return (inverse + TINY).rsqrt() * self.present

    def _without(self, noise: Tensor) -> Tensor:
        """Power (batch, partials) that the windows gather, minus that of the noise."""
        return self.gathered - noise * (self.window @ self.layout.noise)

    @cached_property
    def power(self) -> Tensor:
        """Squared amplitudes (batch, partials), without the noise."""
        return self._solved(self._without(self.noise))

    @cached_property
    def window(self) -> Tensor:
        """Weights (batch, partials, bins) that gather the power around each partial."""
        return self._windows(self.number) * self.layout.power

    @cached_property
    def gathered(self) -> Tensor:
        """Power that the windows gather (batch, partials)."""
        return self._sums(self.window, self.spectrum)

    @cached_property
    def mixing(self) -> Tensor:
        """How much of each partial each window gathers (batch, partials, partials)."""
        mixing = self.window @ self.responses.mT
        size = mixing.diagonal(dim1=1, dim2=2).amax(1)[:, None, None].clamp_min(TINY)
        return mixing + _RIDGE * size * torch.eye(PARTIALS, dtype=mixing.dtype, device=mixing.device)

    def _solved(self, gathered: Tensor) -> Tensor:
        if self.alike:
            power = torch.linalg.solve(self.mixing[0], gathered.mT).mT
        else:
            power = torch.linalg.solve(self.mixing, gathered.unsqueeze(-1)).squeeze(-1)
        return power.clamp_min(0.0) * self.present

    def _sums(self, weights: Tensor, values: Tensor) -> Tensor:
        """Sums (batch, n) of `values` (batch, m) by weights (batch or 1, n, m)."""
        return values @ weights[0].mT if self.alike else (weights @ values.unsqueeze(-1)).squeeze(-1)

    def _windows(self, number: Tensor) -> Tensor:
        away = (self.layout.hz - (self.base * number).unsqueeze(-1)) / self.base.unsqueeze(-1)
        return 0.5 * (1.0 + torch.cos(2.0 * torch.pi * away.clamp(-0.5, 0.5))) * self.present.unsqueeze(-1)

    def _leakage(self) -> Tensor:
        """Responses with the side lobes of a Hann window, which fall off with the cube of the distance."""
        config = self.note.config
        away = (self.layout.hz - (self.base * self.number).unsqueeze(-1)) * (config.n_fft / config.sample_rate)
        far = away.abs().clamp_min(2.0)
        lobes = 0.5 / (torch.pi * far * (far.square() - 1.0)).square() * (away.abs() > 2.0)
        return self.responses + lobes * self.present.unsqueeze(-1)

    @cached_property
    def decibels(self) -> Tensor:
        """Levels (batch, partials) relative to the strongest, dB, -50 or more."""
        relative = self.power / self.power.amax(1, keepdim=True).clamp_min(TINY)
        return 10.0 * torch.log10(relative + 10.0 ** (-_WEAKEST / 10.0))

    def defined(self, values: Tensor, least: int) -> Tensor:
        """`values` (batch,), NaN where the pitch is unknown or fewer than `least` partials lie below Nyquist."""
        missing = self.note.pitch.isnan() | (self.present.sum(1) < least)
        return torch.where(missing, torch.nan, values)


class NotePartials(NoteFeatures):
    """Features of notes, with their partials; arguments of :class:`NoteFeatures` and :class:`PartialLevels`."""

    def __init__(self, decibels: Tensor, spectrogram: Spectrogram, pitch: Tensor, alike: bool = False) -> None:
        super().__init__(decibels, spectrogram, pitch)
        self.alike = alike

    @cached_property
    def partials(self) -> PartialLevels:
        """The levels of the partials, and the noise."""
        return PartialLevels(self, self.alike)


def odd_even(note: NotePartials) -> Tensor:
    """Level of the odd partials relative to the even ones, dB: each against the mean of its two neighbours, 2 to 9.

    The usual ratio of sums follows the slope of the spectrum and the fundamental, hence the pitch; this does not.
    """
    partials = note.partials
    level, present = partials.decibels[:, :10], partials.present[:, 2:10]
    bend = level[:, 1:-1] - 0.5 * (level[:, :-2] + level[:, 2:])
    sign = 2.0 * (partials.number[1:9] % 2) - 1.0
    return partials.defined((sign * bend * present).sum(1) / present.sum(1).clamp_min(1.0), 4)


def tristimulus(note: NotePartials, first: int, last: int) -> Tensor:
    """Share of the amplitudes of the partials `first` to `last`."""
    amplitude = (note.partials.power + TINY).sqrt()
    return note.partials.defined(amplitude[:, first - 1 : last].sum(1) / amplitude.sum(1), 1)


def irregularity(note: NotePartials) -> Tensor:
    """Mean distance of a partial's level from the mean of itself and its two neighbours, partials 2 to 13, dB."""
    partials = note.partials
    level, present = partials.decibels[:, :14], partials.present[:, 2:14]
    away = (level[:, 1:-1] - (level[:, :-2] + level[:, 1:-1] + level[:, 2:]) / 3.0).abs()
    return partials.defined((away * present).sum(1) / present.sum(1).clamp_min(1.0), 3)


def partial_slope(note: NotePartials) -> Tensor:
    """Slope of the partials' levels over octaves, dB per octave; a least-squares line."""
    partials = note.partials
    octave, weight = torch.log2(partials.number), partials.present / partials.number
    total = weight.sum(1, keepdim=True).clamp_min(1e-3)
    octave = octave - (weight * octave).sum(1, keepdim=True) / total
    level = partials.decibels - (weight * partials.decibels).sum(1, keepdim=True) / total
    slope = (weight * octave * level).sum(1) / (weight * octave.square()).sum(1).clamp_min(1e-3)
    return partials.defined(slope, 3)


def noisiness(note: NotePartials) -> Tensor:
    """The noise's share of the power in the range of the partials, dB; for unpitched notes their flatness."""
    partials = note.partials
    noise = (partials.noise * partials.base / partials.nyquist).sum(1)
    share = noise / (noise + 0.5 * partials.power.sum(1) + TINY)
    pitched = 10.0 * torch.log10(share + _QUIETEST)
    return torch.where(note.pitch.isnan() | (partials.present.sum(1) < 1), flatness(note), pitched)


def harmonic_energy(note: NotePartials) -> Tensor:
    """Power of all partials, without the noise, dB relative to a full-scale sine; -80 or more."""
    partials = note.partials
    total = partials.power.sum(1) * partials.strongest[:, 0]
    return partials.defined(10.0 * torch.log10(total + _SILENT), 1)
