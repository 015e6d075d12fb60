"""Text with delimiters (csv, tsv) into rows of cells: what people, spreadsheets and other programs write, and nothing lost of it.

Quotes are read as RFC 4180 says, unless they cannot have been meant so: one that never closes, and one that would swallow lines which
are complete rows themselves, are letters. A row that is too short is filled with blank cells; one that is too long is named, and its
cells are taken for no one's: a blank at its end may be a column that a comma within a text has moved.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sibyl.messages import counted
from sibyl.sources.delimited_records import Record, alone, delimiter_of, records_of, separate
from sibyl.sources.naming import LABEL_NAMES, MATRIX_NAMES, MAYBE_TEXT_NAMES, NAME_NAMES, TEXT_NAMES

_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)
_SENTENCE = 6  # words of a name that is perhaps a text
_NEARLY_ALL = 0.9  # share of the rows that end with the same blank cells, from which these say nothing
_MARKS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_KNOWN = frozenset((*LABEL_NAMES, *NAME_NAMES, *TEXT_NAMES, *MAYBE_TEXT_NAMES, *MATRIX_NAMES))


@dataclass(frozen=True)
class LostRow:
    """A row that cannot be read.

    Parameters
    ----------
    number : int
        From 1, the heading not counted.
    reason : str
        Why.
    cells : tuple of str
        What stands there, as far as it can be told apart.
    fields : mapping of str to str
        The same by name, in JSON.
    """

    number: int
    reason: str
    cells: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)

    def labels(self, names: Sequence[str], column: str) -> list[str]:
        """Return what its label may be: counted from the first cell, and from the last."""
        if column in self.fields:
            return [self.fields[column].strip('"')]
        place, more = names.index(column), max(len(self.cells) - len(names), 0)
        return [self.cells[here].strip() for here in dict.fromkeys((place, place + more)) if here < len(self.cells)]


@dataclass(eq=False)
class Delimited:
    """What was read.

    Parameters
    ----------
    names : list of str
        The heading; blank ones are called by their place.
    rows : dict of int to list of str
        Number of the row → its cells, as many as there are names.
    lost : list of LostRow
        Rows that cannot be read.
    notes : list of str
        What a person should know of how it was read.
    unnamed_first : bool
        The first column has no name: perhaps an index.
    delimiter : str
    """

    names: list[str]
    rows: dict[int, list[str]]
    lost: list[LostRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unnamed_first: bool = False
    delimiter: str = ","


def parse_delimited(text: str, *, tabs: bool = False) -> Delimited:
    """Read a text.

    Parameters
    ----------
    text : str
        The whole file.
    tabs : bool
        The file's name promises tabs.

    Raises
    ------
    ValueError
        If there is no heading; the message is the reason.
    """
    lines = list(io.StringIO(text, newline=""))
    start = next((number for number, line in enumerate(lines) if line.strip()), None)
    if start is None:
        raise ValueError("is empty; expected a heading and one row per item")
    declared = _SEPARATOR_LINE.fullmatch(lines[start])
    if declared:
        start = next((number for number in range(start + 1, len(lines)) if lines[number].strip()), None)
        if start is None:
            raise ValueError("holds no heading; expected a heading and one row per item")
    lines = lines[start:]
    delimiter = declared[1] if declared else delimiter_of(lines, tabs)
    records = records_of(lines, delimiter)
    if '\\"' in text and any(one.kind for one in records):  # some programs write \" for a quote within quotes
        escaped = records_of(lines, delimiter, escape="\\")
        if sum(one.kind == "open" for one in escaped) < sum(one.kind == "open" for one in records):
            records = escaped
    heading = records[0].cells
    longest = max((len(_without_blank_end(one.cells, 1)) for one in records[1:] if len(one.cells) <= len(heading)), default=1)
    width, heading = len(heading), _without_blank_end(heading, longest)
    is_single = len(heading) == 1  # which nobody quotes
    records = [alone(one, lines) for one in records] if is_single else separate(records, lines, delimiter, len(heading))
    body = [one for one in records[1:] if any(map(str.strip, one.cells)) or delimiter in lines[one.first]]
    return _rows(body, Record(0, 0, heading), delimiter, start, max(width, _padded(body, len(heading))))


def _padded(body: Sequence[Record], n_cells: int) -> int:
    """Return how many cells the rows have with the blank ones that nearly all end with, where the heading does not."""
    lengths = Counter(len(one.cells) for one in body if len(one.cells) > n_cells)
    length, number = max(lengths.items(), key=lambda pair: pair[1], default=(n_cells, 0))
    is_blank = all(not any(map(str.strip, one.cells[n_cells:])) for one in body if len(one.cells) == length)
    return length if is_blank and number >= _NEARLY_ALL * len(body) else n_cells


def _rows(body: list[Record], heading: Record, delimiter: str, start: int, width: int) -> Delimited:
    named = [cell.strip() for cell in heading.cells]
    is_heading = not _is_data(named, body)
    numbered = [f"column {place}" for place in range(1, len(named) + 1)]
    names = [cell or numbered[place] for place, cell in enumerate(named)] if is_heading else numbered
    read = Delimited(names, {}, delimiter=delimiter, unnamed_first=is_heading and named[0] in ("", "Unnamed: 0"))
    if not is_heading:
        body = [heading, *body]
        if not all(map(_is_number, named)):
            read.notes.append("the first line holds values and no names: its columns are numbered")
    if is_heading and (odd := _like_values(named)):
        read.notes.append(
            f"the first line is taken for the names of the columns ({', '.join(repr(cell[:40]) for cell in odd)}); if it holds values, "
            "put a line with names before it"
        )
    if (
        is_heading
        and len(names) > 1
        and body
        and all(not one.kind and len(one.cells) == len(names) + 1 and one.cells[-1].strip() for one in body)
    ):
        read.names, read.unnamed_first = ["column 0", *names], True  # R names all columns but the first, which names the rows
    n_cells, n_short = len(read.names), 0
    letters: dict[str, list[int]] = {"open": [], "split": []}
    for number, one in enumerate(body, 1):
        is_blank = not any(map(str.strip, one.cells))
        cells = _without_blank_end(one.cells, n_cells) if is_blank or len(one.cells) <= max(width, n_cells) else one.cells
        if is_heading and len(named) > 1 and [cell.strip() for cell in cells] == named:
            read.lost.append(LostRow(number, "repeats the heading"))
        elif one.kind == "open" and len(cells) != n_cells:
            read.lost.append(LostRow(number, f"line {start + one.first + 1} opens a quote that never closes", tuple(cells)))
        elif len(cells) > n_cells:
            mark = _MARKS.get(delimiter, repr(delimiter))
            why = f"{counted(len(cells), 'cell')}, the heading has {n_cells}: put quotes around a text that holds a {mark}"
            read.lost.append(LostRow(number, why, tuple(_without_blank_end(cells, len(cells) - max(width - n_cells, 0)))))
        else:
            n_short += len(cells) < n_cells
            if one.kind:
                letters[one.kind].append(number)
            read.rows[number] = cells + [""] * (n_cells - len(cells))
    if n_short:
        what = "1 row is" if n_short == 1 else f"{n_short:,} rows are"
        read.notes.append(f"{what} shorter than the heading: the missing cells at the end count as blank")
    for kind, why in (("open", "never closes"), ("split", "would swallow whole rows")):
        if rows := letters[kind]:
            shown = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
            read.notes.append(f"a quote that {why} is read as a letter (row {shown})")
    return read


def _without_blank_end(cells: list[str], at_least: int) -> list[str]:
    """Drop blank cells behind the last column."""
    end = len(cells)
    while end > at_least and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _is_data(heading: Sequence[str], body: Sequence[Record]) -> bool:
    """Tell whether a first line is data: numbers alone, or words that stand in their own columns again."""
    if all(map(_is_number, heading)):
        return True
    if len(heading) < 2 or not heading[0] or any(cell.lower() in _KNOWN for cell in heading):
        return False
    words = ["" if _is_number(cell) else cell for cell in heading] if _counts_up(heading) else heading
    for one in body[:5000]:
        cells = [cell.strip() for cell in one.cells]
        if cells != heading and any(name and name == cell for name, cell in zip(words, cells, strict=False)):
            return True
    return False


def _like_values(heading: Sequence[str]) -> list[str]:
    """Return the first names of a heading that look like values: numbers that do not count up, and sentences."""
    numbers = [] if _counts_up(heading) else [cell for cell in heading if _is_number(cell)]
    return numbers[:2] or [cell for cell in heading if len(cell.split()) >= _SENTENCE][:1]


def _counts_up(heading: Sequence[str]) -> bool:
    """Tell whether the numbers of a heading are names: those of columns that nobody named, years, wavelengths."""
    values = [float(cell) for cell in heading if _is_number(cell)]
    return all(a < b for a, b in pairwise(values)) and (
        len(values) > 1 or all(one in (0, 1) or 1900 <= one <= 2100 for one in values)
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
