"""What is in memory as a source: frames, arrays, lists of images and of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
import torch
from PIL import Image
from scipy.sparse import csr_matrix

import sibyl
from sibyl.errors import DataError
from sibyl.sources.open import open_source
from tests.encoders.tiny_onnx import write_tiny_encoder

TRUTH = np.arange(30) % 2
ROWS = np.eye(2)[TRUTH] * 6 + np.random.default_rng(0).normal(size=(30, 2))
WORDS = [("a" if one else "b") for one in TRUTH]


def test_an_array_is_labelled_by_row() -> None:
    table = sibyl.label(ROWS, {0: "b", 1: "a"})
    assert list(table["item"]) == list(map(str, range(30)))
    assert list(table["label"]) == WORDS


@pytest.mark.parametrize("as_other", [np.ndarray.tolist, torch.from_numpy, np.ma.masked_invalid])
def test_other_arrays_are_alike(as_other: Any) -> None:
    source = open_source(as_other(ROWS))
    assert source.matrix is not None
    np.testing.assert_array_equal(source.matrix, ROWS.astype(np.float32))


def test_rows_that_are_not_finite_are_skipped_by_their_position() -> None:
    rows = ROWS.copy()
    rows[3, 0] = np.nan
    assert [(one.name, one.reason) for one in open_source(rows).skipped] == [("3", "holds NaN or infinity")]


@pytest.mark.parametrize(
    ("pile", "parts"),
    [
        (
            np.zeros(5),
            ["the ndarray: expected rows of numbers, shape (items, numbers), got an array of shape (5,)", "reshape(-1, 1)"],
        ),
        (np.zeros((4, 8, 8)), ["got an array of shape (4, 8, 8)", "X.reshape(len(X), -1)", "Image.fromarray"]),
        (np.zeros((0, 3)), ["which is empty"]),
        (np.zeros((3, 0)), ["which is empty"]),
        (np.array([["a", "b"]]), ["expected numbers", "DataFrame"]),
        (np.zeros((2, 2), complex), ["expected numbers"]),
        (csr_matrix(np.eye(3)), ["is sparse", "toarray()"]),
        ([], ["the list: is empty", "expected a path"]),
        ([Image.new("L", (2, 2)), "text"], ["the first is of type Image and item 1 of type str"]),
        ([[1.0, 2.0], [3.0]], ["of one length"]),
        ([object()], ["expected a path", "object of type object"]),
        (5, ["expected a path, a DataFrame", "of type int"]),
        (None, ["of type NoneType"]),
        ({"a": [1]}, ["of type dict"]),
        (pd.Series([1, 2]), ["of type Series"]),
        (pd.DataFrame(), ["has no rows"]),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ["two columns are named 'a'"]),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), ["2 levels of names"]),
        (pd.DataFrame({"a": [1j, 2j]}), ["'a' holds complex numbers"]),
    ],
)
def test_what_is_no_pile_is_said_in_one_sentence(pile: Any, parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        sibyl.label(pile, {0: "a", 1: "b"})
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_frame_is_named_by_its_index_and_takes_a_series_of_examples() -> None:
    frame = pd.DataFrame(ROWS, columns=["x1", "x2"], index=[f"row {number}" for number in range(30)])
    table = sibyl.label(frame, pd.Series({"row 0": "b", "row 1": "a"}), keep_columns=True)
    assert list(table["item"]) == list(frame.index)
    assert list(table["label"]) == WORDS
    np.testing.assert_array_equal(table["x1"], frame["x1"])


def test_the_label_column_of_a_frame_is_enough() -> None:
    frame = pd.DataFrame(ROWS, columns=["x1", "x2"]).assign(label=pd.Series(["b", "a"]))
    assert list(sibyl.label(frame)["label"]) == WORDS


def test_every_type_of_column_is_read_as_from_a_file(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([None if row == 2 else row * row for row in range(30)], "Int64"),
            "real": pd.Series(ROWS[:, 0]).astype("Float64"),
            "kind": pd.Categorical(WORDS),
            "word": pd.Series(WORDS, dtype="string"),
            "flag": pd.array([row % 3 == 0 for row in range(30)], "boolean"),
            "when": pd.date_range("2026-01-01", periods=30, freq="37h"),
            "arrow": pd.Series(ROWS[:, 1]).astype(pd.ArrowDtype(pa.float64())),
            "thin": pd.arrays.SparseArray((ROWS[:, 1] > 3).astype(float)),
        }
    )
    before = frame.copy()
    source = open_source(frame)
    pd.testing.assert_frame_equal(frame, before)
    frame.assign(thin=np.asarray(frame["thin"])).to_csv(tmp_path / "t.csv", index=False)
    written = open_source(tmp_path / "t.csv")
    assert source.modality == written.modality == "table"
    assert source.matrix is not None
    assert written.matrix is not None
    assert source.matrix.shape == written.matrix.shape
    np.testing.assert_allclose(source.matrix, written.matrix, atol=1e-5)


def test_an_index_that_repeats_is_said() -> None:
    source = open_source(pd.DataFrame(ROWS, index=[0] * 30))
    assert source.names[:2] == ("0", "1")
    assert any("repeats" in note for note in source.notes)


def test_frames_of_polars_and_columns_of_texts() -> None:
    texts = [f"a text of {word} and number {row}" for row, word in enumerate(WORDS)]
    source = open_source(polars.DataFrame({"text": texts, "label": [*WORDS[:4], *[None] * 26]}))
    assert source.modality == "text"
    assert source.labels == {str(row): WORDS[row] for row in range(4)}
    assert [item.read().decode() for item in open_source(texts).items] == texts


def test_images_in_a_list_are_labelled_and_shown(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    images = [
        Image.fromarray(np.clip(np.eye(3)[one] * 160 + draw.normal(size=(9, 9, 3)) * 20, 0, 255).astype(np.uint8)) for one in TRUTH
    ]
    images[4] = images[4].convert("CMYK")
    encoder = write_tiny_encoder(tmp_path / "e.onnx")
    table = sibyl.label(images, {0: "b", 1: "a"}, encoder, tmp_path / "out", cache=tmp_path / "cache", export=["datasets"])
    assert list(table["label"]) == WORDS
    assert "data:image" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    again = open_source(tmp_path / "out" / "datasets" / "data" / "train-00000-of-00001.parquet")
    assert again.labels == {str(row): word for row, word in enumerate(WORDS)}
    assert again.decode(again.items[again.names.index("7")].read()).tobytes() == images[7].tobytes()


def test_paths_in_a_list(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (3, 3)).save(tmp_path / name)
    source = open_source([tmp_path / "b.png", tmp_path / "a.png"])
    assert (source.modality, source.names) == ("image", ("0", "1"))
    assert source.items[0].path == tmp_path / "b.png"


def test_an_earlier_run_labels_a_later_frame(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["x1", "x2"])
    sibyl.label(frame, {0: "b", 1: "a"}, out=tmp_path / "out")
    later = sibyl.label(frame[["x2", "x1"]][5:], earlier=tmp_path / "out", out=tmp_path / "later")
    assert list(later["item"]) == list(map(str, range(5, 30)))
    assert list(later["label"]) == WORDS[5:]


def test_examples_of_another_type_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected a path or item → label \(a dict or a Series\)"):
        sibyl.label(ROWS, ["a", "b"])
