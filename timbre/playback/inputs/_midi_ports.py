"""MIDI inputs of the machine: which there are, and opening one."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from timbre.errors import DeviceError

if TYPE_CHECKING:
    import mido

VIRTUAL = "virtual"
"""Instead of a port's name: open one of our own, which others connect to."""


def list_ports() -> list[str]:
    """Names of the MIDI inputs there are.

    Raises:
        DeviceError: there is no MIDI on this machine, or python-rtmidi is missing.
    """
    return _backend()[1]


def _backend() -> tuple[Any, list[str]]:
    """The first of the machine's MIDI systems that answers, with the names of its inputs.

    On Linux that is ALSA's sequencer, and JACK where there is none, as in containers. Mido's own variable MIDO_BACKEND
    goes before that.
    """
    import mido

    failures = []
    for name in _systems():
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


def _systems() -> list[str]:
    if chosen := os.environ.get("MIDO_BACKEND"):
        return [chosen]
    try:
        import rtmidi
    except ImportError as error:
        raise DeviceError("MIDI needs the package python-rtmidi: pip install 'timbre[play]'.") from error
    names = {getattr(rtmidi, name): name.removeprefix("API_") for name in dir(rtmidi) if name.startswith("API_")}
    return [f"mido.backends.rtmidi/{names[api]}" for api in rtmidi.get_compiled_api()]


def find_port(wanted: str | None) -> str:
    """The name of the input that is meant by a part of its name, its number in :func:`list_ports`, or None: the first
    that is not ALSA's "Midi Through". "virtual" is itself.

    Raises:
        DeviceError: there is none such, or there are several.
    """
    known = list_ports()
    return VIRTUAL if wanted == VIRTUAL else _found(wanted, known)


def opened(wanted: str | None, callback: "Callable[[mido.Message], None]") -> tuple[Any, str]:
    """An open port, and its name.

    Raises:
        DeviceError: there is none such, or it does not open.
    """
    backend, known = _backend()
    try:
        with _quiet():
            if wanted == VIRTUAL:
                return backend.open_input("midi", client_name="timbre", callback=callback), "timbre:midi"
            name = _found(wanted, known)
            return backend.open_input(name, callback=callback), name
    except (OSError, NotImplementedError) as error:
        raise DeviceError(f"The MIDI input {wanted or known[0]} does not open: {str(error).rstrip('.')}.") from error


def _found(wanted: str | None, known: list[str]) -> str:
    there = f"there are {', '.join(known)}" if known else "there are none; plug one in"
    if wanted is None:
        if played := [name for name in known if "Midi Through" not in name]:
            return played[0]
        raise DeviceError(f'There is no MIDI input to play; plug one in, or open one of your own: "{VIRTUAL}".')
    if wanted.isdecimal() and int(wanted) < len(known):
        return known[int(wanted)]
    meant = [name for name in known if name == wanted] or [name for name in known if wanted.lower() in name.lower()]
    if len(meant) != 1:
        raise DeviceError(f'{len(meant) or "No"} MIDI inputs are called {wanted!r}; {there}, or open "{VIRTUAL}".')
    return meant[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what ALSA and JACK write to the terminal by themselves when they are not there."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
