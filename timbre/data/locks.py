"""Locks between processes. The system ends them when a process ends, however it ends."""

import sys
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BYTE = 1 << 30  # Windows locks this byte, far behind a text that others may read


def take_lock(file: BinaryIO, shared: bool = False) -> bool | None:
    """Lock an open file, in place of an earlier lock: whether that succeeded; None if its disk knows no locks.

    Several processes can have a shared lock; it waits for an exclusive one to end. Windows knows only exclusive ones.
    """
    try:
        if sys.platform == "win32":
            position = file.tell()
            file.seek(_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(position)
        else:
            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True
