"""What a file holds is decided by its content, and said in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image

from sibyl.errors import DataError, UnknownName
from sibyl.labeling.label import label
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import label_items
from sibyl.sources.open import open_source

DRAW = np.random.default_rng(0)
VECTORS: npt.NDArray[np.float64] = np.eye(3).repeat(4, 0) * 5 + DRAW.normal(size=(12, 3)) * 0.3
LABELS = ["a", "", "", "", "b", "", "", "", "c", "", "", ""]


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 12), (shade, shade, 40)).save(path)


@pytest.mark.parametrize("name", ["content", "body", "message", "document", "review", "question", "text"])
def test_a_column_of_numbers_is_no_text_whatever_its_name(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({name: DRAW.normal(size=12), "weight": DRAW.normal(size=12), "label": LABELS})
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = open_source(tmp_path / "t.csv")
    assert source.modality == "table"
    assert source.matrix is not None
    assert source.matrix.shape == (12, 2)


def test_texts_are_found_by_what_they_read_like(tmp_path: Path) -> None:
    sentences = [f"a sentence about thing {i}, and more" for i in range(12)]
    for name in ("content", "Review", "tweet"):
        pd.DataFrame({name: sentences, "label": LABELS}).to_csv(tmp_path / "t.csv", index=False)
        assert open_source(tmp_path / "t.csv").modality == "text"
    pd.DataFrame({"document": [f"文書の内容は{i}番目のものです" for i in range(12)], "n": range(12)}).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert open_source(tmp_path / "t.csv").modality == "text"
    pd.DataFrame({"body": ["sedan", "van"] * 6, "price": DRAW.normal(size=12)}).to_csv(tmp_path / "t.csv", index=False)
    assert open_source(tmp_path / "t.csv").modality == "table"


@pytest.mark.parametrize("form", ["json", "numpy", "bare", "tuple", "jsonl", "parquet"])
def test_vectors_in_cells_are_features(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"t.{form if form in ('jsonl', 'parquet') else 'csv'}"
    written: dict[str, Any] = {
        "json": [json.dumps(row.tolist()) for row in VECTORS],
        "numpy": [str(row) for row in VECTORS],
        "bare": [" ".join(map(str, row)) for row in VECTORS],
        "tuple": [str(tuple(row.tolist())) for row in VECTORS],
    }
    frame = pd.DataFrame(
        {"embedding": written.get(form, [row.tolist() for row in VECTORS]), "label": [name or None for name in LABELS]}
    )
    if form == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif form == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    source = open_source(path)
    assert source.modality == "features"
    assert source.matrix is not None
    assert np.abs(source.matrix - VECTORS).max() < 1e-4
    assert source.labels == {"1": "a", "5": "b", "9": "c"}
    assert "features in column 'embedding', 3 numbers each" in source.understood


def test_a_vector_that_is_none_is_skipped_and_named(tmp_path: Path) -> None:
    cells: list[Any] = [json.dumps(row.tolist()) for row in VECTORS]
    cells[2], cells[5], cells[7], cells[9] = "[1.0, NaN, 2]", "[1, 2]", "", "[1.0 2.0 ... 3.0]"
    pd.DataFrame({"embedding": cells, "label": LABELS}).to_csv(tmp_path / "t.csv", index=False)
    labelling = label_items(LabelRequest(tmp_path / "t.csv"))
    said = {one.name: one.reason for one in labelling.source.skipped}
    assert said["3"] == "holds NaN or infinity"
    assert said["6"] == "a vector of 2 numbers, others have 3"
    assert said["8"] == "no vector"
    assert "shortened" in said["10"]
    assert labelling.summary.counts.found == 12


def test_a_nan_row_of_an_array_is_skipped_and_its_class_is_not_lost(tmp_path: Path) -> None:
    rows = VECTORS.astype(np.float32)
    rows[3, 1] = np.nan
    np.save(tmp_path / "a.npy", rows)
    labelling = label_items(LabelRequest(tmp_path / "a.npy", {"0": "a", "4": "b", "8": "c"}))
    assert labelling.summary.counts.skipped == 1
    assert [(one.name, one.reason) for one in labelling.source.skipped] == [("3", "holds NaN or infinity")]
    rows[4] = np.inf
    np.savez(tmp_path / "a.npz", features=rows, labels=np.array(LABELS))
    with pytest.raises(DataError, match="no example of class 'b' can be used: '4' is skipped"):
        label_items(LabelRequest(tmp_path / "a.npz"))


def test_a_list_of_files_opens_the_files(tmp_path: Path) -> None:
    for number in range(8):
        picture(tmp_path / "photos" / f"{number}.png", 30 * number)
    names = [f"photos/{number}.png" for number in range(8)]
    frame = pd.DataFrame({"path": [*names, "photos/gone.png", ""], "label": ["dark", "", "", "", "", "", "", "bright", "", ""]})
    frame.to_csv(tmp_path / "list.csv", index=False)
    source = open_source(tmp_path / "list.csv")
    assert source.modality == "image"
    assert source.names == tuple(names) or source.names == tuple(map(str, range(1, 9)))
    assert [one.reason for one in source.skipped] == ["no such file", "names no file"]
    assert set(source.labels.values()) == {"dark", "bright"}
    assert source.decode(source.items[0].read()).size == (12, 12)
    absolute = frame.assign(path=[str(tmp_path / name) for name in frame["path"]])[:8]
    absolute.to_json(tmp_path / "list.jsonl", orient="records", lines=True)
    assert len(open_source(tmp_path / "list.jsonl").items) == 8
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    frame.to_csv(elsewhere / "list.csv", index=False)
    with pytest.raises(DataError, match=r"column 'path' names files, but none can be read .*relative to"):
        open_source(elsewhere / "list.csv")


def test_names_of_files_beside_values_name_the_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"file": [f"{i}.png" for i in range(12)], "width": DRAW.normal(size=12), "height": DRAW.normal(size=12)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = open_source(tmp_path / "t.csv")
    assert source.modality == "table"
    assert source.names == tuple(frame["file"])


def test_kind_and_ignore_decide(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"text": [f"{i} apples and pears" for i in range(12)], "n": DRAW.normal(size=12), "m": DRAW.normal(size=12)}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert open_source(tmp_path / "t.csv").modality == "text"
    assert open_source(tmp_path / "t.csv", kind="table").modality == "table"
    source = open_source(tmp_path / "t.csv", kind="table", ignore=["m"])
    assert source.matrix is not None
    assert source.matrix.shape[1] == 1
    assert source.understood.endswith("ignored 'm'")
    assert open_source(tmp_path / "t.csv", ignore=["text"]).modality == "table"
    for settings, said in (
        ({"kind": "image"}, "no column names files of kind image"),
        ({"ignore": ["txt"]}, "did you mean 'text'"),
    ):
        with pytest.raises(DataError, match=said):
            open_source(tmp_path / "t.csv", **settings)
    with pytest.raises(UnknownName, match="did you mean image"):
        open_source(tmp_path / "t.csv", kind="images")


def test_pictures_that_cannot_be_read_are_named_and_their_class_is_not_lost(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png", 200)
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "2.avif").write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1")
    source = open_source(tmp_path)
    said = {one.name: one.reason for one in source.skipped}
    assert "HEIC picture, which is not read: convert it" in said["dog/1.heic"]
    assert "AVIF picture" in said["2.avif"]
    assert source.lost == {"dog/1.heic": "dog"}
    (tmp_path / "cat" / "1.png").unlink()
    with pytest.raises(DataError, match="convert it to JPEG or PNG"):
        open_source(tmp_path)


def test_the_table_of_labels_keeps_order_and_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": [f"r{i}" for i in (3, 1, 2, 9, 0, 5, 4, 8, 7, 6, 11, 10)], "a": VECTORS[:, 0], "b": VECTORS[:, 1], "label": LABELS}
    )
    frame.loc[3, ["a", "b"]] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = label(tmp_path / "t.csv", out=tmp_path / "out", keep_columns=True)
    assert table["item"].tolist() == frame["id"].tolist()
    written = pd.read_csv(tmp_path / "out" / "labels.csv")
    assert written["item"].tolist() == frame["id"].tolist()
    assert written["a"].tolist()[0] == frame["a"][0]
    assert written["label (table)"].fillna("").tolist() == LABELS
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["found"] == 12 == summary["labelled"] + summary["examples"] + summary["skipped"]
    assert summary["understood"].startswith(
        "a table of values; 2 columns used ('a', 'b'); labels in column 'label'; names in column 'id'"
    )
