"""What plays a space live: MIDI, OSC and the computer keyboard."""
