"""From a sound to what the model sees: examples, augmentation, and the cached features of a library."""
