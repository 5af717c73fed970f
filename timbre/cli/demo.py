"""`timbre demo`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import timbre
from timbre.cli._files import make_folder
from timbre.cli._places import save_sound
from timbre.cli.info import program
from timbre.errors import LibraryError

if TYPE_CHECKING:
    import numpy as np

    from timbre.audio import Audio
    from timbre.data import Library, Note
    from timbre.evaluation.pictures import Pair
    from timbre.space import Space

_SUSTAINED = ("woodwinds", "strings", "brass", "voice", "keyboard", "plucked", "pitched_percussion")
_LEVEL = 0.5  # peak of the sounds that are meant to be compared by ear
_TAIL = 0.2  # s decoded and cut again, so that a note is heard held for as long as its original
_RECONSTRUCTIONS, _PICTURED = 5, 4


def demo(space: Path, library: Path, out: Path, /) -> None:
    """Write sounds and pictures that show what a space has learned.

    Parameters
    ----------
    space
        Folder of a saved space.
    library
        Folder of the notes that it was learned from.
    out
        Folder to write to.
    """
    fitted, notes = timbre.load(space), timbre.scan(library)
    make_folder(out / "reconstructions")
    pairs = _write_reconstructions(fitted, _held_out(fitted, notes), out)
    guides = _guides(notes, set(fitted.atlas))
    coordinates = ",".join(f"{value:.2f}" for value in _middle(fitted, guides[:3]))
    _write_new_sound(fitted, coordinates, out / "new-sound.wav")
    path = fitted.path(fitted.atlas[guides[0].name], fitted.atlas[guides[1].name])
    save_sound(out / "morph.wav", _at_level(timbre.render(fitted, path, pitch=60, duration=4.0)))
    _draw(fitted, pairs, out)
    names, command = [note.name for note in guides], program()
    print(f"""
reconstructions/  held-out notes, which the space has never heard, beside what it makes of them
new-sound.wav     a C4 at {coordinates}, between {", ".join(names[:3])}
morph.wav         from {names[0]} to {names[1]}
{_error_line(fitted)}
Try next:
  {command} inspect {space} --names
  {command} synth {space} --at={coordinates} --pitch A3 --duration 3 -o a3.wav
  {command} synth {space} --from {names[1]} --to {names[min(2, len(names) - 1)]} --steps 5 -o steps.wav
  {command} app {space} --notes {library}
  {command} play {space} --at {names[0]}
  {command} map {space} -o map
  {command} path {space} --from {names[0]} --to {names[1]} --kind geodesic -o path.json
  {command} render {space} --path path.json --pitch "C4 E4:G4" --hold 0.6 -o path.wav
  {command} place {space} YOUR-NOTE.wav
  {command} train YOUR-FOLDER my-space""")


def _error_line(space: "Space") -> str:
    """The held-out error, if anything was held out."""
    if "test_l1_db" not in space.report:
        return ""
    return f"\nMean error on {space.report['test_notes']} held-out notes: {space.report['test_l1_db']:.2f} dB\n"


def _held_out(space: "Space", library: "Library") -> list["Note"]:
    """A few held-out notes, of different families first, of those that the library still has."""
    present = {note.name: note for note in library}
    unseen = [name for name, part in zip(space.atlas, space.atlas.splits, strict=True) if part == "test"]
    notes = [present[name] for name in unseen if name in present]
    if not notes:
        raise LibraryError(f"{library.root} has no held-out notes of this space; give the folder it was trained on.")
    return _one_of_each(sorted(notes, key=lambda note: abs((note.pitch or 0) - 60)))[:_RECONSTRUCTIONS]


def _one_of_each(notes: Iterable["Note"]) -> list["Note"]:
    """The notes in another order: the first of each family, then the second of each, and so on."""
    seen: dict[str | None, int] = {}
    ranked = []
    for note in notes:
        seen[note.family] = seen.get(note.family, 0) + 1
        ranked.append((seen[note.family], note))
    return [note for _, note in sorted(ranked, key=lambda pair: pair[0])]


def _guides(library: "Library", known: set[str]) -> list["Note"]:
    """Known notes near C4, one of each family, those of families that can hold a note first."""
    notes = [note for note in library if note.name in known]
    rank = {family: place for place, family in enumerate(_SUSTAINED)}
    notes.sort(key=lambda note: abs((note.pitch or 0) - 60))
    first = _one_of_each(notes)[: max(2, len({note.family for note in notes}))]
    return sorted(first, key=lambda note: rank.get(note.family or "", len(rank)))


def _middle(space: "Space", notes: list["Note"]) -> "np.ndarray":
    """The mean of the points of some known notes."""
    import numpy as np

    return np.mean([space.atlas[note.name] for note in notes], axis=0)


def _write_reconstructions(space: "Space", notes: list["Note"], out: Path) -> list["Pair"]:
    """Each note beside what the space makes of its point, as files; their spectrograms for the picture."""
    from timbre.evaluation.pictures import Pair

    settings = space.config
    pairs = []
    for note in notes:
        original = note.audio().mono().resample(settings.spectrogram.sample_rate)
        original = original.trim(settings.data.trim_db, tail=False).fit(settings.data.duration)
        velocity = 0.8 if note.velocity is None else note.velocity
        point = space.atlas[note.name]
        decoded = space.decode(point, note.pitch, velocity, settings.data.duration + _TAIL).fit(settings.data.duration)
        sounds = {"original": _at_level(original), "decoded": _at_level(decoded)}
        for kind, sound in sounds.items():
            save_sound(out / "reconstructions" / f"{note.name}.{kind}.wav", sound)
        pairs.append(Pair(note.name, *(_spectrogram(space, sound) for sound in sounds.values())))
    return pairs


def _write_new_sound(space: "Space", coordinates: str, path: Path) -> None:
    """Decode the printed coordinates themselves, so that they give the same sound again."""
    from timbre.cli._places import parse_point

    point = parse_point(coordinates, space.dim)
    save_sound(path, _at_level(space.decode(point, pitch=60, velocity=0.8, duration=2.0)))


def _draw(space: "Space", pairs: list["Pair"], out: Path) -> None:
    from timbre.evaluation.pictures import draw_space, draw_spectrograms

    atlas = space.atlas
    title = f"{len(atlas)} sounds of {len(set(atlas.instruments))} instruments in {space.dim} dimensions"
    print(draw_space(out / "space.png", atlas.points, atlas.families, atlas.instruments, title))
    print(draw_spectrograms(out / "spectrograms.png", pairs[:_PICTURED], space.config.spectrogram))


def _spectrogram(space: "Space", audio: "Audio") -> "np.ndarray":
    """What the model's front end shows of a sound: (bins, frames), dB."""
    import torch

    from timbre.spectral import Spectrogram

    front = Spectrogram(space.config.spectrogram)
    return front(torch.from_numpy(audio.samples.copy()))[0].numpy()


def _at_level(audio: "Audio") -> "Audio":
    """The sound at the level at which the demo's sounds are compared."""
    import math

    return audio.gain(20 * math.log10(_LEVEL / audio.peak)) if audio.peak > 0 else audio
