"""`Problems`: errors of an input that goes on after them."""

from dataclasses import dataclass


@dataclass
class Problems:
    """Errors of an input.

    Attributes:
        count: number of errors.
        last: the last one, as a sentence; empty if there was none.
    """

    count: int = 0
    last: str = ""

    def add(self, text: str) -> None:
        """Count an error."""
        self.count, self.last = self.count + 1, text
