"""Front ends without a model: what notes lose on the way to a spectrogram and back, and what its size costs."""

import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from _measures import onset_smear_ms
from _sounds import Case, recorded
from _table import Row
from tqdm import tqdm

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import Config, SpectrogramConfig
from timbre.data import Library, Note
from timbre.evaluation.metrics import sounds as metrics
from timbre.models.conditions import Conditions
from timbre.models.partials import Partials
from timbre.models.vae import VAE
from timbre.spectral import STFT, Spectrogram, StreamingInverter

DEFAULT = (
    *("mel-256-2560-640", "mel-384-2560-640", "erb-384-2560-640", "mel-320-2560-640", "mel-512-2560-640"),
    *("erb-256-2560-640", "erb-512-2560-640", "linear-0-2560-640", "mel-384-2560-640-100"),
    *("mel-384-1024-256", "mel-384-2048-512", "mel-384-3072-768", "mel-384-4096-1024"),
    *("mel-384-1764-441", "mel-384-2048-441", "mel-384-2560-512", "mel-384-2560-320", "erb-384-4096-1024"),
)
"""Settings that are compared: kind, bands, window and hop (samples)."""
INVERTERS = ("pghi+8", "rtpghi", "rtpghi-1")
LOW = (24.0, 48.0)  # MIDI
TREBLE = 11025.0  # Hz
RANGE = 50.0  # dB below a note's loudest value in the treble, from which values do not count
HARMONICS = 32
LEAST = -65.0  # dB of a full-scale sine: a note whose treble is softer has none
SIZES = (512, 1024, 2048, 4096)  # windows of the distance between original and result


def parse_setting(name: str, rate: int) -> SpectrogramConfig:
    """The settings that `kind-bands-window-hop` or `kind-bands-window-hop-floor` (dB below 0) stands for."""
    kind, bands, window, hop, floor = (*name.split("-"), "80")[:5]
    return replace(
        SpectrogramConfig(), kind=kind, sample_rate=rate, n_mels=int(bands) or 256, n_fft=int(window),
        hop_length=int(hop), floor_db=-float(floor),
    )  # fmt: skip


def chosen(library: Library, count: int, rate: int) -> list[Case]:
    """Notes recorded at `rate` or above: half of them low ones (MIDI 24 to 48), the others evenly spread.

    The pitch of a low note is measured in its loudest second, whether it is sustained or not; other notes have none.
    """
    config = SpectrogramConfig(sample_rate=rate)
    low = [note for note in library if note.pitch is not None and LOW[0] <= note.pitch <= LOW[1]]
    first = {case.name: replace(case, pitch=_pitch(case, low)) for case in recorded(low, count // 2, config)}
    rest = [note for note in library if note not in low]
    return [*first.values(), *(replace(case, pitch=None) for case in recorded(rest, count - len(first), config))]


def _pitch(case: Case, notes: Iterable[Note]) -> float | None:
    near = next(note.pitch for note in notes if note.name == case.name)
    return None if near is None else measure_pitch(_loudest(case, case.waveform), near)


def _loudest(case: Case, waveform: torch.Tensor) -> Audio:
    return Audio(waveform[0, case.loudest : case.loudest + case.rate].numpy(), case.rate)


def inverted_rows(names: Iterable[str], cases: list[Case]) -> list[Row]:
    """A row for each setting and inverter."""
    rows = []
    for name in names:
        config = parse_setting(name, cases[0].rate)
        spectrogram, cost = Spectrogram(config), size(config)
        for inverter in INVERTERS:
            one(spectrogram, cases[0], inverter)  # compiles and caches
            parts = [one(spectrogram, case, inverter) for case in tqdm(cases, f"{name} {inverter}", disable=None)]
            rows.append({"setting": name, "inverter": inverter} | summary(parts) | comb(spectrogram, inverter))
            delay = latency(spectrogram.stft, inverter, config.sample_rate)
            rows[-1] |= {"latency_ms": delay} | cost
    return rows


def one(spectrogram: Spectrogram, case: Case, inverter: str) -> Row:
    """Figures of one note through a spectrogram and an inverter."""
    with torch.no_grad():
        decibels = spectrogram(case.waveform)
        begun = time.process_time()
        result = spectrogram.inverse(decibels, case.waveform.shape[1], inverter)
        spent = time.process_time() - begun
    original, sound = case.waveform[0], result[0]
    return {
        "seconds": case.seconds,
        "cpu": spent,
        "distance": metrics.multi_resolution_stft(original, sound, SIZES),
        "sc_db": max(-60.0, shared_convergence(case.waveform, result)),
        "onset_ms": onset_smear_ms(original, sound, case.rate),
        "texture_db": metrics.texture_db(original, sound, case.rate),
        "cents": None if case.pitch is None else cents(_loudest(case, result), case.pitch),
        "treble": treble(case.waveform, result, case.rate),
    }


def shared_convergence(original: torch.Tensor, result: torch.Tensor) -> float:
    """Spectral convergence in dB, the mean over windows that are the same for all settings."""
    stfts = [STFT(size, size // 4) for size in SIZES]
    return float(np.mean([metrics.spectral_convergence_db(stft(original).abs(), stft(result).abs()) for stft in stfts]))


def cents(sound: Audio, pitch: float) -> float:
    """Distance from a pitch (MIDI) in cents; infinite if no pitch can be measured near it."""
    measured = measure_pitch(sound, pitch)
    return np.inf if measured is None else 100.0 * abs(measured - pitch)


def treble(original: torch.Tensor, result: torch.Tensor, rate: int) -> tuple[float, float] | None:
    """Mean absolute error and mean error of 1/6-octave levels above 11 kHz, dB; None for a note without treble."""
    if rate <= 2 * TREBLE:
        return None
    shared = Spectrogram(SpectrogramConfig(sample_rate=rate, n_fft=1024, hop_length=256, n_mels=128, floor_db=-110.0))
    high = shared.centers > TREBLE
    with torch.no_grad():
        before, after = (shared(waveform)[0, high] for waveform in (original, result))
    counts = before > max(LEAST, float(before.max()) - RANGE)
    if not counts.any():
        return None
    error = (after - before)[counts]
    return float(error.abs().mean()), float(error.mean())


def comb(spectrogram: Spectrogram, inverter: str) -> Row:
    """Pitch of steady low tones as the decoder makes them, cents; `comb_lost` have no pitch that can be measured.

    A tone is the comb of its harmonics, whose levels fall by 6 dB per octave.
    """
    config = spectrogram.config
    partials, pitches = Partials(spectrogram, HARMONICS), torch.arange(LOW[0], LOW[1] + 1.0, 1.5)
    shares = partials.shares(pitches)
    levels = -6.0 * torch.log2(torch.arange(1.0, HARMONICS + 1.0)) - 20.0
    tones = partials.comb(pitches) + levels @ shares - 50.0 * (1.0 - shares.sum(1))
    off = []
    for pitch, tone in zip(pitches.tolist(), tones, strict=True):
        held = tone.clamp(min=config.floor_db)[None, :, None].expand(1, -1, 2 * round(config.frame_rate))
        sound = spectrogram.inverse(held, None, inverter)[0, config.sample_rate // 2 :]
        off.append(cents(Audio(sound.numpy(), config.sample_rate), pitch))
    known = [value for value in off if np.isfinite(value)]
    return {"comb_cents": round(float(np.mean(known)), 2), "comb_lost": len(off) - len(known)}


def latency(stft: STFT, inverter: str, rate: int) -> float | None:
    """Delay in ms from a frame's centre to its sound; None if the whole sound must be known."""
    return round(1000.0 * StreamingInverter(stft, inverter).latency / rate, 1) if "rt" in inverter else None


def size(config: SpectrogramConfig) -> Row:
    """What the spectrogram costs a model: values per second, weights of the decoder's head, its speed."""
    whole = replace(Config(), spectrogram=config)
    model = VAE(whole).eval()
    conditions = Conditions(*(torch.tensor([value]) for value in (40.0, 0.7, 1.0)))
    frames, spent = torch.arange(round(2.0 * config.frame_rate)).clamp(max=model.frames - 1), []
    with torch.no_grad():
        for _ in range(4):
            begun = time.process_time()
            model.decode(torch.zeros(1, whole.model.dim), conditions, frames)
            spent.append(time.process_time() - begun)
    head = sum(parameter.numel() for parameter in model.decoder.head.parameters())
    speed = round(2.0 / min(spent), 1)
    return {"values_per_s": round(config.bins * config.frame_rate), "head": head, "decode_x": speed}


def summary(parts: list[Row]) -> Row:
    """Means of the notes."""
    off = np.array([part["cents"] for part in parts if part["cents"] is not None])
    known = off[np.isfinite(off)]
    high = np.array([part["treble"] for part in parts if part["treble"] is not None])
    mean = {name: float(np.mean([part[name] for part in parts])) for name in ("sc_db", "distance", "onset_ms")}
    return {name: round(value, 3) for name, value in mean.items()} | {
        "texture_db": round(float(np.mean([part["texture_db"] for part in parts])), 3),
        "low_cents": round(float(np.median(known)), 2) if known.size else None,
        "low_p90": round(float(np.percentile(known, 90)), 1) if known.size else None,
        "low_bad": round(100.0 * float(np.mean(off > 5.0))) if off.size else None,
        "treble_db": round(float(high[:, 0].mean()), 2) if high.size else None,
        "treble_level": round(float(high[:, 1].mean()), 2) if high.size else None,
        "x_realtime": round(sum(part["seconds"] for part in parts) / sum(part["cpu"] for part in parts), 1),
    }
