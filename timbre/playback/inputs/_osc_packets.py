"""From OSC packets to messages; whatever a packet holds, it takes little time and memory.

python-osc reads the messages. Bundles are taken apart here: an element of negative size would keep python-osc at it for
ever, and deep ones would reach the end of the stack.
"""

import struct
from typing import Any, NamedTuple

from timbre.errors import ConfigError

MOST_BYTES = 8192
_BUNDLE, _HEAD = b"#bundle\0", 16
_PLAIN = frozenset("ifdhsTFN")  # argument types: numbers, texts, yes, no, nothing


class NotOSC(ConfigError):
    """What came is no OSC, so nobody waits for an answer."""


class Message(NamedTuple):
    """One message.

    Attributes:
        time: when it is due, s of the system's clock; 0 is at once.
        address: such as "/note".
        values: its arguments: numbers, texts, True, False or None.
    """

    time: float
    address: str
    values: list[Any]


def messages(packet: bytes) -> list[Message]:
    """The messages of a packet, in their order.

    Raises:
        NotOSC: it is damaged, something else, or longer than 8192 bytes.
        ConfigError: a message has arguments that are neither numbers nor texts.
    """
    if len(packet) > MOST_BYTES:
        raise NotOSC(f"An OSC packet has {len(packet)} bytes; {MOST_BYTES} at most are wanted.")
    found, waiting = [], [(0.0, packet)]
    while waiting:
        time, part = waiting.pop()
        if part.startswith(_BUNDLE):
            waiting += reversed(_elements(part))
        else:
            found.append(_message(time, part))
    return found


def _elements(bundle: bytes) -> list[tuple[float, bytes]]:
    from pythonosc.parsing import osc_types

    if len(bundle) < _HEAD:
        raise NotOSC("An OSC bundle ends before its time; send it whole.")
    time = float(osc_types.get_date(bundle, len(_BUNDLE))[0])
    parts, place = [], _HEAD
    while place < len(bundle):
        size = int.from_bytes(bundle[place : place + 4], "big", signed=True)
        place += 4
        if not 0 < size <= len(bundle) - place:
            raise ConfigError(
                f"An element of an OSC bundle has {size} bytes, and the bundle {len(bundle) - place} more."
            )
        parts.append((time, bundle[place : place + size]))
        place += size
    return parts


def _message(time: float, part: bytes) -> Message:
    from pythonosc import osc_message
    from pythonosc.parsing import osc_types

    try:
        address, place = osc_types.get_string(part, 0)
        tags = osc_types.get_string(part, place)[0] if place < len(part) else ","
        if not (address.startswith("/") and tags.startswith(",")):
            raise NotOSC("What came is no OSC message; an address with / and arguments after a comma are wanted.")
        if strange := set(tags[1:]) - _PLAIN:
            raise ConfigError(f"{address[:60]} has arguments of type {min(strange)!r}; send numbers and texts.")
        return Message(time, address, osc_message.OscMessage(part).params)
    except (osc_types.ParseError, osc_message.ParseError, UnicodeDecodeError, struct.error) as error:
        raise NotOSC("What came is no OSC message; it ends too early, or is not in UTF-8.") from error
