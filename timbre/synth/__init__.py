"""Paths to audio."""

from timbre.synth.rendering import render

__all__ = ["render"]
