"""Output of live sound: the sound device, its process, and the ring buffer that feeds it."""
