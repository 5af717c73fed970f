"""From paths, curves and MIDI files to audio."""

from timbre.synth.rendering import render, render_blocks

__all__ = ["render", "render_blocks"]
