"""A table that comes after another: its columns are found by name and become features just as the first table's did."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import DataError
from sibyl.sources.cells import COMMAS, DATES, PLAIN, Numbers, Texts, is_dates, is_missing, numbers_in, texts_in
from sibyl.sources.fitted_columns import CategoryColumn, FittedColumns, NumberColumn
from sibyl.sources.rows import name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable
from sibyl.sources.tables import lost_cells, source_of_rows
from sibyl.wording import counted, quoted

_AT_LEAST = 0.5  # share of a later column's cells that must be numbers; a single slip in a short table is only a missing value


def values_as_before(table: RawTable, fitted: FittedColumns, label_column: str | None, id_column: str | None) -> Source:
    """Turn rows into vectors with what was learned from an earlier table.

    The order of the columns does not matter. Columns that the earlier table did not have are passed over and named in the notes; so are
    categories that it did not have, which count as its rare ones, or as none where it had no rare ones.

    Raises
    ------
    DataError
        If a column is missing, or holds something else than before.
    """
    rows = name_rows(table, label_column, id_column)
    have = [str(name) for name in table.frame.columns]
    _check_all_there(table, fitted.names, have)
    # A column that served as a value before may look like names or labels here, so it is taken from the whole table.
    frame = table.frame.loc[rows.frame.index]
    notes: list[str] = []
    extra = [str(name) for name in rows.frame.columns if str(name) not in (*fitted.names, *fitted.left_out)]
    if extra:
        notes.append(f"passed over {counted(len(extra), 'column')} that the earlier table did not have: {quoted(extra)}")
    numbers = {one.name: _numbers_as_before(table, one, frame[one.name], notes) for one in fitted.numbers}
    categories = {one.name: _categories_as_before(one, frame[one.name], notes) for one in fitted.categories}
    return source_of_rows(table, rows, numbers, categories, fitted, notes)


def _check_all_there(table: RawTable, wanted: Sequence[str], have: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in have]
    if not missing:
        return
    free = [name for name in have if name not in wanted]
    same = [one for name in missing for one in free if one.lower().strip() == name.lower().strip()]
    near = same or [one for name in missing for one in difflib.get_close_matches(name, free, n=1, cutoff=0.6)]
    hint = (
        f"did you mean {quoted(near)}? Name columns as they were" if near else "add it, with blank cells where a value is not known"
    )
    raise DataError(
        f"{table.path}: lacks {len(missing)} of the {counted(len(wanted), 'column')} that the earlier run read: {quoted(missing)}; {hint}"
    )


def _numbers_as_before(table: RawTable, column: NumberColumn, cells: pd.Series[Any], notes: list[str]) -> Numbers:
    texts = texts_in(cells)
    there = ~is_missing(texts)
    if not there.any():
        return np.full(len(cells), np.nan)
    if is_dates(cells) != (column.written == DATES):
        held, holds = ("dates", "none") if column.written == DATES else ("numbers", "dates")
        raise DataError(
            f"{table.path}: column {column.name!r} held {held} in the earlier run, but holds {holds} here ({texts[there][0]!r}); "
            "write it as it was then"
        )
    if cells.dtype == object:  # truth values with gaps
        cells = cells.map(lambda cell: float(cell) if isinstance(cell, bool) else cell)
    numbers = numbers_in(cells, column.written)
    if _share(numbers, there) < _AT_LEAST and column.written == PLAIN:
        numbers = numbers_in(cells, COMMAS)
    lost = there & np.isnan(numbers)
    if _share(numbers, there) < _AT_LEAST:
        raise DataError(
            f"{table.path}: column {column.name!r} held numbers in the earlier run, but {lost.sum()} of {there.sum()} here "
            f"{'is' if lost.sum() == 1 else 'are'} none ({texts[lost][0]!r}); write numbers, and leave blank what is not known"
        )
    if lost.any():
        notes.append(lost_cells(column.name, int(lost.sum())))
    return numbers


def _share(numbers: Numbers, there: npt.NDArray[np.bool_]) -> float:
    return float(np.isfinite(numbers[there]).mean())


def _categories_as_before(column: CategoryColumn, cells: pd.Series[Any], notes: list[str]) -> Texts:
    texts = texts_in(cells)
    texts[is_missing(texts)] = ""
    known = {*column.own, *column.rare}
    new = [text or "blank" for text in texts if text not in known]
    if new:
        treated = "a rare category" if column.rare else "no category at all"
        what = f"{counted(len(new), 'cell')} with what the earlier table did not have ({quoted(list(dict.fromkeys(new)), 3)})"
        notes.append(f"column {column.name!r}: {what} {'counts' if len(new) == 1 else 'count'} as {treated}")
    return texts
