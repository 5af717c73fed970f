"""From points to sound: decoded frames, the inverter, and the finish; as a whole or in blocks."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from timbre.audio import Audio
from timbre.errors import ConfigError
from timbre.models.conditions import Conditions
from timbre.models.decoder import Sources
from timbre.models.vae import VAE
from timbre.space.controls import Line, NoteControls, line
from timbre.space.finishing import Finish
from timbre.spectral import Spectrogram
from timbre.spectral.inversion.portable_stream import PortableStream
from timbre.spectral.inversion.streaming import PORTABLE, STREAMS, StreamingInverter, check_causal
from timbre.vocoder.streaming import VocoderStream, whole
from timbre.vocoder.trained import TrainedVocoder

DEFAULT_INVERTER = "pghi+8"
Stream = StreamingInverter | VocoderStream
_FRAMES = 256  # decoded at a time


@dataclass(frozen=True)
class Renderer:
    """The renderer of a space (`space.renderer`), used by decoding, rendering and live play."""

    model: VAE
    spectrogram: Spectrogram
    vocoder: TrainedVocoder | None = None

    @property
    def inverter(self) -> str:
        """The default inverter: "vocoder" where the space has one that beats the others, otherwise "pghi+8"."""
        return "vocoder" if self.vocoder and self.vocoder.is_default else DEFAULT_INVERTER

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.spectrogram.config.sample_rate

    def frames(self, duration: float) -> int:
        """The number of spectrogram frames of a sound of `duration` seconds; a ConfigError if it has none."""
        rate, hop = self.sample_rate, self.spectrogram.config.hop_length
        if not (math.isfinite(duration) and round(duration * rate) >= hop):
            raise ConfigError(f"The duration must be {hop / rate:.3f} s or more, got {duration} s.")
        return self.spectrogram.config.frames(round(duration * rate))

    def sound(self, points: np.ndarray, controls: NoteControls, gain: Line = 1.0) -> Audio:
        """The sound of one point (1, dim), or of one for each of the `frames(controls.duration)`, (frames, dim).

        Lines of pitch and velocity, and the gain, an amplitude in addition to the velocity's, are single values or
        (frames,). A ConfigError is raised for other shapes, or an inverter that the space does not have.
        """
        inverter = controls.inverter or self.inverter
        decoded = self.sources(points, controls) if inverter == PORTABLE else self.spectrum(points, controls)
        length = round(controls.duration * self.sample_rate)
        waveforms = [self.invert(decoded, controls.pitch, length, controls.seed, inverter)]
        return Audio(np.concatenate(list(self._finished(waveforms, controls, gain))), self.sample_rate)

    def blocks(self, points: np.ndarray, controls: NoteControls, gain: Line = 1.0) -> Iterator[np.ndarray]:
        """The samples of :meth:`sound` with the same causal inverter, to 1e-5, in pieces of various lengths."""
        streamed = self._portable if controls.inverter == PORTABLE else self._streamed
        return self._finished(streamed(points, controls), controls, gain)

    def _streamed(self, points: np.ndarray, controls: NoteControls) -> Iterator[np.ndarray]:
        count, stream = self.frames(controls.duration), self.stream(controls.inverter, controls.seed)
        late, left = stream.latency, round(controls.duration * self.sample_rate)
        pitch, _ = controls.lines(count)
        for start in range(0, count, _FRAMES):
            stop = min(start + _FRAMES, count)
            spectrum = self.spectrum(points, controls, start, stop)
            samples = stream.push(self.spectrogram.magnitude(spectrum[None])[0], pitch=pitch[start:stop])
            if stop == count:
                samples = np.concatenate([samples, stream.flush()])
            skipped = min(late, len(samples))
            samples, late = samples[skipped : skipped + left], late - skipped
            left -= len(samples)
            yield samples

    def _portable(self, points: np.ndarray, controls: NoteControls) -> Iterator[np.ndarray]:
        count, left = self.frames(controls.duration), round(controls.duration * self.sample_rate)
        stream = PortableStream(self.spectrogram.config, controls.seed)
        pitch, _ = controls.lines(count)
        for start in range(0, count, _FRAMES):
            stop = min(start + _FRAMES, count)
            samples = stream.push(pitch[start:stop], *self.sources(points, controls, start, stop))
            if stop == count:
                samples = np.concatenate([samples, stream.flush()])
            yield samples[:left]
            left -= len(samples[:left])

    def _finished(self, pieces: Iterable[np.ndarray], controls: NoteControls, gain: Line) -> Iterator[np.ndarray]:
        length = round(controls.duration * self.sample_rate)
        finish = Finish(length, np.square(controls.velocity) * gain, self.sample_rate)
        for piece in pieces:
            yield finish.push(piece)
        yield finish.flush()

    def spectrum(
        self, points: np.ndarray, controls: NoteControls, start: int = 0, stop: int | None = None
    ) -> torch.Tensor:
        """Decoded frames start to stop (default: all) of a whole sound, dB (bins, frames); parts equal the whole."""
        decoded = self._decoded(lambda *controls: (self.model.decoder(*controls)[0],), points, controls, start, stop)
        return torch.cat([frames for (frames,) in decoded], 1)

    def sources(self, points: np.ndarray, controls: NoteControls, start: int = 0, stop: int | None = None) -> Sources:
        """What sounds in those frames, for the portable inverter: levels in dB (frames, ...)."""
        pieces = self._decoded(self.model.decoder.sources, points, controls, start, stop)
        return Sources(*(torch.cat(column, 1)[0] for column in zip(*pieces, strict=True)))

    @torch.no_grad()
    def _decoded(
        self, decode: Callable[..., tuple[torch.Tensor, ...]], points: np.ndarray, controls: NoteControls, start: int,
        stop: int | None,
    ) -> list[tuple[torch.Tensor, ...]]:  # fmt: skip
        """What a decoder makes of frames, in pieces that always begin at multiples of 256: the rounding of sums depends
        on the size of a piece, and the integration of phases amplifies it."""
        count, dim, part = self.frames(controls.duration), self.model.dim, slice(start, stop)
        clock, release = torch.arange(count)[part] / self.spectrogram.config.frame_rate, controls.release
        pitch, velocity = (_tensor(values, part)[None] for values in controls.lines(count))
        if controls.hold is not None and controls.hold < release:
            later = (clock - (release - controls.hold)).clamp_min(controls.hold)
            clock, release = torch.where(clock < controls.hold, clock, later), controls.hold
        if points.ndim != 2 or len(points) not in (1, count) or points.shape[1] != dim:
            raise ConfigError(f"The points must have shape (1, {dim}) or ({count}, {dim}), got {points.shape}.")
        along = _tensor(points, part)[None]
        edges = [0, *range(_FRAMES - start % _FRAMES, len(clock), _FRAMES), len(clock)]
        pieces = []
        for a, b in itertools.pairwise(edges):
            z, pitches, velocities = (
                values if values.shape[1] == 1 else values[:, a:b] for values in (along, pitch, velocity)
            )
            conditions = Conditions(pitches, velocities, torch.tensor([release]))
            pieces.append(decode(self.model.latent(z, pitches), conditions, clock[a:b]))
        return pieces

    def invert(
        self, spectrum: torch.Tensor | Sources, pitch: Line | None, length: int, seed: int = 0,
        inverter: str | None = None,
    ) -> np.ndarray:  # fmt: skip
        """The waveform (length,) of decoded frames, dB (bins, frames); for the portable inverter, of their sources.

        The vocoder and the portable inverter need the pitch as well.
        """
        inverter = inverter or self.inverter
        if isinstance(spectrum, Sources) != (inverter == PORTABLE):
            raise ConfigError(
                f"The inverter {PORTABLE} must get the sources of frames, and the others their spectrum, got "
                f"{type(spectrum).__name__} for {inverter}; use Renderer.sound."
            )
        if isinstance(spectrum, Sources):
            stream = PortableStream(self.spectrogram.config, seed)
            sound = [stream.push(line(pitch, len(spectrum.noise), "pitch"), *spectrum), stream.flush()]
            return np.pad(np.concatenate(sound), (0, length))[:length]
        if inverter == "vocoder":
            magnitude = self.spectrogram.magnitude(spectrum[None])[0].numpy()
            return whole(self.stream(inverter, seed), magnitude, line(pitch, magnitude.shape[1], "pitch"), length)
        return self.spectrogram.inverse(spectrum[None], length=length, inverter=inverter, seed=seed)[0].numpy()

    def stream(self, inverter: str | None = None, seed: int = 0) -> Stream:
        """A causal inverter: `push(magnitude, out, pitch)` takes frames and returns hops, `flush()` returns the rest.

        It is "vocoder", or one of :data:`~timbre.spectral.inversion.streaming.STREAMS`; default: the vocoder where it
        is the space's own inverter, otherwise "rtpghi". A ConfigError is raised if there is no such causal inverter.
        """
        inverter = inverter or (self.inverter if self.inverter == "vocoder" else "rtpghi")
        self.check_causal(inverter)
        if self.vocoder and inverter == "vocoder":
            return VocoderStream(self.vocoder.network, self.spectrogram.stft, self.sample_rate, seed)
        return StreamingInverter(self.spectrogram.stft, inverter, seed)

    def check_causal(self, inverter: str) -> None:
        """Raise a ConfigError unless an inverter can play live; nothing is compiled."""
        if self.vocoder is None and inverter == "vocoder":
            raise ConfigError(
                "This space has no vocoder; train one with `timbre train-vocoder`, or choose another inverter, such as "
                f"{DEFAULT_INVERTER}."
            )
        check_causal(inverter, [*(["vocoder"] if self.vocoder else []), *STREAMS, PORTABLE])


def _tensor(values: np.ndarray, part: slice) -> torch.Tensor:
    """A part of a line (frames,) or of points (frames or 1, dim); of what never changes, one value for all frames.

    The whole line decides, so that parts of a sound are rounded as the whole.
    """
    single = values.astype(np.float32)
    return torch.from_numpy(single[:1] if np.array_equal(single[1:], single[:-1], equal_nan=True) else single[part])
