"""Planes through a space, descriptor maps of them, and two-dimensional embeddings."""
