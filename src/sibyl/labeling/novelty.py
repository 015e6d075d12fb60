"""How far an item stands out from the others of its class: outliers, or the first of a new class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_ENOUGH = 5  # items from which a class has a median of its own
SUSPECTED = 2.0  # robust deviations
LEAST = 0.1  # of the score, which lies between 0 and 1


def excess(score: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return how many robust deviations each outlier score lies above the median of its class.

    The deviation is 1.4826 × the median absolute deviation, over all items. A class of fewer than
    five items is judged by the median of all. The deviation counts as at least `LEAST`: where a
    sure method scores all items near 0, differences of a hundredth say nothing.

    Parameters
    ----------
    score : float array [item]
        Higher means more likely none of the classes.
    predicted : int array [item]
        Class of each item.
    """
    if not len(score):
        return np.zeros(0)
    score = np.asarray(score, np.float64)
    centre = np.full(len(score), np.median(score))
    for rows in _rows_of_each(predicted):
        if len(rows) >= _ENOUGH:
            centre[rows] = np.median(score[rows])
    distance = score - centre
    spread = 1.4826 * float(np.median(np.abs(distance)))
    return np.asarray(distance / max(spread, LEAST), np.float64)


def _rows_of_each(predicted: npt.NDArray[Any]) -> list[npt.NDArray[np.int64]]:
    order = np.argsort(predicted, kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(predicted)[order], prepend=-1))
    return list(np.split(order, starts[1:]))
