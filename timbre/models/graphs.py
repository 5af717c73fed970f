"""Graphs of modules in ONNX, for onnxruntime: exported without weights, checked, and run with the module's weights.

A graph depends on a model's settings and not on its weights, which onnxruntime gets from the loaded module by name. So
it is a file of 60 kB, and one from elsewhere is run only if it computes what the module computes.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from timbre.errors import CheckpointError, ConfigError
from timbre.models._onnx import weights_of
from timbre.wording import needs

MOST = 1 << 20  # bytes of a graph
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4  # largest differences; the second is relative to the largest value
_SMALL = 64  # bytes of a tensor that is computed while exporting
_NOISY = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")

Run = Callable[..., list[np.ndarray]]
"""From arrays in the order of the graph's inputs to its outputs."""


def onnxruntime() -> ModuleType | None:
    """The module onnxruntime, if it is installed. Its telemetry, which version 1.32 has, is off unless the user's own
    environment says otherwise."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at the import; child processes inherit it
    try:
        import onnxruntime
    except ImportError:
        return None
    return onnxruntime


def can_export() -> bool:
    """Whether onnxscript, which an export needs, is installed."""
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        return False
    return True


def export_graph(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> bytes:
    """The graph of a module in eval mode as an ONNX file without weights; takes about 15 s.

    Args:
        module: takes tensors of `inputs`, and returns a tuple of tensors; rows are independent.
        inputs: examples by name, in the order of the module's arguments, (rows, ...).
        outputs: names.

    Raises:
        ConfigError: if onnxscript is not installed.
    """
    if not can_export():
        raise ConfigError(needs("An ONNX file", "onnxscript"))
    import onnx_ir
    import onnxscript

    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module, tuple(inputs.values()), dynamo=True, verbose=False, input_names=list(inputs), optimize=False,
            output_names=list(outputs), dynamic_shapes=[{0: torch.export.Dim.DYNAMIC}] * len(inputs),
        )  # fmt: skip
        assert program is not None  # it is None only when writing to a file
        graph, weights = program.model.graph, _weights(module)
        outside: list[tuple[Any, Any]] = []
        for name in weights.keys() & graph.initializers.keys():
            value: Any = graph.initializers[name]
            kind, shape = value.const_value.dtype, value.const_value.shape
            outside.append((value, onnx_ir.ExternalTensor("weights", None, None, kind, shape=shape, name=name)))
            value.const_value = None  # so that nothing is computed from it beforehand
        onnxscript.optimizer.optimize(program.model, input_size_limit=_SMALL, output_size_limit=_SMALL)
        for value, tensor in outside:
            value.const_value = tensor
        for part in (program.model, graph, *graph, *graph.inputs, *graph.outputs, *graph.initializers.values()):
            part.metadata_props.clear()
        return bytes(onnx_ir.to_proto(program.model).SerializeToString())


def export_whole(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], details: Mapping[str, str]
) -> bytes:
    """A module as an ONNX file with its weights and details (metadata), for other programs; see :func:`export_graph`.

    The first dimension of all inputs and outputs is called "voices".
    """
    import onnx_ir

    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module, tuple(inputs.values()), dynamo=True, verbose=False, input_names=list(inputs),
            output_names=list(outputs), dynamic_shapes=[{0: torch.export.Dim.DYNAMIC}] * len(inputs),
        )  # fmt: skip
        assert program is not None
        graph = program.model.graph
        for part in (program.model, graph, *graph, *graph.inputs, *graph.outputs, *graph.initializers.values()):
            part.metadata_props.clear()
        for value in (*graph.inputs, *graph.outputs):
            if value.shape is not None:
                value.shape = onnx_ir.Shape(["voices", *list(value.shape)[1:]])
        program.model.metadata_props.update(details)
        return bytes(onnx_ir.to_proto(program.model).SerializeToString())


def open_graph(content: bytes, module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> Run:
    """A function that runs a graph with a module's weights on one thread of the CPU, by onnxruntime.

    Args:
        content: an ONNX file, which may come from elsewhere.
        module, inputs, outputs: those of :func:`export_graph`. The graph must compute from `inputs` what the module
            computes, to 1 in 1,000.

    Raises:
        CheckpointError: if it is too large, no graph of this module, or needs another file.
    """
    try:
        if len(content) > MOST:
            raise ValueError(f"it must have {MOST >> 20} MiB or less")
        session = _session(content, _weights(module))
        names = [[value.name for value in values] for values in (session.get_inputs(), session.get_outputs())]
        if names != [list(inputs), list(outputs)]:
            raise ValueError(f"it must have the inputs {', '.join(inputs)}")

        def run(*values: np.ndarray) -> list[np.ndarray]:
            return list(session.run(None, dict(zip(inputs, values, strict=True))))

        _compare(run(*(value.numpy() for value in inputs.values())), module, inputs)
    except Exception as error:  # onnxruntime's have no class in common
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"The graph is not that of the model: {reason}; export it again.") from error
    return run


def _session(content: bytes, weights: Mapping[str, np.ndarray]) -> Any:
    runtime = onnxruntime()
    assert runtime is not None
    names = weights_of(content, weights)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    given = [runtime.OrtValue.ortvalue_from_numpy(weights[name]) for name in names]
    options.add_external_initializers(names, given)
    return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)


def _compare(found: list[np.ndarray], module: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    with torch.inference_mode():
        expected = [value.numpy() for value in module(*inputs.values())]
    for one, other in zip(found, expected, strict=True):
        nearly = one.shape == other.shape and np.allclose(
            one, other, _RELATIVE, _ABSOLUTE * np.abs(other).max(initial=0.0), equal_nan=True
        )
        if not nearly:
            raise ValueError("its values must be those of the model")


def _weights(module: nn.Module) -> dict[str, np.ndarray]:
    """Parameters and buffers by name; those that two parts share have both names."""
    own = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return {name: value.detach().contiguous().numpy() for name, value in own}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
