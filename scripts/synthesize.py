#!/usr/bin/env python3
"""Synthesize notes at points of a timbre space: the same as `timbre synth`; see `scripts/synthesize.py --help`."""

import sys

from _launch import with_timbre

if __name__ == "__main__":
    with_timbre()
    from timbre.__main__ import run

    run(["synth", *sys.argv[1:]])
