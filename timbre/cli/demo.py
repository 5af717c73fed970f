"""`timbre demo`."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import timbre
from timbre.cli.info import program
from timbre.cli.outputs import make_folder, save_sound
from timbre.errors import ConfigError, LibraryError

if TYPE_CHECKING:
    import numpy as np

    from timbre.audio import Audio
    from timbre.data import Library, Note
    from timbre.evaluation.decoding import Reconstruction
    from timbre.space import Space

    N = TypeVar("N", Note, "_Guide")

_SUSTAINED = ("woodwinds", "strings", "brass", "voice", "keyboard", "plucked", "pitched_percussion")
_LEVEL = 0.5  # peak of the sounds that are meant to be compared by ear
_TAIL = 0.2  # s decoded and cut again, so that a note is heard held for as long as its original
_RECONSTRUCTIONS, _PICTURED = 5, 4
_COARSE = 20  # places along each side of the map
_RECONSTRUCTED = "reconstructions/  held-out notes, which the space has never heard, beside what it makes of them"
_KNOWN = "known/            known notes, as the space decodes them"


class _Guide(NamedTuple):
    """A known note."""

    name: str
    family: str | None
    pitch: float | None


def demo(space: str, /, *folders: Path) -> None:
    """Write sounds and pictures that show what a space has learned.

    Parameters
    ----------
    space
        Folder of a saved space, or the name of one; `timbre inspect` lists the names.
    folders
        [LIBRARY] OUT: the folder of the notes that it was learned from, and the folder to write to. Without LIBRARY,
        known sounds are decoded and places mapped, and no recorded notes stand beside them.
    """
    if len(folders) not in (1, 2):
        raise ConfigError(f"{len(folders)} folders came; [LIBRARY] OUT is wanted: timbre demo {space} [LIBRARY] OUT.")
    out, library = folders[-1], folders[0] if len(folders) == 2 else None
    fitted = timbre.load(space)
    guides = _guides(fitted)
    if library is None:
        make_folder(out / "known")
        shown = None
        _write_known(fitted, guides, out)
    else:
        held_out = _held_out(fitted, timbre.scan(library))
        make_folder(out / "reconstructions")
        shown = _write_reconstructions(fitted, held_out, out)
    coordinates = ",".join(f"{value:.2f}" for value in _middle(fitted, guides[:3]))
    _write_new_sound(fitted, coordinates, out / "new-sound.wav")
    path = fitted.path(fitted.atlas[guides[0].name], fitted.atlas[guides[1].name])
    save_sound(out / "morph.wav", _at_level(timbre.render(fitted, path, pitch=60, duration=4.0)))
    _draw(fitted, shown, out)
    _tell(fitted, space, library, [guide.name for guide in guides], coordinates)


def _tell(space: "Space", given: str, library: Path | None, names: list[str], coordinates: str) -> None:
    """What was written, and what to try next."""
    command, place = program(), shlex.quote(given)
    notes = "" if library is None else f" --notes {shlex.quote(str(library))}"
    first = _KNOWN if library is None else _RECONSTRUCTED
    print(f"""
{first}
new-sound.wav     a C4 at {coordinates}, between {", ".join(names[:3])}
morph.wav         from {names[0]} to {names[1]}
{_error_line(space)}
Try next:
  {command} inspect {place} --names
  {command} synth {place} --at={coordinates} --pitch A3 --duration 3 -o a3.wav
  {command} synth {place} --from {names[1]} --to {names[min(2, len(names) - 1)]} --steps 5 -o steps.wav
  {command} app {place}{notes}
  {command} play {place} --at {names[0]}
  {command} map {place} -o map
  {command} path {place} --from {names[0]} --to {names[1]} --kind geodesic -o path.json
  {command} render {place} --path path.json --pitch "C4 E4:G4" --hold 0.6 -o path.wav
  {command} place {place} YOUR-NOTE.wav
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


def _one_of_each(notes: "Iterable[N]") -> "list[N]":
    """The notes in another order: the first of each family, then the second of each, and so on."""
    seen: dict[str | None, int] = {}
    ranked = []
    for note in notes:
        seen[note.family] = seen.get(note.family, 0) + 1
        ranked.append((seen[note.family], note))
    return [note for _, note in sorted(ranked, key=lambda pair: pair[0])]


def _guides(space: "Space") -> list[_Guide]:
    """Known notes near C4, one of each family, those of families that can hold a note first.

    Raises:
        ConfigError: the space knows fewer than two notes.
    """
    atlas = space.atlas
    if len(atlas) < 2:
        raise ConfigError(f"The space knows {len(atlas)} notes; a demo wants two or more to move between.")
    pitches = (None if pitch != pitch else float(pitch) for pitch in atlas.pitches)
    notes = [_Guide(*values) for values in zip(atlas.names, atlas.families, pitches, strict=True)]
    rank = {family: place for place, family in enumerate(_SUSTAINED)}
    notes.sort(key=lambda note: abs((note.pitch or 0) - 60))
    first = _one_of_each(notes)[: max(2, len({note.family for note in notes}))]
    return sorted(first, key=lambda note: rank.get(note.family or "", len(rank)))


def _middle(space: "Space", notes: list[_Guide]) -> "np.ndarray":
    """The mean of the points of some known notes."""
    import numpy as np

    return np.mean([space.atlas[note.name] for note in notes], axis=0)


def _write_reconstructions(space: "Space", notes: list["Note"], out: Path) -> list["Reconstruction"]:
    """Each note beside what the space makes of its point, as files; their spectrograms for the picture."""
    from timbre.evaluation.decoding import Reconstruction

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
        pairs.append(Reconstruction(note.name, *(_spectrogram(space, sound) for sound in sounds.values())))
    return pairs


def _write_known(space: "Space", guides: list[_Guide], out: Path) -> None:
    """Known notes as the space decodes them."""
    for guide in guides[:_RECONSTRUCTIONS]:
        sound = space.decode(space.atlas[guide.name], guide.pitch, 0.8, space.config.data.duration)
        save_sound(out / "known" / f"{guide.name}.wav", _at_level(sound))


def _write_new_sound(space: "Space", coordinates: str, path: Path) -> None:
    """Decode the printed coordinates themselves, so that they give the same sound again."""
    from timbre.cli.arguments import parse_point

    point = parse_point(coordinates, space.dim)
    save_sound(path, _at_level(space.decode(point, pitch=60, velocity=0.8, duration=2.0)))


def _draw(space: "Space", pairs: "list[Reconstruction] | None", out: Path) -> None:
    """The known sounds; recorded and decoded notes, or where there are none what the places between sound like."""
    from timbre.report.evaluation_pictures import draw_spectrograms
    from timbre.report.pictures import draw_space, save_png

    atlas = space.atlas
    title = f"{len(atlas)} sounds of {len(set(atlas.instruments))} instruments in {space.dim} dimensions"
    print(save_png(draw_space(atlas.points, atlas.families, atlas.instruments, title), out / "space.png"))
    if pairs is None:
        _draw_map(space, out / "descriptors.png")
    else:
        print(save_png(draw_spectrograms(pairs[:_PICTURED], space.config.spectrogram), out / "spectrograms.png"))


def _draw_map(space: "Space", file: Path) -> None:
    from timbre.maps.maps import SIX, topology
    from timbre.maps.planes import plane
    from timbre.report.map_pictures import draw_descriptors
    from timbre.report.pictures import save_png

    found = topology(space, plane(space, []), SIX, _COARSE, 57.0, 0.8)
    figure = draw_descriptors(found, found.plane.coordinates(space.atlas.points), "Descriptors of the space")
    print(save_png(figure, file))


def _spectrogram(space: "Space", audio: "Audio") -> "np.ndarray":
    """What the model's front end shows of a sound: (bins, frames), dB."""
    import torch

    from timbre.spectral import Spectrogram

    spectrogram = Spectrogram(space.config.spectrogram)
    return spectrogram(torch.from_numpy(audio.samples.copy()))[0].numpy()


def _at_level(audio: "Audio") -> "Audio":
    """The sound at the level at which the demo's sounds are compared."""
    import math

    return audio.gain(20 * math.log10(_LEVEL / audio.peak)) if audio.peak > 0 else audio
