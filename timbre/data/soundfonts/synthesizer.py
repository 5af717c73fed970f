"""Rendering of a SoundFont's notes by FluidSynth.

FluidSynth applies the modulators of the SoundFont specification: soft notes are duller, not only quieter.
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
from timbre.wording import needs

SAMPLE_RATE = 44_100  # Hz, the rate of nearly all recordings in SoundFonts
HOLD = 2.0  # s from a note's onset to its release
TAIL = 2.0  # longest time after the release, s; a note ends earlier if it is quiet
_QUIET = 1e-3  # of the note's peak: the end of its tail
_FADE = 0.01  # s, at the end of a note
_GAIN = 0.7
_BLOCK = 2048  # frames; a multiple of FluidSynth's 64, so that every note starts at the beginning of a block
_BLOCKS = SAMPLE_RATE / _BLOCK  # per second
_CHANNELS = 16  # presets of a file that stay loaded
_FILES = 2  # SoundFonts that stay open
_SETTINGS = {
    "synth.reverb.active": 0,
    "synth.chorus.active": 0,
    "synth.dynamic-sample-loading": 1,
    "synth.lock-memory": 0,  # containers allow little locked memory
}

_LOCK = threading.Lock()
_OPEN: OrderedDict[tuple[Path, int, int], "_Synthesizer | str"] = OrderedDict()
"""Synthesizers by the path, modification time and size of their file, or the reason why it cannot be loaded."""


def render_voice(file: Path, voice: SoundFontVoice, hold: float = HOLD, tail: float = TAIL) -> Audio:
    """The sound of one key of a preset, held, released, and rendered until it is quiet, without reverb and chorus.

    The gain is the same for all notes, so that their relative levels are those of the SoundFont. The same voice always
    gives the same samples. Threads that call this take turns.

    The release is `hold` seconds after the onset, the end `tail` seconds later at most. The sound has 44,100 Hz, and
    one channel if both are equal.

    Raises:
        AudioError: if the file is not a playable SoundFont, has no such preset, or nothing sounds there.
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
    """Version of the installed FluidSynth; a DeviceError if it or its Python package is missing."""
    numbers = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    _fluidsynth()[0].fluid_version(*numbers)
    return ".".join(str(number.value) for number in numbers)


def _synthesizer(file: Path) -> "_Synthesizer":
    """The synthesizer for a file; the least recently used ones are closed."""
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
        if isinstance(oldest := _OPEN.popitem(last=False)[1], _Synthesizer):
            oldest.close()
    if isinstance(synthesizer := _OPEN[key], str):
        raise AudioError(synthesizer)
    return synthesizer


class _Synthesizer:
    """FluidSynth with one SoundFont; the recordings of a preset are loaded when it is selected."""

    def __init__(self, file: Path) -> None:
        font = read_soundfont(file)  # refuses a damaged file before the C library reads it
        self._file, self._presets = file, {(preset.bank, preset.program) for preset in font.presets}
        self._channels: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._api, self._write = _fluidsynth()
        self._synth = self._api.Synth(_GAIN, SAMPLE_RATE, _CHANNELS, **_SETTINGS)
        self._font = self._api.fluid_synth_sfload(self._synth.synth, os.fsencode(file), 0)
        if self._font < 0:
            self.close()
            raise LibraryError(f"{file} cannot be rendered: FluidSynth does not load it; read its samples with --raw.")

    def play(self, voice: SoundFontVoice, hold: float, tail: float) -> np.ndarray | None:
        """Samples (2, n) of a note; None if nothing sounds."""
        channel = self._channel(voice)
        try:
            # For 64 frames, FluidSynth's voice glides from the panning of its previous note. So the note is played
            # twice and the first is discarded: the second does not depend on earlier notes.
            self._synth.noteon(channel, voice.key, voice.velocity)
            self._render()
            self._silence(channel)
            self._synth.noteon(channel, voice.key, voice.velocity)
            return self._record(channel, voice.key, max(1, round(hold * _BLOCKS)), round(tail * _BLOCKS))
        finally:
            self._silence(channel)

    def close(self) -> None:
        """Free everything."""
        self._synth.delete()

    def _record(self, channel: int, key: int, held: int, tail: int) -> np.ndarray | None:
        """The sound from now until it is quiet; `held` and `tail` in blocks."""
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
        self._write(self._synth.synth, _BLOCK, block[0].ctypes.data, 0, 1, block[1].ctypes.data, 0, 1)
        return block

    def _silence(self, channel: int) -> None:
        self._synth.all_sounds_off(channel)
        self._render()  # voices end with the block

    def _channel(self, voice: SoundFontVoice) -> int:
        """The channel of the voice's preset; a new preset gets a free channel or the least recently used one."""
        preset = (voice.bank, voice.program)
        if preset not in self._channels:
            full = len(self._channels) == _CHANNELS
            channel = self._channels[next(iter(self._channels))] if full else len(self._channels)
            if preset not in self._presets or self._synth.program_select(channel, self._font, *preset) < 0:
                raise AudioError(f"{self._file} has no preset {voice.bank}:{voice.program} that can be played.")
            if full:
                self._channels.popitem(last=False)
            self._channels[preset] = channel
        self._channels.move_to_end(preset)
        return self._channels[preset]


@cache
def _fluidsynth() -> tuple[Any, Any]:
    """The binding of FluidSynth, and the function that writes floats, which it does not include."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the location of the library if CI is set
            import fluidsynth
    except ModuleNotFoundError as error:
        raise DeviceError(needs("Rendering SoundFonts", "pyfluidsynth")) from error
    except (ImportError, OSError) as error:
        raise DeviceError(
            "Rendering SoundFonts needs the FluidSynth library; install it with your system's packages "
            "(Debian: sudo apt-get install libfluidsynth3; macOS: brew install fluid-synth)."
        ) from error
    api: Any = fluidsynth
    number, pointer = ctypes.c_int, ctypes.c_void_p
    log = api.cfunc("fluid_set_log_function", pointer, ("level", number, 1), ("to", pointer, 1), ("data", pointer, 1))
    for level in range(5):
        log(level, None, None)  # our errors contain what it would print
    side = pointer, number, number  # address, offset, step
    kinds = enumerate((pointer, number, *side, *side))
    return api, api.cfunc("fluid_synth_write_float", number, *((f"argument{i}", kind, 1) for i, kind in kinds))
