"""How far one sound, or its spectrogram, is from another. Arrays or tensors in, floats out."""

import numpy as np
import torch

from timbre.audio import Audio
from timbre.audio.pitch import measure_pitch
from timbre.config import SpectrogramConfig
from timbre.errors import AudioError
from timbre.evaluation.metrics.arrays import Array, decibels, pair, vector, vectors
from timbre.spectral import STFT, Spectrogram
from timbre.spectral.descriptors import describe
from timbre.training.measure import AUDIBLE_DB

_ENVELOPE = 0.005  # seconds: shorter than any attack, longer than the periods of all but the lowest notes
_ATTACK = 0.1  # seconds of a note that count as its attack, from the first time within 40 dB of its peak
_ONSET = -40.0  # dB of the maximum
_CLICK = 0.05  # seconds of a window that is searched for clicks
_LOCAL = 0.01  # seconds over which the local level in such a window is taken
_LOUDEST = 0.05  # seconds over which the level of a sound is taken
_FAINT = 50.0  # dB below the loudest window, from which windows are ignored
_LEVEL = 0.03  # seconds over which the level of a decay is taken, every sixth of them
_BEGINS, _SPAN = 5.0, 60.0  # dB below the peak from which a decay is measured, and of a reverberation time

_SEGMENT = 0.5  # seconds over which modulations are analysed
_FRAME_RATE = 200  # Hz, of the envelopes
_BANDS = 32
_MODULATIONS = 4.0 * 10.0 ** (np.arange(5) / 4.0)  # Hz, edges: roughness and flutter; slower ones are the note's shape
_AUDIBLE = 0.3  # dB of level: modulation of 5 %, about the threshold of hearing (Viemeister 1979)
_RANGE = 60.0  # dB: envelopes are cut this far below the loudest value


def spectral_convergence_db(reference: Array, estimate: Array) -> float:
    """Spectral convergence in dB: 20 log10(||reference - estimate|| / ||reference||), Frobenius norms.

    Both are linear magnitudes of one shape. Lower is better: 0 for an estimate of silence, -inf for equal spectrograms.

    Raises:
        AudioError: the shapes differ, or the reference is silent.
    """
    reference, estimate = pair(reference, estimate)
    norm = np.linalg.norm(reference)
    if norm == 0.0:
        raise AudioError("The reference spectrogram must not be silent: there is no level to compare with.")
    return decibels(np.linalg.norm(reference - estimate) / norm)


def log_mel_l1(reference: Array, estimate: Array, sample_rate: int, n_mels: int = 128) -> float:
    """Mean absolute difference of log10 mel magnitudes (n_fft 1024, hop 256, floor -80 dB); 0.05 is 1 dB.

    Both are waveforms (samples,) or (batch, samples) of one shape, full scale 1; AudioError if the shapes differ.
    """
    spectrogram = Spectrogram(SpectrogramConfig(sample_rate=sample_rate, n_mels=n_mels, floor_db=-80.0))
    waveforms = [torch.from_numpy(np.atleast_2d(one).astype(np.float32)) for one in pair(reference, estimate)]
    with torch.no_grad():
        first, second = (spectrogram(waveform) for waveform in waveforms)
    return float((first - second).abs().mean()) / 20.0


def audible_l1_db(reference: Array, estimate: Array, sample_rate: int) -> float:
    """Mean absolute error of what is audible in the first 2 s of two sounds, dB, on one scale for every sample rate.

    Both waveforms, (samples,) of one length, are resampled to 22,050 Hz and compared in the default spectrogram (256
    mel bands), in bins that are within 60 dB of the reference's peak in one of them.

    Raises:
        AudioError: if the lengths differ.
    """
    config = SpectrogramConfig()
    both = [Audio(one, sample_rate).resample(config.sample_rate) for one in vectors(reference, estimate, least=1)]
    with torch.no_grad():
        first, second = (Spectrogram(config)(torch.tensor(one.samples[:, : 2 * one.sample_rate])) for one in both)
    audible = torch.maximum(first, second) >= first.max() - AUDIBLE_DB
    return float((first - second).abs()[audible].mean())


def multi_resolution_stft(
    reference: Array, estimate: Array, sizes: tuple[int, ...] = (512, 1024, 2048), floor_db: float = -80.0
) -> float:
    """Multi-resolution STFT distance (Yamamoto, Song and Kim 2020): a sum of two terms, averaged over window sizes.

    The terms are the spectral convergence as a ratio of norms, || |X| - |Y| || / || |X| ||, and the mean over all bins
    of | ln |X| - ln |Y| |. Windows are Hann, hops a quarter of them, and a full-scale sine has magnitude 1. The result
    is 0 for equal sounds, and 1 or more for sounds that have nothing in common.

    Args:
        reference, estimate: waveforms of one length (samples,), full scale 1.
        sizes: window and FFT sizes, samples.
        floor_db: lower magnitudes are raised to this level in the second term, where 0.115 is 1 dB.

    Raises:
        AudioError: the lengths differ, or the reference is silent.
    """
    both = torch.from_numpy(vectors(reference, estimate, least=1))
    floor, parts = 10.0 ** (floor_db / 20.0), []
    for size in sizes:
        first, second = STFT(size, size // 4).double()(both).abs()
        convergence = torch.linalg.norm(first - second) / torch.linalg.norm(first)
        parts.append(convergence + (first.clamp(min=floor).log() - second.clamp(min=floor).log()).abs().mean())
    return float(torch.stack(parts).mean())


def pitch_error_cents(reference: Audio, estimate: Audio, near: float) -> float | None:
    """Pitch of `estimate` minus that of `reference`, cents; None if either has no clear pitch.

    `near` is the expected pitch, MIDI; both are searched within 60 cents of it.
    """
    first, second = measure_pitch(reference, near), measure_pitch(estimate, near)
    return None if first is None or second is None else 100.0 * (second - first)


def texture_db(reference: Array, estimate: Array, sample_rate: int) -> float:
    """Distance between the modulations of two sounds in dB: differences of grain, breath and beating.

    The level (dB) of each of 32 mel bands is followed over time; its modulation spectrum between 4 and 40 Hz, in four
    bands, is computed over segments of 0.5 s and averaged in dB, so that one attack counts as one segment. The distance
    is the mean absolute difference of these statistics (modulation power of envelopes, after McDermott and Simoncelli
    2011). It ignores phase and exact timing: another draw of the same noise is about 1 dB away, a texture that was
    smoothed out much more. Modulations too weak to be audible (0.3 dB) count as none; gain makes no difference.

    Raises:
        AudioError: the lengths differ, fewer than 2 samples, the rate is below 8000 Hz, or the reference is silent.
    """
    if sample_rate < 8000:
        raise AudioError(f"The sample rate must be 8000 Hz or more, got {sample_rate}.")
    first, second = (_modulations(one, sample_rate) for one in vectors(reference, estimate, least=2))
    return float(np.abs(first - second).mean())


def _modulations(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Modulation level in dB, (bands, modulation bands)."""
    size, count = 2 * round(sample_rate / 86), round(_SEGMENT * _FRAME_RATE)
    hop = sample_rate // _FRAME_RATE
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=size, hop_length=hop, n_mels=_BANDS, floor_db=-200.0)
    spectrogram = Spectrogram(config)
    padded = np.pad(samples, (0, max(0, round(_SEGMENT * sample_rate) - samples.size)))
    with torch.no_grad():
        level = spectrogram(torch.from_numpy(padded.astype(np.float32))[None])[0].double().numpy()
    level = np.maximum(level, level.max() - _RANGE)
    segments = np.lib.stride_tricks.sliding_window_view(level, count, axis=-1)[:, :: count // 2]
    clock = np.linspace(-1.0, 1.0, count)
    slope = segments @ clock / (clock @ clock)
    flat = segments - segments.mean(-1, keepdims=True) - slope[..., None] * clock
    window = np.hanning(count)
    power = np.square(np.abs(np.fft.rfft(flat * window))) * 2.0 / (count * np.square(window).sum())
    edges = np.round(_MODULATIONS * _SEGMENT).astype(int)  # in cycles per segment
    banded = np.add.reduceat(power[..., : edges[-1]], edges[:-1], axis=-1)
    return np.asarray((10.0 * np.log10(banded + _AUDIBLE**2)).mean(1))


def click_excess_db(reference: Array, estimate: Array, sample_rate: int) -> float:
    """How much more the estimate clicks than the reference, dB: the difference of their highest :func:`crests_db`.

    Different phases alone change it by about 5 dB in either direction. A note that ends within 0.1 s has no clicks. The
    waveforms may differ in length; errors are those of :func:`crests_db`.
    """
    highest = [max(crests_db(one, sample_rate), default=0.0) for one in (reference, estimate)]
    return float(highest[1] - highest[0])


def crests_db(samples: Array, sample_rate: int) -> np.ndarray:
    """Crests of the second difference in windows of 50 ms, 25 ms apart, from 0.1 s after the onset, dB (windows,).

    The onset is where the level first comes within 40 dB of its maximum. A crest is the largest value over the root
    mean square of the loudest 10 ms that end in the window: with that of the whole window, the end of a note would
    count as a click. Windows whose second difference is 50 dB below the strongest are left out.

    Raises:
        AudioError: fewer than 3 samples.
    """
    samples = vector(samples, least=3)
    after = samples[round((onset_time(samples, sample_rate, _ONSET) + _ATTACK) * sample_rate) :]
    width = round(_CLICK * sample_rate)
    if after.size < width:
        return np.zeros(0)
    bend, step = np.square(np.diff(after, 2)), width // 2
    power = np.lib.stride_tricks.sliding_window_view(bend, width - 2)[::step]
    strength = power.mean(1)
    audible = strength > strength.max() * 10.0 ** (-_FAINT / 10.0)
    short = round(_LOCAL * sample_rate)
    local = np.convolve(bend, np.ones(short) / short)[: bend.size]  # of the 10 ms that end there
    loudest = np.lib.stride_tricks.sliding_window_view(local, width - 2)[::step].max(1)
    return np.asarray(10.0 * np.log10(power.max(1)[audible] / loudest[audible]))


def centroid_hz(samples: Array, sample_rate: int) -> float:
    """Spectral centroid of a waveform (samples,), Hz: the mean over its sounding frames, weighted by amplitude.

    It is the descriptor "centroid" (Peeters et al. 2011) of a magnitude spectrogram with windows of 46 ms, in which
    bins 60 dB below the loudest one are silent. It does not depend on gain, and is 0 for silence.

    Raises:
        AudioError: fewer than 2 samples.
    """
    size = 2 * round(sample_rate / 43)
    spectrogram = Spectrogram(SpectrogramConfig("linear", sample_rate, size, size // 4, floor_db=-200.0))
    waveform = torch.from_numpy(vector(samples, least=2).astype(np.float32))[None]
    if not waveform.any():
        return 0.0
    with torch.no_grad():
        decibels = spectrogram(waveform / waveform.abs().max())
    return float(describe(decibels, spectrogram, torch.tensor([np.nan]), ["centroid"]))


def decay_time(samples: Array, sample_rate: int, fall_db: float = 20.0) -> float:
    """Seconds in which a sound would decay by 60 dB, extrapolated as room acoustics does (T20 of ISO 3382-1).

    A line is fitted to the level, over 30 ms, from the last time at which it is within 5 dB of its peak to the last
    time within 5 + `fall_db`; of a held note, that is its end.

    Returns:
        The time; infinite if the level does not fall that far before the waveform (samples,) ends. Times below 0.15 s
        are those of sounds that are cut off.

    Raises:
        AudioError: if there are no samples.
    """
    power = np.square(vector(samples, least=1))
    hop = max(1, round(_LEVEL * sample_rate / 6))
    blocks = np.add.reduceat(power, np.arange(0, power.size, hop))
    level = 10.0 * np.log10(np.convolve(blocks, np.ones(6), mode="valid" if blocks.size >= 6 else "same") + 1e-30)
    first, last = (int(np.flatnonzero(level >= level.max() - below)[-1]) for below in (_BEGINS, _BEGINS + fall_db))
    if last + 1 >= level.size:
        return np.inf
    if last == first:
        return 0.0
    slope = np.polyfit(np.arange(first, last + 1) * hop / sample_rate, level[first : last + 1], 1)[0]
    return -_SPAN / float(slope) if slope < 0.0 else np.inf


def loudest_db(samples: Array, sample_rate: int) -> float:
    """Level of the loudest 50 ms of a waveform (samples,), dB: RMS relative to full scale 1; -inf for silence.

    Raises:
        AudioError: if there are no samples.
    """
    power = np.square(vector(samples, least=1))
    width = min(round(_LOUDEST * sample_rate), power.size)
    return decibels(np.sqrt(np.convolve(power, np.ones(width) / width, mode="valid").max()))


def onset_time(samples: Array, sample_rate: int, threshold_db: float = -20.0) -> float:
    """Seconds until the level over 5 ms first comes within `threshold_db` (below 0) of its maximum; 0 for silence.

    The waveform is (samples,); AudioError if it is empty.
    """
    samples = vector(samples, least=1)
    width = max(1, round(_ENVELOPE * sample_rate))
    power = np.convolve(np.square(samples), np.ones(width), mode="full")[: samples.size]
    return float(np.argmax(power >= power.max() * 10.0 ** (threshold_db / 10.0)) / sample_rate)
