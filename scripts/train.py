#!/usr/bin/env python3
"""Learn a timbre space: the same as `timbre train`; see `scripts/train.py --help`."""

import sys

from _launch import with_timbre

if __name__ == "__main__":
    with_timbre()
    from timbre.__main__ import run

    run(["train", *sys.argv[1:]])
