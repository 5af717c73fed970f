"""Synthetic tones of known pitch, and sounds without one; each depends on a random generator."""

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfilt

from timbre.audio import Audio
from timbre.audio.pitch import midi_to_hz

RATE = 22050
Rng = np.random.Generator


def partials(
    rng: Rng, pitch: float, seconds: float = 1.5, ratios: np.ndarray | None = None, levels: np.ndarray | None = None
) -> np.ndarray:
    """A steady tone: the ratios (default: harmonic) with levels (default: a random slope with random dips)."""
    ratios = np.arange(1, rng.integers(4, 25)) if ratios is None else ratios
    ratios = ratios[ratios * midi_to_hz(pitch) < 0.45 * RATE]
    if levels is None:
        levels = ratios ** -rng.uniform(0.3, 1.8) * rng.uniform(0.3, 1.0, len(ratios))
    time = np.arange(round(seconds * RATE)) / RATE
    angles = np.outer(ratios * midi_to_hz(pitch), 2 * np.pi * time) + rng.uniform(0, 6.3, (len(ratios), 1))
    return levels[: len(ratios)] @ np.sin(angles)


def shaped(rng: Rng, wave: np.ndarray, decays: bool | None = None) -> np.ndarray:
    """With an attack and a release, or with a decay."""
    time = np.arange(wave.size) / RATE
    left = time[-1] - time
    if rng.random() < 0.5 if decays is None else decays:
        return wave * np.minimum(1, time / 0.005) * np.exp(-rng.uniform(1, 6) * time)
    return wave * np.minimum(1, time / rng.uniform(0.01, 0.2)) * np.minimum(1, left / 0.05)


def middle(rng: Rng) -> float:
    """A pitch of the four middle octaves."""
    return float(rng.uniform(40, 88))


Tone = tuple[np.ndarray, float | None]


def steady(rng: Rng) -> Tone:
    """Harmonic tones."""
    pitch = middle(rng)
    return shaped(rng, partials(rng, pitch)), pitch


def modulated(rng: Rng) -> Tone:
    """Amplitude modulation of 2 to 80 Hz, up to 100 %, sinusoidal or square; also of pure tones."""
    pitch, rate = float(rng.uniform(57, 88)), np.exp(rng.uniform(np.log(2), np.log(80)))
    wave = partials(rng, pitch, ratios=np.array([1.0]) if rng.random() < 0.3 else None)
    swing = np.sin(2 * np.pi * rate * np.arange(wave.size) / RATE + rng.uniform(0, 6.3))
    swing = np.tanh(4 * swing) if rng.random() < 0.3 else swing
    return wave * (1 + rng.uniform(0.3, 1) * swing) / 2, pitch


def unison(rng: Rng) -> Tone:
    """Two to seven voices, detuned by up to 25 cents."""
    pitch = middle(rng)
    voices = pitch + rng.uniform(-1, 1, rng.integers(2, 8)) * rng.uniform(0.03, 0.25)
    return shaped(rng, np.sum([partials(rng, float(p)) for p in voices], axis=0), False), float(np.mean(voices))


def pad(rng: Rng) -> Tone:
    """A slow pad with a louder layer an octave higher."""
    pitch = float(rng.uniform(40, 70))
    low, high = partials(rng, pitch, 2.0), partials(rng, pitch + 12 + rng.uniform(-0.1, 0.1), 2.0)
    wave = low / np.abs(low).max() + rng.uniform(0.7, 2.5) * high / np.abs(high).max()
    return wave * np.minimum(1, np.arange(wave.size) / RATE / rng.uniform(0.2, 0.8)), pitch


def noisy(rng: Rng) -> Tone:
    """With white or pink noise, 0 to 20 dB below."""
    pitch = middle(rng)
    wave, noise = partials(rng, pitch), rng.normal(size=round(1.5 * RATE))
    noise = np.cumsum(noise) - np.convolve(np.cumsum(noise), np.ones(99) / 99, "same") if rng.random() < 0.5 else noise
    return wave / wave.std() + noise / noise.std() * 10 ** (-rng.uniform(0, 20) / 20), pitch


def short(rng: Rng) -> Tone:
    """0.1 to 0.3 s."""
    pitch = float(rng.uniform(48, 88))
    return shaped(rng, partials(rng, pitch, float(rng.uniform(0.1, 0.3)))), pitch


def bars(rng: Rng) -> Tone:
    """Free bars (glockenspiel) and tuned bars (marimba, xylophone)."""
    pitch = float(rng.uniform(55, 100))
    ratios = np.array([[1, 2.756, 5.404, 8.933], [1, 4, 10.1, 16.5], [1, 3, 6.1, 11.0]][rng.integers(3)])
    wave = sum(
        shaped(rng, partials(rng, pitch, 1.0, np.array([r]), np.array([rng.uniform(0.1, 1) / r**0.7])), True)
        for r in ratios
    )
    return np.asarray(wave), pitch


def stretched(rng: Rng) -> Tone:
    """Stiff strings: inharmonicity 1e-4 to 2e-3."""
    pitch, numbers = float(rng.uniform(28, 90)), np.arange(1, 20)
    stiff = np.exp(rng.uniform(np.log(1e-4), np.log(2e-3)))
    ratios = numbers * np.sqrt((1 + stiff * numbers**2) / (1 + stiff))
    return shaped(rng, partials(rng, pitch, ratios=ratios), True), pitch


def no_fundamental(rng: Rng) -> Tone:
    """Partials from the second, third or fourth on."""
    pitch, first = float(rng.uniform(36, 72)), rng.integers(2, 5)
    return shaped(rng, partials(rng, pitch, ratios=np.arange(first, first + rng.integers(4, 10)))), pitch


def odd(rng: Rng) -> Tone:
    """Odd partials, with weak even ones."""
    pitch, numbers = float(rng.uniform(40, 76)), np.arange(1, 16)
    levels = numbers ** -rng.uniform(0.3, 1.2) * np.where(numbers % 2, 1, rng.uniform(0, 0.1))
    return shaped(rng, partials(rng, pitch, ratios=numbers, levels=levels)), pitch


def lowest(rng: Rng) -> Tone:
    """The lowest octave of the piano."""
    pitch = float(rng.uniform(21, 33))
    return shaped(rng, partials(rng, pitch, ratios=np.arange(1, rng.integers(15, 50)))), pitch


def highest(rng: Rng) -> Tone:
    """The highest octave of the piano; half of the tones die away in 0.2 s."""
    pitch = float(rng.uniform(96, 108))
    wave = shaped(rng, partials(rng, pitch))
    return wave * np.exp(-rng.choice([0, 25]) * np.arange(wave.size) / RATE), pitch


def moving(rng: Rng, course: Callable[[np.ndarray], np.ndarray], pitch: float) -> np.ndarray:
    """Harmonic partials whose pitch deviates by `course` (semitones of seconds)."""
    time = np.arange(round(1.5 * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(midi_to_hz(pitch) * 2 ** (course(time) / 12)) / RATE
    numbers = np.arange(1, rng.integers(4, 20))
    numbers = numbers[numbers * midi_to_hz(pitch + 3) < 0.45 * RATE]
    return numbers ** -rng.uniform(0.5, 1.5) @ np.sin(np.outer(numbers, phase))


def vibrato(rng: Rng) -> Tone:
    """Vibrato of 4 to 8 Hz, 20 to 80 cents to each side."""
    pitch, rate, depth = middle(rng), rng.uniform(4, 8), rng.uniform(0.2, 0.8)
    return moving(rng, lambda time: depth * np.sin(2 * np.pi * rate * time), pitch), pitch


def glide(rng: Rng) -> Tone:
    """A glide of up to a semitone to the pitch in the middle, and as far beyond."""
    pitch, slope = middle(rng), rng.uniform(-0.6, 0.6)
    return moving(rng, lambda time: slope * (time - 0.75), pitch), pitch


def voice(rng: Rng) -> Tone:
    """A sung vowel: three formants, vibrato, breath."""
    pitch = float(rng.uniform(43, 76))
    wave = moving(rng, lambda time: 0.3 * np.sin(2 * np.pi * 5.5 * time), pitch)
    for low, high in ((300, 800), (900, 2200), (2300, 3000)):
        centre = rng.uniform(low, high)
        sos = butter(1, [0.9 * centre, 1.1 * centre], "bandpass", fs=RATE, output="sos")
        wave = wave + 4 * sosfilt(sos, wave)
    return wave + 0.02 * wave.std() * rng.normal(size=wave.size), pitch


def hiss(rng: Rng) -> Tone:
    """Noise: white or in a band of an octave or more, steady, fading, or modulated."""
    noise, time = rng.normal(size=RATE), np.arange(RATE) / RATE
    if rng.random() < 0.5:
        low = np.exp(rng.uniform(np.log(60), np.log(4000)))
        noise = sosfilt(butter(2, [low, min(10000, low * rng.uniform(2, 8))], "bandpass", fs=RATE, output="sos"), noise)
    fade = np.exp(-rng.choice([0, 3, 10, 40]) * time)
    return noise * fade * (1 + rng.choice([0, 0.9]) * np.sin(2 * np.pi * rng.uniform(2, 40) * time)), None


def drum(rng: Rng) -> Tone:
    """A snare: the modes of a membrane, which fade within 50 ms, under noise."""
    time = np.arange(RATE // 2) / RATE
    modes = np.array([1, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.5, 3.6, 4.06]) * rng.uniform(120, 300)
    fades = np.exp(-np.outer(rng.uniform(20, 60, modes.size), time))
    hit = rng.uniform(0, 1, modes.size) @ (fades * np.sin(np.outer(modes, 2 * np.pi * time)))
    return hit + rng.uniform(0.5, 2) * rng.normal(size=time.size) * np.exp(-rng.uniform(8, 40) * time), None


def cymbal(rng: Rng) -> Tone:
    """A hundred modes at random."""
    time = np.arange(RATE) / RATE
    modes, fades = np.exp(rng.uniform(np.log(300), np.log(9000), 100)), rng.uniform(1, 12, 100)
    waves = np.sin(np.outer(modes, 2 * np.pi * time) + rng.uniform(0, 6.3, (100, 1)))
    return rng.uniform(0, 1, 100) @ (waves * np.exp(-np.outer(fades, time))), None


_KINDS = (
    *(steady, modulated, unison, pad, noisy, short, bars, stretched, no_fundamental, odd, lowest, highest, vibrato),
    *(glide, voice),
)
PITCHED = {kind.__name__.replace("_", " "): kind for kind in _KINDS}
UNPITCHED = {kind.__name__: kind for kind in (hiss, drum, cymbal)}


def tones(kind: Callable[[Rng], Tone], count: int, seed: int) -> list[tuple[Audio, float | None]]:
    """Tones of a kind, each at a random level."""
    rng, out = np.random.default_rng(seed), []
    for _ in range(count):
        wave, pitch = kind(rng)
        out.append((Audio((wave / np.abs(wave).max() * rng.uniform(0.05, 0.9)).astype(np.float32), RATE), pitch))
    return out
