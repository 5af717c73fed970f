"""Public libraries: their recipes, downloads and archives."""
