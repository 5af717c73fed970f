"""From STFT magnitudes to waveforms: the inverters, offline and streaming."""
