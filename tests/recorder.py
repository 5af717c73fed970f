"""Controls that record their calls, and measurements of what an engine renders."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from timbre.models.regularizers.axes import find_axes
from timbre.paths import Path
from timbre.playback.controls import Controls
from timbre.playback.engine.engine import Engine
from timbre.shapes.presets import Preset, Presets
from timbre.space import Space


class Recorder(Controls):
    """Keeps every event, checked as all controls check them."""

    def __init__(self, space: Space, presets: Presets | None = None) -> None:
        super().__init__(space, presets)
        self.events: list[tuple[str, dict[str, Any]]] = []

    def _send(self, name: str, **values: Any) -> None:
        self.events.append((name, values))

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of one name."""
        return [values for event, values in self.events if event == name]


def with_brightness(space: Space) -> Space:
    """The space with its first dimension named."""
    return Space(space.config, space.model, space.atlas, space.report, find_axes(("brightness",)))


def some_presets(space: Space) -> Presets:
    """A point and a path of two points."""
    a, b = space.atlas.points[:2].astype(float)
    return Presets([Preset("still", Path(a[None], np.zeros(1))), Preset("way", space.path(a, b), 2.0, loop=True)])


def cents_off(engine: Engine, pitch: float) -> float:
    """How far the strongest partial of the next second is from the nearest of the first five of a pitch (MIDI)."""
    sound = engine.render(engine.sample_rate)[-16384:]
    size = 1 << 18
    strongest = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size)).argmax() * engine.sample_rate / size
    partials = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0) * np.arange(1, 6)
    return float(np.abs(1200.0 * np.log2(strongest / partials)).min())


def loudest(engine: Engine, seconds: float = 0.3) -> float:
    """The largest sample of the next part of a second."""
    return float(np.abs(engine.render(round(seconds * engine.sample_rate))).max())


def wait_for(seen: Callable[[], bool]) -> bool:
    """Whether something comes to be within ten seconds."""
    end = time.monotonic() + 10.0
    while not seen() and time.monotonic() < end:
        time.sleep(0.002)
    return seen()
