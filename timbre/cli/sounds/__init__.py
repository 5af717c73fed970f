"""Commands that make sound."""
