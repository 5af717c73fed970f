"""What all descriptors of notes share: calibrated bands, and the frames in which a note sounds."""

import math
from functools import cached_property, lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.spectral.filterbank import hz_to_erb
from timbre.spectral.spectrogram import Spectrogram

SOUNDING = 40.0  # dB below its peak level down to which a note sounds
SOFTNESS = 2.0  # dB over which frames and bands fade out, so that gradients exist
DEPTH = 60.0  # dB below a note's loudest band; softer bands are silent
ABOVE_FLOOR = 4.0  # dB above the floor; lower levels are silent
LOW, HIGH = 0.1, 0.8  # of the peak amplitude: where an attack begins and ends
TINY = 1e-12
_GRID_HZ = 4.0  # spacing of the tabulated sines; a Hann window's main lobe is many times wider
_SHORTEST, _LONGEST, _RAMPS = 0.005, 1.0, 64  # s, of the attacks in the table; and their number
_NOISE_SECONDS = 4.0


class Layout(NamedTuple):
    """Calibration of a spectrogram's bands."""

    hz: Tensor  # centres of the bands (bins,)
    erb: Tensor  # the same, ERB numbers
    hz_width: Tensor  # widths of the bands (bins,)
    erb_width: Tensor
    amplitude: Tensor  # weights (bins,) with which the magnitudes of any steady sine of amplitude 1 sum to about 1
    power: Tensor  # the same for squared magnitudes
    noise: Tensor  # squared magnitudes (bins,) of white noise of variance 1
    responses: Tensor  # squared magnitudes (grid, bins) of steady sines of amplitude 1 at multiples of `step` Hz
    step: float
    rise: Tensor  # measured lengths of linear attacks, s
    ramp: Tensor  # their true lengths, from 5 ms on

    def at(self, table: Tensor, hz: Tensor) -> Tensor:
        """Rows of a table (grid, ...) for multiples of `step` Hz, interpolated at `hz`."""
        position = (hz / self.step).clamp(0, len(table) - 1.001)
        row = position.detach().long()
        return torch.lerp(table[row], table[row + 1], (position - row).view(*row.shape, *[1] * (table.ndim - 1)))


class NoteFeatures:
    """Features of notes that descriptors share; each is computed when it is first used.

    Args:
        decibels: spectrograms (batch, bins, frames), dB.
        spectrogram: the transform that made them.
        pitch: MIDI (batch,), NaN where unpitched.

    Raises:
        AudioError: a shape is wrong, there are no frames, or a level is not finite.
    """

    def __init__(self, decibels: Tensor, spectrogram: Spectrogram, pitch: Tensor) -> None:
        config = spectrogram.config
        if decibels.ndim != 3 or decibels.shape[1] != config.bins or not decibels.shape[2]:
            raise AudioError(
                f"Spectrograms must be a tensor (batch, {config.bins}, frames) in dB, got {tuple(decibels.shape)}."
            )
        if pitch.shape != decibels.shape[:1]:
            raise AudioError(f"Pitches must be one MIDI number per note, ({len(decibels)},), got {tuple(pitch.shape)}.")
        if not bool(torch.isfinite(decibels).all() & ~pitch.isinf().any()):
            raise AudioError("Levels must be finite and pitches finite or NaN, got others that are not finite.")
        self.decibels, self.config = decibels, config
        self.pitch = pitch.to(decibels)
        self.layout = layout(config, decibels.dtype, str(decibels.device))
        frames = torch.arange(decibels.shape[2], dtype=decibels.dtype, device=decibels.device)
        self.time = frames / config.frame_rate

    @cached_property
    def threshold(self) -> Tensor:
        """Level (batch, 1, 1), dB, below which a band is silent."""
        loudest = self.decibels.amax((1, 2), keepdim=True)
        return (loudest - DEPTH).clamp_min(self.config.floor_db + ABOVE_FLOOR)

    @cached_property
    def magnitude(self) -> Tensor:
        """Magnitudes (batch, bins, frames); those of silent bands fade to 0."""
        gate = torch.sigmoid((self.decibels - self.threshold) / SOFTNESS)
        return gate * power_ratio(0.5 * self.decibels)

    @cached_property
    def density(self) -> Tensor:
        """Level (batch, bins, frames), dB, no lower than the threshold; 0 is white noise of variance 1."""
        return torch.maximum(self.decibels, self.threshold) - 10.0 * torch.log10(self.layout.noise)[:, None]

    @cached_property
    def energy(self) -> Tensor:
        """Power of each frame relative to the note's loudest frame (batch, frames)."""
        power = torch.einsum("b,nbt->nt", self.layout.power, self.magnitude.square())
        return power / power.amax(1, keepdim=True).clamp_min(TINY)

    @cached_property
    def level(self) -> Tensor:
        """Level of each frame relative to the note's loudest frame (batch, frames), dB, -60 or more."""
        return 10.0 * torch.log10(self.energy + 10.0 ** (-DEPTH / 10.0))

    @cached_property
    def sounding(self) -> Tensor:
        """Weights (batch, frames), 0 to 1, of the frames in which the note sounds."""
        return torch.sigmoid((self.level + SOUNDING) / SOFTNESS)

    @cached_property
    def amplitude(self) -> Tensor:
        """Amplitude of the sounding frames relative to the loudest frame (batch, frames)."""
        return (self.energy + TINY).sqrt() * self.sounding

    @cached_property
    def weight(self) -> Tensor:
        """Weights (batch, frames) with sum 1, by amplitude."""
        return self.amplitude / self.amplitude.sum(1, keepdim=True)

    @cached_property
    def attack(self) -> tuple[Tensor, Tensor]:
        """Begin and end of the attack (batch,), s."""
        return rise((self.energy + TINY).sqrt(), 1.0 / self.config.frame_rate)

    @cached_property
    def steady(self) -> Tensor:
        """Weights (batch, frames), 0 to 1, of the sounding frames whose window lies between attack and end.

        The other frames keep a hundred-thousandth, for notes that are too short to have such frames.
        """
        return self._between(self.attack[1])

    @cached_property
    def ringing(self) -> Tensor:
        """Weights (batch, frames) like :attr:`steady`, of the frames whose window begins after the onset."""
        return self._between(self.attack[0])

    def _between(self, begin: Tensor) -> Tensor:
        edge = 0.5 * self.config.hop_length / self.config.sample_rate
        window = self.config.n_fft / self.config.sample_rate
        after = torch.sigmoid((self.time - begin[:, None] - 0.5 * window) / edge)
        before = torch.sigmoid((self.end[:, None] - self.time - window) / edge)
        return self.sounding * (after * before + 1e-5)

    @cached_property
    def end(self) -> Tensor:
        """The last time at which the level is within 40 dB of the peak (batch,), s."""
        backwards = (self.energy + TINY).sqrt().flip(1).cummax(1).values
        return self.time[-1] - crossing(backwards, 10.0 ** (-SOUNDING / 20.0)) / self.config.frame_rate

    def mean(self, values: Tensor) -> Tensor:
        """Mean over time (batch,) of values of the frames (batch, frames), by amplitude."""
        return (self.weight * values).sum(1)

    def deviation(self, values: Tensor) -> Tensor:
        """Standard deviation over time (batch,) of values of the frames (batch, frames), by amplitude."""
        away = values - self.mean(values)[:, None]
        return root(self.mean(away.square()))


def power_ratio(decibels: Tensor) -> Tensor:
    """Ratio of powers for a level in dB; three times as fast as torch.pow."""
    return torch.exp(decibels * (math.log(10.0) / 10.0))


def root(values: Tensor) -> Tensor:
    """Square root with a finite slope at 0."""
    return (values + TINY).sqrt() - TINY**0.5


def crossing(values: Tensor, threshold: float) -> Tensor:
    """Steps (batch,) until a line through `values` (batch, n), which never falls, first reaches `threshold`."""
    step = values.diff(dim=1)
    return ((threshold - values[:, :-1]) / step.clamp_min(TINY)).clamp(0.0, 1.0).sum(1)


def rise(amplitude: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """Times (batch,), s, at which an amplitude (batch, frames) with peak 1, every `step` s, first reaches .1 and .8."""
    highest = amplitude.cummax(1).values
    return crossing(highest, LOW) * step, crossing(highest, HIGH) * step


@lru_cache(maxsize=8)
def layout(config: SpectrogramConfig, dtype: torch.dtype, device: str) -> Layout:
    """The calibration of the bands of a config's spectrogram; computed once."""
    parts = (part.to(device, dtype) if isinstance(part, Tensor) else part for part in _layout(config))
    return Layout(*parts)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def _layout(config: SpectrogramConfig) -> Layout:
    spectrogram, nyquist = Spectrogram(config), config.sample_rate / 2.0
    centers = spectrogram.centers.double()
    step = nyquist / round(nyquist / _GRID_HZ)
    grid = torch.arange(round(nyquist / step) + 1, dtype=torch.float64) * step
    responses = spectrogram.response(grid).double()
    limits = torch.cat([centers.new_zeros(1), 0.5 * (centers[1:] + centers[:-1]), centers.new_tensor([nyquist])])
    width = limits.diff()
    measured, ramp = _ramps(config)
    return Layout(
        hz=centers,
        erb=torch.from_numpy(hz_to_erb(centers.numpy())),
        hz_width=width,
        erb_width=torch.from_numpy(hz_to_erb(limits.numpy())).diff(),
        amplitude=width / torch.trapezoid(responses, dx=step, dim=0).clamp_min(TINY),
        power=width / torch.trapezoid(responses.square(), dx=step, dim=0).clamp_min(TINY),
        noise=_noise(spectrogram).double(),
        responses=responses.square(),
        step=step,
        rise=measured,
        ramp=ramp,
    )


@torch.no_grad()
def _noise(spectrogram: Spectrogram) -> Tensor:
    """Squared magnitudes (bins,) of white noise of variance 1, measured: filters on magnitudes have no formula."""
    config = spectrogram.config
    samples = max(round(_NOISE_SECONDS * config.sample_rate), 64 * config.n_fft)
    noise = torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
    return power_ratio(spectrogram(noise)[0]).mean(1)


def _ramps(config: SpectrogramConfig) -> tuple[Tensor, Tensor]:
    """Lengths of linear attacks from the first frame on as measured in frames of the window, and their true ones, s."""
    rate, half = config.sample_rate, config.n_fft // 2
    ramp = torch.logspace(torch.tensor(_SHORTEST).log10(), torch.tensor(_LONGEST).log10(), _RAMPS, dtype=torch.float64)
    frames = config.frames(round(_LONGEST * rate) + config.n_fft)
    window = torch.hann_window(config.n_fft, dtype=torch.float64).square()
    offset = torch.arange(config.n_fft, dtype=torch.float64) - half
    seconds = (torch.arange(frames, dtype=torch.float64)[:, None] * config.hop_length + offset) / rate
    power = [(seconds / length).clamp(0.0, 1.0).square() @ window / window.sum() for length in ramp]
    begin, end = rise(torch.stack(power).sqrt(), 1.0 / config.frame_rate)
    return end - begin, ramp
