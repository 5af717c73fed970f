"""Lists and opens the MIDI inputs of this machine."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from timbre.errors import DeviceError
from timbre.wording import needs

VIRTUAL = "virtual"
"""In place of a port's name: open an input that other programs connect to."""
_RTMIDI = "mido.backends.rtmidi"
_PERIOD = 0.001  # seconds between two looks for messages
_WAITING = 8192  # messages that may wait until the next look


def list_ports() -> list[str]:
    """Names of the MIDI inputs; a DeviceError if this machine has no MIDI, or python-rtmidi is missing."""
    return _backend()[1]


def find_port(name: str | None) -> str:
    """The full name of a MIDI input; a DeviceError if there is no such input, or there are several.

    Args:
        name: a part of its name, or its number in :func:`list_ports`; None is the first one except ALSA's "Midi
            Through". "virtual" is returned as it is.
    """
    return _matching(name, list_ports())


def open_port(name: str | None, callback: Callable[[Any], None]) -> tuple[Any, str]:
    """An open MIDI input, found as by :func:`find_port`, and its full name.

    `callback` is called with each `mido.Message`. A DeviceError if there is no such input, or it does not open.
    """
    backend, ports = _backend()
    try:
        with _quiet():
            port = _matching(name, ports)
            if backend.name == _RTMIDI:
                return _RtMidiInput(backend.api, port, callback), "timbre:midi" if port == VIRTUAL else port
            virtual = {"name": "midi", "client_name": "timbre"}
            return backend.open_input(**virtual if port == VIRTUAL else {"name": port}, callback=callback), port
    except (OSError, RuntimeError, ValueError) as error:
        raise DeviceError(f"The MIDI input {name or ports[0]} does not open: {str(error).rstrip('.')}.") from error


class _RtMidiInput:
    """An open input of RtMidi; a thread looks for its messages.

    RtMidi could call back, but JACK cancels the thread that does so when the port closes. If that thread then waits for
    Python's lock, it takes the lock along, and the interpreter stands still for ever.
    """

    def __init__(self, api: str | None, port: str, callback: Callable[[Any], None]) -> None:
        import rtmidi

        self._rtmidi = rtmidi.MidiIn(getattr(rtmidi, f"API_{api or 'UNSPECIFIED'}"), "timbre", _WAITING)
        if port == VIRTUAL:
            self._rtmidi.open_virtual_port("midi")
        else:
            self._rtmidi.open_port(self._rtmidi.get_ports().index(port))
        self._callback, self._closing = callback, threading.Event()
        self._thread = threading.Thread(target=self._look, name="midi", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._rtmidi.close_port()
        self._rtmidi.delete()

    def _look(self) -> None:
        from mido import Message

        while not self._closing.wait(_PERIOD):
            while (received := self._rtmidi.get_message()) is not None:
                with contextlib.suppress(ValueError):  # not a message
                    self._callback(Message.from_bytes(received[0]))


def _backend() -> tuple[Any, list[str]]:
    """The first MIDI system that answers, and the names of its inputs.

    On Linux this is ALSA's sequencer, or JACK where ALSA is missing, as in containers. Mido's environment variable
    MIDO_BACKEND overrides it.
    """
    import mido

    failures = []
    for name in _backend_names():
        backend = mido.Backend(name)
        try:
            with _quiet():
                return backend, list(dict.fromkeys(backend.get_input_names()))
        except (OSError, ValueError, ImportError) as error:
            failures.append(f"{name.rpartition('/')[2]}: {str(error).rpartition(': ')[2].rstrip('.?')}")
    raise DeviceError(
        f"There is no MIDI on this machine ({'; '.join(failures)}); load ALSA's sequencer (modprobe snd-seq) or start"
        " JACK."
    )


def _backend_names() -> list[str]:
    if chosen := os.environ.get("MIDO_BACKEND"):
        return [chosen]
    try:
        import rtmidi
    except ImportError as error:
        raise DeviceError(needs("MIDI", "python-rtmidi")) from error
    names = {getattr(rtmidi, name): name.removeprefix("API_") for name in dir(rtmidi) if name.startswith("API_")}
    return [f"{_RTMIDI}/{names[api]}" for api in rtmidi.get_compiled_api()]


def _matching(name: str | None, ports: list[str]) -> str:
    if name is None:
        if usable := [port for port in ports if "Midi Through" not in port]:
            return usable[0]
        raise DeviceError(f'There is no MIDI input to play; connect one, or open a virtual one: "{VIRTUAL}".')
    if name == VIRTUAL:
        return name
    if name.isdecimal() and int(name) < len(ports):
        return ports[int(name)]
    matches = [port for port in ports if port == name] or [port for port in ports if name.lower() in port.lower()]
    if len(matches) != 1:
        available = f"there are {', '.join(ports)}" if ports else "there are none; connect one"
        number = len(matches) or "No"
        raise DeviceError(f'{number} MIDI inputs are called {name!r}; {available}, or open "{VIRTUAL}".')
    return matches[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides what ALSA and JACK write to the terminal when they are missing."""
    sys.stderr.flush()
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
