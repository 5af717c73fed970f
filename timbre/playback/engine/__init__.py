"""The live engine: voices, decoded frames, and the process that renders them."""
