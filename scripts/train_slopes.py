#!/usr/bin/env python
"""Train the networks that read phase slopes off magnitudes, for timbre/spectral/inversion/slopes.py.

    .venv/bin/python scripts/train_slopes.py FOLDER --look-ahead 2 --out timbre/spectral/inversion/_slopes/

FOLDER is a library of recorded notes. The 96 notes, evenly spread, that benchmarks/inversion.py measures on by default
are left out, and so is every note whose licence is not among --licences. Magnitudes are seen as they are, through a mel
filterbank and back, and with an error of some decibels: a decoder's magnitudes are not those of any sound. About ten
minutes for each network on one core.
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
LOUD = 1e-3  # of a sound's largest magnitude
SAMPLES = 2500  # bins taken from each sound
HELD_OUT = 50_000  # samples that show how training goes


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
    parser.add_argument("--look-ahead", type=int, default=2, help="frames after the one whose phases are found")
    parser.add_argument("--licences", nargs="+", default=["CC0-1.0", "Public-Domain", "Unlicense"])
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 64, 64], help="units of each hidden layer")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--notes", type=int, help="train on so many notes only, for a try")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def training_notes(library: Library, licences: list[str]) -> list[Note]:
    """Notes that the benchmark does not measure on, of those licences."""
    measured = set(np.linspace(0, len(library) - 1, MEASURED).round().astype(int).tolist())
    return [note for i, note in enumerate(library) if i not in measured and note.licence in licences]


def samples(notes: list[Note], args: argparse.Namespace, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Patches (n, FRAMES * BINS), true steps less the steady ones (n, 2), and weights (n, 2)."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    chosen = rng.permutation(len(notes))[: args.notes]
    for place in [*chosen, *chosen]:
        try:
            sound = waveform(notes[int(place)]) if rng.random() > 0.1 else made(rng)
            if rng.random() < 0.1:
                other = waveform(notes[int(rng.integers(len(notes)))])
                sound = torch.nn.functional.pad(sound, (0, max(0, other.shape[1] - sound.shape[1])))
                sound[:, : other.shape[1]] += other
            found.append(of_sound(sound, args.look_ahead, rng))
        except AudioError as error:
            print(f"left out {notes[int(place)].name}: {error}")
    patches, truth, weight = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = torch.randperm(len(patches))
    return patches[order], truth[order], weight[order]


def waveform(note: Note) -> Tensor:
    """Two seconds of a note (1, samples), from its onset, at full scale."""
    audio: Audio = note.audio().mono().resample(RATE).trim(-50.0, tail=False)
    audio = audio.fit(min(2.0, audio.duration))
    if audio.duration < 0.15:
        raise AudioError("it is too short.")
    return torch.from_numpy(audio.gain(-20.0 * np.log10(audio.peak)).samples.copy())


def made(rng: np.random.Generator) -> Tensor:
    """A second of clicks and steady partials, for which the slopes are known exactly, over a little noise."""
    sound = 1e-4 * rng.standard_normal(RATE)
    time_s = np.arange(RATE) / RATE
    if rng.random() < 0.5:
        sound[rng.integers(0, RATE, int(rng.integers(1, 12)))] += 1.0
    else:
        for hz in np.exp(rng.uniform(np.log(50.0), np.log(10000.0), int(rng.integers(1, 9)))):
            sound += rng.random() * np.sin(2.0 * np.pi * (hz * time_s + rng.random()))
    return torch.from_numpy(sound / np.abs(sound).max()).float()[None]


def of_sound(sound: Tensor, look_ahead: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Patches, true steps less the steady ones, and weights of some loud bins of a sound (1, samples)."""
    n_fft = int(rng.choice([512, 1024, 1024, 1024, 2048]))
    spectrum = STFT(n_fft, n_fft // 4)(sound)[0].mT
    phase, size = spectrum.angle(), spectrum.abs() / spectrum.abs().max()
    seen = disturbed(sound, spectrum.abs(), n_fft, rng).numpy()
    seen = np.maximum(seen, seen.max() * 1e-6)
    steady = steady_steps(seen, n_fft, n_fft // 4)
    along_time = torch.from_numpy(0.5 * (steady[1:] + steady[:-1]))
    inner = size[1:, :-1]
    chance = torch.where(inner > LOUD, inner, 0.0).double().sqrt().flatten().numpy()
    places = torch.from_numpy(rng.choice(chance.size, SAMPLES, p=chance / chance.sum()))
    frame, bin_ = places // inner.shape[1] + 1, places % inner.shape[1]
    border = Border.of(look_ahead)
    around = np.pad(np.log(seen), ((border.before, border.after), (border.below, border.above)), mode="edge")
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
    """Magnitudes (frames, bins) as an inverter gets them."""
    kind = rng.random()
    if kind < 0.25:
        spectrogram = Spectrogram(SpectrogramConfig(n_fft=n_fft, hop_length=n_fft // 4, n_mels=n_fft // 4))
        return spectrogram.magnitude(spectrogram(sound))[0].mT.contiguous()
    if kind < 0.35:
        return magnitude * 10.0 ** (rng.uniform(0.3, 2.0) * torch.randn(magnitude.shape) / 20.0)
    return magnitude


def train(patches: Tensor, truth: Tensor, weight: Tensor, args: argparse.Namespace) -> nn.Module:
    """A network (n, FRAMES * BINS) -> (n, 4): cosine and sine of both steps, shorter the less certain they are."""
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
    """Mean distance on the unit circle: its minimiser is a median, which holds the exact steps of steady sounds."""
    out = out.view(-1, 2, 2)
    miss = (out[..., 0] - truth.cos()).square() + (out[..., 1] - truth.sin()).square()
    return (weight * (miss + 1e-5).sqrt()).mean()


if __name__ == "__main__":
    main()
