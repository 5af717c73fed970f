#!/usr/bin/env python3
"""Learn a timbre space: the same as `timbre train`; see `scripts/train.py --help`."""

import sys

from timbre.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
