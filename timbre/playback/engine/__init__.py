"""The live engine: voices, decoder, moving point, and the process that runs them."""
