"""Transforms between waveforms and spectrograms (torch)."""

from timbre.spectral.inversion.inverters import INVERTERS, find_inverter, invert
from timbre.spectral.inversion.streaming import StreamingInverter
from timbre.spectral.lapped import DCT
from timbre.spectral.nsgt import NSGT
from timbre.spectral.spectrogram import Spectrogram
from timbre.spectral.stft import STFT

__all__ = ["DCT", "INVERTERS", "NSGT", "STFT", "Spectrogram", "StreamingInverter", "find_inverter", "invert"]
