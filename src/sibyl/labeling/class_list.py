"""The classes that a person names: a list, or a table ``class,description``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sibyl.encoders.encoder import Encoder
from sibyl.errors import DataError
from sibyl.labeling.examples import Examples
from sibyl.messages import runs_as_formula
from sibyl.sources.naming import LABEL_NAMES, named
from sibyl.sources.table_files import cell_text, read_table

_DESCRIPTIONS = ("description", "descriptions", "text", "meaning", "definition")


def read_classes(given: str | Path | Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Return the classes with the text that stands for each.

    Parameters
    ----------
    given : str, path, sequence or mapping
        ``travel,billing``, a table with a column ``class`` and perhaps ``description``, a list of
        names, or name → description.

    Returns
    -------
    mapping of str to str
        Class → its name in words, ``_`` and ``-`` as blanks, with its description behind.

    Raises
    ------
    DataError
        If a class is named twice, has no name or one that is a formula, or the table has no column
        of classes.
    """
    if isinstance(given, Mapping):
        pairs = [(str(name), str(text or "")) for name, text in given.items()]
    elif isinstance(given, str | Path):
        is_file = os.path.isfile(given)  # noqa: PTH113 - a list of classes may be too long for a name
        if not is_file and (isinstance(given, Path) or Path(given).suffix.lower() in (".csv", ".tsv", ".jsonl", ".parquet")):
            raise DataError(f"{given}: no such file; expected a table class,description, or names with commas between")
        pairs = _of_table(Path(given)) if is_file else [(name, "") for name in str(given).split(",")]
    else:
        pairs = [(str(name), "") for name in given]
    classes: dict[str, str] = {}
    for written, text in pairs:
        name = written.strip()
        if not name or name in classes:
            what = f"names {name!r} twice" if name else "has an empty name"
            raise DataError(f"--classes {what}; name each class once, as in travel,billing")
        if runs_as_formula(name):
            raise DataError(f"--classes: the name {name!r} would run as a formula in spreadsheets; rename the class")
        words = " ".join(name.replace("_", " ").replace("-", " ").split()) or name
        classes[name] = f"{words}: {text.strip()}" if text.strip() else words
    return classes


def _of_table(path: Path) -> list[tuple[str, str]]:
    frame = read_table(path, examples=True).frame
    names = {str(name): str(name).strip().lower() for name in frame.columns}
    label, text = named(names, ("name", "names", *LABEL_NAMES)), named(names, _DESCRIPTIONS)
    if label is None:
        raise DataError(f"{path}: the first line must name the columns class,description; it reads {', '.join(names)[:80]!r}")
    columns = [frame[label], frame[label] if text is None else frame[text]]
    rows = [tuple(cell_text(cell).strip() for cell in cells) for cells in zip(*columns, strict=True)]
    return [(name, "" if text is None else words) for name, words in rows if name]


def with_names(examples: Examples, classes: Mapping[str, str], encoder: Encoder[Any, Any] | None, root: Path) -> Examples:
    """Return the examples with the names of classes as rows beside them.

    Raises
    ------
    DataError
        If there is no encoder, or it knows no names.
    """
    if not classes:
        return examples
    if encoder is None:
        raise DataError(
            f"{root}: holds rows of numbers, in which names of classes mean nothing; leave --classes out and give examples"
        )
    rows = np.asarray(encoder.encode_names(list(classes.values())), np.float32)
    vectors = dict(zip(classes, rows, strict=True))
    class_names = tuple(sorted({*examples.labels.values(), *classes}))
    return Examples(examples.labels, class_names, examples.source, examples.origins, vectors)
