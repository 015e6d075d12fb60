"""Words for messages: a count with its noun, names in quotes; and names that must not be what they seem."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_LONGEST = 120  # letters of a name


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


def percent(share: float, digits: int = 0) -> str:
    """Return a share in percent, and never 100 % for what is less: ``97 %``, ``> 99 %``; the page of ``sibyl review`` says the same."""
    text = f"{100 * share:.{digits}f}"
    return f"> {100 - 10**-digits:.{digits}f} %" if float(text) == 100 and share < 1 - 1e-9 else f"{text} %"


def printable(text: str) -> str:
    """Return a text with escapes in the place of control characters: a name from the data must not steer the terminal.

    So the code that clears a screen is written out, and a mark that turns the direction of reading
    shows itself.
    """
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def quoted(names: Sequence[str], at_most: int = 8) -> str:
    """Return names in quotes, the first of many, and of a very long name the beginning."""
    shown = [name if len(name) <= _LONGEST else name[:_LONGEST] + "…" for name in names[:at_most]]
    return ", ".join(map(repr, shown)) + (", …" if len(names) > at_most else "")


def runs_as_formula(label: str) -> bool:
    """Whether a spreadsheet would take the name of a class for a formula."""
    plain = unicodedata.normalize("NFKC", label)  # a full-width sign is a sign to some spreadsheets
    return plain[:1] in ("=", "@") or (plain[:1] in ("+", "-") and bool(set(plain) & set("(|!")))
