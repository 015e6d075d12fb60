"""A table of values: numbers scaled, categories encoded, so that each row is a vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.cells import DATES, PLAIN, TIMES, Numbers, Texts, Values, hints_of, is_missing, texts_in, values_in
from sibyl.sources.fitted_columns import FittedColumns, fit_columns, strays
from sibyl.sources.item import Item, Skipped
from sibyl.sources.number_format import NumberFormat
from sibyl.sources.rows import NamedRows, name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable
from sibyl.sources.texts import reads_like_texts

_MOSTLY = 0.9  # share of the cells that must be numbers, for a column to be one of numbers
_GAPS = 0.5  # the same where all other cells hold the same few words, and the numbers are many
_FEW_WORDS, _MANY_NUMBERS = 3, 10
_TOO_LARGE = 1e100  # its square must be a number too
_TOO_SMALL = 1e-280  # numbers that have few digits left


@dataclass(eq=False)
class _Columns:
    """Columns sorted by what they hold, and a note for each that is changed or left out."""

    numbers: dict[str, Numbers] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    there: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    categories: dict[str, Texts] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, name: str, why: str) -> None:
        self.notes.append(f"column {name!r} is left out: {why}")


def values_of_table(table: RawTable, label_column: str | None, id_column: str | None) -> Source:
    """Turn rows into vectors.

    Numbers are brought to mean 0 and deviation 1, and cut at ten deviations; missing ones become the column's median. How a column
    writes its numbers, with marks of thousands, currencies or units, is decided over all its cells. Categories become one column each,
    the rarest beyond 30 together one; a missing category is one of its own. Columns with one value, row numbers, dates that are texts,
    and texts or names that differ in most rows are left out and named in the notes.

    Raises
    ------
    DataError
        If a column does not exist, or no column is left.
    """
    rows = name_rows(table, label_column, id_column)
    columns = _sorted_columns(rows.frame, table.delimiter)
    if not columns.numbers and not columns.categories:
        raise DataError(
            f"{table.path}: no column can be learned from ({'; '.join(columns.notes) or 'there is none'}); "
            "for a table of texts, name the column with --column"
        )
    read = {str(name) for name in (*columns.numbers, *columns.categories)}
    left_out = tuple(str(name) for name in table.frame.columns if str(name) not in read)
    kept = np.flatnonzero(~_is_empty(len(rows.names), columns.there, columns.categories))
    fitted = fit_columns(
        {name: values[kept] for name, values in columns.numbers.items()},
        columns.written,
        {name: values[kept] for name, values in columns.categories.items()},
        left_out,
    )
    return source_of_rows(table, rows, columns.numbers, columns.there, columns.categories, fitted, columns.notes)


def source_of_rows(
    table: RawTable,
    rows: NamedRows,
    numbers: Mapping[str, Numbers],
    there: Mapping[str, npt.NDArray[np.bool_]],
    categories: Mapping[str, Texts],
    fitted: FittedColumns,
    notes: Sequence[str],
) -> Source:
    """Return the rows of a table as features; those without any value say nothing, and are skipped."""
    empty = _is_empty(len(rows.names), there, categories)
    skipped = [*rows.skipped, *(Skipped(rows.names[row], "no values") for row in np.flatnonzero(empty))]
    items = tuple(Item(rows.names[row], table.path) for row in np.flatnonzero(~empty))
    readable = {name: np.isfinite(values) for name, values in numbers.items()}
    no_number = np.flatnonzero(_is_empty(len(rows.names), readable, categories) & ~empty)
    unread, gaps = _unread(rows.frame, list(numbers), no_number)
    if gaps:
        shown = quoted([rows.names[row] for row in gaps], 3)
        notes = [
            *notes,
            f"{counted(len(gaps), 'row')} of gaps alone ({shown}): nothing is known of them, so they count as the middle",
        ]
    matrix = fitted.rows(
        {name: values[~empty] for name, values in numbers.items()}, {name: values[~empty] for name, values in categories.items()}
    )
    understood = f"a table of values; {counted(len(fitted.names), 'column')} used ({quoted(fitted.names, 6)})"
    unused = [name for name in rows.frame.columns if name not in fitted.names]
    if unused:
        understood += f", {len(unused):,} not ({quoted(unused, 6)})"
    return rows.source(
        "table",
        table,
        items,
        skipped,
        understood,
        matrix=matrix,
        notes=(*table.notes, *rows.notes, *notes),
        fitted=fitted.to_fitted(),
        unread={rows.names[row]: why for row, why in unread.items()},
    )


def _unread(frame: pd.DataFrame, columns: Sequence[str], rows: npt.NDArray[np.int_]) -> tuple[dict[int, str], list[int]]:
    """Divide rows without any number into those that cannot be read, with the reason, and those of gaps alone.

    A word that a column holds twice or more, such as ``<LOD`` or ``n.d.``, is its author's mark of a gap; any other is a value that is
    lost.
    """
    unread: dict[int, str] = {}
    gaps: list[int] = []
    if not len(rows):
        return unread, gaps
    texts = {name: texts_in(frame[name]) for name in columns}
    often = {name: {word for word, count in Counter(held).items() if count > 1} for name, held in texts.items()}
    missing = {name: is_missing(held) for name, held in texts.items()}
    for row in map(int, rows):
        words = {name: held[row] for name, held in texts.items() if not missing[name][row]}
        if all(word in often[name] for name, word in words.items()):
            gaps.append(row)
        else:
            shown = quoted(list(dict.fromkeys(word[:30] for word in words.values())), 3)
            unread[row] = f"no cell that is read holds a number ({shown})"
    return unread, gaps


def lost_cells(column: str, values: Values) -> str:
    """Say that cells of a column of numbers hold something else."""
    number = values.words.total()
    shown = quoted([word[:30] for word, _ in values.words.most_common(3)], 3) + (", …" if len(values.words) > 3 else "")
    if number == 1:
        return f"column {column!r}: 1 cell is no number and counts as missing ({shown})"
    return f"column {column!r}: {number:,} cells are no numbers and count as missing ({shown})"


def how_read(column: str, values: Values) -> list[str]:
    """Say how the numbers of a column were read, where that is not plain."""
    said = []
    written = NumberFormat.named(values.written)
    if values.doubt:
        said.append(f"column {column!r}: {values.doubt}")
    elif written is not None and values.written != PLAIN:
        said.append(f"column {column!r} is read as numbers: {written.example()}")
    if values.bounds:
        said.append(
            f"column {column!r}: {counted(values.bounds, 'cell')} with < or > {'is' if values.bounds == 1 else 'are'} read as the bound"
        )
    return said


def _is_empty(n_rows: int, there: Mapping[str, npt.NDArray[np.bool_]], categories: Mapping[str, Texts]) -> npt.NDArray[np.bool_]:
    """Tell which rows hold nothing: what stands there and is no number, such as ``<LOD``, is something."""
    empty = np.ones(n_rows, bool)
    for is_there in there.values():
        empty &= ~is_there
    for texts in categories.values():
        empty &= texts == ""
    return empty


def _sorted_columns(frame: pd.DataFrame, delimiter: str) -> _Columns:
    columns = _Columns()
    read = {str(name): values_in(frame[name], delimiter=delimiter) for name in frame.columns}
    hints = hints_of(read.values())
    for name, values in read.items():
        if values.doubt and hints and values.written != DATES:
            read[name] = values_in(frame[name], hints, delimiter)
    for name, values in read.items():
        if not _take_numbers(columns, name, values):
            _take_texts(columns, name, texts_in(frame[name]), values, reads_like_texts(frame[name]))
    return columns


def _take_numbers(columns: _Columns, name: str, values: Values) -> bool:
    """Take a column of numbers, or note why it is left out; false if it is none."""
    numbers, n_different = values.numbers, values.n_different
    is_gappy = values.share >= _GAPS and len(values.words) <= _FEW_WORDS and n_different > _MANY_NUMBERS
    if not values.there.any() or not (values.share >= _MOSTLY or is_gappy):
        return False
    if len(values.units) > 1:
        if n_different <= _MANY_NUMBERS:
            return False  # few sizes, such as 512 MB and 1 GB: categories
        columns.leave_out(name, f"its units differ ({quoted(values.units, 4)}); write all in one")
        return True
    large = np.abs(numbers) > _TOO_LARGE
    if large.any():
        numbers = np.where(large, np.nan, numbers)
        columns.notes.append(f"column {name!r}: {counted(int(large.sum()), 'number')} beyond 1e100 count as missing")
    small = (np.abs(numbers) < _TOO_SMALL) & (numbers != 0)
    if small.any():
        numbers = np.where(small, 0.0, numbers)
        columns.notes.append(f"column {name!r}: {counted(int(small.sum()), 'number')} nearer to 0 than 1e-280 count as 0")
    finite = numbers[np.isfinite(numbers)]
    if len(np.unique(finite)) < 2:
        columns.leave_out(name, "one value only")
    elif len(finite) == len(numbers) > 2 and numbers[0] in (0, 1) and bool((np.diff(numbers) == 1).all()):
        columns.leave_out(name, "it numbers the rows")
    else:
        if values.words:
            columns.notes.append(lost_cells(name, values))
        columns.notes += how_read(name, values)
        if len(far := strays(numbers)) and values.written not in (DATES, TIMES):
            shown = ", ".join(f"{number:g}" for number in dict.fromkeys(numbers[far[:3]].tolist()))
            columns.notes.append(
                f"column {name!r}: {counted(len(far), 'value')} far from all others ({shown}{', …' if len(far) > 3 else ''}) "
                f"{'counts' if len(far) == 1 else 'count'} as ten deviations: a slip of the keyboard, or a mark for a missing value?"
            )
        columns.numbers[name], columns.written[name], columns.there[name] = numbers, values.written, values.there
    return True


def _take_texts(columns: _Columns, name: str, texts: Texts, values: Values, is_prose: bool) -> None:
    texts[is_missing(texts)] = ""
    n_different = len(set(texts))
    if n_different < 2:
        columns.leave_out(name, "one value only")
    elif n_different > max(20, len(texts) / 2) or (is_prose and n_different > len(texts) / 2):
        why = f"{n_different} different texts in {len(texts)} rows"
        if values.share >= _GAPS:
            why += f", {values.share:.0%} of them numbers; the others begin with {next(iter(values.words))[:30]!r}"
        columns.leave_out(name, why)
    else:
        columns.categories[name] = texts
