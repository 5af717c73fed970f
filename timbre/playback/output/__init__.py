"""Where live sound goes: audio devices, and the ring buffer that feeds them."""
