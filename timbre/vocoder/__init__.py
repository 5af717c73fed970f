"""The vocoder of a space: the network, its stream of sound, and its training."""
