"""Corrections stay: they win, they teach, and the table says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sibyl.errors import DataError
from sibyl.labeling.corrections import Corrections, read_corrections, with_corrections
from sibyl.labeling.examples import Examples
from sibyl.labeling.label import label
from sibyl.methods.named import DEFAULT_METHOD

NAMES = ("a/1.jpg", "b 2.jpg", "c")


def read(tmp_path: Path, content: str) -> Corrections:
    (tmp_path / "corrections.csv").write_text(content, encoding="utf-8")
    return read_corrections(tmp_path, tmp_path, NAMES)


def test_none_is_no_correction(tmp_path: Path) -> None:
    assert read_corrections(tmp_path, tmp_path, NAMES) == Corrections({})


def test_blanks_pass_and_lost_items_are_named(tmp_path: Path) -> None:
    mended = read(tmp_path, "item,label\nb 2.jpg,dog\nc,\ngone.jpg,cat\n./a/1.jpg,cat\n")
    assert mended.labels == {"b 2.jpg": "dog", "a/1.jpg": "cat"}
    assert mended.notes == ("1 of the corrections cannot be used: no item 'gone.jpg'",)


def test_two_labels_for_one_item_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"corrections\.csv: 'c' has two labels"):
        read(tmp_path, "item,label\nc,dog\nc,cat\n")


def test_a_correction_wins_brings_a_class_and_takes_one_away() -> None:
    given = Examples({"a": "x", "b": "y", "c": "z"}, ("x", "y", "z"))
    mended = with_corrections(given, Corrections({"b": "new", "d": "x"}))
    assert mended.labels == {"a": "x", "b": "new", "c": "z", "d": "x"}
    assert mended.class_names == ("x", "z", "new")
    assert [mended.origin(item) for item in "abcd"] == ["example", "correction", "example", "correction"]


def test_the_next_run_counts_them_as_examples(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    truth = np.arange(90) % 3
    np.save(tmp_path / "rows.npy", (np.eye(3)[truth] * 3 + draw.normal(size=(90, 3))).astype(np.float32))
    examples, out = {"0": "zero", "1": "one", "2": "two"}, tmp_path / "out"
    first = label(tmp_path / "rows.npy", examples, out=out).set_index("item")
    wrong = next(str(item) for item, named in first["label"].items() if named != ("zero", "one", "two")[int(str(item)) % 3])
    (out / "corrections.csv").write_text(f"item,label\n{wrong},mended\n5,two\n")
    second = label(tmp_path / "rows.npy", examples, out=out).set_index("item")
    assert [second.loc[wrong, name] for name in ("label", "status", "source", "confidence")] == [
        "mended",
        "example",
        "correction",
        1.0,
    ]
    assert second.loc["0", "source"] == "example"
    assert set(second.loc[second["status"] == "labelled", "source"]) == {DEFAULT_METHOD}
    assert set(pd.read_csv(out / "labels.csv")["source"]) == {"example", "correction", DEFAULT_METHOD}
    assert not first["confidence"].equals(second["confidence"])
    assert (out / "corrections.csv").is_file()
