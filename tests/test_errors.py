"""What a person reads is one line."""

from __future__ import annotations

from sibyl.errors import DataError


def test_a_message_is_one_line_whatever_the_names_in_it_are() -> None:
    said = str(DataError("open\na\r\nclose\u2028.txt: not valid UTF-8"))
    assert said == r"open\na\r\nclose\u2028.txt: not valid UTF-8"
