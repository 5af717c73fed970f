"""Libraries of notes: reading what people have, and saying what was kept and why."""

from timbre.data.library import Library, Measured, Note
from timbre.data.report import Dropped, Report
from timbre.data.scanning import scan

__all__ = ["Dropped", "Library", "Measured", "Note", "Report", "scan"]
