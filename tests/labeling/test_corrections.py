"""Corrections stay: they win, they teach, and the table says so."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sibyl.errors import DataError
from sibyl.labeling.corrections import Corrections, perhaps_misspelt, read_corrections, with_corrections
from sibyl.labeling.examples import Examples
from sibyl.labeling.label import label
from sibyl.methods.named import DEFAULT_METHOD
from tests.encoders.tiny_onnx import write_tiny_encoder

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
    assert mended.class_names == ("new", "x", "z")
    assert [mended.origin(item) for item in "abcd"] == ["example", "correction", "example", "correction"]


def test_a_new_class_that_reads_like_a_known_one_is_asked_about() -> None:
    asked = perhaps_misspelt(Corrections({"a": "rhyno", "b": "crab", "c": "snake", "d": "class_12"}), ("rhino", "crab", "class_1"))
    assert asked == ["corrections name a class 'rhyno' that no example has: a new class, or 'rhino' misspelt?"]


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


def test_no_browser_overwrites_another(tmp_path: Path) -> None:
    """Each saves a file of its own; a browser numbers a second file of the same name."""
    (tmp_path / "corrections-20260101-120000-aaa.csv").write_text("item,label,when\nb 2.jpg,dog,2026-01-01T12:00:00Z\n")
    (tmp_path / "corrections (1).csv").write_text("item,label,when\nc,cat,2026-01-01T11:00:00Z\nb 2.jpg,cat,2026-01-01T13:00:00Z\n")
    mended = read(tmp_path, "item,label,when\na/1.jpg,cat,2026-01-01T10:00:00Z\n")
    assert list(mended.labels.items()) == [("a/1.jpg", "cat"), ("c", "cat"), ("b 2.jpg", "cat")]
    assert mended.notes == (
        "1 item with different corrections in several files, of which the latest counts: 'b 2.jpg' is 'cat' (corrections (1).csv)",
    )


def test_a_correction_is_taken_back_by_a_later_blank_one(tmp_path: Path) -> None:
    (tmp_path / "corrections-b.csv").write_text("item,label,when\n./a/1.jpg,,2026-01-01T13:00:00Z\nc,,\n")
    assert read(tmp_path, "item,label,when\na/1.jpg,cat,2026-01-01T10:00:00Z\nc,dog,2026-01-01T10:00:00Z\n").labels == {"c": "dog"}


def test_a_file_without_times_counts_with_its_own(tmp_path: Path) -> None:
    (tmp_path / "corrections-b.csv").write_text("item,label,when\na/1.jpg,cat,2026-01-01T13:00:00Z\nc,cat,nonsense\n")
    (tmp_path / "corrections.csv").write_text("item,label\na/1.jpg,dog\nc,dog\n")
    os.utime(tmp_path / "corrections.csv", (0, 0))
    assert read_corrections(tmp_path, tmp_path, NAMES).labels == {"a/1.jpg": "cat", "c": "cat"}
    os.utime(tmp_path / "corrections.csv", (4e9, 4e9))
    assert read_corrections(tmp_path, tmp_path, NAMES).labels == {"a/1.jpg": "dog", "c": "dog"}


def rows_to_label(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    truth = np.arange(90) % 3
    np.save(folder / "rows.npy", (np.eye(3)[truth] * 2 + draw.normal(size=(90, 3))).astype(np.float32))
    return folder / "rows.npy"


EXAMPLES = {"0": "zero", "1": "one", "2": "two"}


def test_a_whole_table_of_labels_counts_with_the_changed_rows_alone(tmp_path: Path) -> None:
    source, out = rows_to_label(tmp_path), tmp_path / "out"
    first = label(source, EXAMPLES, out=out).set_index("item")
    shutil.copy(out / "labels.csv", out / "corrections.csv")
    same = label(source, EXAMPLES, out=out).set_index("item")
    pd.testing.assert_frame_equal(same, first)
    assert any("whole table of labels: 0 rows" in note for note in json.loads((out / "summary.json").read_text())["notes"])

    edited = pd.read_csv(out / "labels.csv", dtype=str, keep_default_na=False)
    changed = edited.index[edited["changed"] == "True"][:2].tolist()
    unchanged = edited.index[(edited["changed"] == "False") & (edited["status"] == "labelled")][:2].tolist()
    assert len(changed) == len(unchanged) == 2
    edited.loc[[*changed, *unchanged], "label"] = "mended"
    edited.to_csv(out / "corrections.csv", index=False)
    mended = set(edited.loc[[*changed, *unchanged], "item"])
    for _ in range(3):  # the first run replaces labels.csv, so the later ones meet another table beside
        table = label(source, EXAMPLES, out=out)
        assert set(table.loc[table["source"] == "correction", "item"]) == mended
        assert (table["status"] == "example").sum() == 3 + 4


def test_a_table_of_labels_is_no_list_of_examples(tmp_path: Path) -> None:
    source = rows_to_label(tmp_path)
    label(source, EXAMPLES, out=tmp_path / "out")
    with pytest.raises(DataError, match="is a table that sibyl label wrote"):
        label(source, tmp_path / "out" / "labels.csv")


@pytest.mark.parametrize("name", ["gone.png", "n" * 300, "x/" * 3000 + "y", "nul\0", "broken.png"])
def test_one_lost_correction_does_not_stop_the_next_run(tmp_path: Path, name: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(9):
        Image.new("RGB", (8, 8), tuple(int(v) for v in np.eye(3, dtype=int)[number % 3] * 200)).save(photos / f"{number}.png")
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n rest")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "corrections.csv").write_text(f"item,label\n{name},new\n3.png,other\n")
    table = label(photos, {"0.png": "r", "1.png": "g"}, write_tiny_encoder(tmp_path / "e.onnx"), tmp_path / "out").set_index("item")
    assert table.loc["3.png", "source"] == "correction"
    assert set(table["label"].dropna()) <= {"r", "g", "other"}
    notes = json.loads((tmp_path / "out" / "summary.json").read_text())["notes"]
    assert any("1 of the corrections cannot be used" in note for note in notes)
