"""The files of the page: of `timbre app`, and of a static page that `timbre export` writes."""

from pathlib import Path

STATIC = Path(__file__).with_name("static")
