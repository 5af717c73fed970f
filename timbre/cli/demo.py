"""`timbre demo`."""

import math
import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import timbre
from timbre.cli.arguments import SpaceName
from timbre.cli.info import program
from timbre.cli.outputs import making, save_sound
from timbre.cli.points import parse_point
from timbre.errors import ConfigError, LibraryError
from timbre.files import check_writable
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.audio import Audio
    from timbre.data import Library
    from timbre.evaluation.decoding import Reconstruction
    from timbre.space import Space

_SUSTAINED = ("woodwinds", "strings", "brass", "voice", "keyboard", "plucked", "pitched_percussion")
_PEAK = 0.5  # of all sounds, so that they can be compared
_TAIL = 0.2  # s decoded after the note and cut off, so that the release does not sound
_SOUNDS, _SPECTROGRAMS = 5, 4
_RESOLUTION = 20  # points along each side of the map


def demo(space: SpaceName, /, *folders: Path) -> None:
    """Write sounds and pictures that show what a space has learned.

    Args:
        folders: [LIBRARY] OUT: the folder of the notes that the space was trained on, and the folder to write to.
            Without LIBRARY there are no recordings next to the decoded sounds, and a map takes the place of the
            spectrograms.
    """
    if len(folders) not in (1, 2):
        raise ConfigError(f"Give one or two folders, timbre demo {space} [LIBRARY] OUT; got {len(folders)}.")
    out, library = folders[-1], folders[0] if len(folders) == 2 else None
    check_writable(out)
    fitted = timbre.load(space)
    notes = _library_notes(fitted)
    with making(out) as made:
        names, coordinates = _write(fitted, notes, library, made)
    _print_summary(fitted, space, library, names, coordinates)


def _write(fitted: "Space", notes: list[int], library: Path | None, out: Path) -> tuple[list[str], str]:
    """Write all files of the demo; returns the names of the notes and the coordinates of the new sound."""
    names, points = [fitted.atlas.names[note] for note in notes], fitted.atlas.points[notes]
    if library is None:
        pairs = None
        _write_library_notes(fitted, notes[:_SOUNDS], out / "known")
    else:
        pairs = _write_reconstructions(fitted, timbre.scan(library), out / "reconstructions")
    coordinates = ",".join(f"{value:.2f}" for value in points[:3].mean(0))
    new = fitted.decode(parse_point(coordinates, fitted.dim), pitch=60, velocity=0.8, duration=2.0)
    save_sound(out / "new-sound.wav", _at_peak(new))  # of the rounded coordinates, so that they give the same sound
    morph = timbre.render(fitted, fitted.path(points[0], points[1]), pitch=60, duration=4.0)
    save_sound(out / "morph.wav", _at_peak(morph))
    _draw(fitted, pairs, out)
    return names, coordinates


def _print_summary(space: "Space", given: str, library: Path | None, names: list[str], coordinates: str) -> None:
    """Print what was written, and what to try next."""
    command, name = program(), shlex.quote(given)
    notes = "" if library is None else f" --notes {shlex.quote(str(library))}"
    first = "reconstructions/  held-out notes next to their reconstructions"
    if library is None:
        first = "known/            library notes, decoded"
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


def _by_turns(space: "Space", notes: Iterable[int]) -> list[int]:
    """Notes of the atlas, nearest to C4 first: the first of each family, then the second of each, and so on."""
    turns: Counter[str] = Counter()
    ranked = []
    for note in sorted(notes, key=lambda note: abs((_pitch(space, note) or 0.0) - 60.0)):
        turns[space.atlas.families[note]] += 1
        ranked.append((turns[space.atlas.families[note]], note))
    return [note for _, note in sorted(ranked, key=lambda pair: pair[0])]


def _pitch(space: "Space", note: int) -> float | None:
    pitch = float(space.atlas.pitches[note])
    return None if math.isnan(pitch) else pitch


def _library_notes(space: "Space") -> list[int]:
    """A library note near C4 of each family (two notes at least), sustained families first.

    Raises:
        ConfigError: if the space has fewer than three library notes.
    """
    atlas = space.atlas
    if len(atlas) < 3:
        raise ConfigError(f"A demo needs a space with 3 library notes or more, got {len(atlas)}.")
    first = _by_turns(space, range(len(atlas)))[: max(2, len(set(atlas.families)))]
    rank = {family: number for number, family in enumerate(_SUSTAINED)}
    return sorted(first, key=lambda note: rank.get(atlas.families[note], len(rank)))


def _write_reconstructions(space: "Space", library: "Library", folder: Path) -> list["Reconstruction"]:
    """Write held-out notes near C4 that the library still has, and their reconstructions; returns the spectrograms."""
    import torch

    from timbre.evaluation.decoding import Reconstruction

    atlas, settings, pairs = space.atlas, space.config, []
    present = {note.name: note for note in library}
    held_out = [n for n, name in enumerate(atlas) if atlas.splits[n] == "test" and name in present]
    if not held_out:
        raise LibraryError(f"{library.root} has no held-out notes of this space; give the folder it was trained on.")
    folder.mkdir(exist_ok=True)
    for number in _by_turns(space, held_out)[:_SOUNDS]:
        note, length = present[atlas.names[number]], settings.data.duration
        original = note.audio().mono().resample(settings.spectrogram.sample_rate)
        original = original.trim(settings.data.trim_db, tail=False).fit(length)
        velocity = 0.8 if note.velocity is None else note.velocity
        decoded = space.decode(atlas.points[number], note.pitch, velocity, length + _TAIL).fit(length)
        sounds = {"original": _at_peak(original), "decoded": _at_peak(decoded)}
        for kind, sound in sounds.items():
            save_sound(folder / f"{note.name}.{kind}.wav", sound)
        spectrograms = (space.spectrogram(torch.tensor(sound.samples))[0].numpy() for sound in sounds.values())
        pairs.append(Reconstruction(note.name, *spectrograms))
    return pairs


def _write_library_notes(space: "Space", notes: list[int], folder: Path) -> None:
    """Write library notes as the space decodes them."""
    folder.mkdir(exist_ok=True)
    for note in notes:
        sound = space.decode(space.atlas.points[note], _pitch(space, note), 0.8, space.config.data.duration)
        save_sound(folder / f"{space.atlas.names[note]}.wav", _at_peak(sound))


def _draw(space: "Space", pairs: "list[Reconstruction] | None", out: Path) -> None:
    """Draw the library notes, and spectrograms of recorded and decoded notes or else a map of descriptors."""
    from timbre.maps.maps import SIX, topology
    from timbre.maps.planes import plane
    from timbre.report.evaluation_pictures import draw_spectrograms
    from timbre.report.map_pictures import draw_descriptors, draw_sounds
    from timbre.report.pictures import save_png

    atlas = space.atlas
    title = f"{counted(len(atlas), 'sound')} of {counted(len(set(atlas.instruments)), 'instrument')} in "
    title += counted(space.dim, "dimension")
    chosen = plane(space)
    positions = chosen.coordinates(atlas.points)
    print(save_png(draw_sounds(positions, atlas, chosen.labels, title), out / "space.png"))
    if pairs is not None:
        figure, file = draw_spectrograms(pairs[:_SPECTROGRAMS], space.config.spectrogram), out / "spectrograms.png"
    else:
        result = topology(space, chosen, SIX, _RESOLUTION, 57.0, 0.8)
        figure, file = draw_descriptors(result, positions, "How the points of a plane sound"), out / "descriptors.png"
    print(save_png(figure, file))


def _at_peak(audio: "Audio") -> "Audio":
    """The sound with the common peak level."""
    return audio.gain(20 * math.log10(_PEAK / audio.peak)) if audio.peak > 0 else audio
