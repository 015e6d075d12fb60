"""Words for messages: a count with its noun."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 item``, ``1,200 items``, ``0 classes``.

    Parameters
    ----------
    number : int
        How many.
    one : str
        The noun for one.
    many : str
        For all other numbers; `one` with an s when left out.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def quoted(names: Sequence[str], at_most: int = 8) -> str:
    """Return names in quotes, the first of many."""
    return ", ".join(map(repr, names[:at_most])) + (", …" if len(names) > at_most else "")
