"""The table of labels: one row per item found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sibyl.labeling.examples import Examples
from sibyl.sources.item import Skipped
from sibyl.tasks import Solution

COLUMNS = (
    "item", "label", "confidence", "margin", "runner_up", "inductive_label", "changed", "outlier_score", "status", "source",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def labels_table(
    names: Sequence[str], examples: Examples, solution: Solution, skipped: Sequence[Skipped] = (), method: str = "method"
) -> pd.DataFrame:
    """Put a solution into words.

    Parameters
    ----------
    names : sequence of str
        Items with features; those that are no examples are the queries of `solution`, in this order.
    examples : Examples
        Labelled items.
    solution : Solution
        A batch of one.
    skipped : sequence of Skipped
        Items without features.
    method : str
        Who gave the labels of the queries; ``source`` says it of each row, as it says ``example``, ``folder``, ``column`` or
        ``correction`` of the labels that came from a person.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, sorted by item; what does not apply to a row is None.
    """
    queries = [name for name in names if name not in examples.labels]
    probabilities = solution.probabilities[0]
    best, order = probabilities.topk(2, dim=-1)
    inductive = solution.logits if solution.inductive_logits is None else solution.inductive_logits
    first_guess = inductive[0].argmax(-1)
    outlier = 1 - best[:, 0] if solution.outlier_score is None else solution.outlier_score[0]
    named = examples.class_names
    rows: list[tuple[object, ...]] = [
        (name, named[first], sure, sure - second, named[other], named[guess], guess != first, score, "labelled", method)
        for name, (first, other), (sure, second), guess, score in zip(
            queries, order.tolist(), best.tolist(), first_guess.tolist(), outlier.tolist(), strict=True
        )
    ]
    rows += [
        (name, examples.labels[name], 1.0, None, None, None, False, None, "example", examples.origin(name))
        for name in names
        if name in examples.labels
    ]
    rows += [(one.name, *[None] * 7, f"skipped: {one.reason}", None) for one in skipped]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    numbers = dict.fromkeys(("confidence", "margin", "outlier_score"), "float64")
    return table.astype(numbers).sort_values("item", kind="stable", ignore_index=True)


def labels_csv(table: pd.DataFrame) -> str:
    """Return a table of labels as CSV.

    Names of items stay as they are, quoted where they hold commas, quotes or newlines, so that each can be joined with its file
    again. One exception: a name that spreadsheets would run as a formula (``=cmd.jpg``) gets ``./`` in front, the same file by a
    harmless spelling. Class names that would run as formulas are refused when the examples are read.
    """
    harmless = table.assign(item=["./" + item if item.startswith(_FORMULA) else item for item in table["item"]])
    text: str = harmless.to_csv(index=False, columns=list(COLUMNS), float_format="%.6g", lineterminator="\n")
    return text


def labels_jsonl(table: pd.DataFrame) -> str:
    """Return a table of labels as one JSON object a line; what does not apply is null. Names stay as they are."""
    text: str = table.to_json(orient="records", lines=True, force_ascii=False, double_precision=6)
    return text


def write_labels_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table of labels as parquet: texts, floats and booleans, with nulls where something does not apply."""
    words = dict.fromkeys(("item", "label", "runner_up", "inductive_label", "status", "source"), "string")
    table.astype({**words, "changed": "boolean"}).to_parquet(path, index=False)
