"""Pictures and measurements of spaces."""
