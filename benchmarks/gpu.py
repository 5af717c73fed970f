"""Check and measure training on a GPU, in under 8 minutes.

    scripts/gpu-check                          on the GPU
    scripts/gpu-check --device cpu --quick     the same steps in small, without a GPU

Trains the default model on the CPU and on the device for the same time, measures the test notes, and compares what
both devices compute from the same weights. Reports notes per second, the share of the device's peak, and how long the
device takes to the CPU's best validation error. The peak is that of a large matrix product, measured here.

Exit status: 0, all checks passed; 1, the outputs of CPU and device differ, or the device did not reach the CPU's error;
3, there is no GPU.
"""

import argparse
import copy
import math
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from _table import Row, add_arguments, finish
from torch.utils.flop_counter import FlopCounterMode

import timbre
from timbre.config import Config
from timbre.data import Library
from timbre.data.features.table import features
from timbre.spectral import Spectrogram
from timbre.training.batches import read_batch
from timbre.training.regularization import note_labels
from timbre.training.run import Run, Validation
from timbre.training.vae import VAETask

ROOT = Path(__file__).resolve().parents[1]
NO_GPU = 3  # exit status
COMPARED = 32  # notes
MOST = {"spectrogram_db": 0.05, "points": 2e-3, "decoded_db": 0.02}
"""Largest differences that pass: of the transform of noise, of encoded points, of levels that one point decodes to."""
QUICK_NOTES = 48


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "datasets" / "orchestra", help="folder of notes")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="device to check (default: cuda)")
    parser.add_argument("--minutes", type=float, default=2.0, help="training time on each device (default: 2)")
    parser.add_argument("--config", type=Path, help="TOML file of settings (default: those of timbre)")
    add_arguments(parser)
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("gpu-check: there is no GPU that torch finds; `--device cpu --quick` runs the same steps without one.")
        return NO_GPU
    config = Config.from_toml(args.config) if args.config else Config()
    library, minutes = timbre.scan(args.folder, measure=False), args.minutes
    if args.quick:
        library, minutes = library[:: max(1, len(library) // QUICK_NOTES)], min(minutes, 0.05)
        config = replace(config, data=replace(config.data, duration=0.5))
    reference = Trial(library, config, "cpu", minutes)
    trial = Trial(library, config, args.device, minutes)
    differences = compare(trial.task, torch.device(args.device))
    rows = [one.row(reference.error) for one in (reference, trial)] + [{"what": "CPU and device"} | differences]
    finish(rows, args, f"training of {len(library)} notes for {minutes:g} minutes on each device")
    failures = [f"{name} is {differences[name]:.2g}, must be {most:g} or less" for name, most in MOST.items()
                if not differences[name] <= most]  # fmt: skip
    if trial.reached(reference.error) is None and not args.quick:
        failures.append(f"the device did not reach the CPU's validation error of {reference.error:.3f} dB")
    print("\ngpu-check:", "; ".join(failures) + "." if failures else "all checks passed.")
    return int(bool(failures))


class Trial:
    """A training on one device, with the validation errors over time."""

    def __init__(self, library: Library, config: Config, device: Any, minutes: float) -> None:
        training = replace(config.training, device=device, epochs=100_000, max_minutes=minutes, patience=0)
        config = replace(config, training=training)
        print(f"{device}: features, then {minutes:g} minutes of training", file=sys.stderr, flush=True)
        labels = note_labels(library, library.parts(config.data))
        files = [str(note.file) for note in library]
        self.task = VAETask(features(library, config, True), files, config, None, "", labels=labels)
        self.device, self.errors = self.task.device, list[tuple[float, float]]()  # s of training, dB
        self.flops = float(self._flops())
        run, measure = Run(self.task), self.task.validate

        def validate(done: float) -> Validation:
            found = measure(done)
            self.errors.append((run.elapsed, found.error))
            return found

        self.task.validate = validate  # type: ignore[method-assign]
        self.report = self.task.report(run, run.complete())
        self.error = min(error for _, error in self.errors)

    def _flops(self) -> int:
        """Floating-point operations of a step."""
        self.task.net.to(self.device)
        with FlopCounterMode(display=False) as counter:
            self.task.objective(next(self.task.batches(0, 0)), 0, 1.0)(self.task.net)["objective"].backward()
        self.task.net.zero_grad()
        return counter.get_total_flops()

    def reached(self, error: float) -> float | None:
        """Seconds of training until the validation error was first as small; None if it never was."""
        return next((time for time, own in self.errors if own <= error), None)

    def row(self, error: float) -> Row:
        """The figures; `error` is the validation error whose time is reported, dB."""
        rate, (peak, kind) = self.report["notes_per_s"], peak_flops(self.device)
        per_s = self.flops * rate / self.task.settings.batch_size
        is_gpu = self.device.type == "cuda"
        memory = torch.cuda.max_memory_allocated() / 2**20 if is_gpu else math.nan
        return {
            "what": torch.cuda.get_device_name() if is_gpu else f"CPU, {torch.get_num_threads()} threads",
            "notes_per_s": round(rate, 1), "steps": self.report["steps"], "gflop_per_step": round(self.flops / 1e9, 2),
            "share_of_peak": round(per_s / peak, 4), "peak_tflop_per_s": round(peak / 1e12, 3), "peak_of": kind,
            "valid_l1_db": round(self.error, 3), "test_l1_db": round(self.report.get("test_l1_db", math.nan), 3),
            "s_to_cpu_best": self.reached(error), "memory_mib": memory,
        }  # fmt: skip


def peak_flops(device: torch.device) -> tuple[float, str]:
    """The speed of a large matrix product in the precision of training, FLOP/s, and that precision."""
    size, kind = (8192, torch.bfloat16) if device.type == "cuda" else (1024, torch.float32)
    a, times = torch.randn(size, size, device=device, dtype=kind), []
    for _ in range(12):
        begun = time.perf_counter()
        (a @ a)[0, 0].item()  # waits for a GPU
        times.append(time.perf_counter() - begun)
    return 2.0 * size**3 / statistics.median(times[2:]), str(kind).removeprefix("torch.")


@torch.no_grad()
def compare(task: VAETask, device: torch.device) -> dict[str, float]:
    """Largest differences of what the CPU and the device compute in float32 from the same weights and notes."""
    rows = task.features.rows()[:COMPARED]
    net = copy.deepcopy(task.net).float()
    spectrogram, sound = Spectrogram(task.config.spectrogram), torch.randn(2, task.config.spectrogram.sample_rate)
    results, z = [], None
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 has ten bits of mantissa
        for where in (torch.device("cpu"), device):
            net, spectrogram = net.to(where), spectrogram.to(where)
            batch = read_batch(task.features, rows, where)
            center = net.posterior(batch.spectrogram, batch.conditions).center
            z = center.cpu() if z is None else z
            levels = net.decode(z.to(where), batch.conditions)
            results.append([x.double().cpu() for x in (spectrogram(sound.to(where)), center, levels)])
    return {name: float((a - b).abs().max()) for name, a, b in zip(MOST, *results, strict=True)}


if __name__ == "__main__":
    sys.exit(main())
