"""From features and examples to a task, and from its solution to the table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples
from sibyl.labeling.report import Counts
from sibyl.labeling.solve import solve_items
from sibyl.labeling.table import COLUMNS, labels_table, write_labels_csv
from sibyl.methods import build_method
from sibyl.methods.named import method_by_name
from sibyl.sources.item import Skipped
from sibyl.tasks import Solution, Task

NAMES = ("q0", "e0", "q1", "e1", "q2", "e2")
EXAMPLES = Examples({"e0": "b", "e1": "a", "e2": "a", "gone": "b"}, ("b", "a"))


def features() -> np.ndarray:
    return np.arange(12, dtype=np.float32).reshape(6, 2)


def solved(names: Sequence[str], matrix: np.ndarray) -> Task:
    return solve_items(names, matrix, EXAMPLES, build_method("class_mean")).task


def test_support_and_query_keep_their_order() -> None:
    task = solved(NAMES, features())
    assert task.support_x[0].tolist() == [[2, 3], [6, 7], [10, 11]]
    assert task.support_y.tolist() == [[0, 1, 1]]
    assert task.query_x[0].tolist() == [[0, 1], [4, 5], [8, 9]]
    assert task.n_way == 2


def test_rows_after_the_examples_are_not_copied() -> None:
    matrix, names = features(), ("e0", "e1", "q0", "q1", "q2", "q3")
    task = solved(names, matrix)
    assert np.shares_memory(task.query_x.numpy(), matrix)
    assert task.query_x[0].tolist() == matrix[2:].tolist()
    matrix.flags.writeable = False  # as memory-mapped files come
    assert task.query_x[0].tolist() == solved(names, matrix).query_x[0].tolist()


def test_bad_features_are_named_by_row() -> None:
    matrix = features()
    matrix[4, 1] = np.nan
    with pytest.raises(DataError, match=r"row 4 \('q2'\)"):
        solved(NAMES, matrix)
    with pytest.raises(DataError, match="6 rows of features, but 1 item;"):
        solved(NAMES[:1], features())


def solution() -> Solution:
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]]])
    inductive = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    return Solution(logits, inductive, outlier_score=torch.tensor([[0.1, 0.9, 0.5]]))


def test_every_column_says_what_the_solution_says() -> None:
    table = labels_table(NAMES, EXAMPLES, solution(), [Skipped("bad", "empty file")]).set_index("item")
    assert list(table.index) == sorted([*NAMES, "bad"])
    assert table["label"].to_dict() == {"q0": "b", "q1": "a", "q2": "b", "e0": "b", "e1": "a", "e2": "a", "bad": None}
    sure = 1 / (1 + np.exp(-1))
    assert table.loc["q1", "confidence"] == pytest.approx(sure)
    assert table.loc["q1", "margin"] == pytest.approx(2 * sure - 1)
    assert table.loc["q1", "runner_up"] == "b"
    assert table.loc[["q0", "q1", "q2"], "changed"].tolist() == [False, True, True]
    assert table.loc["q2", "inductive_label"] == "a"
    assert table.loc["q1", "outlier_score"] == pytest.approx(0.9)
    assert table.loc["e0", "confidence"] == 1
    assert table.loc["bad", "status"] == "skipped: empty file"


def test_numbered_rows_stand_in_the_order_of_their_numbers() -> None:
    names = ("1", "2", "10", "9", "100", "row 7")
    examples = Examples({"1": "a", "2": "b"}, ("a", "b"))
    table = labels_table(names[:5], examples, solution(), [Skipped("row 7", "no values")])
    assert table["item"].tolist() == ["1", "2", "9", "10", "100", "row 7"]


def test_files_stand_in_the_order_of_the_numbers_in_their_names() -> None:
    names = ("a/scan 10.png", "a/scan 2.png", "a/scan 1.png", "10.png")
    examples = Examples({"10.png": "a"}, ("a", "b"))
    table = labels_table(names, examples, solution(), [Skipped("9.png", "empty file"), Skipped("a/scan.png", "empty file")])
    assert table["item"].tolist() == ["9.png", "10.png", "a/scan 1.png", "a/scan 2.png", "a/scan 10.png", "a/scan.png"]
    label = table.set_index("item")["label"]
    assert label[list(names)].tolist() == ["a", "b", "a", "a"]  # each row keeps its own answer


def test_counts_add_up() -> None:
    counts = Counts.of(labels_table(NAMES, EXAMPLES, solution(), [Skipped("x", "empty file"), Skipped("y", "empty file")]))
    assert (counts.found, counts.labelled, counts.examples, counts.skipped) == (8, 3, 3, 2)
    assert counts.found == counts.labelled + counts.examples + counts.skipped
    assert counts.changed == 2
    assert counts.classes == {"b": 2, "a": 1}
    assert counts.reasons == {"empty file": 2}
    assert counts.skipped_lines(5) == ["2: empty file (x, y)"]


def test_skipped_items_are_named_and_many_reasons_do_not_fill_the_screen() -> None:
    lost = [Skipped(f"e{number}", "empty file") for number in range(5)] + [
        Skipped(f"d{n}", f"damaged {'abcdefghi'[n]}") for n in range(9)
    ]
    counts = Counts.of(labels_table(NAMES, EXAMPLES, solution(), lost))
    assert counts.skipped_lines(2) == [
        "5: empty file (e0, e1, e2 and 2 more)",
        "1: damaged a (d0)",
        "8: for 8 further reasons; the table of labels names each",
    ]


def test_reasons_that_differ_in_numbers_alone_are_one() -> None:
    lost = [Skipped(f"d{n}", f"file of {n}.5 GiB, the limit is 1") for n in range(2, 9)] + [Skipped("x", "damaged at byte 7")]
    counts = Counts.of(labels_table(NAMES, EXAMPLES, solution(), lost))
    assert counts.reasons == {"file of … GiB, the limit is 1": 7, "damaged at byte 7": 1}
    assert counts.skipped_lines(1)[0] == "7: file of … GiB, the limit is 1 (d2, d3, d4 and 4 more)"


def test_nothing_unlabelled() -> None:
    for method in ("anchored_means", "universal_sib", "pt_map", "class_mean"):
        found = solve_items(("e0", "e1", "e2"), features()[:3], EXAMPLES, method_by_name(method, 2, 2))
        assert found.fell_back == (method != "class_mean")
        assert found.table["status"].tolist() == ["example"] * 3


def test_the_csv_reads_back_and_runs_no_formula(tmp_path: Path) -> None:
    odd = ("=cmd.jpg", "+1.jpg", "@x", "-rf.jpg", 'a "q", \n😀.jpg', " b ", "plain.jpg")
    examples = Examples({"p": "cat", "q": "naïve, dog"}, ("cat", "naïve, dog"))
    logits = torch.zeros(1, len(odd), 2)
    table = labels_table((*odd, "p", "q"), examples, Solution(logits, logits))
    write_labels_csv(tmp_path / "labels.csv", table)
    text = (tmp_path / "labels.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    assert {Path(row["item"]).as_posix() for row in rows} == {*odd, "p", "q"}
    assert pd.read_csv(io.StringIO(text))["status"].value_counts().to_dict() == {"labelled": 7, "example": 2}
