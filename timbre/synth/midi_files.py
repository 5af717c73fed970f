"""Reads standard MIDI files: from bytes to channel messages with their times.

Files of every kind of program and age are read, so nothing ends the reading that does not matter here: events of no
use are passed over, and a track that breaks off ends there. (mido refuses a file for one wrong key signature.)
"""

import struct
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from timbre.config.settings import require
from timbre.errors import ConfigError

MAX_BYTES = 16 << 20
_HEAD, _TRACK = b"MThd", b"MTrk"
_META, _END, _TEMPO = 0xFF, 0x2F, 0x51
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages, which do not belong into files
_USED = (0x80, 0x90, 0xA0, 0xB0, 0xD0, 0xE0)  # notes, pressures, controllers, bends
_FRAME_RATES = {24: 24.0, 25: 25.0, 29: 30000.0 / 1001.0, 30: 30.0}

_Event = tuple[int, int, int, int]
"""Tick, status, and two data bytes; or tick, _META, and a tempo in microseconds for a quarter note."""


class MidiSequence(NamedTuple):
    """Notes, pressures, controllers and bends of a piece in the order of time."""

    messages: list[tuple[float, int, int, int]]  # time (s), status, and two data bytes
    length: float  # s


def read_sequences(content: bytes) -> list[MidiSequence]:
    """The pieces in a file: one, or as many as it has tracks for a file of type 2.

    Cost is linear in the number of events, and does not depend on how long they say that the piece is.

    Raises:
        ConfigError: it is no MIDI file, its division is not one of the standard, or it has no track.
    """
    require(len(content) <= MAX_BYTES, f"A MIDI file must have at most {MAX_BYTES >> 20} MiB, got a larger one.")
    start = content.find(_HEAD)  # 0, but for files within RIFF or with a header of old systems
    require(0 <= start <= len(content) - 14, "It must be a standard MIDI file with a header MThd, got none.")
    size, kind, _, division = struct.unpack(">IHHh", content[start + 4 : start + 14])
    require(kind <= 2, f"The type of a MIDI file must be 0, 1 or 2, got {kind}.")
    second, quarter = _ticks(division)
    tracks = list(_tracks(content, start + 8 + (size if 6 <= size < len(content) else 6)))
    require(bool(tracks), "A MIDI file must have a track, got none.")
    if kind < 2:
        events = sorted((event for events, _ in tracks for event in events), key=itemgetter(0))
        tracks = [(events, max(end for _, end in tracks))]
    return [_timed(events, end, second, quarter) for events, end in tracks]


def _ticks(division: int) -> tuple[float, int]:
    """Ticks per second of a SMPTE division, or 0; and ticks per quarter note of the other kind, or 0."""
    if division > 0:
        return 0.0, division
    rate, ticks = _FRAME_RATES.get(-(division >> 8), 0.0), division & 0xFF
    if division == 0 or not rate * ticks:
        wanted = "1 to 32767 ticks per quarter note, or 24, 25, 29 or 30 frames per second of 1 to 255 ticks"
        raise ConfigError(f"The division of a MIDI file must be {wanted}, got {division}.")
    return rate * ticks, 0


def _tracks(content: bytes, position: int) -> Iterator[tuple[list[_Event], int]]:
    """Events and last tick of each track; other chunks, and what follows the last chunk, are passed over."""
    while position + 8 <= len(content):
        name, size = content[position : position + 4], int.from_bytes(content[position + 4 : position + 8], "big")
        position += 8
        end = min(position + size, len(content))
        if name == _TRACK:
            events, last, read = _track(content[position:end])
            yield events, last
            if position + size > len(content):  # the size is wrong, or the file breaks off
                end = position + read
        position = end


def _track(data: bytes) -> tuple[list[_Event], int, int]:
    """The useful events of a track, the tick of its last event, and the number of bytes up to its end."""
    events: list[_Event] = []
    tick = last = position = running = 0
    try:
        while position < len(data):
            delta, position = _number(data, position)
            tick += delta
            status = data[position]
            if status >= 0x80:
                position += 1
            else:
                status = running
            if status == _META:
                kind = data[position]
                size, position = _number(data, position + 1)
                if kind == _TEMPO and size == 3 and (tempo := int.from_bytes(data[position : position + 3], "big")):
                    events.append((tick, _META, tempo, 0))
                position += size
            elif 0x80 <= status < 0xF0:
                running, kind = status, status & 0xF0
                count = 1 if kind in (0xC0, 0xD0) else 2
                first, second = data[position], data[position + count - 1]
                if kind in _USED:
                    events.append((tick, status, min(first, 127), min(second, 127)))
                position += count
            elif status in (0xF0, 0xF7):
                size, position = _number(data, position)
                position += size
            else:  # a system message, or a data byte without a status
                position += _SYSTEM_DATA.get(status, 0) if status else 1
            last = tick
            if status == _META and kind == _END:
                break
    except IndexError:  # the track breaks off
        position = len(data)
    return events, last, min(position, len(data))


def _number(data: bytes, start: int) -> tuple[int, int]:
    """A number of variable length, of at most four bytes, and the position after it."""
    value = 0
    for position in range(start, start + 4):
        byte = data[position]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, position + 1


def _timed(events: list[_Event], end: int, second: float, quarter: int) -> MidiSequence:
    """Messages with times in seconds; tempo counts for ticks per quarter note only."""
    messages, base, start = [], 0.0, 0
    tick_time = 1.0 / second if second else 0.5 / quarter
    for tick, status, first, last in events:
        now = base + (tick - start) * tick_time
        if status != _META:
            messages.append((now, status, first, last))
        elif quarter:
            base, start, tick_time = now, tick, first * 1e-6 / quarter
    return MidiSequence(messages, base + (end - start) * tick_time)
