"""Libraries of notes: scanning, reports, flags, splits and library files."""

from timbre.data.library import Library
from timbre.data.note import Measured, Note
from timbre.data.readers import Options
from timbre.data.report import Dropped, Report
from timbre.data.scanning import scan
from timbre.data.storage import load_library, save_library

__all__ = ["Dropped", "Library", "Measured", "Note", "Options", "Report", "load_library", "save_library", "scan"]
