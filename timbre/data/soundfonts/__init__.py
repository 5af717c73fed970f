"""SoundFont files (sf2, sf3): reading them, and rendering their notes with FluidSynth."""
