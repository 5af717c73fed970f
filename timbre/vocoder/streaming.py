"""A vocoder as streams: takes decoded magnitudes and pitches frame by frame, and returns sound hop by hop."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from timbre.spectral.inversion.overlap_add import OverlapAdd, overlap
from timbre.spectral.inversion.streaming import StreamingInverter, as_rows
from timbre.spectral.stft import STFT
from timbre.vocoder._loops import mix_rows
from timbre.vocoder.attack import Attack
from timbre.vocoder.network import CLEAR, FIRST_PHASE, LOUDER, NOISE, Vocoder
from timbre.vocoder.pulses import advance, pulse_spectrum
from timbre.vocoder.tones import tone_phases

_PART = 256  # frames that are processed together at most


class _Sound:
    """What one sound depends on, apart from the state of the network."""

    def __init__(self, stft: STFT, look_ahead: int) -> None:
        self.output, self.tones = OverlapAdd(stft, look_ahead), tone_phases(stft)
        self.noise: np.ndarray = np.zeros(stft.n_fft, np.float32)
        self.begin(0)

    def begin(self, seed: int) -> None:
        self.seed, self.frames, self.phase, self.before = seed % 2**64, 0, FIRST_PHASE, math.nan
        self.gains = np.ones(self.noise.size // 2, np.float32)
        self.random = np.random.Generator(np.random.PCG64(self.seed))
        for array in (self.noise, *self.output.arrays.values(), *self.tones.arrays.values()):
            array[...] = 0

    def take(self, out: np.ndarray) -> None:
        """Write the next samples; those before the beginning of the sound are 0."""
        early = self.output.latency - self.output.given  # samples until the sound begins
        self.output.take(out)
        if early + self.gains.size > 0:
            sound = out[max(early, 0) :]
            gains = self.gains[max(-early, 0) :][: sound.size]
            sound[: gains.size] *= gains


class VocoderStreams:
    """The streams of several sounds, which begin and end independently: one call of the network for all of them.

    A sound does not depend on the others, to the bit. Its samples do not depend, except for rounding (1e-5), on how its
    frames are divided into calls.

    Args:
        vocoder: in eval mode, on the CPU.
        stft, sample_rate: of the magnitudes; Hz.
        count: number of sounds.

    Attributes:
        look_ahead: later frames that are needed for a frame.
        hop_length: samples per frame.
        latency: samples by which the output is delayed, as in
            :class:`~timbre.spectral.inversion.streaming.StreamingInverter`.
    """

    def __init__(self, vocoder: Vocoder, stft: STFT, sample_rate: float, count: int = 1) -> None:
        self.hop_length, self.look_ahead = stft.hop_length, vocoder.look_ahead
        self._vocoder, self._rate, self._n_fft, self._bins = vocoder, sample_rate, stft.n_fft, stft.n_fft // 2 + 1
        self._sounds = [_Sound(stft, self.look_ahead) for _ in range(count)]
        self.latency, self._window = self._sounds[0].output.latency, self._sounds[0].output.window
        self._gain = np.float32(1.0 / stft.scale)
        self._attack = Attack(self._window, stft.hop_length, sample_rate)
        self._silence = vocoder.silent_state()
        self._state = [part.repeat(count, 1, 1) for part in self._silence]
        shape, kinds = (count, self.look_ahead, self._bins), (np.float32, np.float32, np.complex64, np.complex64)
        self._waiting = [np.zeros(shape, kind) for kind in kinds]  # magnitudes, lobes, pulses, tones
        power = np.cumsum(np.square(self._window, dtype=np.float64)[::-1])[::-1]
        self._levels = (1.0 / np.sqrt(np.maximum(power, 1e-12))).astype(np.float32)  # of noise that begins in a window

    def begin(self, number: int, seed: int) -> None:
        """Begin a new sound with a seed for its noise."""
        self._sounds[number].begin(seed)
        for part, silence in zip(self._state, self._silence, strict=True):
            part[number] = silence[0]
        for line in self._waiting:
            line[number] = 0

    def push(self, numbers: Sequence[int], magnitude: np.ndarray, pitch: np.ndarray) -> np.ndarray:
        """The next hops of some sounds, float32 (sounds, frames * hop_length).

        Args:
            numbers: which sounds, each once.
            magnitude: linear STFT magnitudes, float32 (sounds, frames, bins).
            pitch: MIDI, (sounds, frames); NaN: no pitch.
        """
        out = np.empty((len(numbers), magnitude.shape[1] * self.hop_length), np.float32)
        for start in range(0, magnitude.shape[1], _PART):
            part = slice(start, start + _PART)
            samples = out[:, part.start * self.hop_length : part.stop * self.hop_length]
            self._process(numbers, magnitude[:, part], pitch[:, part], samples)
        return out

    def flush(self, number: int) -> np.ndarray:
        """The last `latency` samples of a sound, float32; silence follows its last frame."""
        sound, samples = self._sounds[number], np.zeros(self.latency, np.float32)
        if sound.output.given:
            ahead = self.look_ahead * self.hop_length
            silence = np.zeros((1, self.look_ahead, self._bins), np.float32)
            samples[:ahead] = self.push([number], silence, np.full((1, self.look_ahead), math.nan))[0]
            sound.take(samples[ahead:])
        return samples

    @torch.inference_mode()
    def _process(self, numbers: Sequence[int], rows: np.ndarray, pitches: np.ndarray, out: np.ndarray) -> None:
        """Process frames (sounds, frames, bins) and write one hop for each."""
        count, sounds = rows.shape[1], [self._sounds[number] for number in numbers]
        pulses, comb = self._pulses(sounds, pitches)
        chosen = torch.tensor(numbers)
        state = [part[chosen] for part in self._state]
        outputs, after = self._vocoder.step(torch.from_numpy(rows), torch.from_numpy(comb), state)
        for part, new in zip(self._state, after, strict=True):
            part[chosen] = new
        lines = []
        for line, latest in zip(self._waiting, (rows, comb, pulses, self._tones(sounds, rows)), strict=True):
            joined = np.concatenate([line[numbers], latest], 1)
            line[numbers] = joined[:, count:]
            lines.append(joined)
        self._begin_at_onsets(sounds, lines[0], count)
        spectra = self._mixed(outputs.numpy(), [line[:, :count] for line in lines], self._noise(sounds, count))
        samples = torch.fft.irfft(torch.from_numpy(spectra), self._n_fft).numpy()
        for sound, frames, hops in zip(sounds, samples, out, strict=True):
            for frame, hop in zip(frames, hops.reshape(count, -1), strict=True):
                if sound.output.frame >= 0:
                    overlap(frame, self._window, sound.output.settled)
                sound.take(hop)

    def _mixed(self, outputs: np.ndarray, lines: list[np.ndarray], noise: np.ndarray) -> np.ndarray:
        """Spectra (sounds, frames, bins)."""
        rows, comb, pulses, tones = (np.ascontiguousarray(line).reshape(-1, self._bins) for line in lines)
        spectra = np.empty(noise.shape, np.complex64)
        mix_rows(
            rows * self._gain, outputs.reshape(len(rows), -1, self._bins), comb, (CLEAR, NOISE, LOUDER), pulses, tones,
            noise.reshape(rows.shape), spectra.reshape(rows.shape),
        )  # fmt: skip
        return spectra

    def _begin_at_onsets(self, sounds: list[_Sound], rows: np.ndarray, count: int) -> None:
        """Find the onset of each sound whose first two frames are known for the first time."""
        for sound, row in zip(sounds, rows, strict=True):
            first = sound.output.frame
            if self.look_ahead and first <= 0 < first + count:
                sound.gains = self._attack.gains(*np.square(row[-first : 2 - first], dtype=np.float64).sum(1))

    def _pulses(self, sounds: list[_Sound], pitches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Spectra of the pulse trains and of their lobes, (sounds, frames, bins)."""
        frequencies = 440.0 * 2.0 ** ((pitches - 69.0) / 12.0)
        phases = np.empty_like(frequencies)
        for sound, line, row in zip(sounds, frequencies, phases, strict=True):
            for number, now in enumerate(line.tolist()):
                if sound.output.given or number:
                    sound.phase = advance(sound.phase, sound.before, now, self.hop_length, self._rate)
                sound.before, row[number] = now, sound.phase
        return pulse_spectrum(frequencies, phases, self._n_fft, self._rate)

    def _tones(self, sounds: list[_Sound], rows: np.ndarray) -> np.ndarray:
        """Spectra (sounds, frames, bins) with phases by phase gradient heap integration."""
        scaled, spectra = rows * self._gain, np.empty(rows.shape, np.complex64)
        for sound, lines, out in zip(sounds, scaled, spectra, strict=True):
            for row, spectrum in zip(lines, out, strict=True):
                sound.tones.advance(row, np.uint64(sound.seed), sound.frames)
                sound.frames += 1
                spectrum[:] = sound.tones.spectrum
        return spectra

    def _noise(self, sounds: list[_Sound], count: int) -> np.ndarray:
        """Spectra (sounds, frames, bins) of white noise that begins with the sound, of mean power 1 in every frame."""
        half, hop, frames = self._n_fft // 2, self.hop_length, np.zeros((len(sounds), count, self._n_fft), np.float32)
        for sound, rows in zip(sounds, frames, strict=True):
            for frame, row in enumerate(rows, sound.output.frame):
                if frame < 0:
                    continue
                new = hop if frame else half
                sound.noise[:-new] = sound.noise[new:].copy()
                sound.noise[-new:] = sound.random.standard_normal(new, np.float32)
                np.multiply(sound.noise, self._window, out=row)
                row *= self._levels[max(half - frame * hop, 0)]
        return torch.fft.rfft(torch.from_numpy(frames)).numpy()


class VocoderStream:
    """Turns STFT magnitudes and the pitch into one sound: a hop of samples for every frame.

    After :meth:`flush` or :meth:`reset` the next sound begins. Arguments and attributes are those of
    :class:`VocoderStreams`; `seed` is that of the noise, and a new value takes effect with the next sound.
    """

    def __init__(self, vocoder: Vocoder, stft: STFT, sample_rate: float, seed: int = 0) -> None:
        self._streams, self._bins, self.seed = VocoderStreams(vocoder, stft, sample_rate), stft.n_fft // 2 + 1, seed
        self.hop_length, self.look_ahead, self.latency = stft.hop_length, vocoder.look_ahead, self._streams.latency
        self.reset()

    def push(
        self, magnitude: np.ndarray | Tensor, out: np.ndarray | None = None, pitch: float | np.ndarray = math.nan
    ) -> np.ndarray:
        """One hop of samples for each frame, like :meth:`~timbre.spectral.inversion.streaming.StreamingInverter.push`.

        `pitch` is MIDI, one or (frames,); NaN: no pitch.
        """
        rows = as_rows(magnitude, self._bins)
        pitches = np.broadcast_to(np.asarray(pitch, np.float64), (len(rows),))
        samples = self._streams.push([0], rows[None], pitches[None])[0]
        if out is None:
            return samples
        out[:] = samples
        return out

    def flush(self) -> np.ndarray:
        """Return the last `latency` samples, float32, and begin a new sound. Silence follows the last frame."""
        samples = self._streams.flush(0)
        self.reset()
        return samples

    def reset(self) -> None:
        """Begin a new sound."""
        self._streams.begin(0, self.seed)


def whole(
    stream: VocoderStream | StreamingInverter, magnitude: np.ndarray, pitch: np.ndarray, length: int
) -> np.ndarray:
    """The waveform (length,), float32, that a stream makes of a whole sound; the stream is at its beginning, and reset.

    Magnitudes are linear, (bins, frames), silence follows; pitches are MIDI, (frames,), NaN: no pitch.
    """
    samples = np.concatenate([stream.push(magnitude, pitch=pitch), stream.flush()])[stream.latency :][:length]
    return np.pad(samples, (0, length - len(samples)))
