"""Later items of a table, or read by an encoder that is fitted to its texts: prepared just as the first were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_wine

from sibyl.encoders.tfidf import TfidfEncoder
from sibyl.errors import CheckpointError, DataError
from sibyl.labeling.apply_run import label_with
from sibyl.labeling.file_names import RUN
from sibyl.labeling.label import label
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import Labelling, label_items
from sibyl.labeling.saved_run import SavedRun
from sibyl.sources.open import open_source
from tests.tampering import parts_of, write_parts

WORDS = {"fruit": "apple cherry plum pear", "sky": "rain cloud wind storm"}
LINES = [f"{a} {b} {number}" for kind in WORDS.values() for a in kind.split() for b in kind.split() for number in range(3)]
TEXT_EXAMPLES = {"1": "fruit", str(len(LINES)): "sky"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))


def wine(tmp_path: Path) -> tuple[Path, Path, list[str]]:
    """The table in two halves, the first with one label of each kind; and the truth of the second half."""
    data = load_wine(as_frame=True)
    kinds = [f"kind {kind}" for kind in data.target]
    frame = data.data.assign(soil=[("clay", "chalk", "")[kind] if row % 7 else "loam" for row, kind in enumerate(data.target)])
    order = np.random.default_rng(0).permutation(len(frame))
    first, second = order[:100], order[100:]
    labels = pd.Series([""] * len(frame))
    for kind in range(3):
        row = next(row for row in first if data.target[row] == kind)
        labels[row] = kinds[row]
    frame.assign(label=labels).iloc[first].to_csv(tmp_path / "first.csv", index=False)
    frame.iloc[second].to_csv(tmp_path / "second.csv", index=False)
    return tmp_path / "first.csv", tmp_path / "second.csv", [kinds[row] for row in second]


def of_classifier(first: Labelling) -> tuple[list[str], np.ndarray]:
    """What the adapted classifier says of every item of the first run."""
    classifier = first.solved.solution.classifier
    assert classifier is not None
    shares = classifier(torch.from_numpy(first.matrix)[None])[0].softmax(-1)
    return [first.class_names[one] for one in shares.argmax(-1)], shares.amax(-1).numpy()


def test_the_same_rows_of_a_table_get_the_same_features_and_answers(tmp_path: Path) -> None:
    table, _, _ = wine(tmp_path)
    first = label_items(LabelRequest(table))
    label(table, out=tmp_path / "out")
    again = label_with(LabelRequest(table, earlier=tmp_path / "out"))
    assert again.names == first.names
    assert np.abs(again.matrix - first.matrix).max() < 1e-6
    labels, confidence = of_classifier(first)
    assert again.table["label"].tolist() == labels
    assert np.allclose(again.table["confidence"].astype(float), confidence, atol=1e-6)
    assert "labels of 3 rows" in " ".join(again.summary.notes)


def test_later_rows_of_a_table_are_labelled_whatever_their_order(tmp_path: Path) -> None:
    table, later, truth = wine(tmp_path)
    label(table, out=tmp_path / "out")
    found = label(later, earlier=tmp_path / "out", out=tmp_path / "out2")
    assert (found["label"] == truth).mean() > 0.85
    frame = pd.read_csv(later, keep_default_na=False)
    other = frame[frame.columns[::-1]].assign(price=3.5, shop="corner")
    other.to_csv(tmp_path / "other.csv", index=False)
    done = label_with(LabelRequest(tmp_path / "other.csv", earlier=tmp_path / "out"))
    assert done.table["label"].tolist() == found["label"].tolist()
    assert "passed over 2 columns that the earlier table did not have: 'price', 'shop'" in done.summary.notes
    # One row alone has no spread of its own: only the first table's can scale it.
    frame.iloc[:1].to_csv(tmp_path / "one.csv", index=False)
    assert label(tmp_path / "one.csv", earlier=tmp_path / "out")["label"].tolist() == found["label"].tolist()[:1]


def test_the_same_texts_get_the_same_features_and_answers(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(LINES))
    first = label_items(LabelRequest(tmp_path / "texts.txt", TEXT_EXAMPLES, "tfidf"))
    label(tmp_path / "texts.txt", TEXT_EXAMPLES, "tfidf", tmp_path / "out")
    again = label_with(LabelRequest(tmp_path / "texts.txt", earlier=tmp_path / "out"))
    row_of = {name: row for row, name in enumerate(again.names)}
    same = again.matrix[[row_of[name] for name in first.names]]
    assert np.abs(same - first.matrix).max() < 1e-6
    labels, _ = of_classifier(first)
    assert [again.table["label"][row_of[name]] for name in first.names] == labels
    (tmp_path / "new.txt").write_text("a plum, a pear\nclouds, then a storm\nnothing of either\n")
    found = label(tmp_path / "new.txt", earlier=tmp_path / "out", out=tmp_path / "out2")
    assert found["label"].tolist()[:2] == ["fruit", "sky"]
    assert not list((tmp_path / "cache").rglob("*.npy"))
    fitted = SavedRun.read(tmp_path / "out").fitted
    assert fitted is not None
    given = label(tmp_path / "new.txt", earlier=tmp_path / "out", encoder=TfidfEncoder().fitted_as(fitted))
    assert given["label"].tolist() == found["label"].tolist()
    with pytest.raises(DataError, match="another encoder than tfidf"):
        label(tmp_path / "new.txt", earlier=tmp_path / "out", encoder=TfidfEncoder().fitted_to(LINES[:9]))


def test_what_is_damaged_or_was_not_kept_is_said(tmp_path: Path) -> None:
    table, later, _ = wine(tmp_path)
    label(table, out=tmp_path / "out")
    (tmp_path / "texts.txt").write_text("\n".join(LINES))
    label(tmp_path / "texts.txt", TEXT_EXAMPLES, "tfidf", tmp_path / "texts")
    for out, new in ((tmp_path / "out", later), (tmp_path / "texts", tmp_path / "texts.txt")):
        path = out / RUN
        tensors, header = parts_of(path)
        fitted = json.dumps(header["task"]["fitted"])
        changed = json.loads(fitted.replace('"median": ', '"median": 1').replace('"n_texts": ', '"n_texts": 1'))
        write_parts(path, tensors, header | {"task": header["task"] | {"fitted": changed}})
        with pytest.raises(CheckpointError, match=r"damaged.*run sibyl label again"):
            label(new, earlier=out)
        if "fitted.components" in tensors:
            write_parts(path, tensors | {"fitted.components": -tensors["fitted.components"]}, header)
            with pytest.raises(CheckpointError, match="damaged"):
                label(new, earlier=out)
        write_parts(path, tensors, header | {"task": header["task"] | {"fitted": None}})
        with pytest.raises(DataError, match=r"did not keep what .* was fitted to; run sibyl label on it again"):
            label(new, earlier=out)
        write_parts(path, tensors, {"format": 1, "names": []})  # as an older version wrote it
        with pytest.raises(CheckpointError, match="earlier version of sibyl"):
            label(new, earlier=out)
        path.unlink()
        with pytest.raises(DataError, match="holds no run"):
            label(new, earlier=out)


def test_what_a_later_table_cannot_be(tmp_path: Path) -> None:
    table, later, _ = wine(tmp_path)
    label(table, out=tmp_path / "out")
    with pytest.raises(DataError, match="leave --encoder out"):
        label(later, earlier=tmp_path / "out", encoder="tfidf")
    with pytest.raises(DataError, match="leave --column out"):
        label(later, earlier=tmp_path / "out", column="soil")
    with pytest.raises(DataError, match="give the path of a later table"):
        label(open_source(later), earlier=tmp_path / "out")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("a text")
    with pytest.raises(DataError, match=r"holds text, but the run in .* labelled table"):
        label(folder, earlier=tmp_path / "out")


def test_names_are_taken_from_the_same_column_and_a_folder_has_none(tmp_path: Path) -> None:
    lines = pd.DataFrame({"who": [f"p{number}" for number in range(len(LINES))], "said": LINES})
    lines.to_csv(tmp_path / "t.csv", index=False)
    examples = {"p0": "fruit", f"p{len(LINES) - 1}": "sky"}
    label(tmp_path / "t.csv", examples, "tfidf", tmp_path / "out", column="said", id_column="who")
    again = label(tmp_path / "t.csv", earlier=tmp_path / "out")
    assert again["item"].tolist()[0] == "p0"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("a plum")
    assert label(folder, earlier=tmp_path / "out")["label"].tolist() == ["fruit"]


def test_the_column_of_labels_need_not_be_named_again(tmp_path: Path) -> None:
    remarks = [f"{line} again" for line in LINES]  # three words, and so texts without --column
    frame = pd.DataFrame({"remark": remarks, "kind": ["fruit", *[""] * (len(LINES) - 2), "sky"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    label(tmp_path / "t.csv", None, "tfidf", tmp_path / "out", label_column="kind")
    expected = pd.read_csv(tmp_path / "out" / "labels.csv")["label"]
    # Without the column of labels nothing needs to be told apart; beside another column, texts are where they were found before.
    for later in (frame, frame[["remark"]], frame[["remark"]].assign(price=range(len(LINES)))):
        later.to_csv(tmp_path / "later.csv", index=False)
        table = label(tmp_path / "later.csv", earlier=tmp_path / "out")
        assert (table["label"] == expected).mean() > 0.95
