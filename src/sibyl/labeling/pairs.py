"""Tables with the columns ``item`` and ``label``, as people and their spreadsheets write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sibyl.errors import DataError

_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # a first line that Excel writes and reads

Pairs = list[tuple[str, str, str]]
"""Where a label is written, the item as written, the label."""


@dataclass(frozen=True)
class PairTable:
    """The rows of such a table, cells as written, blanks around them left out.

    Parameters
    ----------
    path : Path
    columns : tuple of str
        The heading in small letters.
    rows : mapping of int to mapping of str to str
        Number of the row in the file, from 1 → column → cell.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Mapping[int, Mapping[str, str]]

    @property
    def is_labels_table(self) -> bool:
        """It is a whole ``labels.csv``: most of its labels are the machine's."""
        return {"status", "source", "confidence", "inductive_label"} <= set(self.columns)


def read_pair_table(path: str | Path) -> PairTable:
    """Read a table with the columns ``item`` and ``label``, and whatever others it has.

    Commas, semicolons, tabs and bars are understood as delimiters; a byte order mark, a first line ``sep=;``, blank lines, spaces
    around values and the order of the columns do not matter.

    Raises
    ------
    DataError
        If the file is missing, or is not such a table.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected a table of examples with the columns item,label") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a table with the columns item,label") from None
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8, but byte {error.start} is not; save the table as CSV UTF-8") from None
    lines = text.split("\n", 1)
    separator = _SEPARATOR.fullmatch(lines[0])
    if separator:
        text = "\n" + "".join(lines[1:])  # numbers of rows stay those of the file
    heading = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = separator[1] if separator else max(_DELIMITERS, key=heading.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True))
    except (csv.Error, ValueError) as error:
        raise DataError(f"{path}: expected a table with the columns item,label, but it cannot be read ({error})") from None
    table = [(number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    columns = tuple(name.lower() for name in table[0][1]) if table else ()
    if "item" not in columns or "label" not in columns:
        raise DataError(f"{path}: the first line must name the columns item,label; it reads {heading[:80]!r}")
    blank = [""] * len(columns)
    return PairTable(path, columns, {number: dict(zip(columns, [*row, *blank], strict=False)) for number, row in table[1:]})


def read_pairs(path: str | Path) -> Pairs:
    """Read examples, one a row.

    Raises
    ------
    DataError
        If the file is missing, is not such a table, holds no row, lacks an item or a label, or is a table that ``sibyl label`` wrote.
    """
    table = read_pair_table(path)
    if table.is_labels_table:
        raise DataError(
            f"{path}: is a table that sibyl label wrote (it has a column status), so most of its labels are not a person's; "
            "give the examples alone, with the columns item,label"
        )
    if not table.rows:
        raise DataError(f"{path}: has a heading but no row; add one labelled item of each class")
    pairs = []
    for number, row in table.rows.items():
        if not row["item"] or not row["label"]:
            raise DataError(f"{path}: row {number} needs an item and a label, it reads {','.join(row.values()).rstrip(',')!r}")
        pairs.append((f"row {number}", row["item"], row["label"]))
    return pairs
