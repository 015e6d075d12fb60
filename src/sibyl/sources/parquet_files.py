"""Parquet files as frames: every type of column, whatever it holds, and nothing unfolded beyond the limit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sibyl.errors import DataError, reason_of
from sibyl.sources.limits import check_unfolded

_INDEX = re.compile(r"__index_level_\d+__")  # how pandas names the column of its row labels
_BATCH = 8192
_POINTER = 8  # bytes of each cell in a frame, at least


def read_parquet(path: Path) -> tuple[pd.DataFrame, list[Any] | None]:
    """Read a file.

    Returns
    -------
    frame : DataFrame
        See `frame_of_arrow`.
    index : list, optional
        The row labels of a frame that pandas wrote.

    Raises
    ------
    DataError
        If it is damaged, two columns have one name, or it unfolds beyond the limit.
    """
    try:
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
        file = pq.ParquetFile(path, read_dictionary=texts)
        check_unfolded(path, _size(file.metadata))
        table = _gathered(path, file)
        names = table.column_names
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise DataError(f"{path}: two columns are named {twice!r}; rename one")
        classes = _classes(table.schema.metadata)
        indices = [name for name in names if _INDEX.fullmatch(name)] if len(names) > 1 else []
        columns = _columns(table, classes)
    except (
        pa.ArrowException, OSError, ValueError, OverflowError, TypeError, LookupError, NotImplementedError, RecursionError, MemoryError,
    ) as error:  # fmt: skip
        raise DataError(f"{path}: damaged or not a parquet file ({reason_of(error, 120)}); write it again") from None
    index = list(columns[indices[0]]) if len(indices) == 1 else None
    if len(indices) < len(columns):
        columns = {name: column for name, column in columns.items() if name not in indices}
    return _frame(columns, table.num_rows), index


def frame_of_arrow(table: Any, classes: Mapping[str, list[str]] | None = None) -> pd.DataFrame:
    """Return a table of Arrow as a frame, its rows numbered from 1.

    Dates, times and durations are numpy's; lists, and files in cells, are Arrow's; texts and all else are objects; whole numbers with
    gaps are pandas' own, so that large ones stay exact. Bytes that are not UTF-8 are lone surrogates.

    Parameters
    ----------
    table : pyarrow.Table
        Its columns have different names.
    classes : mapping of str to list of str, optional
        Column of class numbers → names of the classes, which stand in their place; numbers without one become blank.
    """
    return _frame(_columns(table, classes or {}), table.num_rows)


def _frame(columns: dict[str, pd.Series[Any]], n_rows: int) -> pd.DataFrame:
    frame = pd.DataFrame(columns, index=pd.RangeIndex(n_rows), copy=False)
    frame.index = pd.RangeIndex(1, n_rows + 1)
    return frame


def _columns(table: Any, classes: Mapping[str, list[str]]) -> dict[str, pd.Series[Any]]:
    columns = {name: series_of_arrow(table.column(name)) for name in table.column_names}
    for name, words in classes.items():
        if name in columns and pa.types.is_integer(table.column(name).type):
            numbers = table.column(name).to_pylist()
            columns[name] = _objects([words[one] if one is not None and 0 <= one < len(words) else None for one in numbers])
    return columns


def _classes(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the names of the classes that Hugging Face writes beside columns of class numbers."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {
            str(name): list(one["names"])
            for name, one in features.items()
            if isinstance(one, dict) and one.get("_type") == "ClassLabel" and all(isinstance(word, str) for word in one["names"])
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _size(metadata: Any) -> int:
    encoded = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return int(max(encoded, metadata.num_rows * metadata.num_columns * _POINTER))


def _gathered(path: Path, file: Any) -> pa.Table:
    batches, n_bytes = [], 0
    for batch in file.iter_batches(batch_size=_BATCH):
        n_bytes += batch.nbytes
        check_unfolded(path, n_bytes)
        batches.append(batch)
    return pa.Table.from_batches(batches, file.schema_arrow) if not batches else pa.Table.from_batches(batches)


def series_of_arrow(column: Any) -> pd.Series[Any]:
    """Return one column of Arrow; see `frame_of_arrow`."""
    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        return _objects([value for chunk in column.chunks for value in _of_dictionary(chunk)])
    if types.is_boolean(kind):
        return _objects(column.to_pylist()) if column.null_count else pd.Series(column.to_numpy())
    if types.is_integer(kind):
        if not column.null_count:
            return pd.Series(column.to_numpy())
        filled = column.fill_null(0).to_numpy()
        mask = np.asarray(column.is_null().to_numpy(), bool)
        return pd.Series(pd.array(filled, dtype=str(filled.dtype).replace("i", "I", 1).replace("uI", "UI", 1))).mask(mask)
    if types.is_floating(kind):
        return pd.Series(column.to_numpy())
    if types.is_decimal(kind):
        return pd.Series(column.cast(pa.float64(), safe=False).to_numpy())
    if types.is_timestamp(kind) or types.is_date(kind):
        unit = kind.unit if types.is_timestamp(kind) else "s" if types.is_date32(kind) else "ms"
        return pd.Series(column.cast(pa.timestamp(unit)).to_numpy())  # moments of a zone are those of UTC
    if types.is_duration(kind):
        return pd.Series(column.to_numpy())
    if types.is_time(kind):
        whole = column.cast(pa.int32() if types.is_time32(kind) else pa.int64()).cast(pa.int64())
        return pd.Series(whole.cast(pa.duration(kind.unit)).to_numpy())
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pd.Series(pd.arrays.ArrowExtensionArray(column))
    if is_files(kind):
        return pd.Series(pd.arrays.ArrowExtensionArray(column))
    return _objects(_plain(column))


def is_files(kind: Any) -> bool:
    """Tell whether a type of Arrow is that of files, as Hugging Face stores images and clips: a struct with their bytes."""
    if kind is None or not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    held = kind.field("bytes").type
    return bool(pa.types.is_binary(held) or pa.types.is_large_binary(held))


def _objects(values: list[Any]) -> pd.Series[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return pd.Series(array, dtype=object)  # pandas 3 would make texts of another type of them


def _of_dictionary(chunk: Any) -> list[Any]:
    words = [*_plain(chunk.dictionary), None]
    places = chunk.indices.fill_null(len(words) - 1).to_pylist()
    if places and min(places) < 0:
        raise IndexError("a cell points before the first of its column's values")
    return [words[place] for place in places]


def _plain(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        column = column.cast(pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary())
        values = [None if one is None else one.decode("utf-8", "surrogateescape") for one in column.to_pylist()]
    return values
