"""Training of a vocoder on notes as a space decodes them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbre.config import SpectrogramConfig, TrainingConfig, VocoderConfig
from timbre.spectral.stft import STFT
from timbre.training.journal import evenly
from timbre.training.ranks import training_device
from timbre.training.run import Figures, Run, Task, Validation
from timbre.vocoder.energy import EnergyDistance, phase_distance
from timbre.vocoder.network import FIRST_PHASE, Vocoder, make_vocoder, mixed
from timbre.vocoder.notes import DecodedNotes
from timbre.vocoder.pulses import pulse_spectrum

VALIDATE_EVERY = 300  # steps
VALIDATED = 48  # held-out notes
ONSETS = 0.3  # share of the steps that learn from the notes' beginnings
EDGE = 2  # hops at either end of an excerpt to which not all of its frames have come


@dataclass(frozen=True)
class TrainingExcerpt:
    """Some frames of some notes, with the frames around them that the network sees."""

    rows: np.ndarray  # numbers of the notes, (batch,)
    seed: int  # of the noise that is drawn for it
    magnitude: Tensor  # (batch, bins, past + frames + look_ahead)
    comb: Tensor  # of the same frames
    pulses: Tensor  # complex (batch, bins, frames)
    tones: Tensor  # complex (batch, bins, frames)
    recording: Tensor  # (batch, samples), from the centre of the first frame to that of the last
    onset: bool  # whether the excerpt begins at the notes' onsets


class VocoderTask(Task):
    """The vocoder of a space as a task. A run is one epoch.

    Args:
        notes: to learn from.
        spectrogram, settings: of the space and of the vocoder.
        out: folder of the run: its state and logs; None keeps everything in memory.
        fingerprint: see :class:`Task`.
    """

    net: Vocoder
    validate_every = VALIDATE_EVERY
    shown = ("score",)

    def __init__(
        self, notes: DecodedNotes, spectrogram: SpectrogramConfig, settings: VocoderConfig, out: Path | None,
        fingerprint: str,
    ) -> None:  # fmt: skip
        schedule = TrainingConfig(
            epochs=1, max_minutes=settings.max_minutes, learning_rate=settings.learning_rate, warmup=0.02,
            grad_clip=1.0, ema=0.998, precision="32-true", threads=settings.threads, seed=settings.seed,
            device=training_device(settings.device, "vocoder.device"),
        )  # fmt: skip
        super().__init__(schedule, "vocoder", settings.to_dict(), fingerprint, out, out / "logs" if out else None)
        self.decoded, self.spectrogram, self.count = notes, spectrogram, settings.steps
        self.batch_size, self.phase_weight = settings.batch_size, settings.phase_weight
        self.net = self.seeded(lambda: make_vocoder(spectrogram, settings)).to(self.device)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99))
        self.stft = STFT(spectrogram.n_fft, spectrogram.hop_length).to(self.device)
        self.score = EnergyDistance(spectrogram.sample_rate, spectrogram.n_fft, settings.randomness).to(self.device)
        self.frames = min(settings.frames, notes.magnitude.shape[1])
        self.train_rows, self.held_out = (np.flatnonzero(notes.held_out == part) for part in (False, True))

    def batches(self, epoch: int, start: int) -> Iterator[TrainingExcerpt]:
        """Excerpts of notes; which ones, and the seed of their noise, depend on the seed and the step alone."""
        for step in range(epoch * self.count + start, self.count):
            rng = np.random.default_rng([self.settings.seed, step])
            seed = int(rng.integers(2**62))
            rows = rng.choice(self.train_rows, min(self.batch_size, len(self.train_rows)), replace=False)
            last = self.decoded.magnitude.shape[1] - self.frames
            first = 0 if rng.random() < ONSETS else int(rng.integers(EDGE, max(last, EDGE) + 1))
            yield self.excerpt(np.sort(rows), first, seed)

    def objective(self, batch: TrainingExcerpt, step: int, done: float) -> Callable[[Vocoder], Figures]:
        """The energy score of an excerpt with its phase distance, as a function of the network."""
        torch.manual_seed(batch.seed)

        def compute(net: Vocoder) -> Figures:
            score, phases = self.losses(net, batch)
            figures = {"score": score.detach(), "phases": phases.detach()}
            return {"objective": score + self.phase_weight * phases, **figures}

        return compute

    @torch.no_grad()
    def validate(self, done: float) -> Validation:
        """The score on held-out notes, with the same draws each time."""
        torch.manual_seed(0)
        chosen = evenly(VALIDATED, self.held_out if len(self.held_out) else self.train_rows)
        last = max(self.decoded.magnitude.shape[1] - self.frames, 0)
        scores = [
            float(self.losses(self.net, self.excerpt(part, start))[0])
            for part in np.array_split(chosen, -(-len(chosen) // self.batch_size))
            for start in sorted({0, last // 4, last // 2})
        ]
        score = float(np.mean(scores))
        return Validation(score, {"score": score})

    def report(self, run: Run, taken: dict[str, float]) -> dict[str, Any]:
        """Figures of the run."""
        parameters = sum(value.numel() for value in self.net.parameters())
        taken = {name: taken[name] for name in ("steps", "train_minutes")}
        return taken | {"notes": len(self.train_rows), "parameters": parameters, "score": run.error}

    def excerpt(self, rows: np.ndarray, start: int, seed: int = 0) -> TrainingExcerpt:
        """`frames` frames of the notes `rows` from frame `start` on, on the device of the run."""
        first, stop = start - self.net.past, start + self.frames
        magnitude = _between(self.decoded.magnitude, rows, first, stop + self.net.look_ahead)
        tones = torch.from_numpy(_between(self.decoded.tones, rows, start, stop)).float() * (2.0 * math.pi / 256.0)
        samples = slice(start * self.spectrogram.hop_length, (stop - 1) * self.spectrogram.hop_length)
        recording = torch.from_numpy(self.decoded.audio[rows][:, samples].astype(np.float32))
        pulses, comb = self._pulses(self.decoded.pitch[rows], first, magnitude.shape[1])
        pulses = pulses[:, self.net.past : self.net.past + self.frames]
        arrays = (torch.from_numpy(array) for array in (magnitude.astype(np.float32), comb, pulses))
        parts = (*arrays, torch.polar(torch.ones_like(tones), tones))
        level, lobes, pulse, tone = (part.to(self.device).mT for part in parts)
        return TrainingExcerpt(rows, seed, level, lobes, pulse, tone, recording.to(self.device), start == 0)

    def _pulses(self, pitch: np.ndarray, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Pulse trains of steady pitches (batch,) from the onset on: spectra and lobes (batch, frames, bins)."""
        frequency = 440.0 * np.exp2((pitch[:, None].astype(np.float64) - 69.0) / 12.0)
        time = np.arange(first, first + count) * (self.spectrogram.hop_length / self.spectrogram.sample_rate)
        phase = FIRST_PHASE + math.tau * (frequency * time % 1.0)
        begun = np.where(time >= 0, frequency, np.nan)
        return pulse_spectrum(begun, phase, self.spectrogram.n_fft, self.spectrogram.sample_rate)

    def losses(self, net: Vocoder, part: TrainingExcerpt) -> tuple[Tensor, Tensor]:
        """The score of two draws, and the phase distance of the first."""
        mix = net(part.magnitude, part.comb)
        frames, hop = slice(net.past, net.past + self.frames), self.spectrogram.hop_length
        inner = slice(0 if part.onset else EDGE * hop, -EDGE * hop)
        draws = []
        for _ in range(2):
            noise = self._noise(len(part.recording), part.onset)
            spectrum = mixed(part.magnitude[..., frames], mix, part.pulses, part.tones, noise)
            draws.append(self.stft.inverse(spectrum, part.recording.shape[-1])[:, inner])
        recording = part.recording[:, inner]
        phases = phase_distance(draws[0], recording, self.spectrogram.n_fft, hop)
        return self.score(draws[0], draws[1], recording), phases

    def _noise(self, batch: int, onset: bool) -> Tensor:
        """Spectra (batch, bins, frames) of white noise of mean power 1; at an onset it begins with the notes."""
        size, hop = self.spectrogram.n_fft, self.spectrogram.hop_length
        samples = torch.randn(batch, (self.frames - 1) * hop + size, device=self.device)
        begun = torch.ones_like(samples[:1])
        if onset:
            begun[:, : size // 2] = 0.0
        frames, gate = ((part.unfold(-1, size, hop)) * self.stft.window for part in (samples * begun, begun))
        return (torch.fft.rfft(frames) / gate.square().sum(-1, keepdim=True).sqrt()).mT


def _between(array: np.ndarray, rows: np.ndarray, first: int, stop: int) -> np.ndarray:
    """Frames first to stop of some notes (notes, frames, bins); zeros where the array has none."""
    frames = np.arange(first, stop)
    inside, frames = (frames >= 0) & (frames < array.shape[1]), frames.clip(0, array.shape[1] - 1)
    return np.where(inside[:, None], array[rows[:, None], frames], array.dtype.type(0))
