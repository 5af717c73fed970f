"""Timbre descriptors of notes and of frames, from spectrograms; batched and differentiable."""

from timbre.spectral.descriptors.frames import FRAME_DESCRIPTORS, check_names, describe_frames
from timbre.spectral.descriptors.notes import DESCRIPTORS, TIMBRE, describe, described

__all__ = ["DESCRIPTORS", "FRAME_DESCRIPTORS", "TIMBRE", "check_names", "describe", "describe_frames", "described"]
