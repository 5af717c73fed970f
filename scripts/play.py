#!/usr/bin/env python3
"""Play a timbre space live: the same as `timbre play`; see `scripts/play.py --help`."""

import sys

from _launch import with_timbre

if __name__ == "__main__":
    with_timbre("play")
    from timbre.__main__ import run

    run(["play", *sys.argv[1:]])
