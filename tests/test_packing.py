"""Tensors of a run's state in fewer bytes: the same bits again, whatever they are, and refusals of changed ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timbre.errors import CheckpointError
from timbre.training.packing import pack, unpack
from timbre.training.resume import expected_fields

BITS = arrays(np.uint32, st.sampled_from([(1024,), (2, 700), (3, 5, 100)]), elements=st.integers(0, 2**32 - 1))


def floats(bits: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(bits.view(np.float32))


def size(values: Any) -> int:
    if isinstance(values, dict):
        return sum(size(value) for value in values.values())
    return values.nbytes if isinstance(values, torch.Tensor) else 0


@given(bits=BITS, flips=st.integers(0, 2**32 - 1))
def test_every_bit_comes_back_with_and_without_near_values(bits: np.ndarray, flips: int) -> None:
    for near in (None, {"a": {"b": floats(bits ^ np.uint32(flips))}}, {"a": {"b": torch.zeros(3)}}, {"a": 3}):
        packed = pack({"a": {"b": floats(bits), "n": 3}}, near)
        again = unpack(packed, near)
        assert again["a"]["b"].shape == bits.shape
        np.testing.assert_array_equal(again["a"]["b"].numpy().view(np.uint32), bits)
        assert again["a"]["n"] == 3


def test_weights_take_fewer_bytes_and_near_weights_still_fewer() -> None:
    random = torch.Generator().manual_seed(0)
    weights = 0.05 * torch.randn(200, 300, generator=random)
    average = weights * (1.0 + 1e-3 * torch.randn(200, 300, generator=random))
    alone, near, same = (size(pack(*pair)) for pair in ((average,), (average, weights), (weights, weights)))
    assert same < 0.01 * weights.nbytes
    assert near < 0.75 * weights.nbytes < alone < 0.9 * weights.nbytes


def test_what_is_small_or_of_another_type_stays() -> None:
    values = {"small": torch.ones(1023), "whole": torch.ones(2000, dtype=torch.int64), "text": "x", "list": [1.0]}
    assert all(pack(values)[name] is values[name] for name in values)


@pytest.mark.parametrize(
    "change", [
        {"packed": [1025]}, {"packed": [-1, -1024]}, {"packed": "x"}, {"packed": [10**9, 10**9]}, {"packed": [2, 2.0]},
        {"low": torch.zeros(3)}, {"low": None}, {"high": torch.zeros(2000)},
        {"low": torch.zeros(4, 1024, dtype=torch.uint8)}, {"low": torch.zeros(0, 1024, dtype=torch.uint8)},
        {"packed": [10**13], "low": torch.zeros(0, 10**13, dtype=torch.uint8)},
        {"high": torch.zeros(9, dtype=torch.uint8)}, {"high": None},
        {"high": torch.frombuffer(bytearray(pack(torch.ones(9999))["high"].numpy().tobytes()), dtype=torch.uint8)},
    ],
)  # fmt: skip
def test_what_was_changed_is_refused(change: dict[str, Any]) -> None:
    packed = pack(torch.ones(1024))
    with pytest.raises(CheckpointError, match="is damaged"), expected_fields(Path("run")):
        unpack(packed | change)
