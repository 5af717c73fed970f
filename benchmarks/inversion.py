"""How well spectrograms turn back into sound: every front end with every inverter, beside librosa's Griffin-Lim.

    python benchmarks/inversion.py FOLDER --json inversion.json

Each note is cut at its onset, cut to 2 s, brought to full scale, made into a spectrogram and back. One row is one front
end with one inverter, averaged over the notes:

- sc_db: spectral convergence between the STFT magnitudes of the original and of the result (dB, mean of the notes);
  sc_sustained_db: of the sustained pitched notes alone
- log_mel_l1: mean absolute difference of their log10 mel magnitudes
- cents_median, bad_percent: pitch error of sustained pitched notes, and how many of them are more than 5 cents off
- x_realtime: seconds of sound per second of CPU time, from spectrogram to waveform, in one thread
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _table import add_arguments, finish

import timbre
from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.evaluation.metrics import log_mel_l1, spectral_convergence_db
from timbre.spectral import Spectrogram

SECONDS = 2.0
BAD_CENTS = 5.0
INVERTERS = ("griffin_lim", "fast_griffin_lim", "pghi", "pghi+8", "librosa.griffinlim")

Back = Callable[[torch.Tensor, int], torch.Tensor]


@dataclass(frozen=True)
class Case:
    """A note as it goes into the front end; `pitch` is None unless it is sustained and pitched."""

    audio: Audio
    pitch: float | None

    @property
    def waveform(self) -> torch.Tensor:
        """(1, samples)."""
        return torch.from_numpy(self.audio.samples.copy())


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    cases = read_cases(args.folder, args.notes)
    rows = []
    for kind in ("linear", "mel"):
        front = Spectrogram(SpectrogramConfig(kind=kind))
        for name in INVERTERS:
            rows.append(measure(front, name, cases))
            print(f"{kind}, {name}: {rows[-1]['sc_db']} dB", flush=True)
    finish(rows, args, f"{len(cases)} notes of {args.folder}, {sum(c.pitch is not None for c in cases)} sustained")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("datasets/orchestra"), help="folder of notes")
    parser.add_argument("--notes", type=int, help="how many notes, spread evenly over the folder")
    add_arguments(parser)
    args = parser.parse_args()
    args.notes = args.notes or (12 if args.quick else 96)
    return args


def read_cases(folder: Path, count: int) -> list[Case]:
    """Notes spread over the library, without those that are silent."""
    library = timbre.scan(folder)
    cases = []
    for place in np.unique(np.linspace(0, len(library) - 1, count).round().astype(int)):
        note = library[int(place)]
        try:
            cases.append(case(timbre.read(note.file, SpectrogramConfig().sample_rate, mono=True), note.pitch))
        except AudioError as error:
            print(f"left out {note.name}: {error}")
    return cases


def case(audio: Audio, pitch: float | None) -> Case:
    audio = audio.trim(-50.0, tail=False)
    audio = audio.fit(min(SECONDS, audio.duration))
    audio = audio.gain(-20.0 * np.log10(audio.peak))
    known = pitch is not None and is_sustained(audio) and measure_pitch(audio, pitch) is not None
    return Case(audio, pitch if known else None)


def is_sustained(audio: Audio) -> bool:
    """Whether the sound falls by less than 6 dB over half a second."""
    quarter = audio.sample_rate // 4
    if audio.duration < 1.0:
        return False
    first, last = (np.square(audio.samples[0, n * quarter : (n + 1) * quarter]).mean() for n in (1, 3))
    return bool(last > 0.25 * first)


def measure(front: Spectrogram, name: str, cases: list[Case]) -> dict[str, Any]:
    """One row of the table."""
    back = inversion(front, name)
    back(front(cases[0].waveform), cases[0].waveform.shape[1])  # compiled, cached, planned
    convergence, mel, cents, spent = [], [], [], 0.0
    for one in cases:
        waveform = one.waveform
        spec = front(waveform)
        begun = time.process_time()
        result = back(spec, waveform.shape[1])
        spent += time.process_time() - begun
        convergence.append(spectral_convergence_db(front.stft(waveform).abs(), front.stft(result).abs()))
        mel.append(log_mel_l1(waveform, result, one.audio.sample_rate))
        if one.pitch is not None:
            cents.append(pitch_error(one, result))
    held = [value for value, one in zip(convergence, cases, strict=True) if one.pitch is not None]
    return {
        "front_end": front.config.kind,
        "inverter": name,
        "sc_db": round(float(np.mean(convergence)), 2),
        "sc_sustained_db": round(float(np.mean(held)), 2) if held else None,
        "log_mel_l1": round(float(np.mean(mel)), 4),
        "cents_median": round(float(np.median(cents)), 2) if np.isfinite(np.median(cents or [np.inf])) else None,
        "bad_percent": round(100.0 * float(np.mean(np.array(cents) > BAD_CENTS)), 1) if cents else None,
        "x_realtime": round(sum(one.audio.duration for one in cases) / spent, 1),
        "n_notes": len(cases),
    }


def inversion(front: Spectrogram, name: str) -> Back:
    """From spectrogram and length to waveform."""
    if name == "librosa.griffinlim":
        return lambda spec, length: librosa_griffin_lim(front, spec, length)
    return lambda spec, length: front.inverse(spec, length, name)


def librosa_griffin_lim(front: Spectrogram, spec: torch.Tensor, length: int) -> torch.Tensor:
    import librosa

    magnitude = front.magnitude(spec)[0].numpy() / front.stft.scale
    shape = {"n_fft": front.config.n_fft, "hop_length": front.config.hop_length}
    return torch.from_numpy(librosa.griffinlim(magnitude, n_iter=32, length=length, random_state=0, **shape))[None]


def pitch_error(one: Case, result: torch.Tensor) -> float:
    """Cents between the original's pitch and the result's; infinite where the result has lost it."""
    assert one.pitch is not None
    before = measure_pitch(one.audio, one.pitch)
    after = measure_pitch(Audio(result.numpy(), one.audio.sample_rate), one.pitch)
    return np.inf if before is None or after is None else 100.0 * abs(after - before)


if __name__ == "__main__":
    main()
