"""A space as a folder for a static web server, in which the page of timbre decodes and plays by itself."""
