"""Labels as a user hands them over, some of them missing: −1, None or NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import column_or_1d
from torch import Tensor

from sibyl.errors import InputError
from sibyl.messages import counted

UNLABELLED = -1
LARGEST_WHOLE = 2.0**53  # floats above skip whole numbers
_MADE_OF_MISSING = (str(UNLABELLED), "nan", "<NA>")  # what numpy and pandas make of missing values among strings


@dataclass(frozen=True, eq=False)
class Labels:
    """Which rows are labelled, and how.

    Parameters
    ----------
    classes : array [way]
        The classes that have a labelled row, sorted.
    codes : int64 array [row]
        Index into `classes`; −1 where a row is unlabelled.
    """

    classes: npt.NDArray[Any]
    codes: npt.NDArray[np.int64]

    @property
    def labelled(self) -> npt.NDArray[np.int64]:
        """Indices of the labelled rows."""
        return np.flatnonzero(self.codes >= 0)

    @property
    def unlabelled(self) -> npt.NDArray[np.int64]:
        """Indices of the unlabelled rows."""
        return np.flatnonzero(self.codes < 0)


def read_labels(y: Any, named: Sequence[Any] = ()) -> Labels:
    """Read labels of a list, array, Series or tensor.

    Whole numbers: −1 is unlabelled. Floats: −1 and NaN are, the rest must be whole. Objects and strings: the number −1, None, NaN and
    pandas' NA are. So is what a masked array masks. A category that no row carries is no class; `named` are classes with or
    without a labelled row.

    Raises
    ------
    InputError
        If `y` has more than one column, a label is a string that numpy makes of what is missing ("-1", "nan"), a broken number or one
        too large to be told from its neighbours, labels mix strings and numbers, no row is labelled, or all labelled rows are of one
        class.
    """
    values = _as_array(y)
    if values.dtype.kind == "c":
        raise InputError(f"y must hold class labels, numbers or strings; complex data not supported, got {values.dtype}")
    try:
        values = column_or_1d(values, warn=True)
    except ValueError:
        raise InputError(f"y should be a 1d array with one label a row, got an array of shape {values.shape} instead") from None
    if values.dtype.kind not in "biufOUT":
        raise InputError(f"y must hold numbers or strings, got {values.dtype}; convert the labels to strings")
    if values.dtype.kind in "OUT":
        values = values.astype(object)
    missing = np.asarray(pd.isna(values), bool)
    if values.dtype.kind != "b":
        missing[~missing] = np.asarray(values[~missing] == UNLABELLED, bool)
    given = _one_type(values, missing) if values.dtype.kind == "O" else values[~missing]
    if not len(given) and not named:
        raise InputError(
            f"y labels none of the {counted(len(values), 'row')}; give at least one labelled row of each class (−1 is unlabelled)"
        )
    if given.dtype.kind == "f":
        _check_whole(values, missing)
    elif given.dtype.kind == "O":
        raise InputError(f"y holds a whole number of more than 64 bits, {max(given, key=abs)}; give such labels as strings")
    if named:
        given = _with_named(given, named)
    classes, found = np.unique(given, return_inverse=True)
    found = found[: int((~missing).sum())]
    if len(classes) < 2:
        raise InputError(
            f"y has labelled rows of one class only, {_shown(classes[0])}; at least two classes are needed, each with a labelled row"
            + (" or a vector" if named else "")
        )
    codes = np.full(len(values), UNLABELLED, np.int64)
    codes[~missing] = found
    return Labels(classes, codes)


def _with_named(given: npt.NDArray[Any], named: Sequence[Any]) -> npt.NDArray[Any]:
    """Put classes that are named behind the labels of the rows, which must be of the same kind."""
    values = np.empty(len(named), object)
    values[:] = [one.item() if isinstance(one, np.generic) else one for one in named]
    extra = _one_type(values, np.zeros(len(named), bool))
    if not len(given):
        return extra
    if (given.dtype.kind in "UT") != (extra.dtype.kind == "U"):
        raise InputError(f"class_vectors names {values[0]!r}, but y holds labels of another kind, such as {_shown(given[0])}")
    joined = np.concatenate([given, extra])
    return joined if given.dtype.kind in "UT" else joined.astype(given.dtype)


def _check_whole(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> None:
    """Refuse labels that are quantities. scikit-learn's own check would also warn of few labels for many classes, which is the point here."""
    numbers = np.where(missing, 0, values).astype(float)
    large = np.flatnonzero(np.abs(numbers) > LARGEST_WHOLE)
    if len(large) and np.isfinite(numbers[large[0]]):
        raise InputError(
            f"y[{large[0]}] is {values[large[0]]}, and floats of that size do not tell whole numbers apart; give the labels as integers or "
            "strings"
        )
    odd = np.flatnonzero(~(np.isfinite(numbers) & (numbers == np.floor(numbers))))
    if len(odd):
        raise InputError(
            f"Unknown label type: continuous. y must hold class labels, but y[{odd[0]}] is {numbers[odd[0]]:.6g}; give whole numbers or "
            "strings"
        )


def _as_array(y: Any) -> npt.NDArray[Any]:
    if isinstance(y, Tensor):
        return y.detach().cpu().numpy()
    if isinstance(y, np.ma.MaskedArray):
        values = y.data.astype(object)
        values[np.ma.getmaskarray(y)] = None
        return values
    if isinstance(y, list | tuple):
        # numpy would turn [0, "a", None] into strings, the unlabelled ones too, and very large whole numbers beside −1 into floats.
        mixed = any(one is None or isinstance(one, str) or (isinstance(one, int) and abs(one) > LARGEST_WHOLE) for one in y)
        return np.array(y, dtype=object) if mixed else np.asarray(y)
    if isinstance(y, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return np.asarray(y) if isinstance(y.dtype, np.dtype) else np.asarray(y, dtype=object)
    return np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)


def _one_type(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """The given labels of an object array, as an array of strings or of numbers."""
    given = values[~missing].tolist()
    is_text = [isinstance(one, str) for one in given]
    if all(is_text):
        if any(one.strip() in _MADE_OF_MISSING for one in given):
            row = next(row for row in np.flatnonzero(~missing) if values[row].strip() in _MADE_OF_MISSING)
            raise InputError(
                f"y[{row}] is the string {values[row]!r}, which could be a class or mean unlabelled; mark unlabelled rows with the "
                "number −1, None or NaN in an object array, e.g. np.array(['cat', -1], dtype=object)"
            )
        return np.array(given, dtype=str)
    odd = next((one for one, text in zip(given, is_text, strict=True) if text or not isinstance(one, Real)), None)
    if odd is not None:
        kinds = sorted({type(one).__name__ for one in given})
        raise InputError(f"y must hold labels of one kind, strings or numbers, got {' and '.join(kinds)} (for example {odd!r})")
    return np.array(given)


def _shown(label: object) -> str:
    return repr(label.item() if isinstance(label, np.generic) else label)
