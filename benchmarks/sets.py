"""Sets of sounds in several embeddings: spaces, principal components, and the recordings against themselves.

    python benchmarks/sets.py NOTES SPACE [SPACE ...] --dims 16 64 --json sets.json

NOTES are those that the spaces were trained on. Sounds are the first two seconds of notes. Held-out notes (of the
sources that were trained on) are decoded and compared with their recordings; random sounds with one half of the
training recordings; and the other half with that, which shows what chance leaves. Rows:

- recordings: the two halves; resynthesis: the recorded spectrograms by `pghi+8`, without any model
- SPACE: by its own inverter, and by `pghi+8` if that is another
- pca N: principal components of the spectrograms of the same training notes, by `pghi+8`; random sounds are drawn from
  their coordinates as those of a space from its points (`timbre.space.prior.Prior`)

frechet_share, kernel_mmd2, density, coverage_share: docs/evaluation.md, with 95% intervals in the JSON file (_low,
_high). "style" is made of the encoder of the first space for all rows. The second table has DCI, SAP and MIG of named
axes, and of all coordinates of the same notes.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _baselines import PCA
from _table import add_arguments, finish, write_json

import timbre
from timbre.data import Note
from timbre.data.features.example import examples, prepare
from timbre.errors import AudioError
from timbre.evaluation import sets
from timbre.evaluation.embeddings import NAMES, SECONDS, SoundEmbedding, embed, find_embeddings
from timbre.evaluation.metrics.disentanglement import dci, mig, sap
from timbre.evaluation.movement import axis_codes
from timbre.evaluation.notes import (
    FULL,
    QUICK,
    Effort,
    by_source,
    held_out,
    match,
    prepare_notes,
    sample,
)
from timbre.space import Space
from timbre.space.prior import Prior

PLAIN = "pghi+8"  # the inverter of all rows without a vocoder
Row = dict[str, Any]


def main() -> None:
    args = parse()
    effort = QUICK if args.quick else FULL
    library, first = timbre.scan(args.folder), timbre.load(args.spaces[0])
    embeddings = find_embeddings(args.embedding, first)
    rows: list[Row] = []
    axes: list[Row] = []
    for number, name in enumerate(args.spaces):
        table = Table(timbre.load(name), Path(name).name, library, embeddings, effort, args.seed)
        rows += table.rows([] if number else args.dims, bool(number))
        axes += axes_rows(table)
        finish(shown(rows), argparse.Namespace(json=None), "sets, so far")
        if args.json:
            write_json(args.json, [{"table": "sets"} | row for row in rows] + [{"table": "axes"} | row for row in axes])
    finish(axes, argparse.Namespace(json=None), "named axes and coordinates")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the notes that the spaces were trained on")
    parser.add_argument("spaces", nargs="+", metavar="SPACE")
    parser.add_argument("--dims", type=int, nargs="*", default=[16, 64], help="numbers of principal components")
    parser.add_argument("--embedding", nargs="+", default=list(NAMES), help="as `timbre evaluate` takes them")
    parser.add_argument("--seed", type=int, default=0)
    add_arguments(parser)
    return parser.parse_args()


class Table:
    """The rows of one space: its notes, in every embedding."""

    def __init__(
        self,
        space: Space,
        name: str,
        library: timbre.Library,
        embeddings: list[SoundEmbedding],
        effort: Effort,
        seed: int,
    ) -> None:
        self.space, self.name, self.embeddings, self.effort, self.seed = space, name, embeddings, effort, seed
        notes, splits = match(space.atlas, library), np.array(space.atlas.splits)
        train = [notes[row] for row in np.flatnonzero(splits == "train")]
        self.training = [train[row] for row in sample(np.arange(len(train)), effort.known, seed)]
        held = prepare_notes(space, [notes[row] for row in sample(held_out(space.atlas)[1], effort.held_out, seed)])
        self.held = held.take(by_source(held, train).get("own sources", np.arange(len(held))))
        self.points, self.count = self.held.points(space), min(effort.sets, len(self.held))
        self.spectra: list[np.ndarray] = []  # of the training notes
        self.kept: list[Note] = []
        recorded = embed(embeddings, self.recorded(), space.renderer.sample_rate)
        self.libraries = [sets.TrainingSounds(vectors, self.kept) for vectors in recorded]
        self.own = embed(embeddings, self.held.samples[: self.count], space.renderer.sample_rate)

    def recorded(self) -> Iterator[np.ndarray]:
        """The recordings of training notes; keeps their spectrograms."""
        for note in self.training:
            try:
                prepared = prepare(note.audio(), self.space.config)
            except AudioError:
                continue
            self.kept.append(note)
            self.spectra.append(examples([prepared], self.space.spectrogram, self.space.config)[0].spectrogram)
            yield prepared.samples

    def rows(self, dims: list[int], again: bool) -> list[Row]:
        """The rows of the space, and, if it is the first, those of recordings and principal components."""
        space, seed = self.space, self.seed
        rows = [] if again else [*self.row("recordings", None, None, None), *self.row(
            "resynthesis", PLAIN, self.inverted(self.held.spectrogram.numpy()[: self.count]), None)]  # fmt: skip
        for inverter in dict.fromkeys([space.inverter, PLAIN]):
            decoded = sets.decoded_sounds(space, self.held, self.points, self.count, inverter)
            drawn = sets.drawn_sounds(space, self.training, self.effort.sets, seed, inverter)
            rows += self.row(self.name, inverter, decoded, drawn, inverter == space.inverter)
        for dim in dims:
            pca = PCA(np.stack(self.spectra), self.held.spectrogram.numpy(), dim)
            held = pca.decode(pca.encode(self.held.spectrogram.numpy()[: self.count]))
            drawn_notes = pca.decode(Prior(pca.encode(np.stack(self.spectra))).draw(self.effort.sets, seed))
            rows += self.row(f"pca {dim}", PLAIN, self.inverted(held), self.inverted(drawn_notes))
        return rows

    def inverted(self, notes: np.ndarray) -> Iterator[np.ndarray]:
        """Sounds of spectrograms (n, bins, seen frames), of which the first two seconds have every frame."""
        renderer, length = self.space.renderer, round(SECONDS * self.space.renderer.sample_rate)
        for number, note in enumerate(notes):
            frames = torch.from_numpy(np.ascontiguousarray(note[:, : renderer.frames(SECONDS)], np.float32))
            yield renderer.invert(frames, None, length, number, PLAIN)

    def row(
        self, method: str, inverter: str | None, decoded: Iterable[np.ndarray] | None,
        drawn: Iterable[np.ndarray] | None, consistent: bool = False,
    ) -> list[Row]:  # fmt: skip
        """A row for each embedding; without sounds, that of the recordings."""
        rate, rows = self.space.renderer.sample_rate, []
        both = [None if some is None else embed(self.embeddings, some, rate) for some in (decoded, drawn)]
        grids = self.grids() if consistent else None
        for k, embedding in enumerate(self.embeddings):
            found: Row = {"method": method, "inverter": inverter or "", "embedding": embedding.name}
            found |= {"space": self.name, "n_held_out": self.count, "n_training": len(self.kept)}
            library, reference = self.libraries[k], self.libraries[k].reference
            if decoded is None:
                rest = library.vectors[len(reference) :][: self.effort.sets]
                found |= sets.compared("drawn", reference, rest, self.seed)
                found["consistency"] = sets.recorded_consistency(library, self.seed)
            if both[0] is not None:
                found |= sets.compared("decoded", self.own[k], both[0][k], self.seed)
            if both[1] is not None:
                found |= sets.compared("drawn", reference, both[1][k], self.seed)
                ratio, share = sets.copying(both[1][k], self.own[k], library.vectors)
                found |= {"nearest_ratio": ratio, "nearer_share": share}
            if grids is not None:
                found["consistency"] = sets.consistency(grids[k])
            rows.append(found)
        return rows

    def grids(self) -> list[np.ndarray]:
        """Points of held-out notes on all keys at five velocities."""
        pitched = np.flatnonzero(self.held.conditions.pitch.isfinite().numpy())[: self.effort.places]
        keys = sets.KEYS[:: self.effort.keys]
        return sets.places(self.space, self.points[pitched], keys, self.embeddings)


def axes_rows(table: Table) -> list[Row]:
    """DCI, SAP and MIG: of the named axes, of the space's coordinates and of principal components, for its axes."""
    space, held = table.space, table.held
    if not space.axes:
        return []
    codes, factors = axis_codes(space, held, table.points)
    has = np.isfinite(codes).all(1)
    components = PCA(np.stack(table.spectra), held.spectrogram.numpy(), min(space.dim, len(table.spectra) - 1))
    every = {
        "named axes": codes[has], "coordinates": table.points[has],
        f"pca {len(components.deviations)}": components.encode(held.spectrogram.numpy())[has],
    }  # fmt: skip
    return [code_row(table, name, code, factors[has]) for name, code in every.items()]


def code_row(table: Table, name: str, code: np.ndarray, factors: np.ndarray) -> Row:
    """The figures of one code."""
    found = {f"dci_{key}": round(value, 4) for key, value in dci(code, factors, table.seed)._asdict().items()}
    own = {"space": table.name, "code": name, "dim": code.shape[1], "n": len(code), "axes": factors.shape[1]}
    return own | found | {"sap": round(sap(code, factors), 4), "mig": round(mig(code, factors), 4)}


def shown(rows: list[Row]) -> list[Row]:
    """Without the ends of intervals, rounded."""
    return [
        {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()
         if not key.endswith(("_low", "_high")) and not key.startswith("n_")}
        for row in rows
    ]  # fmt: skip


if __name__ == "__main__":
    main()
