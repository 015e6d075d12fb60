"""Which items a report shows: a page must stay usable whether ten items were labelled or a million."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sibyl.labeling.novelty import suspected


@dataclass(frozen=True)
class PageLimits:
    """How much a page shows at most; every number counts items.

    Parameters
    ----------
    total : int
        In the sections of the classes together.
    per_class : int
        In the section of one class.
    examples : int
        Examples in the section of one class.
    changed, outliers : int
        In the sections of those names.
    map : int
        Points on the map.
    """

    total: int = 504
    per_class: int = 21
    examples: int = 3
    changed: int = 36
    outliers: int = 24
    map: int = 2000

    def per_class_of(self, n_classes: int) -> int:
        """Items shown of each of `n_classes` classes: an equal part of the whole, though never fewer than three."""
        return min(self.per_class, max(3, self.total // max(n_classes, 1)))


@dataclass(frozen=True)
class ClassChoice:
    """What is shown of one class.

    Parameters
    ----------
    name : str
    n_labelled, n_examples : int
        All that the class has.
    examples, borderline, certain : tuple of int
        Rows of the table that are shown: labelled by a person; the least certain, least first; the
        others from most to least certain.
    """

    name: str
    n_labelled: int
    n_examples: int
    examples: tuple[int, ...]
    borderline: tuple[int, ...]
    certain: tuple[int, ...]

    @property
    def n_hidden(self) -> int:
        """Labelled items that are not shown."""
        return self.n_labelled - len(self.borderline) - len(self.certain)


def choose_classes(table: pd.DataFrame, class_names: tuple[str, ...], limits: PageLimits) -> list[ClassChoice]:
    """Choose what is shown of each class, in the order of `class_names`.

    A third of the room goes to the borderline items, the rest is filled from the most certain one
    downwards; a class that fits in whole is shown in whole. Classes without room (after
    ``limits.total`` items) are counted, and show nothing.
    """
    columns = ["label", "confidence"]
    labelled = table.loc[table["status"] == "labelled", columns].sort_values("confidence", ascending=False, kind="stable")
    examples = table.loc[table["status"].isin(["example", "confirmed"]), columns]
    by_class = {str(name): rows.index.to_numpy() for name, rows in labelled.groupby("label", sort=False)}
    given = {str(name): rows.index.to_numpy() for name, rows in examples.groupby("label", sort=False)}
    nothing = np.zeros(0, np.int64)
    left, chosen = limits.total, []
    for name in class_names:
        rows, shown_as_examples = by_class.get(name, nothing), given.get(name, nothing)
        room = min(limits.per_class_of(len(class_names)), max(left, 0))
        n_examples = min(limits.examples, room, len(shown_as_examples))
        room -= n_examples
        n_borderline = min(len(rows), max(1, room // 3) if room else 0)
        n_certain = min(len(rows) - n_borderline, room - n_borderline)
        least_first = rows[len(rows) - n_borderline :][::-1]
        left -= n_examples + n_borderline + n_certain
        chosen.append(
            ClassChoice(
                name,
                len(rows),
                len(shown_as_examples),
                tuple(int(row) for row in shown_as_examples[:n_examples]),
                tuple(int(row) for row in least_first),
                tuple(int(row) for row in rows[:n_certain]),
            )
        )
    return chosen


def choose_changed(table: pd.DataFrame, limit: int) -> list[int]:
    """Rows whose label the unlabelled data changed, the surest first."""
    changed = table[(table["status"] == "labelled") & (table["changed"] == True)]  # noqa: E712 - a column of objects
    return [int(row) for row in changed.sort_values("confidence", ascending=False, kind="stable").index[:limit]]


def count_changes(table: pd.DataFrame) -> list[tuple[str, str, int]]:
    """How often the unlabelled data changed which label into which, most frequent first."""
    changed = table[(table["status"] == "labelled") & (table["changed"] == True)]  # noqa: E712
    counts = changed.groupby(["inductive_label", "label"], sort=True).size().sort_values(ascending=False, kind="stable")
    flows = counts.reset_index(name="number")
    return list(zip(flows["inductive_label"].astype(str), flows["label"].astype(str), flows["number"].tolist(), strict=True))


def choose_outliers(table: pd.DataFrame, limit: int) -> list[int]:
    """Rows that are perhaps of a class without an example, the highest outlier score first; see `novelty.suspected`."""
    labelled = table.loc[(table["status"] == "labelled") & table["outlier_score"].notna(), ["label", "outlier_score"]]
    found = labelled[suspected(labelled["outlier_score"].to_numpy(float), pd.factorize(labelled["label"])[0])]
    return [int(row) for row in found.sort_values("outlier_score", ascending=False, kind="stable").index[:limit]]
