"""Tables with the columns ``item`` and ``label``, as people and their spreadsheets write them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sibyl.errors import DataError
from sibyl.labeling.label_studio import pairs_of_export
from sibyl.sources.naming import LABEL_NAMES, NAME_NAMES, is_missing, named
from sibyl.sources.table_files import RawTable, cell_text, is_utf8, read_table

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
        Number of the row, the heading being row 1 → column → cell.
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

    It is read as any table is (see `read_table`), so spaces around values and the order of the
    columns do not matter, and columns with the usual names of items and labels will do.

    Raises
    ------
    DataError
        If the file is missing, or is not such a table.
    """
    return _pair_table(_opened(Path(path)))


def _opened(path: Path) -> RawTable:
    if not os.path.exists(path):  # noqa: PTH110 - a closed folder is no error here
        raise DataError(f"{path}: no such file; expected a table of examples with the columns item,label")
    if not path.is_file() or not path.stat().st_size:
        raise DataError(f"{path}: is {'empty' if path.is_file() else 'no file'}; expected a table with the columns item,label")
    table = read_table(path, examples=True)
    if table.lost:
        lost = table.lost[0]
        raise DataError(
            f"{path}: row {lost.number + 1} cannot be read ({lost.reason}); expected a table with the columns item,label"
        )
    return table


def _pair_table(table: RawTable) -> PairTable:
    path = table.path
    names = {str(name): str(name).strip().lower() for name in table.frame.columns}
    item, label = named(names, ("item", *NAME_NAMES)), named(names, ("label", *LABEL_NAMES))
    if item is None or label is None:
        raise DataError(f"{path}: the first line must name the columns item,label; it reads {', '.join(names)[:80]!r}")
    names |= {item: "item", label: "label"}
    frame = table.frame.rename(columns=names)
    columns = tuple(map(str, frame.columns))
    rows: dict[int, dict[str, str]] = {}
    for number, cells in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        texts = [cell_text(cell).strip() for cell in cells]
        odd = next((text for text in texts if not is_utf8(text)), None)
        if odd is not None:
            raise DataError(f"{path}: row {number + 1} is not valid UTF-8 ({odd[:40]!a}); save the table as CSV UTF-8")
        if any(texts):
            rows[int(number) + 1] = dict(zip(columns, texts, strict=True))
    return PairTable(path, columns, rows)


def read_pairs(path: str | Path) -> Pairs:
    """Read examples, one a row, or what Label Studio exports (see `pairs_of_export`).

    Raises
    ------
    DataError
        If the file is missing, is not such a table, holds no row, lacks an item or a label, or is a
        table that ``sibyl label`` wrote.
    """
    raw = _opened(Path(path))
    exported = pairs_of_export(raw)
    if exported is not None:
        return exported
    table = _pair_table(raw)
    if table.is_labels_table:
        raise DataError(
            f"{path}: is a table that sibyl label wrote (it has a column status), so most of its labels are not a person's; "
            "give the examples alone, with the columns item,label"
        )
    if not table.rows:
        raise DataError(f"{path}: has a heading but no row; add one labelled item of each class")
    pairs = []
    for number, row in table.rows.items():
        if not row["item"] or not row["label"] or (len(row["label"]) > 1 and is_missing(row["label"]) and row["label"].isalpha()):
            raise DataError(f"{path}: row {number} needs an item and a label, it reads {','.join(row.values()).rstrip(',')[:80]!r}")
        pairs.append((f"row {number}", row["item"], row["label"]))
    return pairs
