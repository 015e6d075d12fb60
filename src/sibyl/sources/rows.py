"""Names and labels of a table's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from sibyl.errors import DataError
from sibyl.messages import counted
from sibyl.sources.delimited import LostRow
from sibyl.sources.item import Item, Skipped
from sibyl.sources.naming import LABEL_NAMES, NAME_NAMES, is_coordinate, label_text, named, only_labels
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable, cell_text, column_named, is_utf8, printable

_ALWAYS_NAMES = ("id", "ids", "item", "items")  # columns called so are no feature even where they repeat


@dataclass(frozen=True, eq=False)
class NamedRows:
    """The rows of a table with a name each.

    Parameters
    ----------
    names : list of str
        All different.
    frame : DataFrame
        The rows, without the columns of names and labels.
    labels : dict of str to str
        Name → label, where there is one.
    skipped : list of Skipped
        Rows that cannot be read, without a name, or with one that stood before.
    lost_labels : dict of str to str
        Name → label of the rows of `skipped`, as far as it can be told.
    notes : list of str
        How names and labels were found.
    label_column, name_column : str, optional
        Where they were found.
    order : tuple of str
        Names of all rows, those that are skipped among them, as they stand in the file.
    """

    names: list[str]
    frame: pd.DataFrame
    labels: dict[str, str]
    skipped: list[Skipped]
    lost_labels: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    label_column: str | None = None
    name_column: str | None = None
    order: tuple[str, ...] = ()

    def source(
        self, modality: str, table: RawTable, items: tuple[Item, ...], skipped: Sequence[Skipped], understood: str, **more: Any
    ) -> Source:
        """Return a source of some of these rows: labels of those that are skipped are not forgotten, and all keep the file's order."""
        used = {item.name for item in items}
        labels = {name: label for name, label in self.labels.items() if name in used}
        lost = {name: label for name, label in self.labels.items() if name not in used} | self.lost_labels
        said = understood
        if self.label_column is not None:
            said += f"; labels in column {self.label_column!r}"
        if self.name_column is not None:
            said += f"; names in column {self.name_column!r}"
        return Source(
            modality,
            table.path,
            items,
            tuple(skipped),
            labels,
            **{"notes": (*table.notes, *self.notes), **more},
            lost=lost,
            understood=said,
            order=self.order,
            frame=table.frame.loc[self.frame.index].set_axis(self.names),
        )


def name_rows(table: RawTable, label_column: str | None, id_column: str | None) -> NamedRows:
    """Take the columns of names and labels out of a table.

    Left out, the columns are found by their usual names; a column of names is only taken by itself if its names differ. Without one,
    rows have the names of the table's index, or are called by their number, from 1.

    Raises
    ------
    DataError
        If a column is named that does not exist, or a row has two labels.
    """
    label_column = find_label_column(table, label_column)
    notes: list[str] = []
    frame = table.frame
    dropped: set[str | None] = {label_column}
    if id_column is not None:
        names = _texts(column_named(table, id_column))
    else:
        id_column, names = _usual_names(table, label_column, dropped, notes)
    dropped.add(id_column)
    written, words = only_labels([] if label_column is None else _labels(table, label_column))
    if words:
        shown = ", ".join(f"{number:,} × {word!r}" for word, number in words.most_common(3))
        notes.append(f"column {label_column!r}: {shown} {'counts' if words.total() == 1 else 'count'} as not labelled")
    labels, lost_labels = {}, {}
    seen: dict[str, int] = {}
    skipped, keep = list(table.skipped), []
    places = [(one.number, f"row {one.number}") for one in table.lost]
    for place, (number, name) in enumerate(zip(frame.index, names, strict=True)):
        label = written[place] if written else ""
        if name and is_utf8(name) and name not in seen:
            seen[name] = int(number)
            keep.append(place)
            places.append((int(number), name))
            if label:
                labels[name] = label
            continue
        known = name in seen
        shown = f"{name} (row {number})" if known else f"row {number}"
        reason = f"no name in column {id_column!r}" if not name else "its name is not valid UTF-8: save the table as UTF-8"
        places.append((int(number), shown))
        skipped.append(Skipped(shown, f"its name stands in row {seen[name]} already" if known else reason))
        if label:
            lost_labels[shown] = label
    if label_column is not None:
        lost_labels |= _lost_labels(table, label_column, set(labels.values()))
    rest = [name for name in frame.columns if name not in dropped]
    kept = frame if len(keep) == len(frame) else frame.iloc[keep]
    return NamedRows(
        [names[place] for place in keep],
        kept[rest],
        labels,
        skipped,
        lost_labels,
        notes,
        label_column,
        id_column,
        tuple(name for _, name in sorted(places, key=lambda one: one[0])),
    )


def find_label_column(table: RawTable, label_column: str | None) -> str | None:
    """Return the column of labels, by its usual names where none is given; a ``y`` beside an ``x`` is a coordinate."""
    names = [str(name) for name in table.frame.columns]
    if label_column is not None:
        column_named(table, label_column)
        return label_column
    return named([name for name in names if not is_coordinate(name, names)], LABEL_NAMES)


def _texts(cells: pd.Series[Any]) -> list[str]:
    return [cell_text(value).strip() for value in cells]


def _usual_names(
    table: RawTable, label_column: str | None, dropped: set[str | None], notes: list[str]
) -> tuple[str | None, list[str]]:
    """Find the column that names the rows; one that is called so and repeats is dropped, as it says nothing of an item."""
    columns = [str(name) for name in table.frame.columns if name != label_column]
    for wanted in NAME_NAMES:
        column = named(columns, (wanted,))
        if column is None or len(columns) == 1:
            continue
        names = _texts(table.frame[column])
        n_different = len(set(names))
        if all(names) and n_different == len(names) and not _is_quantity(table.frame[column], names):
            return column, names
        if wanted in _ALWAYS_NAMES:
            dropped.add(column)
            why = "has blanks" if not all(names) else f"repeats: {n_different:,} different in {counted(len(names), 'row')}"
            notes.append(f"column {column!r} {why}; rows are called by their number, and it is not used (--id-column takes it)")
    if table.index is not None:
        return None, list(table.index)
    return None, [str(number) for number in table.frame.index]


def _is_quantity(cells: pd.Series[Any], names: list[str]) -> bool:
    """Tell whether a column with the name of names holds numbers that are not whole: its values happen to differ."""
    return any("." in name for name in names[:50]) and bool(
        pd.to_numeric(pd.Series(names[:50], dtype=object), errors="coerce").notna().all()
    )


def _labels(table: RawTable, column: str) -> list[str]:
    texts = []
    for number, value in zip(table.frame.index, column_named(table, column), strict=True):
        try:
            text = label_text(value)
            if not is_utf8(text):  # its class would have another name than the one that a person wrote
                raise ValueError(
                    f"is not valid UTF-8 ({printable(text)[:40]!r}): save the table as UTF-8 (in a spreadsheet: CSV UTF-8)"
                )
            texts.append(text)
        except ValueError as error:
            raise DataError(f"{table.path}: row {number} of column {column!r} {error}") from None
    return texts


def _lost_labels(table: RawTable, column: str, known: set[str]) -> dict[str, str]:
    """Return the labels of rows that could not be read; where a row may have one of two, a known one counts."""
    names = list(table.headed or map(str, table.frame.columns))
    found = {}
    for one in table.lost:
        candidates, _ = only_labels([label_text(text) for text in _candidates(one, names, column)])
        if candidates and all(candidates):
            found[f"row {one.number}"] = next((text for text in candidates if text in known), candidates[-1])
    return found


def _candidates(row: LostRow, names: list[str], column: str) -> list[str]:
    try:
        return [printable(text) for text in row.labels(names, column)]
    except ValueError:
        return []


def case_twins(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of classes that differ only in capitals or blanks."""
    seen: dict[str, str] = {}
    twins = []
    for name in labels:
        key = "".join(name.casefold().split())
        if seen.setdefault(key, name) != name:
            twins.append((seen[key], name))
    return twins


def spelling_twins(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of classes of five letters or more of which one has a single letter more."""
    known = {name.casefold(): name for name in labels if len(name) >= 5}
    shorter = ((name, key[:at] + key[at + 1 :]) for key, name in known.items() for at in range(len(key)) if key[at].isalpha())
    return sorted({(known[key], name) for name, key in shorter if key in known})
