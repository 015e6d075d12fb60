"""Rows of features as a user hands them over: numpy, pandas, polars, torch or memory-mapped; read in slices, checked row by row."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import issparse
from torch import Tensor

from sibyl.errors import InputError

Matrix = npt.NDArray[np.floating[Any]]
LARGEST = 1e18  # squares of larger entries overflow float32, and with them every length and distance


def dense(X: object) -> object:
    """Turn a torch tensor into an array and refuse a sparse matrix; everything else is left to scikit-learn's own reading.

    Raises
    ------
    InputError
        If `X` is sparse.
    """
    if isinstance(X, Tensor):
        X = X.detach().cpu()
        return (X.float() if X.dtype == torch.bfloat16 else X).numpy()
    if issparse(X):
        raise InputError(
            f"X is a sparse matrix {X.shape}, but dense input is required: methods centre and normalise rows, which fills every entry; "  # type: ignore[attr-defined]
            "reduce it first, for example with sklearn.decomposition.TruncatedSVD, or pass X.toarray()"
        )
    return X


def slices(n_rows: int, batch_rows: int) -> Iterator[slice]:
    """Cut 0 … n_rows into slices of at most `batch_rows`."""
    return (slice(start, min(start + batch_rows, n_rows)) for start in range(0, n_rows, batch_rows))


def check_finite(X: Matrix, batch_rows: int) -> None:
    """Check that every entry is a number of usable size, a slice at a time.

    Raises
    ------
    InputError
        If a row holds NaN, infinity or an entry whose square overflows; the message names the first such row and counts them.
    """
    first, count = -1, 0
    for rows in slices(len(X), batch_rows):
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero(~(np.abs(X[rows]) < LARGEST).all(1))  # NaN compares as false
        if len(bad) and not count:
            first = rows.start + int(bad[0])
        count += len(bad)
    if count:
        row = X[first]
        held = "NaN" if np.isnan(row).any() else "inf" if np.isinf(row).any() else f"{np.abs(row).max():.1e}"
        raise InputError(
            f"X must hold finite numbers below {LARGEST:.0e} in size (no NaN, no inf), but row {first} holds {held} ({count} such "
            "rows); remove, fill in or rescale them"
        )


def float_rows(X: Matrix, rows: slice | npt.NDArray[Any]) -> Tensor:
    """Copy some rows into a float32 tensor [row, dim]."""
    return torch.from_numpy(np.array(X[rows], dtype=np.float32, order="C"))


def shared_rows(X: Matrix) -> Tensor:
    """Return all rows as a float32 tensor [row, dim] that shares the memory, or the file, where the type allows it."""
    with warnings.catch_warnings():
        # A read-only file is only read; torch warns because it could be asked to write.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(np.asarray(X, dtype=np.float32))
