"""The identity of a space: what presets, path files and addresses of the page say about where their points belong."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from timbre.errors import ConfigError
from timbre.files import read_bytes, shown
from timbre.space.names import local_spaces
from timbre.wording import counted

_KEYS = {"name", "dim", "sample_rate", "digest"}
_DIGEST = re.compile("[0-9a-f]{12}")
_LETTERS, _MOST = 100, 1_000_000_000
_DECODING = ("decoder.", "pitch_flow.", "whitening.")  # the parts of a model that give a point its sound

_LIMITS = "decoder.limits"  # folders written before they existed have the same points


@dataclass(frozen=True)
class Identity:
    """Which space points belong to.

    Attributes:
        dim: dimensions.
        sample_rate: Hz; 0 is unknown.
        name: of its folder when it was loaded; "" is unknown. Folders may be renamed.
        digest: of the weights that decode, in half precision, as full and half precision sound alike; "" is unknown,
            as in files of timbre 0.1, which are recognised by their dimensions.
    """

    dim: int
    sample_rate: int = 0
    name: str = ""
    digest: str = ""

    def __str__(self) -> str:
        rate = f"{self.sample_rate:,} Hz, " if self.sample_rate else ""
        return f"{self.name or 'a space'} ({rate}{counted(self.dim, 'dimension')})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for :func:`read_identity`."""
        return asdict(self)

    def is_of(self, space: "Identity") -> bool:
        """Whether points of this identity have their sounds in a space; by the dimensions alone if more is unknown."""
        return self.dim == space.dim and self.digest in ("", space.digest)

    def mismatch(self, what: str, space: "Identity") -> str:
        """A sentence about something, such as the name of a file, that was made with another space."""
        if str(self) == str(space):
            return f"{what} was made with {self} as it was before it was trained again; make it again with this one."
        names = [name for name, folder in local_spaces().items() if self.is_like(folder)]
        return f"{what} was made with {self}, and this is {space}; load it with {' or '.join(names) or 'that space'}."

    def is_like(self, folder: Path) -> bool:
        """Whether the space in a folder has these dimensions, and this sample rate if it is known."""
        try:
            config = json.loads(read_bytes(folder / "config.json"))["config"]
            found = config["model"]["dim"], config["spectrogram"]["sample_rate"]
        except (ConfigError, ValueError, KeyError, TypeError, RecursionError):
            return False
        return bool(found == (self.dim, self.sample_rate or found[1]))


def digest_of(model: nn.Module) -> str:
    """The digest of what decodes in a model, see :class:`Identity`."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(_DECODING) and name != _LIMITS:
            half = value.half() if value.is_floating_point() else value
            digest.update(name.encode() + half.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def read_identity(values: Any, dim: int, file: object) -> Identity:
    """The identity in a file whose points have `dim` dimensions; one of the dimensions alone if `values` is None.

    Raises:
        ConfigError: if it has other keys or values.
    """
    if values is None:
        return Identity(dim)
    valid = isinstance(values, dict) and set(values) == _KEYS
    if valid:
        name, digest = values["name"], values["digest"]
        valid = isinstance(name, str) and len(name) <= _LETTERS and name.isprintable() and isinstance(digest, str)
        valid = valid and bool(_DIGEST.fullmatch(digest)) and values["dim"] == dim
        valid = valid and type(values["sample_rate"]) is int and 0 < values["sample_rate"] <= _MOST
    if not valid:
        raise ConfigError(f"{file} must name its space by {', '.join(sorted(_KEYS))}, got {shown(values)}.")
    return Identity(**values)
