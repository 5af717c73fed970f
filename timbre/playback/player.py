"""`Player`: a space as a live instrument in processes of its own."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from timbre.audio.files import write_blocks
from timbre.errors import AudioError, ConfigError
from timbre.playback.controls import Controls, State
from timbre.playback.engine.engine import check_settings
from timbre.playback.engine.process import EngineProcess
from timbre.playback.output.output import Output
from timbre.playback.output.ring import Ring
from timbre.shapes.presets import Presets
from timbre.space import Space

_RECORDING_BUFFER = 20  # s that writing the recording may fall behind


class Player(Controls, AbstractContextManager["Player"]):
    """A space that plays live: one process renders it, another plays the sound, and this process stays free.

    If the process that renders ends, it is started again, and what was held and set goes on (`state().restarts`).

    Use it in a `with` block, or call :meth:`close`. If onnxruntime is installed, the first player of a space prepares
    its decoder, which takes about 15 s.

    Args:
        space: the space.
        presets, point: as for :class:`~timbre.playback.controls.Controls`.
        voices, seed, inverter, runtime: as for :class:`~timbre.playback.engine.engine.Engine`.
        device: name or number of the output; default: the system's default device.
        block: samples per callback of the device, 16 to 8192; smaller: less latency, more risk of dropouts.
        output: "device"; "clock" discards the sound at the pace of a device; "ring" leaves it in `ring` for the caller
            to read.
        record: WAV file of everything that is played, complete when the player is closed.
        sample_rate: Hz; default: that of the device, or of the space without a device.

    Attributes:
        ring: the rendered samples. With ``output="ring"``, read them by ``ring.read(count)``; see ``ring.filled``.
        sample_rate: Hz.
        device: name of the device.

    Raises:
        ConfigError: a value is out of range.
        DeviceError: there is no such device, or no sound library.
        AudioError: the recording cannot be written.
    """

    _waits = False

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
        if output not in ("device", "clock", "ring"):
            raise ConfigError(f"The output must be one of device, clock, ring, got {output!r}.")
        check_settings(voices, sample_rate, runtime)
        space.renderer.check_causal(inverter)
        rate = sample_rate or space.config.spectrogram.sample_rate
        self._output: Output | None = None
        self._recording: _Recording | None = None
        self._engine: EngineProcess | None = None
        if output == "ring":
            self.ring, self.sample_rate, self.device, self._latency = Ring(1 << 16), rate, "ring", 0.0
        else:
            clock = output == "clock"
            self._output = Output(device, block, rate if clock else sample_rate, clock)
            self.ring, self.sample_rate = self._output.ring, self._output.sample_rate
            self.device, self._latency = self._output.name, 1000.0 * self._output.latency
        self.block = block
        settings = {"voices": voices, "sample_rate": self.sample_rate, "seed": seed, "inverter": inverter}
        try:
            if record is not None:
                self._recording = _Recording(FilePath(record), self.sample_rate)
            self._start(settings | {"runtime": runtime})
        except BaseException:
            self.close()
            raise

    def _start(self, settings: dict[str, Any]) -> None:
        rings = [self.ring, *([self._recording.ring] if self._recording else [])]
        request = {"block": self.block, "point": self.point.tolist(), "settings": settings}
        self._engine = EngineProcess(self.space, rings, request)
        if self.space.axes:
            self.space.axis_controls.directions  # noqa: B018  (measured while the engine starts, not at the first slide)
        while self.ring.filled < self.block:
            self._engine.check()
            time.sleep(0.002)
        self.ring.running = True

    def state(self) -> State:
        """The last state that the engine shared, about 30 times a second; a ConfigError if the player is closed."""
        return self._open_engine().state(self.block, self.sample_rate, self._latency)

    @property
    def notice(self) -> str:
        """A sentence about the engine if it ended and was started again, or refused a command; empty if it did not."""
        engine = self._open_engine()
        sentences = []
        if engine.restarts:
            sentences.append(f"The engine was started again, {engine.restarts} times so far: {engine.reason}")
        if (state := self.state()).refused:
            sentences.append(f"The engine refused {state.refused} commands, the last: {state.refusal}")
        return " ".join(sentences)

    def check(self) -> None:
        """Raise a DeviceError if the device's process has ended, or the engine's and it could not be started again, or
        an AudioError if the recording failed."""
        for part in (self._engine, self._output, self._recording):
            if part:
                part.check()

    @property
    def pid(self) -> int:
        """Process ID of the engine; 0 if the player is closed."""
        return self._engine.pid if self._engine else 0

    def close(self) -> None:
        """End the processes, close the device, and complete the recording; an AudioError if it cannot be written."""
        for part in (self._engine, self._output):
            if part:
                part.close()
        self.ring.close()
        self._engine = self._output = None
        if self._recording:
            recording, self._recording = self._recording, None
            recording.finish()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, name: str, **values: Any) -> None:
        self._open_engine().send(name, values)

    def _open_engine(self) -> EngineProcess:
        if self._engine is None:
            raise ConfigError("The player must be open, but it is closed; make a new one.")
        return self._engine


class _Recording:
    """Writes the samples of a ring to a file, in a thread of its own."""

    def __init__(self, file: FilePath, sample_rate: int) -> None:
        self.ring, self._ended = Ring(_RECORDING_BUFFER * sample_rate), threading.Event()
        self._error: AudioError | None = None
        self._thread = threading.Thread(target=self._write, args=(file, sample_rate), daemon=True)
        self._thread.start()
        self._thread.join(0.1)  # reports at once a file that cannot be written
        if self._error:
            self.ring.close()
        self.check()

    def check(self) -> None:
        """Raise the error that ended the recording, if any."""
        if self._error:
            raise self._error

    def finish(self) -> None:
        """Write the rest and close the file."""
        self._ended.set()
        self._thread.join()
        self.ring.close()
        self.check()

    def _write(self, file: FilePath, sample_rate: int) -> None:
        try:
            write_blocks(file, self._blocks(), sample_rate)
        except AudioError as error:
            self._error = error

    def _blocks(self) -> Iterator[np.ndarray]:
        while not self._ended.wait(0.05):
            yield self.ring.read(self.ring.filled)
        yield self.ring.read(self.ring.filled)
