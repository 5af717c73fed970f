"""Wavetables: single periods of points and paths, for wavetable synthesizers."""
