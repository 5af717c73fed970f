"""Exceptions of timbre. A message says what must be, what was given, and what to do, in one line.

TimbreError
├── AudioError        a sound cannot be read, used or written   (also ValueError)
├── ConfigError       a setting does not exist or is invalid    (also ValueError)
├── LibraryError      a folder of notes cannot be used          (also ValueError)
├── CheckpointError   a saved space is damaged or too new       (also RuntimeError)
├── TrainingError     training cannot continue                  (also RuntimeError)
└── DeviceError       a sound or compute device is missing      (also RuntimeError)
"""

from timbre.wording import printable

_LONGEST, _END = 1000, 300  # letters of a message, and of its end if it is cut in the middle


class TimbreError(Exception):
    """Base class of all errors that timbre raises on purpose; the command line prints the message and exits with 1.

    The message may quote names and values of any kind: it becomes one line of at most 1,000 printable letters.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(part.strip() for part in message.splitlines()).strip()
        line = printable(line)
        if len(line) > _LONGEST:
            line = f"{line[: _LONGEST - _END - 5]} ... {line[-_END:]}"
        super().__init__(line)


class AudioError(TimbreError, ValueError):
    """A sound cannot be read, used or written."""


class ConfigError(TimbreError, ValueError):
    """A setting, point or argument does not exist, has the wrong type or is out of range."""


class LibraryError(TimbreError, ValueError):
    """A folder of notes cannot be used."""


class CheckpointError(TimbreError, RuntimeError):
    """A saved space or training state is missing, damaged, too new or of another configuration."""


class TrainingError(TimbreError, RuntimeError):
    """Training cannot continue, for example because the loss is not a number."""


class DeviceError(TimbreError, RuntimeError):
    """A sound or compute device is missing or rejects a request."""
