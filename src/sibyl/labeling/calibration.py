"""How sure the labels are, and on which data it was measured whether such claims hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd


@dataclass(frozen=True)
class Measured:
    """One data set on which a method's confidence was compared with the truth.

    Parameters
    ----------
    data : str
        What was labelled, in words.
    claimed : float
        Mean confidence.
    right : float
        Share of right labels.
    draws : int
        Draws of the examples that both are means of.
    """

    data: str
    claimed: float
    right: float
    draws: int


@cache
def _all_measured() -> dict[str, tuple[Measured, ...]]:
    text = files("sibyl.labeling").joinpath("calibration.json").read_text(encoding="utf-8")
    return {method: tuple(Measured(**row) for row in rows) for method, rows in json.loads(text).items()}


def measured_calibration(method: str) -> tuple[Measured, ...]:
    """Where the confidence of a method was measured; empty if nowhere. ``runs/label.sh`` writes the figures."""
    return _all_measured().get(method, ())


def expected_accuracy(table: pd.DataFrame) -> float | None:
    """Mean confidence of the items that a method labelled: their share of right labels, if the confidence is honest."""
    labelled = table.loc[table["status"] == "labelled", "confidence"]
    return float(labelled.mean()) if len(labelled) else None
