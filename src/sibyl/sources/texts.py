"""Texts: one file each in a folder, or one row each in a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from sibyl.errors import DataError
from sibyl.sources.folder import ending
from sibyl.sources.item import Item, Skipped, Unreadable
from sibyl.sources.rows import name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable, cell_text, column_named, is_utf8

ENDINGS = (".txt", ".text", ".md")
MAX_BYTES = 1 << 24
READER = "utf-8 stripped 1"  # part of every feature cache key: raise the number when texts change
_TEXT_NAMES = (
    "text",
    "texts",
    "sentence",
    "sentences",
    "utterance",
    "content",
    "body",
    "message",
    "document",
    "review",
    "question",
)


def decode_text(content: bytes) -> str:
    """Turn bytes into a text without blanks around it.

    UTF-8, with or without byte order mark, and UTF-16 with one are understood; what is in another encoding is not guessed at.

    Raises
    ------
    Unreadable
        If the bytes are not such a text, or blank.
    """
    if len(content) > MAX_BYTES:
        raise Unreadable(f"text of {len(content) / 2**20:.0f} MiB, the limit is {MAX_BYTES >> 20}")
    is_utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not valid UTF-8 at byte {error.start}: save it as UTF-8") from None
    if "\0" in text:
        raise Unreadable("holds NUL bytes, so it is no text")
    text = text.strip()
    if not text:
        raise Unreadable("empty text")
    return text


def text_column(table: RawTable, special: tuple[str | None, str | None]) -> str | None:
    """Return the column that texts are in, by its name, or because it is the only one and reads like texts; None for a table of values.

    `special` are the columns of labels and names, which it cannot be.
    """
    names = [str(name) for name in table.frame.columns if name not in special]
    by_name = {name.lower(): name for name in names}
    named = next((by_name[name] for name in _TEXT_NAMES if name in by_name), None)
    if named is not None and not pd.api.types.is_numeric_dtype(table.frame[named]):
        return named
    rest = name_rows(table, *special).frame.columns
    return str(rest[0]) if len(rest) == 1 and reads_like_texts(table.frame[rest[0]]) else None


def reads_like_texts(cells: pd.Series[Any]) -> bool:
    """Tell free text from categories and names: three words or more in the mean, and mostly different."""
    texts = [text for text in map(cell_text, cells.head(2000)) if text]
    if not texts or pd.api.types.is_numeric_dtype(cells):
        return False
    return sum(len(text.split()) for text in texts) >= 3 * len(texts) and len(set(texts)) > len(texts) / 2


def texts_of_table(table: RawTable, column: str, label_column: str | None, id_column: str | None) -> Source:
    """Return the cells of one column as texts.

    Raises
    ------
    DataError
        If a column does not exist, or no cell holds a text.
    """
    cells = column_named(table, column)
    rows = name_rows(table, label_column, id_column)
    items, skipped = [], [*table.skipped, *rows.skipped]
    for name, cell in zip(rows.names, cells.loc[rows.frame.index], strict=True):
        text = cell_text(cell)
        if not is_utf8(text):
            skipped.append(Skipped(name, "not valid UTF-8: save the table as UTF-8"))
        elif not text.strip():
            skipped.append(Skipped(name, "empty text"))
        else:
            items.append(Item(name, table.path, text.encode()))
    if not items:
        raise DataError(f"{table.path}: column {column!r} holds no texts; name another with --column")
    used = {item.name for item in items}
    labels = {name: label for name, label in rows.labels.items() if name in used}
    return Source("text", table.path, tuple(items), tuple(skipped), labels, decode_text, READER)


def is_text(path: str | Path) -> bool:
    """Tell whether a file has an ending of texts."""
    return ending(path) in ENDINGS
