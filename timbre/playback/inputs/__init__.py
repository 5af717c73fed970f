"""Inputs for live play: MIDI, OSC and the computer's keyboard."""
