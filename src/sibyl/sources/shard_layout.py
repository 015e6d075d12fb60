"""The columns of parquet shards: which hold features and names, whether all shards are alike, and rows as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sibyl.errors import DataError, reason_of
from sibyl.messages import counted, quoted
from sibyl.sources.naming import LABEL_NAMES, MATRIX_NAMES, NAME_NAMES, named
from sibyl.sources.stores import Place, sentence_of

BUFFER = 1 << 20  # bytes of a column that are read at once: without it a whole row group is held
_REASONS = ("holds no vector", "holds NaN or infinity")


@dataclass(frozen=True)
class Layout:
    """Which columns of a shard are read.

    Parameters
    ----------
    columns : tuple of str
        One column of vectors, or columns of one number each.
    is_vector : bool
        Which of the two.
    dim : int
        Numbers of a row.
    id_column : str, optional
        Names of the rows; without one they are called after shard and place, ``part-0.parquet#12``.
    """

    columns: tuple[str, ...]
    is_vector: bool
    dim: int
    id_column: str | None


class OtherWidth(ValueError):
    """A row has another number of columns than the first; the message says where."""


@contextmanager
def named_shard(place: Place, name: str) -> Iterator[None]:
    """Say of which shard an error is."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(
            f"{place.uri}/{name}: has vanished since the folder was listed; run again once nothing writes there"
        ) from None
    except OtherWidth as error:
        raise DataError(f"{place.uri}/{name}: {error}") from None
    except (pa.ArrowException, OSError, ValueError, NotImplementedError, OverflowError) as error:
        if place.is_remote and isinstance(error, OSError):
            raise DataError(sentence_of(f"{place.uri}/{name}", error)) from None
        reason = reason_of(error, 120)
        raise DataError(f"{place.uri}/{name}: damaged or not a parquet file ({reason}); write this shard again") from None


def list_length(kind: Any) -> int | None:
    """Return the fixed length of a type of lists of numbers, 0 where it is not fixed, None for any other type."""
    types = pa.types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return None
    if not (types.is_integer(kind.value_type) or types.is_floating(kind.value_type)):
        return None
    return int(kind.list_size) if types.is_fixed_size_list(kind) else 0


def layout_of(place: Place, name: str, schema: Any, column: str | None, id_column: str | None) -> Layout:
    """Choose the columns of features and names by what one shard holds; DataError where they cannot be told."""
    for wanted in (column, id_column):
        if wanted is not None and wanted not in schema.names:
            raise DataError(f"{place.uri}/{name}: has no column {wanted!r}; it holds {quoted(schema.names, 8)}")
    others = [one.name for one in schema if one.name != column]
    names = named(others, NAME_NAMES, id_column)
    vectors = [one.name for one in schema if list_length(one.type) is not None and one.name != names]
    if column is None and len(vectors) > 1:
        usual = [one for one in vectors if one.lower() in MATRIX_NAMES]
        if len(usual) != 1:
            raise DataError(
                f"{place.uri}/{name}: expected one column of vectors, it holds {quoted(vectors, 8)}; name one with --column"
            )
        column = usual[0]
    column = column or (vectors[0] if vectors else None)
    if column is not None:
        length = list_length(schema.field(column).type)
        if length is None:
            raise DataError(f"{place.uri}/{name}: column {column!r} holds {schema.field(column).type}, expected lists of numbers")
        return Layout((column,), True, length or _first_length(place, name, column), names)
    numbers = tuple(
        one.name for one in schema if pa.types.is_floating(one.type) and one.name != names and one.name.lower() not in LABEL_NAMES
    )
    if not numbers:
        raise DataError(
            f"{place.uri}/{name}: holds no features, neither lists of numbers nor columns of floating-point numbers, only "
            f"{quoted(schema.names, 8)}"
        )
    return Layout(numbers, False, len(numbers), names)


def _first_length(place: Place, name: str, column: str) -> int:
    with named_shard(place, name), place.filesystem.open_input_file(place.below(name)) as opened:
        for batch in pq.ParquetFile(opened, buffer_size=BUFFER, pre_buffer=False).iter_batches(
            64, columns=[column], use_threads=False
        ):
            for cell in batch.column(0):
                if cell.is_valid and len(cell):
                    return len(cell)
    raise DataError(f"{place.uri}/{name}: column {column!r} holds no vectors")


def check_alike(place: Place, name: str, schema: Any, first: str, layout: Layout) -> None:
    """Raise DataError where a shard is not laid out as the first one."""
    missing = [one for one in (*layout.columns, layout.id_column) if one is not None and one not in schema.names]
    if missing:
        raise DataError(f"{place.uri}/{name}: lacks the column {missing[0]!r} that {first} has; all shards must be alike")
    if layout.is_vector:
        length = list_length(schema.field(layout.columns[0]).type)
        if length is None or (length and length != layout.dim):
            held = f"{schema.field(layout.columns[0]).type}" if length is None else counted(length, "number")
            raise DataError(f"{place.uri}/{name}: rows of {held}, but {first} has {layout.dim:,}; all shards must have one width")
    elif any(not pa.types.is_floating(schema.field(one).type) for one in layout.columns):
        raise DataError(
            f"{place.uri}/{name}: a column of features holds no floating-point numbers as in {first}; all shards must be alike"
        )


def matrix_of(batch: Any, layout: Layout, first: int) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    """Return the rows of a batch, and why some cannot be used; `first` is the place of its first row in the shard."""
    n_rows = batch.num_rows
    if layout.is_vector:
        matrix, there = _of_lists(batch.column(batch.schema.get_field_index(layout.columns[0])), layout.dim, first)
    else:
        matrix, there = np.empty((n_rows, layout.dim), np.float32), np.ones(n_rows, bool)
        with np.errstate(over="ignore"):
            for place, name in enumerate(layout.columns):
                matrix[:, place] = batch.column(batch.schema.get_field_index(name)).to_numpy(zero_copy_only=False)
    finite = np.isfinite(matrix).all(1)
    matrix[~(finite & there)] = 0
    bad = {int(row): _REASONS[0] for row in np.flatnonzero(~there)}
    bad.update({int(row): _REASONS[1] for row in np.flatnonzero(there & ~finite)})
    return matrix, bad


def _of_lists(column: Any, dim: int, first: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)
    lengths = np.where(there, dim, 0)
    if not pa.types.is_fixed_size_list(column.type):
        lengths = np.asarray(pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False))
        there &= lengths > 0
    odd = np.flatnonzero(there & (lengths != dim))
    if len(odd):
        row = int(odd[0])
        raise OtherWidth(
            f"row {first + row} holds {counted(int(lengths[row]), 'number')}, expected {dim:,}; all rows must have one width"
        )
    # Flattening leaves out the lists that are null, as it does the empty ones.
    with np.errstate(over="ignore"):
        values = np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float32)
    matrix = np.zeros((len(there), dim), np.float32)
    matrix[there] = values.reshape(-1, dim)
    return matrix, there
