"""FittedColumns: the columns of a table and how each becomes columns of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import CheckpointError
from sibyl.sources.cells import Numbers, Texts, is_format
from sibyl.sources.fitted import Fitted

KIND = "table"
_FEWEST, _SHRINKS = 10, 0.2  # values from which strays are told, and how much smaller the deviation is without them
MAX_CATEGORIES = 30
LIMIT = 10.0  # standard deviations
SMALLEST = 1e-100
LARGEST = 1e150  # cells beyond are no measurements: they count as missing when a column is learned, and are cut like others


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers: ``(value − mean) / deviation``, cut at ten deviations; the median stands for what is missing."""

    name: str
    written: str
    median: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories: each of `own` has a feature, all of `rare` share one, and any other is none of them, or rare too."""

    name: str
    own: tuple[str, ...]
    rare: tuple[str, ...]


@dataclass(frozen=True)
class FittedColumns:
    """What was learned of the columns of a table, so that later rows are prepared in the same way.

    Parameters
    ----------
    numbers, categories : tuple
        Columns that features come from, in their order.
    left_out : tuple of str
        Columns that say nothing, and those of names and labels.
    """

    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    left_out: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that features come from."""
        return (*(one.name for one in self.numbers), *(one.name for one in self.categories))

    def rows(self, numbers: Mapping[str, Numbers], categories: Mapping[str, Texts]) -> npt.NDArray[np.float32]:
        """Return the features, float32 [row, feature], of columns by their names; NaN and the empty text are missing values."""
        parts: list[npt.NDArray[Any]] = []
        for number in self.numbers:
            values = numbers[number.name]
            filled = np.where(np.isnan(values), number.median, values)
            parts.append(np.clip((filled - number.mean) / number.deviation, -LIMIT, LIMIT)[:, None])
        for category in self.categories:
            texts = categories[category.name]
            hits = np.stack([texts == one for one in category.own], 1) if category.own else np.zeros((len(texts), 0), bool)
            parts.append(hits)
            if category.rare:
                parts.append(np.logical_not(hits.any(1))[:, None])
        return np.concatenate(parts, 1).astype(np.float32)

    def to_fitted(self) -> Fitted:
        """Return all of it as JSON can hold it."""
        return Fitted(KIND, {name: list(value) for name, value in asdict(self).items()})

    @classmethod
    def of(cls, fitted: Fitted) -> FittedColumns:
        """Undo `to_fitted`.

        Raises
        ------
        CheckpointError
            If it holds something else.
        """
        try:
            settings = fitted.settings
            numbers = tuple(NumberColumn(**one) for one in settings["numbers"])
            categories = tuple(CategoryColumn(one["name"], tuple(one["own"]), tuple(one["rare"])) for one in settings["categories"])
            columns = cls(numbers, categories, tuple(settings["left_out"]))
            is_sound = fitted.kind == KIND and bool(columns.names) and all(map(_is_sound, numbers))
        except (KeyError, TypeError):
            is_sound = False
        if not is_sound:
            raise CheckpointError("what is kept of the run's table is damaged or of another version; run sibyl label again")
        return columns


def _is_sound(column: NumberColumn) -> bool:
    values = [column.median, column.mean, column.deviation]
    return is_format(column.written) and bool(np.isfinite(values).all()) and column.deviation > 0


def strays(values: Numbers) -> npt.NDArray[np.int64]:
    """Return the rows of values so far from all others that a column's deviation would be theirs alone: 99999 among prices, a slip.

    They are one in a hundred at most, and without them the deviation is a fifth or less; columns of which most values are equal, as
    counts are that are mostly 0, have none.
    """
    finite = np.flatnonzero(np.isfinite(values))
    number = max(1, len(finite) // 100)
    if len(finite) < _FEWEST:
        return finite[:0]
    there = values[finite]
    middle = float(np.median(there))
    order = np.argsort(np.abs(there - middle), kind="stable")
    rest, far = there[order[:-number]], order[-number:]
    low, high = np.percentile(rest, (25, 75))
    spread = float(np.std(rest))
    if low == high or spread >= _SHRINKS * float(np.std(there)):
        return finite[:0]
    return np.sort(finite[far[np.abs(there[far] - middle) > LIMIT * spread]])


def fit_columns(
    numbers: Mapping[str, Numbers], written: Mapping[str, str], categories: Mapping[str, Texts], left_out: tuple[str, ...]
) -> FittedColumns:
    """Learn from the rows of a table how its columns become features; scikit-learn's estimators do it.

    Parameters
    ----------
    numbers : mapping of str to float64 array [row]
        Column → values, NaN where missing; at least two different ones.
    written : mapping of str to str
        Column of numbers → how `values_in` read it.
    categories : mapping of str to array of str [row]
        Column → category, empty where missing.
    left_out : tuple of str
        See `FittedColumns`.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    number_columns: list[NumberColumn] = []
    if numbers:
        frame: Any = np.stack(list(numbers.values()), 1)
        frame = np.where(np.abs(frame) < LARGEST, frame, np.nan)  # squares of larger cells overflow
        largest = np.nanmax(np.abs(frame), 0)
        unit = np.where(largest < SMALLEST, largest, 1.0)  # squares of smaller cells vanish
        imputer = SimpleImputer(strategy="median").fit(frame / unit)
        filled = imputer.transform(frame / unit)
        for column in range(filled.shape[1]):
            filled[strays(filled[:, column]), column] = np.nan
        scaler = StandardScaler().fit(filled)  # which passes over NaN
        learned = zip(
            numbers,
            (imputer.statistics_ * unit).tolist(),
            (scaler.mean_ * unit).tolist(),
            (scaler.scale_ * unit).tolist(),
            strict=True,
        )
        number_columns = [NumberColumn(name, written[name], *values) for name, *values in learned]
    category_columns: list[CategoryColumn] = []
    if categories:
        encoder = OneHotEncoder(max_categories=MAX_CATEGORIES).fit(pd.DataFrame(dict(categories)))
        for name, found, rare in zip(categories, encoder.categories_, encoder.infrequent_categories_, strict=True):
            rest = () if rare is None else tuple(map(str, rare))
            own = tuple(one for one in map(str, found) if one not in set(rest))
            category_columns.append(CategoryColumn(name, own, rest))
    return FittedColumns(tuple(number_columns), tuple(category_columns), left_out)
