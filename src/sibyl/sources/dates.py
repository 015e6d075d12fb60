"""Dates and times that stand in a table as texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
_DAY = 86_400.0
_CLOCK = r"(?:[T ]+(?P<h>\d{1,2}):(?P<min>\d{2})(?::(?P<s>\d{2})(?:[.,]\d+)?)?\s*(?P<noon>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(rf"(?P<y>\d{{4}})(?P<mark>[-/.]?)(?P<a>\d{{2}})(?P=mark)(?P<b>\d{{2}}){_CLOCK}")
_YEAR_LAST = re.compile(rf"(?P<a>\d{{1,2}})(?P<mark>[-/.])(?P<b>\d{{1,2}})(?P=mark)(?P<y>\d{{4}}){_CLOCK}")
_MONTHS = {
    name: number
    for number, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)
}
_NAMED = re.compile(rf"(?P<a>\d{{1,2}})[-. ]*(?P<name>[A-Za-z]{{3}})[a-z]*[-., ]*(?P<y>\d{{4}}){_CLOCK}")
_NAMED_FIRST = re.compile(rf"(?P<name>[A-Za-z]{{3}})[a-z]*[. ]+(?P<a>\d{{1,2}}),?[ ]+(?P<y>\d{{4}}){_CLOCK}")
_TIME = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d+) days?,? ?)?(?P<plus>[+-])?(?P<h>\d{1,3}):(?P<min>\d{2})(?::(?P<s>\d{2}(?:\.\d+)?))?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_dates(texts: Sequence[str]) -> tuple[Numbers, str]:
    """Read cells as dates: year first, or last, with the order of day and month decided over the whole column.

    Returns
    -------
    moments : float64 array [row]
        Nanoseconds since 1970, NaN where a cell is no date.
    doubt : str
        What could also be meant, where no cell tells day from month.
    """
    moments, doubt = np.full(len(texts), np.nan), ""
    last = [_YEAR_LAST.fullmatch(text) for text in texts]
    pairs = {(int(one["a"]), int(one["b"])) for one in last if one}
    day_first = not any(second > 12 for _, second in pairs)
    if pairs and day_first and not any(first > 12 for first, _ in pairs):
        day_first = any(one and one["mark"] == "." for one in last)
        if not day_first:
            doubt = "its dates do not tell day from month; they are read month first"
    for row, text in enumerate(texts):
        if not 8 <= len(text) <= 40:
            continue
        if found := last[row]:
            day, month = (found["a"], found["b"]) if day_first else (found["b"], found["a"])
            moments[row] = _moment(found, int(month), int(day))
        elif (found := _YEAR_FIRST.fullmatch(text)) and (found["mark"] or _is_plausible(found)):
            moments[row] = _moment(found, int(found["a"]), int(found["b"]))
        elif found := _NAMED.fullmatch(text) or _NAMED_FIRST.fullmatch(text):
            moments[row] = _moment(found, _MONTHS.get(found["name"].lower(), 0), int(found["a"]))
    return moments, doubt


def read_times(texts: Sequence[str]) -> Numbers:
    """Read cells as times of day or durations: seconds, NaN where a cell is neither."""
    seconds = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        if len(text) <= 40 and (found := _TIME.fullmatch(text)):
            clock = int(found["h"]) * 3600 + int(found["min"]) * 60 + float(found["s"] or 0)
            days = int(found["days"] or 0) * _DAY * (-1 if found["sign"] else 1)
            is_negative = found["plus"] == "-" or (found["sign"] and not found["days"])
            seconds[row] = days + (-clock if is_negative else clock)
    return seconds


def _is_plausible(found: re.Match[str]) -> bool:
    """Whether eight digits without marks are a date: only with a clock behind them, or else they are a number."""
    return found["h"] is not None


def _moment(found: re.Match[str], month: int, day: int) -> float:
    hour = int(found["h"] or 0)
    if found["noon"]:
        hour = hour % 12 + (12 if found["noon"][0] in "pP" else 0)
    try:
        moment = datetime(int(found["y"]), month, day, hour, int(found["min"] or 0), int(found["s"] or 0), tzinfo=UTC)
    except ValueError:
        return float("nan")
    zone = found["zone"]
    shift = timedelta()
    if zone and zone[0] in "+-":
        shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:])) * (1 if zone[0] == "+" else -1)
    return ((moment - _EPOCH) - shift).total_seconds() * 1e9
