"""A table that names files, one a row, with their labels: the files are the items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.folder import ending, is_file
from sibyl.sources.item import Item, Skipped
from sibyl.sources.kinds import Kind
from sibyl.sources.naming import NAME_NAMES, named
from sibyl.sources.rows import find_label_column, name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable, cell_text, is_utf8

_FILE_NAMES = ("image", "images", "img", "image_path", "audio", "audio_path", "clip", "wav", *NAME_NAMES[4:])
_SEEN = 200
_MANY_VALUES = 8  # columns of numbers, from which a table of names and features is no list of files


def file_column(table: RawTable, endings: tuple[str, ...], label_column: str | None = None) -> str | None:
    """Return the column whose cells are mostly names of files with one of `endings`, the ones with usual names first."""
    label = find_label_column(table, label_column)
    names = [str(name) for name in table.frame.columns if name != label]
    found = [name for name in names if _names_files(table.frame[name], endings)]
    return named(found, _FILE_NAMES) or (found[0] if found else None)


def _names_files(cells: pd.Series[Any], endings: tuple[str, ...]) -> bool:
    texts = [cell.strip() for cell in cells.head(_SEEN) if isinstance(cell, str) and cell.strip()]
    return bool(texts) and sum(ending(text) in endings and len(text) < 1000 for text in texts) > len(texts) / 2


def lies_there(table: RawTable, column: str) -> bool:
    """Tell whether any of the first files is where the table says."""
    texts = [cell_text(cell).strip() for cell in table.frame[column].head(_SEEN)]
    return any(is_file(_place(table, text)) for text in texts if text)


def has_values(table: RawTable, column: str, label_column: str | None) -> bool:
    """Tell whether many columns of numbers stand beside the names: features of the files, and no list of them."""
    label = find_label_column(table, label_column)
    rest = [name for name in table.frame.columns if name not in (column, label)]
    return sum(_is_numeric(table.frame[name]) for name in rest) >= _MANY_VALUES


def _is_numeric(cells: pd.Series[Any]) -> bool:
    return bool(pd.to_numeric(cells.head(_SEEN), errors="coerce").notna().mean() > 0.5) if cells.dtype == object else True


def files_of_table(table: RawTable, column: str, kind: Kind, label_column: str | None, id_column: str | None) -> Source:
    """Return the files that a column names, relative to the table's own folder.

    Raises
    ------
    DataError
        If none of them can be read.
    """
    rows = name_rows(table, label_column, id_column)
    items, skipped = [], list(rows.skipped)
    for name, cell in zip(rows.names, table.frame[column].loc[rows.frame.index], strict=True):
        text = cell_text(cell).strip()
        place = _place(table, text) if is_utf8(text) else Path()
        if not text:
            skipped.append(Skipped(name, "names no file"))
        elif text.startswith(("http://", "https://", "s3://", "gs://")):
            skipped.append(Skipped(name, "an address in the network; fetch the file first"))
        elif not is_file(place):
            skipped.append(Skipped(name, "no such file"))
        elif not kind.belongs(place):
            skipped.append(Skipped(name, f"not {kind.article}"))
        else:
            items.append(Item(name, place))
    if not items:
        where = table.path.parent.absolute()
        first = next((f"{one.name}: {one.reason}" for one in skipped), "it is empty")
        raise DataError(
            f"{table.path}: column {column!r} names files, but none can be read ({first}); names are relative to {where}, where the table "
            "lies: move it there, or write whole paths"
        )
    unused = [str(name) for name in rows.frame.columns if name != column]
    understood = f"a list of files ({kind.modality}) in column {column!r}, relative to the list"
    if unused:
        understood += f", {counted(len(unused), 'column')} not used ({quoted(unused, 6)}; --kind table uses them)"
    return rows.source(kind.modality, table, tuple(items), skipped, understood, decode=kind.decode, decoder=kind.decoder)


def _place(table: RawTable, text: str) -> Path:
    plain = text.removeprefix("file://")
    place = table.path.parent / plain
    if "\\" in plain and not is_file(place):
        place = table.path.parent / plain.replace("\\", "/")
    return place
