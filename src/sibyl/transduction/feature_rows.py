"""Rows of features as a user hands them over: numpy, pandas, polars, torch or memory-mapped; read in slices, checked row by row, made into a task."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sibyl.errors import InputError
from sibyl.memmap import allocate, release, slices

Matrix = npt.NDArray[np.floating[Any]]
SMALLEST = 1e-15  # where the mean size of entries is below, squares vanish in float32
LARGEST = 1e18  # squares of larger entries overflow float32, and with them every length and distance
PARALLEL = 0.999  # share of the mean squared length that the mean row may have
ROUNDING = 1e-12  # below, rows differ by rounding alone
CENTRED = "all rows are of nearly one direction, as after adding a constant: their mean was taken off each"


def dense(X: object) -> object:
    """Turn a torch tensor into an array and refuse a sparse matrix; everything else is left to scikit-learn's own reading.

    Raises
    ------
    InputError
        If `X` is sparse, or has masked entries.
    """
    if isinstance(X, np.ma.MaskedArray) and X.mask.any():
        raise InputError(f"X has {int(X.mask.sum())} masked entries; fill them in, for example with sklearn.impute.SimpleImputer")
    if isinstance(X, Tensor):
        X = X.detach().cpu()
        return (X.float() if X.dtype == torch.bfloat16 else X).numpy()
    if hasattr(X, "toarray"):  # of scipy, which is not imported to ask
        raise InputError(
            f"X is a sparse matrix {X.shape}, but dense input is required: methods centre and normalise rows, which fills every entry; "  # type: ignore[attr-defined]
            "reduce it first, for example with sklearn.decomposition.TruncatedSVD, or pass X.toarray()"
        )
    return X


@dataclass(frozen=True, eq=False)
class Checked:
    """Rows that may be solved.

    Parameters
    ----------
    X : float array [row, dim]
        In memory or in a file.
    offset : float64 array [dim], optional
        What is taken off every row first; see `checked_rows`.
    """

    X: Matrix
    offset: npt.NDArray[np.float64] | None = None

    def copied(self, rows: slice | npt.NDArray[Any]) -> Tensor:
        """Copy some rows into a float32 tensor [row, dim]."""
        chosen = self.X[rows] if self.offset is None else self.X[rows] - self.offset
        return torch.from_numpy(np.array(chosen, dtype=np.float32, order="C"))

    def shared(self) -> Tensor:
        """Return all rows as a float32 tensor [row, dim] that shares the memory, or the file, where type, order and offset allow it."""
        if self.offset is not None:
            return self.without(np.zeros(0, np.int64))
        with warnings.catch_warnings():
            # A read-only file is only read; torch warns because it could be asked to write.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
            X = np.asarray(self.X, dtype=np.float32)
            return torch.from_numpy(X if min(X.strides, default=0) >= 0 else X.copy())

    def without(self, left_out: npt.NDArray[np.int64]) -> Tensor:
        """Return all rows but some, given in order: where they lie if those come first, else a copy, in a file if it is large."""
        X, n = self.X, len(left_out)
        is_ready = X.dtype == np.float32 and X.flags.c_contiguous and X.flags.writeable and self.offset is None
        if is_ready and np.array_equal(left_out, np.arange(n)):
            return torch.from_numpy(X[n:])
        is_kept = np.ones(len(X), bool)
        is_kept[left_out] = False
        rest, filled = allocate((int(is_kept.sum()), X.shape[1])), 0
        for part in slices(X):
            chosen = X[part][is_kept[part]]
            rest[filled : filled + len(chosen)] = chosen if self.offset is None else chosen - self.offset
            filled += len(chosen)
            release(rest)
        return torch.from_numpy(rest)


def checked_rows(X: Matrix, names: Sequence[str] | None = None, what: str = "X") -> Checked:
    """Check that every entry is a number of usable size, a slice at a time.

    Rows of nearly one direction, such as columns to which a large constant was added, say nothing to methods that look at angles. Where
    the squared length of the mean row is more than `PARALLEL` of the mean squared length, the mean is taken off every row.

    Parameters
    ----------
    X : float array [row, dim]
        Features.
    names : sequence of str, optional
        Item of each row, for the message.
    what : str
        How the message calls the rows.

    Raises
    ------
    InputError
        If a row holds NaN, infinity or an entry whose square overflows; the message names the first such row and counts them. If all
        entries are so small that their squares vanish.
    """
    first, count, total, square = -1, 0, np.zeros(X.shape[1]), 0.0
    for part in slices(X):
        x = X[part]
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero(~(np.abs(x) < LARGEST).all(1))  # NaN compares as false
        if len(bad) and not count:
            first = part.start + int(bad[0])
        count += len(bad)
        if not count:
            total += x.sum(0, dtype=np.float64)
            square += float(np.einsum("ij,ij->", x, x, dtype=np.float64))
    if count:
        row = X[first]
        held = "NaN" if np.isnan(row).any() else "inf" if np.isinf(row).any() else f"{np.abs(row).max():.1e}"
        name = "" if names is None else f" ({names[first]!r})"
        raise InputError(
            f"{what} must hold finite numbers below {LARGEST:.0e} in size (no NaN, no inf), but row {first}{name} holds {held} ({count} "
            "such rows); remove, fill in or rescale them"
        )
    if square < SMALLEST**2 * X.size and any(X[part].any() for part in slices(X)):
        raise InputError(f"{what} holds numbers below {SMALLEST:.0e} in size alone, which all count as equal; rescale them")
    return Checked(X, offset_of(total, square, len(X)))


def offset_of(total: npt.NDArray[np.float64], square: float, n_rows: int) -> npt.NDArray[np.float64] | None:
    """Return the mean of rows that are of nearly one direction, which is to be taken off each; None for any others.

    Parameters
    ----------
    total : float64 array [dim]
        Sum of the rows.
    square : float
        Sum of their squared lengths.
    n_rows : int
        Their number.
    """
    mean = np.asarray(total / max(n_rows, 1), np.float64)
    spread = 1 - float(mean @ mean) * n_rows / square if square else 0.0
    return mean if ROUNDING < spread < 1 - PARALLEL else None
