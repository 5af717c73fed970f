"""A vocoder as a stream: takes decoded magnitudes and pitches frame by frame, and returns sound hop by hop."""

import math

import numpy as np
import torch
from torch import Tensor

from timbre.spectral.inversion.overlap_add import OverlapAdd
from timbre.spectral.inversion.rtpghi import RTPGHI
from timbre.spectral.inversion.streaming import StreamingInverter, as_rows
from timbre.spectral.stft import STFT
from timbre.vocoder._loops import mix_rows
from timbre.vocoder.attack import Attack
from timbre.vocoder.network import FIRST_PHASE, Mix, Vocoder
from timbre.vocoder.pulses import advance, pulse_spectrum

_PART = 256  # frames that are processed together at most


class VocoderStream:
    """Turns STFT magnitudes and the pitch into sound: one hop of samples for every frame.

    The samples do not depend, except for rounding (1e-5), on how the frames are divided into calls. After :meth:`flush`
    or :meth:`reset` the next sound begins.

    The vocoder is in eval mode, on the CPU.

    Attributes:
        look_ahead: later frames that are needed for a frame.
        hop_length: samples per frame.
        latency: samples by which the output is delayed, as in
            :class:`~timbre.spectral.inversion.streaming.StreamingInverter`.
        seed: of the noise; a new value takes effect with the next sound.
    """

    def __init__(self, vocoder: Vocoder, stft: STFT, sample_rate: float, seed: int = 0) -> None:
        self.seed, self.hop_length, self.look_ahead = seed, stft.hop_length, vocoder.look_ahead
        self._output = OverlapAdd(stft, self.look_ahead)
        self.latency, self._window = self._output.latency, self._output.window
        self._vocoder, self._rate, self._n_fft, self._bins = vocoder, sample_rate, stft.n_fft, stft.n_fft // 2 + 1
        self._gain = np.float32(1.0 / stft.scale)
        self._attack = Attack(self._window, stft.hop_length, sample_rate)
        self._tones = RTPGHI(stft.n_fft, stft.hop_length, 0)
        self._silence = vocoder.silent_state()
        self.reset()

    def push(
        self, magnitude: np.ndarray | Tensor, out: np.ndarray | None = None, pitch: float | np.ndarray = math.nan
    ) -> np.ndarray:
        """One hop of samples for each frame, like :meth:`~timbre.spectral.inversion.streaming.StreamingInverter.push`.

        `pitch` is MIDI, one or (frames,); NaN: no pitch.
        """
        rows = as_rows(magnitude, self._bins)
        pitches = np.broadcast_to(np.asarray(pitch, np.float64), (len(rows),))
        out = np.empty(len(rows) * self.hop_length, np.float32) if out is None else out
        for start in range(0, len(rows), _PART):
            part = slice(start, min(start + _PART, len(rows)))
            samples = out[part.start * self.hop_length : part.stop * self.hop_length]
            self._process(rows[part], pitches[part], samples)
        return out

    def flush(self) -> np.ndarray:
        """Return the last `latency` samples, float32, and begin a new sound. Silence follows the last frame."""
        samples = np.zeros(self.latency, np.float32)
        if self._output.given:
            ahead = self.look_ahead * self.hop_length
            silence = np.zeros((self.look_ahead, self._bins), np.float32)
            self._process(silence, np.full(self.look_ahead, math.nan), samples[:ahead])
            self._take(samples[ahead:])
        self.reset()
        return samples

    def reset(self) -> None:
        """Begin a new sound."""
        self._frames, self._phase, self._before = 0, FIRST_PHASE, math.nan
        self._state = [part.clone() for part in self._silence]
        self._gains = np.ones(self._n_fft // 2, np.float32)
        nothing = np.zeros((self.look_ahead, self._bins), np.float32)
        self._waiting = [nothing, nothing.astype(np.complex64), nothing.astype(np.complex64)]
        self._random = np.random.Generator(np.random.PCG64(self.seed % 2**64))
        self._noise = np.zeros(self._n_fft, np.float32)
        for array in (*self._output.arrays.values(), *self._tones.arrays.values()):
            array[...] = 0

    @torch.inference_mode()
    def _process(self, rows: np.ndarray, pitches: np.ndarray, out: np.ndarray) -> None:
        """Process frames (frames, bins) and write one hop for each."""
        if not len(rows):
            return
        pulses, comb = self._pulses(pitches)
        levels, lobes = (torch.from_numpy(array).T[None] for array in (rows, comb))
        mix, self._state = self._vocoder.step(levels, lobes, self._state)
        new = (rows, pulses, np.stack([self._tone(row) for row in rows]))
        lines = [np.concatenate(pair) for pair in zip(self._waiting, new, strict=True)]
        self._waiting = [line[len(rows) :] for line in lines]
        for spectrum in self._spectra(mix, *lines):
            if self._output.frame >= 0:
                self._output.add(spectrum)
            out, hop = out[self.hop_length :], out[: self.hop_length]
            self._take(hop)

    def _spectra(self, mix: Mix, rows: np.ndarray, pulses: np.ndarray, tones: np.ndarray) -> np.ndarray:
        """Spectra (frames, bins) of the frames of a mix, which are the first frames of the other arrays."""
        pulse, residual, tone, noise = (part[0].T.numpy() for part in mix)
        first = self._output.frame
        random = self._noise_from(first, len(pulse))
        if self.look_ahead and first <= 0 < first + len(pulse):  # frame 0 and the one after it are known
            self._gains = self._attack.gains(*np.square(rows[-first : 2 - first], dtype=np.float64).sum(1))
        spectra = np.empty((len(pulse), self._bins), np.complex64)
        shares = np.stack([pulse, tone, noise], 1) * self._gain
        for row, spectrum in enumerate(spectra):
            mix_rows(rows[row], shares[row], residual[row], pulses[row], tones[row], random[row], spectrum)
        return spectra

    def _pulses(self, pitches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Spectra of the pulse train and of its lobes, (frames, bins)."""
        frequencies = 440.0 * 2.0 ** ((pitches - 69.0) / 12.0)
        phases = np.empty_like(frequencies)
        for number, now in enumerate(frequencies):
            if self._output.given or number:
                self._phase = advance(self._phase, self._before, now, self.hop_length, self._rate)
            self._before, phases[number] = now, self._phase
        return pulse_spectrum(frequencies, phases, self._n_fft, self._rate)

    def _tone(self, row: np.ndarray) -> np.ndarray:
        """Spectrum (bins,) with phases by phase gradient heap integration."""
        self._tones.advance(row * self._gain, np.uint64(self.seed % 2**64), self._frames)
        self._frames += 1
        return self._tones.spectrum.copy()

    def _noise_from(self, first: int, count: int) -> np.ndarray:
        """Spectra (frames, bins) of white noise that begins with the sound, of mean power 1 in every frame."""
        half, hop, frames = self._n_fft // 2, self.hop_length, np.zeros((count, self._n_fft), np.float32)
        for number, frame in enumerate(range(first, first + count)):
            if frame < 0:
                continue
            new = hop if frame else half
            self._noise[:-new] = self._noise[new:].copy()
            self._noise[-new:] = self._random.standard_normal(new, np.float32)
            begun = max(half - frame * hop, 0)
            frames[number] = self._noise * (self._window / np.sqrt(np.square(self._window[begun:]).sum()))
        return np.fft.rfft(frames)

    def _take(self, out: np.ndarray) -> None:
        """Write the next samples; those before the beginning of the sound are 0."""
        early = self.latency - self._output.given  # samples until the sound begins
        self._output.take(out)
        if early + self._gains.size > 0:
            sound = out[max(early, 0) :]
            gains = self._gains[max(-early, 0) :][: sound.size]
            sound[: gains.size] *= gains


def whole(
    stream: VocoderStream | StreamingInverter, magnitude: np.ndarray, pitch: np.ndarray, length: int
) -> np.ndarray:
    """The waveform (length,), float32, that a stream makes of a whole sound; the stream is at its beginning, and reset.

    Magnitudes are linear, (bins, frames), silence follows; pitches are MIDI, (frames,), NaN: no pitch.
    """
    samples = np.concatenate([stream.push(magnitude, pitch=pitch), stream.flush()])[stream.latency :][:length]
    return np.pad(samples, (0, length - len(samples)))
