"""Transforms between waveforms and spectrograms (torch)."""

from timbre.spectral.inverters import INVERTERS, find_inverter, invert
from timbre.spectral.spectrogram import Spectrogram
from timbre.spectral.stft import STFT

__all__ = ["INVERTERS", "STFT", "Spectrogram", "find_inverter", "invert"]
