#!/usr/bin/env python3
"""Turn places of a timbre space into sound: the same as `timbre synth`; see `scripts/synthesize.py --help`."""

import sys

from timbre.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["synth", *sys.argv[1:]]))
