"""Feature files of other tools, read defensively: a matrix, and the labels and names of its rows where the file has them.

| ending | matrix | labels, ids |
|---|---|---|
| ``.npy`` | the array | – |
| ``.npz``, ``.safetensors`` | the array named features, matrix, embeddings, x …, or the only matrix | arrays named labels, y …; ids, names … |
| ``.parquet`` | a column of lists, or all columns of numbers | columns named label …; id, item … |
| ``.csv``, ``.tsv`` | all other columns | the same; a first line of numbers is data |
| a folder | written by `sibyl.Features.save` | |

Nothing is unpickled. Labels may be names or whole numbers; −1, an empty cell or a missing value means unlabelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sibyl.errors import DataError
from sibyl.features import Features
from sibyl.messages import counted
from sibyl.sources.feature_arrays import Array, read_npy, read_npz, read_safetensors
from sibyl.sources.feature_columns import Columns
from sibyl.sources.feature_tables import read_feature_table
from sibyl.sources.item import Item, Skipped
from sibyl.sources.naming import label_text, only_labels
from sibyl.sources.source import Source
from sibyl.sources.vectors import has_vanished

_SLICE = 65536  # rows looked at together


@dataclass(frozen=True)
class _Reader:
    ending: str
    read: Callable[[Path, str | None, str | None], Columns]


def load_features(
    path: str | Path,
    *,
    labels: str | Path | Sequence[object] | Array | None = None,
    label_name: str | None = None,
    id_name: str | None = None,
) -> Features:
    """Read a feature file.

    Parameters
    ----------
    path : path
        A file with one of the endings above, or a folder written by `Features.save`.
    labels : path or sequence, optional
        Labels of the rows, where they are not in the file: a ``.npy`` or a text file with one label a line, or the labels themselves.
    label_name, id_name : str, optional
        Name of the array or column with labels or ids, where it is none of the usual ones.

    Returns
    -------
    Features
        Rows as float32; classes in sorted order, numbers by value.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another kind, or holds Python objects; if values are not finite (rows are named); if there
        are not as many labels or ids as rows.
    """
    path = Path(path)
    return _finite(_loaded(path, labels, label_name, id_name), path)


def _loaded(
    path: Path, labels: str | Path | Sequence[object] | Array | None, label_name: str | None, id_name: str | None
) -> Features:
    if path.is_dir():
        saved = Features.load(path)
        if labels is None:
            return saved
        columns = Columns(saved.matrix, None, list(saved.ids))
    else:
        columns = _reader(path).read(path, label_name, id_name)
    if labels is not None:
        columns = Columns(columns.matrix, _given_labels(labels), columns.ids)
    try:
        return _features(columns, path)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def features_source(path: Path, label_name: str | None, id_name: str | None) -> Source:
    """Open a file of arrays, or a folder of `Features.save`; rows with NaN or infinity are skipped.

    Rows without names are called by their index in the array, from 0; what was understood says so.
    """
    return _source_of(_loaded(path, None, label_name, id_name), path)


def array_source(array: Array, place: Path) -> Source:
    """Return the rows of an array in memory as a source of features, called by their index from 0; see `features_source`.

    Raises
    ------
    DataError
        If it is no matrix of numbers.
    """
    try:
        return _source_of(_features(Columns(array, None, None), place), place)
    except DataError as error:
        raise DataError(str(error) if str(error).startswith(str(place)) else f"{place}: {error}") from None


def _source_of(features: Features, path: Path) -> Source:
    matrix = np.asarray(features.matrix, np.float32)
    names = features.ids
    bad = [
        start + row
        for start in range(0, len(matrix), _SLICE)
        for row in np.flatnonzero(~np.isfinite(matrix[start : start + _SLICE]).all(1))
    ]
    labels = {name: features.class_names[label] for name, label in zip(names, features.labels.tolist(), strict=True) if label >= 0}
    if len(bad) == len(matrix):
        raise DataError(f"{path}: no row is finite, all {counted(len(bad), 'row')} hold NaN or infinity")
    skipped = tuple(Skipped(names[row], "holds NaN or infinity") for row in bad)
    lost = {one.name: labels.pop(one.name) for one in skipped if one.name in labels}
    order = names
    if bad:
        kept = np.setdiff1d(np.arange(len(matrix)), bad)
        matrix, names = matrix[kept], tuple(names[row] for row in kept)
    items = tuple(Item(name, path) for name in names)
    understood = f"features, {counted(matrix.shape[1], 'number')} each"
    if order == tuple(map(str, range(len(order)))):
        understood += "; rows are called by their index, from 0"
    return Source("features", path, items, skipped, labels, matrix=matrix, lost=lost, understood=understood, order=order)


def _finite(features: Features, path: Path) -> Features:
    try:
        features.check_finite()
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return features


def _reader(path: Path) -> _Reader:
    reader = next((reader for reader in _READERS if path.name.lower().endswith(reader.ending)), None)
    known = ", ".join(reader.ending for reader in _READERS)
    if reader is None:
        raise DataError(f"{path}: unknown kind of feature file {path.suffix or '(no ending)'!r}; known endings: {known}")
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected features in one of {known}, or a folder made by: sibyl embed")
    return reader


def _features(columns: Columns, path: Path) -> Features:
    matrix = columns.matrix
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise DataError(f"expected a matrix [item, dim], got an array of shape {list(matrix.shape)}")
    if matrix.dtype.kind not in "fiu":
        raise DataError(f"expected numbers, got values of type {matrix.dtype}")
    if matrix.dtype != np.float32:
        if has_vanished(matrix):
            raise DataError("holds numbers below 1e-30 in size alone, which all count as 0; rescale them")
        with np.errstate(over="ignore"):  # what becomes infinite is named with its row below
            matrix = np.array(matrix, np.float32)
    n = len(matrix)
    if columns.labels is not None and len(columns.labels) != n:
        raise DataError(f"{counted(n, 'row')} of features, but {counted(len(columns.labels), 'label')}; give one label per row")
    if columns.ids is not None and len(columns.ids) != n:
        raise DataError(f"{counted(n, 'row')} of features, but {counted(len(columns.ids), 'id')}; give one id per row")
    numbers, class_names = _numbered(columns.labels if columns.labels is not None else [None] * n)
    ids = () if columns.ids is None else tuple(_text(value) for value in columns.ids)
    return Features(matrix, numbers, class_names, ids, {"file": path.name})


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _numbered(values: Iterable[object]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    try:
        written = [label_text(value) for value in values]
    except ValueError as error:
        raise DataError(f"a row {error}") from None
    labels = [label or None for label in only_labels(written)[0]]
    names = {label for label in labels if label is not None}
    whole = all(name.isascii() and name.removeprefix("-").isdigit() for name in names)
    ordered = tuple(sorted(names, key=int)) if whole else tuple(sorted(names))
    number = {name: index for index, name in enumerate(ordered)}
    return np.array([-1 if label is None else number[label] for label in labels], np.int64), ordered


def _given_labels(labels: str | Path | Sequence[object] | Array) -> list[object]:
    if not isinstance(labels, str | Path):
        return list(labels)
    path = Path(labels)
    if path.suffix.lower() == ".npy":
        values = read_npy(path, None, None).matrix
        if values.ndim != 1:
            raise DataError(f"{path}: expected one label per row of features, got an array of shape {list(values.shape)}")
        return list(values.tolist())
    try:
        return list[object](path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as labels, one a line ({error})") from None


_READERS = (
    _Reader(".npy", read_npy),
    _Reader(".npz", read_npz),
    _Reader(".safetensors", read_safetensors),
    _Reader(".parquet", read_feature_table),
    _Reader(".csv", read_feature_table),
    _Reader(".tsv", read_feature_table),
)
ENDINGS = tuple(reader.ending for reader in _READERS)
"""Endings that `load_features` knows."""
