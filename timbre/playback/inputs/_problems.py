"""`Problems`: errors of an input that goes on after them."""

from dataclasses import dataclass


@dataclass
class Problems:
    """The number of errors of an input, and the last one as a sentence; empty if there was none."""

    count: int = 0
    last: str = ""

    def add(self, text: str) -> None:
        """Count an error."""
        self.count, self.last = self.count + 1, text
