"""Results of work in threads, in a fixed order."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_order(futures: Iterable[Future[T]], ahead: int) -> Iterator[T]:
    """Results of futures in their order; at most `ahead` are submitted in advance, so that memory stays bounded."""
    waiting: deque[Future[T]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
