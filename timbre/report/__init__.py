"""Reports of libraries and spaces: pages and pictures."""
