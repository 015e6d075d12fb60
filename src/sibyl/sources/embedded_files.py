"""Columns whose cells are whole files, as Hugging Face stores images and clips in parquet: ``struct<bytes, path>``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.audio import need_soundfile
from sibyl.sources.folder import is_file
from sibyl.sources.item import Item, Skipped, Unreadable
from sibyl.sources.kinds import AUDIO, IMAGE, Kind
from sibyl.sources.naming import named
from sibyl.sources.parquet_files import is_files
from sibyl.sources.rows import name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable, cell_text

_NAMES = ("image", "images", "img", "audio", "clip", "file")
_SEEN = 50  # cells that tell what a column holds
_HEAD = 16
_FILES = "\0files"


@dataclass(frozen=True, eq=False)
class _Cell:
    """The bytes of one cell, taken out of the column when they are asked for."""

    column: Any
    row: int

    def __call__(self) -> bytes:
        content = self.column[self.row].as_py()
        if not content:
            raise Unreadable("empty file")
        return bytes(content)


def file_columns(table: RawTable) -> list[str]:
    """Return the columns whose cells are files."""
    return [str(name) for name in table.frame.columns if is_files(getattr(table.frame[name].dtype, "pyarrow_dtype", None))]


def files_in_cells(
    table: RawTable, columns: Sequence[str], column: str | None, kind: str | None, label_column: str | None, id_column: str | None
) -> Source:
    """Return the files of one column as images or clips; what a cell holds decides which, and no column's name.

    Where the table has no column of names, the rows are called by the paths that stand beside the bytes if these differ.

    Parameters
    ----------
    table : RawTable
        With at least one such column.
    columns : sequence of str
        Of `file_columns`.
    column : str, optional
        Which of them; otherwise one with a usual name, or the first.
    kind : str, optional
        ``image`` or ``audio``, where that is known.
    label_column, id_column : str, optional
        As for `open_source`.

    Raises
    ------
    DataError
        If no cell holds an image or a clip.
    MissingExtra
        If they are clips and soundfile is not installed.
    """
    column = column or named(columns, _NAMES) or columns[0]
    cells = table.frame[column].array.__arrow_array__()
    cells = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
    contents = pc.struct_field(cells, "bytes")
    has_paths = cells.type.get_field_index("path") >= 0
    paths = [cell_text(one) for one in pc.struct_field(cells, "path").to_pylist()] if has_paths else [""] * len(cells)
    found = _kind_of(table, column, contents, paths, kind)
    if found.modality == "audio":
        need_soundfile()
    table = replace(table, frame=table.frame.drop(columns=list(columns)))
    if table.index is None and _are_names(paths):
        table = replace(table, index=paths)
    # A column alone is never one of names: something stands for the files.
    rows = name_rows(replace(table, frame=table.frame.assign(**{_FILES: 0})), label_column, id_column)
    there = contents.is_valid().to_pylist()
    items, skipped = [], list(rows.skipped)
    for name, number in zip(rows.names, rows.frame.index, strict=True):
        row = int(number) - 1
        place = table.path.parent / paths[row] if paths[row] else Path()
        if there[row]:
            items.append(Item(name, table.path, _Cell(contents, row)))
        elif paths[row] and is_file(place):
            items.append(Item(name, place))
        else:
            skipped.append(Skipped(name, "no such file" if paths[row] else "holds no file"))
    if not items:
        raise DataError(f"{table.path}: column {column!r} holds no file ({skipped[0].name}: {skipped[0].reason})")
    understood = f"files ({found.modality}) in column {column!r}"
    unused = [*(name for name in columns if name != column), *(str(name) for name in rows.frame.columns if name != _FILES)]
    if unused:
        understood += f", {counted(len(unused), 'column')} not used ({quoted(unused, 6)})"
    return rows.source(found.modality, table, tuple(items), skipped, understood, decode=found.decode, decoder=found.decoder)


def _kind_of(table: RawTable, column: str, contents: Any, paths: Sequence[str], wanted: str | None) -> Kind:
    heads = [content.as_py()[:_HEAD] for content in contents.slice(0, _SEEN) if content.is_valid]
    for one in (IMAGE, AUDIO):
        n_alike = sum(map(one.begins_alike, heads)) + sum(path.lower().endswith(one.endings) for path in paths[:_SEEN])
        if wanted == one.modality or (wanted is None and n_alike > max(len(heads), 1) / 2):
            return one
    raise DataError(
        f"{table.path}: column {column!r} holds files that are neither images nor audio clips; name what they are with --kind, or leave the "
        "column out with --ignore"
    )


def _are_names(paths: Sequence[str]) -> bool:
    return all(paths) and len(set(paths)) == len(paths) and not any(path.startswith("/") for path in paths)
