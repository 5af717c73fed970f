"""`Player`: a space as a live instrument; `play`: a sound that is rendered first, or such an instrument."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from timbre.audio import Audio
from timbre.audio.files import write_blocks
from timbre.errors import AudioError, ConfigError
from timbre.paths import Path
from timbre.playback.controls import Controls, State
from timbre.playback.engine import shared_state as facts
from timbre.playback.engine.engine import check_settings
from timbre.playback.output.output import Output, play_samples
from timbre.playback.output.processes import WorkerProcess
from timbre.playback.output.ring import Ring
from timbre.shapes.presets import Presets
from timbre.space import Space
from timbre.synth import render

OUTPUTS = ("device", "clock", "ring")
_CLOSED = "The player is closed; make a new one."
_TAPPED = 20  # s that a recording may fall behind


class Player(Controls):
    """A space that plays live: in one process it is rendered, from another it sounds, and this one is free.

    Use it in a `with` block, or call :meth:`close`. The first time that a space is played its decoder is prepared for
    onnxruntime, where that is installed, which takes a quarter of a minute.

    Args:
        space: the space.
        presets, point: as for :class:`~timbre.playback.controls.Controls`.
        voices: notes that may sound at a time, 1 to 64.
        device: name or number of the output; None is the system's default.
        block: samples per callback of the device, 16 to 8192.
        output: "device"; "clock", which takes the sound away at its pace without a device; "ring", which leaves it in
            `ring` for the caller to read.
        record: file for all that is played, written whole when the player is closed.
        sample_rate: Hz; the device's own by default, and the space's where there is none.
        seed: of the phase of noise.
        inverter: a causal inverter, such as "rtpghi" or "vocoder" (see :meth:`~timbre.space.Space.stream`).
        runtime: "onnxruntime" or "torch"; the first that is installed by default.

    Attributes:
        ring: samples on their way, for ``output="ring"``: ``ring.read(count)`` and ``ring.filled``.
        sample_rate: Hz.
        block: samples per callback.
        device: name of the device.

    Raises:
        ConfigError: a value is out of range.
        DeviceError: there is no such device, or no sound library.
        AudioError: the recording cannot be written.
    """

    def __init__(
        self,
        space: Space,
        presets: Presets | None = None,
        point: np.ndarray | None = None,
        *,
        voices: int = 8,
        device: int | str | None = None,
        block: int = 256,
        output: str = "device",
        record: str | os.PathLike[str] | None = None,
        sample_rate: int | None = None,
        seed: int = 0,
        inverter: str = "rtpghi",
        runtime: str | None = None,
    ) -> None:
        super().__init__(space, presets, point)
        if output not in OUTPUTS:
            raise ConfigError(f"The output {output!r} is not known; there are {', '.join(OUTPUTS)}.")
        check_settings(voices, sample_rate, runtime)
        space.renderer.check_causal(inverter)
        own = space.config.spectrogram.sample_rate
        self._output: Output | None = None
        if output == "ring":
            self.ring, self.sample_rate, self.device, self._late = Ring(1 << 16), sample_rate or own, "ring", 0.0
        else:
            rate = sample_rate or (own if output == "clock" else None)
            self._output = Output(device, block, rate, clock=output == "clock")
            self.ring, self.sample_rate = self._output.ring, self._output.sample_rate
            self.device, self._late = self._output.name, self._output.latency
        self.block, self._recording = block, None
        self._helper: WorkerProcess | None = None
        try:
            if record is not None:
                self._recording = _Recording(FilePath(record), self.sample_rate)
            self._start(voices, seed, inverter, runtime)
        except BaseException:
            self.close()
            raise

    def _start(self, voices: int, seed: int, inverter: str, runtime: str | None) -> None:
        tap = str(self._recording.ring.file) if self._recording else ""
        with tempfile.TemporaryDirectory(prefix="timbre-") as folder:
            self.space.save(folder)
            request = {
                "folder": folder, "ring": str(self.ring.file), "tap": tap, "sample_rate": self.sample_rate,
                "block": self.block, "voices": voices, "seed": seed, "inverter": inverter, "runtime": runtime,
                "point": self.point.tolist(),
            }  # fmt: skip
            self._helper = WorkerProcess("timbre.playback.engine.service", request)
            self._runtime = self._helper.answer()["runtime"]
        for ring in (self.ring, self._recording.ring) if self._recording else (self.ring,):
            ring.forget()
        while self.ring.filled < self.block:
            self._helper.check()
            time.sleep(0.002)
        self.ring.running = True

    def state(self) -> State:
        """What the engine has told last, some 30 times a second; a ConfigError if the player is closed."""
        if self._helper is None:
            raise ConfigError(_CLOSED)
        return facts.read(self.ring, self._runtime, self.sample_rate, self.block, self._late)

    def check(self) -> None:
        """Raise a DeviceError if one of its processes has ended, and an AudioError if the recording failed."""
        if self._helper:
            self._helper.check()
        if self._output:
            self._output.check()
        if self._recording:
            self._recording.check()

    @property
    def pid(self) -> int:
        """Number of the process that renders."""
        return self._helper.pid if self._helper else 0

    def close(self) -> None:
        """End its processes, give the device back, and finish the recording.

        Raises:
            AudioError: the recording could not be written.
        """
        if self._helper:
            self._helper.close()
        if self._output:
            self._output.close()
        self.ring.close()
        self._helper = self._output = None
        if self._recording:
            recording, self._recording = self._recording, None
            recording.finish()

    def __enter__(self) -> "Player":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, name: str, **values: Any) -> None:
        if self._helper is None:
            raise ConfigError(_CLOSED)
        self._helper.send({"name": name, "values": values})


class _Recording:
    """Writes what comes through a ring to a file, in a thread of its own."""

    def __init__(self, file: FilePath, sample_rate: int) -> None:
        self.ring, self._over = Ring(_TAPPED * sample_rate), threading.Event()
        self._problem: AudioError | None = None
        self._thread = threading.Thread(target=self._write, args=(file, sample_rate), daemon=True)
        self._thread.start()
        self._thread.join(0.1)  # a file that cannot be written is refused at once
        self.check()

    def check(self) -> None:
        """Raise what went wrong."""
        if self._problem:
            raise self._problem

    def finish(self) -> None:
        """Write what is left."""
        self._over.set()
        self._thread.join()
        self.ring.close()
        self.check()

    def _write(self, file: FilePath, sample_rate: int) -> None:
        try:
            write_blocks(file, self._blocks(), sample_rate)
        except AudioError as error:
            self._problem = error

    def _blocks(self) -> Iterator[np.ndarray]:
        while not self._over.wait(0.05):
            yield self.ring.read(self.ring.filled)
        yield self.ring.read(self.ring.filled)


def play(
    space: Space,
    place: Path | np.ndarray | None = None,
    pitch: float | np.ndarray | None = 60,
    velocity: float | np.ndarray = 0.8,
    duration: float = 4.0,
    seed: int = 0,
    device: int | str | None = None,
) -> Audio | None:
    """Render a path or a point and play it, and return the sound when it has ended; or, without a place, play live.

    Args:
        space: the space.
        place: a path, or a point (dim,); None opens the live session of `timbre play`, with its keys, until it is left.
        pitch, velocity, duration, seed: as for :func:`timbre.render`.
        device: name or number of the output; None is the system's default.

    Raises:
        DeviceError: if there is no sound device.
    """
    if place is None:
        from timbre.playback.terminal import session

        with Player(space, device=device, seed=seed) as player:
            session(player)
        return None
    path = place if isinstance(place, Path) else space.path(place)
    audio = render(space, path, pitch, velocity, duration, seed)
    play_samples(audio.samples[0], audio.sample_rate, device)
    return audio
