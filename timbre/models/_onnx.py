"""Checks of ONNX files before a library opens them: what they may contain, and which weights they ask for."""

from collections.abc import Iterator, Mapping

import numpy as np

_Fields = Iterator[tuple[int, int | bytes]]

# Numbers of the fields (onnx.proto3) that a graph may have; others, such as functions and subgraphs, are refused.
_MODEL, _GRAPH = {1, 2, 3, 4, 5, 6, 7, 8, 14}, {1, 2, 5, 10, 11, 12, 13, 16}
_NODE, _ATTRIBUTE = {1, 2, 3, 4, 5, 6, 7, 9}, {1, 2, 3, 4, 5, 7, 8, 9, 13, 20}
_EXTERNAL = 1  # location of the values of a tensor
_TYPES = {1: np.float32, 7: np.int64, 9: np.bool_}


def weights_of(content: bytes, weights: Mapping[str, np.ndarray]) -> list[str]:
    """The names of the weights that the ONNX file `content` takes from outside, all of which are in `weights`.

    Raises:
        ValueError: if it is not an ONNX file with one graph of standard operators, takes other values from outside, or
            has weights of another shape or type.
    """
    model = list(_fields(content, _MODEL))
    graphs = [_bytes(value) for number, value in model if number == 7]
    domains = [dict(_fields(_bytes(value))).get(1, b"") for number, value in model if number == 8]
    if len(graphs) != 1 or any(domains):
        raise ValueError("it must have one graph of standard operators")
    names = []
    for number, value in _fields(graphs[0], _GRAPH):
        if number == 1:
            _check_node(_bytes(value))
        elif number == 5 and (name := _external(_bytes(value), weights)):
            names.append(name)
    return names


def _check_node(content: bytes) -> None:
    for number, value in _fields(content, _NODE):
        if number == 7 and value:
            raise ValueError("it must have standard operators")
        if number == 5:
            for inner, tensor in _fields(_bytes(value), _ATTRIBUTE):
                if inner == 5:
                    _external(_bytes(tensor), {})


def _external(content: bytes, weights: Mapping[str, np.ndarray]) -> str:
    """The name of a tensor whose values are outside, which must be a weight; empty for other tensors."""
    name, kind, shape, outside = "", 0, [], False
    for number, value in _fields(content):
        if number == 1:
            shape += [value] if isinstance(value, int) else list(_packed(value))
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _bytes(value).decode()
        outside |= number == 13 or (number == 14 and value == _EXTERNAL)
    if not outside:
        return ""
    expected = weights.get(name)
    if expected is None or expected.shape != tuple(shape) or expected.dtype != _TYPES.get(kind):
        raise ValueError("its weights must be those of the model")
    return name


def _fields(content: bytes, known: set[int] | None = None) -> _Fields:
    """The fields of a protobuf message: their numbers, and whole numbers or bytes."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if known is not None and number not in known:
            raise ValueError(f"it must not have the field {number}")
        if wire == 0:
            value, at = _varint(content, at)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(wire)
        if wire == 2:
            size, at = _varint(content, at)
        if size is None or at + size > len(content):
            raise ValueError("it is damaged")
        yield number, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        value |= (content[at] & 127) << shift
        at += 1
        if content[at - 1] < 128:
            return value, at
    raise ValueError("it is damaged")


def _packed(content: bytes) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("it is damaged")
    return value
