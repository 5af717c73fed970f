"""Metrics: arrays or tensors in, numbers out."""
