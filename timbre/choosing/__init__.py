"""Presets that are chosen by measure: candidates, what is measured of them, names, and paths between those kept."""

from timbre.choosing.choose import ChosenPresets, choose

__all__ = ["ChosenPresets", "choose"]
