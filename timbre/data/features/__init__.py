"""Input of the model: examples, augmentation, and the cached features of a library."""
