"""`Wavetable`: single periods of the sounds of a space, one frame for each point and time."""

from dataclasses import dataclass

import numpy as np

from timbre.exporting.wavetables.harmonics import Harmonics
from timbre.exporting.wavetables.phases import low_crest_phases, waves

SIZE = 2048  # samples of a frame; what every synthesizer that reads the `clm ` chunk expects
_PEAK = 0.99


@dataclass(frozen=True, eq=False)
class Wavetable:
    """Frames of a wavetable.

    Attributes:
        frames: (frames, 2048), float32, with the largest sample at 0.99.
        gains: gain of each frame (frames,), dB: its partials are those of the decoder times this.
        crest: peak of the table relative to the RMS of its frames, dB.
    """

    frames: np.ndarray
    gains: np.ndarray
    crest: float


def make_wavetable(partials: Harmonics, steady: bool = True) -> Wavetable:
    """The wavetable of decoded partials, of which the first 1023 fit.

    Args:
        partials: of every frame.
        steady: give all frames the same RMS; otherwise one gain for the whole table keeps their levels.
    """
    amplitudes = 10.0 ** (partials.levels[:, : SIZE // 2 - 1] / 20.0)
    level = np.sqrt(0.5 * (amplitudes**2).sum(1))
    if not steady:
        level = np.full(len(level), level.max())
    frames = waves(amplitudes / level[:, None], low_crest_phases(amplitudes), SIZE)
    peak = np.abs(frames).max()
    frames = np.roll(frames, -int(np.abs(frames).max(0).argmin()), 1)  # begins where no frame clicks
    gains = 20.0 * np.log10(_PEAK / peak / level)
    crest = 20.0 * np.log10(peak / np.sqrt((frames**2).mean()))
    return Wavetable((frames * (_PEAK / peak)).astype(np.float32), gains, float(crest))
