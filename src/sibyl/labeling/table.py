"""The table of labels: one row per item found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples
from sibyl.memmap import slices
from sibyl.messages import counted
from sibyl.sources.item import Skipped
from sibyl.sources.source import Source
from sibyl.sources.table_files import cell_text
from sibyl.tasks import Solution

COLUMNS = (
    "item", "label", "confidence", "margin", "runner_up", "inductive_label", "changed", "outlier_score", "status", "source",
)  # fmt: skip
_WRITTEN_ROWS = 4096
_DIGITS = 20
_NUMBER = re.compile(r"\d+")
_LINE = 200  # letters of a text
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def labels_table(
    names: Sequence[str], examples: Examples, solution: Solution, skipped: Sequence[Skipped] = (), method: str = "method"
) -> pd.DataFrame:
    """Put a solution into words.

    Parameters
    ----------
    names : sequence of str
        Items with features; those that are no examples are the queries of `solution`, in this
        order.
    examples : Examples
        Labelled items.
    solution : Solution
        A batch of one.
    skipped : sequence of Skipped
        Items without features.
    method : str
        Who gave the labels of the queries; ``source`` says it of each row, as it says ``example``,
        ``folder``, ``column`` or ``correction`` of the labels that came from a person.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, sorted by item, numbers in names by value; what does not apply to a row
        is None.
    """
    queries = [name for name in names if name not in examples.labels]
    given = [name for name in names if name in examples.labels]
    best, order = two_best(solution)
    inductive = (solution.logits if solution.inductive_logits is None else solution.inductive_logits)[0]
    guesses = [inductive[part].argmax(-1).numpy() for part in slices(inductive)]
    first_guess = np.concatenate(guesses) if guesses else np.zeros(0, np.int64)
    outlier = 1 - best[:, 0] if solution.outlier_score is None else solution.outlier_score[0].numpy()
    if len(queries) != len(best):
        raise DataError(
            f"the solution answers {counted(len(best), 'query', 'queries')}, but {counted(len(queries), 'item')} without a label came"
        )
    # Column by column: a hundred thousand rows as objects would cost more than their features.
    labelled, examined = slice(0, len(queries)), slice(len(queries), len(names))
    n_rows = len(names) + len(skipped)
    words = {name: np.full(n_rows, None, object) for name in COLUMNS}
    numbers = {name: np.full(n_rows, np.nan) for name in ("confidence", "margin", "outlier_score")}
    items = [*queries, *given, *(one.name for one in skipped)]
    words["item"][:] = items
    class_names = np.array([*examples.class_names, None], object)  # a None keeps numpy from looking into the names
    words["label"][labelled], words["runner_up"][labelled] = class_names[order[:, 0]], class_names[order[:, 1]]
    words["inductive_label"][labelled] = class_names[first_guess]
    words["changed"][labelled] = first_guess != order[:, 0]
    words["status"][labelled], words["source"][labelled] = "labelled", method
    numbers["confidence"][labelled] = best[:, 0]
    numbers["margin"][labelled] = best[:, 0].astype(float) - best[:, 1]
    numbers["outlier_score"][labelled] = outlier
    words["label"][examined] = [examples.labels[name] for name in given]
    words["source"][examined] = [examples.origin(name) for name in given]
    words["changed"][examined], words["status"][examined] = False, "example"
    numbers["confidence"][examined] = 1.0
    words["status"][len(names) :] = [f"skipped: {one.reason}" for one in skipped]
    in_order = np.array(sorted(range(n_rows), key=lambda row: _in_order(items[row])), np.int64)
    columns = {name: numbers.get(name, words[name])[in_order] for name in COLUMNS}
    return pd.DataFrame({name: pd.Series(column, dtype=column.dtype, copy=False) for name, column in columns.items()}, copy=False)


def in_source_order(table: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Return a table of labels with its rows as they stand in the source; unchanged where that is not known."""
    if not order:
        return table
    place = {name: row for row, name in enumerate(order)}
    rows = np.argsort([place.get(name, len(place)) for name in table["item"]], kind="stable")
    return table.iloc[rows].reset_index(drop=True)


def with_columns(table: pd.DataFrame, frame: pd.DataFrame | None) -> pd.DataFrame:
    """Return a table of labels with the columns of the table that was labelled behind its own.

    Parameters
    ----------
    table : DataFrame
        Of `labels_table`.
    frame : DataFrame, optional
        The columns, indexed by item; nothing is added when left out. One that is called like a
        column of labels has ``(table)`` behind its name.
    """
    if frame is None:
        return table
    kept = frame.reindex(table["item"]).reset_index(drop=True)
    for name in kept.columns:
        if kept[name].dtype == object or hasattr(kept[name].dtype, "pyarrow_dtype"):
            texts = [None if cell is None or cell is pd.NA else cell_text(cell) for cell in kept[name]]
            kept[name] = pd.Series(texts, dtype=object)
    taken = set(table.columns)
    kept.columns = [f"{name} (table)" if name in taken else str(name) for name in kept.columns]
    return pd.concat([table, kept], axis=1)


def with_texts(table: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return a table of labels with the column ``text``, where the items are rows of a table of texts: a number alone tells nothing.

    A text is one line of at most 200 letters. One that spreadsheets would run as a formula has an
    apostrophe in front.
    """
    texts = {item.name: item.content for item in source.items if isinstance(item.content, bytes)}
    if source.modality != "text" or not texts:
        return table
    lines = [_one_line(texts[item]) if item in texts else None for item in table["item"]]
    return table.assign(text=np.array(lines, object))


def _one_line(content: bytes) -> str:
    line = " ".join(content[: 8 * _LINE].decode("utf-8", "ignore").split())
    line = line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
    return f"'{line}" if line.startswith(_FORMULA) else line


def two_best(solution: Solution) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the two largest probabilities of each query, and their classes; of a batch of one, without a copy of all of them."""
    logits = solution.logits[0]
    best, order = np.empty((len(logits), 2), np.float32), np.empty((len(logits), 2), np.int64)
    for part in slices(logits):
        values, classes = logits[part].softmax(-1).topk(2, dim=-1)
        best[part], order[part] = values.numpy(), classes.numpy()
    return best, order


def _in_order(name: str) -> str:
    """Row 9 of a table comes before row 10, and ``scan 9.jpg`` before ``scan 10.jpg``.

    Rows of features stay in the order of plain names, which caches and sums depend on.
    """
    return _NUMBER.sub(lambda found: found[0].zfill(_DIGITS), name)


def write_labels_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table of labels as CSV.

    Names of items stay as they are, quoted where they hold commas, quotes or newlines, so that each
    can be joined with its file again. One exception: a name that spreadsheets would run as a
    formula (``=cmd.jpg``) gets ``./`` in front, the same file by a harmless spelling. Class names
    that would run as formulas are refused when the examples are read.
    """
    harmless = table.assign(item=["./" + item if item.startswith(_FORMULA) else item for item in table["item"]])
    harmless.to_csv(path, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8")


def write_labels_jsonl(path: Path, table: pd.DataFrame) -> None:
    """Write a table of labels as one JSON object a line; what does not apply is null. Names stay as they are."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for start in range(0, len(table), _WRITTEN_ROWS):
            part = table.iloc[start : start + _WRITTEN_ROWS]
            part.to_json(file, orient="records", lines=True, force_ascii=False, double_precision=6)


def write_labels_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table of labels as parquet: texts, floats and booleans, with nulls where something does not apply."""
    words = dict.fromkeys(("item", "label", "runner_up", "inductive_label", "status", "source"), "string")
    table.astype({**words, "changed": "boolean"}).to_parquet(path, index=False)
