"""Commands that look into a space."""
