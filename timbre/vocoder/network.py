"""The vocoder: turns a decoded spectrogram into a mixture of pulses, tones and noise, bin by bin.

A network that sees only magnitudes produces sound that repeats with the hop, so it cannot sustain a note. This one
chooses from three phases, each of which can: that of a band-limited pulse train at the note's pitch, to which it adds a
residual; that of phase gradient heap integration, which follows partials wherever they are; and that of white noise. It
decides how the power of each bin is shared between them, and its gain; an inverse STFT makes the sound.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timbre.config import SpectrogramConfig, VocoderConfig
from timbre.models.checkpoint import require_count, require_shapes

FIRST_PHASE = math.pi  # of the pulse train at the onset: half a period before its first pulse, to avoid a click
FLOOR = 1e-4  # magnitude below which a bin counts as silent; a full-scale sine has 1
_BEFORE = 1  # earlier frames that the first layer sees
_HEADS = 4
_FEWEST_ROWS, _VECTOR = 4, 32
LOUDER = 1.2  # nepers: the largest gain or attenuation of a bin
CLEAR = 0.1  # magnitude of a unit partial's lobe above which an untrained network favours pulses
NOISE = -2.0  # log odds of noise against tones of an untrained network


class Mix(NamedTuple):
    """Amplitudes of pulses, tones and noise relative to the decoded magnitude, and the residual, radians, that is added
    to the phases of the pulse train; each (batch, bins, frames).
    """

    pulses: Tensor
    residual: Tensor
    tones: Tensor
    noise: Tensor


class Block(nn.Module):
    """A residual block: a causal depthwise convolution along time and a layer across channels (after ConvNeXt)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.past = kernel - 1
        self.taps = nn.Parameter(torch.empty(kernel, channels))
        nn.init.normal_(self.taps, std=1.0 / kernel)
        self.norm = nn.LayerNorm(channels)
        self.inner, self.outer = nn.Linear(channels, 3 * channels), nn.Linear(3 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, past + frames, channels) to (batch, frames, channels)."""
        frames = x.shape[1] - self.past
        along = self.taps[0] * x[:, :frames]
        for k, tap in enumerate(self.taps[1:], 1):
            along = along + tap * x[:, k : k + frames]
        return x[:, self.past :] + _rows(self.outer, _each(F.silu, _rows(self.inner, self.norm(along))))


class Vocoder(nn.Module):
    """The network. Its output for a frame depends on that frame, `past` frames before it and `look_ahead` after it.

    Each of its blocks sees `kernel` frames.
    """

    def __init__(self, bins: int, channels: int, blocks: int, kernel: int, look_ahead: int) -> None:
        super().__init__()
        self.bins, self.look_ahead = bins, look_ahead
        self.entry = nn.Linear((_BEFORE + 1 + look_ahead) * bins, channels)
        self.comb = nn.Linear(bins, channels)
        self.blocks = cast("list[Block]", nn.ModuleList(Block(channels, kernel) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(channels), nn.Linear(channels, _HEADS * bins)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    @property
    def past(self) -> int:
        """Number of earlier frames that the network sees."""
        return _BEFORE + sum(block.past for block in self.blocks)

    def forward(self, magnitude: Tensor, comb: Tensor) -> Mix:
        """The mix of (batch, bins, frames).

        Args:
            magnitude: linear STFT magnitudes (batch, bins, past + frames + look_ahead); 0 before a sound's first frame
                and after its last.
            comb: lobes of a pulse train's partials in the same frames, from
                :func:`~timbre.vocoder.pulses.pulse_spectrum`.
        """
        stop = comb.shape[-1] - self.look_ahead
        x = self._entered(_levels(magnitude.mT), _lobes(comb.mT[:, _BEFORE:stop]))
        for block in self.blocks:
            x = block(x)
        return mix_of(self._outputs(x), comb[..., self.past : stop])

    def step(self, magnitude: Tensor, comb: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """:meth:`forward` for streams, whose next frames are (batch, frames, bins).

        Returns the outputs of the frames `look_ahead` frames earlier, of which :func:`mix_of` makes the mix, and the
        state for the next step; the first one is :meth:`silent_state`.
        """
        frames = comb.shape[1]
        new = (_levels(magnitude), _lobes(comb))
        levels, lobes = (torch.cat(pair, 1) for pair in zip(state[:2], new, strict=True))
        after = [levels[:, frames:], lobes[:, frames:]]
        x = self._entered(levels, lobes[:, :frames])
        for block, before in zip(self.blocks, state[2:], strict=True):
            x = torch.cat([before, x], 1)
            after.append(x[:, frames:])
            x = block(x)
        return self._outputs(x), after

    @torch.no_grad()
    def silent_state(self) -> list[Tensor]:
        """The state for :meth:`step` before a sound begins, for a batch of one."""
        levels = _levels(torch.zeros(1, _BEFORE + 1 + self.look_ahead, self.bins))
        lobes = _lobes(torch.zeros(1, self.look_ahead + 1, self.bins))
        state, x = [levels[:, 1:], lobes[:, 1:]], self._entered(levels, lobes[:, :1])
        for block in self.blocks:
            x = x.expand(-1, block.past + 1, -1)
            state.append(x[:, 1:].clone())
            x = block(x)
        return state

    def _entered(self, levels: Tensor, lobes: Tensor) -> Tensor:
        """Input of the blocks (batch, frames, channels), from the lobes and the levels of the frames, the one before
        and the `look_ahead` ones after them."""
        frames = lobes.shape[1]
        around = [levels[:, k : k + frames] for k in range(_BEFORE + 1 + self.look_ahead)]
        return _rows(self.entry, torch.cat(around, -1)) + _rows(self.comb, lobes)

    def _outputs(self, x: Tensor) -> Tensor:
        return _rows(self.head, self.norm(x)).unflatten(-1, (_HEADS, self.bins))


def _levels(magnitude: Tensor) -> Tensor:
    return _each(torch.log, magnitude.clamp_min(FLOOR)) / 4.0 + 1.15  # between -1.15 and 1.15


def _lobes(comb: Tensor) -> Tensor:
    return _each(torch.log, comb.square() + 1e-4) / 4.6 + 1.0


# A sound of a batch must not depend on the others, not even in its last bits. Torch computes a function in vectors and
# the last values one by one, and sums the products of fewer than four rows in another order than those of more.
def _each(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function of every value of (batch, frames, channels)."""
    rest = -x.shape[-1] % _VECTOR
    return function(F.pad(x, (0, rest)))[..., : x.shape[-1]] if rest else function(x)


def _rows(layer: nn.Linear, x: Tensor) -> Tensor:
    """The layer of (batch, frames, inputs)."""
    rows = x.flatten(0, 1)
    short = max(0, _FEWEST_ROWS - len(rows))
    out = layer(F.pad(rows, (0, 0, 0, short)) if short else rows)[: len(rows)]
    return cast("Tensor", out.unflatten(0, x.shape[:2]))


def mix_of(outputs: Tensor, comb: Tensor) -> Mix:
    """The mix of outputs of the network (batch, frames, 4, bins); `comb` is (batch, bins, frames)."""
    pulses, residual, noise, louder = (part.mT for part in outputs.unbind(2))
    prior = 2.0 * torch.log(comb / CLEAR + 1e-6)
    odds = torch.stack([prior + 4.0 * pulses, torch.zeros_like(pulses), NOISE + 4.0 * noise])
    shares = odds.softmax(0).clamp_min(1e-9).sqrt()
    gain = torch.exp(LOUDER * torch.tanh(louder))
    return Mix(gain * shares[0], residual, gain * shares[1], gain * shares[2])


def check_sizes(
    spectrogram: SpectrogramConfig, settings: VocoderConfig, weights: Mapping[str, Tensor], folder: Path
) -> None:
    """Refuse weights that do not fit settings before anything of the sizes in the settings is made.

    Raises:
        CheckpointError: if they do not fit; `folder` is where they come from.
    """
    entry = (_BEFORE + 1 + settings.look_ahead) * (spectrogram.n_fft // 2 + 1)
    shapes = {"entry.weight": (settings.channels, entry), "blocks.0.taps": (settings.kernel, settings.channels)}
    require_shapes(shapes, weights, folder)
    require_count("vocoder.blocks", settings.blocks, len(weights), folder)


def make_vocoder(spectrogram: SpectrogramConfig, settings: VocoderConfig) -> Vocoder:
    """An untrained vocoder for a kind of spectrogram."""
    bins = spectrogram.n_fft // 2 + 1
    return Vocoder(bins, settings.channels, settings.blocks, settings.kernel, settings.look_ahead)


def mixed(magnitude: Tensor, mix: Mix, pulses: Tensor, tones: Tensor, noise: Tensor) -> Tensor:
    """The spectrum of a mix, complex (batch, bins, frames).

    Args:
        magnitude: decoded, linear.
        mix: of the same frames.
        pulses: spectrum of the pulse train, of which only the phases matter.
        tones, noise: phases as complex numbers of magnitude 1, and a spectrum of white noise of mean power 1.
    """
    turned = pulses / pulses.abs().clamp_min(1e-6) * torch.polar(torch.ones_like(mix.residual), mix.residual)
    return magnitude * (mix.pulses * turned + mix.tones * tones + mix.noise * noise)
