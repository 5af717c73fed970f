"""The loop over sound files of `timbre encode` and `timbre locate`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timbre
from timbre.cli.points import labels_of, parse_pitch
from timbre.errors import AudioError, ConfigError
from timbre.wording import counted

if TYPE_CHECKING:
    from timbre.audio import Audio

Row = dict[str, Any]


def require_files(files: Sequence[Path]) -> None:
    """Raise a ConfigError if no file was given."""
    if not files:
        raise ConfigError("No sound files were given; name one or more.")


def rows_of(
    files: Sequence[Path], pitch: str | None, process: "Callable[[Path, Audio, float | None, float | None], Row]"
) -> list[Row]:
    """A row for each sound file that can be used; the others are reported on stderr.

    An AudioError is raised if none can be used.

    Args:
        files: of one note each.
        pitch: as given with --pitch; None is the pitch in each file's name.
        process: from a file, its sound, pitch (MIDI; NaN is without pitch, None is not given) and velocity to a row, to
            which the file's name is added.
    """
    rows = []
    for file in files:
        try:
            labels = labels_of(file)
            given = labels.pitch if pitch is None else parse_pitch(pitch)
            own = float("nan") if pitch is not None and given is None else given
            rows.append({"file": str(file)} | process(file, timbre.read(file), own, labels.velocity))
        except AudioError as error:
            name = str(AudioError(str(file)))  # printable, as in messages
            sentence = str(error) if name in str(error) else f"{name}: {error}"
            print(f"timbre: skipped: {sentence}", file=sys.stderr)
    if not rows:
        raise AudioError(f"None of the {counted(len(files), 'file')} can be used; nothing was written.")
    return rows
