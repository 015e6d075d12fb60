"""The list of examples that a person gives: which items are labelled, and how."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.errors import DataError
from sibyl.labeling.item_names import composed, hint, naming
from sibyl.labeling.pairs import Pairs, read_pairs
from sibyl.messages import runs_as_formula


@dataclass(frozen=True)
class Examples:
    """Labelled items.

    Parameters
    ----------
    labels : mapping of str to str
        Item name → class name, each item once.
    class_names : tuple of str
        The classes in the order of their names, as other tools sort them.
    source : str
        Where the list comes from, for messages.
    origins : mapping of str to str
        Item → where its label comes from, ``folder``, ``column`` or ``correction``; those left out
        are ``example``.
    vectors : mapping of str to float32 array [dim]
        Class → its name in the space of the items. Such a class needs no item.
    """

    labels: Mapping[str, str]
    class_names: tuple[str, ...]
    source: str = "examples"
    origins: Mapping[str, str] = field(default_factory=dict)
    vectors: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    def relabelled(self, labels: Mapping[str, str], origins: Mapping[str, str] | None = None) -> Examples:
        """Return the same with other labels; classes that have neither item nor name go."""
        class_names = tuple(sorted({*labels.values(), *self.vectors}))
        return replace(self, labels=labels, class_names=class_names, origins=self.origins if origins is None else origins)

    def origin(self, item: str) -> str:
        """Where the label of an item comes from."""
        return self.origins.get(item, "example")


@dataclass(frozen=True)
class Given:
    """Examples as a person gave them, items as written.

    Parameters
    ----------
    pairs : list of (str, str, str)
        Where a label is written, the item, the label.
    source : str
        Where the list comes from, for messages.
    """

    pairs: Pairs
    source: str


def read_given(given: Any, named: Sequence[tuple[str, str]] = ()) -> Given | None:
    """Read what a person gives; None where that is nothing.

    Parameters
    ----------
    given : path, mapping, Series or None
        A table (see `read_pairs`), or item (text, path or number) → label (text or number).
    named : sequence of (item, label)
        Further examples, one by one.

    Raises
    ------
    DataError
        If it is neither, the table cannot be read, or a label is no label.
    """
    if given is None and not named:
        return None
    pairs: Pairs = []
    if isinstance(given, Mapping) or type(given).__name__ == "Series":  # of pandas or polars, neither imported here
        pairs = _written(given)
    elif given is not None:
        if not isinstance(given, str | Path):
            raise DataError(
                f"examples: expected a path or item → label (a dict or a Series), as in {{0: 'cat', 7: 'dog'}}, got {type(given).__name__}"
            )
        pairs = read_pairs(given)
    pairs += [("--example", item, label) for item, label in named]
    return Given(pairs, str(given) if isinstance(given, str | Path) else "examples")


def _written(labels: Any) -> Pairs:
    """Write items and labels as text: paths and numbers too; None and NaN mean that an item has no label.

    Raises
    ------
    DataError
        If a label is neither text nor a number, or empty.
    """
    pairs: Pairs = []
    for item, label in labels.items():
        name = item.as_posix() if isinstance(item, PurePath) else str(item)
        if label is None or label != label:
            continue
        if not isinstance(label, str | Real | np.bool_) or not str(label).strip():
            raise DataError(f"examples: the label of {name!r} must be a text or a number, got {label!r}")
        is_whole = isinstance(label, float | np.floating) and float(label).is_integer()
        pairs.append(("examples", name, f"{label:.0f}" if is_whole else str(label)))
    return pairs


def gather_examples(
    given: Given | None,
    root: str | Path,
    names: Collection[str] = (),
    own: Mapping[str, str] | None = None,
    own_origin: str = "example",
    contents: Callable[[], Mapping[str, str]] | None = None,
) -> Examples:
    """Bring what a person gives to the items' names; where that is nothing, take the labels that the source itself holds.

    The answer may be of fewer than two classes; see `checked`.

    Parameters
    ----------
    given : Given, optional
        Of `read_given`.
    root : path
        What items are named below; ``./`` in front, backslashes and absolute paths are understood.
    names : collection of str
        Items of the source: a name that is among them means that item, however odd it looks.
    own : mapping of str to str, optional
        Labels that the source holds: sub-folders, a label column.
    own_origin : str
        ``folder`` or ``column``.
    contents : callable, optional
        Returns what stands in each item → its name, for texts, which lists of other tools do not
        name.
    """
    if given is not None:
        return collect(given.pairs, given.source, root, names, contents)
    labels = {str(item): str(label) for item, label in (own or {}).items()}
    collected = collect([(own_origin, item, label) for item, label in labels.items()], str(root), root, names)
    return replace(collected, origins=dict.fromkeys(collected.labels, own_origin))


def collect(
    pairs: Pairs,
    source: str,
    root: str | Path,
    names: Collection[str] = (),
    contents: Callable[[], Mapping[str, str]] | None = None,
) -> Examples:
    """Bring items to their names below `root`, and check that none has two labels.

    Raises
    ------
    DataError
        If an item has two labels, or a label would run as a formula in spreadsheets.
    """
    labels: dict[str, str] = {}
    seen: dict[str, str] = {}
    item_named = naming(root, names, contents)
    for where, written, label in pairs:
        item = item_named(written)
        label = label.strip() if label.isascii() else composed(label)
        if labels.get(item, label) != label:
            raise DataError(
                f"{source}: {item!r} has two labels, {labels[item]!r} ({seen[item]}) and {label!r} ({where}); keep the right one"
            )
        if runs_as_formula(label):
            raise DataError(f"{source}: {where}: the label {label!r} would run as a formula in spreadsheets; rename the class")
        labels[item] = label
        seen.setdefault(item, where)
    return Examples(labels, tuple(sorted(set(labels.values()))), source)


def checked(examples: Examples) -> Examples:
    """Return examples of at least two classes as they are.

    Raises
    ------
    DataError
        If there are fewer.
    """
    if len(examples.class_names) < 2:
        found = f"only {examples.class_names[0]!r}" if examples.class_names else "none"
        raise DataError(
            f"{examples.source}: expected examples of at least two classes, found {found}; add one labelled item of each class"
        )
    return examples


def check_items_exist(examples: Examples, names: Collection[str], unusable: Mapping[str, str]) -> None:
    """Check that every example is among the items found.

    Parameters
    ----------
    examples : Examples
        The list to check.
    names : collection of str
        Items that can be used.
    unusable : mapping of str to str
        Items that were found but are skipped, with the reason.

    Raises
    ------
    DataError
        If an example does not exist (the nearest names are in the message), or no example of a
        class can be used.
    """
    known = names if isinstance(names, set | frozenset | dict) else set(names)
    missing = [item for item in examples.labels if item not in known and item not in unusable]
    if missing:
        more = f" ({len(missing)} such items)" if len(missing) > 1 else ""
        label = examples.labels[missing[0]]
        told = hint(missing[0], known)
        if label in known:
            told = f"its class, {label!r}, is the name of an item: a class comes first, as in --example CLASS=ITEM"
        raise DataError(f"{examples.source}: no item {missing[0]!r}{more}; {told}")
    for name in examples.class_names:
        items = [item for item, label in examples.labels.items() if label == name]
        if items and not any(item in known for item in items):
            raise DataError(
                f"{examples.source}: no example of class {name!r} can be used: {items[0]!r} is skipped ({unusable[items[0]]}); "
                "name another example"
            )
