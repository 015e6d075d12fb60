"""How sure the labels are, and on which data it was measured whether such claims hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

HONEST = 0.08  # difference of mean confidence and accuracy
_ALIKE = 2  # times as many classes, or as few


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
    encoder : str
        What the name of the encoder holds; ``table`` for the columns of a table, empty for features
        of unknown origin.
    classes : int
        Number of classes.
    """

    data: str
    claimed: float
    right: float
    draws: int
    encoder: str
    classes: int

    def is_of(self, encoder: str) -> bool:
        """Whether it was measured with such an encoder; never for the columns of a table, which are each table's own."""
        return self.encoder not in ("", "table") and self.encoder.lower() in encoder.lower()

    def covers(self, encoder: str, n_classes: int) -> bool:
        """Whether it says something of such an encoder and number of classes: the same network, at
        most twice as many or few classes. The columns of one table say nothing of another's.
        """
        return self.is_of(encoder) and n_classes <= _ALIKE * self.classes <= _ALIKE**2 * n_classes


@cache
def _all_measured() -> dict[str, tuple[Measured, ...]]:
    text = files("sibyl.labeling").joinpath("calibration.json").read_text(encoding="utf-8")
    return {method: tuple(Measured(**row) for row in rows) for method, rows in json.loads(text).items()}


def measured_calibration(method: str) -> tuple[Measured, ...]:
    """Where the confidence of a method was measured; empty if nowhere. ``runs/label.sh`` writes the figures."""
    return _all_measured().get(method, ())


def mean_confidence(table: pd.DataFrame) -> float | None:
    """Mean confidence of the items that a method labelled: their share of right labels, if the confidence is honest."""
    labelled = table.loc[table["status"] == "labelled", "confidence"]
    return float(labelled.mean()) if len(labelled) else None


def expected_accuracy(table: pd.DataFrame, method: str, encoder: str) -> float | None:
    """Return the share of labels that are likely right, where the mean confidence may be taken for it, and otherwise None.

    That is where each class has an example, as in all measurements, the method was measured with
    such an encoder and such a number of classes (`Measured.covers`), and its mean confidence lay
    within `HONEST` of the truth each time.

    Parameters
    ----------
    table : DataFrame
        Of `labels_table`.
    method, encoder : str
        Names; the encoder of a table's columns is called ``table``.
    """
    n_classes = table["label"].nunique()
    if table.loc[table["status"] == "example", "label"].nunique() < n_classes:
        return None  # of the names of classes, or of an earlier run's classifier, nothing was measured
    near = [one for one in measured_calibration(method) if one.covers(encoder, n_classes)]
    honest = bool(near) and all(abs(one.claimed - one.right) <= HONEST for one in near)
    return mean_confidence(table) if honest else None
