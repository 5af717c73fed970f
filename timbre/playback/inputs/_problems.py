"""What went wrong in an adapter that must go on: counted, and the last of it kept as text."""

from collections.abc import Iterator
from contextlib import contextmanager

from timbre.errors import TimbreError


class Problems:
    """What went wrong.

    Attributes:
        count: how often.
        last: the last of it, one sentence; empty while there is none.
    """

    def __init__(self) -> None:
        self.count, self.last = 0, ""

    def add(self, text: str) -> None:
        """One more."""
        self.count, self.last = self.count + 1, text

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what timbre refuses inside the block, and go on after it."""
        try:
            yield
        except TimbreError as error:
            self.add(str(error))
