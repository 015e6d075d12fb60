"""Corrections: what a person mended in the labels of an earlier run. They stay, and count as examples.

They lie beside the labels as ``corrections.csv``, and as ``corrections-….csv`` where several
browsers or people saved some: all count, so that nobody's replace another's.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples, collect
from sibyl.labeling.file_names import correction_files
from sibyl.labeling.item_names import naming
from sibyl.labeling.pairs import PairTable, read_pair_table
from sibyl.messages import counted

_LABELS = "labels.csv"
_NEAR = 0.75  # likeness of two names (difflib) from which on one may be the other misspelt
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Corrections:
    """Labels that go before all others.

    Parameters
    ----------
    labels : mapping of str to str
        Item → class, in the order in which they were made; a class may be new.
    notes : tuple of str
        What could not be used, and what replaced an example.
    files : tuple of str
        Names of the files that the labels came from.
    """

    labels: Mapping[str, str]
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Correction:
    when: datetime
    file: str
    label: str


def read_corrections(out: str | Path, root: str | Path, names: Collection[str]) -> Corrections:
    """Read the corrections of an output folder, tables like that of the examples; none is no correction.

    Where several files name an item, the latest counts: by the column ``when`` (ISO 8601) if there
    is one, otherwise by the time of the file. A row without a label is passed over; with a time, it
    takes earlier corrections of its item back. A whole ``labels.csv`` counts with those rows alone
    whose label a person changed. A correction of an item that is gone does not stop the run: it is
    named in the notes.

    Raises
    ------
    DataError
        If a file is no such table, or gives an item two labels.
    """
    made: dict[str, list[_Correction]] = {}
    notes: list[str] = []
    item_named = naming(root, names)
    for path in correction_files(out):
        table = read_pair_table(path)
        rows = _edited(table, Path(out) / _LABELS, notes) if table.is_labels_table else table.rows
        pairs = [(f"row {number}", row["item"], row["label"]) for number, row in rows.items() if row["item"] and row["label"]]
        labels = dict(collect(pairs, str(path), root, names).labels)
        when = {item_named(row["item"]): time for row in rows.values() if (time := _time(row.get("when", "")))}
        taken_back = dict.fromkeys(when, "")  # a time and no label
        for item, label in (taken_back | labels).items():
            made.setdefault(item, []).append(_Correction(when.get(item, _modified(path)), path.name, label))
    latest = {item: max(of_item, key=lambda one: one.when) for item, of_item in made.items()}
    in_order = sorted(latest.items(), key=lambda one: one[1].when)  # a stable order: rows of one file stay as they are
    labels = {item: one.label for item, one in in_order if one.label}
    notes += _disagreement(made, latest)
    lost = [item for item in labels if item not in names]
    if lost:
        notes.append(f"{len(lost)} of the corrections cannot be used: no item {lost[0]!r}")
    labels = {item: label for item, label in labels.items() if item in names}
    return Corrections(labels, tuple(notes), tuple(sorted({latest[item].file for item in labels})))


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _time(written: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(written)
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _disagreement(made: Mapping[str, list[_Correction]], latest: Mapping[str, _Correction]) -> list[str]:
    """Name an item that several files correct differently, and say what counts."""
    torn = [item for item, of_item in made.items() if len({one.label for one in of_item if one.label}) > 1]
    if not torn:
        return []
    item, one = torn[0], latest[torn[0]]
    return [
        f"{counted(len(torn), 'item')} with different corrections in several files, of which the latest counts: {item!r} is "
        f"{repr(one.label) if one.label else 'not corrected'} ({one.file})"
    ]


def _edited(table: PairTable, labels_file: Path, notes: list[str]) -> dict[int, Mapping[str, str]]:
    """Return the rows of a whole table of labels that a person changed or had corrected before.

    A row tells what the machine said where the unlabelled data changed nothing
    (``inductive_label``); elsewhere the table that lies beside does, if it is of the same run.
    Where neither does, the label counts as the machine's.
    """
    beside: dict[str, Mapping[str, str]] = {}
    if labels_file.is_file():
        with contextlib.suppress(DataError):
            beside = {row["item"]: row for row in read_pair_table(labels_file).rows.values()}
    rows = {number: row for number, row in table.rows.items() if row["label"] and _is_a_persons(row, beside.get(row["item"], {}))}
    notes.append(
        f"{table.path.name} is a whole table of labels: {counted(len(rows), 'row')} whose label a person changed "
        f"{'counts' if len(rows) == 1 else 'count'}, the other {len(table.rows) - len(rows):,} do not"
    )
    return rows


def _is_a_persons(row: Mapping[str, str], beside: Mapping[str, str]) -> bool:
    label = row["label"]
    if row["source"] == "correction":
        return True
    if beside.get("source") == "correction" and beside["label"] == label:
        return True  # the run before counted it
    if row["status"] != "labelled":
        return bool(beside) and beside["label"] != label
    if row.get("changed", "").lower() == "false":
        return label != row["inductive_label"]
    if label in (row["inductive_label"], row.get("runner_up")):
        return True
    same_run = all(beside.get(column) == row[column] for column in ("confidence", "inductive_label"))
    return same_run and beside["label"] != label


def perhaps_misspelt(corrections: Corrections, known: Collection[str]) -> list[str]:
    """Ask of each class that only corrections name, and that reads much like a known one, whether it is meant.

    Names that differ in their numbers alone are.
    """

    def near(name: str) -> list[str]:
        others = [one for one in known if _NUMBER.sub("", one) != _NUMBER.sub("", name)]
        return difflib.get_close_matches(name, others, n=1, cutoff=_NEAR)

    new = sorted({*corrections.labels.values()} - {*known})
    return [
        f"corrections name a class {name!r} that no example has: a new class, or {other!r} misspelt?"
        for name in new
        for other in near(name)
    ]


def with_corrections(examples: Examples, corrections: Corrections) -> Examples:
    """Return the examples with the corrections among them; classes without an item or a name go."""
    if not corrections.labels:
        return examples
    labels = {**examples.labels, **corrections.labels}
    origins = {**examples.origins, **dict.fromkeys(corrections.labels, "correction")}
    return examples.relabelled(labels, origins)


def without_lost(examples: Examples, unusable: Mapping[str, str]) -> tuple[Examples, tuple[str, ...]]:
    """Leave out the corrections of items that cannot be read any more: one lost file must not stop every later run.

    Parameters
    ----------
    examples : Examples
        With the corrections among them.
    unusable : mapping of str to str
        Item → why it is skipped.

    Returns
    -------
    examples, notes : Examples, tuple of str
        What is left, and which were left out.
    """
    lost = [item for item in examples.labels if item in unusable and examples.origin(item) == "correction"]
    if not lost:
        return examples, ()
    labels = {item: label for item, label in examples.labels.items() if item not in lost}
    note = f"{len(lost)} of the corrections cannot be used: {lost[0]!r} is skipped ({unusable[lost[0]]})"
    return examples.relabelled(labels), (note,)


def without_unread(examples: Examples, unread: Mapping[str, str]) -> tuple[Examples, tuple[str, ...]]:
    """Leave out examples of which nothing can be read, so that they teach nothing false: they are labelled like other items.

    Parameters
    ----------
    examples : Examples
        With a further example of each class.
    unread : mapping of str to str
        Item → why; see `Source.unread`.
    """
    lost = [item for item in examples.labels if item in unread]
    if not lost:
        return examples, ()
    labels = {item: label for item, label in examples.labels.items() if item not in unread}
    note = f"{counted(len(lost), 'example')} cannot be used, and {'counts' if len(lost) == 1 else 'count'} as not labelled: {lost[0]!r} ({unread[lost[0]]})"
    return replace(examples, labels=labels), (note,)
