"""Where timbre keeps what it can make again."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The folder that the environment variable TIMBRE_CACHE names, else timbre's own in the user's cache folder."""
    return Path(os.environ.get("TIMBRE_CACHE") or platformdirs.user_cache_dir("timbre"))
