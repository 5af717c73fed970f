#!/usr/bin/env python3
"""Turn places of a timbre space into sound: the same as `timbre synth`; see `scripts/synthesize.py --help`."""

import sys

from _launch import with_timbre

if __name__ == "__main__":
    with_timbre()
    from timbre.__main__ import main

    sys.exit(main(["synth", *sys.argv[1:]]))
