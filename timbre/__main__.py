"""The `timbre` command: `timbre --help`, or `python -m timbre --help`."""

import os
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError
from cyclopts.exceptions import UnusedCliTokensError

from timbre.cli import commands
from timbre.errors import TimbreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    A TimbreError is printed as one line on stderr. Any other exception is a bug and keeps its traceback.

    Args:
        arguments: the words after `timbre`; None takes those of the process.

    Returns:
        0; 1 after a TimbreError; 2 for a command line with an error; 130 after Ctrl-C; 141 if the reader of the output
        closed the pipe.
    """
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
    except KeyboardInterrupt:
        return _print_error("stopped.", 130)
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _print_error(sentence: str, status: int) -> int:
    """Print a sentence as one line on stderr and return the exit status."""
    print("timbre:", " ".join(sentence.split()), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
