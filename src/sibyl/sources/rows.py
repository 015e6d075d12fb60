"""Names and labels of a table's rows."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from sibyl.sources.item import Skipped
from sibyl.sources.table_files import RawTable, cell_text, column_named, is_utf8, printable

_LABEL_NAMES = ("label", "labels", "class", "classes", "target", "targets")  # not y: it may be a coordinate
_ID_NAMES = ("id", "ids", "item", "items")


@dataclass(frozen=True, eq=False)
class NamedRows:
    """The rows of a table with a name each.

    Parameters
    ----------
    names : list of str
        All different.
    frame : DataFrame
        The rows, without the columns of names and labels.
    labels : dict of str to str
        Name → label, where there is one.
    skipped : list of Skipped
        Rows without a name, or with one that stood before.
    """

    names: list[str]
    frame: pd.DataFrame
    labels: dict[str, str]
    skipped: list[Skipped]


def name_rows(table: RawTable, label_column: str | None, id_column: str | None) -> NamedRows:
    """Take the columns of names and labels out of a table.

    Left out, the columns are found by their usual names; a column of names is only taken by itself if its names differ. Without one,
    rows are called by their number, from 1.

    Raises
    ------
    DataError
        If a column is named that does not exist.
    """
    by_name = {str(name).lower(): str(name) for name in table.frame.columns}
    if label_column is None:
        label_column = next((by_name[name] for name in _LABEL_NAMES if name in by_name), None)
    frame = table.frame
    if id_column is not None:
        names = [cell_text(value).strip() for value in column_named(table, id_column)]
    else:
        id_column = next((by_name[name] for name in _ID_NAMES if name in by_name and by_name[name] != label_column), None)
        names = [] if id_column is None else [cell_text(value).strip() for value in frame[id_column]]
        if not all(names) or len(set(names)) != len(frame):
            id_column, names = None, [str(number) for number in frame.index]
    label_cells = None if label_column is None else column_named(table, label_column)
    seen: dict[str, int] = {}
    skipped, keep = [], []
    for place, (number, name) in enumerate(zip(frame.index, names, strict=True)):
        if not name or not is_utf8(name):
            skipped.append(
                Skipped(f"row {number}", f"no name in column {id_column!r}" if not name else "its name is not valid UTF-8")
            )
        elif name in seen:
            skipped.append(Skipped(f"{name} (row {number})", f"its name stands in row {seen[name]} already"))
        else:
            seen[name] = int(number)
            keep.append(place)
    names = [names[place] for place in keep]
    labels = {}
    if label_cells is not None:
        cells = list(label_cells)
        texts = [printable(cell_text(cells[place]).strip()) for place in keep]
        labels = {name: label for name, label in zip(names, texts, strict=True) if label not in ("", "-1")}
    rest = [name for name in frame.columns if name not in (id_column, label_column)]
    return NamedRows(names, frame.iloc[keep][rest], labels, skipped)
