"""The parts of report.html as its template takes them: cards of items, classes, shares, bars, points."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from sibyl.labeling.calibration import Measured
from sibyl.labeling.previews import Preview
from sibyl.labeling.report import Counts


@dataclass(frozen=True)
class Card:
    """One item as the page shows it."""

    item: str
    label: str
    confidence: float | None
    runner_up: str
    inductive_label: str
    kind: str
    note: Markup
    picture: str
    width: int
    height: int
    text: str
    sound: str
    wave: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ClassSection:
    """A class with the items that are shown of it."""

    name: str
    colour: str
    n_labelled: int
    n_examples: int
    n_hidden: int
    examples: list[Card]
    borderline: list[Card]
    certain: list[Card]
    on_map: bool
    by_name: str


@dataclass(frozen=True)
class Share:
    """A class's share of the unlabelled items."""

    name: str
    colour: str
    share: float
    width: float
    n_labelled: int


@dataclass(frozen=True)
class Bar:
    """A bar of the histogram of confidences."""

    words: str
    number: int
    height: float


@dataclass(frozen=True)
class Point:
    """An item on the map."""

    x: int
    y: int
    item: str
    group: int
    colour: str
    opacity: str
    example: bool


@dataclass(frozen=True)
class Page:
    """Everything that the template shows."""

    title: str
    version: str
    counts: Counts
    compared: bool  # else it says nothing that no label changed
    by_names: bool  # nobody labelled an item: the names of the classes did
    has_encoder: bool  # the items were not rows of figures
    n_sample: int  # labelled items that the page is made of; 0 if it is made of all
    in_shards: bool
    labels_in: str  # where all labels are
    expected: float | None
    confidence: float | None
    notes: tuple[str, ...]
    sections: list[tuple[str, str]]
    first: list[Card]
    changed: list[Card]
    n_changed: int  # in the table, of which `changed` are shown
    changes: list[tuple[str, str, int]]
    n_changes: int  # kinds of change, of which `changes` are the most frequent
    outliers: list[Card]
    n_outliers: int
    classes: list[ClassSection]
    unshown: list[ClassSection]
    points: list[Point]
    map_shown: int
    map_of: int
    mix: list[Share]
    calibration: tuple[Measured, ...]
    measured_with: str  # which encoder these figures are of
    method_name: str
    histogram: list[Bar]
    facts: list[tuple[str, str]]
    skipped: list[str]
    privacy: str
    counted: str


def colour(index: int, n_classes: int) -> str:
    """Say in CSS what colour a class has: hues evenly spread, and of more than twelve by turns middling, lighter and darker ones."""
    hue, n_levels = (25 + 360 * index / n_classes) % 360, min(3, -(-n_classes // 12))
    lighter = (0, 0.13, -0.13)[index % n_levels]
    return f"--h:{hue:.4g}" + (f";--l:{lighter}" if lighter else "")


class Cards:
    """Makes the card of a row."""

    def __init__(self, table: pd.DataFrame, small: dict[str, Preview]) -> None:
        self._rows = table
        self._small = small

    def of(self, row: int, note: Markup | None = None) -> Card:
        """Return the card of a row, with a note."""
        values = self._rows.iloc[row]
        item, is_labelled = str(values["item"]), values["status"] == "labelled"
        by_person = "correction" if values["source"] == "correction" else "example"
        preview = self._small[item]
        return Card(
            item,
            str(values["label"]),
            float(values["confidence"]) if is_labelled else None,
            str(values["runner_up"]) if is_labelled else "",
            str(values["inductive_label"]) if is_labelled else "",
            "labelled" if is_labelled else by_person,
            note if note is not None else Markup(""),
            preview.picture,
            preview.width,
            preview.height,
            preview.text,
            preview.sound,
            preview.wave,
            preview.cells,
        )
