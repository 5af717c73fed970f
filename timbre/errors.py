"""The errors that timbre raises on purpose. A message says what came, what is wanted, and what to do.

TimbreError
├── AudioError        a sound that cannot be read, used or written   (also ValueError)
├── ConfigError       a setting that does not exist or cannot be     (also ValueError)
├── LibraryError      a folder of notes that cannot be used          (also ValueError)
├── CheckpointError   a saved space that is damaged or too new       (also RuntimeError)
├── TrainingError     training that cannot go on                     (also RuntimeError)
└── DeviceError       a sound or compute device that is not there    (also RuntimeError)
"""


class TimbreError(Exception):
    """Base of every error that timbre raises on purpose; the command line prints its one line and exits 1."""


class AudioError(TimbreError, ValueError):
    """A sound that cannot be read, used or written."""


class ConfigError(TimbreError, ValueError):
    """A setting, point or argument that does not exist, has the wrong type or lies out of range."""


class LibraryError(TimbreError, ValueError):
    """A folder of notes that cannot be used."""


class CheckpointError(TimbreError, RuntimeError):
    """A saved space or training state that is missing, damaged, of another configuration or too new."""


class TrainingError(TimbreError, RuntimeError):
    """Training that cannot go on: a loss that is not a number."""


class DeviceError(TimbreError, RuntimeError):
    """A sound or compute device that is absent or refuses what was asked."""
