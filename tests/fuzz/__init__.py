"""Inputs that go wrong, by the hundred thousand: a target for each door of timbre; see docs/reliability.md."""

MODULES = ("sounds", "libraries", "archives", "spaces", "networks", "messages", "page", "caches", "listening")
"""Modules with targets."""
