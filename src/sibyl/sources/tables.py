"""A table of values: numbers scaled, categories encoded, so that each row is a vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import DataError
from sibyl.sources.cells import COMMAS, DATES, PLAIN, Numbers, Texts, is_dates, is_missing, numbers_in, texts_in
from sibyl.sources.fitted_columns import FittedColumns, fit_columns
from sibyl.sources.item import Item, Skipped
from sibyl.sources.rows import NamedRows, name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable
from sibyl.sources.texts import reads_like_texts

_MOSTLY = 0.9  # share of the cells that must be numbers, for a column to be one of numbers


@dataclass(eq=False)
class _Columns:
    """Columns sorted by what they hold, and a note for each that is changed or left out."""

    numbers: dict[str, Numbers] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    categories: dict[str, Texts] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def values_of_table(table: RawTable, label_column: str | None, id_column: str | None) -> Source:
    """Turn rows into vectors.

    Numbers are brought to mean 0 and deviation 1, and cut at ten deviations; missing ones become the column's median. Categories
    become one column each, the rarest beyond 30 together one; a missing category is one of its own. Columns with one value, row
    numbers, and texts or names that differ in most rows are left out and named in the notes.

    Raises
    ------
    DataError
        If a column does not exist, or no column is left.
    """
    rows = name_rows(table, label_column, id_column)
    columns = _Columns()
    for name in rows.frame.columns:
        _sort_in(columns, str(name), rows.frame[name])
    if not columns.numbers and not columns.categories:
        raise DataError(
            f"{table.path}: no column can be learned from ({'; '.join(columns.notes) or 'there is none'}); "
            "for a table of texts, name the column with --column"
        )
    read = {str(name) for name in (*columns.numbers, *columns.categories)}
    left_out = tuple(str(name) for name in table.frame.columns if str(name) not in read)
    kept = np.flatnonzero(~_is_empty(len(rows.names), columns.numbers, columns.categories))
    fitted = fit_columns(
        {name: values[kept] for name, values in columns.numbers.items()},
        columns.written,
        {name: values[kept] for name, values in columns.categories.items()},
        left_out,
    )
    return source_of_rows(table, rows, columns.numbers, columns.categories, fitted, columns.notes)


def source_of_rows(
    table: RawTable,
    rows: NamedRows,
    numbers: Mapping[str, Numbers],
    categories: Mapping[str, Texts],
    fitted: FittedColumns,
    notes: Sequence[str],
) -> Source:
    """Return the rows of a table as features; those without any value say nothing, and are skipped."""
    empty = _is_empty(len(rows.names), numbers, categories)
    skipped = [*table.skipped, *rows.skipped, *(Skipped(rows.names[row], "no values") for row in np.flatnonzero(empty))]
    items = tuple(Item(rows.names[row], table.path) for row in np.flatnonzero(~empty))
    matrix = fitted.rows(
        {name: values[~empty] for name, values in numbers.items()}, {name: values[~empty] for name, values in categories.items()}
    )
    used = {item.name for item in items}
    labels = {name: label for name, label in rows.labels.items() if name in used}
    frame = table.frame.loc[rows.frame.index[~empty]].set_axis([item.name for item in items])
    return Source(
        "table",
        table.path,
        items,
        tuple(skipped),
        labels,
        matrix=matrix,
        notes=tuple(notes),
        fitted=fitted.to_fitted(),
        frame=frame,
    )


def lost_cells(column: str, number: int) -> str:
    """Say that cells of a column of numbers hold something else."""
    if number == 1:
        return f"column {column!r}: 1 cell is no number and counts as missing"
    return f"column {column!r}: {number:,} cells are no numbers and count as missing"


def _is_empty(n_rows: int, numbers: Mapping[str, Numbers], categories: Mapping[str, Texts]) -> npt.NDArray[np.bool_]:
    empty = np.ones(n_rows, bool)
    for values in numbers.values():
        empty &= np.isnan(values)
    for texts in categories.values():
        empty &= texts == ""
    return empty


def _sort_in(columns: _Columns, name: str, cells: pd.Series[Any]) -> None:
    texts = None if pd.api.types.is_numeric_dtype(cells) else texts_in(cells)
    read = _numbers(cells, texts)
    if read is not None:
        numbers, written = read
        finite = numbers[np.isfinite(numbers)]
        if len(np.unique(finite)) < 2:
            columns.notes.append(f"column {name!r} is left out: one value only")
        elif len(finite) == len(numbers) > 2 and numbers[0] in (0, 1) and bool((np.diff(numbers) == 1).all()):
            columns.notes.append(f"column {name!r} is left out: it numbers the rows")
        else:
            lost = 0 if texts is None else int((~is_missing(texts) & np.isnan(numbers)).sum())
            if lost:
                columns.notes.append(lost_cells(name, lost))
            columns.numbers[name], columns.written[name] = numbers, written
        return
    assert texts is not None  # whatever is not numeric was made text
    texts[is_missing(texts)] = ""
    n_different = len(set(texts))
    if n_different < 2:
        columns.notes.append(f"column {name!r} is left out: one value only")
    elif n_different > max(20, len(texts) / 2) or (reads_like_texts(cells) and n_different > len(texts) / 2):
        columns.notes.append(f"column {name!r} is left out: {n_different} different texts in {len(texts)} rows")
    else:
        columns.categories[name] = texts


def _numbers(cells: pd.Series[Any], texts: Texts | None) -> tuple[Numbers, str] | None:
    """Return the cells as numbers and how they are written, if most of those that are there are numbers."""
    if texts is None:
        return numbers_in(cells, PLAIN), PLAIN
    if is_dates(cells):
        return numbers_in(cells, DATES), DATES
    there = ~is_missing(texts)
    for written in (PLAIN, COMMAS):
        numbers = numbers_in(cells, written)
        if there.any() and np.isfinite(numbers[there]).mean() >= _MOSTLY:
            return numbers, written
    return None
