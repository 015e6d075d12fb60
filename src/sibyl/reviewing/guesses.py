"""What the last solve said, in terms that outlive a renaming: classes as keys, items as rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.reviewing.frames import Arrays
from sibyl.reviewing.state import State

NOTHING = 65535


@dataclass(frozen=True, eq=False)
class Guesses:
    """One solve's answer.

    Parameters
    ----------
    revision : int
        The last event it knows of.
    keys : tuple of str
        Its classes, as keys.
    likely : uint16 array [item, few]
        Places in `keys`, the likeliest first; `NOTHING` for its examples.
    chance : float32 array [item, few]
        Their probabilities.
    outlier : float32 array [item]
        Robust deviations above the median of the class.
    alone : uint16 array [item]
        What the label would be without the other items.
    suggested : list
        ``[row, value, first, second, may_be_new]``, the most helpful first; no second class where there is no doubt.
    teaching : set of str
        Confirmed items among the examples.
    seconds : float
    n_human : int
        Labels by a person when it was asked for.
    at : float
        When it came, in seconds.
    """

    revision: int
    keys: tuple[str, ...]
    likely: npt.NDArray[np.uint16]
    chance: npt.NDArray[np.float32]
    outlier: npt.NDArray[np.float32]
    alone: npt.NDArray[np.uint16]
    suggested: list[list[Any]]
    teaching: frozenset[str]
    seconds: float
    n_human: int
    at: float

    @classmethod
    def of(cls, message: dict[str, Any], arrays: Arrays, keys: tuple[str, ...], n_human: int) -> Guesses:
        """Take up what the child says."""
        return cls(
            message["revision"], keys, arrays["likely"], arrays["chance"], arrays["outlier"], arrays["alone"], message["suggested"],
            frozenset(message["teaching"]), message["seconds"], n_human, time.time(),
        )  # fmt: skip

    def now(self, state: State) -> npt.NDArray[np.uint16]:
        """Return for each of its classes the place among the page's classes; `NOTHING` for one that is gone, and for no class."""
        place_of = state.place_of
        return np.array([*(place_of.get(state.current(key), NOTHING) for key in self.keys), NOTHING], np.uint16)

    def moved(self, before: Guesses | None, state: State, left: npt.NDArray[np.bool_]) -> tuple[float | None, int]:
        """Share and number of guesses that differ from an earlier solve's, of the rows that are left."""
        if before is None or len(before.likely) != len(self.likely):
            return None, 0
        now, then = (translated(one.likely[:, 0], one.now(state)) for one in (self, before))
        both = (now != NOTHING) & (then != NOTHING) & left
        return (float((now != then)[both].mean()) if both.any() else 0.0), int((now != then)[both].sum())

    def key(self, row: int, rank: int = 0) -> str:
        """Key of an item's likeliest class, or of a later one; empty if there is none."""
        place = int(self.likely[row, rank]) if rank < self.likely.shape[1] else NOTHING
        return self.keys[place] if place != NOTHING else ""


def translated(places: npt.NDArray[np.uint16], now: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return places among a solve's classes as places among the page's."""
    return now[np.minimum(places, len(now) - 1)]
