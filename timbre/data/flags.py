"""Flags: doubts about notes, from their labels and their sounds; remarks on whole instruments.

A flag never drops a note. It changes no label either, but a pitch label that :mod:`timbre.data.labels` rejects.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from timbre.audio.pitch import midi_to_hz
from timbre.data.labels import by_instrument, check_pitches
from timbre.data.note import Measured, Note
from timbre.wording import listed

FLAGS = (
    "pitch", "octave", "clipping", "silence", "lead-in", "dc", "channels", "duplicate", "rate", "level", "quality",
)  # fmt: skip
"""Kinds of flags; a flag begins with its kind."""
_FEW = 5  # most notes of an instrument whose equal peaks may be chance
_LONG_SILENCE = 0.5  # s before the onset
_LATE = 0.7  # s from the onset until it is within 20 dB of its loudest: 1 of 500 notes, swells and rolls, takes longer
_NOISY = 45.0  # dB from the noise before a note to its loudness: less, and it would pass for the note's beginning
_CONSTANT = 0.002  # of full scale: of 1,789 recorded notes, ten have more
_SOFT = -50.0  # dB, peak: 16 bits leave 40 dB of such a sound
_USUAL = 0.9  # share of a library's notes that makes their sample rate the usual one
_SAME_LEVEL = 1.5  # dB between the medians of dynamics: less is no difference
_NORMALISED = 0.2  # dB between the quartiles of peaks: less means that they were normalised
Flags = Iterator[tuple[int, str]]
Measurements = dict[int, Measured]  # by the indices of the notes


def add_flags(notes: Sequence[Note]) -> tuple[list[Note], list[str]]:
    """The notes with flags for all doubts about them, and remarks on whole instruments. Unmeasured notes get none.

    Labels of pitch that fit neither the sounds nor each other are removed (:func:`timbre.data.labels.check_pitches`).
    """
    flags: dict[int, list[str]] = defaultdict(list)
    measured = {index: note.measured for index, note in enumerate(notes) if note.measured}
    pitches = check_pitches(notes)
    for index, flag in (*pitches.flags, *_sounds(measured), *_rates(measured), *_duplicates(measured, notes)):
        flags[index].append(flag)
    flagged = [replace(note, flags=(*note.flags, *flags[i])) if i in flags else note for i, note in enumerate(notes)]
    for index in pitches.rejected:  # the name keeps the label, so that the file is found
        flagged[index] = replace(flagged[index], pitch=None)
    return flagged, pitches.remarks + _levels(notes)


def _sounds(notes: Measurements) -> Flags:
    for index, measured in notes.items():
        if measured.clipped > _roundest_top(measured):
            level = "full scale" if measured.peak_db > -0.1 else f"its peak of {measured.peak_db:.1f} dB"
            yield index, f"clipping: {measured.clipped} samples at {level}"
        if measured.silence > _LONG_SILENCE:
            yield index, f"silence: {measured.silence:.1f} s before the onset"
        if measured.noise_db is not None and measured.noise_db > measured.loudness_db - _NOISY:
            yield index, f"lead-in: {measured.silence:.2f} s before the onset with noise at {measured.noise_db:.0f} dB"
        if measured.rise > _LATE:
            yield index, f"lead-in: {measured.rise:.1f} s from the onset until it is within 20 dB of its loudest part"
        if measured.constant > _CONSTANT:
            yield index, f"dc: a constant of {measured.constant:.1%} of full scale"
        if measured.channels:
            yield index, f"channels: {measured.channels}"
        if measured.peak_db < _SOFT:
            yield index, f"level: peaks at {measured.peak_db:.0f} dB"


def _roundest_top(measured: Measured) -> float:
    """Most samples of a sine at the note's pitch that lie within two 16-bit steps of its own peak."""
    hz = 20.0 if measured.pitch is None else max(20.0, midi_to_hz(measured.pitch))
    angle = np.sqrt(2.0 * 2.0**-14 * 10.0 ** (-measured.peak_db / 20.0))
    return 4.0 + float(angle / (np.pi * hz)) * measured.sample_rate


def _rates(notes: Measurements) -> Flags:
    """Flags for notes whose sample rate differs from that of nearly all others."""
    rates = Counter(measured.sample_rate for measured in notes.values())
    for usual, count in rates.most_common(1):
        for index, measured in notes.items():
            if measured.sample_rate != usual and count >= _USUAL * rates.total():
                yield index, f"rate: {measured.sample_rate} Hz, others have {usual}"


def _duplicates(measurements: Measurements, notes: Sequence[Note]) -> Flags:
    first: dict[str, int] = {}
    for index, measured in measurements.items():
        if (other := first.setdefault(measured.digest, index)) != index:
            yield index, f"duplicate: same sound as {notes[other].name}"


def _levels(notes: Sequence[Note]) -> list[str]:
    """Remarks on instruments whose levels do not depend on the dynamics."""
    instruments = {
        name: [(notes[i], measured) for i in members if (measured := notes[i].measured)]
        for name, members in by_instrument(notes).items()
    }
    remarks = {
        "dynamics: no difference of level between them": [n for n, g in instruments.items() if not _dynamics_differ(g)],
        "levels: all notes have the same peak, whatever their dynamics,": [
            name for name, group in instruments.items() if _peaks_are_equal([measured for _, measured in group])
        ],
    }
    return [f"{remark} in {listed(names)}" for remark, names in remarks.items() if names]


def _dynamics_differ(group: Iterable[tuple[Note, Measured]]) -> bool:
    """Whether an instrument's dynamics (or velocities) differ in level; True if it has only one."""
    levels: dict[object, list[float]] = defaultdict(list)
    for note, measured in group:
        levels[note.dynamics or note.velocity].append(measured.loudness_db)
    medians = [float(np.median(values)) for mark, values in levels.items() if mark is not None and len(values) > 2]
    return len(medians) < 2 or max(medians) - min(medians) >= _SAME_LEVEL


def _peaks_are_equal(group: list[Measured]) -> bool:
    peaks = [measured.peak_db for measured in group]
    return len(peaks) > _FEW and bool(np.ptp(np.percentile(peaks, [25, 75])) < _NORMALISED)
