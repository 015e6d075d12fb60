"""Folders of parquet shards that hold features, on a disk or in an object store: read in batches, never whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.naming import LABEL_NAMES, NAME_NAMES, named
from sibyl.sources.shard_layout import BUFFER, Layout, check_alike, layout_of, list_length, matrix_of, named_shard
from sibyl.sources.stores import SCHEMES, Place, place_of, sentence_of

BATCH = 4096  # rows that are read at once
_OPENED = 8  # footers that are read side by side


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

    @cached_property
    def firsts(self) -> tuple[int, ...]:
        """Place of each shard's first row among all rows."""
        return tuple(np.cumsum([0, *(shard.n_rows for shard in self.shards)])[:-1].tolist())

    def places(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], dict[int, npt.NDArray[np.int64]]]:
        """Return in which shard each of some rows lies, and shard → their places in it."""
        shard_of = np.searchsorted(self.firsts, rows, side="right") - 1
        return shard_of, {int(number): rows[shard_of == number] - self.firsts[number] for number in np.unique(shard_of)}

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
            with named_shard(self.place, name):
                matrix, bad = matrix_of(batch, layout, first)
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
        with named_shard(self.place, shard.name), self.place.filesystem.open_input_file(self.place.below(shard.name)) as opened:
            file = pq.ParquetFile(opened, buffer_size=BUFFER, pre_buffer=False)
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
    if any(list_length(one.type) is not None for one in schema):
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
    layout = layout_of(place, found[first], footers[first].schema, column, id_column)
    for name, footer in zip(found, footers, strict=True):
        if footer.metadata.num_rows:
            check_alike(place, name, footer.schema, found[first], layout)
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
    with named_shard(place, name), place.filesystem.open_input_file(place.below(name)) as opened:
        file = pq.ParquetFile(opened)
        return _Footer(file.schema_arrow, file.metadata)


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


def _names(batch: Any, id_column: str | None, shard: str, first: int) -> list[str]:
    if id_column is None:
        return [f"{shard}#{first + place}" for place in range(batch.num_rows)]
    column = batch.column(batch.schema.get_field_index(id_column))
    return [f"{shard}#{first + place}" if one is None else str(one) for place, one in enumerate(column.to_pylist())]
