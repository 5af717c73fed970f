"""Ways to make paths and points: shapes, drawings, files, arithmetic with sounds, presets."""
