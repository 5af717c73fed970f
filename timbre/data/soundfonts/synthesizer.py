"""Notes of SoundFonts, rendered by FluidSynth.

FluidSynth follows the SoundFont specification's modulators, so that soft notes are duller, not only weaker.
"""

import contextlib
import ctypes
import io
import os
import threading
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from timbre.audio import Audio
from timbre.data.parts import SoundFontVoice
from timbre.data.soundfonts.soundfont import read_soundfont
from timbre.errors import AudioError, DeviceError, LibraryError

SAMPLE_RATE = 44_100
"""Hz of what is rendered: the rate of nearly all recordings in SoundFonts."""
HOLD = 2.0
"""Seconds from a note's onset to its release."""
TAIL = 2.0
"""Seconds after the release at most; it ends as soon as it is quiet."""
_QUIET = 1e-3  # of the note's peak: the end of its tail
_FADE = 0.01  # seconds, where a tail had to be cut
_GAIN = 0.7
_BLOCK = 2048  # frames; a multiple of FluidSynth's own 64, so that every note starts at the beginning of a block
_BLOCKS = SAMPLE_RATE / _BLOCK  # a second
_CHANNELS = 16  # as many presets of a file are kept ready
_FILES = 2  # SoundFonts kept open
_SETTINGS = {
    "synth.reverb.active": 0,
    "synth.chorus.active": 0,
    "synth.dynamic-sample-loading": 1,
    "synth.lock-memory": 0,  # containers allow little of it
}

_LOCK = threading.Lock()
_OPEN: OrderedDict[tuple[Path, int, int], "_Synthesizer | str"] = OrderedDict()
"""What has loaded a file, by its path, time and size; or why it cannot be loaded, so that it is not tried again."""


def render_voice(file: Path, voice: SoundFontVoice, hold: float = HOLD, tail: float = TAIL) -> Audio:
    """The sound of one key of a preset, without reverb and chorus: held, released, and followed until it is quiet.

    All notes have the same gain, so that they are as loud beside each other as in the SoundFont. The same voice always
    gives the same samples. May be called from several threads; they take turns.

    Args:
        file: the SoundFont.
        voice: what to play.
        hold: seconds until the release.
        tail: seconds after it, at most.

    Returns:
        44,100 Hz; one channel where both are equal.

    Raises:
        AudioError: if the file is no SoundFont that can be played, has no such preset, or nothing sounds there.
        DeviceError: if FluidSynth or its Python package is missing.
    """
    with _LOCK:
        samples = _synthesizer(Path(file)).play(voice, hold, tail)
    if samples is None:
        raise AudioError(f"{file}: nothing sounds at {voice}.")
    fade = min(round(_FADE * SAMPLE_RATE), samples.shape[1])
    samples[:, samples.shape[1] - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return Audio(samples[:1] if np.array_equal(samples[0], samples[1]) else samples, SAMPLE_RATE)


def library_version() -> str:
    """Version of the FluidSynth that is installed.

    Raises:
        DeviceError: if it, or its Python package, is missing.
    """
    numbers = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    _fluidsynth()[0].fluid_version(*numbers)
    return ".".join(str(number.value) for number in numbers)


def _synthesizer(file: Path) -> "_Synthesizer":
    """The synthesizer that has loaded a file; those unused for longest are given up."""
    try:
        status = file.stat()
    except OSError as error:
        raise AudioError(f"{file} cannot be read: {error.strerror}.") from error
    key = (file, status.st_mtime_ns, status.st_size)
    if key not in _OPEN:
        try:
            _OPEN[key] = _Synthesizer(file)
        except LibraryError as error:
            _OPEN[key] = str(error)
    _OPEN.move_to_end(key)
    while len(_OPEN) > _FILES:
        if isinstance(given_up := _OPEN.popitem(last=False)[1], _Synthesizer):
            given_up.close()
    if isinstance(found := _OPEN[key], str):
        raise AudioError(found)
    return found


class _Synthesizer:
    """FluidSynth with one SoundFont. It loads the recordings of a preset when it is chosen, never the whole file."""

    def __init__(self, file: Path) -> None:
        font = read_soundfont(file)  # what is damaged is refused here, before a C library sees it
        self._file, self._known = file, {(preset.bank, preset.program) for preset in font.presets}
        self._channels: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._api, self._write = _fluidsynth()
        self._synth = self._api.Synth(_GAIN, SAMPLE_RATE, _CHANNELS, **_SETTINGS)
        self._font = self._api.fluid_synth_sfload(self._synth.synth, os.fsencode(file), 0)
        if self._font < 0:
            self.close()
            raise LibraryError(f"{file} cannot be rendered: FluidSynth does not load it; its samples can be read raw.")

    def play(self, voice: SoundFontVoice, hold: float, tail: float) -> np.ndarray | None:
        """Samples (2, n) of a note, or None if nothing sounds."""
        channel = self._channel(voice)
        try:
            # A voice of FluidSynth glides for 64 frames from the panning of the note that it played before. So the
            # same note is struck twice, and the first is thrown away: the second follows nothing but itself.
            self._synth.noteon(channel, voice.key, voice.velocity)
            self._render()
            self._silence(channel)
            self._synth.noteon(channel, voice.key, voice.velocity)
            return self._follow(channel, voice.key, max(1, round(hold * _BLOCKS)), round(tail * _BLOCKS))
        finally:
            self._silence(channel)

    def close(self) -> None:
        """Free everything."""
        self._synth.delete()

    def _follow(self, channel: int, key: int, held: int, tail: int) -> np.ndarray | None:
        """What sounds now, until it is quiet; `held` and `tail` in blocks."""
        if self._synth.get_active_voice_count() == 0:
            return None
        blocks: list[np.ndarray] = []
        peak = 0.0
        for number in range(held + tail):
            if number == held:
                self._synth.noteoff(channel, key)
            blocks.append(self._render())
            level = float(np.max(np.abs(blocks[-1])))
            peak = max(peak, level)
            if self._synth.get_active_voice_count() == 0 or (number >= held and level <= _QUIET * peak):
                break
        return np.concatenate(blocks, axis=1)

    def _render(self) -> np.ndarray:
        """The next block (2, _BLOCK)."""
        block = np.empty((2, _BLOCK), np.float32)
        place = block.ctypes.data
        self._write(self._synth.synth, _BLOCK, place, 0, 1, place + block.strides[0], 0, 1)
        return block

    def _silence(self, channel: int) -> None:
        self._synth.all_sounds_off(channel)
        self._render()  # voices end with the block

    def _channel(self, voice: SoundFontVoice) -> int:
        """The channel that holds the voice's preset; the one unused for longest is given to a new preset."""
        preset = (voice.bank, voice.program)
        if preset not in self._channels:
            full = len(self._channels) == _CHANNELS
            channel = self._channels[next(iter(self._channels))] if full else len(self._channels)
            if preset not in self._known or self._synth.program_select(channel, self._font, *preset) < 0:
                raise AudioError(f"{self._file} has no preset {voice.bank}:{voice.program} that can be played.")
            if full:
                self._channels.popitem(last=False)
            self._channels[preset] = channel
        self._channels.move_to_end(preset)
        return self._channels[preset]


@cache
def _fluidsynth() -> tuple[Any, Any]:
    """The binding of FluidSynth, and its function that writes floats, which the binding leaves out."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where it found the library when CI is set
            import fluidsynth
    except ModuleNotFoundError as error:
        raise DeviceError(
            "Rendering SoundFonts needs pyfluidsynth; install it with: pip install 'timbre[soundfont]'"
        ) from error
    except (ImportError, OSError) as error:
        raise DeviceError(
            "Rendering SoundFonts needs the FluidSynth library; install it with your system's packages "
            "(Debian: sudo apt-get install libfluidsynth3; macOS: brew install fluid-synth)."
        ) from error
    api: Any = fluidsynth
    number, pointer = ctypes.c_int, ctypes.c_void_p
    log = api.cfunc("fluid_set_log_function", pointer, ("level", number, 1), ("to", pointer, 1), ("data", pointer, 1))
    for level in range(5):
        log(level, None, None)  # what it would print stands in our errors
    side = pointer, number, number  # where, first place, step
    kinds = enumerate((pointer, number, *side, *side))
    return api, api.cfunc("fluid_synth_write_float", number, *((f"argument{i}", kind, 1) for i, kind in kinds))
