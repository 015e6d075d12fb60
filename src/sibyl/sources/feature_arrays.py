"""Arrays in npy, npz and safetensors files: the matrix of features among them, and the labels and names of its rows."""

from __future__ import annotations

import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from sibyl.errors import DataError, reason_of
from sibyl.sources.feature_columns import Columns
from sibyl.sources.limits import check_unfolded
from sibyl.sources.naming import LABEL_NAMES, MATRIX_NAMES, NAME_NAMES, named

Array = npt.NDArray[Any]
# What numpy raises on damaged bytes; its header is a Python literal, so the tokenizer's error is among them.
_DAMAGE = (
    OSError, ValueError, EOFError, SyntaxError, TypeError, KeyError, RuntimeError, MemoryError, OverflowError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_npy(path: Path, label_name: str | None, id_name: str | None) -> Columns:
    """Read the one array of a file; it has neither labels nor names."""
    try:
        with warnings.catch_warnings(action="ignore"):  # numpy tells its own developers of the forms of old files
            return Columns(np.load(path, mmap_mode="r", allow_pickle=False), None, None)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except _DAMAGE as error:
        raise DataError(f"{path}: {_reason(error)}") from None


def read_npz(path: Path, label_name: str | None, id_name: str | None) -> Columns:
    """Read the arrays of an archive."""
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


def read_safetensors(path: Path, label_name: str | None, id_name: str | None) -> Columns:
    """Read the tensors of a file."""
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
    return f"damaged or not an array file ({reason_of(error, 120)}); write it again"


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
