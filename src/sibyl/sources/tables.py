"""A table of values: numbers scaled, categories encoded, so that each row is a vector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import DataError
from sibyl.sources.item import Item, Skipped
from sibyl.sources.rows import name_rows
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable, cell_text, printable
from sibyl.sources.texts import reads_like_texts

MISSING = ("", "nan", "na", "n/a", "null", "none", "?", "-")
MAX_CATEGORIES = 30
_MOSTLY = 0.9  # share of the cells that must be numbers, for a column to be one of numbers
_CLIP = 10.0  # standard deviations
Numbers = npt.NDArray[np.float64]


@dataclass(eq=False)
class _Columns:
    """Columns sorted by what they hold, and a note for each that is changed or left out."""

    numbers: dict[str, Numbers] = field(default_factory=dict)
    categories: dict[str, npt.NDArray[np.object_]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def values_of_table(table: RawTable, label_column: str | None, id_column: str | None) -> Source:
    """Turn rows into vectors.

    Numbers are brought to mean 0 and deviation 1, and cut at ten deviations; missing ones become the column's median. Categories
    become one column each, the rarest beyond 30 together one; a missing category is one of its own. Columns with one value, row
    numbers, and texts or names that differ in most rows are left out and named in the notes.

    Raises
    ------
    DataError
        If a column does not exist, or no column is left.
    """
    rows = name_rows(table, label_column, id_column)
    columns = _Columns()
    for name in rows.frame.columns:
        _sort_in(columns, str(name), rows.frame[name])
    if not columns.numbers and not columns.categories:
        raise DataError(
            f"{table.path}: no column can be learned from ({'; '.join(columns.notes) or 'there is none'}); "
            "for a table of texts, name the column with --column"
        )
    # A row without any value says nothing.
    empty = np.ones(len(rows.names), bool)
    for numbers in columns.numbers.values():
        empty &= np.isnan(numbers)
    for categories in columns.categories.values():
        empty &= categories == ""
    kept = np.flatnonzero(~empty)
    skipped = [*table.skipped, *rows.skipped, *(Skipped(rows.names[row], "no values") for row in np.flatnonzero(empty))]
    items = tuple(Item(rows.names[row], table.path) for row in kept)
    matrix = _encode(columns, kept)
    used = {item.name for item in items}
    labels = {name: label for name, label in rows.labels.items() if name in used}
    return Source("table", table.path, items, tuple(skipped), labels, matrix=matrix, notes=tuple(columns.notes))


def _sort_in(columns: _Columns, name: str, cells: pd.Series[Any]) -> None:
    texts = (
        None if pd.api.types.is_numeric_dtype(cells) else np.array([printable(cell_text(cell).strip()) for cell in cells], object)
    )
    numbers = _numbers(cells, texts)
    if numbers is not None:
        finite = numbers[np.isfinite(numbers)]
        if len(np.unique(finite)) < 2:
            columns.notes.append(f"column {name!r} is left out: one value only")
        elif len(finite) == len(numbers) > 2 and numbers[0] in (0, 1) and bool((np.diff(numbers) == 1).all()):
            columns.notes.append(f"column {name!r} is left out: it numbers the rows")
        else:
            lost = 0 if texts is None else int((~np.isin(np.char.lower(texts.astype(str)), MISSING) & np.isnan(numbers)).sum())
            if lost:
                columns.notes.append(f"column {name!r}: {lost} cells are no numbers and count as missing")
            columns.numbers[name] = numbers
        return
    assert texts is not None  # whatever is not numeric was made text
    texts[np.isin(np.char.lower(texts.astype(str)), MISSING)] = ""
    n_different = len(set(texts))
    if n_different < 2:
        columns.notes.append(f"column {name!r} is left out: one value only")
    elif n_different > max(20, len(texts) / 2) or (reads_like_texts(cells) and n_different > len(texts) / 2):
        columns.notes.append(f"column {name!r} is left out: {n_different} different texts in {len(texts)} rows")
    else:
        columns.categories[name] = texts


def _numbers(cells: pd.Series[Any], texts: npt.NDArray[np.object_] | None) -> Numbers | None:
    """Return the cells as numbers, NaN where missing, if most of those that are there are numbers."""
    if texts is None:
        numbers = cells.to_numpy(np.float64, na_value=np.nan)
    elif pd.api.types.is_datetime64_any_dtype(cells):
        numbers = np.where(cells.isna(), np.nan, cells.astype("int64").to_numpy(np.float64))
    else:
        there = ~np.isin(np.char.lower(texts.astype(str)), MISSING)
        for written in (texts, np.array([text.replace(",", ".") for text in texts], object)):  # decimal commas
            numbers = pd.to_numeric(pd.Series(written), errors="coerce").to_numpy(np.float64)
            if there.any() and np.isfinite(numbers[there]).mean() >= _MOSTLY:
                break
        else:
            return None
    numbers = np.array(numbers, np.float64)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _encode(columns: _Columns, kept: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    frame = pd.DataFrame({name: values[kept] for name, values in (columns.numbers | columns.categories).items()})
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -_CLIP, "a_max": _CLIP})
    transformer = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), clip), list(columns.numbers)),
            ("categories", OneHotEncoder(max_categories=MAX_CATEGORIES, sparse_output=False), list(columns.categories)),
        ]
    )
    return np.asarray(transformer.fit_transform(frame), np.float32)
