"""Sample instruments: notes rendered from a plan, looped, and written for samplers."""
