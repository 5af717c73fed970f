"""Libraries of notes: reports, flags, splits and library files; :mod:`timbre.data.scanning` scans folders."""

from timbre.data.library import Library
from timbre.data.note import Measured, Note
from timbre.data.report import Dropped, Report
from timbre.data.storage import load_library, save_library

__all__ = ["Dropped", "Library", "Measured", "Note", "Report", "load_library", "save_library"]
