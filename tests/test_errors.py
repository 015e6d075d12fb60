"""What a person reads is one line."""

from __future__ import annotations

import io

from sibyl.errors import DataError, reason_of


def test_a_message_is_one_line_whatever_the_names_in_it_are() -> None:
    said = str(DataError("open\na\r\nclose\u2028.txt: not valid UTF-8"))
    assert said == r"open\na\r\nclose\u2028.txt: not valid UTF-8"


def test_what_a_library_says_becomes_one_short_line() -> None:
    assert reason_of(ValueError("bad\n  header at\tbyte 3 ")) == "bad header at byte 3"
    assert reason_of(ValueError("  \n")) == "ValueError"
    assert reason_of(ValueError(f"no image in {io.BytesIO()!r}")) == "no image in the data"
    assert reason_of(UnicodeError("lone \ud800")) == "lone ?"
    assert reason_of(ValueError("abcd efgh"), 5) == "abcd"


def test_a_library_that_writes_many_lines_says_it_in_one_of_them() -> None:
    error = RuntimeError("CUDA is absent\nstack:\n  size mismatch for weight\n")
    assert reason_of(error, line=0) == "CUDA is absent"
    assert reason_of(error, line=-1) == "size mismatch for weight"
    assert reason_of(AssertionError(), line=0) == "AssertionError"


def test_a_kind_is_told_where_the_text_says_little() -> None:
    assert reason_of(KeyError("rows"), with_kind=True) == "KeyError: 'rows'"
    assert reason_of(AssertionError(), with_kind=True) == "AssertionError"
