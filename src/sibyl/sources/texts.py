"""Texts: one file each in a folder, or one row each in a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sibyl.errors import DataError
from sibyl.messages import counted, quoted
from sibyl.sources.cells import values_in
from sibyl.sources.item import Item, Skipped, Unreadable
from sibyl.sources.naming import MAYBE_TEXT_NAMES, TEXT_NAMES, named
from sibyl.sources.rows import find_label_column, name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable, cell_text, column_named, is_utf8

ENDINGS = (".txt", ".text", ".md")
MAX_BYTES = 1 << 24
READER = "utf-8 stripped 1"  # part of every feature cache key: raise the number when texts change
_SEEN, _LOOKED_AT, _MOSTLY = 2000, 2000, 0.5  # cells, letters of each, and the share that makes a column one of numbers
_NEARLY = 0.9  # share of codes among the cells of a column of codes
_NOT_UTF8 = "not valid UTF-8: save the table as UTF-8 (in a spreadsheet: CSV UTF-8)"
_FEW_WORDS = 2.0  # words in the mean, from which a column that may hold texts does


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
    """Return the column that texts are in; None for a table of values.

    It is the one called ``text`` or alike unless that holds numbers; one called ``content``, ``body`` or the like if it reads like texts;
    or the only column beside labels and names, or the only one that could be used at all, if that reads like texts. `special` are the
    columns of labels and names, which it cannot be.
    """
    label = find_label_column(table, special[0])
    names = [str(name) for name in table.frame.columns if name not in (label, special[1])]
    sure, maybe = named(names, TEXT_NAMES), named(names, MAYBE_TEXT_NAMES)
    if sure is not None and not _holds_numbers(table.frame[sure]):
        return sure
    if maybe is not None and reads_like_texts(table.frame[maybe], _FEW_WORDS):
        return maybe
    rest = [str(name) for name in name_rows(table, *special).frame.columns]
    if len(rest) == 1 and reads_like_texts(table.frame[rest[0]]):
        return rest[0]
    return None


def _holds_numbers(cells: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(cells) or values_in(cells.head(_SEEN)).share >= _MOSTLY


def reads_like_texts(cells: pd.Series[Any], words: float = 3.0) -> bool:
    """Tell free text from categories and names: three words or more in the mean, and mostly different.

    Scripts that put no blanks between words count two letters as one.
    """
    if pd.api.types.is_numeric_dtype(cells):
        return False
    texts = [text for text in (cell_text(cell)[:_LOOKED_AT] for cell in cells.head(_SEEN)) if text.strip()]
    if not texts or len(set(texts)) <= len(texts) / 2:
        return False
    return sum(map(_n_words, texts)) >= words * len(texts) and not _holds_numbers(pd.Series(texts, dtype=object))


def _reads_like_codes(texts: list[str]) -> bool:
    """Tell codes and numbers (``TCK-1042``) from texts: nearly all differ, have a digit and no blank."""
    codes = [text for text in map(str.strip, texts) if not any(map(str.isspace, text)) and any(map(str.isdigit, text))]
    return len(codes) >= _NEARLY * len(texts) and len(set(codes)) >= _NEARLY * len(texts)


def _n_words(text: str) -> float:
    """Count words that hold a letter: numbers and marks are none."""
    n_words = float(sum(any(map(str.isalpha, word)) for word in text.split()))
    if text.isascii():
        return n_words
    dense = sum(
        "\u0e00" <= letter <= "\u0eff" or "\u3040" <= letter <= "\u30ff" or "\u3400" <= letter <= "\u9fff" for letter in text
    )
    return max(dense / 2, n_words)


def texts_of_table(table: RawTable, column: str, label_column: str | None, id_column: str | None) -> Source:
    """Return the cells of one column as texts.

    Raises
    ------
    DataError
        If a column does not exist, or no cell holds a text.
    """
    cells = column_named(table, column)
    rows = name_rows(table, label_column, id_column)
    items, skipped = [], list(rows.skipped)
    for name, cell in zip(rows.names, cells.loc[rows.frame.index], strict=True):
        text = cell_text(cell)
        if not is_utf8(text):
            skipped.append(Skipped(name, _NOT_UTF8))
        elif not text.strip():
            skipped.append(Skipped(name, "empty text"))
        else:
            items.append(Item(name, table.path, text.encode()))
    if not items and any(one.reason == _NOT_UTF8 for one in skipped):
        raise DataError(f"{table.path}: no text of column {column!r} can be used ({skipped[0].name}: {skipped[0].reason})")
    if not items:
        raise DataError(f"{table.path}: column {column!r} holds no texts; name another with --column")
    understood = f"texts in column {column!r}"
    unused = [str(name) for name in rows.frame.columns if name != column]
    if unused:
        understood += f", {counted(len(unused), 'column')} not used ({quoted(unused, 6)})"
    notes = (
        []
        if not _reads_like_codes([item.read().decode() for item in items[:_SEEN]])
        else [
            f"column {column!r} reads like codes ({items[0].read().decode()[:40]!r}), which an encoder of sentences tells apart badly; "
            "if another column holds the texts, name it with --column"
        ]
    )
    more = {"notes": (*table.notes, *rows.notes, *notes), "decode": decode_text, "decoder": READER, "text_column": column}
    return rows.source("text", table, tuple(items), skipped, understood, **more)
