"""Sketches of sounds, by which recordings are recognised that two sources have packed in their own ways."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from timbre.data.note import Note

TIMES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.5)  # s after the onset: limits of a sketch's stretches
BANDS = tuple(np.geomspace(60.0, 5000.0, 13).tolist())  # Hz: limits of its bands
RANGE = 45  # dB below the loudest value: what is softer counts as so soft
EQUAL_DB = 1.5  # root mean square difference of sketches of one recording, at most
IN_TUNE = 0.05  # semitones between them, at most
_FIRST = 48  # code of the character for 0 dB; each dB below is one more
_LENGTH = (len(TIMES) - 1) * (len(BANDS) - 1)
_COARSE = 8  # dimensions in which near sketches are looked for


def sketch(samples: np.ndarray, rate: int) -> str:
    """Levels of a sound, (n,) from its onset on, in 7 stretches of time and 12 bands, relative to the loudest, in dB.

    Each is one character. The same recording in another format, at another level or sample rate, or cut elsewhere after
    the onset has nearly the same sketch: in 3,062 notes from 39 packages the root mean square difference of copies is
    mostly below 1 dB, and 2.6 dB or more for two recordings of equal pitch. An empty text: there is no sound.
    """
    limits, powers = np.rint(np.multiply(TIMES, rate)).astype(int), []
    for begin, end in pairwise(limits):
        size = max(end - begin, 2)
        part = samples[begin : begin + size]
        window = np.hanning(size + 2)[1:-1]
        spectrum = np.abs(np.fft.rfft(np.pad(part, (0, size - part.size)) * window)) ** 2 / window.sum()
        index = np.searchsorted(np.fft.rfftfreq(size, 1.0 / rate), BANDS)
        powers.append(np.diff(np.concatenate([[0.0], np.cumsum(spectrum)])[index]))
    power = np.maximum(powers, 0.0)
    if not power.max(initial=0.0) > 0.0:
        return ""
    below = np.minimum(-10.0 * np.log10(power / power.max() + 1e-30), RANGE)
    return "".join(chr(_FIRST + int(level)) for level in np.rint(below).ravel())


def same_recordings(notes: Sequence[Note]) -> list[tuple[int, int]]:
    """Pairs of notes, by index, that are one recording from two sources: alike in sketch and pitch."""
    from scipy.spatial import cKDTree

    found = [
        (n, note.source, note.measured.sketch, note.measured.pitch)
        for n, note in enumerate(notes)
        if note.source and note.measured and _is_sketch(note.measured.sketch)
    ]
    if len({source for _, source, _, _ in found}) < 2:
        return []
    known, sources, texts, pitches = zip(*found, strict=True)
    levels = np.frombuffer("".join(texts).encode("ascii"), np.uint8).reshape(-1, _LENGTH) / np.sqrt(_LENGTH)
    height = np.nan_to_num(np.array(pitches, dtype=np.float64), nan=-1000.0) * (EQUAL_DB / IN_TUNE)
    source = np.unique(sources, return_inverse=True)[1]
    axes = np.linalg.eigh(np.cov(levels.T))[1][:, -_COARSE:]  # a projection brings no pair further apart
    first, second = cKDTree(np.column_stack([levels @ axes, height])).query_pairs(EQUAL_DB, output_type="ndarray").T
    alike = source[first] != source[second]
    first, second = first[alike], second[alike]
    alike = np.linalg.norm(levels[first] - levels[second], axis=1) <= EQUAL_DB
    return [(known[a], known[b]) for a, b in zip(first[alike], second[alike], strict=True)]


def _is_sketch(text: object) -> bool:
    return isinstance(text, str) and len(text) == _LENGTH and text.isascii()
