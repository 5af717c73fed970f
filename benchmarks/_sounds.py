"""Sounds of the inversion benchmark: recorded, rendered and decoded notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig
from timbre.data import Library, Note
from timbre.data.features.example import example
from timbre.data.parts import SoundFontVoice
from timbre.data.soundfonts.synthesizer import render_voice
from timbre.errors import AudioError
from timbre.models.conditions import Conditions
from timbre.space import Space

SECONDS = 2.0
LEAD = 1024  # samples, at 22,050 Hz, of silence before every note, in which energy that comes too early can be measured
PROGRAMS = (0, 11, 16, 24, 40, 42, 56, 60, 65, 68, 71, 73)  # General MIDI
KEYS = (48, 57, 64, 74)


@dataclass(frozen=True)
class Case:
    """A note to make from its spectrogram.

    Attributes:
        name: of the note.
        source: notes, rendered or decoded.
        waveform: the original, (1, samples), at full scale.
        rate: Hz.
        pitch: MIDI of the original; None if the pitch is not measured.
        decoded: spectrogram in dB (1, bins, frames) from a model; None: that of the original.
        loudest: first sample of the second in which pitch is measured, the same one for a note with vibrato.
    """

    name: str
    source: str
    waveform: torch.Tensor
    rate: int
    pitch: float | None
    decoded: torch.Tensor | None = None
    loudest: int = 0

    @property
    def seconds(self) -> float:
        return self.waveform.shape[1] / self.rate


def recorded(notes: Sequence[Note], count: int, config: SpectrogramConfig) -> list[Case]:
    """Notes spread evenly over a library, without those that cannot be read."""
    cases = []
    for index in np.unique(np.linspace(0, len(notes) - 1, count).round().astype(int)):
        note = notes[int(index)]
        try:
            cases.append(_case(note.name, "notes", note.audio(), note.pitch, SECONDS, config))
        except AudioError as error:
            print(f"left out {note.name}: {error}")
    return cases


def rendered(soundfont: Path, count: int, config: SpectrogramConfig) -> list[Case]:
    """Instruments of General MIDI at four pitches, 2.5 s each, from a SoundFont: `count` of them, evenly spread.

    Raises:
        DeviceError: FluidSynth is missing.
    """
    voices = [SoundFontVoice(0, program, key, 100) for program in PROGRAMS for key in KEYS]
    chosen = [voices[i] for i in np.unique(np.linspace(0, len(voices) - 1, count).round().astype(int))]
    sounds = {f"{voice}": render_voice(soundfont, voice, hold=2.5, tail=0.0) for voice in chosen}
    return [
        _case(name, "rendered", sound, float(voice.key), 2.5, config)
        for (name, sound), voice in zip(sounds.items(), chosen, strict=True)
    ]


def limited(space: Space, library: Library) -> Space:
    """The space with the notes that are in `library`, which may be a part of the one that it was trained on."""
    instruments = {note.name: note.instrument for note in library}
    pairs = zip(space.atlas.names, space.atlas.instruments, strict=True)
    indices = np.array([i for i, (name, instrument) in enumerate(pairs) if instruments.get(name) == instrument], int)
    atlas = space.atlas.take(indices)
    return Space(space.config, space.model, atlas, space.report, space.axes, space.vocoder)


def decoded(space: Space, library: Library, count: int) -> list[Case]:
    """Held-out pitched notes of a space that are in `library`, decoded at their points, pitches and releases."""
    space = limited(space, library)
    atlas, rate = space.atlas, space.config.spectrogram.sample_rate
    held_out = [i for i, part in enumerate(atlas.splits) if part == "test" and np.isfinite(atlas.pitches[i])]
    rows = np.unique(np.linspace(0, len(held_out) - 1, count).round().astype(int)) if held_out else []
    chosen = [held_out[i] for i in rows]
    length = space.config.spectrogram.hop_length * (space.config.all_frames - 1)
    cases = []
    for number in chosen:
        audio = library[atlas.names[number]].audio()
        pitch, velocity = float(atlas.pitches[number]), float(atlas.velocities[number])
        note = example(audio, space.spectrogram, space.config, pitch, None if np.isnan(velocity) else velocity)
        sound = audio.mono().resample(rate).trim(space.config.data.trim_db, tail=False).fit(length / rate)
        waveform = torch.from_numpy(sound.samples.copy())
        waveform *= 10.0 ** ((note.spectrogram.max() - float(space.spectrogram(waveform).max())) / 20.0)
        cases.append(Case(atlas.names[number], "decoded", waveform, rate, pitch, _decode(space, number, note.release)))
    return cases


def _decode(space: Space, number: int, release: float) -> torch.Tensor:
    atlas = space.atlas
    controls = ([atlas.pitches[number]], [atlas.velocities[number]], [release])
    conditions = Conditions(*(torch.tensor(np.asarray(control, np.float32)) for control in controls))
    with torch.no_grad():
        return space.model.decode_whole(torch.from_numpy(atlas.points[number : number + 1].copy()), conditions)


def _case(name: str, source: str, audio: Audio, pitch: float | None, seconds: float, config: SpectrogramConfig) -> Case:
    """The note cut at its onset, at full scale, behind a short silence."""
    if audio.sample_rate < config.sample_rate:
        raise AudioError(f"its sample rate is {audio.sample_rate} Hz.")
    audio = audio.mono().resample(config.sample_rate).trim(-50.0, tail=False)
    audio = audio.fit(min(seconds, audio.duration))
    if audio.peak == 0.0:
        raise AudioError("it is silent.")
    lead = LEAD * config.sample_rate // 22050
    start = lead + min(int(np.argmax(np.abs(audio.samples))), max(0, audio.samples.shape[1] - audio.sample_rate))
    samples = np.pad(audio.samples / audio.peak, ((0, 0), (lead, 0)))
    second = Audio(samples[:, start : start + audio.sample_rate], audio.sample_rate)
    measured = measure_pitch(second, pitch) if pitch is not None and _is_sustained(audio) else None
    return Case(name, source, torch.from_numpy(samples), config.sample_rate, measured, loudest=start)


def _is_sustained(audio: Audio) -> bool:
    """Whether the sound falls by less than 6 dB over half a second."""
    quarter = audio.sample_rate // 4
    if audio.duration < 1.0:
        return False
    first, last = (np.square(audio.samples[0, n * quarter : (n + 1) * quarter]).mean() for n in (1, 3))
    return bool(last > 0.25 * first)
