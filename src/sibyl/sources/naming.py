"""How files call things: the names of columns and arrays, and what stands for a missing value. Every reader uses these lists."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

LABEL_NAMES = ("label", "labels", "class", "classes", "target", "targets", "y")
NAME_NAMES = (
    "id", "ids", "item", "items", "file", "files", "filename", "file_name", "filepath", "file_path", "path", "paths", "name", "names",
)  # fmt: skip
MATRIX_NAMES = ("features", "feature", "matrix", "embeddings", "embedding", "vectors", "vector", "x", "data")
TEXT_NAMES = ("text", "texts", "sentence", "sentences", "utterance", "utterances")
MAYBE_TEXT_NAMES = ("content", "body", "message", "document", "review", "question")
"""Columns called so hold texts if their cells read like texts."""

MISSING = frozenset(
    (
        "", "nan", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nat", "null", "none", "nil", "missing", "?", "-", "--", "—", "–", ".", "..",
        "[]", "{}",
    )
)  # fmt: skip
_UNLABELLED = MISSING - {"nil", ".", ".."} | {
    "unlabelled",
    "unlabeled",
    "not labelled",
    "not labeled",
    "unsorted",
    "[none]",
    "[null]",
}
_PLACEHOLDERS = frozenset(
    ("todo", "to do", "tbd", "tba", "fixme", "xxx", "unknown", "undefined", "unsure", "not sure", "unclear", "idk", "later", "skip")
)
_PERHAPS_A_CLASS = frozenset("-–—") | {"--", "-1"}
_NO_NUMBER = -1


def is_missing(text: str) -> bool:
    """Tell whether a cell stands for a value that is not there."""
    return len(text) <= 12 and text.strip().lower() in MISSING


def named(names: Iterable[str], wanted: Sequence[str], exact: str | None = None) -> str | None:
    """Return which of `names` is called like one of `wanted`, the first of these first; capitals and blanks do not matter.

    Parameters
    ----------
    names : iterable of str
        The columns or arrays of a file.
    wanted : sequence of str
        One of the lists of this module.
    exact : str, optional
        Returned as it is where a person named one.
    """
    if exact is not None:
        return exact
    by_name = {name.strip().lower(): name for name in reversed(list(names))}
    return next((by_name[name] for name in wanted if name in by_name), None)


def label_text(value: Any) -> str:
    """Return a label as text, blank where there is none.

    A whole number stored as 3.0 is the label 3, a list of one label is that label, and different Unicode spellings of the same letters
    are one class.

    Raises
    ------
    ValueError
        If it is a list of several labels; the message says so.
    """
    if isinstance(value, str) and value[:1] == "[" and value[-1:] == "]" and len(value) < 1000:
        value = _list_in(value)
    if isinstance(value, list | tuple):
        rest = [one for one in value if label_text(one)]
        if len(rest) > 1:
            raise ValueError(f"has {len(rest)} labels ({', '.join(map(repr, rest[:3]))}), and an item can have one")
        return label_text(rest[0]) if rest else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.strip() if value.isascii() else unicodedata.normalize("NFC", value.strip())
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _list_in(text: str) -> Any:
    try:
        return json.loads(text.replace("'", '"') if '"' not in text else text)
    except (ValueError, RecursionError):
        return text


def only_labels(texts: Sequence[str]) -> tuple[list[str], Counter[str]]:
    """Blank what means "not labelled" in a column of labels.

    Blanks, NaN, NA, None, ``?``, ``[]`` and the like always do. A dash does unless ``+`` stands beside it; −1 does unless the column marks
    classes as −1 and 1.

    Parameters
    ----------
    texts : sequence of str
        Of `label_text`.

    Returns
    -------
    labels : list of str
    words : Counter
        What was blanked, as written, and how often; blanks themselves are not counted.
    """
    kinds = set(texts)
    missing = {text for text in kinds if text.lower() in _UNLABELLED or text == str(_NO_NUMBER)}
    others = kinds - missing
    if "+" in others:
        missing -= _PERHAPS_A_CLASS - {"-1"}
    if others in ({"1"}, {"+1"}) or (others in ({"0", "1"}, {"0", "+1"}) and len(missing) > 1):
        missing -= {"-1"}
    return ["" if text in missing else text for text in texts], Counter(text for text in texts if text in missing and text)


def is_placeholder(label: str) -> bool:
    """Tell whether a class is called like what people write where they have no label yet, but which can be a class as well."""
    return label.strip().strip("?!.…<>[]()").lower() in _PLACEHOLDERS


def is_coordinate(name: str, names: Iterable[str]) -> bool:
    """Tell whether a column called ``y`` stands beside an ``x``, and so is a coordinate and no label."""
    return name.strip().lower() == "y" and any(other.strip().lower() in ("x", "z") for other in names)
