"""Commands for libraries of notes."""
