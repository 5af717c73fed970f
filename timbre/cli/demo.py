"""`timbre demo`."""

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import timbre
from timbre.cli.arguments import SpaceName, parse_point
from timbre.cli.info import program
from timbre.cli.outputs import make_folder, save_sound
from timbre.errors import ConfigError, LibraryError

if TYPE_CHECKING:
    import numpy as np

    from timbre.audio import Audio
    from timbre.data import Library, Note
    from timbre.evaluation.decoding import Reconstruction
    from timbre.space import Space

    N = TypeVar("N", Note, "_LibraryNote")

_SUSTAINED = ("woodwinds", "strings", "brass", "voice", "keyboard", "plucked", "pitched_percussion")
_PEAK = 0.5  # of all sounds, so that they can be compared
_TAIL = 0.2  # s decoded after the note and cut off, so that the release does not sound
_SOUNDS, _SPECTROGRAMS = 5, 4
_RESOLUTION = 20  # points along each side of the map


class _LibraryNote(NamedTuple):
    name: str
    family: str | None
    pitch: float | None


def demo(space: SpaceName, /, *folders: Path) -> None:
    """Write sounds and pictures that show what a space has learned.

    Parameters
    ----------
    folders
        [LIBRARY] OUT: the folder of the notes that the space was trained on, and the folder to write to. Without
        LIBRARY there are no recordings next to the decoded sounds, and a map takes the place of the spectrograms.
    """
    if len(folders) not in (1, 2):
        raise ConfigError(f"Give one or two folders, timbre demo {space} [LIBRARY] OUT; got {len(folders)}.")
    out, library = folders[-1], folders[0] if len(folders) == 2 else None
    fitted = timbre.load(space)
    notes = _varied_notes(fitted)
    if library is None:
        make_folder(out / "known")
        pairs = None
        _write_library_notes(fitted, notes, out)
    else:
        held_out = _held_out(fitted, timbre.scan(library))
        make_folder(out / "reconstructions")
        pairs = _write_reconstructions(fitted, held_out, out)
    coordinates = ",".join(f"{value:.2f}" for value in _mean(fitted, notes[:3]))
    new = fitted.decode(parse_point(coordinates, fitted.dim), pitch=60, velocity=0.8, duration=2.0)
    save_sound(out / "new-sound.wav", _at_peak(new))  # of the rounded coordinates, so that they give the same sound
    path = fitted.path(fitted.atlas[notes[0].name], fitted.atlas[notes[1].name])
    save_sound(out / "morph.wav", _at_peak(timbre.render(fitted, path, pitch=60, duration=4.0)))
    _draw(fitted, pairs, out)
    _print_summary(fitted, space, library, [note.name for note in notes], coordinates)


def _print_summary(space: "Space", given: str, library: Path | None, names: list[str], coordinates: str) -> None:
    """Print what was written, and what to try next."""
    command, name = program(), shlex.quote(given)
    notes = "" if library is None else f" --notes {shlex.quote(str(library))}"
    first = "known/            library notes, decoded"
    if library is not None:
        first = "reconstructions/  held-out notes next to their reconstructions"
    error = ""
    if "test_l1_db" in space.report:
        error = f"\nMean error on {space.report['test_notes']} held-out notes: {space.report['test_l1_db']:.2f} dB\n"
    print(f"""
{first}
new-sound.wav     a C4 at {coordinates}, between {", ".join(names[:3])}
morph.wav         from {names[0]} to {names[1]}
{error}
Try next:
  {command} inspect {name} --names
  {command} synth {name} --at={coordinates} --pitch A3 --duration 3 -o a3.wav
  {command} synth {name} --from {names[1]} --to {names[min(2, len(names) - 1)]} --steps 5 -o steps.wav
  {command} app {name}{notes}
  {command} play {name} --at {names[0]}
  {command} map {name} -o map
  {command} path {name} --from {names[0]} --to {names[1]} --kind geodesic -o path.json
  {command} render {name} --path path.json --pitch "C4 E4:G4" --hold 0.6 -o path.wav
  {command} locate {name} YOUR-NOTE.wav
  {command} train YOUR-FOLDER my-space""")


def _held_out(space: "Space", library: "Library") -> list["Note"]:
    """Held-out notes near C4 that the library still has, of different families first."""
    present = {note.name: note for note in library}
    held_out = [name for name, part in zip(space.atlas, space.atlas.splits, strict=True) if part == "test"]
    notes = [present[name] for name in held_out if name in present]
    if not notes:
        raise LibraryError(f"{library.root} has no held-out notes of this space; give the folder it was trained on.")
    return _by_turns(sorted(notes, key=_distance_from_c4))[:_SOUNDS]


def _distance_from_c4(note: "Note | _LibraryNote") -> float:
    return abs((note.pitch or 0) - 60)


def _by_turns(notes: "Iterable[N]") -> "list[N]":
    """The first note of each family, then the second of each, and so on."""
    counts: dict[str | None, int] = defaultdict(int)
    ranked = []
    for note in notes:
        counts[note.family] += 1
        ranked.append((counts[note.family], note))
    return [note for _, note in sorted(ranked, key=lambda pair: pair[0])]


def _varied_notes(space: "Space") -> list[_LibraryNote]:
    """A library note near C4 of each family (two notes at least), sustained families first.

    Raises:
        ConfigError: if the space has fewer than two library notes.
    """
    atlas = space.atlas
    if len(atlas) < 2:
        raise ConfigError(f"A demo needs a space with 2 library notes or more, got {len(atlas)}.")
    pitches = (None if pitch != pitch else float(pitch) for pitch in atlas.pitches)
    notes = [_LibraryNote(*values) for values in zip(atlas.names, atlas.families, pitches, strict=True)]
    notes.sort(key=_distance_from_c4)
    first = _by_turns(notes)[: max(2, len({note.family for note in notes}))]
    rank = {family: number for number, family in enumerate(_SUSTAINED)}
    return sorted(first, key=lambda note: rank.get(note.family or "", len(rank)))


def _mean(space: "Space", notes: list[_LibraryNote]) -> "np.ndarray":
    import numpy as np

    return np.mean([space.atlas[note.name] for note in notes], axis=0)


def _write_reconstructions(space: "Space", notes: list["Note"], out: Path) -> list["Reconstruction"]:
    """Write each note and its reconstruction; returns their spectrograms."""
    from timbre.evaluation.decoding import Reconstruction

    settings = space.config
    pairs = []
    for note in notes:
        original = note.audio().mono().resample(settings.spectrogram.sample_rate)
        original = original.trim(settings.data.trim_db, tail=False).fit(settings.data.duration)
        velocity = 0.8 if note.velocity is None else note.velocity
        point = space.atlas[note.name]
        decoded = space.decode(point, note.pitch, velocity, settings.data.duration + _TAIL).fit(settings.data.duration)
        sounds = {"original": _at_peak(original), "decoded": _at_peak(decoded)}
        for kind, sound in sounds.items():
            save_sound(out / "reconstructions" / f"{note.name}.{kind}.wav", sound)
        pairs.append(Reconstruction(note.name, *(_spectrogram(space, sound) for sound in sounds.values())))
    return pairs


def _write_library_notes(space: "Space", notes: list[_LibraryNote], out: Path) -> None:
    """Write library notes as the space decodes them."""
    for note in notes[:_SOUNDS]:
        sound = space.decode(space.atlas[note.name], note.pitch, 0.8, space.config.data.duration)
        save_sound(out / "known" / f"{note.name}.wav", _at_peak(sound))


def _draw(space: "Space", pairs: "list[Reconstruction] | None", out: Path) -> None:
    """Draw the library notes, and spectrograms of recorded and decoded notes or else a map of descriptors."""
    from timbre.maps.maps import SIX, topology
    from timbre.maps.planes import plane
    from timbre.report.evaluation_pictures import draw_spectrograms
    from timbre.report.map_pictures import draw_descriptors
    from timbre.report.pictures import draw_space, save_png

    atlas = space.atlas
    title = f"{len(atlas)} sounds of {len(set(atlas.instruments))} instruments in {space.dim} dimensions"
    print(save_png(draw_space(atlas.points, atlas.families, atlas.instruments, title), out / "space.png"))
    if pairs is not None:
        figure, file = draw_spectrograms(pairs[:_SPECTROGRAMS], space.config.spectrogram), out / "spectrograms.png"
    else:
        result = topology(space, plane(space), SIX, _RESOLUTION, 57.0, 0.8)
        positions = result.plane.coordinates(atlas.points)
        figure, file = draw_descriptors(result, positions, "How the points of a plane sound"), out / "descriptors.png"
    print(save_png(figure, file))


def _spectrogram(space: "Space", audio: "Audio") -> "np.ndarray":
    """The spectrogram (bins, frames) of a sound in dB, as the model sees it."""
    import torch

    return space.spectrogram(torch.from_numpy(audio.samples.copy()))[0].numpy()


def _at_peak(audio: "Audio") -> "Audio":
    """The sound with the common peak level."""
    return audio.gain(20 * math.log10(_PEAK / audio.peak)) if audio.peak > 0 else audio
