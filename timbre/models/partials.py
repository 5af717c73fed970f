"""Where the partials of a note lie in a spectrogram: the response to unit harmonics at any pitch."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from timbre.config import SpectrogramConfig
from timbre.spectral import Spectrogram

GRID_HZ = 4.0  # spacing of the tabulated sinusoids; a Hann window's main lobe is many times wider
LOW, STEP, HIGH = 8.0, 0.1, 132.0  # MIDI pitches of the tabulated comb, ten cents apart
SILENCE_DB = -200.0


class Partials(nn.Module):
    """Responses of a spectrogram's bands to harmonics, interpolated in tables that are computed once.

    `harmonics` is the number of partials of :meth:`shares`.
    """

    def __init__(self, spectrogram: Spectrogram, harmonics: int) -> None:
        super().__init__()
        self.harmonics = harmonics
        self.nyquist = spectrogram.config.sample_rate / 2.0
        responses, combs = _tables(spectrogram.config)
        self.responses = nn.Buffer(responses.clone(), persistent=False)
        self.combs = nn.Buffer(combs.clone(), persistent=False)

    def comb(self, pitch: Tensor) -> Tensor:
        """Levels (..., bins), dB, of all harmonics at unit amplitude; pitch (...) is MIDI. Between them about -200."""
        return _interpolated(self.combs, (pitch - LOW) / STEP)

    def shares(self, pitch: Tensor) -> Tensor:
        """The share of each of the first partials in each band's power if all are equally strong.

        (..., harmonics, bins) for pitches (...), MIDI; each column sums to at most 1.
        """
        power = self.power(pitch)
        return power / (power.sum(-2, keepdim=True) + 1e-6)

    def power(self, pitch: Tensor, count: int | None = None) -> Tensor:
        """Power of each of the first partials (`count`; default: `harmonics`), at unit amplitude, in each band:
        (..., count, bins) for (...)."""
        count = self.harmonics if count is None else count
        numbers = torch.arange(1, count + 1, device=pitch.device, dtype=pitch.dtype)
        return _power(self.responses, _hz(pitch).unsqueeze(-1) * numbers, self.nyquist)

    def below_nyquist(self, pitch: float) -> int:
        """The number of partials of a pitch, MIDI, that :meth:`power` does not leave out."""
        return math.ceil(self.nyquist / (440.0 * 2.0 ** ((pitch - 69.0) / 12.0)) - 1e-6) - 1


@lru_cache(maxsize=8)
def _tables(config: SpectrogramConfig) -> tuple[Tensor, Tensor]:
    """Responses (grid, bins) to sinusoids, and combs (pitches, bins) in dB; takes half a second."""
    nyquist = config.sample_rate / 2.0
    grid = torch.arange(0.0, nyquist + 2 * GRID_HZ, GRID_HZ, dtype=torch.float64)
    responses = Spectrogram(config).response(grid)
    combs = _comb_power(responses, nyquist).float()
    return responses, 10.0 * torch.log10(combs + 10.0 ** (SILENCE_DB / 10.0))


def _comb_power(responses: Tensor, nyquist: float) -> Tensor:
    """:func:`_power` of all harmonics of each tabulated pitch, summed: (pitches, bins), float64.

    A partial between two rows a and b of the table has ((1 - w) a + w b)^2; its three terms are sparse products, which
    take a quarter of the time of a sum for each pitch.
    """
    base = torch.stack([_hz(pitch) for pitch in torch.arange(LOW, HIGH, STEP)])
    counts = (nyquist / base.double()).long().clamp_min(1)
    pitch = torch.repeat_interleave(torch.arange(len(base)), counts)
    number = torch.arange(len(pitch)) - (counts.cumsum(0) - counts)[pitch] + 1
    frequency = base[pitch] * number
    pitch, frequency = pitch[frequency < nyquist], frequency[frequency < nyquist]
    position = (frequency / GRID_HZ).clamp(0.0, len(responses) - 1.001)
    row = position.long()
    share, low, high = (position - row).double(), responses[:-1].double(), responses[1:].double()
    total = torch.zeros(len(base), responses.shape[1], dtype=torch.float64)
    for weight, part in (((1 - share) ** 2, low * low), (2 * share * (1 - share), low * high), (share**2, high * high)):
        where, shape = torch.stack([pitch, row]), (len(base), len(low))
        total += torch.sparse.mm(torch.sparse_coo_tensor(where, weight, shape, check_invariants=False), part)
    return total


def _power(responses: Tensor, frequency: Tensor, nyquist: float) -> Tensor:
    """Squared magnitude (..., bins) of unit sinusoids at `frequency` (..., Hz); 0 above Nyquist."""
    magnitude = _interpolated(responses, frequency / GRID_HZ)
    return magnitude * magnitude * (frequency < nyquist).unsqueeze(-1)


def _interpolated(table: Tensor, position: Tensor) -> Tensor:
    """Rows of a table at fractional positions; `torch.lerp` would become a dozen steps in an export."""
    position = position.clamp(0.0, len(table) - 1.001)
    row = position.long()
    low = table[row]
    return low + (position - row).unsqueeze(-1) * (table[row + 1] - low)


def _hz(midi: Tensor) -> Tensor:
    return 440.0 * torch.exp2((midi - 69.0) / 12.0)
