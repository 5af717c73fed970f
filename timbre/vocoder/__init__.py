"""The vocoder of a space: network, streaming synthesis and training."""
