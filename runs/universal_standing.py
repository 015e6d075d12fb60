"""How firmly a method leads: cells and data sets won, the mean without each data set, the worst cell, the interval over data sets.

The unit of a claim is the data set. A thousand episodes of one data set say much about it and nothing about the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from universal_cells import OURS, Cells, mean_over, ranking

from sibyl.evaluation import interval

# What of each test set the network met in meta-training, or in the choice of its settings: the encoder, and the kind of items.
MET: dict[str, tuple[str, str]] = {
    "cifar-fs-conv4-64": (
        "of its kind: Conv-4 of CIFAR-FS training classes",
        "training classes of the same set; other classes here",
    ),
    "omniglot-conv4-64": (
        "of its kind: Conv-4 of Omniglot training classes",
        "training classes of the same set; other classes here",
    ),
    "clinc150-minilm": ("the same", "90 intents of the same set trained, 30 validated; the other 30 here"),
    "photos-squeezenet": ("the same, on CIFAR-FS images", "nothing of it"),
    "digits-pixels": ("of its kind: pixels of characters rendered as these digits are", "nothing of it"),
}


@dataclass(frozen=True)
class Standing:
    """Ours beside rivals over the cells of one mix; figures in % or points.

    Parameters
    ----------
    cells, cells_won : int
        Cells, and those in which no rival is more accurate.
    sets, sets_won : int
        Data sets, and those whose mean over cells no rival passes.
    ours, rival : float
        Means over cells, ours and the best rival's.
    rival_name : str
        The rival with the best mean.
    lead, half : float
        Our lead over that rival, mean over data sets, and half its 95 % interval (Student's t over data sets).
    without : dict
        Data set left out → (leader, its mean over the others, ours).
    worst : tuple of str, str, float
        The cell where we are furthest behind the best rival there, that rival, and our lead.
    least : float
        Our least lead over whoever is the best rival once a data set is left out.
    doubtful : tuple of str, float, float, or None
        Of the rivals over which our lead is not clear of zero, the one with the least lead: name, lead and half its interval.
    """

    cells: int
    cells_won: int
    sets: int
    sets_won: int
    ours: float
    rival: float
    rival_name: str
    lead: float
    half: float
    without: dict[str, tuple[str, float, float]]
    worst: tuple[str, str, float]
    least: float
    doubtful: tuple[str, float, float] | None

    @property
    def first_without_any(self) -> bool:
        """Whether we lead with every data set, and with any one left out."""
        return self.ours >= self.rival and all(leader == OURS for leader, _, _ in self.without.values())


def by_set(cells: Cells) -> dict[str, Cells]:
    """Divide cells by their features."""
    found: dict[str, Cells] = {}
    for cell, rows in cells.items():
        found.setdefault(rows[OURS]["features"], {})[cell] = rows
    return found


def cells_that_repeat(cells: Cells, balanced: Cells) -> set[str]:
    """Cells of a skewed mix whose every figure is that of the balanced cell.

    Where a class has no more items than shots and queries together, its queries cannot be skewed.
    """

    def figures(rows: dict[str, Any]) -> dict[str, float]:
        return {name: row["accuracy"] for name, row in rows.items()}

    def shape(rows: dict[str, Any]) -> tuple[Any, ...]:
        return rows[OURS]["features"], *(rows[OURS]["settings"][key] for key in ("way", "shot", "n_query"))

    plain = {shape(rows): figures(rows) for rows in balanced.values()}
    return {cell for cell, rows in cells.items() if plain.get(shape(rows)) == figures(rows) and cell not in balanced}


def standing(cells: Cells, names: Iterable[str]) -> Standing:
    """Set ours beside the rivals named; see `Standing`."""
    names = [name for name in names if name != OURS]
    sets = by_set(cells)
    gaps = {}
    for cell, rows in cells.items():
        best = max((name for name in names if name in rows), key=lambda name: float(rows[name]["accuracy"]))
        gaps[cell] = (100 * (rows[OURS]["accuracy"] - rows[best]["accuracy"]), best)
    rival, rival_name = next((mean, name) for mean, name in ranking(cells, names) if name != OURS)
    over = {
        name: interval(np.array([mean_over(some, OURS) - mean_over(some, name) for some in sets.values()]))
        for _, name in ranking(cells, names) if name != OURS
    }  # fmt: skip
    lead, half = over[rival_name]
    without, least = {}, lead
    for left_out in sets if len(sets) > 1 else ():
        others = {cell: rows for cell, rows in cells.items() if cell not in sets[left_out]}
        ranked, ours = ranking(others, names), mean_over(others, OURS)
        without[left_out] = (ranked[0][1], ranked[0][0], ours)
        least = min(least, ours - next(mean for mean, name in ranked if name != OURS))
    worst = min(gaps, key=lambda cell: gaps[cell][0])
    unclear = [(name, *found) for name, found in over.items() if found[0] <= found[1]]
    return Standing(
        len(cells), sum(gap >= 0 for gap, _ in gaps.values()), len(sets), sum(ranking(some, names)[0][1] == OURS for some in sets.values()),
        mean_over(cells, OURS), rival, rival_name, lead, half, without, (worst, gaps[worst][1], gaps[worst][0]),
        least, min(unclear, key=lambda one: one[1], default=None),
    )  # fmt: skip


def firmness_line(title: str, found: Standing, sets: Iterable[str]) -> list[str]:
    """One row of the page's table; columns as in `FIRMNESS_COLUMNS`, then one for each data set left out."""
    cells = [
        title, f"{found.ours:.2f}", f"{found.rival_name} {found.rival:.2f}", f"{found.lead:+.2f} ± {found.half:.2f}",
        f"{found.cells_won} of {found.cells}", f"{found.sets_won} of {found.sets}",
        f"{found.worst[2]:+.2f}: {found.worst[1]}, {found.worst[0]}",
    ]  # fmt: skip
    for name in sets:
        leader, mean, ours = found.without.get(name, ("–", float("nan"), float("nan")))
        cells.append(f"{ours:.2f}" if leader == OURS else f"**{leader} {mean:.2f}**, ours {ours:.2f}")
    return cells


FIRMNESS_COLUMNS = ("mix", "ours, mean", "best rival", "over it, by data set", "cells won", "data sets won", "worst cell")
