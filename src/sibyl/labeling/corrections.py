"""corrections.csv: what a person mended in the labels of an earlier run; it stays, and counts as examples."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sibyl.labeling.examples import Examples, collect, read_pairs

FILE = "corrections.csv"


@dataclass(frozen=True)
class Corrections:
    """Labels that go before all others.

    Parameters
    ----------
    labels : mapping of str to str
        Item → class, in the order in which they were made; a class may be new.
    notes : tuple of str
        What could not be used, and what replaced an example.
    """

    labels: Mapping[str, str]
    notes: tuple[str, ...] = ()


def read_corrections(out: str | Path, root: str | Path, names: Collection[str]) -> Corrections:
    """Read ``corrections.csv`` of an output folder, a table like that of the examples; none is no correction.

    Rows without a label are passed over. A correction of an item that is gone, or can no longer be read, does not stop the run: it is
    named in the notes.

    Raises
    ------
    DataError
        If the file is no such table, or gives an item two labels.
    """
    path = Path(out) / FILE
    if not path.is_file():
        return Corrections({})
    labels = collect(read_pairs(path, blank_labels=True), str(path), root, names).labels
    lost = [item for item in labels if item not in names]
    notes = [f"{len(lost)} of the corrections cannot be used: no item {lost[0]!r}"] if lost else []
    return Corrections({item: label for item, label in labels.items() if item in names}, tuple(notes))


def with_corrections(examples: Examples, corrections: Corrections) -> Examples:
    """Return the examples with the corrections among them; classes keep their order, new ones come last, empty ones go."""
    if not corrections.labels:
        return examples
    labels = {**examples.labels, **corrections.labels}
    used = set(labels.values())
    order = dict.fromkeys([*examples.class_names, *corrections.labels.values()])
    origins = {**examples.origins, **dict.fromkeys(corrections.labels, "correction")}
    return Examples(labels, tuple(name for name in order if name in used), examples.source, origins)
