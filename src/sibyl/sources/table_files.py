"""Tables as they lie on disk: csv, tsv, json, jsonl, parquet, or one text a line. Rows that cannot be read are named and left out."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from sibyl.errors import DataError
from sibyl.sources.delimited import LostRow, parse_delimited
from sibyl.sources.item import Skipped
from sibyl.sources.json_tables import parse_json, parse_json_lines
from sibyl.sources.parquet_files import read_parquet

ENDINGS = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".txt")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table before anything is known of its columns.

    Parameters
    ----------
    path : Path
        The file.
    frame : DataFrame
        The rows that could be read, indexed by their number in the file, from 1, the heading not counted. Cells are texts, or, from
        parquet and json, what the file holds. Bytes that are not UTF-8 are lone surrogates.
    lost : tuple of LostRow
        The rows that could not.
    notes : tuple of str
        What a person should know of how it was read.
    index : list of str, optional
        Names of the rows of `frame`, where another program wrote row labels that are more than their numbers.
    delimiter : str
        What stands between its cells; empty for parquet and json.
    """

    path: Path
    frame: pd.DataFrame
    lost: tuple[LostRow, ...] = ()
    notes: tuple[str, ...] = ()
    index: list[str] | None = None
    delimiter: str = ""
    headed: tuple[str, ...] = field(default=(), repr=False)

    @property
    def skipped(self) -> list[Skipped]:
        """The rows that could not be read, by name."""
        return [Skipped(f"row {one.number}", one.reason) for one in self.lost]


def read_table(path: Path, *, examples: bool = False) -> RawTable:
    """Read a table.

    Commas, semicolons, tabs and bars are understood as delimiters, the heading decides; so are a byte order mark and a first line
    ``sep=;``. A first line of numbers alone is data, and the columns are numbered then.

    Parameters
    ----------
    path : Path
        The file.
    examples : bool
        It is a list of examples: a table whatever its ending, and none of its rows need be there.

    Raises
    ------
    DataError
        If the file cannot be read, is empty, or two columns have one name.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            frame, index = read_parquet(path)
            table = RawTable(path, frame, index=_telling(frame, index))
        elif ending in (".jsonl", ".ndjson", ".json"):
            table = _of_json(path, *(parse_json if ending == ".json" else parse_json_lines)(_text(path)))
        elif ending == ".txt" and not examples:
            lines = _text(path).removesuffix("\n").split("\n")  # no other mark ends a line: texts hold form feeds and U+2028
            lines = [line.removesuffix("\r") for line in lines]
            table = RawTable(path, pd.DataFrame({"text": pd.Series(lines, range(1, len(lines) + 1), dtype=object)}))
        else:
            table = _of_text(path, _text(path), examples)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror})") from None
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    except MemoryError:
        raise DataError(f"{path}: takes more memory than there is; split it into smaller files") from None
    check_names(path, list(map(str, table.frame.columns)))
    if not len(table.frame) and not examples:
        more = f" (row {table.lost[0].number}: {table.lost[0].reason})" if table.lost else ""
        raise DataError(f"{path}: holds no rows that can be read{more}; expected a heading and one row per item")
    return table


def column_named(table: RawTable, name: str) -> pd.Series[Any]:
    """Return a column, or raise DataError with the nearest names."""
    names = [str(one) for one in table.frame.columns]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
        same = [one for one in names if one.lower().strip() == name.lower().strip()]
        hint = f"did you mean {' or '.join(map(repr, same or near))}?" if same or near else f"it holds {', '.join(names[:8])}"
        raise DataError(f"{table.path}: holds no column {name!r}; {hint}")
    return table.frame[name]


def cell_text(value: Any) -> str:
    """Return a cell as text, empty where it is missing."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, dict | list):
        try:
            return json.dumps(value, ensure_ascii=False, default=str)
        except (RecursionError, ValueError):
            return "(nested too deep)"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def printable(text: str) -> str:
    """Return a text with escapes in the place of bytes that were not UTF-8."""
    return text if is_utf8(text) else text.encode("utf-8", "backslashreplace").decode()


def is_utf8(text: str) -> bool:
    """Tell whether a text holds no remains of bytes that were not UTF-8."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _text(path: Path) -> str:
    content = path.read_bytes()
    if content[:2] in _BYTE_ORDER_MARKS:
        return content.decode("utf-16", "replace")
    return content.decode("utf-8-sig", "surrogateescape")


def _of_json(path: Path, frame: pd.DataFrame, lost: list[LostRow]) -> RawTable:
    return RawTable(path, frame, tuple(lost), headed=tuple(frame.columns))


def _of_text(path: Path, text: str, examples: bool) -> RawTable:
    if "\0" in text and not examples:  # a name that holds one is no item, which is said of that name alone
        raise DataError(f"{path}: holds NUL bytes, so it is no table of texts; save it as CSV UTF-8")
    read = parse_delimited(text, tabs=path.suffix.lower() in (".tsv", ".tab"))
    check_names(path, read.names)
    frame = pd.DataFrame(list(read.rows.values()), list(read.rows), read.names, dtype=object)
    index = None
    if read.unnamed_first and len(read.names) > 1:
        labels = frame.iloc[:, 0].str.strip()
        if labels.is_unique and (labels != "").all() and not _is_measured(labels):
            index = _telling(frame, list(labels))
            frame = frame.iloc[:, 1:]
    return RawTable(path, frame, tuple(read.lost), tuple(read.notes), index, read.delimiter, tuple(read.names))


def _is_measured(labels: pd.Series[Any]) -> bool:
    """Tell whether a first column without a name holds values: numbers that are not whole."""
    numbers = pd.to_numeric(labels, errors="coerce")
    return bool(numbers.notna().all() and not labels.str.isdecimal().all())


def _telling(frame: pd.DataFrame, index: list[Any] | None) -> list[str] | None:
    """Return row labels that another program wrote, as names; none if they are the rows' numbers, or repeat."""
    if index is None:
        return None
    names = [cell_text(one) for one in index]
    if len(set(names)) != len(names) or not all(names):
        return None
    if (
        all(name.isdecimal() and len(name) < 19 for name in names)
        and len({int(a) - b for a, b in zip(names, frame.index, strict=True)}) == 1
    ):
        return None
    return names


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raise DataError where two columns have one name, or one is not valid UTF-8."""
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError(f"{path}: two columns are named {twice!r}; rename one")
    odd = next((name for name in names if not is_utf8(name)), None)
    if odd is not None:
        raise DataError(f"{path}: the name of a column is not valid UTF-8 ({odd!a}); save the table as CSV UTF-8")
