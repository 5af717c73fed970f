"""Reports of libraries and spaces: HTML pages and pictures."""
