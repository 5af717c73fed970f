#!/usr/bin/env python3
"""Play a timbre space live: the same as `timbre play`; see `scripts/play.py --help`."""

import sys

from timbre.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["play", *sys.argv[1:]]))
