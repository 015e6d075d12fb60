"""Tables as they lie on disk: csv, tsv, jsonl, parquet, or one text a line. Rows that cannot be read are named and left out."""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sibyl.errors import DataError
from sibyl.sources.item import Skipped
from sibyl.wording import counted

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".txt")
_DELIMITERS = ",;\t|"
_INDEX = re.compile(r"__index_level_\d+__")  # how pandas names the column of its row labels
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
Rows = Iterator[tuple[int, list[str] | None, str]]
"""Number of the row from 1, its cells, or None and what is wrong with it."""


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table before anything is known of its columns.

    Parameters
    ----------
    path : Path
        The file.
    frame : DataFrame
        The rows that could be read, indexed by their number in the file, from 1, the heading not counted. Cells are texts, or, from
        parquet and jsonl, what the file holds. Bytes that are not UTF-8 are lone surrogates.
    skipped : tuple of Skipped
        The rows that could not.
    """

    path: Path
    frame: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()


def read_table(path: Path) -> RawTable:
    """Read a table.

    Commas, semicolons, tabs and bars are understood as delimiters, the heading decides; so is a byte order mark. A first line of
    numbers alone is data, and the columns are numbered then.

    Raises
    ------
    DataError
        If the file cannot be read, is empty, or two columns have one name.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            table = RawTable(path, _read_parquet(path))
        elif ending in (".jsonl", ".ndjson"):
            table = _read_json_lines(path)
        elif ending == ".txt":
            lines = _text(path).splitlines()
            table = RawTable(path, pd.DataFrame({"text": pd.Series(lines, range(1, len(lines) + 1), dtype=object)}))
        else:
            table = _read_delimited(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror})") from None
    if not len(table.frame):
        more = f" ({table.skipped[0].name}: {table.skipped[0].reason})" if table.skipped else ""
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
        return json.dumps(value, ensure_ascii=False)
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


def _read_delimited(path: Path) -> RawTable:
    text = _text(path)
    if "\0" in text:
        raise DataError(f"{path}: holds NUL bytes, so it is no table of texts; save it as CSV UTF-8")
    heading_line = next((line for line in text.splitlines() if line.strip()), "")
    if not heading_line:
        raise DataError(f"{path}: is empty; expected a heading and one row per item")
    is_tabs = path.suffix.lower() == ".tsv"
    delimiter = "\t" if is_tabs else max(_DELIMITERS, key=heading_line.count)
    rows = list(_parse(text, delimiter, csv.QUOTE_MINIMAL))
    # In tab-separated files quotes mostly mean themselves.
    if is_tabs and any(cells is None for _, cells, _ in rows):
        rows = list(_parse(text, delimiter, csv.QUOTE_NONE))
    heading = rows[0][1]
    if heading is None:
        raise DataError(f"{path}: the heading cannot be read ({rows[0][2]})")
    if all(_is_number(cell) for cell in heading):
        names, first = [f"column {place}" for place in range(1, len(heading) + 1)], 1
    else:
        names, first = [cell.strip() or f"column {place}" for place, cell in enumerate(heading, 1)], 0
        rows = rows[1:]
    _check_names(path, names)
    kept: dict[int, list[str]] = {}
    skipped = []
    for number, cells, problem in rows:
        row = number + first
        if cells is not None and len(names) == 1:
            cells = [delimiter.join(cells)]  # nobody quotes a single column
        if cells is not None and len(cells) != len(names):
            problem = f"{counted(len(cells), 'cell')}, the heading has {len(names)}"
        if cells is None or problem:
            skipped.append(Skipped(f"row {row}", problem))
        else:
            kept[row] = cells
    frame = pd.DataFrame(list(kept.values()), list(kept), names, dtype=object)
    return RawTable(path, _without_index(frame, heading), tuple(skipped))


def _without_index(frame: pd.DataFrame, heading: Sequence[str]) -> pd.DataFrame:
    """Leave out the row numbers that pandas writes as a first column without a name: they say nothing of an item."""
    if len(heading) < 2 or heading[0].strip() not in ("", "Unnamed: 0"):
        return frame
    cells = frame.iloc[:, 0].str.strip()
    return frame.iloc[:, 1:] if cells.str.isdecimal().all() and cells.is_unique else frame


def _parse(text: str, delimiter: str, quoting: Any) -> Rows:
    """Yield the rows from 0, blank lines left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    number = 0
    while True:
        before = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines = f"line {before + 1}" if reader.line_num <= before + 1 else f"lines {before + 1} to {reader.line_num}"
            yield number, None, f"{lines} cannot be read ({error})"
        else:
            if not any(cell.strip() for cell in cells):
                continue
            yield number, cells, ""
        number += 1


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_names(path: Path, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"{path}: two columns are named {twice[0]!r}; rename one")
    odd = next((name for name in names if not is_utf8(name)), None)
    if odd is not None:
        raise DataError(f"{path}: the name of a column is not valid UTF-8 ({odd!a}); save the table as CSV UTF-8")


def _read_json_lines(path: Path) -> RawTable:
    rows: dict[int, dict[str, Any]] = {}
    skipped = []
    lines = (line for line in _text(path).split("\n") if line.strip())
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            skipped.append(Skipped(f"row {number}", f"not JSON ({error})"))
            continue
        if not isinstance(value, dict):
            skipped.append(Skipped(f"row {number}", f"expected a JSON object, got {type(value).__name__}"))
        elif not all(map(is_utf8, value)):
            skipped.append(Skipped(f"row {number}", "the name of a value is not valid UTF-8"))
        else:
            rows[number] = value
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    columns = {name: pd.Series([row.get(name) for row in rows.values()], list(rows), dtype=object) for name in names}
    return RawTable(path, pd.DataFrame(columns), tuple(skipped))


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
        _check_names(path, table.column_names)
        indices = [name for name in table.column_names if _INDEX.fullmatch(name)]
        if len(indices) < table.num_columns:
            table = table.drop_columns(indices)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, types_mapper=None)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path}: damaged or not a parquet file ({' '.join(str(error).split())[:120]}); write it again") from None
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame
