"""Cells of a table's columns as numbers or as texts: the same for the first table and for those that come later."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.sources.table_files import cell_text, printable

MISSING = ("", "nan", "na", "n/a", "null", "none", "?", "-")
PLAIN, COMMAS, DATES = "numbers", "decimal commas", "dates"
"""How a column writes its numbers; dates are nanoseconds since 1970."""
Numbers = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]


def texts_in(cells: pd.Series[Any]) -> Texts:
    """Return the cells as texts without blanks around them."""
    return np.array([printable(cell_text(cell).strip()) for cell in cells], object)


def is_missing(texts: Texts) -> npt.NDArray[np.bool_]:
    """Tell which texts stand for a value that is not there."""
    return np.isin(np.char.lower(texts.astype(str)), MISSING)


def is_dates(cells: pd.Series[Any]) -> bool:
    """Tell whether a column holds times."""
    return bool(pd.api.types.is_datetime64_any_dtype(cells))


def numbers_in(cells: pd.Series[Any], written: str) -> Numbers:
    """Return the cells as numbers, NaN where they are missing, infinite or none.

    Parameters
    ----------
    cells : Series
        Of one column.
    written : str
        `PLAIN`, `COMMAS` or `DATES`.
    """
    if written == DATES:
        moments = pd.DatetimeIndex(cells)
        return np.where(moments.isna(), np.nan, moments.as_unit("ns").asi8.astype(np.float64))
    if pd.api.types.is_numeric_dtype(cells):
        numbers = np.array(cells.to_numpy(np.float64, na_value=np.nan))
    else:
        texts = texts_in(cells)
        plain = texts if written == PLAIN else np.array([text.replace(",", ".") for text in texts], object)
        numbers = np.array(pd.to_numeric(pd.Series(plain, dtype=object), errors="coerce").to_numpy(np.float64, na_value=np.nan))
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers
