"""Cells of a table's columns as numbers or as texts: the same for the first table and for those that come later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.sources.dates import read_dates, read_times
from sibyl.sources.naming import is_missing as is_missing_text
from sibyl.sources.number_format import PLAIN as PLAIN_FORMAT
from sibyl.sources.number_format import NumberFormat, decimal_hint, read_numbers
from sibyl.sources.table_files import cell_text, printable

PLAIN, DATES, TIMES = PLAIN_FORMAT.name, "dates", "times"
"""How a column writes its values, beside the formats of numbers; dates are nanoseconds since 1970, times are seconds."""
Numbers = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
_LEAST = 0.5  # share of the cells that must be readable


@dataclass(frozen=True, eq=False)
class Values:
    """A column as numbers.

    Parameters
    ----------
    numbers : float64 array [row]
        NaN where a value is missing, infinite, or none.
    written : str
        `DATES`, `TIMES` or the name of a `NumberFormat`.
    there : bool array [row]
        Which cells hold something.
    words : Counter
        What stands in the cells that are no numbers.
    doubt : str
        Why another reading was possible.
    bounds : int
        Cells such as ``<5`` that are read as their bound.
    units : tuple of str
        Where there are several, the values cannot be compared.
    hint : str
        The decimal mark, where it is beyond doubt.
    """

    numbers: Numbers
    written: str
    there: npt.NDArray[np.bool_]
    words: Counter[str] = field(default_factory=Counter)
    doubt: str = ""
    bounds: int = 0
    units: tuple[str, ...] = ()
    hint: str = ""

    @property
    def share(self) -> float:
        """Share of the cells with something in them that are numbers."""
        return float(np.isfinite(self.numbers[self.there]).mean()) if self.there.any() else 0.0

    @property
    def n_different(self) -> int:
        """How many different numbers there are."""
        return len(np.unique(self.numbers[np.isfinite(self.numbers)]))


def texts_in(cells: pd.Series[Any]) -> Texts:
    """Return the cells as texts without blanks around them."""
    texts = np.empty(len(cells), object)
    texts[:] = [printable(cell_text(cell).strip()) for cell in cells]
    return texts


def is_missing(texts: Texts) -> npt.NDArray[np.bool_]:
    """Tell which texts stand for a value that is not there."""
    return np.fromiter(map(is_missing_text, texts), bool, len(texts))


def is_format(written: str) -> bool:
    """Tell whether a saved run's word for how a column is written is known."""
    return written in (DATES, TIMES) or NumberFormat.named(written) is not None


def is_dates(cells: pd.Series[Any]) -> bool:
    """Tell whether the type of a column is one of times."""
    return bool(pd.api.types.is_datetime64_any_dtype(cells))


def values_in(cells: pd.Series[Any], hints: Collection[str] = (), delimiter: str = "", earlier: str = "") -> Values:
    """Return the cells as numbers, as far as they are some.

    Parameters
    ----------
    cells : Series
        Of one column.
    hints, delimiter : collection of str, str
        See `read_numbers`.
    earlier : str
        `Values.written` of the same column in an earlier table.
    """
    kinds = pd.api.types
    if is_dates(cells):
        return _dates(cells)
    if kinds.is_timedelta64_dtype(cells):
        seconds = cells.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)
        return Values(seconds, TIMES, np.isfinite(seconds))
    if kinds.is_numeric_dtype(cells):
        numbers = np.array(cells.to_numpy(np.float64, na_value=np.nan))
        there = ~np.isnan(numbers)
        numbers[~np.isfinite(numbers)] = np.nan
        return Values(numbers, PLAIN, there)
    texts = texts_in(cells)
    there = ~is_missing(texts)
    kept = [text if here else "" for text, here in zip(texts, there, strict=True)]
    read = read_numbers(kept, hints, delimiter, NumberFormat.named(earlier))
    values = Values(
        read.values,
        read.written.name,
        there,
        _words(kept, read.values),
        read.doubt,
        read.bounds,
        read.units,
        decimal_hint(read, kept),
    )
    if values.share >= _LEAST or not there.any():
        return values
    moments, doubt = read_dates(kept)
    dates = Values(moments, DATES, there, _words(kept, moments), doubt)
    if dates.share >= _LEAST:
        return dates
    seconds = read_times(kept)
    times = Values(seconds, TIMES, there, _words(kept, seconds))
    return times if times.share >= _LEAST else values


def _words(texts: list[str], numbers: Numbers) -> Counter[str]:
    return Counter(text for text, number in zip(texts, numbers, strict=True) if text and np.isnan(number))


def _dates(cells: pd.Series[Any]) -> Values:
    moments: Any = cells.dt.tz_localize(None) if getattr(cells.dtype, "tz", None) is not None else cells
    there = moments.notna().to_numpy(bool)
    unit, _ = np.datetime_data(moments.dtype)
    nanoseconds = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}[unit]  # years far from now do not fit into whole nanoseconds
    numbers = np.where(there, moments.to_numpy().astype(np.int64) * nanoseconds, np.nan)
    return Values(numbers, DATES, there)


def hints_of(columns: Collection[Values]) -> set[str]:
    """Return the decimal marks that columns use beyond doubt, none where they contradict each other."""
    marks = {one.hint for one in columns if one.hint}
    return marks if len(marks) == 1 else set()
