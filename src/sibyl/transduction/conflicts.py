"""Equal rows with different labels: which they are, what they count for, and what is said of rows that equal them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.memmap import slices
from sibyl.messages import counted
from sibyl.transduction.feature_rows import Matrix

Rows = npt.NDArray[np.int64]
LEAST = 1e-9  # probability of a class that no row equal to this one is labelled as


@dataclass(frozen=True, eq=False)
class Conflicts:
    """Labelled rows that contradict each other.

    Parameters
    ----------
    groups : tuple of int64 array [row]
        Rows that are equal and have more than one label.
    shares : float64 array [group, class]
        How the labels of each group divide.
    dropped : int64 array [row]
        Rows whose labels cancel, and that teach nothing.
    alike : tuple of list of int
        Classes whose labelled rows are the same, so that nothing tells them apart.
    """

    groups: tuple[Rows, ...]
    shares: npt.NDArray[np.float64]
    dropped: Rows
    alike: tuple[list[int], ...]

    def note(self, name_of: Callable[[int], str]) -> str:
        """Say which rows contradict each other; `name_of` tells how a row is called."""
        first, *_, last = self.groups[0]
        return (
            f"{name_of(int(first))} and {name_of(int(last))} are equal and have different labels ({counted(sum(map(len, self.groups)), 'such row')} in "
            "all); their labels cancel, and rows that equal them are divided between the classes; correct the labels"
        )

    def divide(self, logits: Float[Tensor, "row way"], twins: npt.NDArray[np.int64]) -> None:
        """Divide rows that equal conflicting ones as those are labelled, and all rows evenly between classes that nothing tells apart.

        Parameters
        ----------
        logits : float [row, way]
            Changed in place.
        twins : int64 array [row]
            The group that each row equals, −1 for none; see `twins`.
        """
        for classes in self.alike:
            logits[:, classes] = logits[:, classes].logsumexp(1, keepdim=True) - math.log(len(classes))
        rows = np.flatnonzero(twins >= 0)
        logits[rows] = torch.from_numpy(self.shares[twins[rows]]).clamp_min(LEAST).log().to(logits)

    def twins(self, X: Matrix, firsts: Matrix | None = None) -> npt.NDArray[np.int64]:
        """Return for every row the group that it equals, int64 [row]; −1 for none.

        Parameters
        ----------
        X : float array [row, dim]
            Rows.
        firsts : float array [group, dim], optional
            A row of each group; left out, those of `X`.
        """
        group_of = np.full(len(X), -1)
        if not self.groups:
            return group_of
        firsts = np.stack([X[group[0]] for group in self.groups]) if firsts is None else firsts
        keys = _keys(firsts)
        order = np.argsort(keys)
        for part in slices(X):
            rows = X[part]
            place = np.minimum(np.searchsorted(keys[order], _keys(rows)), len(order) - 1)
            likely = order[place]
            group_of[part] = np.where((firsts[likely] == rows).all(1), likely, -1)
        return group_of


def find_conflicts(X: Matrix, codes: Rows, n_way: int) -> Conflicts:
    """Find labelled rows that are equal and have different labels.

    Labels of equal rows cancel one for one: of the most frequent class of a group as many rows still teach as it has more than the
    second. A class keeps all its rows where nothing would be left of it.

    Parameters
    ----------
    X : float array [row, dim]
        Features.
    codes : int64 array [row]
        Class of each row; −1 where it is unlabelled.
    n_way : int
        Number of classes.
    """
    known = np.flatnonzero(codes >= 0)
    equal: dict[bytes, list[int]] = {}
    for row in known.tolist():
        equal.setdefault((X[row] + 0.0).tobytes(), []).append(row)  # + 0.0: minus zero is zero
    groups = tuple(np.array(rows) for rows in equal.values() if len(set(codes[rows].tolist())) > 1)
    counts = np.stack([np.bincount(codes[group], minlength=n_way) for group in groups]) if groups else np.zeros((0, n_way))
    dropped: list[int] = []
    for group, count in zip(groups, counts, strict=True):
        best, second = np.argsort(-count, kind="stable")[:2]
        kept = group[codes[group] == best][: count[best] - count[second]]
        dropped += [row for row in group.tolist() if row not in kept]
    left = np.bincount(codes[np.setdiff1d(known, dropped)], minlength=n_way)
    gone = np.array([row for row in sorted(dropped) if left[codes[row]]], np.int64)
    left = np.bincount(codes[np.setdiff1d(known, gone)], minlength=n_way)
    contradicted = np.setdiff1d(np.concatenate(groups), gone) if groups else gone
    inside = np.bincount(codes[contradicted], minlength=n_way) == left  # classes of which only contradicted rows are left
    same: dict[bytes, list[int]] = {}
    for one in np.flatnonzero(inside & (left > 0)).tolist() if groups else ():
        same.setdefault(counts[:, one].tobytes(), []).append(one)
    alike = tuple(classes for classes in same.values() if len(classes) > 1)
    return Conflicts(groups, counts / counts.sum(1, keepdims=True).clip(1), gone, alike)


def _keys(rows: Matrix) -> npt.NDArray[np.uint64]:
    """Hash rows by their values."""
    bits = np.ascontiguousarray(rows + 0.0).view(f"u{rows.dtype.itemsize}").astype(np.uint64)
    multiplier = np.arange(1, bits.shape[1] + 1, dtype=np.uint64) * np.uint64(6364136223846793005) | np.uint64(1)
    keys: npt.NDArray[np.uint64] = (bits * multiplier).sum(1, dtype=np.uint64)
    return keys
