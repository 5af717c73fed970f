"""Instruments of a space for other software: samplers, wavetables, networks."""

from timbre.exporting.export import export

__all__ = ["export"]
