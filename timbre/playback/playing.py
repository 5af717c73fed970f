"""`play`: plays a rendered sound, or opens a live session."""

import numpy as np

from timbre.audio import Audio
from timbre.paths import Path
from timbre.playback.output.output import play_samples
from timbre.playback.player import Player
from timbre.playback.terminal import session
from timbre.space import Space
from timbre.synth import render


def play(
    space: Space,
    path: Path | np.ndarray | None = None,
    pitch: float | np.ndarray | None = 60,
    velocity: float | np.ndarray = 0.8,
    duration: float = 4.0,
    seed: int = 0,
    device: int | str | None = None,
) -> Audio | None:
    """Render a path or a point, play it, and return the sound. Without either, open a live session.

    Args:
        space: the space.
        path: a path, or a point (dim,); None opens the live session of `timbre play`, and returns at its end.
        pitch, velocity, duration, seed: as for :func:`timbre.render`.
        device: name or number of the output; default: the system's default device.

    Raises:
        DeviceError: there is no sound device.
    """
    if path is None:
        with Player(space, device=device, seed=seed) as player:
            session(player)
        return None
    route = path if isinstance(path, Path) else space.path(path)
    audio = render(space, route, pitch, velocity, duration, seed)
    play_samples(audio.samples[0], audio.sample_rate, device)
    return audio
