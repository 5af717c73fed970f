"""The `timbre` command: `timbre --help`, or `python -m timbre --help`."""

import os
import sys
from collections.abc import Sequence

from timbre.errors import TimbreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    A TimbreError becomes one line on stderr; any other exception is a bug and keeps its traceback.

    Args:
        arguments: the words after `timbre`; those of the process if None.

    Returns:
        0, or 1 after a TimbreError, 2 for a command line that is not understood, 130 after Ctrl-C, 141 when the
        reader of the output went away.
    """
    from cyclopts import CycloptsError

    from timbre.cli import commands

    try:
        status = commands(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return status or 0
    except TimbreError as error:
        return _say(str(error), 1)
    except CycloptsError as error:
        return _say(f"{error} See timbre --help, or timbre COMMAND --help.", 2)
    except KeyboardInterrupt:
        return _say("stopped.", 130)
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _say(sentence: str, status: int) -> int:
    print("timbre:", " ".join(sentence.split()), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
