"""How far items stand out from the others of their class, and which are perhaps of a class that has no example."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_ENOUGH = 5  # items from which a class has a median of its own
STANDS_OUT = 2.0  # robust deviations
LEAST = 0.1  # of the score, which lies between 0 and 1
_FROM, _BELOW, _STEP = 2.0, 1.0, 0.1  # log odds: the lowest bar, how far it is looked below it, and from bar to bar
_FEWEST, _LEAST_SHARE = 10, 0.01  # items above the bar, and their share of the pile
_RATIO = 2  # further items above the bar for each one just below it
_WHOLE = 0.75  # of a class: more of it above the bar is the class itself, which its examples do not stand for


def suspected(score: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which items are perhaps of a class that has no example: none, unless the pile as a whole speaks for one.

    A class without examples is a lump at the upper end of the outlier scores, with few items just
    below it; without one the scores run out evenly, however high the highest are. An item is
    suspected where the log odds of its score lie above a bar of 2 or more that 1 % of the items
    lie above, and twice as many as within 1 below it, and ten more. Where more than three quarters
    of the items of a class lie above the bar, they are that class, seen from examples that are
    unlike the rest of it, and are not suspected.

    Parameters
    ----------
    score : float array [item]
        0 … 1, higher means more likely none of the classes.
    predicted : int array [item]
        Class of each item.
    """
    score = np.clip(np.asarray(score, np.float64), 1e-9, 1 - 1e-9)
    odds = np.log(score / (1 - score))
    above = np.zeros(len(odds), bool)
    in_order = np.sort(odds)
    for bar in np.arange(_FROM, in_order[-1] if len(odds) else _FROM, _STEP):
        n_above, n_from_below = (len(odds) - np.searchsorted(in_order, one, "right") for one in (bar, bar - _BELOW))
        if n_above < _LEAST_SHARE * len(odds):
            break
        if n_above >= _FEWEST + _RATIO * (n_from_below - n_above):
            above = odds > bar
            break
    for rows in _rows_of_each(predicted):
        if above[rows].mean() > _WHOLE:
            above[rows] = False
    return above


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
    if not len(predicted):
        return []
    order = np.argsort(predicted, kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(predicted)[order], prepend=-1))
    return list(np.split(order, starts[1:]))
