"""Ctrl-C and SIGTERM: in a run between two steps, never within one."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def interrupts_held() -> Iterator[Callable[[], bool]]:
    """Hold back Ctrl-C and SIGTERM; the function that this yields returns whether one of them has come.

    A second Ctrl-C raises KeyboardInterrupt at once; SIGTERM never does, since schedulers and `torchrun` may both send
    it. Outside of the main thread, and where a signal is ignored, nothing changes.
    """
    asked = False

    def ask(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    held = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in held:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def terminations_as_interrupts() -> Iterator[None]:
    """SIGTERM, which schedulers send before they kill a process, does what Ctrl-C does. Only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
