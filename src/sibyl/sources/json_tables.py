"""Tables in JSON: one object a line (jsonl), or one list of objects (json)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from sibyl.errors import reason_of
from sibyl.sources.delimited import LostRow

_SHOWN = re.compile(r'"([^"\\]{1,60})"\s*:\s*("(?:[^"\\]|\\.){0,200}"|-?[\d.]+)')


def parse_json_lines(text: str) -> tuple[pd.DataFrame, list[LostRow]]:
    """Read one object a line; lines that are none are named, with what can be told of them."""
    rows: dict[int, dict[str, Any]] = {}
    lost = []
    for number, line in enumerate((line for line in text.split("\n") if line.strip()), 1):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = "nested too deep" if isinstance(error, RecursionError) else f"not JSON ({reason_of(error, 100)})"
            lost.append(LostRow(number, why, fields=dict(_SHOWN.findall(line[:100_000]))))
        else:
            _keep(number, value, rows, lost)
    return _frame(rows), lost


def parse_json(text: str) -> tuple[pd.DataFrame, list[LostRow]]:
    """Read a list of objects, an object that holds one such list, or one object of columns.

    Raises
    ------
    ValueError
        If it is something else; the message is the reason.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deep to be a table") from None
    except ValueError as error:
        raise ValueError(f"is not JSON ({reason_of(error, 100)})") from None
    rows: dict[int, dict[str, Any]] = {}
    lost: list[LostRow] = []
    if isinstance(value, dict):
        lists = [one for one in value.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
        columns = {name: _column(one) for name, one in value.items()}
        lengths = {None if one is None else len(one) for one in columns.values()}
        if len(lists) == 1:
            value = lists[0]
        elif len(lengths) == 1 and None not in lengths:
            value = [
                dict(zip(columns, cells, strict=True)) for cells in zip(*map(list, filter(None, columns.values())), strict=True)
            ]
    if not isinstance(value, list):
        raise ValueError(f"expected a list of JSON objects, one per item, got {type(value).__name__}")
    for number, one in enumerate(value, 1):
        _keep(number, one, rows, lost)
    return _frame(rows), lost


def _column(value: Any) -> Sequence[Any] | None:
    """One column of a table written by columns: a list, or row → cell."""
    return value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else None


def _keep(number: int, value: Any, rows: dict[int, dict[str, Any]], lost: list[LostRow]) -> None:
    if not isinstance(value, dict):
        lost.append(LostRow(number, f"expected a JSON object, got {type(value).__name__}"))
    elif not all(name.isascii() or not re.search("[\ud800-\udfff]", name) for name in value):
        lost.append(LostRow(number, "the name of a value is not valid UTF-8"))
    else:
        rows[number] = value


def _frame(rows: dict[int, dict[str, Any]]) -> pd.DataFrame:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    columns = {name: pd.Series([row.get(name) for row in rows.values()], list(rows), dtype=object) for name in names}
    return pd.DataFrame(columns, index=list(rows))
