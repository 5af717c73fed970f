"""The decorator that compiles loops over numpy arrays to machine code (numba)."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first call, without the GIL; cache the machine code on disk if a cache is writable."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(nogil=True)(function)
