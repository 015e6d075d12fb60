"""Folders of parquet shards that hold features, on a disk or in an object store: read in batches, never whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.naming import LABEL_NAMES, MATRIX_NAMES, NAME_NAMES, named
from sibyl.sources.stores import SCHEMES, Place, place_of, sentence_of

BATCH = 4096  # rows that are read at once
_BUFFER = 1 << 20  # bytes of a column that are read at once: without it a whole row group is held
_OPENED = 8  # footers that are read side by side
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


@dataclass(frozen=True)
class Shard:
    """One parquet file: its name below the folder, and how many rows its footer says it has."""

    name: str
    n_rows: int


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a shard.

    Parameters
    ----------
    names : list of str
        Of all rows.
    matrix : float32 array [row, dim]
        Features; zero where there are none.
    bad : dict of int to str
        Place of a row that cannot be used → the reason.
    """

    names: list[str]
    matrix: npt.NDArray[np.float32]
    bad: dict[int, str]


@dataclass(frozen=True, eq=False)
class Shards:
    """A folder of parquet shards, opened: nothing but the footers has been read.

    Parameters
    ----------
    place : Place
        The folder.
    shards : tuple of Shard
        Those that hold rows, by name.
    layout : Layout
        The same for all.
    notes : tuple of str
        What a person should know: shards that are empty.
    """

    place: Place
    shards: tuple[Shard, ...]
    layout: Layout
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Rows of all shards."""
        return sum(shard.n_rows for shard in self.shards)

    def batches(self, number: int, n_rows: int = BATCH, *, names: bool = True) -> Iterator[Batch]:
        """Read a shard from its first row to its last.

        Parameters
        ----------
        number : int
            Which of `shards`.
        n_rows : int
            Most rows of a batch.
        names : bool
            Read the column of names; otherwise `Batch.names` is empty.

        Raises
        ------
        DataError
            If the shard is damaged, has vanished, changed, or holds rows of another width.
        """
        name, layout = self.shards[number].name, self.layout
        id_column = layout.id_column if names else None
        for first, batch in self._read(number, n_rows, [*layout.columns, *([id_column] if id_column else [])]):
            with _named(self.place, name):
                matrix, bad = _matrix(batch, layout, first)
            yield Batch(_names(batch, id_column, name, first) if names else [], matrix, bad)

    def names(self, number: int, n_rows: int = BATCH) -> Iterator[list[str]]:
        """Read the names of a shard alone, so many at once; as `batches`, and with its errors."""
        shard, id_column = self.shards[number], self.layout.id_column
        if id_column is None:
            for first in range(0, shard.n_rows, n_rows):
                yield [f"{shard.name}#{place}" for place in range(first, min(first + n_rows, shard.n_rows))]
            return
        for first, batch in self._read(number, n_rows, [id_column]):
            yield _names(batch, id_column, shard.name, first)

    def _read(self, number: int, n_rows: int, columns: list[str]) -> Iterator[tuple[int, Any]]:
        """Yield the place of the first row of each batch, and the batch."""
        shard, seen = self.shards[number], 0
        with _named(self.place, shard.name), self.place.filesystem.open_input_file(self.place.below(shard.name)) as opened:
            file = pq.ParquetFile(opened, buffer_size=_BUFFER, pre_buffer=False)
            for batch in file.iter_batches(batch_size=n_rows, columns=columns, use_threads=False):
                yield seen, batch
                seen += batch.num_rows
        if seen != shard.n_rows:
            raise DataError(
                f"{self.place.uri}/{shard.name}: has {counted(seen, 'row')} now, had {shard.n_rows:,}; do not change shards while they are read"
            )


def is_uri(path: str | Path) -> bool:
    """Tell whether a path is written as a URI: ``s3://``, ``gs://``, ``hdfs://``, ``file://``."""
    return str(path).partition("://")[0] in SCHEMES and "://" in str(path)


def holds_shards(path: str | Path) -> bool:
    """Tell whether a path is in an object store, or a folder of parquet files of features and nothing else."""
    if is_uri(path):
        return True
    folder = Path(path)
    if not folder.is_dir() or (folder / "features.json").is_file():
        return False
    files = sorted(one for one in folder.rglob("*") if one.is_file() and not _is_hidden(one.relative_to(folder).as_posix()))
    if not files or any(one.suffix.lower() != ".parquet" for one in files):
        return False
    try:
        schema = pq.read_schema(files[0])
    except (pa.ArrowException, OSError, ValueError):
        return True  # and opening it says what is wrong
    if any(_list_length(one.type) is not None for one in schema):
        return True
    names = named(schema.names, NAME_NAMES)
    rest = [one.type for one in schema if one.name != names and one.name.lower() not in LABEL_NAMES]
    return any(map(pa.types.is_floating, rest)) and all(pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in rest)


def open_shards(path: str | Path, column: str | None = None, id_column: str | None = None) -> Shards:
    """Open a folder of parquet shards.

    Features are the one column of lists of numbers, or, without one, all columns of floating-point numbers that are not called like a
    label. Names are a column called ``id``, ``item``, ``path`` or alike.

    Parameters
    ----------
    path : str or path
        A folder, or ``s3://bucket/folder``, ``gs://…``, ``hdfs://…``. Hidden files and those that begin with ``_`` are left out.
    column : str, optional
        The column of vectors, where there are several.
    id_column : str, optional
        The column of names, where it has none of the usual names.

    Raises
    ------
    DataError
        If the folder cannot be reached or holds no parquet, a shard is damaged, or shards differ in width.
    """
    place = place_of(path)
    found = _files(place)
    if not found:
        raise DataError(f"{place.uri}: holds no parquet files; expected a folder of shards such as part-0.parquet")
    with ThreadPoolExecutor(_OPENED) as pool:
        footers = list(pool.map(lambda name: _footer(place, name), found))
    first = next((number for number, footer in enumerate(footers) if footer.metadata.num_rows), None)
    if first is None:
        raise DataError(f"{place.uri}: {counted(len(found), 'shard')}, and none of them holds a row")
    layout = _layout(place, found[first], footers[first].schema, column, id_column)
    for name, footer in zip(found, footers, strict=True):
        if footer.metadata.num_rows:
            _check_alike(place, name, footer.schema, found[first], layout)
    shards = tuple(
        Shard(name, footer.metadata.num_rows) for name, footer in zip(found, footers, strict=True) if footer.metadata.num_rows
    )
    empty = [name for name, footer in zip(found, footers, strict=True) if not footer.metadata.num_rows]
    notes = (f"{counted(len(empty), 'shard')} without rows: {quoted(empty, 4)}",) if empty else ()
    return Shards(place, shards, layout, notes)


@dataclass(frozen=True)
class _Footer:
    schema: Any
    metadata: Any


def _footer(place: Place, name: str) -> _Footer:
    with _named(place, name), place.filesystem.open_input_file(place.below(name)) as opened:
        file = pq.ParquetFile(opened)
        return _Footer(file.schema_arrow, file.metadata)


class _OtherWidth(ValueError):
    """A row has another number of columns than the first; the message says where."""


@contextmanager
def _named(place: Place, name: str) -> Iterator[None]:
    """Say of which shard an error is."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(
            f"{place.uri}/{name}: has vanished since the folder was listed; run again once nothing writes there"
        ) from None
    except _OtherWidth as error:
        raise DataError(f"{place.uri}/{name}: {error}") from None
    except (pa.ArrowException, OSError, ValueError, NotImplementedError, OverflowError) as error:
        if place.is_remote and isinstance(error, OSError):
            raise DataError(sentence_of(f"{place.uri}/{name}", error)) from None
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(f"{place.uri}/{name}: damaged or not a parquet file ({reason}); write this shard again") from None


def _files(place: Place) -> list[str]:
    selector = fs.FileSelector(place.path, recursive=True)
    try:
        infos = place.filesystem.get_file_info(selector)
    except (OSError, pa.ArrowException) as error:
        raise DataError(sentence_of(place.uri, error)) from None
    names = (info.path[len(place.path) :].lstrip("/") for info in infos if info.type == fs.FileType.File)
    return sorted(name for name in names if name.lower().endswith(".parquet") and not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return any(part[:1] in (".", "_") for part in name.split("/"))


def _list_length(kind: Any) -> int | None:
    """Return the fixed length of a type of lists of numbers, 0 where it is not fixed, None for any other type."""
    types = pa.types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return None
    if not (types.is_integer(kind.value_type) or types.is_floating(kind.value_type)):
        return None
    return int(kind.list_size) if types.is_fixed_size_list(kind) else 0


def _layout(place: Place, name: str, schema: Any, column: str | None, id_column: str | None) -> Layout:
    for wanted in (column, id_column):
        if wanted is not None and wanted not in schema.names:
            raise DataError(f"{place.uri}/{name}: has no column {wanted!r}; it holds {quoted(schema.names, 8)}")
    others = [one.name for one in schema if one.name != column]
    names = named(others, NAME_NAMES, id_column)
    vectors = [one.name for one in schema if _list_length(one.type) is not None and one.name != names]
    if column is None and len(vectors) > 1:
        usual = [one for one in vectors if one.lower() in MATRIX_NAMES]
        if len(usual) != 1:
            raise DataError(
                f"{place.uri}/{name}: expected one column of vectors, it holds {quoted(vectors, 8)}; name one with --column"
            )
        column = usual[0]
    column = column or (vectors[0] if vectors else None)
    if column is not None:
        length = _list_length(schema.field(column).type)
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
    with _named(place, name), place.filesystem.open_input_file(place.below(name)) as opened:
        for batch in pq.ParquetFile(opened, buffer_size=_BUFFER, pre_buffer=False).iter_batches(
            64, columns=[column], use_threads=False
        ):
            for cell in batch.column(0):
                if cell.is_valid and len(cell):
                    return len(cell)
    raise DataError(f"{place.uri}/{name}: column {column!r} holds no vectors")


def _check_alike(place: Place, name: str, schema: Any, first: str, layout: Layout) -> None:
    missing = [one for one in (*layout.columns, layout.id_column) if one is not None and one not in schema.names]
    if missing:
        raise DataError(f"{place.uri}/{name}: lacks the column {missing[0]!r} that {first} has; all shards must be alike")
    if layout.is_vector:
        length = _list_length(schema.field(layout.columns[0]).type)
        if length is None or (length and length != layout.dim):
            held = f"{schema.field(layout.columns[0]).type}" if length is None else counted(length, "number")
            raise DataError(f"{place.uri}/{name}: rows of {held}, but {first} has {layout.dim:,}; all shards must have one width")
    elif any(not pa.types.is_floating(schema.field(one).type) for one in layout.columns):
        raise DataError(
            f"{place.uri}/{name}: a column of features holds no floating-point numbers as in {first}; all shards must be alike"
        )


def _matrix(batch: Any, layout: Layout, first: int) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
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
        raise _OtherWidth(
            f"row {first + row} holds {counted(int(lengths[row]), 'number')}, expected {dim:,}; all rows must have one width"
        )
    # Flattening leaves out the lists that are null, as it does the empty ones.
    with np.errstate(over="ignore"):
        values = np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.float32)
    matrix = np.zeros((len(there), dim), np.float32)
    matrix[there] = values.reshape(-1, dim)
    return matrix, there


def _names(batch: Any, id_column: str | None, shard: str, first: int) -> list[str]:
    if id_column is None:
        return [f"{shard}#{first + place}" for place in range(batch.num_rows)]
    column = batch.column(batch.schema.get_field_index(id_column))
    return [f"{shard}#{first + place}" if one is None else str(one) for place, one in enumerate(column.to_pylist())]
