"""The portable inverter: harmonics, tones and noise from what sounds in a decoder's frames, in plain tensor code.

A sound is the sum of three parts (after Serra and Smith 1990):

- **Harmonics** of the pitch: one period of each frame is an inverse FFT of its partials' amplitudes, which a phase
  accumulator reads (wavetable synthesis). So the pitch is exact, whatever the frames are.
- **Tones**: narrow peaks of the noise levels are partials of bells, bars and drums. Each is an oscillator.
- **Noise**: white noise through a filter with the levels of what is left.

Between two frames everything is interpolated linearly, and a hop needs no frame after its end: there is no latency.
White noise is a hash of the sample's number, and phases are whole numbers, so a sound does not depend on how it is
divided. The code can be scripted (TorchScript) and exported (ONNX), and the rows of a batch are independent.
"""

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from timbre.config import SpectrogramConfig
from timbre.spectral.inversion._readings import GRID_HZ, LOW, STEP, readings

STEADY = (250.0, 1000.0)  # Hz: below the first, what a decoder calls noise is slow beats and resonances; not above
_LOG_MEAN = 2.51  # dB by which the mean level of noise is below the level of its mean power
LOWEST = 12.0  # MIDI: the lowest pitch whose partials have room


class Keyframes(NamedTuple):
    """Keyframes that are ready to be interpolated; of each row."""

    hz: Tensor  # of the harmonics, float64 (rows,); 0 without pitch
    period: Tensor  # samples of one period, (rows, size)
    tones: Tensor  # amplitudes of the tone in each band, (rows, bands); nearly all are 0
    tones_hz: Tensor  # Hz, float64 (rows, bands)
    noise: Tensor  # response of the filter of the noise, (rows, size / 2 + 1)


class Phases(NamedTuple):
    """Where a sound is; all zeros at its beginning."""

    harmonics: Tensor  # int64 (rows,), 2^40 is a turn
    tones: Tensor  # int64 (rows, bands)
    time: Tensor  # samples since the beginning, int64 (rows,)


class Portable(nn.Module):
    """The portable inverter of one kind of spectrogram.

    Args:
        config: of the spectrogram whose bands the parts are in.
        hop: samples from one frame to the next.
        sample_rate: Hz, of the sound; default: that of the spectrogram. Sounds are never wider than the spectrogram's
            band, and need no resampling.
        top_rate: Hz, the largest rate that :meth:`tune` will be given; default: `sample_rate`.
    """

    bin_bands: Tensor
    bin_gain: Tensor
    turn: Final[int] = 1 << 40  # steps of a phase in a turn
    most_tones: Final[int] = 32  # oscillators at a time
    prominent: Final[float] = 3.0  # dB by which a peak of the noise exceeds its sides, and begins to be a tone
    sure: Final[float] = 6.0  # dB by which it is nothing else
    fade: Final[float] = 0.04  # share of the band over which the highest partials fade out
    rise: Final[float] = 0.003  # s in which a sound begins

    def __init__(
        self, config: SpectrogramConfig, hop: int, sample_rate: int | None = None, top_rate: int | None = None
    ) -> None:
        super().__init__()
        own, table = float(config.sample_rate), readings(config)
        self.hop, self.own_rate, self.limit = hop, own, own / 2.0
        rate = float(sample_rate or own)
        partials = int(self.limit / _hz_of(LOWEST))
        self.partials, self.period_size = partials, _power_of_two(8 * partials)
        self.fft_size = _power_of_two(max(config.n_fft / own * max(rate, float(top_rate or rate)), 2.5 * hop))
        self.white, self.single = nn.Buffer(table.white + _steady(table.centers)), nn.Buffer(table.single.clone())
        self.combs, self.band_at = nn.Buffer(table.combs), nn.Buffer(table.band_at)
        self.centers = nn.Buffer(table.centers)
        self.grid_hz, self.comb_low, self.comb_step = GRID_HZ, LOW, STEP
        self.below, self.above = nn.Buffer(table.below), nn.Buffer(table.above)
        self.numbers = nn.Buffer(torch.arange(1, partials + 1, dtype=torch.float32))
        self.signs = nn.Buffer(1.0 - 2.0 * (self.numbers % 2.0))  # peaks meet half a period later
        taps = self.fft_size - hop
        self.taps = nn.Buffer(torch.hann_window(taps + 1)[1:])
        self.rate = rate
        self.register_buffer("bin_bands", torch.zeros(0))
        self.register_buffer("bin_gain", torch.zeros(0))
        self.tune(rate)

    def tune(self, rate: float) -> None:
        """Set the sample rate of the sound, Hz."""
        self.rate = rate
        hz = torch.arange(self.fft_size // 2 + 1) * (rate / self.fft_size)
        self.bin_bands = _lines(self.band_at, hz / self.grid_hz)
        self.bin_gain = math.sqrt(rate / self.own_rate) * (hz < self.limit).float()

    def prepare(self, pitch: Tensor, partials: Tensor, envelope: Tensor, noise: Tensor) -> Keyframes:
        """Keyframes of rows.

        Args:
            pitch: MIDI (rows,), NaN without pitch.
            partials: amplitudes of the first partials, dB (rows, harmonics).
            envelope: amplitudes of later partials, by band, dB (rows, bands).
            noise: levels of the noise, dB (rows, bands).
        """
        pitched = torch.logical_not(torch.isnan(pitch))
        known = torch.where(pitched, pitch, torch.full_like(pitch, 69.0))
        hz = 440.0 * torch.exp2((known.double() - 69.0) / 12.0)
        period = self._period(known, hz.float(), partials, envelope) * pitched.unsqueeze(-1)
        tones, tones_hz, rest = self._tones(noise)
        return Keyframes(hz * pitched, period, tones, tones_hz, self._filter(rest))

    def amplitudes(self, pitch: Tensor, partials: Tensor, envelope: Tensor) -> Tensor:
        """Amplitudes of all partials below half of the sample rate, (rows, numbers); 0 above it."""
        return self._amplitudes(pitch, 440.0 * torch.exp2((pitch - 69.0) / 12.0), partials, envelope)

    def _amplitudes(self, pitch: Tensor, hz: Tensor, partials: Tensor, envelope: Tensor) -> Tensor:
        frequency = hz.unsqueeze(-1) * self.numbers
        band = _lines(self.band_at, frequency / self.grid_hz)
        comb = _rows(self.combs, (pitch - self.comb_low) / self.comb_step)
        level, correction = _along(envelope, band), _along(comb, band)
        first = min(partials.shape[1], self.partials)
        level = torch.cat([partials[:, :first], level[:, first:]], 1) + correction
        top = min(self.limit, 0.5 * self.rate)
        edge = ((top - frequency) / (self.fade * top)).clamp(0.0, 1.0)
        return edge * torch.pow(10.0, level / 20.0)

    def _period(self, pitch: Tensor, hz: Tensor, partials: Tensor, envelope: Tensor) -> Tensor:
        amplitude = 0.5 * self.period_size * self.signs * self._amplitudes(pitch, hz, partials, envelope)
        spectrum = torch.nn.functional.pad(amplitude, (1, self.period_size // 2 - self.partials))
        return torch.fft.irfft(torch.complex(spectrum, torch.zeros_like(spectrum)), self.period_size)

    def _tones(self, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Amplitudes and frequencies (rows, bands) of the peaks of noise levels, and the levels without them, dB."""
        sides = torch.maximum(noise[:, self.below], noise[:, self.above])
        excess = (noise - sides).clamp_min(0.0)
        rest = noise - excess * ((excess - self.prominent) / (self.sure - self.prominent)).clamp(0.0, 1.0)
        left = torch.nn.functional.pad(noise[:, :-1], (1, 0), value=400.0)
        right = torch.nn.functional.pad(noise[:, 1:], (0, 1), value=400.0)
        is_peak = (noise > left) & (noise >= right) & (excess > self.prominent)
        bend = (2.0 * noise - left - right).clamp_min(1e-3)
        offset = torch.where(is_peak, 0.5 * (right - left) / bend, torch.zeros_like(noise)).clamp(-0.5, 0.5)
        top = noise + 0.25 * (right - left) * offset * is_peak
        power = (torch.pow(10.0, top / 10.0) - torch.pow(10.0, rest / 10.0)).clamp_min(0.0)
        amplitude = is_peak * torch.sqrt(power) * torch.pow(10.0, -self.single / 20.0)
        places = torch.arange(noise.shape[1], device=noise.device) + offset
        hz = _lines(self.centers, places).double()
        amplitude = amplitude * (hz < 0.98 * min(self.limit, 0.5 * self.rate))
        return amplitude, hz, rest

    def _filter(self, noise: Tensor) -> Tensor:
        """Responses (rows, fft_size / 2 + 1) of filters of `taps` samples, around the middle, for levels in dB."""
        level = _along(noise - self.white, self.bin_bands.unsqueeze(0).expand(noise.shape[0], -1))
        gain = torch.pow(10.0, level / 20.0) * self.bin_gain
        taps = torch.fft.irfft(torch.complex(gain, torch.zeros_like(gain)), self.fft_size)
        half = self.taps.shape[0] // 2
        centred = torch.cat([taps[:, -half:], taps[:, : self.taps.shape[0] - half]], 1) * self.taps
        centred = torch.nn.functional.pad(centred, (0, self.hop))
        turned = torch.cat([centred[:, half:], centred[:, :half]], 1)  # symmetric around 0, so its spectrum is real
        return torch.fft.rfft(turned).real

    def begin(self, rows: int) -> Phases:
        """The phases of sounds that begin."""
        zeros = torch.zeros(rows, dtype=torch.int64, device=self.white.device)
        return Phases(zeros, zeros.unsqueeze(-1).repeat(1, self.centers.shape[0]), zeros.clone())

    def advance(self, before: Keyframes, after: Keyframes, phases: Phases) -> Phases:
        """The phases a hop later; a tone that moves to the next band takes its phase along."""
        first, last = _ends(before.hz, after.hz)
        harmonics = phases.harmonics + self._turns(first + last)
        low, high = _tone_ends(before, after)
        tones = _handed_on(before.tones, phases.tones) + self._turns(low + high)
        return Phases(harmonics % self.turn, tones % self.turn, phases.time + self.hop)

    def _turns(self, twice_hz: Tensor) -> Tensor:
        return torch.round(twice_hz * (0.5 * self.hop / self.rate * self.turn)).to(torch.int64)

    def render(self, before: Keyframes, after: Keyframes, phases: Phases, seed: Tensor) -> Tensor:
        """Samples (rows, hop) from one frame to the next, which is one hop later.

        The `phases` are those at the first frame, `seed` (rows,), int64, of the noise.
        """
        number = torch.arange(self.hop, device=seed.device)
        share = (number / self.hop).float()
        since = phases.time.unsqueeze(-1) + number
        sound = self._harmonics(before, after, phases, share) + self._noise(before, after, phases, seed, share)
        sound = sound + self._oscillators(before, after, phases, share)
        rise = (since / (self.rise * self.rate)).clamp(0.0, 1.0).float()
        return sound * (0.5 - 0.5 * torch.cos(math.pi * rise))

    def _harmonics(self, before: Keyframes, after: Keyframes, phases: Phases, share: Tensor) -> Tensor:
        first, last = _ends(before.hz, after.hz)
        place = self._turned(phases.harmonics, first, last) * self.period_size
        whole = place.floor()
        rest, index = (place - whole).float(), whole.to(torch.int64)
        a, b, c, d = [(index + shift) % self.period_size for shift in (-1, 0, 1, 2)]
        w0 = -rest * (rest - 1.0) * (rest - 2.0) / 6.0  # Lagrange's cubic
        w1 = (rest + 1.0) * (rest - 1.0) * (rest - 2.0) / 2.0
        w2 = -(rest + 1.0) * rest * (rest - 2.0) / 2.0
        w3 = (rest + 1.0) * rest * (rest - 1.0) / 6.0
        one, other = before.period, after.period
        start = w0 * one.gather(1, a) + w1 * one.gather(1, b) + w2 * one.gather(1, c) + w3 * one.gather(1, d)
        end = w0 * other.gather(1, a) + w1 * other.gather(1, b) + w2 * other.gather(1, c) + w3 * other.gather(1, d)
        return start + share * (end - start)

    def _turned(self, phase: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """Phases in turns, 0 to 1, at the samples of a hop; the frequency goes from `first` to `last` in a line."""
        time = torch.arange(self.hop, device=phase.device).double() / self.rate
        bend = 0.5 * self.rate / self.hop * (last - first)
        turns = phase.double().unsqueeze(-1) / self.turn + (first.unsqueeze(-1) + bend.unsqueeze(-1) * time) * time
        return turns - turns.floor()

    def _oscillators(self, before: Keyframes, after: Keyframes, phases: Phases, share: Tensor) -> Tensor:
        chosen = torch.topk(
            torch.maximum(before.tones, after.tones), min(self.most_tones, before.tones.shape[1])
        ).indices
        low, high = _tone_ends(before, after)
        phase = _handed_on(before.tones, phases.tones).gather(1, chosen)
        turns = self._turned(phase, low.gather(1, chosen), high.gather(1, chosen))
        one, other = (amount.gather(1, chosen).unsqueeze(-1) for amount in (before.tones, after.tones))
        return ((one + share * (other - one)) * torch.sin(2.0 * math.pi * turns).float()).sum(1)

    def _noise(self, before: Keyframes, after: Keyframes, phases: Phases, seed: Tensor, share: Tensor) -> Tensor:
        half = self.taps.shape[0] // 2
        around = torch.arange(self.fft_size, device=seed.device) - half
        white = torch.fft.rfft(white_noise(phases.time.unsqueeze(-1) + around, seed.unsqueeze(-1)))
        low, high = before.noise, after.noise
        start = torch.fft.irfft(torch.complex(white.real * low, white.imag * low), self.fft_size)
        end = torch.fft.irfft(torch.complex(white.real * high, white.imag * high), self.fft_size)
        start, end = start[:, half : half + self.hop], end[:, half : half + self.hop]
        return start + share * (end - start)


def white_noise(number: Tensor, seed: Tensor) -> Tensor:
    """White noise, uniform, of mean 0 and variance 1: a hash of the sample's number, int64."""
    mixed = (number + seed * 0x9E3779B1) & 0xFFFFFFFF
    for _ in range(2):
        mixed = ((mixed ^ (mixed >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    mixed = mixed ^ (mixed >> 16)
    return (mixed.float() * (2.0 / 4294967296.0) - 1.0) * 1.7320508


def _ends(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Frequencies at the ends of a hop; where one end has none, that of the other."""
    return torch.where(first > 0.0, first, last), torch.where(last > 0.0, last, first)


def _tone_ends(before: Keyframes, after: Keyframes) -> tuple[Tensor, Tensor]:
    low = torch.where(before.tones > 0.0, before.tones_hz, after.tones_hz)
    return low, torch.where(after.tones > 0.0, after.tones_hz, low)


def _handed_on(tones: Tensor, phases: Tensor) -> Tensor:
    """Phases (rows, bands) in which a band without a tone has that of a neighbour with one."""
    sounding = tones > 0.0
    left, right = torch.roll(sounding, 1, 1), torch.roll(sounding, -1, 1)
    near = torch.where(left, torch.roll(phases, 1, 1), torch.where(right, torch.roll(phases, -1, 1), phases))
    return torch.where(sounding, phases, near)


def _lines(table: Tensor, place: Tensor) -> Tensor:
    """Values of a table (size,) between its places."""
    place = place.clamp(0.0, table.shape[0] - 1.001)
    low = place.to(torch.int64)
    first = table[low]
    return first + (place - low).to(table.dtype) * (table[low + 1] - first)


def _along(rows: Tensor, place: Tensor) -> Tensor:
    """Values of rows (rows, size) between their places (rows, n)."""
    place = place.clamp(0.0, rows.shape[1] - 1.001)
    low = place.to(torch.int64)
    first = rows.gather(1, low)
    return first + (place - low) * (rows.gather(1, low + 1) - first)


def _rows(table: Tensor, place: Tensor) -> Tensor:
    """Rows of a table (size, n) between its places (rows,)."""
    place = place.clamp(0.0, table.shape[0] - 1.001)
    low = place.to(torch.int64)
    first = table[low]
    return first + (place - low).unsqueeze(-1) * (table[low + 1] - first)


def _steady(hz: Tensor) -> Tensor:
    """dB by which noise at these frequencies reads too much: it is as steady there as a partial, see `STEADY`."""
    low, high = STEADY
    return _LOG_MEAN * (torch.log(high / hz.clamp_min(1.0)) / math.log(high / low)).clamp(0.0, 1.0)


def _hz_of(pitch: float) -> float:
    return 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def _power_of_two(least: float) -> int:
    return 1 << math.ceil(math.log2(least))
