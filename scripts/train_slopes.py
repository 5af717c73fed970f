#!/usr/bin/env python
"""Train the networks that predict phase slopes from magnitudes, for timbre/spectral/inversion/slopes.py.

    .venv/bin/python scripts/train_slopes.py FOLDER --look-ahead 2 --out timbre/spectral/inversion/_slopes/

FOLDER is a library of recorded notes. The 96 evenly spaced notes on which benchmarks/inversion.py measures by default
are left out, as are notes whose licence is not among --licences. The networks see exact magnitudes, magnitudes from a
mel filterbank and its inverse, and magnitudes with errors of some decibels, since a decoder's magnitudes belong to no
real sound. A network takes about ten minutes on one core.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import timbre
from timbre.audio import Audio
from timbre.config import SpectrogramConfig
from timbre.data import Library, Note
from timbre.errors import AudioError
from timbre.spectral import STFT, Spectrogram
from timbre.spectral.inversion.slopes import BINS, FRAMES, Border, features, network, steady_steps

RATE = 22050
MEASURED = 96  # notes of the benchmark
LOUD = 1e-3  # lowest magnitude of a sample, as a share of the sound's largest one
SAMPLES = 2500  # bins of each sound
HELD_OUT = 50_000  # samples that validate the training


def main() -> None:
    """Gather samples, train, write the weights."""
    args = parse()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    notes = training_notes(timbre.scan(args.folder), args.licences)
    print(f"{len(notes)} notes", flush=True)
    patches, truth, weight = samples(notes, args, rng)
    print(f"{len(patches)} samples", flush=True)
    net = train(patches, truth, weight, args)
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.contiguous() for name, value in net.state_dict().items()},
        args.out / f"look-ahead-{args.look_ahead}.safetensors",
    )


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="library of recorded notes")
    folder = Path("timbre/spectral/inversion/_slopes")
    parser.add_argument("--out", type=Path, default=folder, help="folder of the weights")
    parser.add_argument("--look-ahead", type=int, default=2, help="frames after the one whose phases are predicted")
    parser.add_argument("--licences", nargs="+", default=["CC0-1.0", "Public-Domain", "Unlicense"])
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 64, 64], help="units of each hidden layer")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--notes", type=int, help="largest number of notes, for a quick trial")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def training_notes(library: Library, licences: list[str]) -> list[Note]:
    """The notes with one of the licences, without those of the benchmark."""
    measured = set(np.linspace(0, len(library) - 1, MEASURED).round().astype(int).tolist())
    return [note for i, note in enumerate(library) if i not in measured and note.licence in licences]


def samples(notes: list[Note], args: argparse.Namespace, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Patches (n, FRAMES * BINS), true phase steps minus those of steady partials (n, 2), and weights (n, 2)."""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    chosen = rng.permutation(len(notes))[: args.notes]
    for index in [*chosen, *chosen]:
        try:
            sound = waveform(notes[int(index)]) if rng.random() > 0.1 else synthetic(rng)
            if rng.random() < 0.1:
                other = waveform(notes[int(rng.integers(len(notes)))])
                sound = torch.nn.functional.pad(sound, (0, max(0, other.shape[1] - sound.shape[1])))
                sound[:, : other.shape[1]] += other
            parts.append(samples_of(sound, args.look_ahead, rng))
        except AudioError as error:
            print(f"left out {notes[int(index)].name}: {error}")
    patches, truth, weight = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    order = torch.randperm(len(patches))
    return patches[order], truth[order], weight[order]


def waveform(note: Note) -> Tensor:
    """The first two seconds of a note (1, samples) from its onset, at full scale."""
    audio: Audio = note.audio().mono().resample(RATE).trim(-50.0, tail=False)
    audio = audio.fit(min(2.0, audio.duration))
    if audio.duration < 0.15:
        raise AudioError("it is too short.")
    return torch.from_numpy(audio.gain(-20.0 * np.log10(audio.peak)).samples.copy())


def synthetic(rng: np.random.Generator) -> Tensor:
    """One second of clicks or steady partials (1, samples), whose slopes are known exactly, with a little noise."""
    sound = 1e-4 * rng.standard_normal(RATE)
    time_s = np.arange(RATE) / RATE
    if rng.random() < 0.5:
        sound[rng.integers(0, RATE, int(rng.integers(1, 12)))] += 1.0
    else:
        for hz in np.exp(rng.uniform(np.log(50.0), np.log(10000.0), int(rng.integers(1, 9)))):
            sound += rng.random() * np.sin(2.0 * np.pi * (hz * time_s + rng.random()))
    return torch.from_numpy(sound / np.abs(sound).max()).float()[None]


def samples_of(sound: Tensor, look_ahead: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Patches, true phase steps minus those of steady partials, and weights of random loud bins of a sound."""
    n_fft = int(rng.choice([512, 1024, 1024, 1024, 2048]))
    spectrum = STFT(n_fft, n_fft // 4)(sound)[0].mT
    phase, size = spectrum.angle(), spectrum.abs() / spectrum.abs().max()
    magnitude = disturbed(sound, spectrum.abs(), n_fft, rng).numpy()
    magnitude = np.maximum(magnitude, magnitude.max() * 1e-6)
    steady = steady_steps(magnitude, n_fft, n_fft // 4)
    along_time = torch.from_numpy(0.5 * (steady[1:] + steady[:-1]))
    inner = size[1:, :-1]
    chance = torch.where(inner > LOUD, inner, 0.0).double().sqrt().flatten().numpy()
    indices = torch.from_numpy(rng.choice(chance.size, SAMPLES, p=chance / chance.sum()))
    frame, bin_ = indices // inner.shape[1] + 1, indices % inner.shape[1]
    border = Border.of(look_ahead)
    around = np.pad(np.log(magnitude), ((border.before, border.after), (border.below, border.above)), mode="edge")
    flat = (frame + border.before) * around.shape[1] + bin_ + border.below
    patches = features(around.reshape(-1), around.shape[1], flat.numpy(), look_ahead)
    truth = torch.stack(
        [
            phase[frame, bin_] - phase[frame - 1, bin_] - along_time[frame - 1, bin_],
            phase[frame, bin_ + 1] - phase[frame, bin_] - math.pi,
        ],
        1,
    )
    edges = torch.stack([size[frame - 1, bin_], size[frame, bin_ + 1]], 1) / size[frame, bin_][:, None]
    return patches.half(), truth, edges.clamp(max=1.0)


def disturbed(sound: Tensor, magnitude: Tensor, n_fft: int, rng: np.random.Generator) -> Tensor:
    """Magnitudes (frames, bins) as an inverter receives them: exact, through a filterbank, or with errors."""
    kind = rng.random()
    if kind < 0.25:
        spectrogram = Spectrogram(SpectrogramConfig(n_fft=n_fft, hop_length=n_fft // 4, n_mels=n_fft // 4))
        return spectrogram.magnitude(spectrogram(sound))[0].mT.contiguous()
    if kind < 0.35:
        return magnitude * 10.0 ** (rng.uniform(0.3, 2.0) * torch.randn(magnitude.shape) / 20.0)
    return magnitude


def train(patches: Tensor, truth: Tensor, weight: Tensor, args: argparse.Namespace) -> nn.Module:
    """A network (n, FRAMES * BINS) -> (n, 4): cosine and sine of both steps; short vectors are uncertain."""
    net = network([FRAMES * BINS, *args.hidden, 4])
    size, count = 1024, len(patches) - HELD_OUT
    steps = args.epochs * (count // size)
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, steps)
    begun = time.monotonic()
    for epoch in range(args.epochs):
        order = torch.randperm(count)
        for batch in order[: count // size * size].view(-1, size):
            loss = error(net(patches[batch].float()), truth[batch], weight[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            rest = error(net(patches[count:].float()), truth[count:], weight[count:])
        print(f"epoch {epoch + 1}, {time.monotonic() - begun:.0f} s: held out {float(rest):.4f}", flush=True)
    return net


def error(out: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean distance on the unit circle; its minimiser is a median, which is exact for steady sounds."""
    out = out.view(-1, 2, 2)
    miss = (out[..., 0] - truth.cos()).square() + (out[..., 1] - truth.sin()).square()
    return (weight * (miss + 1e-5).sqrt()).mean()


if __name__ == "__main__":
    main()
