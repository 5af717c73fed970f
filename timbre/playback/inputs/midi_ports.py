"""Lists and opens the MIDI inputs of this machine."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from timbre.errors import DeviceError

VIRTUAL = "virtual"
"""In place of a port's name: open an input that other programs connect to."""


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
            if (port := _matching(name, ports)) == VIRTUAL:
                return backend.open_input("midi", client_name="timbre", callback=callback), "timbre:midi"
            return backend.open_input(port, callback=callback), port
    except (OSError, NotImplementedError) as error:
        raise DeviceError(f"The MIDI input {name or ports[0]} does not open: {str(error).rstrip('.')}.") from error


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
        raise DeviceError("MIDI needs the package python-rtmidi: pip install 'timbre[play]'.") from error
    names = {getattr(rtmidi, name): name.removeprefix("API_") for name in dir(rtmidi) if name.startswith("API_")}
    return [f"mido.backends.rtmidi/{names[api]}" for api in rtmidi.get_compiled_api()]


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
