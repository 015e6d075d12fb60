"""LabelledItems: what a labelling hands to other tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import DataError
from sibyl.sources.item import Item
from sibyl.sources.source import Source


@dataclass(frozen=True, eq=False)
class LabelledItems:
    """Items with their labels, in the order of their features.

    Parameters
    ----------
    source : Source
        Where the items lie.
    class_names : tuple of str
    names : tuple of str
        The items.
    labels : int array [item]
        Index into `class_names`.
    probabilities : float32 array [item, class]
        Of each class; one-hot for items that a person labelled.
    by_person : bool array [item]
        Whether a person gave the label.
    matrix : float array [item, dim]
        Features.
    method : str
        What gave the other labels.
    """

    source: Source
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    by_person: npt.NDArray[np.bool_]
    matrix: npt.NDArray[np.floating[Any]]
    method: str

    @property
    def items(self) -> list[Item]:
        """The items of the source, in the order of `names`."""
        found = {item.name: item for item in self.source.items}
        return [found[name] for name in self.names]

    def label_of(self, row: int) -> str:
        """Name of the class of an item."""
        return self.class_names[int(self.labels[row])]

    def need(self, *modalities: str, purpose: str) -> None:
        """Check that the items are of a kind that a format can hold.

        Raises
        ------
        DataError
            If they are not.
        """
        if self.source.modality not in modalities:
            raise DataError(f"{purpose} holds items of modality {' or '.join(modalities)}, these are {self.source.modality}")


def labelled_items(
    table: pd.DataFrame,
    source: Source,
    class_names: tuple[str, ...],
    names: tuple[str, ...],
    matrix: npt.NDArray[np.floating[Any]],
    query_probabilities: npt.NDArray[np.float32],
    method: str,
) -> LabelledItems:
    """Put a table of labels and the probabilities of its queries together.

    Parameters
    ----------
    table : DataFrame
        Of `labels_table`.
    source : Source
        Where the items lie.
    class_names, names : tuple of str
        Classes, and the item of each row of `matrix`.
    matrix : float array [item, dim]
        Features.
    query_probabilities : float32 array [query, class]
        Of the rows that are no examples, in the order of `names`.
    method : str
        What gave the labels.
    """
    by_item = table.set_index("item")
    number = {name: index for index, name in enumerate(class_names)}
    labels = np.array([number[str(label)] for label in by_item.loc[list(names), "label"]], np.int64)
    status = by_item.loc[list(names), "status"]
    by_person = status.isin(["example", "confirmed"]).to_numpy(bool)
    probabilities = np.eye(len(class_names), dtype=np.float32)[labels]
    probabilities[~by_person] = query_probabilities[(status[status != "example"] != "confirmed").to_numpy(bool)]
    return LabelledItems(source, class_names, names, labels, probabilities, by_person, matrix, method)


def write_whole(path: Path, text: str) -> None:
    """Write a text into a folder that is itself made whole elsewhere."""
    path.write_text(text, encoding="utf-8", newline="")
