"""Paths through a space: points with times, the kinds of paths between points, and their uniformity."""

from timbre.paths.path import Path

__all__ = ["Path"]
