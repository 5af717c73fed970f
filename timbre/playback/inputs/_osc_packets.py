"""Splits OSC packets into messages, with bounded time and memory for any content.

python-osc parses the messages. Bundles are taken apart here: in python-osc an element of negative size causes an
endless loop, and deep nesting overflows the stack.
"""

import struct
from typing import Any, NamedTuple

from timbre.errors import ConfigError

MAX_BYTES = 8192
_BUNDLE, _HEAD = b"#bundle\0", 16
_TYPES = frozenset("ifdhsTFN")  # of arguments: numbers, texts, true, false, nil


class NotOSC(ConfigError):
    """The packet is no OSC, so its sender expects no answer."""


class Message(NamedTuple):
    """An OSC message."""

    time: float  # when it is due, s of the system's clock; 0 is at once
    address: str
    values: list[Any]  # numbers, texts, True, False or None


def messages(packet: bytes) -> list[Message]:
    """The messages of a packet, in order.

    Raises:
        NotOSC: the packet is damaged, no OSC, or longer than 8192 bytes.
        ConfigError: an argument is neither a number nor a text.
    """
    if len(packet) > MAX_BYTES:
        raise NotOSC(f"An OSC packet must have at most {MAX_BYTES} bytes, got {len(packet)}.")
    parsed, waiting = [], [(0.0, packet)]
    while waiting:
        time, part = waiting.pop()
        if part.startswith(_BUNDLE):
            waiting += reversed(_elements(part))
        else:
            parsed.append(_message(time, part))
    return parsed


def _elements(bundle: bytes) -> list[tuple[float, bytes]]:
    from pythonosc.parsing import osc_types

    if len(bundle) < _HEAD:
        raise NotOSC(f"An OSC bundle must have at least {_HEAD} bytes, got {len(bundle)}.")
    time = float(osc_types.get_date(bundle, len(_BUNDLE))[0])
    parts, start = [], _HEAD
    while start < len(bundle):
        size = int.from_bytes(bundle[start : start + 4], "big", signed=True)
        start += 4
        if not 0 < size <= len(bundle) - start:
            raise ConfigError(f"A part of an OSC bundle must have 1 to {len(bundle) - start} bytes here, got {size}.")
        parts.append((time, bundle[start : start + size]))
        start += size
    return parts


def _message(time: float, part: bytes) -> Message:
    from pythonosc import osc_message
    from pythonosc.parsing import osc_types

    try:
        address, start = osc_types.get_string(part, 0)
        tags = osc_types.get_string(part, start)[0] if start < len(part) else ","
        if not (address.startswith("/") and tags.startswith(",")):
            raise NotOSC("An OSC message must have an address that starts with / and types that start with a comma.")
        if unsupported := set(tags[1:]) - _TYPES:
            raise ConfigError(f"{address[:60]} has arguments of type {min(unsupported)!r}; send numbers and texts.")
        return Message(time, address, osc_message.OscMessage(part).params)
    except (osc_types.ParseError, osc_message.ParseError, UnicodeDecodeError, struct.error) as error:
        raise NotOSC("An OSC message must be complete and in UTF-8, got a damaged one.") from error
