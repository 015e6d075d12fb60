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

import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from sibyl.errors import DataError
from sibyl.features import Features
from sibyl.messages import counted
from sibyl.sources.feature_tables import Columns, read_feature_table
from sibyl.sources.item import Item, Skipped
from sibyl.sources.limits import check_unfolded
from sibyl.sources.naming import LABEL_NAMES, MATRIX_NAMES, NAME_NAMES, label_text, named, only_labels
from sibyl.sources.source import Source
from sibyl.sources.vectors import has_vanished

Array = npt.NDArray[Any]
# What numpy raises on damaged bytes; its header is a Python literal, so the tokenizer's error is among them.
_DAMAGE = (
    OSError, ValueError, EOFError, SyntaxError, TypeError, KeyError, RuntimeError, MemoryError, OverflowError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


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
        values = _read_npy(path, None, None).matrix
        if values.ndim != 1:
            raise DataError(f"{path}: expected one label per row of features, got an array of shape {list(values.shape)}")
        return list(values.tolist())
    try:
        return list[object](path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as labels, one a line ({error})") from None


def _read_npy(path: Path, label_name: str | None, id_name: str | None) -> Columns:
    try:
        with warnings.catch_warnings(action="ignore"):  # numpy tells its own developers of the forms of old files
            return Columns(np.load(path, mmap_mode="r", allow_pickle=False), None, None)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except _DAMAGE as error:
        raise DataError(f"{path}: {_reason(error)}") from None


def _read_npz(path: Path, label_name: str | None, id_name: str | None) -> Columns:
    try:
        # numpy leaves a damaged archive open unless it is opened here.
        with warnings.catch_warnings(action="ignore"), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: expected an npz archive of arrays, but it holds one array; rename it to .npy")
            check_unfolded(path, sum(one.file_size for one in zipfile.ZipFile(opened).infolist()))
            arrays = {name: file[name] for name in file.files}
        foreign = next((name for name, array in arrays.items() if not isinstance(array, np.ndarray)), None)
        if foreign is not None:  # numpy hands out the bytes of such a file
            raise DataError(f"{path}: expected arrays alone, but {foreign!r} in it is not one; write it again with numpy.savez")
        return _choose(path, arrays, label_name, id_name)
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{path}: {_reason(error)}") from None


def _read_safetensors(path: Path, label_name: str | None, id_name: str | None) -> Columns:
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: damaged or not a safetensors file ({error}); write it again") from None
    # numpy has no bfloat16.
    arrays = {name: (tensor.float() if tensor.is_floating_point() else tensor).numpy() for name, tensor in tensors.items()}
    return _choose(path, arrays, label_name, id_name)


def _reason(error: Exception) -> str:
    if "pickle" in str(error).lower() or "Python objects" in str(error):
        return "holds Python objects, which are not read because unpickling can run code; save plain numbers and texts"
    return f"damaged or not an array file ({' '.join(str(error).split())[:120] or type(error).__name__}); write it again"


def _choose(path: Path, arrays: Mapping[str, Array], label_name: str | None, id_name: str | None) -> Columns:
    for wanted in (label_name, id_name):
        if wanted is not None and wanted not in arrays:
            raise DataError(f"{path}: holds no array {wanted!r}; it holds {', '.join(arrays) or 'none'}")
    label, row_id, matrix = named(arrays, LABEL_NAMES, label_name), named(arrays, NAME_NAMES, id_name), named(arrays, MATRIX_NAMES)
    if matrix is None:
        matrices = [
            name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "fiu" and name not in (label, row_id)
        ]
        if len(matrices) != 1:
            raise DataError(
                f"{path}: expected one matrix of features, or one named {MATRIX_NAMES[0]!r}; it holds "
                + (", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items()) or "no arrays")
            )
        matrix = matrices[0]
    for name in (label, row_id):
        if name is not None and arrays[name].ndim != 1:
            raise DataError(f"{path}: expected {name!r} to be one value per row, got an array of shape {list(arrays[name].shape)}")
    return Columns(
        arrays[matrix], None if label is None else arrays[label].tolist(), None if row_id is None else arrays[row_id].tolist()
    )


_READERS = (
    _Reader(".npy", _read_npy),
    _Reader(".npz", _read_npz),
    _Reader(".safetensors", _read_safetensors),
    _Reader(".parquet", read_feature_table),
    _Reader(".csv", read_feature_table),
    _Reader(".tsv", read_feature_table),
)
ENDINGS = tuple(reader.ending for reader in _READERS)
"""Endings that `load_features` knows."""
