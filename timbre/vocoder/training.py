"""Training of a vocoder on notes as a space decodes them."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timbre.config import SpectrogramConfig, TrainingConfig, VocoderConfig
from timbre.errors import TrainingError
from timbre.spectral.stft import STFT
from timbre.training import schedule
from timbre.training.average import Average
from timbre.training.journal import Journal
from timbre.training.ranks import training_device
from timbre.training.resume import load_state, save_state
from timbre.vocoder.energy import EnergyDistance, phase_distance
from timbre.vocoder.network import FIRST_PHASE, Vocoder, make_vocoder, mixed
from timbre.vocoder.notes import DecodedNotes
from timbre.vocoder.pulses import pulse_spectrum

_LOOK_EVERY = 300  # steps
_LOOKED_AT = 48  # held-out notes
_SAVE_EVERY = 60.0  # s
_ONSETS = 0.3  # share of the steps that learn from the notes' beginnings
_EDGE = 2  # hops at either end of an excerpt to which not all of its frames have come


@dataclass(frozen=True)
class TrainingExcerpt:
    """Some frames of some notes, with all that the network needs to see around them.

    Attributes:
        magnitude, comb: (batch, bins, past + frames + look_ahead).
        pulses, tones: complex (batch, bins, frames).
        recording: (batch, samples), from the centre of the first frame to that of the last.
        onset: whether it begins with the notes.
    """

    magnitude: Tensor
    comb: Tensor
    pulses: Tensor
    tones: Tensor
    recording: Tensor
    onset: bool


def fit_vocoder(
    notes: DecodedNotes, spectrogram: SpectrogramConfig, settings: VocoderConfig, out: Path | None, fingerprint: str,
    progress: bool = False,
) -> tuple[Vocoder, dict[str, Any]]:  # fmt: skip
    """Train a vocoder, going on from the state in `out` where there is one.

    Args:
        notes: what to learn from.
        spectrogram: of the space.
        settings: of the vocoder.
        out: folder of the run: its state and logs; None keeps all in memory.
        fingerprint: of the notes, so that a run is not continued on others.
        progress: whether to show a bar on stderr.

    Returns:
        The vocoder with the averaged weights that did best on the held-out notes, on the CPU; and plain figures.

    Raises:
        DeviceError: if torch does not find the device.
        TrainingError: if the loss stops being a number.
        CheckpointError: if `out` holds a run of other settings or notes.
        KeyboardInterrupt: on Ctrl-C, after the state has been saved.
    """
    with torch.random.fork_rng(devices=[]):
        run = VocoderRun(notes, spectrogram, settings, out, fingerprint, progress)
        try:
            run.train()
        except KeyboardInterrupt:
            run.save()
            raise
        finally:
            run.journal.close()
    return run.finish()


class VocoderRun:
    """One run: everything that changes while it lasts."""

    def __init__(
        self, notes: DecodedNotes, spectrogram: SpectrogramConfig, settings: VocoderConfig, out: Path | None,
        fingerprint: str, progress: bool,
    ) -> None:  # fmt: skip
        self.notes, self.spectrogram, self.settings, self.out, self.fingerprint = (
            notes,
            spectrogram,
            settings,
            out,
            fingerprint,
        )
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.device = torch.device(training_device(settings.device, "vocoder.device"))
        torch.manual_seed(settings.seed)
        self.net = make_vocoder(spectrogram, settings).to(self.device)
        self.stft = STFT(spectrogram.n_fft, spectrogram.hop_length).to(self.device)
        self.score = EnergyDistance(spectrogram.sample_rate, spectrogram.n_fft, settings.randomness).to(self.device)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99))
        self.average = Average(self.net, 0.998)
        self.frames = min(settings.frames, notes.magnitude.shape[1])
        self.train_rows, self.held_out = (np.flatnonzero(notes.held_out == part) for part in (False, True))
        self.step, self.elapsed, self.best = 0, 0.0, math.inf
        self.best_weights = self.average.weights
        if out and (state := load_state(out, settings, fingerprint)):
            self._restore(state)
        self.journal = Journal(out / "logs" if out else None, progress, self.done)

    @property
    def done(self) -> float:
        """The share of the run that is done, by steps or by minutes."""
        by_time = self.elapsed / 60.0 / self.settings.max_minutes if self.settings.max_minutes else 0.0
        return min(1.0, max(self.step / self.settings.steps, by_time))

    def train(self) -> None:
        """Steps until the run is done."""
        saved = time.monotonic()
        while self.done < 1.0:
            begun = time.monotonic()
            self._take_step()
            self.elapsed += time.monotonic() - begun
            if self.step % _LOOK_EVERY == 0 or self.done >= 1.0:
                self._look()
            if time.monotonic() - saved > _SAVE_EVERY or self.done >= 1.0:
                self.save()
                saved = time.monotonic()

    def _take_step(self) -> None:
        """One step of AdamW; what is drawn depends on the seed and the step alone."""
        rng = np.random.default_rng([self.settings.seed, self.step])
        torch.manual_seed(int(rng.integers(2**62)))
        rate = schedule.learning_rate(TrainingConfig(learning_rate=self.settings.learning_rate, warmup=0.02), self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rows = rng.choice(self.train_rows, min(self.settings.batch_size, len(self.train_rows)), replace=False)
        last = self.notes.magnitude.shape[1] - self.frames
        start = 0 if rng.random() < _ONSETS else int(rng.integers(_EDGE, max(last, _EDGE) + 1))
        score, phases = self._losses(self.excerpt(np.sort(rows), start))
        loss = score + self.settings.phase_weight * phases
        if not math.isfinite(float(loss.detach())):
            raise TrainingError(f"The loss is not a number at step {self.step + 1}. Try a lower vocoder.learning_rate.")
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        self.average.update(self.net, self.step)
        self._tell({"score": float(score.detach()), "phases": float(phases.detach()), "learning_rate": rate})

    def _tell(self, values: dict[str, float]) -> None:
        bar = self.journal.bar
        bar.n = self.done
        if self.step % 10 == 0:
            shown = f" held out {self.best:.3f}," if math.isfinite(self.best) else ""
            bar.set_postfix_str(f"{shown} score {values['score']:.3f}, step {self.step}", refresh=False)
            bar.update(0)
            self.journal.scalars("train", values, self.step)

    def excerpt(self, rows: np.ndarray, start: int) -> TrainingExcerpt:
        """`frames` frames of some notes from frame `start` on, on the device of the run."""
        first, stop = start - self.net.past, start + self.frames
        magnitude = _between(self.notes.magnitude, rows, first, stop + self.net.look_ahead)
        tones = torch.from_numpy(_between(self.notes.tones, rows, start, stop)).float() * (2.0 * math.pi / 256.0)
        samples = slice(start * self.spectrogram.hop_length, (stop - 1) * self.spectrogram.hop_length)
        recording = torch.from_numpy(self.notes.audio[rows][:, samples].astype(np.float32))
        pulses, comb = self._pulses(torch.from_numpy(self.notes.pitch[rows]), first, magnitude.shape[1])
        inner = slice(self.net.past, self.net.past + self.frames)
        parts = (
            torch.from_numpy(magnitude).float(),
            comb,
            pulses[:, inner],
            torch.polar(torch.ones_like(tones), tones),
        )
        level, comb, pulses, tones = (part.to(self.device).mT for part in parts)
        return TrainingExcerpt(level, comb, pulses, tones, recording.to(self.device), start == 0)

    def _pulses(self, pitch: Tensor, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Pulse trains of steady pitches (batch,): spectra and lobes (batch, frames, bins), none before the onset."""
        frequency = 440.0 * torch.exp2((pitch.double() - 69.0) / 12.0)
        frames = torch.arange(first, first + count)
        turns = (
            frequency[:, None] * (frames * self.spectrogram.hop_length / self.spectrogram.sample_rate)
            + FIRST_PHASE / math.tau
        )
        phase = (turns % 1.0 * math.tau).nan_to_num(0.0).float()
        begun = frequency[:, None].float().where(frames >= 0, torch.nan)
        return pulse_spectrum(begun, phase, self.spectrogram.n_fft, self.spectrogram.sample_rate)

    def _losses(self, found: TrainingExcerpt) -> tuple[Tensor, Tensor]:
        """The score of two draws, and the distance of the first one's phases."""
        mix = self.net(found.magnitude, found.comb)
        frames = slice(self.net.past, self.net.past + self.frames)
        inner = slice(0 if found.onset else _EDGE * self.spectrogram.hop_length, -_EDGE * self.spectrogram.hop_length)
        draws = []
        for _ in range(2):
            noise = self._noise(len(found.recording), found.onset)
            spectrum = mixed(found.magnitude[..., frames], mix, found.pulses, found.tones, noise)
            draws.append(self.stft.inverse(spectrum, found.recording.shape[-1])[:, inner])
        recording = found.recording[:, inner]
        phases = phase_distance(draws[0], recording, self.spectrogram.n_fft, self.spectrogram.hop_length)
        return self.score(draws[0], draws[1], recording), phases

    def _noise(self, batch: int, onset: bool) -> Tensor:
        """Spectra (batch, bins, frames) of white noise of mean power 1, that begins with the notes where they do."""
        size, hop = self.spectrogram.n_fft, self.spectrogram.hop_length
        samples = torch.randn(batch, (self.frames - 1) * hop + size, device=self.device)
        heard = torch.ones_like(samples[:1])
        if onset:
            heard[:, : size // 2] = 0.0
        frames, gate = ((part.unfold(-1, size, hop)) * self.stft.window for part in (samples * heard, heard))
        return (torch.fft.rfft(frames) / gate.square().sum(-1, keepdim=True).sqrt()).mT

    @torch.no_grad()
    def _look(self) -> None:
        """Score the averaged weights on held-out notes, the same draws each time; keep them if they are the best."""
        live = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.net.load_state_dict(self.average.weights)
        torch.manual_seed(0)
        rows = self.held_out if len(self.held_out) else self.train_rows
        chosen = rows[np.linspace(0, len(rows) - 1, min(_LOOKED_AT, len(rows))).astype(int)]
        last = max(self.notes.magnitude.shape[1] - self.frames, 0)
        scores = [
            float(self._losses(self.excerpt(part, start))[0])
            for part in np.array_split(chosen, -(-len(chosen) // self.settings.batch_size))
            for start in sorted({0, last // 4, last // 2})
        ]
        score = float(np.mean(scores))
        self.journal.scalars("valid", {"score": score}, self.step)
        if score < self.best:
            self.best = score
            self.best_weights = {name: value.clone() for name, value in self.average.weights.items()}
        self.net.load_state_dict(live)

    def save(self) -> None:
        """Write the state to go on from."""
        if self.out:
            save_state(self.out, {
                "config": self.settings.to_dict(), "library": self.fingerprint, "model": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(), "average": self.average.weights, "best": self.best,
                "best_weights": self.best_weights, "step": self.step, "elapsed": self.elapsed,
            })  # fmt: skip

    def _restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.weights, self.best_weights = (
            {name: value.to(self.device) for name, value in state[key].items()} for key in ("average", "best_weights")
        )
        self.step, self.elapsed, self.best = state["step"], state["elapsed"], state["best"]

    def finish(self) -> tuple[Vocoder, dict[str, Any]]:
        """The best weights, and figures."""
        self.net.load_state_dict(self.best_weights)
        report = {
            "steps": self.step, "train_minutes": self.elapsed / 60.0, "notes": len(self.train_rows),
            "parameters": sum(value.numel() for value in self.net.parameters()), "score": self.best,
        }  # fmt: skip
        return self.net.cpu().eval(), report


def _between(array: np.ndarray, rows: np.ndarray, first: int, stop: int) -> np.ndarray:
    """Frames first to stop of (notes, frames, bins) for some notes; zeros where there are none."""
    low, high = max(first, 0), min(stop, array.shape[1])
    found = np.zeros((len(rows), stop - first, array.shape[2]), array.dtype)
    if high > low:
        found[:, low - first : high - first] = array[rows, low:high]
    return found
