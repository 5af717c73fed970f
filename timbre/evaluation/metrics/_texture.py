"""Distance between the modulations of two sounds. Exported by :mod:`timbre.evaluation.metrics.sounds`."""

import numpy as np
import torch

from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.evaluation.metrics.arrays import Array, vectors
from timbre.spectral import Spectrogram

_SEGMENT = 0.5  # seconds over which modulations are analysed
_FRAME_RATE = 200  # Hz, of the envelopes
_BANDS = 32
_MODULATIONS = 4.0 * 10.0 ** (np.arange(5) / 4.0)  # Hz, edges: roughness and flutter; slower ones are the note's shape
_AUDIBLE = 0.3  # dB of level: modulation of 5 %, about the threshold of hearing (Viemeister 1979)
_RANGE = 60.0  # dB: envelopes are cut this far below the loudest value


def texture_db(reference: Array, estimate: Array, sample_rate: int) -> float:
    """Distance between the modulations of two sounds in dB: differences of grain, breath and beating.

    The level (dB) of each of 32 mel bands is followed over time; its modulation spectrum between 4 and 40 Hz, in four
    bands, is computed over segments of 0.5 s and averaged in dB, so that one attack counts as one segment. The distance
    is the mean absolute difference of these statistics (modulation power of envelopes, after McDermott and Simoncelli
    2011). It ignores phase and exact timing: another draw of the same noise is about 1 dB away, a texture that was
    smoothed out much more. Modulations too weak to be audible (0.3 dB) count as none; gain makes no difference.

    Args:
        reference: waveform (samples,).
        estimate: of the same length.
        sample_rate: Hz, 8000 or more.

    Raises:
        AudioError: the lengths differ, fewer than 2 samples, the rate is below 8000 Hz, or the reference is silent.
    """
    if sample_rate < 8000:
        raise AudioError(f"The sample rate must be 8000 Hz or more, got {sample_rate}.")
    first, second = (_modulations(one, sample_rate) for one in vectors(reference, estimate, least=2))
    return float(np.abs(first - second).mean())


def _modulations(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Modulation level in dB, (bands, modulation bands)."""
    size, count = 2 * round(sample_rate / 86), round(_SEGMENT * _FRAME_RATE)
    hop = sample_rate // _FRAME_RATE
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=size, hop_length=hop, n_mels=_BANDS, floor_db=-200.0)
    spectrogram = Spectrogram(config)
    padded = np.pad(samples, (0, max(0, round(_SEGMENT * sample_rate) - samples.size)))
    with torch.no_grad():
        level = spectrogram(torch.from_numpy(padded.astype(np.float32))[None])[0].double().numpy()
    level = np.maximum(level, level.max() - _RANGE)
    segments = np.lib.stride_tricks.sliding_window_view(level, count, axis=-1)[:, :: count // 2]
    clock = np.linspace(-1.0, 1.0, count)
    slope = segments @ clock / (clock @ clock)
    flat = segments - segments.mean(-1, keepdims=True) - slope[..., None] * clock
    window = np.hanning(count)
    power = np.square(np.abs(np.fft.rfft(flat * window))) * 2.0 / (count * np.square(window).sum())
    edges = np.round(_MODULATIONS * _SEGMENT).astype(int)  # in cycles per segment
    banded = np.add.reduceat(power[..., : edges[-1]], edges[:-1], axis=-1)
    return np.asarray((10.0 * np.log10(banded + _AUDIBLE**2)).mean(1))
