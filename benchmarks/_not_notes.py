"""Sounds of two seconds that are not notes of an instrument; each depends on a random generator."""

import numpy as np

from timbre.audio import Audio
from timbre.audio.pitch import midi_to_hz

RATE, SECONDS = 22050, 2.0
TIME = np.arange(round(RATE * SECONDS)) / RATE


def silence(rng: np.random.Generator) -> Audio:
    """Silence, which must be refused."""
    return Audio(np.zeros(TIME.size, np.float32), RATE)


def noise(rng: np.random.Generator) -> Audio:
    """White noise."""
    return _sound(rng.normal(size=TIME.size))


def pink_noise(rng: np.random.Generator) -> Audio:
    """Noise that falls by 3 dB per octave."""
    spectrum = np.fft.rfft(rng.normal(size=TIME.size))
    return _sound(np.fft.irfft(spectrum / np.sqrt(np.maximum(1.0, np.arange(spectrum.size))), TIME.size))


def chirp(rng: np.random.Generator) -> Audio:
    """A sine that rises by five octaves or more."""
    hertz = np.geomspace(rng.uniform(50, 200), rng.uniform(3000, 8000), TIME.size)
    return _sound(np.sin(2 * np.pi * np.cumsum(hertz) / RATE))


def babble(rng: np.random.Generator) -> Audio:
    """Speech-like: a voice with moving pitch and three moving formants, in syllables."""
    from scipy.signal import lfilter

    hertz = 100 * 2 ** (rng.uniform(0, 1) + 0.5 * np.sin(2 * np.pi * rng.uniform(1, 3) * TIME + rng.uniform(0, 6)))
    voice = _harmonic(hertz, 40, 0.5)
    total = np.zeros(TIME.size)
    for low, high, width in ((300, 900, 80), (900, 2400, 120), (2400, 3200, 160)):
        centres = np.interp(np.linspace(0, 1, TIME.size // 256 + 1), np.linspace(0, 1, 8), rng.uniform(low, high, 8))
        radius, state, parts = np.exp(-np.pi * width / RATE), np.zeros(2), []
        for start, centre in zip(range(0, TIME.size, 256), centres, strict=False):
            poles = [1.0, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2]
            part, state = lfilter([1 - radius], poles, voice[start : start + 256], zi=state)
            parts.append(part)
        total += np.concatenate(parts)
    loudness = rng.uniform(0.05, 1, 17) * (rng.uniform(size=17) > 0.2)
    return _sound(total * np.interp(TIME, np.linspace(0, SECONDS, 17), loudness))


def drum_loop(rng: np.random.Generator) -> Audio:
    """Bass drum, snare and hi-hat, four beats in two seconds."""
    out = np.zeros(TIME.size)
    for beat in range(8):
        start = round(beat * 0.25 * RATE)
        since = TIME[: TIME.size - start]
        drum = 0.3 * np.diff(rng.normal(size=since.size + 1)) * np.exp(-60 * since)
        if beat % 2 == 0:
            drum = drum + np.sin(2 * np.pi * (50 * since + 7 * (1 - np.exp(-30 * since)))) * np.exp(-12 * since)
        if beat % 4 == 2:
            drum = drum + 0.6 * rng.normal(size=since.size) * np.exp(-15 * since)
        out[start:] += drum
    return _sound(out)


def chord(rng: np.random.Generator) -> Audio:
    """A decaying major triad of harmonic tones."""
    root, fading = rng.uniform(48, 64), np.exp(-TIME * rng.uniform(0.3, 1.5))
    tones = (_harmonic(np.full(TIME.size, midi_to_hz(root + step)), 12, 1.5) for step in (0, 4, 7))
    return _sound(sum(tones) * fading)


def melody(rng: np.random.Generator) -> Audio:
    """Four notes, one after the other."""
    out = np.zeros(TIME.size)
    for number in range(4):
        start = round(number * 0.5 * RATE)
        since = TIME[: TIME.size - start]
        tone = _harmonic(np.full(since.size, midi_to_hz(float(rng.integers(50, 75)))), 12, 1.3)
        out[start:] += tone * np.exp(-2 * since) * np.minimum(1, since / 0.01)
    return _sound(out)


def clicks(rng: np.random.Generator) -> Audio:
    """A train of clicks of one sample."""
    out = 1e-4 * rng.normal(size=TIME.size)
    out[:: round(RATE * rng.uniform(0.05, 0.12))] = 1.0
    return _sound(out)


def hum(rng: np.random.Generator) -> Audio:
    """A mains hum of 50 Hz with noise."""
    return _sound(_harmonic(np.full(TIME.size, 50.0), 10, 0.5) + 0.05 * rng.normal(size=TIME.size))


SOUNDS = {
    kind.__name__.replace("_", " "): kind
    for kind in (silence, noise, pink_noise, chirp, babble, drum_loop, chord, melody, clicks, hum)
}


def _harmonic(hertz: np.ndarray, partials: int, slope: float) -> np.ndarray:
    """A tone of partials below half the rate; the amplitude falls with the number to the power of `slope`."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    wanted = [k for k in range(1, partials + 1) if k * hertz.max() < RATE / 2]
    return np.sum([np.sin(k * phase) / k**slope for k in wanted], axis=0)


def _sound(samples: np.ndarray) -> Audio:
    return Audio((0.5 * samples / np.abs(samples).max()).astype(np.float32), RATE)
