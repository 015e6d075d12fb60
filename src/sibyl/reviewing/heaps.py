"""Items unlike every class, in heaps of like ones: what a missing class looks like."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from sibyl.labeling.novelty import STANDS_OUT

MOST = 1500  # items looked at, the most unlike first
_PAIRS = 4000  # pairs within classes, whose mean likeness is the bar


def heaps(
    unit: npt.NDArray[np.float32], outlier: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], left: npt.NDArray[np.bool_]
) -> list[list[int]]:
    """Put suspected outliers together whose mean likeness is at least that of items of one class.

    Average linkage: single links chain different kinds together (264 of 294 suspects of the photographs in one heap).

    Parameters
    ----------
    unit : float32 array [item, dim]
        Directions, of unit length.
    outlier : float32 array [item]
        Robust deviations above the median of the class.
    labels : int array [item]
        Class of each item; −1 where there is none.
    left : bool array [item]
        Items that no person has labelled yet.

    Returns
    -------
    list of list of int
        Rows, the largest heap first; within one, the item that is most like the others first.
    """
    suspects = np.flatnonzero(left & (outlier > STANDS_OUT))
    suspects = suspects[np.argsort(-outlier[suspects], kind="stable")][:MOST]
    if not len(suspects):
        return []
    alike = unit[suspects] @ unit[suspects].T
    if len(suspects) == 1:
        return [suspects.tolist()]
    apart = np.maximum(1 - alike, 0)
    np.fill_diagonal(apart, 0)
    part = fcluster(linkage(squareform(apart, checks=False), "average"), 1 - _bar(unit, labels), "distance")
    found = [np.flatnonzero(part == number) for number in np.unique(part)]
    found.sort(key=lambda places: (-len(places), int(places[0])))
    return [suspects[places[np.argsort(-alike[np.ix_(places, places)].sum(1), kind="stable")]].tolist() for places in found]


def _bar(unit: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """Mean cosine of pairs of items that have one class, drawn with a fixed seed."""
    draw = np.random.default_rng(0)
    known = np.flatnonzero(labels >= 0)
    order = known[np.argsort(labels[known], kind="stable")]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-2))
    sizes = np.diff(np.append(starts, len(order)))
    where = draw.integers(0, len(order), _PAIRS)
    block = np.searchsorted(starts, where, side="right") - 1
    other = starts[block] + (draw.random(_PAIRS) * sizes[block]).astype(np.int64)
    one, two = order[where], order[other]
    different = one != two
    if not different.any():
        return 1.0
    return float((unit[one[different]] * unit[two[different]]).sum(1).mean())
