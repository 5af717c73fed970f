"""The `timbre` command: `timbre --help`, or `python -m timbre --help`."""

from __future__ import annotations

import os
import signal
import sys


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; within an import, end the process: libraries catch it there, or make errors of it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, b"timbre: stopped.\n")
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _interrupt)  # before the imports, which take longer than all before them

import errno
import threading
from contextlib import contextmanager, suppress

from timbre.errors import TimbreError

TYPE_CHECKING = False  # known to type checkers; the import of typing takes time
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType
    from typing import Any, NoReturn

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command as a process of its own, which ends with the command's exit status; see :func:`main`."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        status = main(arguments)
    except KeyboardInterrupt:  # the second one, while the first was answered
        status = 130
    signal.signal(signal.SIGINT, lambda *_: os._exit(status))  # Python's own work at exit would print tracebacks
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    A TimbreError is printed as one line on stderr. Any other exception is a bug and keeps its traceback.

    Args:
        arguments: the words after `timbre`; None takes those of the process.

    Returns:
        0; 1 after a TimbreError; 2 for a command line with an error; 130 after Ctrl-C; 141 if the reader of the output
        closed the pipe.
    """
    with _quiet_interrupts():
        try:
            return _command(arguments)
        except KeyboardInterrupt:
            return _print_error("stopped.", 130)
        except Exception as error:
            if _is_interrupt(error):
                return _print_error("stopped.", 130)
            raise


def _command(arguments: Sequence[str] | None) -> int:
    from cyclopts import CycloptsError  # within reach of the handling of Ctrl-C
    from cyclopts.exceptions import UnusedCliTokensError

    from timbre.cli import commands
    from timbre.files import unwritable

    for stream in (sys.stdout, sys.stderr):  # names of files may have letters that a terminal lacks
        with suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = commands(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return status or 0
    except TimbreError as error:
        return _print_error(str(error), 1)
    except CycloptsError as error:
        if isinstance(error.__cause__, TimbreError):  # of a validator, which does not know the option's name
            return _print_error(f"{error.argument.name if error.argument else ''} {error.__cause__}", 1)
        unused = error.unused_tokens if isinstance(error, UnusedCliTokensError) else None
        text = f"Unexpected: {' '.join(unused)}." if unused else str(error)
        return _print_error(f"{text} See timbre --help, or timbre COMMAND --help.", 2)
    except BrokenPipeError:
        _drop_output()
        return 141
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _drop_output()
        return _print_error(unwritable(error.filename or "The output", error), 1)


def _drop_output() -> None:
    """Send what is left of the output nowhere: Python flushes it at exit, which would print a traceback."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(sentence: str, status: int) -> int:
    """Print a sentence as one line on stderr and return the exit status."""
    print("timbre:", TimbreError(sentence), file=sys.stderr)
    return status


@contextmanager
def _quiet_interrupts() -> Iterator[None]:
    """Ctrl-C ends the process or raises KeyboardInterrupt, also where Python would print a traceback and go on."""
    hook = sys.unraisablehook
    before: Any = None

    def unraisable(problem: sys.UnraisableHookArgs) -> None:
        if isinstance(problem.exc_value, KeyboardInterrupt):  # in a finalizer: again, after it
            signal.raise_signal(signal.SIGINT)
        else:
            hook(problem)

    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an error is what a library has made of a KeyboardInterrupt."""
    return error is not None and (
        isinstance(error, KeyboardInterrupt) or _is_interrupt(error.__cause__) or _is_interrupt(error.__context__)
    )


if __name__ == "__main__":
    run()
