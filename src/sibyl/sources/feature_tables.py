"""Features in tables: a column of vectors, or columns of numbers alone, one row per item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.cells import texts_in, values_in
from sibyl.sources.feature_columns import Columns
from sibyl.sources.item import Item, Skipped
from sibyl.sources.rows import NamedRows, find_label_column, name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable, column_named, read_table
from sibyl.sources.vectors import vector_column, vectors_in


def vectors_of_table(table: RawTable, column: str, label_column: str | None, id_column: str | None) -> Source:
    """Return the vectors of a column as features; rows without one are skipped.

    Raises
    ------
    DataError
        If no row holds one.
    """
    rows = name_rows(table, label_column, id_column)
    matrix, bad = vectors_in(table.frame[column].loc[rows.frame.index])
    good = [place for place in range(len(rows.names)) if place not in bad]
    if not good:
        raise DataError(f"{table.path}: column {column!r} holds no vectors ({next(iter(bad.values()), 'it is empty')})")
    skipped = [*rows.skipped, *(Skipped(rows.names[place], reason) for place, reason in sorted(bad.items()))]
    items = tuple(Item(rows.names[place], table.path) for place in good)
    unused = [str(name) for name in rows.frame.columns if name != column]
    understood = f"features in column {column!r}, {counted(matrix.shape[1], 'number')} each"
    if unused:
        understood += f"; {counted(len(unused), 'column')} not used ({quoted(unused, 6)})"
    return rows.source("features", table, items, skipped, understood, matrix=matrix[good] if bad else matrix)


def read_feature_table(path: Path, label_name: str | None, id_name: str | None) -> Columns:
    """Read a table all of whose columns are features, labels or names.

    Raises
    ------
    DataError
        If a row cannot be read, or a cell is no number.
    """
    table = read_table(path)
    if table.lost:
        raise DataError(f"{path}: row {table.lost[0].number} cannot be read ({table.lost[0].reason})")
    for wanted in (label_name, id_name):
        if wanted is not None:
            column_named(table, wanted)
    rows = name_rows(table, label_name, id_name)
    if rows.skipped:
        raise DataError(f"{path}: {rows.skipped[0].name}: {rows.skipped[0].reason}")
    label = find_label_column(table, label_name)
    labels = None if label is None else [rows.labels.get(name) for name in rows.names]
    ids = None if rows.name_column is None and table.index is None else list(rows.names)
    column = vector_column(RawTable(path, rows.frame))
    if column is not None:
        matrix, bad = vectors_in(rows.frame[column])
        odd = next((row for row, why in sorted(bad.items()) if "NaN" not in why), None)
        if odd is not None:
            raise DataError(f"{path}: row {odd + 1} of {column!r}: {bad[odd]}; all must be alike")
        return Columns(matrix, labels, ids)
    return Columns(_numbers(path, rows), labels, ids)


def _numbers(path: Path, rows: NamedRows) -> npt.NDArray[np.float64]:
    columns = []
    for name in rows.frame.columns:
        cells = rows.frame[name]
        if path.suffix.lower() == ".parquet" and (cells.dtype == object or hasattr(cells.dtype, "pyarrow_dtype")):
            continue
        values = values_in(cells)
        odd = np.flatnonzero(values.there & np.isnan(values.numbers))
        if len(odd) and set(map(str.lower, values.words)) - {"inf", "-inf", "infinity", "-infinity"}:
            raise DataError(
                f"{path}: row {odd[0] + 1}, column {name!r} holds {texts_in(cells)[odd[0]][:40]!r}, expected a number; "
                "columns of text must be named label or id"
            )
        columns.append(values.numbers)
    if not columns:
        held = ", ".join(map(str, list(rows.frame.columns)[:8])) or "labels and names alone"
        raise DataError(f"{path}: holds no columns of features: no vectors and no numbers, only {held}")
    return np.stack(columns, 1)
