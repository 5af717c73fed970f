"""The choice between readings of a library's names: the measured pitches decide, as they do for the octaves."""

from collections.abc import Sequence

from timbre.data.note import Note, is_harmonic, relabelled
from timbre.data.readers import Alternative

_WITHIN = 0.5  # semitones by which a measured pitch may differ from a label
_FEWEST = 3  # notes that agree with another reading
_MAJORITY = 0.6  # share of the measured notes that must agree with it
_OCTAVES = (0, 12, -12)  # semitones: which one note names mean is decided later


def settle_names(notes: Sequence[Note], alternatives: Sequence[Alternative]) -> tuple[list[Note], list[str]]:
    """The notes with the pitches of those readings that the measured pitches confirm, and a remark for each.

    A reading replaces the present labels if at least three measured pitches and 60% of them agree with it, and where
    both differ, two or more agree with it and at most a third as many with the labels. Whole octaves do not count.
    """
    settled, remarks = list(notes), []
    for what, pitches in alternatives:
        members = [index for index, note in enumerate(settled) if note.part is None and note.file in pitches]
        new = [pitches[settled[index].file] for index in members]
        if (votes := _votes([settled[index] for index in members], new)) is None:
            continue
        for index, pitch in zip(members, new, strict=True):
            settled[index] = relabelled(settled[index], pitch)
        remarks.append(f"names: {what} are the pitches, by {votes[0]} of {votes[1]} measured notes")
    return settled, remarks


def _votes(notes: Sequence[Note], pitches: Sequence[float]) -> tuple[int, int] | None:
    """Number of notes that confirm the new pitches, and of those that could; None if the labels stay."""
    voters = [
        (note.pitch, pitch, note.measured.pitch)
        for note, pitch in zip(notes, pitches, strict=True)
        if note.measured and note.measured.pitch is not None and is_harmonic(note)
    ]
    agree = _agreeing([(pitch, sound) for _, pitch, sound in voters])
    changed = [index for index, (old, new, _) in enumerate(voters) if old is None or abs(old - new) > _WITHIN]
    held = _agreeing([(old, sound) for old, _, sound in voters])
    gained, lost = len(agree & set(changed)), len(held & set(changed))
    if len(agree) < max(_FEWEST, _MAJORITY * len(voters)) or gained < max(2, _MAJORITY * len(changed), 3 * lost):
        return None
    return len(agree), len(voters)


def _agreeing(pairs: Sequence[tuple[float | None, float]]) -> set[int]:
    """Indices of the labels that sound as they say, in the octave convention that most agree with."""
    fitting = (
        {i for i, (label, sound) in enumerate(pairs) if label is not None and abs(sound - label - shift) <= _WITHIN}
        for shift in _OCTAVES
    )
    return max(fitting, key=len)
