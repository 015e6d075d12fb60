"""Vectors in the cells of a column: lists of numbers, in parquet and JSON as such, in text as ``[0.1, 0.2, …]``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.naming import MATRIX_NAMES, is_missing
from sibyl.sources.table_files import RawTable

_SEEN = 50  # cells that tell whether a column holds vectors
_LEAST = 3  # numbers in each, unless the column's name says what it holds
_BARE = 8  # the same where no brackets stand around them
_LIST = re.compile(r"\s*(?:array\()?[\[(]?[\s\d.,;|eE+\-naifNAIF…]*[\])]*\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|nan|inf)", re.IGNORECASE)
Matrix = npt.NDArray[np.float32]


def vector_column(table: RawTable, left_out: tuple[str | None, ...] = ()) -> str | None:
    """Return the column that holds vectors, None if none does.

    Raises
    ------
    DataError
        If there are several, and not one of them is called ``embedding`` or alike.
    """
    found = [
        str(name)
        for name in table.frame.columns
        if name not in left_out and _length(table.frame[name], str(name).lower() in MATRIX_NAMES) is not None
    ]
    if len(found) > 1:
        named = [name for name in found if name.lower() in MATRIX_NAMES]
        if len(named) != 1:
            raise DataError(
                f"{table.path}: expected one column of vectors, or one named {MATRIX_NAMES[0]!r}; it holds {quoted(found)}: leave out all "
                "but one with --ignore"
            )
        return named[0]
    return found[0] if found else None


def _length(cells: pd.Series[Any], is_named: bool) -> int | None:
    """Return how many numbers a column's cells hold; None if they are no vectors of one length."""
    kind = getattr(cells.dtype, "pyarrow_dtype", None)
    if kind is not None and not _is_numeric(getattr(kind, "value_type", kind)):
        return None
    if kind is None and cells.dtype != object:
        return None
    lengths = []
    for cell in cells.head(5 * _SEEN):
        if isinstance(cell, str) and not is_missing(cell):
            cell = _parsed(cell, _BARE if not is_named else 2)
            if cell is None:
                return None
        if isinstance(cell, list | tuple | np.ndarray):
            if kind is None and not all(isinstance(one, int | float) or one is None for one in cell):
                return None
            lengths.append(len(cell))
        elif not _is_none(cell):
            return None
        if len(lengths) == _SEEN:
            break
    if not lengths:
        return None
    usual = max(set(lengths), key=lengths.count)
    return usual if lengths.count(usual) >= len(lengths) / 2 and usual >= (1 if is_named else _LEAST) else None


def _is_none(cell: Any) -> bool:
    return (
        cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell) or (isinstance(cell, str) and is_missing(cell))
    )


def _is_numeric(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _parsed(text: str, at_least: int) -> list[float] | None:
    """Take a text of numbers apart; without brackets it needs some numbers to be one."""
    if not _LIST.fullmatch(text):
        return None
    numbers = [float(one) for one in _NUMBER.findall(text)]
    has_brackets = text.strip()[:1] in "[(" or text.lstrip().startswith("array(")
    return numbers if len(numbers) >= (1 if has_brackets else at_least) else None


def vectors_in(cells: pd.Series[Any]) -> tuple[Matrix, dict[int, str]]:
    """Return the vectors of a column, and why some rows hold none.

    Returns
    -------
    matrix : float32 array [row, dim]
        Zeros in rows that hold no vector.
    bad : dict of int to str
        Place of the row → reason.
    """
    if hasattr(cells.dtype, "pyarrow_dtype"):
        matrix, bad = _of_lists(cells.array.__arrow_array__())
    else:
        matrix, bad = _of_cells(list(cells))
    if has_vanished(matrix):
        raise DataError(f"column {cells.name!r} holds numbers below 1e-30 in size alone, which all count as 0; rescale them")
    with np.errstate(over="ignore", invalid="ignore"):
        rows = np.asarray(matrix, np.float32)
    for row in np.flatnonzero(~np.isfinite(rows).all(1)):
        bad.setdefault(int(row), "holds NaN or infinity")
    return rows, bad


def has_vanished(matrix: npt.NDArray[Any]) -> bool:
    """Tell whether numbers differ, but would all be 0 to half the precision."""
    with np.errstate(invalid="ignore"):
        return matrix.dtype == np.float64 and bool(matrix.any()) and not bool((np.abs(matrix) >= 1e-30).any())


def _of_lists(column: Any) -> tuple[npt.NDArray[Any], dict[int, str]]:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # more than one chunk can hold
        column = pa.concat_arrays(column.chunks)
    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
    usual = int(np.bincount(lengths[lengths >= 0]).argmax()) if (lengths >= 0).any() else 0
    bad = {int(row): _odd_length(int(lengths[row]), usual) for row in np.flatnonzero(lengths != usual)}
    good = column.filter(pa.array(lengths == usual)) if bad else column
    values = np.asarray(
        good.flatten()
        .cast(pa.float64() if pa.types.is_decimal(column.type.value_type) else column.type.value_type)
        .to_numpy(zero_copy_only=False)
    )
    values = values.reshape(-1, usual)
    if not bad:
        return values, bad
    matrix = np.zeros((len(lengths), usual), np.float32)
    matrix[lengths == usual] = values
    return matrix, bad


def _of_cells(cells: list[Any]) -> tuple[npt.NDArray[Any], dict[int, str]]:
    parsed: list[Any] = []
    bad: dict[int, str] = {}
    for row, cell in enumerate(cells):
        if isinstance(cell, str):
            if "..." in cell or "…" in cell:
                bad[row] = "its vector is shortened to an ellipsis; write all its numbers"
            cell = _parsed(cell, 1)
        parsed.append(
            [float("nan") if one is None else one for one in cell] if isinstance(cell, list | tuple | np.ndarray) else None
        )
    lengths = [-1 if one is None else len(one) for one in parsed]
    there = [length for row, length in enumerate(lengths) if length >= 0 and row not in bad]
    usual = max(set(there), key=there.count) if there else 0
    matrix = np.zeros((len(cells), usual))
    for row, one in enumerate(parsed):
        if lengths[row] != usual:
            bad.setdefault(row, _odd_length(lengths[row], usual))
            continue
        try:
            matrix[row] = one
        except (TypeError, ValueError, OverflowError):
            bad.setdefault(row, "holds something else than numbers")
    return matrix, bad


def _odd_length(length: int, usual: int) -> str:
    return "no vector" if length < 0 else f"a vector of {counted(length, 'number')}, others have {usual:,}"
