"""`Problems`: counts the errors of an input that goes on after them."""

from collections.abc import Iterator
from contextlib import contextmanager

from timbre.errors import TimbreError


class Problems:
    """Errors of an input.

    Attributes:
        count: number of errors.
        last: the last one, as a sentence; empty if there was none.
    """

    def __init__(self) -> None:
        self.count, self.last = 0, ""

    def add(self, text: str) -> None:
        """Count an error."""
        self.count, self.last = self.count + 1, text

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Count a TimbreError raised in the block, and go on after it."""
        try:
            yield
        except TimbreError as error:
            self.add(str(error))
