"""A table that comes after another: its columns are found by name and become features just as the first table's did."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.cells import DATES, Numbers, Texts, Values, is_missing, texts_in, values_in
from sibyl.sources.fitted_columns import CategoryColumn, FittedColumns, NumberColumn
from sibyl.sources.number_format import NumberFormat
from sibyl.sources.number_units import unit_ratio
from sibyl.sources.rows import name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable
from sibyl.sources.tables import how_read, lost_cells, source_of_rows

_AT_LEAST = 0.5  # share of a later column's cells that must be numbers; a single slip in a short table is only a missing value
_FAR = 3.0  # deviations from the earlier mean, in the median: half of the values lie outside what the earlier table held
_CLOSE, _ENOUGH = 0.05, 10  # share of the earlier deviation, and values that must be there to tell


def values_as_before(table: RawTable, fitted: FittedColumns, label_column: str | None, id_column: str | None) -> Source:
    """Turn rows into vectors with what was learned from an earlier table.

    The order of the columns does not matter, nor do capitals in their names where that leaves no doubt. Columns that the earlier table did not have are passed over and named in the notes; so are
    categories that it did not have, which count as its rare ones, or as none where it had no rare ones, and columns whose values lie
    far from the earlier ones, which perhaps are in another unit.

    Raises
    ------
    DataError
        If a column is missing, or holds something else than before.
    """
    table = _named_as_before(table, fitted.names)
    rows = name_rows(table, label_column, id_column)
    have = [str(name) for name in table.frame.columns]
    _check_all_there(table, fitted.names, have)
    # A column that served as a value before may look like names or labels here, so it is taken from the whole table.
    frame = table.frame.loc[rows.frame.index]
    notes: list[str] = []
    extra = [str(name) for name in rows.frame.columns if str(name) not in (*fitted.names, *fitted.left_out)]
    if extra:
        notes.append(f"passed over {counted(len(extra), 'column')} that the earlier table did not have: {quoted(extra)}")
    values = {one.name: _numbers_as_before(table, one, frame[one.name], notes) for one in fitted.numbers}
    numbers, there = {name: one.numbers for name, one in values.items()}, {name: one.there for name, one in values.items()}
    categories = {one.name: _categories_as_before(one, frame[one.name], notes) for one in fitted.categories}
    return source_of_rows(table, rows, numbers, there, categories, fitted, notes)


def _named_as_before(table: RawTable, wanted: Sequence[str]) -> RawTable:
    """Call columns as they were called where only capitals or blanks around the name differ."""
    have = [str(name) for name in table.frame.columns]
    free = Counter(_plain(name) for name in have if name not in wanted)
    missing = Counter(_plain(name) for name in wanted if name not in have)
    new = {_plain(name): name for name in wanted if name not in have}
    names = [new[plain] if name not in wanted and free[plain := _plain(name)] == missing[plain] == 1 else name for name in have]
    return replace(table, frame=table.frame.set_axis(names, axis=1)) if names != have else table


def _plain(name: str) -> str:
    return name.strip().casefold()


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


def _numbers_as_before(table: RawTable, column: NumberColumn, cells: pd.Series[Any], notes: list[str]) -> Values:
    if cells.dtype == object:  # truth values with gaps
        cells = cells.map(lambda cell: float(cell) if isinstance(cell, bool) else cell)
    values = values_in(cells, delimiter=table.delimiter, earlier=column.written)
    if not values.there.any():
        notes.append(f"column {column.name!r} is blank in every row: the earlier table's median stands for it")
        return values
    if (values.written == DATES) != (column.written == DATES):
        held, holds = ("dates", "none") if column.written == DATES else ("numbers", "dates")
        raise DataError(
            f"{table.path}: column {column.name!r} held {held} in the earlier run, but holds {holds} here "
            f"({texts_in(cells)[values.there][0]!r}); write it as it was then"
        )
    if values.share < _AT_LEAST:
        lost = values.words.total()
        raise DataError(
            f"{table.path}: column {column.name!r} held numbers in the earlier run, but {lost} of {values.there.sum()} here "
            f"{'is' if lost == 1 else 'are'} none ({next(iter(values.words))!r}); write numbers, and leave blank what is not known"
        )
    values = _in_unit(table, column, values, notes)
    if values.words:
        notes.append(lost_cells(column.name, values))
    if values.written != column.written or values.doubt:
        notes += how_read(column.name, values)
    if (odd := _unlike(column, values.numbers)) is not None:
        notes.append(f"column {column.name!r}: {odd}")
    return values


def _in_unit(table: RawTable, column: NumberColumn, values: Values, notes: list[str]) -> Values:
    """Bring values to the unit that the column had, where that is known, and say whatever differs."""
    earlier, here = NumberFormat.named(column.written), NumberFormat.named(values.written)
    was, units = (earlier.unit if earlier else ""), values.units or ((here.unit,) if here and here.unit else ())
    unit = units[0] if len(units) == 1 else ""
    if len(units) < 2 and unit != was:
        ratio = unit_ratio(unit, was)
        had, has = (
            f"was {f'in {was!r}' if was else 'without a unit'} in the earlier table",
            f"is {f'in {unit!r}' if unit else 'without one'} here",
        )
        if ratio != 1 and _distance(column, values.numbers * ratio) < min(_FAR, _distance(column, values.numbers)):
            notes.append(f"column {column.name!r} {had}, and {has}: its values are taken × {ratio:,g}")
            return replace(values, numbers=values.numbers * ratio)
        if not (unit and was) or ratio != 1:
            notes.append(f"column {column.name!r} {had}, and {has}: its values are taken as they stand")
            return values
    other = [unit for unit in units if unit != was]
    if was and other:
        raise DataError(
            f"{table.path}: column {column.name!r} was in {was!r} in the earlier run, but here are values in {other[0]!r}; "
            "write it in the unit that it had"
        )
    if len(units) > 1:
        raise DataError(f"{table.path}: the units of column {column.name!r} differ ({quoted(units, 4)}); write all in one")
    return values


def _distance(column: NumberColumn, numbers: Numbers) -> float:
    """How many deviations the median of the values lies from the earlier mean."""
    finite = numbers[np.isfinite(numbers)]
    return float(np.median(np.abs(finite - column.mean)) / column.deviation) if len(finite) else 0.0


def _unlike(column: NumberColumn, numbers: Numbers) -> str | None:
    """Say that a column's values lie far from the earlier ones, or much closer together; None if they do not."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite) or column.written == DATES:
        return None
    far = np.abs((finite - column.mean) / column.deviation)
    before = f"{column.mean:.4g} ± {column.deviation:.2g} in the earlier table"
    if np.median(far) > _FAR:
        return f"its values lie far outside the earlier ones (median {np.median(finite):.4g}, {before}); perhaps they are in another unit"
    spread = float(np.std(finite))
    if len(finite) >= _ENOUGH and 0 < spread < _CLOSE * column.deviation:
        return f"its values differ much less than the earlier ones ({np.mean(finite):.4g} ± {spread:.2g}, {before}); perhaps another unit"
    return None


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
