"""The atlas: where the known sounds of a space lie."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as safetensors_bytes

from timbre.errors import ConfigError

_TEXTS = ("names", "instruments", "families", "files", "splits")


@dataclass(frozen=True, eq=False)
class Atlas(Mapping[str, np.ndarray]):
    """Points of a library's notes by name: ``atlas["oboe-A4-mf"]`` is a point (dim,).

    Attributes:
        points: (notes, dim), float32.
        pitches: MIDI, float32 (notes,); NaN where unpitched.
        velocities: 0..1, float32 (notes,); NaN where unknown.
        names, instruments, families, files: a text per note; files are relative to the library's folder.
        splits: "train", "valid" or "test" per note.
    """

    points: np.ndarray
    pitches: np.ndarray
    velocities: np.ndarray
    names: tuple[str, ...]
    instruments: tuple[str, ...]
    families: tuple[str, ...]
    files: tuple[str, ...]
    splits: tuple[str, ...]

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array(self.points[self.index(name)])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The number of the note of that name.

        Raises:
            ConfigError: if there is none; it names the closest ones.
        """
        try:
            return self.names.index(name)
        except ValueError:
            close = difflib.get_close_matches(name, self.names, n=3) or list(self.names[:3])
            raise ConfigError(f"The atlas has no note {name!r}; close to it: {', '.join(close)}.") from None

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def to_files(self) -> dict[str, bytes]:
        """The atlas as files: atlas.json with the texts, atlas.safetensors with the numbers."""
        texts = json.dumps({field: list(getattr(self, field)) for field in _TEXTS}, indent=0).encode()
        numbers = {"points": self.points, "pitches": self.pitches, "velocities": self.velocities}
        return {
            "atlas.json": texts,
            "atlas.safetensors": safetensors_bytes({k: np.ascontiguousarray(v) for k, v in numbers.items()}),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Atlas":
        """Read back what :meth:`to_files` made."""
        texts = {field: tuple(values) for field, values in json.loads(files["atlas.json"]).items()}
        numbers = parse_safetensors(files["atlas.safetensors"])
        return cls(numbers["points"], numbers["pitches"], numbers["velocities"], **texts)

    @classmethod
    def empty(cls, dim: int) -> "Atlas":
        """An atlas without notes."""
        none = np.zeros(0, np.float32)
        return cls(np.zeros((0, dim), np.float32), none, none, (), (), (), (), ())


def tensor(points: np.ndarray) -> torch.Tensor:
    """Points as a float32 tensor."""
    return torch.from_numpy(np.array(points, dtype=np.float32))
