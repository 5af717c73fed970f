"""Tensors in fewer bytes, without loss: a run's state is five copies of the weights' size."""

import math
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LEAST = 1024  # values: smaller tensors stay as they are
_PACKED = "packed"


def pack(values: Any, near: Any = None) -> Any:
    """The same dictionaries with large float32 tensors packed; `near` has tensors of the same names and like values.

    The bytes of a float32 that hold its sign and exponent are compressed. From near values only the differing bits are
    kept, of which the higher half is compressed.
    """
    if isinstance(values, dict):
        return {name: pack(value, near.get(name) if isinstance(near, dict) else None) for name, value in values.items()}
    if not isinstance(values, Tensor) or values.dtype != torch.float32 or values.numel() < _LEAST:
        return values
    words, kept = _words(values), 3
    if isinstance(near, Tensor) and near.shape == values.shape:
        words = words ^ _words(near)
        kept = 2 if words.any() else 0  # the same values, such as those of buffers, are zeros
    planes = np.ascontiguousarray(words.astype("<u4", copy=False).view(np.uint8).reshape(-1, 4).T)
    squeeze = zlib.compressobj(1, strategy=zlib.Z_RLE)
    high = squeeze.compress(planes[kept:].tobytes()) + squeeze.flush()
    low, packed = torch.from_numpy(planes[:kept]), torch.frombuffer(bytearray(high), dtype=torch.uint8)
    return {_PACKED: list(values.shape), "low": low, "high": packed}


def unpack(values: Any, near: Any = None) -> Any:
    """What :func:`pack` packed, on the CPU; a ValueError if it was changed. `near` is as then."""
    if not isinstance(values, dict):
        return values
    if _PACKED not in values:
        names = near if isinstance(near, dict) else {}
        return {name: unpack(value, names.get(name)) for name, value in values.items()}
    shape, low, high = values[_PACKED], values["low"].numpy(), values["high"].numpy().tobytes()
    if not all(type(size) is int and size >= 0 for size in shape) or low.shape[1:] != (math.prod(shape),):
        raise ValueError(f"a packed tensor must have as many bytes as its shape {shape} needs, got {low.shape}")
    if len(low) < 3 and list(near.shape) != shape:
        raise ValueError(f"a packed tensor must have the shape of the near one, {list(near.shape)}, got {shape}")
    count = (4 - len(low)) * low.shape[1]
    planes = np.frombuffer(zlib.decompressobj().decompress(high, count + 1), np.uint8)
    words = np.concatenate([low, planes.reshape(4 - len(low), -1)]).T
    words = np.ascontiguousarray(words).view("<u4").astype(np.uint32, copy=False).ravel()
    if len(low) < 3:
        words = words ^ _words(near)
    return torch.from_numpy(words.view(np.float32).reshape(shape))


def _words(values: Tensor) -> np.ndarray:
    """The bits of float32 values, (values,)."""
    return values.detach().cpu().contiguous().numpy().view(np.uint32).ravel()
