"""Errors: one printable line, whatever they quote."""

import copy
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from timbre.errors import AudioError, TimbreError

ANY = st.text(st.characters(exclude_categories=()), max_size=50)


@given(ANY, st.integers(0, 100))
def test_a_message_is_one_printable_line_of_limited_length(text: str, times: int) -> None:
    message = str(TimbreError(text * times))
    assert len(message.splitlines()) <= 1
    assert not {"Cc", "Cs", "Zl", "Zp"} & set(map(unicodedata.category, message))
    assert len(message) <= 1000
    assert str(TimbreError(message)) == message
    assert str(copy.copy(AudioError(message))) == message


def test_what_is_printable_stays_as_it_is() -> None:
    assert str(TimbreError("Flöte/音 A♯4.wav is empty (0 bytes).")) == "Flöte/音 A♯4.wav is empty (0 bytes)."
    assert str(TimbreError("a\x1b[31m\udcff\u202e.wav\n- more")) == r"a\x1b[31m\udcff\u202e.wav - more"
    assert str(TimbreError("x" * 2000 + " end.")).endswith("x end.")
