"""`Problems`: errors of an input that goes on after them."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from timbre.errors import TimbreError


@dataclass
class Problems:
    """The number of errors of an input, and the last one as a sentence; empty if there was none."""

    count: int = 0
    last: str = ""

    def add(self, text: str) -> None:
        """Count an error."""
        self.count, self.last = self.count + 1, text

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count an error of a `with` block, and go on: one message must not end the thread that receives all others."""
        try:
            yield
        except TimbreError as error:
            self.add(str(error))
        except Exception as error:  # noqa: BLE001  (a fault of timbre, which is reported like the others)
            self.add(f"A message was not carried out: {traceback.format_exception_only(error)[-1].strip()}.")
