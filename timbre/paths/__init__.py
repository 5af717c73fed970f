"""Paths through a space: points with times, and the routes between points."""

from timbre.paths.path import Path

__all__ = ["Path"]
