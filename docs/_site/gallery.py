"""The gallery of a space: gallery.md, with sounds and pictures beside it.

    python docs/_site/gallery.py SPACE OUT [--library NOTES] [--quick]

NOTES is the library that the space was trained on, of which held-out notes are taken, or one of other notes, which are
all taken. By default it is the shipped notes; of these, those are taken that the shipped spaces were not trained on.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import timbre
from timbre.audio import Audio
from timbre.data import Library, Note
from timbre.data.names import note_name
from timbre.errors import LibraryError
from timbre.evaluation.decoding import reconstruction
from timbre.evaluation.notes import EvaluatedNotes, held_out, match, prepare_notes
from timbre.files import write_text
from timbre.shapes.presets import read_presets
from timbre.space import Space
from timbre.spectral.inversion.inverters import INVERTERS
from timbre.synth.curves import Curve
from timbre.synth.steering import steer

sys.path.insert(0, str(Path(__file__).parent))

from plates import LOUDNESS, Plate, write_plate

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "datasets" / "orchestra"
HELD_OUT = Path(__file__).parent / "held_out.txt"
PRETRAINED = ("orchestra", "orchestra-22k")
SUSTAINED = ("flute", "violin", "clarinet", "trumpet", "oboe", "cello")
STRUCK = ("vibraphone", "tubular_bells", "marimba", "harp")
PITCH, MOST = 64.0, 200  # MIDI of sounds that are compared; notes that are measured
SECONDS, SHORT = 4.0, 2.0
INTRODUCTION = """# Gallery

How does `{name}` sound, where it is good and where it is not? Recordings that it was not trained on beside their
reconstructions, and sounds that only a space makes.

The loudest 0.4 s of every sound have {loudness:.0f} LUFS (ITU-R BS.1770). Pictures of one row share a scale of 70 dB.
Pitch where nothing else is said: {pitch}. `scripts/docs --all SPACE` makes this page for any space.
"""


def untrained(space: Space, library: Library) -> list[Note]:
    """The notes of a library that a space was not trained on."""
    try:
        notes = match(space.atlas, library)
        return [notes[int(index)] for index in held_out(space.atlas)[1]]
    except LibraryError:
        if library.root.resolve() != SHIPPED.resolve():
            return list(library)
    known = [line for line in HELD_OUT.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [note for note in library if note.name in known]


def chosen(errors: np.ndarray, instruments: list[str], each: int) -> dict[str, list[int]]:
    """Rows of the smallest, the middle and the largest errors, of different instruments as long as there are some."""
    order, middle = np.argsort(errors, kind="stable"), float(np.median(errors))
    ranked = {"Good": order, "Worst": order[::-1], "Median": np.argsort(np.abs(errors - middle), kind="stable")}
    taken: set[int] = set()
    groups = {}
    for group, rows in ranked.items():
        free = [int(row) for row in rows if int(row) not in taken]
        first = {instruments[row]: row for row in reversed(free)}.values()  # the nearest row of each instrument
        groups[group] = sorted(free, key=lambda row: (row not in first, free.index(row)))[:each]
        taken.update(groups[group])
    return {group: groups[group] for group in ("Good", "Median", "Worst")}


def reconstructions(space: Space, notes: EvaluatedNotes, each: int) -> Iterator[Plate]:
    """Held-out notes, recorded and decoded from their points with their own pitch and velocity."""
    points = notes.points(space)
    errors = np.array([_error(space, notes, points, row) for row in range(len(notes))])
    order = list(np.argsort(np.argsort(errors, kind="stable")))
    for group, rows in chosen(errors, [note.instrument for note in notes.notes], each).items():
        for row in rows:
            note = notes.notes[row]
            text = f"Audible error {errors[row]:.1f} dB, rank {order[row] + 1} of {len(notes)} held-out notes"
            yield Plate(
                f"{group}: {note.name}", f"{text}{f' ({note.source})' if note.source else ''}.",
                [("recorded", _recorded(space, notes, row)), ("decoded", _decoded(space, notes, points, row))],
            )  # fmt: skip


def _error(space: Space, notes: EvaluatedNotes, points: np.ndarray, row: int) -> float:
    return float(reconstruction(space, notes.take(np.array([row])), points[[row]])["audible_l1_db"] or 0.0)


def _recorded(space: Space, notes: EvaluatedNotes, row: int) -> Audio:
    return Audio(notes.samples[row][None, : _length(space, notes, row)], space.config.spectrogram.sample_rate)


def _decoded(space: Space, notes: EvaluatedNotes, points: np.ndarray, row: int) -> Audio:
    length = _length(space, notes, row)
    return Audio(
        space.renderer.invert(*notes.decode(space, points, row), length, 0)[None], space.config.spectrogram.sample_rate
    )


def _length(space: Space, notes: EvaluatedNotes, row: int) -> int:
    """Samples of a note, without what was added after its end, within 3 s."""
    rate = space.config.spectrogram.sample_rate
    sounding = np.flatnonzero(np.abs(notes.samples[row]) > 1e-4)
    return int(np.clip(sounding[-1] + 1 if len(sounding) else 1, rate // 2, round(3.0 * rate)))


def known(space: Space, *instruments: str) -> Iterator[tuple[str, np.ndarray]]:
    """A note of each instrument, by name: the one nearest to middle E; other instruments where the space lacks one."""
    atlas = space.atlas
    others = iter([name for name in sorted(set(atlas.instruments)) if name not in instruments])
    for wanted in instruments:
        instrument = wanted if wanted in atlas.instruments else next(others, atlas.instruments[0])
        rows = [row for row, name in enumerate(atlas.instruments) if name == instrument]
        far = np.nan_to_num(np.abs(atlas.pitches[rows] - PITCH), nan=99.0)
        row = rows[int(far.argmin())]
        yield atlas.names[row], atlas.points[row]


def morphs(space: Space, count: int) -> Iterator[Plate]:
    """Geodesics from one note to another, at one pitch."""
    names = [("flute", "violin"), ("trumpet", "vibraphone"), ("cello", "clarinet")]
    for first, last in names[:count]:
        (one, a), (other, b) = known(space, first, last)
        path = space.path(a, b, kind="geodesic", pitch=PITCH)
        sound = timbre.render(space, path, pitch=PITCH, duration=SECONDS, hold=0.4)
        ends = [(name, space.decode(z, PITCH, duration=SHORT)) for name, z in ((one, a), (other, b))]
        yield Plate(
            f"{one} to {other}", "A geodesic: the steps sound equally large. In the middle: the morph.",
            [ends[0], ("morph", sound), ends[1]],
        )  # fmt: skip


def paths(space: Space, name: str, count: int) -> Iterator[Plate]:
    """Paths of the presets, and one through several instruments with a melody."""
    points = [z for _, z in known(space, *SUSTAINED[:4])]
    tune = np.repeat([62.0, 65.0, 69.0, 74.0, 72.0, 69.0, 65.0, 62.0], 40)
    melody = timbre.render(space, space.path(*points, kind="spline"), pitch=tune, duration=SECONDS, hold=0.4)
    sounds = [("four instruments, a melody", melody)]
    moving = [one for one in read_presets(name, space).values() if len(one.path.points) > 1]
    for preset in moving[:count]:
        pitch = float(np.clip(PITCH, *(preset.pitches or (PITCH, PITCH))))
        sounds.append((preset.name, timbre.render(space, preset.path, pitch=pitch, duration=SECONDS, hold=0.4)))
    yield Plate("Paths", "A spline through four instruments, and paths of the presets.", sounds)


def steered(space: Space) -> Iterator[Plate]:
    """A note that follows a curve of brightness, and one that follows a curve of noise."""
    name, z = next(known(space, "violin"))
    sounds = [("as it is", space.decode(z, PITCH, duration=SHORT))]
    for label, curves in (
        ("brighter and back", {"centroid": Curve(np.array([1.0, 1.5, 1.0]), kind="ratio")}),
        ("wider and back", {"spread": Curve(np.array([0.0, 1.0, 0.0]), kind="change")}),
    ):
        found = steer(space, z, curves, pitch=PITCH, duration=SHORT)
        sounds.append((label, timbre.render(space, found.path, pitch=PITCH, duration=SHORT)))
    yield Plate(
        f"Steering: {name}", "The spectral centroid rises by half and returns; the spread rises by 1 ERB.", sounds
    )


def axes(space: Space) -> Iterator[Plate]:
    """One note moved along each named axis."""
    name, z = next(known(space, "clarinet"))
    for axis in space.axes:
        sounds = [
            (f"{step:+d}" if step else "0", space.decode(space.move(z, PITCH, **{axis.name: float(step)}), PITCH))
            for step in (-1, 0, 1)
        ]
        yield Plate(f"{axis.name.replace('_', '/')}", f"`space.move` of {name} by -1, 0 and +1.", sounds)


def inverters(space: Space) -> Iterator[Plate]:
    """The same decoded notes by each inverter."""
    names = ["pghi+8", "rtpghi", "griffin_lim"]
    names = [*(["vocoder"] if space.vocoder else []), "portable", *(name for name in names if name in INVERTERS)]
    for wanted in ("flute", "vibraphone"):
        name, z = next(known(space, wanted))
        sounds = [(one, space.decode(z, PITCH, duration=SHORT, inverter=one)) for one in names]
        yield Plate(
            f"Inverters: {name}", f"One decoded spectrogram; the space's own inverter is {space.inverter}.", sounds
        )


def rates(spaces: list[Space], notes: list[Note]) -> Iterator[Plate]:
    """Recordings decoded by spaces of different sample rates."""
    for note in notes:
        sounds = [("recorded", note.audio())]
        for space in spaces:
            z = space.encode(note.audio(), pitch=note.pitch)
            sound = space.decode(z, note.pitch, duration=SHORT)
            sounds.append((f"{sound.sample_rate:,} Hz".replace(",", " "), sound))
        yield Plate(f"Sample rates: {note.name}", "The recording, and the note in a space of each sample rate.", sounds)


def sections(
    space: Space, name: str, notes: list[Note], others: list[Space], quick: bool
) -> Iterator[tuple[str, list[Plate]]]:
    """Every heading with its plates."""
    step = max(1, len(notes) // (6 if quick else MOST))
    prepared = prepare_notes(space, notes[::step])
    yield "Held-out notes", list(reconstructions(space, prepared, 1 if quick else 3))
    yield "Morphs", list(morphs(space, 1 if quick else 3))
    yield "Paths", list(paths(space, name, 0 if quick else 3))
    yield "Steering", list(steered(space))
    yield "Axes", list(axes(space))
    yield "Inverters", list(inverters(space))[: 1 if quick else None]
    if others:
        pitched = [note for note in prepared.notes if note.pitch is not None][:: max(1, len(prepared) // 2)]
        yield "Sample rates", list(rates([space, *others], pitched[: 1 if quick else 2]))


def make(name: str, out: Path, library: Path, quick: bool = False) -> Path:
    """Write the gallery of a space into a folder; returns its page."""
    space = timbre.load(name)
    others = [timbre.load(other) for other in PRETRAINED if name in PRETRAINED and other != name]
    files = out / "gallery"
    files.mkdir(parents=True, exist_ok=True)
    notes = untrained(space, timbre.scan(library))
    parts = [INTRODUCTION.format(name=name, loudness=LOUDNESS, pitch=note_name(PITCH))]
    for title, plates in sections(space, name, notes, others, quick):
        parts += [f"## {title}\n", *(write_plate(plate, space, files) for plate in plates)]
    page = out / "gallery.md"
    write_text(page, "\n".join(parts))
    return page


def main(words: list[str] | None = None) -> None:
    """Make a gallery, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", metavar="SPACE")
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("--library", metavar="NOTES", type=Path, default=SHIPPED)
    parser.add_argument("--quick", action="store_true", help="one of each")
    args = parser.parse_args(words)
    make(args.space, args.out, args.library, args.quick)
    files = [file for file in args.out.rglob("*") if file.is_file()]
    print(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB in {args.out}")


if __name__ == "__main__":
    main()
