"""The record of `runs/universal_eval.py` as cells: which rows there are, their means, the best rival, a difference in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

OURS = "universal_sib"
CORE, REST = ("core",), ("outliers", "ways", "counts", "unequal")
Row = dict[str, Any]
Cells = dict[str, dict[str, Row]]


def by_cell(record: dict[str, Any], *parts: str) -> Cells:
    """Cell → method → row, of the parts named, without methods that failed and slow ones, which met the first episodes alone."""
    cells: Cells = {}
    for row in record["rows"]:
        if row["part"] in parts and "failure" not in row and row["method"] not in slow_methods(record):
            key = row["cell"] if len(parts) == 1 else f"{row['cell']} ({row['part']})"
            cells.setdefault(key, {})[row["method"]] = row
    return cells


def slow_methods(record: dict[str, Any]) -> dict[str, int]:
    """Methods that met only the first episodes of a cell → how many."""
    return {name: most for name, most in record["arguments"].get("slow", {}).items() if most}


def of_mix(cells: Cells, mix: str) -> Cells:
    return {cell: rows for cell, rows in cells.items() if rows[OURS]["settings"]["mix"] == mix}


def mixes(record: dict[str, Any]) -> list[str]:
    return list(record["calibration"]["bins"])


def with_trait(record: dict[str, Any], trait: str, value: bool) -> set[str]:
    slow = slow_methods(record)
    return {name for name, traits in record["traits"].items() if traits[trait] is value and name != OURS and name not in slow}


def mean_over(cells: Cells, name: str, key: str = "accuracy") -> float:
    return 100 * float(np.mean([rows[name][key] for rows in cells.values()]))


def ranking(cells: Cells, names: Iterable[str]) -> list[tuple[float, str]]:
    """Mean accuracy over cells of those methods that are in all of them, and ours; best first."""
    present = [name for name in {OURS, *names} if all(name in rows for rows in cells.values())]
    return sorted(((mean_over(cells, name), name) for name in present), reverse=True)


def points(row: Row, key: str = "lead") -> str:
    return f"{100 * row[key]:+.2f} ± {100 * row[f'{key}_interval']:.2f}"


def lower_bound(row: Row) -> float:
    return 100 * float(row["lead"] - row["lead_interval"])


def best_rival(rows: dict[str, Row], names: Iterable[str]) -> Row:
    return max((rows[name] for name in names if name in rows), key=lambda row: float(row["accuracy"]))


def inductive_pairs(record: dict[str, Any], *parts: str) -> list[tuple[str, Row]]:
    """Every inductive method in every cell: the cell and its row."""
    names = with_trait(record, "transductive", False)
    return [(cell, rows[name]) for cell, rows in by_cell(record, *parts).items() for name in rows if name in names]
