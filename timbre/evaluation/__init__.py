"""Measures of spaces and of sounds: what `timbre evaluate` computes. Pages and pictures are in `timbre.report`."""
