"""Files of networks from elsewhere, in which sounds are compared."""

import io
import warnings
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import torch

from fuzz import _mutations as mutations
from fuzz._target import target
from fuzz._tiny import RATE, tiny_space, tone
from timbre.evaluation.embeddings import embed, find_embedding


class _Moments(torch.nn.Module):
    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return torch.stack([sound.mean(1), sound.abs().amax(1)], 1)


@cache
def _files() -> tuple[bytes, ...]:
    """An ONNX and a TorchScript file, as people would make them."""
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(*row) for row in (("x", TensorProto.FLOAT, [1, "n"]), ("y", 1, [1, 1]))]
    nodes = [helper.make_node("ReduceMax", ["x"], ["y"], axes=[1], keepdims=1)]
    graph = helper.make_graph(nodes, "largest", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"sample_rate": "16000"})
    script = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.script(_Moments()), script)
    return model.SerializeToString(), script.getvalue()


def _damaged(random: Random) -> bytes:
    own = _files()
    return mutations.some_bytes(random, random.choice(own), own)


@target(
    "embedding", _damaged, "timbre.evaluation.embeddings:find_embedding", "timbre.evaluation.embeddings:embed",
    prepare=_files,
)  # fmt: skip
def _embedding(data: bytes, place: Path) -> None:
    file = place / ("a.ts" if data[:2] == b"PK" else "a.onnx")
    file.write_bytes(data)
    embedding = find_embedding(f"{file}@{RATE}", tiny_space())
    (found,) = embed([embedding], [tone(60.0), np.zeros(9)], RATE)
    assert np.isfinite(found).all()
    assert len(found) == 2
