"""Lines of a text with delimiters into records of cells: which mark stands between cells, and which quotes are letters."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

DELIMITERS = ",;\t|"
_SAMPLE = 200  # lines that decide between delimiters
_MAX_OPEN = 50  # quotes that never close, before all quotes of a file are letters


@dataclass(frozen=True)
class Record:
    """Lines from `first` to `last` and their cells; in one that is `open` a quote never closes, one that is `split` was part of another."""

    first: int
    last: int
    cells: list[str]
    kind: str = ""


@contextmanager
def _any_length() -> Iterator[None]:
    """Let texts be longer than the library's own limit."""
    limit = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def delimiter_of(lines: Sequence[str], tabs: bool) -> str:
    """Choose what stands between cells: among the marks of the heading the one that most lines have as often."""
    if tabs and ("\t" in lines[0] or not any(mark in lines[0] for mark in ",;|")):
        return "\t"
    scores = {}
    with _any_length():
        for mark in DELIMITERS:
            counts = [len(cells) for cells in csv.reader(islice(iter(lines), _SAMPLE), delimiter=mark)]
            if counts[0] > 1:
                scores[mark] = (sum(count == counts[0] for count in counts) / len(counts), counts[0])
    return max(scores, key=lambda mark: scores[mark]) if scores else "\t" if tabs else ","


def _split(line: str, delimiter: str) -> list[str]:
    """Take one line apart, quotes being letters."""
    return line.rstrip("\r\n").split(delimiter)


def records_of(lines: Sequence[str], delimiter: str, escape: str | None = None) -> list[Record]:
    """Take lines together to records; where a quote never closes, its line is a record of its own and the next line starts anew."""
    records: list[Record] = []
    here = n_open = 0
    with _any_length():
        while here < len(lines):
            rest = (lines[number] for number in range(here, len(lines)))
            reader = csv.reader(rest, delimiter=delimiter, strict=True, skipinitialspace=True, escapechar=escape)
            base = here
            try:
                for cells in reader:
                    records.append(Record(here, base + reader.line_num - 1, cells))
                    here = base + reader.line_num
            except csv.Error:
                records.append(Record(here, here, _split(lines[here], delimiter), "open"))
                here += 1
                n_open += 1
                if n_open > _MAX_OPEN:
                    return [Record(number, number, _split(line, delimiter)) for number, line in enumerate(lines)]
    return records


def alone(record: Record, lines: Sequence[str]) -> Record:
    """Return a record of a table of one column: a comma is no delimiter there."""
    if len(record.cells) == 1 and not record.kind:
        return record
    return Record(record.first, record.last, ["".join(lines[record.first : record.last + 1]).rstrip("\r\n")], record.kind)


def separate(records: list[Record], lines: Sequence[str], delimiter: str, n_cells: int) -> list[Record]:
    """Undo records that a quote made of whole rows: lines that have as many cells each as the heading.

    Where a quoted cell of another line holds a delimiter or a quote, the file's quotes have a meaning, and two lines of a text may look
    like rows by chance: each must then share a cell with its column. A tab hardly stands in a text, so there the lengths are enough.
    """
    if all(one.first == one.last for one in records):
        return records
    seen: list[set[str]] = [set() for _ in range(n_cells)]
    is_meant = False
    for one in records:
        if one.kind:
            continue
        text = "\n".join(lines[one.first : one.last + 1])
        is_meant |= delimiter != "\t" and '""' in text and any('"' in cell for cell in one.cells)
        if one.first == one.last:
            is_meant |= delimiter != "\t" and '"' in text and any(delimiter in cell for cell in one.cells)
            if len(one.cells) == n_cells:
                for known, cell in zip(seen, one.cells, strict=True):
                    known.add(cell.strip())
    apart: list[Record] = []
    for one in records:
        parts = [_split(lines[number], delimiter) for number in range(one.first, one.last + 1)] if one.last > one.first else []
        if (
            parts
            and all(len(part) == n_cells for part in parts)
            and (not is_meant or all(any(cell.strip() in known for cell, known in zip(part, seen, strict=True)) for part in parts))
        ):
            apart += [Record(one.first + place, one.first + place, part, "split") for place, part in enumerate(parts)]
        else:
            apart.append(one)
    return apart
