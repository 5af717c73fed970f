"""Playing sounds and paths through a sound device."""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from timbre.audio import Audio
from timbre.errors import ConfigError, DeviceError
from timbre.space import Path, Space
from timbre.synth import render


@dataclass
class _Voice:
    """A sound being played: what, from where on, whether again, and whether it has ended."""

    samples: np.ndarray
    loop: bool = False
    place: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


class Player:
    """An open sound device that plays one sound at a time, once or in a loop.

    Its callback copies from memory and does nothing else, so that a busy interpreter disturbs it as little as may be.
    Use it in a `with` block, or call :meth:`close`.

    Args:
        sample_rate: Hz, of all sounds that will be played.
        device: name or number of the output; None is the system's default.
        block: samples per callback; 0 lets the device choose.

    Attributes:
        underruns: how often the device ran dry since it was opened.

    Raises:
        DeviceError: if sounddevice or PortAudio is missing, or the device does not open.
    """

    def __init__(self, sample_rate: int, device: int | str | None = None, block: int = 0) -> None:
        sounddevice = _sounddevice()
        self.sample_rate, self.underruns = sample_rate, 0
        self._voice = _Voice(np.zeros(0, np.float32))
        self._voice.ended.set()
        try:
            self._stream = sounddevice.OutputStream(
                samplerate=sample_rate, blocksize=block, device=device, channels=1, dtype="float32", callback=self._fill
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise DeviceError(
                f"The sound device {device or '(default)'} does not open at {sample_rate} Hz: {error}."
            ) from error

    def play(self, audio: Audio, loop: bool = False) -> None:
        """Start a sound, in place of what is playing; returns at once.

        Raises:
            ConfigError: if its sample rate is not the player's.
        """
        if audio.sample_rate != self.sample_rate:
            raise ConfigError(
                f"The sound has {audio.sample_rate} Hz and the player {self.sample_rate} Hz; use audio.resample()."
            )
        self._voice = _Voice(audio.mono().samples[0], loop)

    def stop(self) -> None:
        """Fall silent."""
        self._voice = _Voice(np.zeros(0, np.float32))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the sound's end, at most `timeout` seconds; whether it has ended."""
        return self._voice.ended.wait(timeout)

    def close(self) -> None:
        """Give the device back."""
        self._stream.close()

    def __enter__(self) -> "Player":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fill(self, out: np.ndarray, frames: int, _time: Any, status: Any) -> None:
        self.underruns += bool(status.output_underflow)
        voice, filled = self._voice, 0  # one look: play() may put another in its place at any time
        while filled < frames:
            if voice.place >= len(voice.samples):
                if not (voice.loop and len(voice.samples)):
                    break
                voice.place = 0
            part = voice.samples[voice.place : voice.place + frames - filled]
            out[filled : filled + len(part), 0] = part
            filled, voice.place = filled + len(part), voice.place + len(part)
        if filled < frames:
            out[filled:] = 0.0
            voice.ended.set()


def play(
    space: Space,
    place: Path | np.ndarray,
    pitch: float | np.ndarray | None = 60,
    velocity: float | np.ndarray = 0.8,
    duration: float = 4.0,
    seed: int = 0,
    device: int | str | None = None,
) -> Audio:
    """Render a path or a point and play it; returns the sound when it has ended.

    Args:
        space: the space.
        place: a path, or a point (dim,).
        pitch, velocity, duration, seed: as for :func:`timbre.render`.
        device: name or number of the output; None is the system's default.

    Raises:
        DeviceError: if there is no sound device.
    """
    path = place if isinstance(place, Path) else space.path(place)
    audio = render(space, path, pitch, velocity, duration, seed)
    with Player(audio.sample_rate, device) as player:
        player.play(audio)
        player.wait()
    return audio


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError("Playing needs the package sounddevice: pip install 'timbre[play]'.") from error
    except OSError as error:
        raise DeviceError(
            "Playing needs the PortAudio library, which is missing; on Debian or Ubuntu: apt install libportaudio2."
        ) from error
    return sounddevice
